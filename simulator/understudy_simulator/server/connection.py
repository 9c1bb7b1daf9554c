"""One client connection: requests in by httptools, answers out in order, bodies whole or piece by piece.

A request is handed over when its body is there; those that came behind it wait. What is answered at once is written at
once, without a task. A handshake for a WebSocket at a Live path leaves for another protocol with all its bytes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast

import httptools

from understudy.messages import Request

from .exchange import Exchange
from .framing import CONTINUE
from .intake import HeadFacts, Incoming, facts_of
from .outlet import Outlet
from .patience import IDLE_S, LINGER_S, PATIENCE_S, Patience
from .pieces import Pieces

logger = logging.getLogger("understudy_simulator.wire")

HEAD_LIMIT: Final = 64 * 1024
"""Bytes that a request's head may have."""


class Host(Protocol):
    """What a connection needs of its server."""

    body_limit: int

    def begin(self, connection: "Connection", request: Request) -> Exchange:
        """A request's head is there; its body is not."""
        ...

    def malformed(self, connection: "Connection", data: bytes) -> None:
        """The client sent what is no HTTP, `data` or what came before; an answer may be written, then it ends."""
        ...

    def takes_over(self, head: bytes) -> Callable[[], asyncio.Protocol] | None:
        """The protocol for a connection that begins with this head of a GET request, if not ours."""
        ...

    def opened(self, connection: "Connection") -> None:
        """A client has come."""
        ...

    def closed(self, connection: "Connection") -> None:
        """A connection has ended, or left for another protocol."""
        ...


