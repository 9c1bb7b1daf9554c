"""Calls that are due at moments of the monotonic clock, all of them behind one timer of the event loop.

One timer for all costs less than one for each: 500 sessions with a frame every 20 ms are 25,000 calls a second, of
which those that are due by now are made in one wake-up (performance-notes, "Simulator").
"""

import asyncio
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

_SHORTEST_S: Final = 0.001
"""Timers of the loop are in whole milliseconds; a shorter one would be called again and again until it is due."""

_FEW: Final = 64
"""So many cancelled calls are left lying, whatever their share."""


class Timer:
    """A call that is due later; `cancel` is allowed at any time."""

    __slots__ = ("_callback", "_forget", "due", "factor", "handle")

    def __init__(self, callback: Callable[[], None], forget: "Callable[[Timer], None]", due: float, factor: float):
        """`forget` is told when it is cancelled; `due` and `factor` are for whoever keeps it."""
        self._callback: Callable[[], None] | None = callback
        self._forget = forget
        self.due = due
        self.factor = factor
        self.handle: asyncio.Handle | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it has neither called nor been cancelled."""
        return self._callback is not None

    def cancel(self) -> None:
        """It will not call."""
        if self._callback is not None:
            self._callback = None
            self._forget(self)
            if self.handle is not None:
                self.handle.cancel()

    def call(self) -> None:
        """It is due."""
        callback = self._callback
        if callback is not None:
            self._callback = None
            callback()


class Timetable:
    """What is due when, in seconds of `time.monotonic`. Belongs to the event loop that was running at the last call."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None
        self._wakes = 0.0
        self._is_calling = False
        self._dropped = 0

    def __len__(self) -> int:
        """How many calls are kept, cancelled ones that still lie about included."""
        return len(self._heap)

    def add(self, due: float, factor: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at `due`, never earlier; if that has passed, as soon as the loop comes to it.

        `shift` moves it by 1 / `factor` of the seconds, and not at all if `factor` is 0.
        """
        timer = Timer(callback, self._forget, due, factor)
        if not self._is_calling and (loop := asyncio.get_running_loop()) is not self._loop:
            # What another loop was to call it calls no more.
            self._heap.clear()
            self._loop, self._handle, self._dropped = loop, None, 0
        heappush(self._heap, (due, next(self._numbers), timer))
        if not self._is_calling and (self._handle is None or due < self._wakes):
            self._wake_next()
        return timer

    def shift(self, seconds: float) -> None:
        """Time was moved forward: each call is due earlier, by `seconds` divided by its factor."""
        kept: list[tuple[float, int, Timer]] = []
        for _, number, timer in self._heap:
            if timer.is_pending:
                timer.due -= seconds / timer.factor if timer.factor else 0.0
                kept.append((timer.due, number, timer))
        self._keep(kept)
        if not self._is_calling:
            self._wake_next()

    def _call_due(self) -> None:
        """Call all that is due by now. An error in one is the loop's to tell of, and the others are called after it."""
        self._handle = None
        self._is_calling = True
        heap, now = self._heap, time.monotonic()
        try:
            # What is added meanwhile is due later than `now`: this comes to an end, and the sockets have their turn.
            while heap and heap[0][0] <= now:
                timer = heappop(heap)[2]
                if timer.is_pending:
                    timer.call()
                else:
                    self._dropped -= 1
        finally:
            self._is_calling = False
            self._wake_next()

    def _wake_next(self) -> None:
        """Have the loop wake us when the first call is due."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap and self._loop is not None:
            self._wakes = self._heap[0][0]
            rest_s = self._wakes - time.monotonic()
            if rest_s > 0:
                self._handle = self._loop.call_later(max(rest_s, _SHORTEST_S), self._call_due)
            else:
                self._handle = self._loop.call_soon(self._call_due)

    def _forget(self, timer: Timer) -> None:
        """A cancelled call lies in the heap until it is due, or until such calls are the larger part."""
        self._dropped += 1
        if self._dropped > _FEW and self._dropped * 2 > len(self._heap):
            self._keep([entry for entry in self._heap if entry[2].is_pending])

    def _keep(self, entries: list[tuple[float, int, Timer]]) -> None:
        # In place: `_call_due` may be at work on it.
        self._heap[:] = entries
        heapify(self._heap)
        self._dropped = 0
