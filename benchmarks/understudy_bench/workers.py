"""Two workers beside one: requests in a second, the one figure that CPU per request does not tell."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from .figures import LOAD_IDLE, Sample, load_share, spread
from .limits import limited
from .machine import Cores
from .plan import Stand
from .playing import order, programs_on
from .rows import Row
from .saturation import sample
from .workloads import GATEWAY, WORKERS, unary

WORKERS_2: Final = "workers-2"
ONE: Final = "one"
"""The reference: the gateway with one worker."""

_CONNECTIONS: Final = 64
"""The kernel deals connections out by chance: with few of them one worker gets most."""


def worker_cores(available: Iterable[int], cores: Cores) -> tuple[tuple[int, ...], bool]:
    """Where two workers run, and whether that leaves a core to the load tool."""
    free = sorted(set(available) - {cores.load, cores.program})
    if free:
        return (cores.program, free[-1]), True
    return tuple(sorted({cores.load, cores.program})), False


def workers_rows(stand: Stand) -> list[Row]:
    """Microseconds of the clock for each request, of two workers and of one.

    Three cores are wanted, one of them for the load tool. With two of them the two workers share both with it, and the
    one worker has a core for itself: what comes out is less than two workers can do.
    """
    plan = stand.plan
    workload = replace(unary(WORKERS_2, "", ()), connections=_CONNECTIONS)
    where, is_apart = worker_cores(stand.cores.available, stand.cores)
    found: dict[str, list[Sample]] = {GATEWAY: [], WORKERS: []}
    with programs_on(stand, (GATEWAY,), {}) as one, programs_on(stand, (WORKERS,), {}, where) as two:
        programs = (one[GATEWAY], two[WORKERS])
        for number in range(plan.repetitions):
            for program in order(programs, plan.seed, WORKERS_2, number):
                taken = sample(stand, workload, program)
                found[program.name].append(taken)
                place = f"{WORKERS_2} {number + 1}/{plan.repetitions} {program.name}"
                stand.say(f"{place}: {taken.units / taken.wall_s:,.0f} requests/s (load {load_share([taken]):.0%})")
    ratios = [wall_us(two) / wall_us(one) for one, two in zip(found[GATEWAY], found[WORKERS], strict=True)]
    note = None if is_apart else f"{len(where)} cores: the workers share them with the load tool"
    return [
        limited(_row(stand, GATEWAY, found[WORKERS], ratios, note)),
        _row(stand, ONE, found[GATEWAY]),
    ]


def wall_us(sample: Sample) -> float:
    """Microseconds of the clock for each unit."""
    return 1e6 * sample.wall_s / sample.units


def _row(
    stand: Stand, program: str, samples: Sequence[Sample], ratios: Sequence[float] = (), note: str | None = None
) -> Row:
    values = [wall_us(sample) for sample in samples]
    return Row(
        name=f"{WORKERS_2}/{program}",
        value=median(values),
        unit="us/request",
        reference=ONE if ratios else None,
        ratio=median(ratios) if ratios else None,
        versions=stand.versions,
        spread=spread(ratios or values),
        repetitions=len(samples),
        saturated=note is None and load_share(samples) <= LOAD_IDLE,
        rate=1e6 / median(values),
        load_share=load_share(samples),
        note=note,
    )
