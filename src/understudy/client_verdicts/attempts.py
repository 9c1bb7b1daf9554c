"""Which requests are attempts at the same thing, and what each attempt was told. Pure.

Attempts are the same if scope, method, target, body and credentials are, and the client calls itself the same.
Requests that merely look the same, of clients side by side, must not be taken for retries: see `early_starts`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from heapq import heappop, heappush
from itertools import pairwise
from typing import Final, Literal

from ..messages import Exchange, RawHeaders, Response, Session, header_value
from ..redaction import redacted_target
from ..rpc_status import error_of
from .endings import INJECTED, UNDER_WAY
from .reading import entries, json_of, text

Outcome = Literal["ok", "retryable", "final"]
"""`retryable`: it may go well later; `final`: the same again gets the same answer."""

Spans = Mapping[int, tuple[float, float]]
"""From when to when each connection was in use, by its number."""

RETRYABLE: Final = frozenset({408, 409, 425, 429, 499, 500, 502, 503, 504})
"""The statuses that google-genai retries, classic family and interactions (wire-http 5.1), and 425 and 499, which say
nothing about the request."""

_IDENTITY: Final = (
    *(b"authorization", b"x-goog-api-key", b"x-goog-user-project", b"user-agent"),
    *(b"content-range", b"x-goog-upload-command", b"x-goog-upload-offset", b"range"),
)
"""Header fields that tell requests apart whose target and body are the same."""

_OWN_ERROR: Final = b"x-understudy-error"
"""The simulator speaks for itself: no provider would have said so."""

_DELAY: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")
_SECONDS: Final = re.compile(rb"[0-9]{1,12}")
_BAD_SETUP: Final = 1007
"""Close code for what is wrong in itself (wire-live 5.1); clients take it as fatal."""

_FIRST_ERROR_CODE: Final = 400
_NO_SUCH: Final = (404, 410)
_READING: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `answered` is when its answer began, `told_s` how long to wait it said (None: nothing)."""

    id: int
    is_session: bool
    started: float
    ended: float
    answered: float
    outcome: Outcome
    status: str
    told_s: float | None
    connection: int
    what: str


@dataclass(frozen=True, slots=True)
class Group:
    """Attempts at the same thing, in order of start. `least` and `most` say how many clients make them side by side:
    at least, by those under way at once, and at most, by the connections in use at once that they came on."""

    attempts: tuple[Attempt, ...]
    least: int
    most: int


def groups(
    exchanges: Iterable[Exchange], sessions: Iterable[Session], connections: Spans, now: float
) -> Iterator[Group]:
    """Attempts at the same things; only groups of several in which one failed.

    Exchanges and sessions are in order of start. `connections` says from when to when each was in use.
    """
    found: defaultdict[Hashable, list[Exchange | Session]] = defaultdict(list)
    for exchange in exchanges:
        request = exchange.request
        found[request.method, request.target, request.body, _identity(request.headers)].append(exchange)
    for session in sessions:
        first = next((frame.payload for frame in session.frames if frame.sender == "client"), b"")
        found["", session.request.target, first, _identity(session.request.headers)].append(session)
    for tried in found.values():
        if len(tried) > 1:
            attempts = tuple(
                _exchange_attempt(entry) if isinstance(entry, Exchange) else _session_attempt(entry, now)
                for entry in tried
            )
            if any(attempt.outcome != "ok" for attempt in attempts):
                yield Group(attempts, *_clients(attempts, connections))


def _clients(attempts: Sequence[Attempt], connections: Spans) -> tuple[int, int]:
    under_way = overlap((attempt.started, attempt.ended) for attempt in attempts)
    numbers = {attempt.connection for attempt in attempts if attempt.connection}
    spans = [connections[number] for number in numbers]
    spans += [(attempt.started, attempt.ended) for attempt in attempts if not attempt.connection]
    return under_way, max(overlap(spans), under_way)


def _identity(headers: RawHeaders) -> tuple[bytes | None, ...]:
    return tuple(header_value(headers, name) for name in _IDENTITY)


def _exchange_attempt(exchange: Exchange) -> Attempt:
    response, request = exchange.response, exchange.request
    answered = response.chunks[0].at if response is not None and response.chunks else exchange.ended
    ended = float("inf") if exchange.failure == UNDER_WAY else exchange.ended
    outcome = _outcome(exchange)
    status = "no answer" if response is None else f"HTTP {response.status}"
    told_s = told_wait(response) if response is not None and outcome == "retryable" else None
    what = f"{request.method} {redacted_target(request.target)}"
    return Attempt(
        *(exchange.id, False, exchange.started, ended, answered, outcome, status, told_s, exchange.connection, what)
    )


