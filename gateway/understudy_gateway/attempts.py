"""Whether a request is sent again, and whither: a machine that is told how each attempt ended. Pure.

(ERR-5, ERR-6, S-75.)

Sent again is only what was surely not executed: after a connection that failed before anything was sent, or after a
complete answer that refused the request. Other answers count only where a second execution costs nothing. The start of
a video is sent again after a failure to connect and never else (LRO-8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from understudy.messages import RawHeaders, header_value

from .features import REFUSED, Retries

_FREE_METHODS: Final = frozenset({"countTokens", "computeTokens"})
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FIRST_PAUSE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Unsent:
    """The connection failed before a byte of the request was sent."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer came. `is_whole`: all of it is here; `wait_s`: what its Retry-After says, None without one."""

    status: int
    is_whole: bool
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again to the same account, after so many seconds; `renewed`: only with another credential than before."""

    wait_s: float
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Send it to the next fallback, by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class Enough:
    """What came is the client's."""


Next = Again | Elsewhere | Enough


class Attempts:
    """The attempts of one request. `retried` and `fallen` count them for the client."""

    def __init__(
        self,
        retries: Retries,
        fallbacks: int,
        *,
        http_method: str,
        method: str,
        replayable: bool,
        jitter: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`method` is the route's verb, `replayable`: the body is held whole; `jitter` gives 0 to 1."""
        self.retried = 0
        self.fallen = 0
        self._retries = retries
        self._fallbacks = fallbacks
        self._is_start = method == "predictLongRunning"
        self._is_free = http_method in _REPEATABLE or method in _FREE_METHODS
        self._replayable = replayable
        self._has_renewed = False
        self._jitter = jitter

    def after(self, outcome: Unsent | Answered) -> Next:
        """What follows an attempt that ended so."""
        if not self._replayable:
            return Enough()
        if isinstance(outcome, Answered) and not self._may_follow(outcome):
            return Enough()
        if isinstance(outcome, Answered) and outcome.status == 401:
            return self._renewed()
        wait = self._pause(outcome)
        is_listed = isinstance(outcome, Unsent) or outcome.status in self._retries.statuses
        if is_listed and not self.fallen and self.retried < self._retries.most and wait <= self._retries.longest_wait_s:
            self.retried += 1
            return Again(wait)
        return self._elsewhere(outcome)

    def _may_follow(self, answer: Answered) -> bool:
        if self._is_start or not answer.is_whole:
            return False
        return answer.status in REFUSED or (answer.status >= 400 and self._is_free)

    def _renewed(self) -> Next:
        """Once, with a new token (AUTH-9, R-32)."""
        if self._has_renewed or 401 not in self._retries.statuses or self.retried >= self._retries.most:
            return Enough()
        self._has_renewed = True
        self.retried += 1
        return Again(0.0, renewed=True)

    def _elsewhere(self, outcome: Unsent | Answered) -> Next:
        if isinstance(outcome, Answered) and outcome.status != 429 and outcome.status < 500:
            return Enough()
        if self._is_start or self.fallen >= self._fallbacks:
            return Enough()
        self.fallen += 1
        return Elsewhere(self.fallen - 1)

    def _pause(self, outcome: Unsent | Answered) -> float:
        told = outcome.wait_s if isinstance(outcome, Answered) else None
        if told is not None:
            return max(told, self._retries.retry_after_s)
        return max(_FIRST_PAUSE_S * 2**self.retried * (1 + self._jitter()), self._retries.retry_after_s)


def wait_of(headers: RawHeaders) -> float | None:
    """The seconds of Retry-After (RFC 9110 10.2.3). A time of day counts from the answer's Date, else it is None."""
    value = (header_value(headers, b"retry-after") or b"").decode("latin-1").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until, since = _moment(value), _moment((header_value(headers, b"date") or b"").decode("latin-1"))
    if until is None or since is None:
        return None
    return max(0.0, (until - since).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return None if found.tzinfo is None else found
