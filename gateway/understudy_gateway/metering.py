"""A tap beside the traffic: copies of bytes -> Reading -> Cost -> SpendRecord. It never changes an exchange."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from understudy.messages import RawHeaders
from understudy.pricing.batches import cost_of_batch
from understudy.pricing.book import PriceBook
from understudy.pricing.cost import Cost, Known, unknown
from understudy.pricing.exchanges import cost_of
from understudy.pricing.videos import cost_of_videos, reservation
from understudy.usage.generate import StreamReader
from understudy.usage.operations import VeoRequest, VeoRequestReader
from understudy.usage.policies import DOCUMENTED, Policies
from understudy.usage.readers import reader_for
from understudy.usage.reading import Batch, OperationReading, Reader, Reading
from understudy.usage.requests import RequestReader, needs_content, needs_request

from .endpoints import cost_at_endpoint
from .routes import Route
from .spend.jobs import Done, Jobs, VideoJob
from .spend.log import SpendLog
from .spend.record import Outcome, SpendRecord
from .tracing import Trace

_log = logging.getLogger(__name__)

_MODEL_JOB: Final = re.compile(r"(?:.*/)?models/[^/]+/operations/")
"""Names of jobs that make something; tuning and indexing have names of their own and are not priced here."""

FAILED: Final = "the gateway failed to find out what it cost"
"""Why a cost is unknown that should not be."""

LOST_START: Final = "the answer to a video's start was lost: whether it was made is not known"
"""Its start and polls are free, but here no poll will ever tell (R-2, S-74)."""

_TIER: Final = b"x-gemini-service-tier"
_TYPE: Final = b"content-type"
_CODING: Final = b"content-encoding"
_LENGTHS: Final = frozenset({len(_TIER), len(_TYPE), len(_CODING)})

_KNOWN: Final[Mapping[Known, Literal["exact", "estimated", "unknown"]]] = {
    Known.EXACT: "exact",
    Known.ESTIMATED: "estimated",
    Known.UNKNOWN: "unknown",
}
"""The words of records; an enumeration's `value` takes longer to get at."""

_OPENAI_METHODS: Final = ("chat/completions", "embeddings")

