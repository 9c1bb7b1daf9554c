"""Time as the simulator sees it: real, scaled by a speed, or moved by hand.

Waits are given in seconds of scenario time. `advance` moves scenario time at once: what waits for a moment that has
been passed goes on, tokens and operations grow older.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .timetable import Timer, Timetable


class Clock(Protocol):
    """Where the simulator gets its times and waits from."""

    def now(self) -> datetime:
        """The time of day of the simulated service, UTC: real time and all that was advanced."""
        ...

    def wall(self) -> datetime:
        """The real time of day, UTC: what a client's own clock shows, whatever was advanced."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def elapsed(self) -> float:
        """The same, and what was advanced has passed on it: for the times in a transcript."""
        ...

    async def sleep(self, seconds: float, speed: float | None = None) -> None:
        """Wait that many seconds of scenario time; `speed` overrides the clock's own for this wait."""
        ...

    def call_later(self, seconds: float, speed: float | None, callback: Callable[[], None]) -> Timer:
        """Call back after that many seconds of scenario time, as `sleep` would wait; costs no task."""
        ...

    def advance(self, seconds: float) -> None:
        """Move scenario time forward by `seconds` (not negative)."""
        ...


class _Sleepers:
    """Those who wait for a moment of advanced time, and how far it was advanced."""

    def __init__(self) -> None:
        self.advanced = 0.0
        self._waiting: set[asyncio.Event] = set()

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time cannot be moved back")
        self.advanced += seconds
        for event in self._waiting:
            event.set()

    async def wait(self, timeout_s: float | None) -> None:
        """Until the next advance, at most `timeout_s` real seconds."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(event)


class RealClock:
    """Real time; pauses last `1 / speed` of what is written, none at speed 0."""

    def __init__(self, speed: float = 1.0) -> None:
        if speed < 0:
            raise ValueError("a speed is zero or more")
        self._speed = speed
        self._sleepers = _Sleepers()
        self._timetable = Timetable()

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now + timedelta(seconds=self._sleepers.advanced) if self._sleepers.advanced else now

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() + self._sleepers.advanced

    async def sleep(self, seconds: float, speed: float | None = None) -> None:
        factor = self._speed if speed is None else speed
        if factor == 0 or seconds <= 0:
            await asyncio.sleep(0)
            return
        started, advanced = time.monotonic(), self._sleepers.advanced
        while True:
            passed = (time.monotonic() - started) * factor + self._sleepers.advanced - advanced
            if passed >= seconds:
                return
            await self._sleepers.wait((seconds - passed) / factor)

    def call_later(self, seconds: float, speed: float | None, callback: Callable[[], None]) -> Timer:
        factor = self._speed if speed is None else speed
        wait_s = seconds / factor if factor and seconds > 0 else 0.0
        return self._timetable.add(time.monotonic() + wait_s, factor, callback)

    def advance(self, seconds: float) -> None:
        self._sleepers.advance(seconds)
        self._timetable.shift(seconds)


class ManualClock:
    """Time that stands still until it is advanced; for tests. A wait ends when its moment has been passed."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._sleepers = _Sleepers()
        self._timers: set[Timer] = set()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._sleepers.advanced)

    def wall(self) -> datetime:
        return self._start

    def monotonic(self) -> float:
        return self._sleepers.advanced

    def elapsed(self) -> float:
        return self._sleepers.advanced

    async def sleep(self, seconds: float, speed: float | None = None) -> None:
        if speed == 0 or seconds <= 0:
            await asyncio.sleep(0)
            return
        end = self._sleepers.advanced + seconds
        while self._sleepers.advanced < end:
            await self._sleepers.wait(None)

    def call_later(self, seconds: float, speed: float | None, callback: Callable[[], None]) -> Timer:
        at_once = speed == 0 or seconds <= 0
        timer = Timer(callback, self._timers.discard, self._sleepers.advanced + max(seconds, 0.0), 1.0)
        if at_once:
            timer.handle = asyncio.get_running_loop().call_soon(timer.call)
        else:
            self._timers.add(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self._sleepers.advance(seconds)
        for timer in sorted(self._timers, key=lambda timer: timer.due):
            if timer.due <= self._sleepers.advanced:
                self._timers.discard(timer)
                timer.handle = asyncio.get_running_loop().call_soon(timer.call)


def proto_duration(seconds: float) -> str:
    """A google.protobuf.Duration as its JSON writes it: 0, 3, 6 or 9 fractional digits, `6s` or `6.500s`."""
    whole, fraction = f"{seconds:.9f}".split(".")
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{whole}.{fraction}s" if fraction else f"{whole}s"


def rfc3339(moment: datetime) -> str:
    """A UTC time as Google writes it: `2026-03-21T18:11:55.919086Z` (wire-http 2)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
