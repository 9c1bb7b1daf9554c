"""Answers on the wire, and the bad things done to them on purpose: late, stalled, cut, sliced or reset.

An answer without pauses and faults is written at once. Each fault that takes effect is written into the transcript with
its cause, so that it cannot be taken for a real one.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final, NoReturn

from understudy.messages import RawHeaders
from understudy.scenario.model import Fault, Pause

from .clock import Clock
from .draws import Draws
from .ids import Identity
from .injecting import ENDS, befallen
from .recorder import ExchangeEntry
from .replies import FileSpan, Outgoing, Part
from .server.connection import Connection
from .server.framing import LAST_CHUNK, Framing, chunk_bytes, completed, framing_of, head_bytes
from .tampering import cut

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on with zero seconds: closing sends RST and drops what was not sent."""


def reset_connection(transport: asyncio.Transport | None) -> None:
    """End a connection by RST, so that the peer sees `connection reset` and no clean end."""
    if transport is None:
        return
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


_PIECE: Final = 256 * 1024

_AT_ONCE: Final = 1024 * 1024
"""Bytes of an answer that may be written without waiting for the client to read."""


HOLD_S: Final = 3600.0
"""How long a connection on which nothing more is sent is held for a client that does not leave."""

_HEAD_PIECES: Final = 100
_WRITES_A_SECOND: Final = 20
"""Into so many writes a second a limited bandwidth is divided."""


class _Broken(Exception):
    """The answer ended early on purpose."""

    def __init__(self, fault: str) -> None:
        self.fault = fault


@dataclass(slots=True)
class _Manner:
    """How bytes of the body go out: in pieces, at most so many a second, up to a limit."""

    slice: Fault | None = None
    bandwidth: Fault | None = None
    truncate: Fault | None = None

    def take(self, fault: Fault) -> bool:
        """Whether the fault is one of these; then it holds from now on."""
        if fault.kind not in ("slice", "bandwidth", "truncate"):
            return False
        setattr(self, fault.kind, fault)
        return True


