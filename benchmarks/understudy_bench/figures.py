"""Samples to rows: CPU per unit, ratios inside each repetition, their median and spread, and saturation. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final

from .rows import Row

PROGRAM_BUSY: Final = 0.95
"""Share of its core that a program must use for its figure to be one of saturation."""

LOAD_IDLE: Final = 0.80
"""Share of their core that load tool and upstream must stay below: else they may be what is measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: units of work done in `wall_s` seconds, and the CPU seconds of the program and of the load.

    `program_s` is None where there is no program.
    """

    units: int
    wall_s: float
    program_s: float | None
    load_s: float

    @property
    def us_per_unit(self) -> float:
        """Microseconds of CPU for each unit: the program's, or without one the load tool's."""
        return (self.load_s if self.program_s is None else self.program_s) / self.units * 1e6


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / median(values)


def cpu_row(
    name: str,
    unit: str,
    samples: Sequence[Sample],
    versions: Mapping[str, str],
    reference: str | None = None,
    others: Sequence[Sample] = (),
) -> Row:
    """The row of one program, a sample for each repetition; `others` are the reference's, in the same order."""
    values = [sample.us_per_unit for sample in samples]
    ratios = [value / other.us_per_unit for value, other in zip(values, others, strict=bool(others))]
    has_program = samples[0].program_s is not None
    return Row(
        name=name,
        value=median(values),
        unit=unit,
        reference=reference,
        ratio=median(ratios) if ratios else None,
        versions=versions,
        spread=spread(ratios or values),
        repetitions=len(samples),
        saturated=saturated(samples) and (not others or saturated(others)) if has_program else None,
        rate=median(sample.units / sample.wall_s for sample in samples),
        program_share=program_share(samples) if has_program else None,
        load_share=load_share(samples),
    )


def saturated(samples: Sequence[Sample]) -> bool:
    """Whether the program was the limit, and not the load tool: by the median over the repetitions."""
    return program_share(samples) >= PROGRAM_BUSY and load_share(samples) <= LOAD_IDLE


def program_share(samples: Sequence[Sample]) -> float:
    """The program's share of a core, as the median; 0 without a program."""
    return median((sample.program_s or 0.0) / sample.wall_s for sample in samples)


def load_share(samples: Sequence[Sample]) -> float:
    """The load tool's share of a core, its upstream included, as the median."""
    return median(sample.load_s / sample.wall_s for sample in samples)


def disturbed(sample: Sample) -> bool:
    """Whether somebody else used the cores: in a closed loop either the program or the load tool is always busy."""
    return max(program_share([sample]), load_share([sample])) < PROGRAM_BUSY


def lateness_ms(times: Sequence[Sequence[float]], period_s: float, begin: float, end: float) -> list[float]:
    """How late the frames that came from `begin` to `end` were, in ms, the least first.

    `times` has for each session when its frames came, all from the first one on, one due each `period_s`. The schedule
    of a session is that of its earliest frame: whatever delays add up to shows.
    """
    found: list[float] = []
    for came in times:
        starts = [at - number * period_s for number, at in enumerate(came)]
        first = min(starts, default=0.0)
        found += [start - first for start, at in zip(starts, came, strict=True) if begin <= at < end]
    return sorted(1000 * late for late in found)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted `values` that is not less than that share of them."""
    return values[min(max(ceil(len(values) * share) - 1, 0), len(values) - 1)]


def memory_row(
    name: str, unit: str, value: float, versions: Mapping[str, str], beside: tuple[str, float] | None = None
) -> Row:
    """The row of a size that was taken once; `beside` is the name and the size of the reference."""
    reference, ratio = (beside[0], value / beside[1]) if beside is not None and beside[1] > 0 else (None, None)
    return Row(name=name, value=value, unit=unit, reference=reference, ratio=ratio, versions=versions, repetitions=1)


def skipped_row(name: str, unit: str, versions: Mapping[str, str], reason: str) -> Row:
    """The row of a program that could not be measured."""
    return Row(name=name, value=None, unit=unit, reference=None, ratio=None, versions=versions, skipped=reason)
