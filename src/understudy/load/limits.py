"""What a gateway may add and lose: `limits.yaml`, read and checked. Pure; the file comes in as a mapping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..errors import ConfigError, Problem, did_you_mean

Path = tuple[str | int, ...]

QUANTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""The quantiles that are reported, and their names."""

PHASES: Final[Mapping[str, tuple[str, ...]]] = {
    "generate": ("first_byte", "total"),
    "stream": ("first_byte", "gap", "total"),
    "live": ("connect", "setup", "first_frame", "gap", "total"),
    "audio": ("connect", "setup", "first_frame", "gap", "total"),
}
"""The kinds of conversation and what is timed in each; `docs/how-to/put-load-on-a-gateway.md` says what they mean."""

_SHARE: Final = "errors_max_share"
_GROWTH: Final = "memory_growth_mib"
_VERSION: Final = "version"
_GATEWAY: Final = "gateway"


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets. `added_us` is by kind, phase and quantile, `error_share` by kind, memory in MiB.

    What is not in it is reported and not judged.
    """

    added_us: Mapping[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    error_share: Mapping[str, float] = field(default_factory=dict[str, float])
    memory_growth_mib: float | None = None


def parse_limits(document: Any, source: str, lines: Mapping[Path, int] | None = None) -> Limits:
    """The limits that a document states. Raises ConfigError with all its mistakes, a line each."""
    reader = _Reader(source, lines or {})
    limits = reader.read(document)
    if reader.problems:
        raise ConfigError("\n".join(str(problem) for problem in reader.problems))
    return limits


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(self, source: str, lines: Mapping[Path, int]) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._lines = lines

    def read(self, document: Any) -> Limits:
        """The limits, as far as they can be read."""
        members = self._members(document, (), (_VERSION, *PHASES, _GATEWAY))
        if members.get(_VERSION, 1) != 1 or isinstance(members.get(_VERSION), bool):
            self._wrong((_VERSION,), f"wanted 1, found {members[_VERSION]!r}")
        added: dict[tuple[str, str, str], int] = {}
        shares: dict[str, float] = {}
        for kind, phases in PHASES.items():
            parts = self._members(members.get(kind, {}), (kind,), (*phases, _SHARE))
            for phase in phases:
                self._read_phase(kind, phase, parts.get(phase, {}), added)
            if _SHARE in parts and (share := self._number(parts[_SHARE], (kind, _SHARE), 1.0)) is not None:
                shares[kind] = share
        gateway = self._members(members.get(_GATEWAY, {}), (_GATEWAY,), (_GROWTH,))
        growth = self._number(gateway[_GROWTH], (_GATEWAY, _GROWTH)) if _GROWTH in gateway else None
        return Limits(added, shares, growth)

    def _read_phase(self, kind: str, phase: str, value: Any, added: dict[tuple[str, str, str], int]) -> None:
        words = {f"added_{name}_ms": name for name in QUANTILES}
        for word, budget in self._members(value, (kind, phase), tuple(words)).items():
            number = self._number(budget, (kind, phase, word))
            if number is not None:
                added[kind, phase, words[word]] = round(number * 1000)

    def _members(self, value: Any, path: Path, known: tuple[str, ...]) -> dict[str, Any]:
        """The members that are known; each other one is a mistake."""
        if not isinstance(value, Mapping):
            self._wrong(path, "wanted a mapping")
            return {}
        members = cast("Mapping[Any, Any]", value)
        found: dict[str, Any] = {}
        for key, member in members.items():
            if key in known:
                found[key] = member
            else:
                hint = did_you_mean(str(key), known) or f"; known are {', '.join(known)}"
                self._wrong((*path, str(key)), f"unknown word{hint}")
        return found

    def _number(self, value: Any, path: Path, most: float = 1_000_000.0) -> float | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and 0 <= value <= most:
            return float(value)
        self._wrong(path, f"wanted a number from 0 to {most:g}, found {value!r}")
        return None

    def _wrong(self, path: Path, message: str) -> None:
        self.problems.append(
            Problem(self._source, self._lines.get(path), ".".join(str(part) for part in path), message)
        )