class Delivery:
    """Sends one answer and writes down what was sent; `done` is called once, when it has been."""

    def __init__(
        self,
        connection: Connection,
        entry: ExchangeEntry,
        clock: Clock,
        done: Callable[[], None],
        identity: Identity | None = None,
    ) -> None:
        """`identity` is the source of what is left to chance in faults."""
        self._connection = connection
        self._entry = entry
        self._clock = clock
        self._done = done
        self._identity = identity
        self._sent = 0
        self._speed: float | None = None
        self._framing = Framing(True, True, None, False)
        self._whole = _Manner()
        self._next = _Manner()
        self._noted: set[tuple[str, str]] = set()
        self._held: str | None = None

    def send(self, outgoing: Outgoing) -> Awaitable[None] | None:
        """Send an answer: at once (None), or as what is to be awaited. Ends the entry in every case; a client that
        leaves on the way is written down, not raised."""
        if outgoing.is_plain and _size(outgoing.parts) <= _AT_ONCE:
            self._send_at_once(outgoing)
            return None
        return self._send_to_its_end(outgoing)

    def _send_at_once(self, outgoing: Outgoing) -> None:
        entry = self._entry
        for fault in outgoing.told:
            entry.note_fault(fault)
        try:
            head = self._head(outgoing)
            framing = self._framing
            parts = [part for part in outgoing.parts if isinstance(part, bytes) and part] if framing.has_body else []
            if framing.length is not None and framing.has_body and framing.length > sum(map(len, parts)):
                self._connection.write(head + b"".join(parts))
                self._sent = sum(map(len, parts))
                for part in parts:
                    entry.chunk(part)
                self._break_off(Fault("truncate", size=self._sent))
            if framing.is_chunked:
                self._connection.write(b"".join((head, *map(chunk_bytes, parts), LAST_CHUNK)))
            else:
                self._connection.write(head + b"".join(parts))
            for part in parts:
                entry.chunk(part)
            self._end_beyond(sum(map(len, parts)))
            entry.end()
        except _Broken as broken:
            entry.end(f"fault injected: {broken.fault}")
        except ConnectionError:
            entry.end("client left")
        self._done()

    async def _send_to_its_end(self, outgoing: Outgoing) -> None:
        self._speed = outgoing.speed
        try:
            if self._identity is not None:
                outgoing = befallen(outgoing, Draws(self._identity, "faults"))
            await self._send(outgoing)
        except _Broken as broken:
            self._entry.end(f"fault injected: {broken.fault}")
        except ConnectionError:
            self._entry.end("client left")
        except OSError as error:
            # A file that was to be sent cannot be read; the client must not take what it has for all.
            self._entry.end(f"a file could not be read: {error.strerror}")
            self._close()
        except asyncio.CancelledError:
            left = f"fault injected: {self._held}" if self._held else "client left"
            self._entry.end(left if self._connection.transport is None else "simulator stopped")
            raise
        else:
            self._entry.end()
        finally:
            self._done()

    def _head(self, outgoing: Outgoing) -> bytes:
        """The head as bytes; writes it down."""
        connection, date = self._connection, http_date(self._clock.now())
        wish = (connection.method, connection.is_http_11, connection.keeps_alive, outgoing.status)
        framing, headers, head = _head_of(wish, outgoing.headers, date)
        self._framing = framing
        if framing.closes:
            connection.end_after_this()
        self._entry.respond(outgoing.status, headers)
        return head

    async def _send(self, outgoing: Outgoing) -> None:
        for fault in outgoing.told:
            self._entry.note_fault(fault)
        at_end, stall, slow_head = list[Fault](), None, None
        for fault in outgoing.faults:
            match fault.kind:
                case "stall":
                    stall = fault
                case "slow_head":
                    slow_head = fault
                case "slow_close":
                    self._connection.end_after_this()
                    at_end.append(fault)
                case "half_close":
                    at_end.append(fault)
                case _:
                    self._whole.take(fault)
        for wait in outgoing.before:
            await self._wait(wait)
        await self._send_head(self._head(outgoing), slow_head)
        for part in _with_stall(outgoing.parts, stall):
            if isinstance(part, bytes):
                await self._write(part)
            elif isinstance(part, FileSpan):
                for piece in pieces_of(part):
                    await self._write(piece)
            else:
                await self._wait(part)
        if self._next.truncate is not None:
            # Nothing follows it.
            await self._write(b"")
        if self._framing.has_body and self._sent < (self._framing.length or 0):
            # The scenario promises more than it has: without an end the client would wait for the rest.
            self._break_off(Fault("truncate", size=self._sent))
        if self._framing.is_chunked:
            self._connection.write(LAST_CHUNK)
        self._end_beyond(self._sent)
        for fault in at_end:
            await self._end_oddly(fault)

    async def _send_head(self, head: bytes, slow_head: Fault | None) -> None:
        if slow_head is None:
            self._connection.write(head)
            return
        self._note(slow_head)
        size = -(-len(head) // _HEAD_PIECES)
        pieces = [head[start : start + size] for start in range(0, len(head), size)]
        for piece in pieces:
            await self._clock.sleep(slow_head.seconds / len(pieces), self._speed)
            self._connection.write(piece)
            await self._connection.drain()

    async def _end_oddly(self, fault: Fault) -> None:
        """The answer is whole; what is left is how the connection ends."""
        self._note(fault)
        self._entry.end()
        if fault.kind == "slow_close":
            await self._clock.sleep(fault.seconds, self._speed)
        else:
            await self._hold(fault)

    def _end_beyond(self, sent: int) -> None:
        """What was sent beyond the length that the head tells must not be read as the next answer."""
        if self._framing.length is not None and sent > self._framing.length:
            self._connection.end_after_this()

    async def _wait(self, wait: Pause | Fault) -> None:
        if isinstance(wait, Fault):
            if self._next.take(wait):
                return
            if wait.kind in ENDS:
                await self._end_here(wait)
            self._note(wait)
        await self._clock.sleep(wait.seconds, self._speed)

    async def _end_here(self, fault: Fault) -> NoReturn:
        """Nothing more of the answer is sent."""
        if fault.kind in ("half_close", "stop"):
            self._note(fault)
            self._held = fault.kind
            await self._hold(fault)
        self._break_off(fault)

    async def _hold(self, fault: Fault) -> None:
        """Keep the connection until the client leaves, which cancels this; after half_close only one way is open."""
        transport = self._connection.transport
        if fault.kind == "half_close" and transport is not None and transport.can_write_eof():
            transport.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_S):
                await asyncio.Event().wait()

    async def _write(self, data: bytes) -> None:
        """Bytes of the body, with what befalls them as a whole answer or as this chunk."""
        whole, chunk = self._whole, self._next
        self._next = _Manner()
        limit = len(data)
        cutter = None
        if chunk.truncate is not None:
            cutter, limit = chunk.truncate, min(chunk.truncate.size, limit)
        if whole.truncate is not None and whole.truncate.size - self._sent < limit:
            cutter, limit = whole.truncate, max(whole.truncate.size - self._sent, 0)
        slicer, rate = chunk.slice or whole.slice, chunk.bandwidth or whole.bandwidth
        pieces = [data[:limit]] if slicer is None else cut(data[:limit], slicer)
        if slicer is not None and len(pieces) > 1:
            self._note(slicer)
        for piece in pieces:
            await self._hand_over(piece, rate)
            if slicer is not None:
                await asyncio.sleep(0)
        if cutter is not None:
            self._break_off(replace(cutter, size=self._sent))

    async def _hand_over(self, data: bytes, rate: Fault | None) -> None:
        if not data or not self._framing.has_body:
            return
        if rate is None:
            await self._put(data)
            return
        self._note(rate)
        size = max(rate.size // _WRITES_A_SECOND, 1)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await self._put(piece)
            await self._clock.sleep(len(piece) / rate.size, self._speed)

    async def _put(self, data: bytes) -> None:
        self._sent += len(data)
        self._entry.chunk(data)
        self._connection.write(chunk_bytes(data) if self._framing.is_chunked else data)
        await self._connection.drain()

    def _note(self, fault: Fault) -> None:
        """Write a fault down, the first time that it takes effect."""
        if (fault.kind, fault.cause) not in self._noted or fault.kind in ("latency", "stall"):
            self._noted.add((fault.kind, fault.cause))
            self._entry.note_fault(str(fault))

    def _break_off(self, fault: Fault) -> NoReturn:
        """End the connection: by RST, or after what was written, but without the end of the body."""
        self._note(fault)
        if fault.kind == "reset_peer":
            reset_connection(self._connection.transport)
        else:
            self._close()
        raise _Broken(fault.kind)

    def _close(self) -> None:
        if self._connection.transport is not None:
            self._connection.transport.close()


@lru_cache(maxsize=1024)
def _head_of(wish: tuple[str, bool, bool, int], headers: RawHeaders, date: bytes) -> tuple[Framing, RawHeaders, bytes]:
    """Framing, header fields and bytes of a head; many answers of one second have the same."""
    method, is_http_11, keeps_alive, status = wish
    framing = framing_of(method, is_http_11, keeps_alive, status, headers)
    whole = completed(headers, framing, date, is_http_11)
    return framing, whole, head_bytes(status, whole)


def http_date(moment: datetime) -> bytes:
    """A time as `Date` has it (RFC 9110 section 5.6.7)."""
    return _date_of(moment.replace(microsecond=0))


@lru_cache(maxsize=8)
def _date_of(second: datetime) -> bytes:
    return format_datetime(second, usegmt=True).encode()


def _size(parts: tuple[Part, ...]) -> int:
    return sum(len(part) for part in parts if isinstance(part, bytes))


def pieces_of(span: FileSpan) -> Iterator[bytes]:
    """The bytes of a part of a file, piece by piece. Raises OSError if it cannot be read."""
    with span.path.open("rb") as file:
        file.seek(span.start)
        left = span.size
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def _with_stall(parts: tuple[Part, ...], stall: Fault | None) -> Iterator[Part]:
    """The parts, with a stall of the whole answer put into the middle of its first piece of body."""
    pending = stall
    for part in parts:
        if pending is not None and isinstance(part, bytes):
            half = len(part) // 2
            yield part[:half]
            yield pending
            yield part[half:]
            pending = None
        else:
            yield part
    if pending is not None:
        yield pending
