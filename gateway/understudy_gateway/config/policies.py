"""The block `cost_policies`: how cost is computed where Google leaves room."""

from typing import Final

from understudy.errors import did_you_mean
from understudy.usage.meters import Modality
from understudy.usage.policies import Policies

from .document import Path
from .reading import Block, Reading

WORDS: Final = tuple(Policies.__dataclass_fields__)
_FLAGS: Final = tuple(word for word, field in Policies.__dataclass_fields__.items() if isinstance(field.default, bool))
_MODALITIES: Final = tuple(modality.value for modality in Modality)
_ZONES: Final = range(-12, 15)
"""Hours from UTC that a clock on earth may show."""


def read_policies(reading: Reading, ours: Block, path: Path) -> Policies:
    """The policies in `ours`, which stands at `path`; the documented default for each that is missing."""
    path = (*path, "cost_policies")
    block = reading.block(ours.get("cost_policies"), path)
    reading.strict_words(block, path, WORDS)
    default = Policies()
    flags = {word: reading.flag(block, path, word) for word in _FLAGS if block.get(word) is not None}
    free = reading.whole(block, path, "free_grounding_units")
    return Policies(
        **flags,
        cached_order=_order(reading, block, path) or default.cached_order,
        free_grounding_units=default.free_grounding_units if free is None else free,
        day_offset_hours=_offset(reading, block, path),
    )


def _order(reading: Reading, block: Block, path: Path) -> tuple[Modality, ...]:
    """Every modality once; empty where it is missing or wrong."""
    words = reading.texts(block, path, "cached_order")
    path = (*path, "cached_order")
    unknown = [word for word in words if word not in _MODALITIES]
    for word in unknown:
        reading.problem(path, f"unknown modality '{word}'{did_you_mean(word, _MODALITIES)}")
    if not unknown and words and sorted(words) != sorted(_MODALITIES):
        reading.problem(path, f"each of {', '.join(_MODALITIES)} is wanted, once")
    return () if unknown else tuple(Modality(word) for word in words)


def _offset(reading: Reading, block: Block, path: Path) -> int:
    value = block.get("day_offset_hours")
    if value is None:
        return Policies().day_offset_hours
    if isinstance(value, int) and not isinstance(value, bool) and value in _ZONES:
        return value
    reading.problem((*path, "day_offset_hours"), f"whole hours from {_ZONES[0]} to {_ZONES[-1]} are wanted")
    return 0
