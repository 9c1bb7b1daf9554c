"""Video jobs whose cost is still open: reserved at the start, settled once, at the first answer that says done.

Two places keep them: this module's memory, and the store, which several processes share and which outlives them. A
poll may come to the books before the start that it belongs to: the start then settles the job.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from understudy.usage.operations import VeoRequest

from ..settings import Provider
from .record import SpendRecord

MOST_JOBS: Final = 10_000
JOB_LIFE: Final = timedelta(hours=48)
"""Google keeps a finished video for two days; a job that nobody polled to its end by then never will be."""

NEVER_POLLED: Final = "the operation was never polled to its end"
GATEWAY_ENDED: Final = "the gateway ended before the operation was done"


@dataclass(frozen=True, slots=True)
class VideoJob:
    """A job under way: its operation's name, the id of the request that started it, what was asked for, by whom."""

    name: str
    call_id: str
    key_id: str | None
    tags: tuple[str, ...]
    provider: Provider
    route: str
    model: str
    request: VeoRequest
    started: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that a poll saw done at `seen` (UTC): how many videos are to be paid, and what the answer said.

    `problem` says why the answer could not be read. `stranger` is the record if no start is known; None: it is then no
    video, and not booked.
    """

    name: str
    videos: int
    usage: Mapping[str, Any]
    problem: str | None
    seen: datetime
    stranger: SpendRecord | None


Settle = Callable[[VideoJob, Done], SpendRecord]
"""The record of a job that is done."""

Expire = Callable[[VideoJob, str], SpendRecord]
"""The record of a job that nobody will see end, and why."""


class Jobs(Protocol):
    """Where open jobs are kept. `finished` may come often for one name, from several threads of polling clients."""

    def started(self, job: VideoJob) -> None:
        """Note a job. A name that was settled before begins anew: a simulator that was reset gives names out again."""
        ...

    def finished(self, done: Done) -> None:
        """Settle the operation, if that has not been done."""
        ...

    def once(self, record: SpendRecord) -> None:
        """Book the record of an operation whose start does not matter, unless one of its id was booked."""
        ...

    def pending(self) -> int:
        """How many are open; may take a moment."""
        ...

    def close(self) -> None:
        """The gateway ends."""
        ...


class MemoryJobs:
    """Jobs in this process alone: they end with it, and are then booked as estimates."""

    def __init__(
        self, book: Callable[[SpendRecord], None], settle: Settle, expire: Expire, now: Callable[[], datetime]
    ) -> None:
        self._book = book
        self._settle = settle
        self._expire = expire
        self._now = now
        self._open: OrderedDict[str, VideoJob] = OrderedDict()
        self._booked = Names()
        self._strangers: OrderedDict[str, datetime] = OrderedDict()

    def pending(self) -> int:
        """How many are open."""
        return len(self._open)

    def started(self, job: VideoJob) -> None:
        """Note a job; those before it that are too old or too many are given up."""
        seen = self._strangers.pop(job.name, None)
        if seen is not None and job.started <= seen:
            return  # it was booked as a stranger's before this start was noted
        self._booked.forget(job.name)
        self._open[job.name] = job
        while self._open:
            oldest = next(iter(self._open.values()))  # they stand in the order of their start
            if len(self._open) <= MOST_JOBS and self._now() - oldest.started <= JOB_LIFE:
                return
            del self._open[oldest.name]
            self._booked.add(oldest.name)
            self._book(self._expire(oldest, NEVER_POLLED))

    def finished(self, done: Done) -> None:
        """Settle at once."""
        if done.name in self._booked:
            return
        job = self._open.pop(done.name, None)
        record = done.stranger if job is None else self._settle(job, done)
        if record is None:
            return
        if job is None:
            self._strangers[done.name] = done.seen
            if len(self._strangers) > MOST_JOBS:
                self._strangers.popitem(last=False)
        self._booked.add(done.name)
        self._book(record)

    def once(self, record: SpendRecord) -> None:
        """Book it at once."""
        if record.id not in self._booked:
            self._booked.add(record.id)
            self._book(record)

    def close(self) -> None:
        """Book the jobs that are still open as estimated: nobody will see them end."""
        for job in self._open.values():
            self._booked.add(job.name)
            self._book(self._expire(job, GATEWAY_ENDED))
        self._open.clear()


class Names:
    """The newest names of operations that are settled: later polls of them need no second look."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """Remember one more, and forget the oldest beyond MOST_JOBS."""
        self._names[name] = None
        if len(self._names) > MOST_JOBS:
            self._names.popitem(last=False)

    def forget(self, name: str) -> None:
        """It begins anew."""
        self._names.pop(name, None)
