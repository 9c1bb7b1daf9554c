"""What the process that makes the load is told, and what it hands back: JSON both ways, without keys. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ..conformance.target import KeyPlace, Target
from ..errors import ConfigError
from ..secret import Secret
from ..surfaces import Surface
from .recording import Recording
from .schedule import Arm, Pace

PLAN_VARIABLE: Final = "UNDERSTUDY_LOAD_PLAN"
"""Names the plan's file to the locustfile."""

KEY_VARIABLE: Final = "UNDERSTUDY_KEY"
"""The gateway key, for the locustfile; it stands in no file."""

MAX_IN_FLIGHT: Final = 1000


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """One arm: its URL and how clients address it. `has_own_key` is the gateway's key, else any will do."""

    url: str
    target: Target
    has_own_key: bool

    def as_json(self) -> dict[str, Any]:
        """The same as JSON, without the key."""
        return {
            "url": self.url,
            "name": self.target.name,
            "prefixes": {surface.value: prefix for surface, prefix in self.target.prefixes.items()},
            "carrier": self.target.carrier,
            "vertex_carrier": self.target.vertex_carrier,
            "project": self.target.project,
            "location": self.target.location,
            "has_own_key": self.has_own_key,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any], own_key: Secret, any_key: Secret) -> "ArmPlan":
        """The arm that `as_json` wrote, with its key."""
        target = Target(
            name=value["name"],
            features=frozenset(),
            prefixes={Surface(name): prefix for name, prefix in value["prefixes"].items()},
            key=own_key if value["has_own_key"] else any_key,
            carrier=cast("KeyPlace", value["carrier"]),
            vertex_carrier=cast("KeyPlace | None", value["vertex_carrier"]),
            project=value["project"],
            location=value["location"],
        )
        return cls(value["url"], target, value["has_own_key"])


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run. `scenarios` are ids or paths, `pids` the processes whose use is measured, `ca` trusts https."""

    seed: int
    pace: Pace
    scenarios: tuple[str, ...]
    arms: Mapping[Arm, ArmPlan]
    pids: Mapping[str, int]
    ca: str | None = None
    out: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        pace = self.pace
        return {
            "seed": self.seed,
            "pace": [pace.rate, pace.warmup_s, pace.duration_s, pace.block_s],
            "scenarios": list(self.scenarios),
            "arms": {name: arm.as_json() for name, arm in self.arms.items()},
            "pids": dict(self.pids),
            "ca": self.ca,
            "out": self.out,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any], own_key: Secret, any_key: Secret) -> "Plan":
        """The plan that `as_json` wrote. Raises ConfigError for anything else."""
        try:
            return cls(
                value["seed"],
                Pace(*value["pace"]),
                tuple(value["scenarios"]),
                {name: ArmPlan.of_json(arm, own_key, any_key) for name, arm in value["arms"].items()},
                value["pids"],
                value["ca"],
                value["out"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"no plan of a load run: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used while it counted: CPU seconds, and its resident memory at begin and end in bytes."""

    cpu_s: float
    memory_begin: int
    memory_end: int

    @property
    def growth_mib(self) -> float:
        """By how much its memory grew."""
        return (self.memory_end - self.memory_begin) / (1 << 20)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; `seconds` were counted, `is_whole` says that it was not ended early."""

    recording: Recording
    uses: Mapping[str, Use]
    seconds: float
    is_whole: bool

    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        uses = {role: [use.cpu_s, use.memory_begin, use.memory_end] for role, use in self.uses.items()}
        return {
            "recording": self.recording.as_json(),
            "uses": uses,
            "seconds": self.seconds,
            "is_whole": self.is_whole,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "Outcome":
        """The outcome that `as_json` wrote. Raises ConfigError for anything else."""
        try:
            uses = {role: Use(*numbers) for role, numbers in value["uses"].items()}
            return cls(Recording.of_json(value["recording"]), uses, float(value["seconds"]), bool(value["is_whole"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"no outcome of a load run: {error!r}") from None
