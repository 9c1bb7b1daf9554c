"""Histograms of microseconds with three significant digits, after HdrHistogram's layout: mergeable, sparse. Pure.

Values below 2048 have a bucket each. Above, each doubling has 1024 buckets, so that a bucket is never wider than
1/1024 of the values in it.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import ConfigError

_HALF: Final = 1024
_EXACT: Final = 2 * _HALF
_BITS: Final = 11


def bucket_of(value: int) -> int:
    """The bucket that holds a value of 0 or more."""
    shift = max(value.bit_length() - _BITS, 0)
    return shift * _HALF + (value >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The lowest and the highest value of a bucket."""
    if bucket < _EXACT:
        return bucket, bucket
    shift = bucket // _HALF - 1
    low = (bucket - shift * _HALF) << shift
    return low, low + (1 << shift) - 1


def value_of(bucket: int) -> int:
    """The value that stands for a bucket: its middle."""
    low, high = bounds_of(bucket)
    return (low + high) // 2


def rank_of(quantile: float, count: int) -> int:
    """Which of `count` sorted values, from 1, is the quantile (0 to 1): the smallest that so large a share reaches."""
    return max(1, math.ceil(quantile * count))


class Histogram:
    """How often each duration was seen, in microseconds."""

    __slots__ = ("_counts", "count")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = dict(counts or {})
        self.count = sum(self._counts.values())

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        """Each bucket that was hit and how often, in the order of the values."""
        return tuple(sorted(self._counts.items()))

    def record(self, seconds: float) -> None:
        """Count one duration; one below zero, as clocks of several threads may give, counts as zero."""
        bucket = bucket_of(max(round(seconds * 1_000_000), 0))
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1

    def quantile(self, quantile: float) -> int | None:
        """The quantile (0 to 1) in microseconds, at most 0.1 % off; None of nothing."""
        rank = rank_of(quantile, self.count)
        for bucket, count in self.buckets:
            rank -= count
            if rank <= 0:
                return value_of(bucket)
        return None

    def as_json(self) -> list[list[int]]:
        """Pairs of bucket and count; `of_json` reads them."""
        return [[bucket, count] for bucket, count in self.buckets]

    @classmethod
    def of_json(cls, value: Any) -> "Histogram":
        """The histogram that `as_json` wrote. Raises ConfigError for anything else."""
        try:
            counts = dict(value)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"no histogram: {error}") from None
        numbers = (*counts, *counts.values())
        if len(counts) != len(value) or not all(type(number) is int and number >= 0 for number in numbers):
            raise ConfigError("no histogram: wanted pairs of bucket and count")
        return cls(counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.buckets == other.buckets

    __hash__ = None  # type: ignore[assignment]  # it changes


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All of them in one."""
    counts: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.buckets:
            counts[bucket] = counts.get(bucket, 0) + count
    return Histogram(counts)