def _outcome(exchange: Exchange) -> Outcome:
    response = exchange.response
    if exchange.failure is not None and exchange.failure.startswith(INJECTED):
        return "retryable"
    if exchange.failure is not None or response is None or response.status < _FIRST_ERROR_CODE:
        return "ok"
    if header_value(response.headers, _OWN_ERROR) is not None:
        return "ok"
    if response.status in RETRYABLE or (response.status > 500 and response.status not in (501, 505)):
        return "retryable"
    # To ask again whether something is there by now is no retry.
    return "ok" if response.status in _NO_SUCH and exchange.request.method in _READING else "final"


def _session_attempt(session: Session, now: float) -> Attempt:
    close = session.close
    outcome: Outcome = "ok"
    status = "went on"
    if close is not None and close.sender == "server":
        status = f"close {close.code}" if close.code else "no close frame"
        if not close.reason.startswith("understudy: "):
            outcome = "final" if close.code == _BAD_SETUP else "ok" if close.code == 1000 else "retryable"
    answered = close.at if close is not None else now
    # After a close of the server's the session is over for the client, whoever ends the connection.
    ended = answered if close is not None else float("inf") if session.ended is None else session.ended
    what = f"the session at {redacted_target(session.request.target)}"
    return Attempt(session.id, True, session.started, ended, answered, outcome, status, None, 0, what)


# ---- how long to wait


def told_wait(response: Response) -> float | None:
    """The seconds that an answer says to wait, by Retry-After (RFC 9110 section 10.2.3) or google.rpc.RetryInfo.

    The smaller if it says both; None if it says nothing that can be read.
    """
    waits = [wait for wait in (_retry_after(response.headers), _retry_delay(response.body)) if wait is not None]
    return min(waits, default=None)


def _retry_after(headers: RawHeaders) -> float | None:
    value = (header_value(headers, b"retry-after") or b"").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    until, date = _date(value), _date(header_value(headers, b"date") or b"")
    return max((until - date).total_seconds(), 0.0) if until and date else None


def _date(value: bytes) -> datetime | None:
    try:
        date = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError):
        return None
    # Without a zone it cannot be compared with one that has it.
    return date if date.tzinfo is not None else None


def _retry_delay(body: bytes) -> float | None:
    if b"retryDelay" not in body:
        return None
    for detail in entries(error_of(json_of(body)), "details"):
        found = _DELAY.fullmatch(text(detail, "retryDelay"))
        if found:
            return float(found[1])
    return None


# ---- side by side, or one after the other


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt, and the failed one that it repeats."""

    failed: Attempt
    again: Attempt

    @property
    def gap_s(self) -> float:
        """Seconds from the failed attempt's answer to the new start."""
        return self.again.started - self.failed.answered


def overlap(spans: Iterable[tuple[float, float]]) -> int:
    """The largest number of spans that have a moment in common; who begins when another ends does not meet it."""
    edges = sorted(edge for start, end in spans for edge in ((start, 1), (max(end, start), -1)) if start < end)
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    # Spans without length meet nobody.
    return max(most, 1)


def early_retries(group: Group, until: Callable[[Attempt], float | None]) -> Iterator[Retry]:
    """Attempts that come too early: before the moment that `until` gives for a failed one (None: it sets no moment).

    A start is somebody's retry only if all clients are under way or waiting: else it may be that of another client,
    which did not fail. So clients side by side, each of which waits as it should, are not accused.
    """
    waiting: list[tuple[float, Attempt]] = []
    ends: list[float] = []
    for attempt in group.attempts:
        now = attempt.started
        while ends and ends[0] <= now:
            heappop(ends)
        over = [entry for entry in waiting if entry[0] <= now]
        held = [entry for entry in waiting if now < entry[0] and entry[1].ended <= now]
        same = [entry for entry in held if attempt.connection and entry[1].connection == attempt.connection]
        if over:
            # Somebody's wait is over: it is taken to be that one.
            waiting.remove(min(over, key=_moment))
        elif held and len(held) + len(ends) >= (group.least if same else group.most):
            first = min(same or held, key=_moment)
            waiting.remove(first)
            yield Retry(first[1], attempt)
        if group.most == 1:
            # One client thinks of its latest attempt alone.
            waiting.clear()
        heappush(ends, attempt.ended)
        moment = None if attempt.outcome == "ok" else until(attempt)
        if moment is not None:
            waiting.append((moment, attempt))


def runs(group: Group, within_s: float) -> Iterator[tuple[Retry, ...]]:
    """The retries of one client, one run for each thing that it tried again: each begins within `within_s` after the
    failure before it. Nothing if several clients may have sent the same."""
    if group.most > 1:
        return
    run: list[Retry] = []
    for failed, again in pairwise(group.attempts):
        retry = Retry(failed, again)
        if failed.outcome != "ok" and retry.gap_s <= within_s:
            run.append(retry)
            continue
        if run:
            yield tuple(run)
        run = []
    if run:
        yield tuple(run)


def _moment(entry: tuple[float, Attempt]) -> float:
    return entry[0]
