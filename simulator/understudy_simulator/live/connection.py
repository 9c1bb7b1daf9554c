"""One accepted WebSocket connection of a Live session: messages in and out, exact, each written into the transcript.

aiohttp does the handshake, the unmasking and the pongs; close frames go out here, because a close without a code, an
answer to a close with the same code, and faults are needed (wire-live 2, 5.1).
"""

import asyncio
import struct
from typing import Final

from aiohttp import WebSocketError, WSMsgType, web

from understudy.messages import BINARY, CLOSE, TEXT
from understudy.provider_errors.live import cut_reason
from understudy.scenario.json_subset import LazyJson

from ..clock import Clock
from ..cues import Arrived, Gone, SendMessage
from ..faults import reset_connection
from ..recorder import SessionEntry

MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that a client message may have."""

SEND_WITHIN_S: Final = 60.0
"""How long a client may leave a message unread before its connection is given up."""

_UNREAD_BYTES: Final = 128 * 1024
"""So much may lie unsent before sending waits."""

_FINAL: Final = 0x80
_CONTINUATION: Final = 0x0


class LiveConnection:
    """An open connection. After `is_cut` nothing can be sent any more; sending then does nothing."""

    def __init__(self, request: web.BaseRequest, socket: web.WebSocketResponse, entry: SessionEntry) -> None:
        self._request = request
        self._socket = socket
        self._entry = entry
        self._is_closing = False
        self._is_over = False
        self._is_deflated = bool(socket.compress)

    @property
    def is_closing(self) -> bool:
        """Whether one side has sent its close, or the connection is gone."""
        return self._is_closing or self._is_over

    @property
    def is_ended(self) -> bool:
        """Whether this side has ended the TCP connection, or it is gone."""
        return self._is_over

    async def receive(self) -> Arrived | Gone:
        """The next client message, whole; or Gone, once, when the client has closed or the connection is lost.

        A client's close is answered at once with its own code (RFC 6455 section 5.5.1).
        """
        message = await self._socket.receive()
        match message.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                payload = bytes(message.data)
                self._entry.frame("client", TEXT if message.type is WSMsgType.TEXT else BINARY, payload)
                return Arrived(LazyJson(payload))
            case WSMsgType.CLOSE:
                code = int(message.data) or None
                self._entry.close("client", code, str(message.extra or ""))
                self._send_close(code)
                self._is_over = True
                return Gone(code)
            case WSMsgType.ERROR if isinstance(message.data, WebSocketError):
                # Against the protocol, or too large: aiohttp has closed with this code.
                self._entry.close("server", message.data.code, "")
            case _:
                self._entry.close("client", None)
        self._is_over = True
        return Gone(None)

    def send_at_once(self, message: SendMessage) -> bool:
        """Send one message if that needs no waiting; whether it is sent (or the session is closing, so never will be).

        It needs waiting if it has a fault, is to be compressed, or the client is behind with reading.
        """
        if self._is_closing or self._is_over:
            return True
        transport = self._request.transport
        if message.fault is not None or self._is_deflated or transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > _UNREAD_BYTES:
            return False
        payload = message.payload
        self._entry.frame("server", message.opcode, payload)
        transport.write(wire_frame(_FINAL | message.opcode, payload))
        return True

    async def send(self, message: SendMessage) -> None:
        """Send one message with its fault, if it has one. Gives the connection up if the client does not read."""
        if self.is_closing:
            return
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._send(message)
        except TimeoutError:
            self._entry.close("server", None, "the client did not read")
            self.cut()
        except ConnectionError:
            self._entry.close("client", None)
            self._is_over = True

    async def _send(self, message: SendMessage) -> None:
        fault, payload = message.fault, message.payload
        if fault is not None and fault.kind == "truncate":
            self._entry.note_fault(f"truncate {fault.size}")
            self._entry.close("server", None)
            frame = wire_frame(_FINAL | message.opcode, payload)
            self._write(frame[: len(frame) - len(payload) + fault.size])
            self.end()
            return
        self._entry.frame("server", message.opcode, payload)
        if fault is None or fault.kind != "slice" or not 0 < fault.size < len(payload):
            await self._socket.send_frame(payload, WSMsgType(message.opcode))
            return
        self._entry.note_fault(f"slice {fault.size}")
        for start in range(0, len(payload), fault.size):
            first = message.opcode if start == 0 else _CONTINUATION
            last = _FINAL if start + fault.size >= len(payload) else 0
            self._write(wire_frame(first | last, payload[start : start + fault.size]))
            await asyncio.sleep(0)

    def close(self, code: int | None, reason: str) -> None:
        """Send the close; without `code` an empty one. The client's own close is still to be received."""
        if not self.is_closing:
            self._entry.close("server", code, cut_reason(reason))
            self._send_close(code, reason)

    def _send_close(self, code: int | None, reason: str = "") -> None:
        if self.is_closing:
            return
        self._is_closing = True
        payload = b"" if code is None else struct.pack("!H", code) + cut_reason(reason).encode()
        try:
            self._write(wire_frame(_FINAL | CLOSE, payload))
        except ConnectionError:
            self._is_over = True

    def reset(self) -> None:
        """End the connection by RST, on purpose."""
        self._entry.note_fault("reset_peer")
        self._entry.close("server", None)
        self.cut()

    def end(self) -> None:
        """Close the TCP connection, after what was written."""
        self._is_over = True
        if self._request.transport is not None:
            self._request.transport.close()

    async def stall(self, seconds: float, clock: Clock, speed: float | None) -> None:
        """Neither read nor write for that many seconds of scenario time; not even pings are answered."""
        self._entry.note_fault(f"stall {seconds:g}s")
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading()
        try:
            await clock.sleep(seconds, speed)
        finally:
            if transport is not None and not transport.is_closing():
                transport.resume_reading()

    def cut(self) -> None:
        """End the connection by RST."""
        self._is_over = True
        reset_connection(self._request.transport)

    def _write(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)


def wire_frame(first: int, payload: bytes) -> bytes:
    """A server's WebSocket frame, unmasked; `first` is its first byte, FIN bit and opcode (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload
