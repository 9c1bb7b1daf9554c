"""Delays at little load, beside nginx's: of requests (added to those without anybody between), of chunks and frames.

Everything is due at fixed times, one client after the other; a delay counts from then on, whatever happened before it.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from understudy.errors import TargetError

from .engine import Engine
from .feeding import Feed, Rounds
from .figures import quantile, skipped_row, spread
from .limits import limited
from .load import Aim, Tally, request_of
from .machine import cpu_s, waited_s
from .open_loop import DueFrames, DueRequests, StampedStreams
from .payloads import (
    MASK,
    client_messages,
    frame,
    server_messages,
    stamped_events,
    unary_answer,
    unary_request,
)
from .plan import Stand
from .playing import READY_LIMIT_S, close, order, programs_on, until_ready
from .programs import Program
from .rows import Row
from .upstream import TAIL, Script
from .workloads import DIRECT, GATEWAY, LIVE_PATH, NGINX, STREAM_HEAD, STREAM_PATH, UNARY_PATH, http_answer

ADDED: Final = "added-p50"
SSE_PACED: Final = "sse-paced"
LIVE_PACED: Final = "live-paced-gateway"
LATENCIES: Final = (ADDED, SSE_PACED, LIVE_PACED)

HIGHEST_LOAD: Final = 0.3
"""Share of its core that a program may use while its delays are measured."""

_CLIENTS: Final = 16
_REQUESTS_PER_S: Final = 500
_PERIOD_S: Final = 0.02
_STREAM_EVENTS: Final = 25
_UP_BYTES, _DOWN_BYTES = 1000, 1400
"""20 ms of sound at 16,000 and at 24,000 samples a second, as JSON."""

_WAITING: Final = 0.02
_RETRIES: Final = 10
_SMALLEST_S: Final = 1e-6

Timed = DueRequests | DueFrames | StampedStreams


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of delay: what the upstream does, a client of it, and the time from one client's turn to the next's.

    `is_added`: the figure is what a program adds to the delay without it.
    """

    name: str
    unit: str
    script: Script
    client: Callable[[Engine, Aim, Tally], Timed]
    step_s: float
    is_added: bool = False

    @property
    def programs(self) -> tuple[str, ...]:
        """Who is measured."""
        return (DIRECT, GATEWAY, NGINX) if self.is_added else (GATEWAY, NGINX)


@dataclass(frozen=True, slots=True)
class Delays:
    """One measurement: the median of the delays in seconds, how many there were, shares of the time."""

    p50_s: float
    count: int
    wall_s: float
    program_share: float
    waiting: float


def kinds() -> tuple[Kind, ...]:
    """All kinds, in the order of LATENCIES."""
    return (_requests(), _chunks(), _frames())


def _requests() -> Kind:
    script = Script(unary_request()[-TAIL:], (http_answer(unary_answer()),))

    def client(engine: Engine, aim: Aim, tally: Tally) -> DueRequests:
        return DueRequests(engine, aim, tally, request_of(aim, UNARY_PATH, unary_request()), unary_answer())

    return Kind(ADDED, "us added", script, client, 1 / _REQUESTS_PER_S, is_added=True)


def _chunks() -> Kind:
    feed = Feed(STREAM_HEAD, stamped_events(_STREAM_EVENTS), _CLIENTS)

    def client(engine: Engine, aim: Aim, tally: Tally) -> StampedStreams:
        return StampedStreams(engine, aim, tally, request_of(aim, STREAM_PATH, unary_request()), _STREAM_EVENTS)

    script = Script(unary_request()[-TAIL:], feed=feed)
    return Kind(SSE_PACED, "us/chunk late", script, client, _PERIOD_S / _CLIENTS)


def _frames() -> Kind:
    sent = tuple(frame(payload, MASK) for payload in client_messages(_UP_BYTES))
    answers = tuple(frame(payload) for payload in server_messages(_DOWN_BYTES))

    def client(engine: Engine, aim: Aim, tally: Tally) -> DueFrames:
        return DueFrames(engine, aim, tally, LIVE_PATH, sent, answers[0])

    script = Script(frame_size=len(sent[0]), frames=answers)
    return Kind(LIVE_PACED, "us/frame late", script, client, _PERIOD_S / _CLIENTS)


def latency_rows(stand: Stand, names: Sequence[str]) -> list[Row]:
    """The rows of the kinds with these names; all of them need nginx."""
    wanted = [kind for kind in kinds() if kind.name in names]
    absent: dict[str, str] = {}
    rows: list[Row] = []
    if not wanted:
        return rows
    with programs_on(stand, (NGINX,), absent) as peer:
        if absent:
            return [
                skipped_row(f"{kind.name}/{program}", kind.unit, stand.versions, absent[NGINX])
                for kind in wanted
                for program in (GATEWAY, NGINX)
            ]
        with programs_on(stand, (DIRECT, GATEWAY), {}) as others:
            programs = {**others, **peer}
            for kind in wanted:
                found = _repetitions(stand, kind, [programs[name] for name in kind.programs])
                rows += _rows_of(stand, kind, found)
    return rows


