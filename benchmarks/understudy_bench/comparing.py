"""Holds the ratios of one run against those of another: absolute figures belong to their machine. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from understudy.errors import ConfigError

from .rows import Report, Row

Word = Literal["same", "better", "worse", "peer", "not saturated", "gone", "new"]
JUDGED = frozenset({"same", "better", "worse"})


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one ratio. `change` is the new ratio over the old one, less 1; None where one is missing."""

    name: str
    reference: str
    before: float | None
    after: float | None
    change: float | None
    word: Word


@dataclass(frozen=True, slots=True)
class Comparison:
    """All ratios of two runs."""

    changes: tuple[Change, ...]

    @property
    def worse(self) -> tuple[Change, ...]:
        """The ratios of ours that got worse beyond the tolerance."""
        return tuple(change for change in self.changes if change.word == "worse")


def compare(base: Report, now: Report, tolerance: float) -> Comparison:
    """The ratios of `now` beside those of `base`. `tolerance` is a share: 0.15 allows a ratio to grow by 15 %.

    Ratios of peers are shown and not judged, and neither are those that were not taken at saturation: they say how
    alike the two machines and runs were. Raises ConfigError if that leaves nothing to judge.
    """
    before, after = _ratios(base.rows), _ratios(now.rows)
    changes = [_change(key, before.get(key), after.get(key), tolerance) for key in dict.fromkeys((*before, *after))]
    if not any(change.word in JUDGED for change in changes):
        raise ConfigError("nothing to judge: the two runs have no ratio of ours in common that was taken at saturation")
    return Comparison(tuple(changes))


def _ratios(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    return {(row.name, row.reference): row for row in rows if row.reference is not None and row.ratio is not None}


def _change(key: tuple[str, str], before: Row | None, after: Row | None, tolerance: float) -> Change:
    old = before.ratio if before is not None else None
    new = after.ratio if after is not None else None
    if before is None or after is None or not old or not new:
        return Change(*key, old, new, None, "gone" if after is None else "new")
    return Change(*key, old, new, new / old - 1, _word(before, after, new / old - 1, tolerance))


def _word(before: Row, after: Row, change: float, tolerance: float) -> Word:
    if not after.is_ours:
        return "peer"
    if before.saturated is False or after.saturated is False:
        return "not saturated"
    if change > tolerance:
        return "worse"
    return "better" if change < -tolerance else "same"