class Connection(asyncio.Protocol):
    """The protocol of the traffic ports."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._target: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._held = b""
        self._latest: tuple[tuple[bytes, list[bytes], list[tuple[bytes, bytes]]], Request, HeadFacts] | None = None
        self._reading: Incoming | None = None
        self._waiting: deque[Incoming] = deque()
        self._answering: Incoming | None = None
        self._task: asyncio.Task[None] | None = None
        self._pieces: Pieces | None = None
        self._rests = False
        self._refuses_next = False
        self._ends = False
        self._is_deaf = False
        self._is_ambiguous = False
        self._is_settling = False
        self._is_done = False
        self._patience: Patience | None = None
        self._outlet = Outlet(loop)

    # -- what the answering side uses

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport; None when the client is gone."""
        return self._outlet.transport

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._outlet.is_gone

    @property
    def method(self) -> str:
        """The method of the request that is being answered."""
        return "" if self._answering is None else self._answering.method

    @property
    def is_http_11(self) -> bool:
        """Whether the request that is being answered is HTTP/1.1."""
        return self._answering is None or self._answering.is_http_11

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow the one that is being answered."""
        return self._answering is not None and self._answering.keeps_alive and not self._ends

    def write(self, data: bytes) -> None:
        """Hand bytes to the connection. Raises ClientLeft if it has ended."""
        self._outlet.write(data)

    async def drain(self) -> None:
        """Wait until the connection takes more. Raises ClientLeft if it ends meanwhile, or takes nothing for long."""
        await self._outlet.drain()

    def end_after_this(self) -> None:
        """Close the connection when the answer in hand has been written."""
        self._ends = True

    def shut(self) -> None:
        """The server stops: close at once if nothing is being answered, else after that."""
        self._ends = True
        if self._answering is None and self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """The server stops now: end the answer in hand and the connection."""
        if self._task is not None:
            self._task.cancel()
        if self.transport is not None:
            self.transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        # uvloop's transports are none of asyncio's classes.
        self._outlet.transport = cast("asyncio.Transport", transport)
        self._host.opened(self)
        self._patience = Patience(self._loop, IDLE_S, lambda: self._answering is not None, self._outlet.give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: what is under way ends."""
        self._outlet.lost()
        self._host.closed(self)
        if self._patience is not None:
            self._patience.stop()
        if self._pieces is not None:
            # Who reads them is told so by the pieces, and may keep what came.
            self._pieces.break_off()
        elif self._task is not None:
            self._task.cancel()
        for incoming in (*self._waiting, self._reading):
            self._broke_off(incoming, "client left")
        self._waiting.clear()
        self._reading = None

    def pause_writing(self) -> None:
        """The client reads slower than is written."""
        self._outlet.is_choked = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._outlet.relieve()
        if self._rests:
            self._rests = False
            self._answered()

    def eof_received(self) -> bool:
        """The client sends no more: it is taken to have left, since a gateway that gives up looks just the same."""
        return False

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        while data:
            data = self._take(data)

    def _take(self, data: bytes) -> bytes:
        """Read on; gives what is left to be read after a request for an upgrade that is ignored."""
        if self._is_deaf:
            return b""
        if self._reading is None and not self._head_size:
            data = self._held + data
            self._held = b""
            if data[:4] == b"GET "[: len(data)]:
                end = data.find(b"\r\n\r\n")
                if end < 0 and len(data) <= HEAD_LIMIT and b"\n\n" not in data and b"\n\r\n" not in data:
                    self._held = data
                    return b""
                protocol = None if self._answering else self._host.takes_over(data[: end + 4])
                if protocol is not None:
                    self._leave_to(protocol(), data)
                    return b""
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        rest = b""
        if self._reading is None:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # An upgrade that is none of ours is ignored: a plain request, and what follows it is the next.
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            # A mistake of ours, not of the client: told in the log, and the client does not wait in vain.
            logger.error("a connection failed", exc_info=error.__context__ or error)
            self.abort()
            return b""
        except httptools.HttpParserError:
            if not self._is_deaf:
                self._refuse_malformed(data)
            return b""
        if self._is_ambiguous or (self._reading is None and not rest and self._head_size > HEAD_LIMIT):
            self._refuse_malformed()
            return b""
        return rest

    # -- httptools callbacks

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or (after the head) a trailer."""
        if self._reading is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._is_ambiguous or self._is_deaf:
            return
        raw = (self._parser.get_method(), self._target, self._headers)
        self._headers, self._target, self._head_size = [], [], 0
        if self._latest is None or raw != self._latest[0]:
            method, target, headers = raw[0].decode("latin-1"), b"".join(raw[1]).decode("latin-1"), tuple(raw[2])
            self._latest = (raw, Request(method, target, headers), facts_of(headers))
        # A client's heads are alike: what the one before it said need not be found out again.
        _, request, (length, expects, hosts) = self._latest
        if hosts > 1:
            self._is_ambiguous = True
            return
        is_11, keeps_alive = self._parser.get_http_version() != "1.0", self._parser.should_keep_alive()
        # HTTP/1.0 has no 100 (RFC 9110 section 10.1.1).
        incoming = Incoming(request.method, is_11, keeps_alive, expects and is_11)
        self._reading = incoming
        self._expect(IDLE_S if self._rests else PATIENCE_S)
        incoming.exchange = self._host.begin(self, request)
        incoming.is_too_large = length > self._host.body_limit
        if self._answering is None and not self._waiting and not self._rests:
            self._prepare(incoming)

    def _prepare(self, incoming: Incoming) -> None:
        """The request is the next to be answered: ask for its body, and see who wants it."""
        exchange = incoming.exchange
        assert exchange is not None
        task: Awaitable[None] | None = None
        if exchange.wants_pieces:
            pieces = Pieces(self._outlet.pause_reading, self._outlet.resume_reading, PATIENCE_S)
            task = exchange.take_pieces(pieces)
            for part in incoming.body:
                pieces.add(part)
            incoming.body = []
            if incoming.is_whole:
                pieces.end()
            self._pieces = None if incoming.is_whole else pieces
        elif incoming.is_too_large:
            self._refuse_size(incoming)
            return
        if incoming.continues and not incoming.is_whole and not self.is_gone:
            self.write(CONTINUE)
        if task is not None:
            self._answering = incoming
            self._run(task)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        incoming = self._reading
        if incoming is None:
            return
        if self._pieces is not None:
            self._pieces.add(body)
            return
        incoming.size += len(body)
        if incoming.size <= self._host.body_limit:
            incoming.body.append(body)
        elif self._answering is None:
            self._refuse_size(incoming)
        elif incoming.exchange is not None and incoming.exchange.wants_pieces:
            # Its turn has not come: what is there waits, and no more is read until it has.
            incoming.body.append(body)
            self._outlet.pause_reading()
        else:
            incoming.is_too_large = True
            incoming.body.clear()
            self._outlet.pause_reading()

    def on_message_complete(self) -> None:
        """The request is whole."""
        incoming, self._reading = self._reading, None
        if incoming is None:
            return
        incoming.is_whole = True
        if self._pieces is not None:
            self._pieces.end()
            self._pieces = None
            return
        if self._answering is incoming:
            return
        if self._answering is not None or self._waiting or self._rests:
            self._waiting.append(incoming)
            self._outlet.pause_reading()
            return
        self._answer(incoming)

    # -- answering

    def _answer(self, incoming: Incoming) -> None:
        self._answering = incoming
        exchange = incoming.exchange
        assert exchange is not None
        body = incoming.body
        task = exchange.took_whole(body[0] if len(body) == 1 else b"".join(body))
        if task is None:
            self._answered()
        else:
            self._run(task)

    def _run(self, answer: Awaitable[None]) -> None:
        async def run() -> None:
            await answer

        self._task = self._loop.create_task(run())
        self._task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "an answer failed", "exception": error, "protocol": self})
            self._ends = True
        self._answered()

    def _answered(self) -> None:
        """The answer has been written, or given up; what waits is next, one after the other, not one in the other."""
        self._is_done = True
        if self._is_settling:
            return
        self._is_settling = True
        try:
            while self._is_done:
                self._is_done = False
                self._settle()
        finally:
            self._is_settling = False

    def _settle(self) -> None:
        incoming, self._answering = self._answering, None
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        unread = incoming is not None and not incoming.is_whole
        if unread or self._ends or (incoming is not None and not incoming.keeps_alive):
            self._finish(linger=unread)
            return
        self._expect(IDLE_S)
        if self._outlet.is_choked:
            # Who sends without reading waits until what was answered is read.
            self._rests = True
            self._outlet.pause_reading()
        elif self._waiting:
            following = self._waiting.popleft()
            self._prepare(following)
            if self._answering is None:
                self._answer(following)
        elif self._refuses_next:
            self._host.malformed(self, b"")
            self._finish(linger=True)
        else:
            self._outlet.resume_reading()
            if self._reading is not None:
                self._expect(PATIENCE_S)
                self._prepare(self._reading)

    def _finish(self, *, linger: bool) -> None:
        """End the connection; with `linger` what still comes is read first, for a while, and thrown away."""
        transport = self.transport
        if transport is None:
            return
        self._is_deaf = True
        self._reading, self._pieces = None, None
        if not linger:
            transport.close()
            return
        self._outlet.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._loop.call_later(LINGER_S, self._outlet.give_up)

    def _refuse_size(self, incoming: Incoming) -> None:
        self._is_deaf = True
        self._answering = incoming
        exchange = incoming.exchange
        assert exchange is not None
        task = exchange.refuse_size()
        if task is None:
            self._answered()
        else:
            self._run(task)

    def _refuse_malformed(self, data: bytes = b"") -> None:
        self._is_deaf = True
        is_cut = self._pieces is not None
        if self._pieces is not None:
            self._pieces.break_off()
            self._pieces = None
        self._broke_off(self._reading, "the request broke off")
        self._reading = None
        if is_cut:
            # The malformed request is the one in hand.
            self._ends = True
        elif self._answering is not None or self._rests:
            # Those before it are whole, and answered first.
            self._refuses_next = True
        elif not self.is_gone:
            self._host.malformed(self, data)
            self._finish(linger=True)

    def _broke_off(self, incoming: Incoming | None, why: str) -> None:
        if incoming is not None and incoming.exchange is not None and incoming is not self._answering:
            incoming.exchange.broke_off(b"".join(incoming.body), why)

    def _expect(self, seconds: float) -> None:
        if self._patience is not None:
            self._patience.expect_within(seconds)

    def _leave_to(self, protocol: asyncio.Protocol, data: bytes) -> None:
        transport = self.transport
        if transport is None:
            return
        self._host.closed(self)
        if self._patience is not None:
            self._patience.stop()
        self._outlet.transport = None
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)