def _repetitions(stand: Stand, kind: Kind, programs: Sequence[Program]) -> dict[str, list[Delays]]:
    """The measurements by program; one in which others used the cores is made again, as long as that is allowed."""
    plan, retries = stand.plan, min(stand.plan.retries, _RETRIES)
    found: dict[str, list[Delays]] = {program.name: [] for program in programs}
    for number in range(plan.repetitions):
        for program in order(programs, plan.seed, kind.name, number):
            delays = measured(stand, kind, program)
            while retries > 0 and delays.waiting > _WAITING:
                retries -= 1
                stand.say(f"{program.name}: again, waited for others {delays.waiting:.0%} of the time")
                delays = measured(stand, kind, program)
            found[program.name].append(delays)
            place = f"{kind.name} {number + 1}/{plan.repetitions} {program.name}"
            stand.say(f"{place}: p50 {1e6 * delays.p50_s:.0f} us (busy {delays.program_share:.0%})")
    return found


def measured(stand: Stand, kind: Kind, program: Program) -> Delays:
    """One measurement of a kind on a program. Raises TargetError if nothing comes."""
    tally, engine = Tally(), stand.engine
    stand.upstream.script = kind.script
    clients: list[Timed] = []
    what = f"{program.name}, {kind.name}"
    try:
        clients.extend(kind.client(engine, program.aim, tally) for _ in range(_CLIENTS))
        until_ready(stand, tally, _CLIENTS, f"{what}, first answers")
        rounds = Rounds(clients if kind.script.feed is None else kind.script.feed.slots, kind.step_s)
        engine.pace_for(stand.plan.warm_s, rounds)
        for client in clients:
            client.delays.clear()
        begin, used, waited = time.monotonic(), _used_s(program), _waited_s(program)
        engine.pace_for(stand.plan.window_s, rounds)
        wall_s = time.monotonic() - begin
        used, waited = _used_s(program) - used, _waited_s(program) - waited
        delays = sorted(delay for client in clients for delay in client.delays)
        _end(engine, tally, clients, rounds, what)
    finally:
        close(stand, clients)
    if not delays:
        raise TargetError(f"{what}: nothing came within {stand.plan.window_s:g} s")
    return Delays(quantile(delays, 0.5), len(delays), wall_s, used / wall_s, waited / wall_s)


def _end(engine: Engine, tally: Tally, clients: Sequence[Timed], rounds: Rounds, what: str) -> None:
    """Let what is under way come to its end, so that nothing of it falls into the next measurement."""
    tally.is_ending = True

    def are_idle() -> bool:
        rounds()
        return all(client.is_idle for client in clients)

    engine.run_until(are_idle, READY_LIMIT_S, f"{what}, last answers")


def _used_s(program: Program) -> float:
    return 0.0 if program.pid is None else cpu_s(program.pid)


def _waited_s(program: Program) -> float:
    """Seconds that load tool and program had to wait for others."""
    return waited_s(os.getpid()) + (0.0 if program.pid is None else waited_s(program.pid))


def _rows_of(stand: Stand, kind: Kind, found: Mapping[str, Sequence[Delays]]) -> list[Row]:
    """A row without reference for nginx, one beside it for the gateway; the ratio is formed inside each repetition."""
    base = [one.p50_s for one in found[DIRECT]] if kind.is_added else [0.0] * stand.plan.repetitions
    values = {
        name: [max(one.p50_s - less, _SMALLEST_S) for one, less in zip(found[name], base, strict=True)]
        for name in (GATEWAY, NGINX)
    }
    floored = sum(value == _SMALLEST_S for value in (*values[GATEWAY], *values[NGINX]))
    ratios = [own / other for own, other in zip(values[GATEWAY], values[NGINX], strict=True)]
    gateway = _row(stand, kind, GATEWAY, values[GATEWAY], found[GATEWAY], ratios, floored)
    rows = [limited(gateway), _row(stand, kind, NGINX, values[NGINX], found[NGINX])]
    return [*rows, _row(stand, kind, DIRECT, base, found[DIRECT])] if kind.is_added else rows


def _row(
    stand: Stand,
    kind: Kind,
    program: str,
    values: Sequence[float],
    delays: Sequence[Delays],
    ratios: Sequence[float] = (),
    floored: int = 0,
) -> Row:
    share = median(one.program_share for one in delays)
    return Row(
        name=f"{kind.name}/{program}",
        value=1e6 * median(values),
        unit="us" if program == DIRECT else kind.unit,
        reference=NGINX if ratios else None,
        ratio=median(ratios) if ratios else None,
        versions=stand.versions,
        spread=spread(ratios or values),
        repetitions=len(values),
        rate=median(one.count / one.wall_s for one in delays),
        program_share=None if program == DIRECT else share,
        note="; ".join(_notes(share, median(one.waiting for one in delays), floored)) or None,
    )


def _notes(share: float, waiting: float, floored: int) -> list[str]:
    notes = {
        f"more than {HIGHEST_LOAD:.0%} load": share > HIGHEST_LOAD,
        f"waited for others {waiting:.0%} of the time": waiting > _WAITING,
        f"{floored} times direct was slower: disturbed": floored > 0,
    }
    return [note for note, is_true in notes.items() if is_true]
