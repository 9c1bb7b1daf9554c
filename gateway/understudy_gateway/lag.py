"""How late the event loop is: what blocks it delays every exchange, so it is measured, for the metrics."""

import asyncio
from typing import Final

from .metrics import Metrics

EVERY_S: Final = 0.1


class LagWatch:
    """Wakes up ten times a second, and notes how much later than wanted it did (R-36)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch from now on."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wanted = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._metrics.lagged(max(0.0, loop.time() - wanted))
