"""How long and how often a run measures, and what every measurement of a run works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .engine import Engine
from .machine import Cores
from .upstream import Upstream

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often: seconds of warming up and of measuring, and what is put on each program.

    `memory_...`: requests and idle sessions of `memory`; `growth_requests`: of `memory-growth`; `bulk_mb` go up and
    come down in `memory-100mb`. `paced_sessions` stream at the same time in `live-paced`, `idle_sessions` are open in
    `live-idle`. A measurement that somebody else's work disturbed is made again: `retries` times among those of CPU,
    and fewer times for each kind of delay.
    """

    repetitions: int = 5
    warm_s: float = 0.25
    window_s: float = 1.0
    memory_requests: int = 10_000
    memory_sessions: int = 500
    paced_sessions: int = 500
    idle_sessions: int = 5000
    growth_requests: int = 100_000
    bulk_mb: int = 100
    seed: int = 0
    retries: int = 30


QUICK: Final = Plan(
    2, 0.1, 0.2, 1000, 100, paced_sessions=40, idle_sessions=200, growth_requests=3000, bulk_mb=10, retries=0
)
"""A run of well under a minute that shows that everything works; its figures are not to be trusted."""


@dataclass(frozen=True, slots=True)
class Stand:
    """The load tool's side of a run: its engine and upstream, where everything is pinned, a folder for files, the plan.

    `say` gets a line for each step; `versions` belong into each row.
    """

    engine: Engine
    upstream: Upstream
    cores: Cores
    folder: Path
    plan: Plan
    say: Say
    versions: Mapping[str, str]
