"""Whether something grows: robust slopes over samples of a process. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

MOST_POINTS: Final = 240
"""Points of which all pairs are compared; more are thinned out."""

FEWEST_POINTS: Final = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at the gateway: when (monotonic), its descriptors, threads and tasks, and its resident memory in bytes."""

    at: float
    files: int
    threads: int
    tasks: int
    resident: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How much one thing grew over one life, beyond the warm-up, by its slope; `most` is what is let pass."""

    what: str
    life: int
    by: float
    most: float

    @property
    def is_leak(self) -> bool:
        """Whether that is too much."""
        return self.by > self.most


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): single outliers do not move it."""
    step = max(1, -(-len(points) // MOST_POINTS))
    few = points[::step]
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(few)
        for later in few[number + 1 :]
        if later[0] > earlier[0]
    ]
    return median(slopes) if slopes else 0.0


def growth(samples: Sequence[Sample], life: int, warm_s: float) -> tuple[Growth, ...]:
    """What grew over one life; nothing if it was too short to say."""
    if not samples:
        return ()
    late = [one for one in samples if one.at >= samples[0].at + warm_s]
    if len(late) < FEWEST_POINTS:
        return ()
    span = late[-1].at - late[0].at

    def by(values: Sequence[float]) -> float:
        return slope([(one.at, value) for one, value in zip(late, values, strict=True)]) * span

    files = [float(one.files) for one in late]
    tasks = [float(one.tasks) for one in late]
    return (
        # These follow the load, which is never quite even; the last life is held to giving back all of them, too.
        Growth("descriptors", life, by(files), 32 + 0.4 * median(files)),
        Growth("tasks", life, by(tasks), 32 + 0.4 * median(tasks)),
        Growth("threads", life, by([float(one.threads) for one in late]), 2),
        Growth("memory (MiB)", life, by([one.resident / 2**20 for one in late]), 8),
    )
