"""Exchanges with providers over kept connections: dialling, the pool, one repetition where it is safe.

No cookies, redirects, proxies, decompression or headers of its own. An exchange: `open` sends the head, `send` and
`end` the body, `head` waits for the answer's head, which may come before the body was sent; `receive` gives its body;
then `release` keeps the connection for the next exchange, or `abort` closes it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from ..destinations import Destinations
from ..refusals import Reason
from ..routes import Upstream
from ..tally import Tally
from .dialling import Dialler
from .exchanges import RequestHead, ResponseHead, UpstreamError
from .pool import Origin, Pool, may_repeat, origin_of
from .secured import Secured
from .wire import Wire

POOL_IDLE_S: Final = 30.0
"""How long a connection waits for its next exchange; less than servers usually wait."""


class HttpUpstream:
    """Where exchanges are opened. To be made on the loop."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        connect_s: float,
        pool_idle_s: float = POOL_IDLE_S,
        destinations: Destinations | None = None,
        *,
        tally: Tally | None = None,
    ) -> None:
        """`tls` verifies providers; `connect_s` is for name, TCP and TLS together; `tally` counts connections."""
        self._tally = tally or Tally()
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._pool_idle_s = pool_idle_s
        self._dialler = Dialler(connect_s, destinations)
        self._pool: Pool[Wire] = Pool()
        self._in_use: set[Wire] = set()
        self._is_closed = False

    async def open(self, request: RequestHead) -> "Exchange":
        """Connect, or take a connection that waits, and send the head. Raises UpstreamError, with nothing sent."""
        origin = origin_of(request)
        wire = self._kept(origin)
        was_reused = wire is not None
        if wire is None:
            wire = await self._dialled(request.upstream)
        else:
            self._tally.reused += 1
        return Exchange(self, request, wire, was_reused=was_reused)

    async def close(self) -> None:
        """Close all connections, those in use too."""
        self._is_closed = True
        for wire in (*self._pool.drain(), *self._in_use):
            wire.abort()
        await asyncio.sleep(0)  # the loop's turn to close the sockets

    async def again(self, request: RequestHead) -> Wire:
        """A fresh connection on which the head of `request` was sent once more."""
        wire = await self._dialled(request.upstream)
        self.begin(wire, request)
        return wire

    def begin(self, wire: Wire, request: RequestHead) -> None:
        """Start an exchange on a connection. Raises UpstreamError for a head that cannot be sent, or after the end."""
        if self._is_closed:
            wire.abort()
            raise UpstreamError(Reason.UNREACHABLE, was_sent=False)
        if not wire.is_open:
            wire.abort()
            raise UpstreamError(Reason.UPSTREAM_BROKE, was_sent=False)
        self._in_use.add(wire)
        try:
            wire.begin(request)
        except ValueError:
            wire.abort()
            raise UpstreamError(Reason.INVALID_HEADER, was_sent=False) from None

    def give_back(self, wire: Wire, origin: Origin) -> None:
        """Keep a connection whose exchange is over, if it may carry another."""
        if not wire.release(self._pool_idle_s):
            return
        self._in_use.discard(wire)
        if self._is_closed:
            wire.abort()
        elif (oldest := self._pool.put(origin, wire)) is not None:
            oldest.abort()

    def _kept(self, origin: Origin) -> Wire | None:
        while (wire := self._pool.take(origin)) is not None:
            if wire.is_fresh:
                return wire
            wire.abort()
        return None

    def _forget(self, wire: Wire) -> None:
        self._pool.discard(wire)
        self._in_use.discard(wire)

    async def _dialled(self, upstream: Upstream) -> Wire:
        if self._is_closed:
            raise UpstreamError(Reason.UNREACHABLE, was_sent=False)
        where = upstream.scheme, upstream.host, upstream.port
        try:
            wire = await self._dialler.dialled(*where, partial(self._made, upstream))
            if not wire.is_open:  # it ended before anything was sent on it
                wire.abort()
                wire = await self._dialler.dialled(*where, partial(self._made, upstream))
        except UpstreamError as error:
            self._tally.refused += 1
            if error.reason is Reason.OVERLOADED:  # what waits idle makes room
                for wire in self._pool.drain():
                    wire.abort()
            raise
        self._tally.opened += 1
        return wire

    async def _made(self, upstream: Upstream, connection: socket.socket) -> Wire:
        """A wire over a connected socket, which the loop closes if this fails or is cancelled."""
        wire = Wire(self._loop, connection, self._forget)
        if upstream.scheme != "https":
            await self._loop.create_connection(lambda: wire, sock=connection)
            return wire
        secured = Secured(self._loop, self._tls, upstream.host, connection, wire)
        await self._loop.create_connection(lambda: secured, sock=connection)
        try:
            await secured.shaken
        except BaseException:
            secured.abort()
            raise
        return wire


class Exchange:
    """One request under way. What waits raises UpstreamError."""

    def __init__(self, upstream: HttpUpstream, request: RequestHead, wire: Wire, *, was_reused: bool) -> None:
        self._upstream = upstream
        self._request = request
        self._wire = wire
        self._was_reused = was_reused
        self._is_over = False
        upstream.begin(wire, request)

    async def send(self, data: bytes, within_s: float) -> None:
        """Send the next bytes of the body; waits while the connection is full, `within_s` at most."""
        if self._wire.is_full:
            await self._wire.emptied(within_s)
        self._wire.send(data)

    def end(self) -> None:
        """The body is complete."""
        self._wire.end()

    async def head(self, within_s: float | None) -> ResponseHead:
        """The answer's head, once it is there; `within_s` None waits without limit.

        Where the kept connection turns out to have been closed, the request is sent again if it may be (R-3).
        """
        try:
            return await self._wire.head(within_s)
        except UpstreamError as error:
            if error.reason is not Reason.UPSTREAM_BROKE or not may_repeat(
                self._request, was_reused=self._was_reused, has_answered=self._wire.machine.has_answered
            ):
                raise
        self._was_reused = False
        self._wire.abort()
        self._wire = await self._upstream.again(self._request)
        return await self._wire.head(within_s)

    async def receive(self, within_s: float) -> bytes:
        """The next bytes of the answer's body as they came, after `within_s` of nothing at most; empty at its end."""
        return await self._wire.receive(within_s)

    async def pour(self, take: Callable[[bytes], bool], within_s: float) -> bool:
        """Give `take` the answer's body as it comes, to its end, or until that gives back false; whether it has ended.

        No task is woken for a piece. The limit is that of `receive`, for each.
        """
        return await self._wire.pour(take, within_s)

    def whole(self) -> bytes | None:
        """The rest of the answer's body if all of it is here, None otherwise. Waits for nothing."""
        return self._wire.whole()

    def release(self) -> None:
        """The exchange is over; keep the connection if nothing is left on it."""
        if not self._is_over:
            self._is_over = True
            self._upstream.give_back(self._wire, origin_of(self._request))

    def abort(self) -> None:
        """Close the connection at once, unless the exchange is over."""
        if not self._is_over:
            self._is_over = True
            self._wire.abort()
