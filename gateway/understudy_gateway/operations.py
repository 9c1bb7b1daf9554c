"""What goes on beside the traffic of a running gateway: the metrics page, and what other processes spend."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .admin import AdminRoute, Reply
from .limits.admission import Admission
from .limits.following import Follower
from .loop_lag import LoopLag
from .metering import Books
from .metrics import Gauge, Metrics
from .metrics_page import CONTENT_TYPE, Shared, page
from .questions import Questions, Stop, TooManyQuestions
from .refusals import Reason, Refusal
from .spend.log import SpendLog
from .spend.record import SpendRecord

QUESTION_S: Final = 30.0
"""How long a question to the store, or the making of a page, may take."""


class Operations:
    """The metrics of a gateway, and its look at the others.

    `folder` is where workers leave their numbers for one another; None: there is one worker.
    """

    def __init__(
        self, metrics: Metrics, spend: SpendLog, books: Books, admission: Admission, folder: Path | None
    ) -> None:
        self._metrics = metrics
        own: dict[str, Gauge] = {
            "spend_waiting": lambda: spend.waiting,
            "spend_store_down": lambda: spend.store is not None and spend.store.is_down,
        }
        metrics.count_from("spend_lost", (), lambda: spend.lost)
        metrics.count_from("log_lines_dropped", (), dropped_lines)
        pending: dict[str, Gauge] = {"jobs_pending": books.jobs.pending}  # of the store, which all workers share
        self._shared = Shared(folder, metrics, own) if folder is not None else None
        self._gauges = pending if folder is not None else {**own, **pending}
        self._follower = Follower(spend.store, admission) if spend.store is not None else None
        self._lag = LoopLag(metrics.lag)
        self.questions: Final = Questions("spend-questions", QUESTION_S)
        self._pages = Questions("metrics", QUESTION_S, at_once=1)
        self.routes: Final = (AdminRoute(b"/metrics", "admin", self._page),)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tell = spend.on_operation
        spend.on_operation = self._settled

    def start(self) -> None:
        """Called on the event loop, before anything is served."""
        self._loop = asyncio.get_running_loop()
        self._lag.start()
        if self._follower is not None:
            self._follower.start()
        if self._shared is not None:
            self._shared.start()

    async def close(self) -> None:
        """The gateway ends."""
        self._lag.close()
        self.questions.close()
        self._pages.close()
        if self._follower is not None:
            await self._follower.close()
        if self._shared is not None:
            await self._shared.close()

    def _settled(self, record: SpendRecord) -> None:
        """In whatever thread: the numbers belong to the loop's."""
        self._tell(record)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._metrics.operation, record)

    async def _page(self, words: Mapping[str, str]) -> Reply | Refusal:
        own = self._metrics.snapshot()  # on the loop, where the numbers change

        def made(stop: Stop) -> bytes:
            return page([own] if self._shared is None else self._shared.all(), self._gauges)

        try:
            return Reply(await self._pages.ask(made), content_type=CONTENT_TYPE)
        except (TooManyQuestions, TimeoutError):
            return Refusal(Reason.ADMIN_BUSY, retry_after_s=1)


def dropped_lines() -> int:
    """How many log lines were dropped by the handlers that count that (R-37)."""
    return sum(getattr(handler, "dropped", 0) for handler in logging.getLogger().handlers)
