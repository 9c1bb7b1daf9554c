"""Exchanges with providers over kept connections: dialling, the pool, one repetition where it is safe.

No cookies, redirects, proxies, decompression or headers of its own. An exchange: `open` sends the head, `send` and
`end` the body, `head` waits for the answer's head, which may come before the body was sent; `receive` gives its body;
then `release` keeps the connection for the next exchange, or `abort` closes it.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, Final

from ..refusals import Reason
from ..routes import Upstream
from ..tally import Tally
from .exchanges import RequestHead, ResponseHead, UpstreamError
from .pool import Origin, Pool, may_repeat, origin_of
from .wire import Wire

POOL_IDLE_S: Final = 30.0
"""How long a connection waits for its next exchange; less than servers usually wait."""

RESOLVED_S: Final = 30.0
"""How long the addresses of a name are remembered (R-39)."""

_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""What says that not the provider is at fault, but that this process may open no more (R-33)."""

_MOST_NAMES: Final = 256
_GOODBYE_S: Final = 1.0
"""How long a closing TLS connection waits for the other side's goodbye."""

Address = tuple[int, Any]
"""Family, and what belongs into `connect` for it."""


class HttpUpstream:
    """Where exchanges are opened. To be made on the loop."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        connect_s: float,
        pool_idle_s: float = POOL_IDLE_S,
        *,
        tally: Tally | None = None,
    ) -> None:
        """`tls` verifies providers; `connect_s` is for name, TCP and TLS together; `tally` counts connections."""
        self._tally = tally or Tally()
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._connect_s = connect_s
        self._pool_idle_s = pool_idle_s
        self._pool: Pool[Wire] = Pool()
        self._in_use: set[Wire] = set()
        self._names = _Names(self._loop)
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
        try:
            async with asyncio.timeout(self._connect_s):
                addresses = await self._names.addresses(upstream.host, upstream.port)
                wire = await self._first_that_answers(upstream, addresses)
                self._tally.opened += 1
                return wire
        except TimeoutError:
            self._tally.refused += 1
            raise UpstreamError(Reason.CONNECT_TIMEOUT, was_sent=False) from None
        except OSError as error:  # names that are not found, TLS and certificate errors are such too
            self._tally.refused += 1
            if error.errno in _NO_DESCRIPTORS:
                for wire in self._pool.drain():
                    wire.abort()
                raise UpstreamError(Reason.OVERLOADED, was_sent=False) from error
            self._names.forget(upstream.host, upstream.port)
            raise UpstreamError(Reason.UNREACHABLE, was_sent=False) from error

    async def _first_that_answers(self, upstream: Upstream, addresses: Sequence[Address]) -> Wire:
        """One address after the other; none may take the time of those behind it."""
        ends = self._loop.time() + self._connect_s
        for place, address in enumerate(addresses):
            is_last = place == len(addresses) - 1
            share = (ends - self._loop.time()) / (len(addresses) - place)
            try:
                async with asyncio.timeout(None if is_last else share):
                    return await self._connected(upstream, address)
            except OSError:  # TimeoutError is one
                if is_last:
                    raise
        raise OSError("a name without addresses")

    async def _connected(self, upstream: Upstream, address: Address) -> Wire:
        family, place = address
        is_tls = upstream.scheme == "https"
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await self._loop.sock_connect(connection, place)
        except BaseException:
            connection.close()
            raise
        # From here on the socket is the loop's, which closes it if this fails or is cancelled.
        _, wire = await self._loop.create_connection(
            lambda: Wire(self._loop, connection, self._forget),
            sock=connection,
            ssl=self._tls if is_tls else None,
            server_hostname=upstream.host if is_tls else None,
            # Without it a peer that never says goodbye would hold a closing TLS connection for half a minute.
            ssl_shutdown_timeout=_GOODBYE_S if is_tls else None,
        )
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
        await self._wire.send(data, within_s)

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


class _Names:
    """The addresses of names, remembered for a short while."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[str, int], tuple[float, tuple[Address, ...]]] = {}

    async def addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """Where a host is, the families taking turns (R-39). Raises OSError if it is nowhere."""
        known = self._known.get((host, port))
        if known is not None and self._loop.time() < known[0]:
            return known[1]
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = taking_turns([(int(family), place) for family, _, _, _, place in found])
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[host, port] = (self._loop.time() + RESOLVED_S, addresses)
        return addresses

    def forget(self, host: str, port: int) -> None:
        """Look the name up again next time: none of its addresses answered."""
        self._known.pop((host, port), None)


def taking_turns(addresses: Sequence[Address]) -> tuple[Address, ...]:
    """The addresses with the families taking turns, the first one's first."""
    if not addresses:
        return ()
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return tuple(address for address in chain.from_iterable(zip_longest(first, others)) if address is not None)
