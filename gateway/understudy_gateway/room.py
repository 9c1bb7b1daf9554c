"""How many client connections one process holds; those beyond are answered 503, and beyond that closed (R-22, R-33).

Each connection may need another one to a provider, so the limit follows from the descriptors that the process may open.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

try:
    import resource
except ImportError:  # Windows, where descriptors are not counted so
    resource = None

_log = logging.getLogger(__name__)

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

OWN_FILES: Final = 64
"""Descriptors that the process needs beside its connections: store, log, listeners, admin port, token endpoints."""

_UNCOUNTED: Final = 100_000
_FEWEST: Final = 8
_SURPLUS: Final = 32
"""Connections beyond the limit that may wait for their 503 at once."""

_SURPLUS_S: Final = 2.0
"""How long such a connection may take to send its request."""

_SAY_EVERY_S: Final = 60.0


def open_files() -> int:
    """How many descriptors this process may open."""
    if resource is None:
        return _UNCOUNTED
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _UNCOUNTED if soft == resource.RLIM_INFINITY else soft


def room_for(descriptors: int) -> int:
    """Client connections that so many descriptors carry, each with one to a provider, and some waiting idle."""
    idle = min(512, descriptors // 8)
    return max(_FEWEST, (descriptors - OWN_FILES - _SURPLUS - idle) // 2)


class _Counted(web.Server):
    """A server that knows how many connections it has."""

    def __init__(self, handle: Handle, **options: Any) -> None:
        super().__init__(handle, **options)
        self.count = 0

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """aiohttp tells of a connection."""
        self.count += 1
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """aiohttp tells of its end, once."""
        self.count -= 1
        super().connection_lost(handler, exc)


class RoomyServer(_Counted):
    """aiohttp's server with at most `most` connections; `surplus` answers the first request of one beyond."""

    def __init__(self, handle: Handle, surplus: Handle, most: int, made: Callable[..., RequestHandler], **options: Any):
        super().__init__(handle, **options)
        self._most = most
        self._made = made
        # What the server keeps to itself; the rest is each connection's.
        self._options = {name: value for name, value in options.items() if name != "handler_cancellation"}
        self._surplus = _Counted(surplus, **{**options, "keepalive_timeout": _SURPLUS_S, "lingering_time": _SURPLUS_S})
        self._turned_away = 0
        self._said_at: float | None = None

    def __call__(self) -> RequestHandler:
        """The protocol of a connection that was accepted."""
        loop = asyncio.get_running_loop()
        if self.count < self._most:
            return self._made(self, loop=loop, **self._options)
        self._say()
        if self._surplus.count < _SURPLUS:
            surplus: dict[str, Any] = {**self._options, "keepalive_timeout": _SURPLUS_S}
            return self._made(self._surplus, loop=loop, **surplus)
        return cast("RequestHandler", _Closed())

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's own word
        """End all connections."""
        await self._surplus.shutdown(timeout)
        await super().shutdown(timeout)

    def _say(self) -> None:
        self._turned_away += 1
        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            _log.error(
                "no room for more connections: %d are open (limits.connections, or half of ulimit -n); %d turned away",
                self.count,
                self._turned_away,
            )


class _Closed(asyncio.Protocol):
    """A connection that is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
