"""Resident memory of fresh programs: after requests, for each idle Live session, and whether it grows."""

from collections.abc import Mapping
from typing import Final

from .figures import memory_row, skipped_row
from .limits import sized
from .load import Client, Tally
from .machine import rss_bytes
from .plan import Plan, Stand
from .playing import close, pid_of, playing, programs_on, until_ready
from .programs import Program
from .rows import Row
from .upstream import Script
from .workloads import ECHO, GATEWAY, NGINX, RELAY, SIMULATOR, idle_session, unary

MEMORY: Final = "memory"
GROWTH: Final = "memory-growth"
LIVE_PROGRAMS: Final = (ECHO, GATEWAY, RELAY, NGINX)
_OPENED_AT_ONCE: Final = 20
_REQUESTS_LIMIT_S: Final = 300.0
_SETTLE_S: Final = 1.0


def memory_rows(stand: Stand) -> list[Row]:
    """Resident memory after some thousand requests, and what an idle Live session adds."""
    served, idle, plan = f"{MEMORY}-served", f"{MEMORY}-idle-session", stand.plan
    absent: dict[str, str] = {}
    mib: dict[str, float] = {}
    kib: dict[str, float] = {}
    with programs_on(stand, (*LIVE_PROGRAMS, SIMULATOR), absent) as programs:
        for name, program in programs.items():
            _serve(stand, program, plan.memory_requests)
            mib[name] = rss_bytes(pid_of(program)) / 2**20
            stand.say(f"{served} {name}: {mib[name]:.1f} MiB")
            if name in LIVE_PROGRAMS:
                kib[name] = _idle_kib(stand, program)
                stand.say(f"{idle} {name}: {kib[name]:.1f} KiB")
    lacking = {name: absent[name] for name in LIVE_PROGRAMS if name in absent}
    requests = (plan.memory_requests, Plan().memory_requests, "requests")
    sessions = (plan.memory_sessions, Plan().memory_sessions, "sessions")
    return [
        *_rows(stand, served, "MiB", mib, absent, requests),
        *_rows(stand, idle, "KiB", kib, lacking, sessions),
    ]


def _rows(
    stand: Stand,
    label: str,
    unit: str,
    sizes: Mapping[str, float],
    absent: Mapping[str, str],
    size: tuple[int, int, str],
) -> list[Row]:
    rows = [
        memory_row(f"{label}/{name}", unit, value, stand.versions, (ECHO, sizes[ECHO]) if name != ECHO else None)
        for name, value in sizes.items()
    ]
    rows = [sized(row, *size) if row.program == GATEWAY else row for row in rows]
    return rows + [skipped_row(f"{label}/{name}", unit, stand.versions, why) for name, why in absent.items()]


def _serve(stand: Stand, program: Program, requests: int) -> None:
    """Have it answer so many requests."""
    with playing(stand, unary(MEMORY, "", ()), program) as tally:
        what = f"{program.name}, {requests} requests"
        stand.engine.run_until(lambda: tally.done >= requests, _REQUESTS_LIMIT_S, what)


def _idle_kib(stand: Stand, program: Program) -> float:
    """What each of the plan's idle Live sessions adds to it."""
    before = rss_bytes(pid_of(program))
    stand.upstream.script = Script()
    tally = Tally()
    clients: list[Client] = []
    try:
        while len(clients) < stand.plan.memory_sessions:
            clients.extend(idle_session(stand.engine, program.aim, tally) for _ in range(_OPENED_AT_ONCE))
            until_ready(stand, tally, len(clients), f"{program.name}, idle sessions")
        return (rss_bytes(pid_of(program)) - before) / len(clients) / 1024
    finally:
        close(stand, clients)


def growth_rows(stand: Stand) -> list[Row]:
    """What a fresh gateway's resident memory grows by from the requests of `memory` to ten times as many."""
    name, unit, plan = f"{GROWTH}/{GATEWAY}", "MiB", stand.plan
    with programs_on(stand, (GATEWAY,), {}) as programs:
        program = programs[GATEWAY]
        sizes: list[int] = []
        for requests in (plan.memory_requests, plan.growth_requests - plan.memory_requests):
            _serve(stand, program, requests)
            stand.engine.run_for(_SETTLE_S)
            sizes.append(rss_bytes(pid_of(program)))
    value = (sizes[1] - sizes[0]) / 2**20
    stand.say(f"{name}: {value:.2f} {unit}")
    row = Row(name=name, value=value, unit=unit, reference=None, ratio=None, versions=stand.versions, repetitions=1)
    return [sized(row, plan.growth_requests, Plan().growth_requests, "requests")]
