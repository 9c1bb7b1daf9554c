"""When which conversation begins: an open loop, both arms interleaved in shuffled pairs. Pure (harness-practice 11).

The time is cut into slots, one for each pair. A pair is the same conversation once in each arm, half a slot apart, in
an order drawn anew each time; where in its slot a pair begins is drawn too. Nothing waits for an answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..errors import ConfigError
from .seeded import Seeded

Arm = Literal["direct", "through"]

ARMS: Final[tuple[Arm, ...]] = ("direct", "through")
WARM_UP: Final = -1
"""The block of what is played and not counted."""

MAX_ARRIVALS: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How much and how long: pairs a second, seconds of warm-up, seconds that count, seconds of one block."""

    rate: float
    warmup_s: float
    duration_s: float
    block_s: float

    @property
    def blocks(self) -> int:
        """How many blocks there are; the last one may be short."""
        return max(1, math.ceil(self.duration_s / self.block_s - 1e-9))

    @property
    def whole_s(self) -> float:
        """From the first arrival to the end of the last slot."""
        return self.warmup_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Arrival:
    """One conversation: due at so many seconds, in which arm and block, and which one of the mix."""

    at_s: float
    arm: Arm
    index: int
    block: int


def schedule(pace: Pace, mix: int, seed: int) -> tuple[Arrival, ...]:
    """All arrivals by time. `mix` is the number of conversations; in each round of so many pairs each comes once.

    Raises ConfigError for a pace that is none.
    """
    if not (pace.rate > 0 and pace.duration_s > 0 and pace.block_s > 0 and pace.warmup_s >= 0 and mix > 0):
        raise ConfigError("rate, duration and block must be above 0, the warm-up not below")
    # Rounded down would leave the last slot of an exact product out: 0.3 * 10 is a little below 3.
    pairs = int(pace.whole_s * pace.rate + 1e-9)
    if pairs > MAX_ARRIVALS // 2:
        raise ConfigError(f"{pairs} pairs are too many; {MAX_ARRIVALS // 2} are allowed")
    draw = Seeded(seed)
    slot = 1 / pace.rate
    arrivals: list[Arrival] = []
    for index, number in zip(_rounds(pairs, mix, draw), range(pairs), strict=True):
        start = number * slot
        begin = start + draw.fraction() * slot / 2
        block = _block(start, pace)
        for arm, at_s in zip(draw.shuffled(ARMS), (begin, begin + slot / 2), strict=True):
            arrivals.append(Arrival(at_s, arm, index, block))
    return tuple(arrivals)


def _block(start: float, pace: Pace) -> int:
    counted = start - pace.warmup_s
    if counted < -1e-9:
        return WARM_UP
    return min(int(max(counted, 0.0) / pace.block_s + 1e-9), pace.blocks - 1)


def _rounds(pairs: int, mix: int, draw: Seeded) -> Sequence[int]:
    order: list[int] = []
    while len(order) < pairs:
        order += draw.shuffled(range(mix))
    return order[:pairs]
