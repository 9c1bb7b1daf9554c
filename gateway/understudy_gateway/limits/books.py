"""Budgets beside the books: what was spent before this process, and the videos that are still to be settled."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from understudy.pricing.cost import ZERO

from ..metering import Books
from ..settings import GatewayConfig
from ..spend.log import SpendLog
from ..spend.queries import Wanted, summary
from .admission import Admission, LocalAdmission, hold_open_jobs


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

    def spent(key_id: str, since: datetime | None) -> Decimal:
        return ZERO if store is None else summary(store.path, "key", Wanted(since=since, key_id=key_id))[1].cost

    admission = LocalAdmission(config, now=now, monotonic=monotonic, spent=spent)
    if store is not None:
        hold_open_jobs(admission, store.open_jobs(), lambda job: books.reserved(job).total)
    books.on_job = admission.job_started
    log.on_operation = admission.job_booked
    return admission
