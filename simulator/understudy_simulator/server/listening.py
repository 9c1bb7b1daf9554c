"""The traffic ports: who listens, which connections are open, and how they end when the simulator stops."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from understudy.messages import Request

from .connection import Connection
from .exchange import Exchange

logger = logging.getLogger("understudy_simulator.wire")

_BACKLOG: Final = 512
_TLS_HANDSHAKE: Final = b"\x16\x03"
_SPOKE_TLS: Final = (
    "a client spoke TLS to the port without it; give it the https address "
    "(google-genai for Python always speaks TLS in Live sessions)"
)


class Side(Protocol):
    """What answers the requests of all connections."""

    body_limit: int

    def begin(self, connection: Connection, request: Request, scheme: str) -> Exchange:
        """A request's head is there."""
        ...

    def is_live(self, request: Request) -> bool:
        """Whether a request is a WebSocket handshake at a Live path."""
        ...

    def malformed(self) -> bytes:
        """The whole answer to what is no HTTP."""
        ...


class TrafficServer:
    """Listens on sockets and holds the connections. `live` makes the protocol to which Live handshakes are left."""

    def __init__(self, side: Side, live: Callable[[], asyncio.Protocol]) -> None:
        self.side = side
        self.live = live
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._is_empty = asyncio.Event()

    async def listen(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Take clients from a listening socket."""
        loop = asyncio.get_running_loop()
        port = _Port(self, "http" if tls is None else "https")
        server = await loop.create_server(lambda: Connection(port, loop), sock=sock, ssl=tls, backlog=_BACKLOG)
        self._servers.append(server)

    def left(self, connection: Connection) -> None:
        """A connection has ended, or left for another protocol."""
        self.connections.discard(connection)
        if not self.connections:
            self._is_empty.set()

    async def stop(self, patience_s: float) -> None:
        """Take no more clients; let answers under way end for a while, then end them."""
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.shut()
        if self.connections:
            self._is_empty.clear()
        else:
            self._is_empty.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._is_empty.wait()
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)


class _Port:
    """One listening socket, as its connections see it (`connection.Host`)."""

    def __init__(self, server: TrafficServer, scheme: str) -> None:
        self._server = server
        self._scheme = scheme
        self.body_limit = server.side.body_limit

    def begin(self, connection: Connection, request: Request) -> Exchange:
        return self._server.side.begin(connection, request, self._scheme)

    def malformed(self, connection: Connection, data: bytes) -> None:
        is_tls = data.startswith(_TLS_HANDSHAKE)
        logger.warning("%s", _SPOKE_TLS if is_tls else "a request that is no HTTP was refused")
        connection.write(self._server.side.malformed())

    def takes_over(self, head: bytes) -> Callable[[], asyncio.Protocol] | None:
        if b"websocket" not in head.lower():
            return None
        request = _request_of(head)
        return self._server.live if request is not None and self._server.side.is_live(request) else None

    def opened(self, connection: Connection) -> None:
        self._server.connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._server.left(connection)


def _request_of(head: bytes) -> Request | None:
    """The request of a whole head, read just well enough to know what it is for."""
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3:
        return None
    fields = (line.partition(b":") for line in lines)
    headers = tuple((name.strip(), value.strip()) for name, _, value in fields)
    return Request(words[0].decode("latin-1"), words[1].decode("latin-1"), headers)
