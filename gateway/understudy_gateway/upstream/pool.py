"""What the pool of connections decides: which idle one is taken, which has to go, what may be sent again. Pure."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from .exchanges import RequestHead

Origin = tuple[str, str, int]
"""Scheme, host and port: whom a connection leads to. Credentials are no part of it (SEC-5)."""

MOST_IDLE: Final = 512
"""Connections that wait at most, all origins together: clients choose among hosts by the location (S-56)."""

_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
"""Methods that may be executed twice without harm (RFC 9110 9.2.2); TRACE is none that passes."""


T = TypeVar("T")


class Pool(Generic[T]):
    """Connections that wait for their next exchange. The one that came last is taken first: it likely still lives."""

    def __init__(self, most_idle: int = MOST_IDLE) -> None:
        self._most_idle = most_idle
        self._idle: dict[Origin, list[T]] = {}
        self._ages: OrderedDict[T, Origin] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ages)

    def put(self, origin: Origin, connection: T) -> T | None:
        """Keep a connection; gives the one that has waited longest if there are too many now."""
        self._idle.setdefault(origin, []).append(connection)
        self._ages[connection] = origin
        if len(self._ages) <= self._most_idle:
            return None
        oldest = next(iter(self._ages))
        self.discard(oldest)
        return oldest

    def take(self, origin: Origin) -> T | None:
        """A connection to `origin`, which then waits no more; None if there is none."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        connection = idle.pop()
        if not idle:
            del self._idle[origin]
        del self._ages[connection]
        return connection

    def discard(self, connection: T) -> None:
        """Forget a connection; one that is not kept is none of our business."""
        origin = self._ages.pop(connection, None)
        if origin is None:
            return
        idle = self._idle[origin]
        idle.remove(connection)
        if not idle:
            del self._idle[origin]

    def drain(self) -> tuple[T, ...]:
        """All that wait, oldest first; none does any more."""
        found = tuple(self._ages)
        self._ages.clear()
        self._idle.clear()
        return found


def origin_of(request: RequestHead) -> Origin:
    """Whom a request is for."""
    upstream = request.upstream
    return (upstream.scheme, upstream.host, upstream.port)


def may_repeat(request: RequestHead, *, was_reused: bool, has_answered: bool) -> bool:
    """Whether a request whose connection ended may be sent again, once, on a fresh one (R-3, S-75).

    Only where the connection may have been closed before the request came: it was a kept one, and no byte of an answer
    came. And only what may be executed twice, and is here whole: an idempotent method without a body.
    """
    return was_reused and not has_answered and request.method in _REPEATABLE and not request.has_body
