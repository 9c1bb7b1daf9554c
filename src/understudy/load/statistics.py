"""How much later the one arm is than the other, with an interval: a bootstrap of time blocks. Pure.

Neighbouring samples are not independent, so whole blocks are drawn, with both arms of a block together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .histogram import Histogram, merged, rank_of, value_of
from .seeded import Seeded

ROUNDS: Final = 400
CONFIDENCE: Final = 0.95

Blocks = Sequence[tuple[Histogram, Histogram]]
"""What was seen in each block: straight, and through the gateway."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One quantile in both arms and their difference, with the ends of its interval, in microseconds.

    `samples` is the number of samples of the arm that has fewer, `blocks` the number of blocks where both have some.
    """

    quantile: float
    direct_us: int
    through_us: int
    low_us: float
    high_us: float
    samples: int
    blocks: int

    @property
    def added_us(self) -> int:
        """Added latency: what the quantile through the gateway has over the one without it."""
        return self.through_us - self.direct_us

    @property
    def half_width_us(self) -> float:
        """Half of the interval's width."""
        return (self.high_us - self.low_us) / 2


def estimates(blocks: Blocks, quantiles: Sequence[float], seed: int, rounds: int = ROUNDS) -> tuple[Estimate, ...]:
    """An estimate for each quantile; none at all if an arm saw nothing.

    The interval is the bootstrap's percentile interval at CONFIDENCE.
    """
    full = [pair for pair in blocks if pair[0].count and pair[1].count]
    if not full:
        return ()
    # Where one arm has nothing in a block, the block says nothing of the difference.
    whole = [merged(pair[side] for pair in full) for side in (0, 1)]
    arms = (_Arm([pair[0] for pair in full]), _Arm([pair[1] for pair in full]))
    draw = Seeded(seed)
    drawn: list[list[int]] = [[] for _ in quantiles]
    for _ in range(rounds):
        weights = [0] * len(full)
        for _ in full:
            weights[draw.below(len(full))] += 1
        direct, through = (arm.quantiles(weights, quantiles) for arm in arms)
        for place, (before, after) in enumerate(zip(direct, through, strict=True)):
            drawn[place].append(after - before)
    samples = min(histogram.count for histogram in whole)
    found: list[Estimate] = []
    for quantile, differences in zip(quantiles, drawn, strict=True):
        low, high = _interval(differences)
        before, after = (histogram.quantile(quantile) or 0 for histogram in whole)
        found.append(Estimate(quantile, before, after, low, high, samples, len(full)))
    return tuple(found)


class _Arm:
    """The samples of one arm by value, each with its block: a quantile of weighted blocks is one walk over them."""

    def __init__(self, blocks: Sequence[Histogram]) -> None:
        self._sizes = [block.count for block in blocks]
        self._samples = sorted(
            (bucket, number, count) for number, block in enumerate(blocks) for bucket, count in block.buckets
        )

    def quantiles(self, weights: Sequence[int], quantiles: Sequence[float]) -> list[int]:
        """The quantiles of the samples, those of each block counted as often as its weight says."""
        count = sum(size * weight for size, weight in zip(self._sizes, weights, strict=True))
        wanted = sorted((rank_of(quantile, count), place) for place, quantile in enumerate(quantiles))
        found = [0] * len(quantiles)
        seen = done = 0
        for bucket, number, repeats in self._samples:
            seen += repeats * weights[number]
            while done < len(wanted) and seen >= wanted[done][0]:
                found[wanted[done][1]] = value_of(bucket)
                done += 1
            if done == len(wanted):
                break
        return found


def _interval(differences: list[int]) -> tuple[float, float]:
    """The percentile interval; of a single block, all of whose draws are alike, nothing is known."""
    ordered = sorted(differences)
    tail = (1 - CONFIDENCE) / 2
    return (
        float(ordered[rank_of(tail, len(ordered)) - 1]),
        float(ordered[rank_of(1 - tail, len(ordered)) - 1]),
    )
