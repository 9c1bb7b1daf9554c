"""Live sessions at scale: how late frames of speech come when hundreds of sessions stream, what idle sessions hold."""

import os
import ssl
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from understudy.errors import TargetError
from understudy.processes import ServerProcess

from .figures import lateness_ms, quantile, skipped_row, spread
from .limits import sized
from .listening import Listener
from .load import Aim, Tally
from .machine import cpu_s, free_files, pinned, rss_bytes, waited_s
from .plan import Plan, Stand
from .programs import live_simulator
from .rows import Row

PACED: Final = ("live-paced", "live-paced-tls")
IDLE: Final = "live-idle"
PERIOD_S: Final = 0.02
"""Between two frames of a session."""

_SIMULATOR: Final = "simulator"
_READY_LIMIT_S: Final = 60.0
_AT_ONCE: Final = 20
_BEGIN_S: Final = 1.0
"""The sessions begin to speak one after the other within this time."""

_WARM_S: Final = 1.0
_SETTLE_S: Final = 1.0
_WAITING: Final = 0.02
"""Share of the time that simulator and load may wait for others before a window is made again."""

_RETRIES: Final = 10
_SPARE_FILES: Final = 200
"""Files that a program has open beside its sessions, at most."""


@dataclass(frozen=True, slots=True)
class _Window:
    """One time of measuring: from when to when, CPU seconds of simulator and load, seconds that they had to wait."""

    begin: float
    end: float
    program_s: float
    load_s: float
    waited_s: float

    @property
    def waiting(self) -> float:
        """Share of the time in which somebody else had the core that was needed."""
        return self.waited_s / (self.end - self.begin)


def paced_rows(stand: Stand, name: str) -> list[Row]:
    """Sessions that all stream 20 ms frames at real time: lateness at a raw receiver, and CPU for each frame."""
    is_tls = name == PACED[1]
    with opened(stand, stand.plan.paced_sessions, is_tls=is_tls) as (server, sessions):
        for session in sessions:
            session.ask()
            stand.engine.run_for(_BEGIN_S / len(sessions))
        stand.engine.run_for(_WARM_S)
        windows = list(_windows(stand, name, server.ready.pid))
    times = [session.times for session in sessions]
    return _paced_figures(stand, name, windows, times)


def _windows(stand: Stand, name: str, pid: int) -> Iterator[_Window]:
    """One for each repetition; one in which others used the cores is made again, as long as that is allowed."""
    retries, taken = min(stand.plan.retries, _RETRIES), 0
    while taken < stand.plan.repetitions:
        window = _window(stand, pid)
        again = window.waiting > _WAITING and retries > 0
        place = "again" if again else f"{taken + 1}/{stand.plan.repetitions}"
        busy = window.program_s / (window.end - window.begin)
        stand.say(f"{name} {place}: busy {busy:.0%}, waited for others {window.waiting:.0%} of the time")
        if again:
            retries -= 1
        else:
            taken += 1
            yield window


def _window(stand: Stand, pid: int) -> _Window:
    own = os.getpid()
    begin, program_s, load_s = time.monotonic(), cpu_s(pid), time.process_time()
    waited = waited_s(pid) + waited_s(own)
    stand.engine.run_for(stand.plan.window_s)
    end = time.monotonic()
    waited = waited_s(pid) + waited_s(own) - waited
    return _Window(begin, end, cpu_s(pid) - program_s, time.process_time() - load_s, waited)


def _paced_figures(stand: Stand, name: str, windows: Sequence[_Window], times: Sequence[Sequence[float]]) -> list[Row]:
    """Rows of the lateness (median and 99 of 100), and of CPU: the median over the windows."""
    late = [lateness_ms(times, PERIOD_S, window.begin, window.end) for window in windows]
    if not all(late):
        raise TargetError(f"{name}: no frame within {stand.plan.window_s:g} s")
    counts = [len(values) for values in late]
    figures = {
        f"{name}-p50": ("ms late", [quantile(values, 0.5) for values in late]),
        f"{name}-p99": ("ms late", [quantile(values, 0.99) for values in late]),
        f"{name}-cpu": ("us/frame", [1e6 * one.program_s / n for one, n in zip(windows, counts, strict=True)]),
    }
    waiting = median(window.waiting for window in windows)
    count, usual = stand.plan.paced_sessions, Plan().paced_sessions
    return [
        sized(
            Row(
                name=f"{workload}/{_SIMULATOR}",
                value=median(values),
                unit=unit,
                reference=None,
                ratio=None,
                versions=stand.versions,
                spread=spread(values),
                repetitions=len(values),
                rate=median(n / (one.end - one.begin) for one, n in zip(windows, counts, strict=True)),
                program_share=median(one.program_s / (one.end - one.begin) for one in windows),
                load_share=median(one.load_s / (one.end - one.begin) for one in windows),
                note=f"waited for others {waiting:.0%} of the time" if waiting > _WAITING else None,
            ),
            count,
            usual,
            "sessions",
        )
        for workload, (unit, values) in figures.items()
    ]


def idle_rows(stand: Stand) -> list[Row]:
    """What each of some thousand idle sessions adds to the resident memory of the simulator."""
    name, unit, count = f"{IDLE}/{_SIMULATOR}", "KiB", stand.plan.idle_sessions
    needed, allowed = count + _SPARE_FILES, free_files()
    if allowed < needed:
        why = f"{count} sessions need {needed} open files, and this machine allows {allowed} (ulimit -Hn)"
        stand.say(f"{IDLE} is left out: {why}")
        return [skipped_row(name, unit, stand.versions, why)]
    with opened(stand, 0, is_tls=False) as (server, sessions):
        # The first sessions load what all share.
        tally = _open(stand, server, sessions, Tally(), _AT_ONCE, None)
        before = rss_bytes(server.ready.pid)
        _open(stand, server, sessions, tally, count, None)
        stand.engine.run_for(_SETTLE_S)
        value = (rss_bytes(server.ready.pid) - before) / (len(sessions) - _AT_ONCE) / 1024
    stand.say(f"{name}: {value:.1f} {unit}")
    row = Row(name=name, value=value, unit=unit, reference=None, ratio=None, versions=stand.versions, repetitions=1)
    return [sized(row, count, Plan().idle_sessions, "sessions")]


@contextmanager
def opened(stand: Stand, count: int, *, is_tls: bool) -> Generator[tuple[ServerProcess, list[Listener]], None, None]:
    """A simulator on its core, and that many sessions that are set up."""
    sessions: list[Listener] = []
    stand.say("starting simulator for Live sessions")
    with ExitStack() as stack:
        with pinned(stand.cores.program):
            server = stack.enter_context(live_simulator(stand.folder))
        stack.callback(lambda: [session.close() for session in sessions])
        tls = ssl.create_default_context(cafile=server.ready.ca) if is_tls else None
        _open(stand, server, sessions, Tally(), count, tls)
        yield server, sessions


def _open(
    stand: Stand,
    server: ServerProcess,
    sessions: list[Listener],
    tally: Tally,
    count: int,
    tls: ssl.SSLContext | None,
) -> Tally:
    """Open sessions until there are `count`; some at a time."""
    url = server.ready.http if tls is None else server.ready.https
    aim = Aim(_SIMULATOR, urlsplit(url or "").port or 0, fields=b"x-goog-api-key: any\r\n")
    while len(sessions) < count:
        more = min(_AT_ONCE, count - len(sessions))
        sessions.extend(Listener(stand.engine, aim, tally, tls) for _ in range(more))
        stand.engine.run_until(lambda: tally.ready == len(sessions), _READY_LIMIT_S, "the simulator, Live sessions")
    return tally
