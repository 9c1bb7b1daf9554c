"""Doubles for the Live relay: raw sockets at both ends, and the smallest server that calls the relay."""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web
from websockets.frames import Frame, Opcode

from understudy_gateway.live import LiveSessions, Spliced, accept_and_close, fault_of, relay
from understudy_gateway.splice import LiveLimits, LiveOutcome
from understudy_gateway.upgrade import Dial, DialError, accept_value

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 1.3


def frame(opcode: int, payload: bytes = b"", *, masked: bool, fin: bool = True) -> bytes:
    """One wire frame, serialised by `websockets`."""
    return Frame(Opcode(opcode), payload, fin).serialize(mask=masked)


def close(code: int | None, reason: bytes = b"", *, masked: bool) -> bytes:
    return frame(8, b"" if code is None else struct.pack("!H", code) + reason, masked=masked)


def handshake(target: bytes = b"/live", *fields: bytes, key: bytes = KEY) -> bytes:
    standing = (b"Host: gw", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    lines = (b"GET " + target + b" HTTP/1.1", *standing, b"Sec-WebSocket-Key: " + key, *fields)
    return b"\r\n".join((*lines, b"", b""))


def switching(request_head: bytes, *fields: bytes) -> bytes:
    """The 101 that fits a captured request head."""
    key = value_of(request_head, b"sec-websocket-key")
    assert key is not None
    lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
    return b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + accept_value(key), *fields, b"", b""))


def value_of(head: bytes, name: bytes) -> bytes | None:
    """A field of a captured head."""
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip()
    return None


@dataclass
class Peer:
    """One end of a connection, held by the test."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything until the other end closes; a reset counts as the end too."""
        data = bytearray()
        with suppress(ConnectionError):
            while piece := await self.reader.read(65536):
                data += piece
        return bytes(data)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and its unmasked payload."""
        first, second = await self.exactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.exactly(2 if size == 126 else 8))
        mask = await self.exactly(4) if second & 0x80 else bytes(4)
        payload = await self.exactly(size)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    async def close_frame(self) -> tuple[int, str]:
        """The next frame, which must be a close with a code."""
        opcode, payload = await self.frame()
        assert opcode == 8, (opcode, payload)
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    @property
    def transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self.writer.transport)

    def reset(self) -> None:
        """Break off so that the other end gets a TCP reset."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def leave(self) -> None:
        """Close at once, whatever is under way."""
        if not self.writer.is_closing():
            self.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class RawServer:
    """A listening socket: each connection becomes a `Peer` that the test takes with `accept()`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._all: list[Peer] = []

    async def __aenter__(self) -> "RawServer":
        self._server = await asyncio.start_server(self._on_peer, "127.0.0.1", 0, ssl=self._tls, limit=1 << 20)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        await self.let_go()
        await self._server.wait_closed()
        while any("_accept_connection2" in repr(task) for task in asyncio.all_tasks()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # a TLS handshake that failed is still being put away

    async def let_go(self) -> None:
        """Close every connection at once."""
        for peer in self._all:
            await peer.leave()

    def _on_peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self._all.append(peer)
        self._peers.put_nowait(peer)

    async def accept(self) -> Peer:
        return await self._peers.get()

    def dial(self, **more) -> Dial:
        """A dial to here."""
        return dial_to(self.port, **more)


def dial_to(port: int, **more) -> Dial:
    """A dial to a port of this machine."""
    return Dial(**{"scheme": "ws", "host": "127.0.0.1", "port": port, "target": b"/up"} | more)


@dataclass
class Recorder:
    """A meter that notes what it is shown."""

    seen: list[tuple[str, bytes]] = field(default_factory=list)

    def client_message(self, payload: bytes) -> None:
        self.seen.append(("client", payload))

    def server_message(self, payload: bytes) -> None:
        self.seen.append(("server", payload))


class Gateway:
    """The smallest server around the relay: a fault is answered by its status, a refusal as the upstream gave it."""

    def __init__(
        self,
        dial: Dial,
        limits: LiveLimits | None = None,
        meter=None,
        *,
        tls: ssl.SSLContext | None = None,
        close_at_once: tuple[int, str] | None = None,
        handler_cancellation: bool = True,
    ) -> None:
        self.meter = meter or Recorder()
        self.sessions = LiveSessions()
        self.outcomes: asyncio.Queue[LiveOutcome] = asyncio.Queue()
        self._dial, self._limits, self._tls = dial, limits, tls
        self._close_at_once, self._cancels = close_at_once, handler_cancellation
        self._requests: list[web.BaseRequest] = []

    async def __aenter__(self) -> "Gateway":
        self._server = web.Server(
            self._handle, access_log=None, auto_decompress=False, handler_cancellation=self._cancels
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        await self.stop()
        await self._listener.wait_closed()

    async def stop(self) -> None:
        """aiohttp's own shutdown: handlers that still run are cancelled."""
        await self._server.shutdown(0.01)
        await asyncio.sleep(0)

    async def drained(self) -> None:
        """Returns when aiohttp knows of no connection any more: its clean-up has run for each."""
        while self._server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def noticed_a_loss(self) -> None:
        """Returns when aiohttp knows that a client has left."""
        while all(request.transport is not None for request in self._requests):  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._requests.append(request)
        if fault := fault_of(request):
            return web.Response(status=fault.status, text=fault.message)
        more = ((b"x-understudy-request-id", b"id-1"),)
        if self._close_at_once:
            await accept_and_close(request, *self._close_at_once, answer_headers=more, limits=self._limits)
            return Spliced()
        try:
            outcome = await relay(
                request, self._dial, self.meter, self._limits, answer_headers=more, sessions=self.sessions
            )
        except DialError as error:
            return web.Response(status=error.status, text=str(error))
        self.outcomes.put_nowait(outcome)
        if outcome.refusal is not None:
            return web.Response(status=outcome.refusal.status, body=outcome.refusal.body)
        return Spliced()


async def connect(port: int | None, tls: ssl.SSLContext | None = None, **more) -> Peer:
    """A raw client of a port here, or of a socket that is connected already (`sock`)."""
    host = None if port is None else "127.0.0.1"
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=1 << 20, **more)
    return Peer(reader, writer)


async def coupled(
    gateway: Gateway, upstream: RawServer, *fields: bytes, tls: ssl.SSLContext | None = None
) -> tuple[Peer, Peer]:
    """A session whose both ends the test holds: client and upstream, handshakes done."""
    client = await connect(gateway.port, tls, **({"server_hostname": "localhost"} if tls else {}))
    client.send(handshake(b"/live", *fields))
    provider = await upstream.accept()
    provider.send(switching(await provider.head()))
    assert (await client.head()).startswith(b"HTTP/1.1 101 ")
    return client, provider
