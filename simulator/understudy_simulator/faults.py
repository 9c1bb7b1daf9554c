"""Answers on the wire, and the bad things done to them on purpose: late, stalled, cut, sliced or reset.

Each fault that takes effect is written into the transcript with its cause, so that it cannot be taken for a real one.
"""

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from understudy.messages import RawHeaders, header_values
from understudy.scenario.model import Fault, Pause

from .clock import Clock
from .recorder import ExchangeEntry
from .replies import FileSpan, Outgoing, Part

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

_WITHOUT_BODY: Final = (204, 304)
"""Statuses whose answers end with their head, as those to HEAD do (RFC 9110 sections 6.4.1, 9.3.2)."""


class _Broken(Exception):
    """The answer ended early on purpose."""

    def __init__(self, fault: str) -> None:
        self.fault = fault


class Delivery:
    """Sends one answer and writes down what was sent."""

    def __init__(self, request: web.BaseRequest, entry: ExchangeEntry, clock: Clock) -> None:
        self._request = request
        self._entry = entry
        self._clock = clock
        self._sent = 0
        self._speed: float | None = None
        self._has_body = True

    async def send(self, outgoing: Outgoing) -> web.StreamResponse:
        """Send an answer. Ends the entry; a client that leaves on the way is written down, not raised."""
        self._speed = outgoing.speed
        response = web.StreamResponse(status=outgoing.status, headers=_multidict(outgoing.headers))
        self._has_body = self._request.method != "HEAD" and outgoing.status not in _WITHOUT_BODY
        if b"close" in _listed(outgoing.headers, b"connection"):
            response.force_close()
        try:
            await self._send(outgoing, response)
        except _Broken as broken:
            self._entry.end(f"fault injected: {broken.fault}")
        except ConnectionError:
            self._entry.end("client left")
        except asyncio.CancelledError:
            self._entry.end("client left" if self._request.transport is None else "simulator stopped")
            raise
        else:
            self._entry.end()
        return response

    async def _send(self, outgoing: Outgoing, response: web.StreamResponse) -> None:
        for wait in outgoing.before:
            await self._wait(wait)
        fault = outgoing.fault
        if outgoing.reset or (fault is not None and fault.kind == "reset_peer"):
            self._break_off("reset_peer")
        if fault is not None and fault.kind == "latency":
            await self._wait(fault)
        await response.prepare(self._request)
        self._entry.respond(outgoing.status, _raw(response.headers))
        for part in _with_stall(outgoing.parts, fault):
            if isinstance(part, bytes):
                await self._write(response, part, fault)
            elif isinstance(part, FileSpan):
                for piece in pieces_of(part):
                    await self._write(response, piece, fault)
            else:
                await self._wait(part)
        if self._has_body and self._sent < (response.content_length or 0):
            # The scenario promises more than it has: without an end the client would wait for the rest.
            self._break_off("truncate")
        await response.write_eof()

    async def _wait(self, wait: Pause | Fault) -> None:
        if isinstance(wait, Fault):
            if wait.kind in ("reset_peer", "truncate"):
                self._break_off(wait.kind)
            if wait.kind == "slice":
                return
            self._entry.note_fault(f"{wait.kind} {wait.seconds:g}s")
        await self._clock.sleep(wait.seconds, self._speed)

    async def _write(self, response: web.StreamResponse, data: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "truncate" and self._sent + len(data) > fault.size:
            data = data[: max(fault.size - self._sent, 0)]
            await self._hand_over(response, data)
            self._break_off("truncate")
        if fault is None or fault.kind != "slice" or fault.size < 1:
            await self._hand_over(response, data)
            return
        if self._sent == 0:
            self._entry.note_fault(f"slice {fault.size}")
        for start in range(0, len(data), fault.size):
            await self._hand_over(response, data[start : start + fault.size])
            await asyncio.sleep(0)

    async def _hand_over(self, response: web.StreamResponse, data: bytes) -> None:
        if data and self._has_body:
            self._sent += len(data)
            self._entry.chunk(data)
            await response.write(data)

    def _break_off(self, kind: str) -> None:
        """End the connection: by RST, or (truncate) after what was written, but without the end of the body."""
        self._entry.note_fault(kind if kind != "truncate" else f"truncate {self._sent}")
        transport = self._request.transport
        if kind == "reset_peer":
            reset_connection(transport)
        elif transport is not None:
            transport.close()
        raise _Broken(kind)


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


def _listed(headers: RawHeaders, name: bytes) -> tuple[bytes, ...]:
    """The members of a list field, in lower case."""
    return tuple(part.strip().lower() for value in header_values(headers, name) for part in value.split(b","))


def _multidict(headers: RawHeaders) -> CIMultiDict[str]:
    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _raw(headers: CIMultiDict[str]) -> RawHeaders:
    return tuple((str(name).encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
