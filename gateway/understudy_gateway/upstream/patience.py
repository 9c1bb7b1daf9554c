"""The one timer of a connection: a deadline that is moved at every wait costs nothing but a number."""

import asyncio
from collections.abc import Callable


class Patience:
    """Calls `expired` when a deadline passes that was neither moved nor lifted."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = 0.0

    def within(self, seconds: float) -> None:
        """Set the deadline anew."""
        self._deadline = deadline = self._loop.time() + seconds
        # A timer that fires too early finds the later deadline and is set again: seldom, unlike waits.
        if self._timer is None or self._fires_at > deadline:
            self._arm(deadline)

    def lift(self) -> None:
        """There is no deadline."""
        self._deadline = None

    def stop(self) -> None:
        """There will be none any more; nobody is held by that."""
        self._deadline = None
        self._expired = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at = deadline
        self._timer = self._loop.call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
            return
        self._deadline = None
        self._expired()


def _nothing() -> None:
    """What is called when nobody waits."""
