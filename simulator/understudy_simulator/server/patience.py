"""How long a connection may be quiet: between requests, and while one is coming."""

import asyncio
from collections.abc import Callable
from typing import Final

IDLE_S: Final = 75.0
"""How long a connection may stay open between requests."""

PATIENCE_S: Final = 600.0
"""How long a request may take to come."""

LINGER_S: Final = 2.0
"""How long what is left of a refused request is read, so that its sender sees the answer and no reset."""


class Patience:
    """Calls `give_up` when what was expected did not come in time; while `is_busy`, nothing is expected."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, rest_s: float, is_busy: Callable[[], bool], give_up: Callable[[], None]
    ) -> None:
        """`rest_s` is after how many seconds to look again at one that is busy."""
        self._loop = loop
        self._rest_s = rest_s
        self._is_busy = is_busy
        self._give_up = give_up
        self._deadline = loop.time() + rest_s
        self._timer = loop.call_later(rest_s, self._look)

    def expect_within(self, seconds: float) -> None:
        """Something is to come within so many seconds from now."""
        self._deadline = self._loop.time() + seconds

    def stop(self) -> None:
        """Nothing is expected any more."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._rest_s if self._is_busy() else self._deadline - self._loop.time()
        if left <= 0:
            self._give_up()
        else:
            self._timer = self._loop.call_later(left, self._look)
