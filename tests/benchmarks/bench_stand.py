"""The load tool's side of a run, for tests: an engine, an upstream, and tiny plans."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from understudy_bench.engine import Engine
from understudy_bench.machine import cores_here
from understudy_bench.plan import QUICK, Plan, Stand
from understudy_bench.upstream import Upstream

TINY = replace(QUICK, repetitions=1, warm_s=0.02, window_s=0.1, memory_requests=60, growth_requests=150, bulk_mb=2)


@contextmanager
def standing(folder: Path, plan: Plan = TINY, say: Callable[[str], None] = lambda line: None) -> Iterator[Stand]:
    engine = Engine()
    upstream = Upstream(engine)
    try:
        yield Stand(engine, upstream, cores_here(), folder, plan, say, {"python": "3"})
    finally:
        upstream.close()
        engine.close()
