"""What was consumed: a bag of meters. Each token stands on exactly one meter, so that none is billed twice."""

from collections.abc import ItemsView, Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Direction(StrEnum):
    """Which way tokens went, as far as prices differ by it."""

    __hash__ = str.__hash__  # the enum's own is written in Python, and every meter of every response is hashed

    INPUT = "input"
    CACHED = "cached"
    CACHE_WRITE = "cache_write"
    """Tokens written to a cache for five minutes, and for an hour; Claude alone bills them (pricing 16)."""
    CACHE_WRITE_1H = "cache_write_1h"
    TOOL = "tool"
    """Results of tools that the provider ran, fed back as input; outside the prompt count."""
    OUTPUT = "output"
    THOUGHTS = "thoughts"


class Modality(StrEnum):
    """The modalities that have prices of their own."""

    __hash__ = str.__hash__

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class Unit(StrEnum):
    """What a meter counts."""

    __hash__ = str.__hash__

    TOKEN = "token"  # noqa: S105 - a unit, not a secret
    SECOND = "second"
    CHARACTER = "character"
    PICTURE = "picture"
    QUERY = "query"
    TOKEN_HOUR = "token hour"  # noqa: S105 - a unit, not a secret


class Meter(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One countable kind of consumption."""

    direction: Direction
    modality: Modality
    unit: Unit = Unit.TOKEN


METERS: Final = {direction: {modality: Meter(direction, modality) for modality in Modality} for direction in Direction}
"""The meters of tokens, made once."""


class Usage(Mapping[Meter, int]):
    """A bag of meters; meters that stand at zero are not in it. `usage + usage` is the usage of both."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[Meter, int] | None = None) -> None:
        self._counts = {meter: count for meter, count in (counts or {}).items() if count}

    @classmethod
    def of(cls, counts: dict[Meter, int]) -> "Usage":
        """A bag of these counts, none of which is 0; the dictionary becomes its own."""
        usage = cls.__new__(cls)
        usage._counts = counts
        return usage

    def __getitem__(self, meter: Meter) -> int:
        return self._counts[meter]

    def __iter__(self) -> Iterator[Meter]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> ItemsView[Meter, int]:
        """The meters and their counts; the dictionary's own view, which is far quicker than what Mapping makes."""
        return self._counts.items()

    def __add__(self, other: "Usage") -> "Usage":
        total = dict(self._counts)
        for meter, count in other.items():
            total[meter] = total.get(meter, 0) + count
        return Usage(total)

    def __repr__(self) -> str:
        inside = ", ".join(f"{m.direction} {m.modality} {m.unit}: {count}" for m, count in self._counts.items())
        return f"Usage({inside})"
