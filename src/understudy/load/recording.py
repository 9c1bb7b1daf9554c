"""What a run has seen: histograms by conversation kind, phase, arm and block, and what went wrong. Pure.

The process that makes the load writes it as JSON, the command reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..errors import ConfigError
from .histogram import Histogram, merged
from .schedule import ARMS, WARM_UP, Arm
from .statistics import Blocks

LATENESS: Final = "lateness"
"""The phase that tells of the generator and not of the gateway: how much later than due a conversation began."""

Place = tuple[str, str, Arm, int]
"""Kind of conversation, phase, arm, block."""


@dataclass(slots=True)
class Outcomes:
    """How the conversations of one kind in one arm ended; `failures` by a few words that say how.

    `incomplete` were under way when the run ended, `dropped` were never begun because too many were under way.
    """

    ok: int = 0
    incomplete: int = 0
    dropped: int = 0
    failures: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(self.failures.values())

    @property
    def failed_share(self) -> float | None:
        """The share of those that ended and failed; a conversation that was dropped for want of room counts as such."""
        lost = self.failed + self.dropped
        return lost / (self.ok + lost) if self.ok + lost else None

    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "ok": self.ok,
            "incomplete": self.incomplete,
            "dropped": self.dropped,
            "failures": dict(sorted(self.failures.items())),
        }


class Recording:
    """Everything that a run has counted; what belongs to the warm-up is not."""

    def __init__(self) -> None:
        self._histograms: dict[Place, Histogram] = {}
        self._outcomes: dict[tuple[str, Arm], Outcomes] = {}

    def took(self, kind: str, phase: str, arm: Arm, block: int, seconds: float) -> None:
        """A phase of a conversation took so long."""
        if block != WARM_UP:
            self._histograms.setdefault((kind, phase, arm, block), Histogram()).record(seconds)

    def outcomes(self, kind: str, arm: Arm) -> Outcomes:
        """The outcomes of one kind in one arm, to be read or counted up."""
        return self._outcomes.setdefault((kind, arm), Outcomes())

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of conversation of which something is known."""
        return tuple(dict.fromkeys([*(kind for kind, _ in self._outcomes), *(place[0] for place in self._histograms)]))

    def phases(self, kind: str) -> tuple[str, ...]:
        """The phases of a kind, in the order in which they were first seen, without the generator's lateness."""
        found = dict.fromkeys(phase for seen, phase, _, _ in self._histograms if seen == kind)
        return tuple(phase for phase in found if phase != LATENESS)

    def blocks(self, kind: str, phase: str) -> Blocks:
        """The histograms of a phase, one pair for each block."""
        numbers = sorted({block for k, p, _, block in self._histograms if (k, p) == (kind, phase)})
        return [
            (self._of(kind, phase, "direct", number), self._of(kind, phase, "through", number)) for number in numbers
        ]

    def lateness(self) -> Histogram:
        """How late the generator was, in all kinds and arms."""
        return merged(found for (_, phase, _, _), found in self._histograms.items() if phase == LATENESS)

    def _of(self, kind: str, phase: str, arm: Arm, block: int) -> Histogram:
        return self._histograms.get((kind, phase, arm, block), Histogram())

    def as_json(self) -> dict[str, Any]:
        """The same as JSON; `of_json` reads it."""
        return {
            "histograms": [
                {"kind": kind, "phase": phase, "arm": arm, "block": block, "counts": histogram.as_json()}
                for (kind, phase, arm, block), histogram in self._histograms.items()
            ],
            "outcomes": [
                {"kind": kind, "arm": arm, **outcomes.as_json()} for (kind, arm), outcomes in self._outcomes.items()
            ],
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "Recording":
        """The recording that `as_json` wrote. Raises ConfigError for anything else."""
        recording = cls()
        try:
            for entry in _entries(value["histograms"]):
                place = (str(entry["kind"]), str(entry["phase"]), _arm(entry["arm"]), int(entry["block"]))
                recording._histograms[place] = Histogram.of_json(entry["counts"])
            for entry in _entries(value["outcomes"]):
                failures = {str(word): int(count) for word, count in dict(entry["failures"]).items()}
                recording._outcomes[str(entry["kind"]), _arm(entry["arm"])] = Outcomes(
                    int(entry["ok"]), int(entry["incomplete"]), int(entry["dropped"]), failures
                )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"no recording of a load run: {error!r}") from None
        return recording


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    yield from cast("list[dict[str, Any]]", value)


def _arm(value: Any) -> Arm:
    for arm in ARMS:
        if value == arm:
            return arm
    raise ValueError(f"no arm: {value!r}")
