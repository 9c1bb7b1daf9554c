"""The Live relay: dial, accept the client, splice the two connections, say how it ended.

aiohttp reads the client's handshake; after that the connection is taken from it and only handed back when it is lost.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from aiohttp import web

from understudy.messages import RawHeaders

from .frames import GOING_AWAY, FrameReader, close_frame
from .holding import Holding
from .inflating import Deflate
from .setup_message import Judge
from .splice import LiveLimits, LiveOutcome, MeterProtocol, Splice
from .upgrade import (
    Dial,
    HandshakeFault,
    Refused,
    handshake_fault,
    open_upstream,
    subprotocols_of,
    switching_head,
    without_keys,
)

SpliceMaker = Callable[[asyncio.Transport, asyncio.Transport, MeterProtocol, LiveLimits, Deflate | None], Splice]
"""What couples two connections: client, provider, the meter beside them, the limits, their compression."""


class Spliced(web.StreamResponse):
    """What a handler returns to aiohttp once the connection was handed to the relay: it writes nothing."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing: the head was written by the relay."""

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Nothing: the connection is closed."""


class LiveSessions:
    """The sessions that run, so that a shutdown can end them."""

    def __init__(self) -> None:
        self._running: set[Splice] = set()
        self._closing: tuple[int, str] | None = None

    def __len__(self) -> int:
        return len(self._running)

    async def close_all(self, code: int = GOING_AWAY, reason: str = "the gateway is shutting down") -> None:
        """Close every session with this code, those too that come to be later; returns when all have ended.

        That takes at most `close_s` and `flush_s` of a session's limits.
        """
        self._closing = (code, reason)
        running = tuple(self._running)
        for session in running:
            session.shut_down(code, reason)
        for session in running:
            await session.over.wait()

    def began(self, session: Splice) -> None:
        """Enter a session; it is ended at once if the shutdown has begun."""
        self._running.add(session)
        if self._closing is not None:
            session.shut_down(*self._closing)

    def ended(self, session: Splice) -> None:
        """Strike a session off."""
        self._running.discard(session)


def fault_of(request: web.BaseRequest) -> HandshakeFault | None:
    """What is wrong with the handshake of `request`, or None: to be asked before `relay` and `accept_and_close`."""
    return handshake_fault(request.method, (request.version.major, request.version.minor), request.raw_headers)


async def relay(
    request: web.BaseRequest,
    dial: Dial,
    meter: MeterProtocol,
    limits: LiveLimits | None = None,
    *,
    answer_headers: RawHeaders = (),
    sessions: LiveSessions | None = None,
    accepted: Callable[[], None] = lambda: None,
    begun: Callable[[Splice], None] = lambda session: None,
    judge: Judge | None = None,
    splice: SpliceMaker = Splice,
) -> LiveOutcome:
    """Dial, accept the client, relay until the session ends, and say how it ended. The handler then returns `Spliced`.

    `answer_headers` are added to the client's 101; `accepted` is called when that has been written; `splice` couples
    the two sides. The client's first message is held until `judge`, if there is one, has seen it. Raises `DialError`
    where there is neither a WebSocket nor an answer upstream; like after a refusal nothing has then been written to
    the client. `begun` is given the session, to end it from outside. Cancelling it aborts both connections.
    """
    if fault := fault_of(request):
        raise ValueError(fault.message)
    answer = await open_upstream(dial)
    if isinstance(answer, Refused):
        return LiveOutcome(answer.status, "upstream", None, "", "rejected", refusal=answer)
    client = request.transport
    if client is None or client.is_closing():
        answer.transport.abort()
        return LiveOutcome(499, "client", GOING_AWAY, "the client left before it was accepted", "client_abort")
    session = splice(client, answer.transport, meter, limits or LiveLimits(), answer.deflate)
    session.client.when_lost = _owner_of(request)
    try:
        tail = _tail_of(request)
        chosen = _selected(request, answer.subprotocol)
        client.write(switching_head(request.raw_headers, chosen, answer_headers, answer.extension))
        accepted()
        begun(session)
        session.couple(tail, answer.leftover, None if judge is None else Holding(session, judge))
        if sessions is not None:
            sessions.began(session)
        await session.over.wait()
        return session.outcome
    finally:
        session.abort()
        if sessions is not None:
            sessions.ended(session)
        if session.over.is_set():
            session.dissolve()


async def accept_and_close(
    request: web.BaseRequest,
    code: int,
    reason: str,
    *,
    answer_headers: RawHeaders = (),
    limits: LiveLimits | None = None,
) -> None:
    """Accept the handshake and close at once: how a failure of the gateway's own gets a close code (WS-14).

    Returns when the client has closed too or had its time; the handler then returns `Spliced`.
    """
    limits = limits or LiveLimits()
    client = request.transport
    if client is None or client.is_closing():
        return
    tail = _tail_of(request)
    farewell = _Farewell(client, _owner_of(request), limits)
    head = switching_head(request.raw_headers, _selected(request, None), answer_headers)
    client.write(head + close_frame(code, reason))
    client.set_protocol(farewell)
    farewell.data_received(tail)
    try:
        await _wait(farewell.over, limits.close_s)
        farewell.close()
        await _wait(farewell.over, limits.flush_s)
    finally:
        if not farewell.over.is_set():
            client.abort()


def _selected(request: web.BaseRequest, chosen: str | None) -> str | None:
    """The subprotocol for the client: the provider's choice; failing one, the first beside a key's (S-59)."""
    offered = subprotocols_of(request.raw_headers)
    clean = without_keys(offered)
    return chosen or (clean[0] if clean and len(clean) < len(offered) else None)


class _Tail:
    """Takes from aiohttp what the client sent behind its handshake, in the place of a WebSocket parser."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """The end of the connection is seen by other means."""


def _tail_of(request: web.BaseRequest) -> bytes:
    tail = _Tail()
    request.protocol.set_parser(cast("Any", tail))
    return tail.data


def _owner_of(request: web.BaseRequest) -> Callable[[Exception | None], None]:
    """What to call when the client's connection is lost: aiohttp's clean-up.

    It cancels the handler that still runs; so it is put off until the handler has ended.
    """
    owner, task = request.protocol, request.task

    def lost(exc: Exception | None) -> None:
        task.add_done_callback(lambda _: owner.connection_lost(exc))

    return lost


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class _Farewell(asyncio.Protocol):
    """A client that was sent a close frame: its own is awaited, all else that it sends is thrown away."""

    def __init__(self, client: asyncio.Transport, when_lost: Callable[[Exception | None], None], limits: LiveLimits):
        self.over = asyncio.Event()
        self._client = client
        self._when_lost = when_lost
        self._reader = FrameReader(masked=True, max_message=limits.message_bytes, max_copy=0)

    def data_received(self, data: bytes) -> None:
        if self._reader.feed(data).end is not None:
            self.close()

    def close(self) -> None:
        """Close the connection. A second time would make asyncio's TLS forget how to abort it."""
        if not self._client.is_closing():
            self._client.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()
        self._when_lost(exc)
