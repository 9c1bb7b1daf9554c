"""How late the event loop is: what holds it up holds up every exchange (R-36)."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.05
LATE_S: Final = 1.0
"""What is said in the log too. Less may be the machine's doing, where others want its cores; the numbers have it."""

_SAY_EVERY_S: Final = 60.0


class LoopLag:
    """Measures again and again how much later than due a call comes; each lag is told to `observe`, in seconds."""

    def __init__(
        self,
        observe: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
        late_s: float = LATE_S,
    ) -> None:
        """`late_s`: from what lag on a line in the log says so, at most once a minute."""
        self._observe = observe
        self._late_s = late_s
        self._monotonic = monotonic
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._said_at: float | None = None

    def start(self) -> None:
        """Measure from now on, on the running loop."""
        self._due = self._monotonic() + LOOK_EVERY_S
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def close(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = self._monotonic()
        late = max(0.0, now - self._due)
        self._observe(late)
        if late >= self._late_s and (self._said_at is None or now - self._said_at >= _SAY_EVERY_S):
            self._said_at = now
            _log.warning("the event loop was held up for %.0f ms: all exchanges waited", late * 1000)
        self.start()