_READ_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How an exchange ended. `was_sent`: the provider may have executed it; `reason` in words, if it has one."""

    status: int
    outcome: Outcome
    was_sent: bool = True
    reason: str | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    """Who asks for what: the request id, the key's id, the HTTP method, the route, the start (UTC) and the tags.

    `began` is the start by the clock that nobody sets, from which the end follows (R-29).
    """

    id: str
    key_id: str | None
    http_method: str
    route: Route
    started: datetime
    tags: tuple[str, ...] = ()
    began: float | None = None


class Books:
    """Prices, records, and the video jobs whose cost is still open.

    `on_job` is told of each job that begins, and of what it will probably cost.
    """

    def __init__(
        self,
        book: PriceBook,
        log: SpendLog,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        policies: Policies = DOCUMENTED,
    ) -> None:
        self.book = book
        self.now = now
        self.monotonic = monotonic
        self.policies = policies
        self._log = log
        self.on_job: Callable[[VideoJob, Decimal | None], None] = lambda job, cost: None
        self.jobs: Final[Jobs] = log.jobs(self._settled, self._expired, now)

    def adopt(self, book: PriceBook, policies: Policies) -> None:
        """Price what ends from now on by another book."""
        self.book, self.policies = book, policies

    def record(
        self,
        call: Call,
        model: str | None,
        ending: Ending,
        cost: Cost,
        usage: Mapping[str, Any] | None,
        ended: datetime | None = None,
    ) -> SpendRecord:
        """Book one exchange or session; it ended now if `ended` (UTC) says nothing else."""
        record = self.described(call, model, ending, cost, usage, ended)
        self._log.add(record)
        return record

    def described(
        self,
        call: Call,
        model: str | None,
        ending: Ending,
        cost: Cost,
        usage: Mapping[str, Any] | None,
        ended: datetime | None = None,
    ) -> SpendRecord:
        """The record that `record` books."""
        route = call.route
        # By position: by name it would take eight times as long, for each exchange.
        return SpendRecord(
            call.id,
            call.key_id,
            route.name,
            model,
            ending.status,
            ending.outcome,
            usage,
            cost.total,
            _KNOWN[cost.known],
            ending.reason or cost.reason,
            cost.lines,
            call.started,
            ended or self._ended(call),
            "session" if route.is_live else "exchange",
            route.upstream.kind,
            call.tags,
        )

    def _ended(self, call: Call) -> datetime:
        """The end of an exchange: as much later than its start as time has passed, wherever the time of day went."""
        if call.began is None:
            return self.now()
        return call.started + timedelta(0, self.monotonic() - call.began)

    def started(self, call: Call, name: str, request: VeoRequest) -> None:
        """Note a video job: reserved, and not booked (pricing 10)."""
        job = _job_of(call, name, request)
        self.on_job(job, self.reserved(job).total)
        self.jobs.started(job)

    def reserved(self, job: VideoJob) -> Cost:
        """What a job under way is expected to cost."""
        return reservation(self.book, job.provider, job.model, job.request, date=self.policies.day_of(job.started))

    def polled(self, call: Call, operation: OperationReading, problem: str | None) -> None:
        """Settle a job at the first answer that says it is done; later ones change nothing."""
        name = operation.name
        if not operation.is_done or name is None:
            return
        seen = self.now()
        usage = {"videos": operation.delivered, "filtered": operation.filtered}
        stranger = None
        if _MODEL_JOB.match(name):
            cost = unknown("the job was not started through this gateway")
            stranger = _record_of_job(_job_of(call, name, VeoRequest()), "ok", cost, usage, seen)
        videos = 0 if operation.has_failed else operation.delivered
        self.jobs.finished(Done(name, videos, usage, problem, seen, stranger))

    def batch_read(self, call: Call, batch: Batch, problem: str | None) -> None:
        """Settle a batch job when its results are first read (pricing 13), whoever started it; later polls are free."""
        if batch.name is None:
            return
        where, day, model = call.route.upstream, self.policies.day_of(call.started), batch.model or ""
        cost = cost_of_batch(
            self.book, where.kind, model, batch, date=day, location=where.location, policies=self.policies
        )
        cost = cost if problem is None else unknown(problem)
        usage = {"lines": len(batch.lines), "failed": batch.failed}
        record = _record_of_job(_job_of(call, batch.name, VeoRequest()), "ok", cost, usage, self.now())
        self.jobs.once(msgspec.structs.replace(record, model=batch.model))

    def close(self) -> None:
        """The gateway ends: jobs that are kept in memory alone are booked as estimates."""
        self.jobs.close()

    def _settled(self, job: VideoJob, done: Done) -> SpendRecord:
        day = self.policies.day_of(job.started)
        cost = cost_of_videos(self.book, job.provider, job.model, job.request, done.videos, date=day)
        return _record_of_job(job, "ok", cost if done.problem is None else unknown(done.problem), done.usage, done.seen)

    def _expired(self, job: VideoJob, reason: str) -> SpendRecord:
        cost = self.reserved(job)
        return _record_of_job(job, "timeout", Cost(cost.lines, cost.known, reason, cost.remarks), None, self.now())


def _job_of(call: Call, name: str, request: VeoRequest) -> VideoJob:
    route = call.route
    return VideoJob(
        *(name, call.id, call.key_id, call.tags, route.upstream.kind, route.name, route.model or "", request),
        started=call.started,
    )


def _record_of_job(
    job: VideoJob, outcome: Outcome, cost: Cost, usage: Mapping[str, Any] | None, ended: datetime
) -> SpendRecord:
    """The one record of an operation, under its name."""
    return SpendRecord(
        id=job.name,
        key_id=job.key_id,
        route=job.route,
        model=job.model or None,
        status=200,
        outcome=outcome,
        usage=usage,
        cost=cost.total,
        known=cost.known.value,
        reason=cost.reason,
        lines=cost.lines,
        started=job.started,
        ended=ended,
        kind="operation",
        provider=job.provider,
        tags=job.tags,
    )


class ExchangeMeter:
    """Reads copies of one HTTP exchange's bodies. Bytes are handed to it after they were passed on."""

    __slots__ = (
        *("_books", "call", "_call", "_asked", "_text", "_answer", "_status", "_method", "_served_tier", "_priced"),
        *("asked_at", "answered_at", "passed_at", "trace", "request_bytes", "response_bytes"),
    )

    def __init__(self, books: Books, call: Call) -> None:
        self._books = books
        self.call = self._call = call
        self._asked = VeoRequestReader() if call.route.method == "predictLongRunning" else None
        self._text = RequestReader() if _needs_text(call.route) else None
        self._answer: Reader | None = None
        self._status = 0
        self._method: str | None = None  # of the answer that came, as `_reading_method` says
        self._served_tier: str | None = None
        self._priced: tuple[Reading, Cost] | None = None
        self.asked_at: float | None = None
        self.answered_at: float | None = None
        self.passed_at: float | None = None
        self.trace: Trace | None = None
        self.request_bytes = self.response_bytes = 0

    def request_body(self, data: bytes) -> None:
        """Take bytes of the request's body; only a video job is read, and what is billed by its text."""
        self.request_bytes += len(data)
        if self._asked is not None:
            self._asked.feed(data)
        if self._text is not None:
            self._text.feed(data)

    def asking(self) -> None:
        """The provider is asked from now on."""
        self.asked_at = self._books.monotonic()

    def passed_on(self) -> None:
        """The head of the answer has been written to the client."""
        self.passed_at = self._books.monotonic()

    def answered(self, status: int, headers: RawHeaders) -> None:
        """Take the head of the answer."""
        self._status = status
        self.answered_at = self._books.monotonic()
        said = _told(headers)
        tier = said.get(_TIER)
        self._served_tier = None if tier is None else tier.decode("latin-1")
        route = self._call.route
        if route.endpoint is not None:
            return
        method = self._method = _reading_method(route)
        self._answer = reader_for(
            method,
            said.get(_TYPE, b"").decode("latin-1"),
            said.get(_CODING, b"").decode("latin-1"),
            with_content=needs_content(route.upstream.kind, route.model or ""),
            policies=self._books.policies,
        )

    def feed(self, data: bytes) -> None:
        """Take bytes of the answer's body. Never raises: a fault of the reader is logged, and the cost unknown."""
        self.response_bytes += len(data)
        if self._answer is None:
            return
        try:
            self._answer.feed(data)
        except Exception:
            # The one place where metering meets traffic: whatever fails here must not reach the client (OBS-6).
            _log.exception("reading the usage failed")
            self._answer = None

    def cost(self) -> Cost:
        """The cost of an answer that has been taken whole."""
        return self._price(Ending(self._status, "ok"))[1]

    @property
    def is_plain(self) -> bool:
        """Whether nothing but its own record comes of the exchange, so that the booking may wait a moment."""
        return self._asked is None and self._call.route.operation is None

    def cost_so_far(self) -> Cost | None:
        """The cost of an event stream as far as its events came; None for an answer of another kind (STR-9)."""
        if not isinstance(self._answer, StreamReader):
            return None
        return self._cost(Ending(self._status, "ok"), self._answer.so_far())

    def rerouted(self, route: Route) -> None:
        """The request goes another way than it was first sent (ERR-6); to be told before its answer."""
        self.call = self._call = msgspec.structs.replace(self._call, route=route)
        self._method = None

    def give_up(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """Book the exchange as one of which nothing is known: `finish` has failed."""
        return self._books.record(self._call, self._call.route.model, ending, unknown(FAILED), None, ended)

    def finish(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """Book the exchange; the record is the last thing, so that it is not booked where this fails.

        It ended now if `ended` (UTC) says nothing else.
        """
        reading, cost = self._price(ending)
        operation = reading.operation
        if operation is not None and ending.outcome == "ok" and self._status < 300:
            if self._asked is not None and operation.name is not None:
                self._books.started(self._call, operation.name, self._asked.finish())
            self._books.polled(self._call, operation, reading.problem)
            if reading.batch is not None:
                self._books.batch_read(self._call, reading.batch, reading.problem)
        return self._books.record(self._call, self._call.route.model, ending, cost, reading.usage, ended)

    def _price(self, ending: Ending) -> tuple[Reading, Cost]:
        if self._priced is None:
            reading = Reading(is_whole=False) if self._answer is None else self._answer.finish()
            self._priced = reading, self._cost(ending, reading)
        return self._priced

    def _cost(self, ending: Ending, reading: Reading) -> Cost:
        route = self._call.route
        if not ending.was_sent:
            return Cost()
        if route.endpoint is not None:
            return cost_at_endpoint(route.endpoint, self._status, is_whole=ending.outcome == "ok")
        if self._is_free():
            return Cost()
        if self._asked is not None and ending.outcome != "ok" and self._status < 300:
            return unknown(LOST_START)
        return cost_of(
            self._books.book,
            route.upstream.kind,
            route.model or "",
            reading,
            method=_reading_method(route) if self._method is None else self._method,
            date=self._books.policies.day_of(self._call.started),
            location=route.upstream.location,
            status=self._status or 200,
            complete=ending.outcome == "ok",
            served_tier=self._served_tier,
            request=None if self._text is None else self._text.finish(),
            policies=self._books.policies,
        )

    def _is_free(self) -> bool:
        """Whether the exchange costs nothing by its kind where the path's grammar does not say so (pricing 18).

        What only reads or deletes generates nothing, and neither do uploads.
        """
        route = self._call.route
        base = len(route.upstream.base_path)
        return self._call.http_method in _READ_ONLY or route.target.startswith((b"/upload/", b"/resumable/"), base)


def _told(headers: RawHeaders) -> dict[bytes, bytes]:
    """The first value of each field of the answer that says how to read or price it, by its name in lower case."""
    told: dict[bytes, bytes] = {}
    for name, value in headers:
        # Lengths differ nearly always: most names need not be made lower case to be told apart.
        if len(name) in _LENGTHS:
            told.setdefault(name.lower(), value)
    return told


def _reading_method(route: Route) -> str:
    """The route's method; whatever is done to an operation is read as a poll, and is free.

    The OpenAI-compatible surface has no verbs: there the end of the path says it (wire-http 10).
    """
    if b"/open" in route.target:
        path = route.target.partition(b"?")[0]
        is_openai = b"/openai/" in path or b"/openapi/" in path
        found = next((method for method in _OPENAI_METHODS if path.endswith(b"/" + method.encode())), None)
        if is_openai and found is not None:
            return found
    return "get" if route.operation is not None else route.method


def _needs_text(route: Route) -> bool:
    """Whether the request's text decides about the cost: only then its body is read."""
    return needs_request(route.upstream.kind, route.method, route.model or "")


def utc_now() -> datetime:
    """The wall clock, in UTC; for labels alone (S-76)."""
    return datetime.now(UTC)
