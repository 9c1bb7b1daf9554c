"""Programs on their core, and the clients of a workload that keep one of them busy."""

import random
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

from .load import Client, Tally
from .machine import pinned
from .plan import Stand
from .programs import Absent, Program, started
from .workloads import Workload

READY_LIMIT_S: Final = 20.0
SETTLE_S: Final = 0.05

Item = TypeVar("Item")


def order(programs: Sequence[Item], seed: int, workload: str, repetition: int) -> list[Item]:
    """The programs in the order of one repetition: shuffled, and the same whenever these numbers are."""
    return random.Random(f"{seed} {workload} {repetition}").sample(programs, len(programs))  # noqa: S311 - no secret


@contextmanager
def programs_on(
    stand: Stand, names: Sequence[str], absent: dict[str, str], cores: Sequence[int] = ()
) -> Generator[dict[str, Program], None, None]:
    """The programs that are there, on their core or on `cores`; why the others are not goes to `absent`."""
    found: dict[str, Program] = {}
    with ExitStack() as stack:
        for name in names:
            stand.say(f"starting {name}")
            try:
                with pinned(*(cores or (stand.cores.program,))):
                    found[name] = stack.enter_context(started(name, stand.upstream.port, stand.folder))
            except Absent as reason:
                absent[name] = str(reason)
                stand.say(f"{name} is left out: {reason}")
        yield found


@contextmanager
def playing(stand: Stand, workload: Workload, program: Program) -> Generator[Tally, None, None]:
    """The workload's connections, all of them answered once."""
    tally = Tally()
    clients: list[Client] = []
    stand.upstream.script = workload.script
    try:
        clients.extend(workload.client(stand.engine, program.aim, tally) for _ in range(workload.connections))
        until_ready(stand, tally, workload.connections, f"{program.name}, first answers to {workload.name}")
        yield tally
        # What is under way comes to its end, so that nothing of it falls into the next measurement.
        tally.is_ending = True
        what = f"{program.name}, last answers to {workload.name}"
        stand.engine.run_until(lambda: tally.idle == workload.connections, READY_LIMIT_S, what)
    finally:
        close(stand, clients)


def until_ready(stand: Stand, tally: Tally, count: int, what: str) -> None:
    """Wait until so many clients have a good first answer. Raises TargetError that names `what`."""
    stand.engine.run_until(lambda: tally.ready == count, READY_LIMIT_S, what)


def close(stand: Stand, clients: Sequence[Client]) -> None:
    """Close the clients, and let the program see it."""
    for client in clients:
        client.close()
    stand.engine.run_for(SETTLE_S)


def pid_of(program: Program) -> int:
    """Its process. Raises ValueError if it has none."""
    if program.pid is None:
        raise ValueError(f"{program.name} has no process")
    return program.pid
