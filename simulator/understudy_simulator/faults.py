"""Answers on the wire, and the bad things done to them on purpose: late, stalled, cut, sliced or reset.

An answer without pauses and faults is written at once. Each fault that takes effect is written into the transcript with
its cause, so that it cannot be taken for a real one.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final, NoReturn

from understudy.messages import RawHeaders
from understudy.scenario.model import Fault, Pause

from .clock import Clock
from .recorder import ExchangeEntry
from .replies import FileSpan, Outgoing, Part
from .server.connection import Connection
from .server.framing import LAST_CHUNK, Framing, chunk_bytes, completed, framing_of, head_bytes

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


class _Broken(Exception):
    """The answer ended early on purpose."""

    def __init__(self, fault: str) -> None:
        self.fault = fault


class Delivery:
    """Sends one answer and writes down what was sent; `done` is called once, when it has been."""

    def __init__(self, connection: Connection, entry: ExchangeEntry, clock: Clock, done: Callable[[], None]) -> None:
        self._connection = connection
        self._entry = entry
        self._clock = clock
        self._done = done
        self._sent = 0
        self._speed: float | None = None
        self._framing = Framing(True, True, None, False)

    def send(self, outgoing: Outgoing) -> Awaitable[None] | None:
        """Send an answer: at once (None), or as what is to be awaited. Ends the entry in every case; a client that
        leaves on the way is written down, not raised."""
        if outgoing.is_plain and _size(outgoing.parts) <= _AT_ONCE:
            self._send_at_once(outgoing)
            return None
        return self._send_to_its_end(outgoing)

    def _send_at_once(self, outgoing: Outgoing) -> None:
        entry = self._entry
        try:
            head = self._head(outgoing)
            framing = self._framing
            parts = [part for part in outgoing.parts if isinstance(part, bytes) and part] if framing.has_body else []
            if framing.length is not None and framing.has_body and framing.length > sum(map(len, parts)):
                self._connection.write(head + b"".join(parts))
                self._sent = sum(map(len, parts))
                for part in parts:
                    entry.chunk(part)
                self._break_off("truncate")
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
            self._entry.end("client left" if self._connection.transport is None else "simulator stopped")
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
        for wait in outgoing.before:
            await self._wait(wait)
        fault = outgoing.fault
        if outgoing.reset or (fault is not None and fault.kind == "reset_peer"):
            self._break_off("reset_peer")
        if fault is not None and fault.kind == "latency":
            await self._wait(fault)
        self._connection.write(self._head(outgoing))
        for part in _with_stall(outgoing.parts, fault):
            if isinstance(part, bytes):
                await self._write(part, fault)
            elif isinstance(part, FileSpan):
                for piece in pieces_of(part):
                    await self._write(piece, fault)
            else:
                await self._wait(part)
        if self._framing.has_body and self._sent < (self._framing.length or 0):
            # The scenario promises more than it has: without an end the client would wait for the rest.
            self._break_off("truncate")
        if self._framing.is_chunked:
            self._connection.write(LAST_CHUNK)
        self._end_beyond(self._sent)

    def _end_beyond(self, sent: int) -> None:
        """What was sent beyond the length that the head tells must not be read as the next answer."""
        if self._framing.length is not None and sent > self._framing.length:
            self._connection.end_after_this()

    async def _wait(self, wait: Pause | Fault) -> None:
        if isinstance(wait, Fault):
            if wait.kind in ("reset_peer", "truncate"):
                self._break_off(wait.kind)
            if wait.kind == "slice":
                return
            self._entry.note_fault(f"{wait.kind} {wait.seconds:g}s")
        await self._clock.sleep(wait.seconds, self._speed)

    async def _write(self, data: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "truncate" and self._sent + len(data) > fault.size:
            data = data[: max(fault.size - self._sent, 0)]
            await self._hand_over(data)
            self._break_off("truncate")
        if fault is None or fault.kind != "slice" or fault.size < 1:
            await self._hand_over(data)
            return
        if self._sent == 0:
            self._entry.note_fault(f"slice {fault.size}")
        for start in range(0, len(data), fault.size):
            await self._hand_over(data[start : start + fault.size])
            await asyncio.sleep(0)

    async def _hand_over(self, data: bytes) -> None:
        if data and self._framing.has_body:
            self._sent += len(data)
            self._entry.chunk(data)
            self._connection.write(chunk_bytes(data) if self._framing.is_chunked else data)
            await self._connection.drain()

    def _break_off(self, kind: str) -> NoReturn:
        """End the connection: by RST, or (truncate) after what was written, but without the end of the body."""
        self._entry.note_fault(kind if kind != "truncate" else f"truncate {self._sent}")
        if kind == "reset_peer":
            reset_connection(self._connection.transport)
        else:
            self._close()
        raise _Broken(kind)

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


def _with_stall(parts: tuple[Part, ...], fault: Fault | None) -> Iterator[Part]:
    """The parts, with a stall of the whole answer put into the middle of its first piece of body."""
    pending = fault if fault is not None and fault.kind == "stall" else None
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
