"""Budgets beside the books: what was spent before this process, and the videos that are still to be settled."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from ..metering import Books
from ..settings import GatewayConfig
from ..spend.log import SpendLog
from ..spend.queries import spent_by
from .admission import Admission, Earlier, LocalAdmission, hold_open_jobs

_log = logging.getLogger(__name__)


def admission_of(
    config: GatewayConfig,
    books: Books,
    log: SpendLog,
    *,
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
) -> Admission:
    """The limits of the configuration, told of everything that `books` and `log` learn.

    Raises ConfigError if the store cannot be read.
    """
    store = log.store

    def spent(key_id: str, since: datetime | None) -> Earlier:
        return Earlier() if store is None else Earlier(*spent_by(store.path, key_id, since))

    admission = LocalAdmission(
        config, now=now, monotonic=monotonic, spent=spent, is_store_down=lambda: store is not None and store.is_down
    )
    if store is not None:
        hold_open_jobs(admission, store.open_jobs(), lambda job: books.reserved(job).total)
    books.on_job = admission.job_started
    log.on_operation = admission.job_booked
    return admission


async def adopted(admission: Admission, log: SpendLog, config: GatewayConfig) -> None:
    """Let `admission` take another configuration: what is not written yet is written first, and then read, aside.

    Raises ConfigError, with nothing changed, if the store cannot be read.
    """
    if not await asyncio.to_thread(log.flush):
        _log.warning("spend records still wait for the disk: budgets that begin now lack what they cost")
    admission.adopt(config, await asyncio.to_thread(admission.earlier, config))
