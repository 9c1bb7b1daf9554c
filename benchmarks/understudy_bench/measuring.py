"""A run: the load tool's side is put up, then one group of workloads after the other is measured."""

import gc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from understudy.errors import ConfigError, did_you_mean

from .accounting import ACCOUNTING, accounting_rows
from .bulk import BULK, INLINE, bulk_rows, inline_rows
from .engine import Engine
from .latencies import LATENCIES, latency_rows
from .live_sessions import IDLE, PACED, idle_rows, paced_rows
from .machine import cores_here, machine, many_files, pinned, versions
from .memory import GROWTH, MEMORY, growth_rows, memory_rows
from .plan import Plan, Say, Stand
from .programs import nginx_version
from .rows import SCHEMA_VERSION, Report, Row
from .saturation import Saturation
from .upstream import Upstream
from .workers import WORKERS_2, workers_rows
from .workloads import workloads

GROUPS: Final = (*LATENCIES, WORKERS_2, MEMORY, GROWTH, BULK, INLINE, *PACED, IDLE, ACCOUNTING)
"""What is measured beside the workloads, in the order of the report."""


def chosen(only: Sequence[str]) -> tuple[str, ...]:
    """The names of the workloads that `only` means: whole names or their beginnings; none means all.

    Raises ConfigError for a word that means nothing.
    """
    known = (*(workload.name for workload in workloads()), *GROUPS)
    for word in only:
        if not any(name.startswith(word) for name in known):
            raise ConfigError(f"--only {word}: no workload{did_you_mean(word, known)}; there are {', '.join(known)}")
    return tuple(name for name in known if not only or any(name.startswith(word) for word in only))


def run(plan: Plan, names: Sequence[str], folder: Path, say: Say) -> Report:
    """Measure the workloads `names`; `folder` takes the programs' files, `say` gets a line for each step.

    Raises ConfigError or TargetError if one of our own programs does not start or does not answer as it must.
    """
    with _standing(plan, folder, say) as stand:
        rows = _rows(stand, names)
        settings: dict[str, float | int | str] = {
            "seed": plan.seed,
            "repetitions": plan.repetitions,
            "warm_s": plan.warm_s,
            "window_s": plan.window_s,
            "load_core": stand.cores.load,
            "program_core": stand.cores.program,
        }
    return Report(schema_version=SCHEMA_VERSION, machine=machine(), settings=settings, rows=tuple(rows))


@contextmanager
def _standing(plan: Plan, folder: Path, say: Say) -> Generator[Stand, None, None]:
    """Engine and upstream are there, this process is pinned and its garbage collector quiet."""
    cores = cores_here()
    with pinned(cores.load), many_files():
        engine = Engine()
        upstream = Upstream(engine)
        gc.collect()
        gc.disable()
        try:
            yield Stand(engine, upstream, cores, folder, plan, say, {**versions(), "nginx": nginx_version()})
        finally:
            gc.enable()
            upstream.close()
            engine.close()


def _rows(stand: Stand, names: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    wanted = [workload for workload in workloads() if workload.name in names]
    if wanted:
        rows += Saturation(stand).rows(wanted)
    rows += latency_rows(stand, [name for name in LATENCIES if name in names])
    groups = ((WORKERS_2, workers_rows), (MEMORY, memory_rows), (GROWTH, growth_rows), (BULK, bulk_rows))
    for name, measure in (*groups, (INLINE, inline_rows)):
        if name in names:
            rows += measure(stand)
    for name in PACED:
        if name in names:
            rows += paced_rows(stand, name)
    if IDLE in names:
        rows += idle_rows(stand)
    if ACCOUNTING in names:
        stand.say("accounting")
        with pinned(stand.cores.program):
            rows += accounting_rows(stand.plan.repetitions, stand.versions)
    return rows
