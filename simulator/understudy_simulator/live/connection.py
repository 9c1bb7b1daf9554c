"""One accepted WebSocket connection of a Live session: messages in and out, exact, each written into the transcript.

aiohttp does the handshake, the unmasking and the pongs; close frames go out here, because a close without a code, an
answer to a close with the same code, and faults are needed (wire-live 2, 5.1).
"""

import asyncio
import struct
from contextlib import suppress
from typing import Final

from aiohttp import WebSocketError, WSMsgType, web

from understudy.messages import BINARY, CLOSE, PONG, TEXT
from understudy.provider_errors.live import cut_reason
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.model import Fault

from ..clock import Clock
from ..cues import Arrived, Gone, SendMessage
from ..faults import reset_connection
from ..recorder import SessionEntry
from .disturbing import Disturber
from .wire_faults import FINAL, frame_head, wire_frame

MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that a client message may have."""

SEND_WITHIN_S: Final = 60.0
"""How long a client may leave a message unread before its connection is given up."""

_UNREAD_BYTES: Final = 128 * 1024
"""So much may lie unsent before sending waits."""

_LOOK_S: Final = 0.01


class LiveConnection:
    """An open connection. After `is_cut` nothing can be sent any more; sending then does nothing."""

    __slots__ = (
        "_entry",
        "_is_closing",
        "_is_deflated",
        "_is_over",
        "_request",
        "_socket",
        "disturber",
    )

    def __init__(self, request: web.BaseRequest, socket: web.WebSocketResponse, entry: SessionEntry) -> None:
        self._request = request
        self._socket = socket
        self._entry = entry
        self._is_closing = False
        self._is_over = False
        self._is_deflated = bool(socket.compress)
        self.disturber: Disturber | None = None
        """What befalls the session on purpose."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport; None when the client is gone."""
        return self._request.transport

    @property
    def is_held(self) -> bool:
        """Whether nothing more is said on purpose, and the client is to be the one who ends it."""
        return self.disturber is not None and self.disturber.is_mute and not self._is_over

    @property
    def is_connected(self) -> bool:
        """Whether the TCP connection is there, as far as is known."""
        transport = self._request.transport
        return transport is not None and not transport.is_closing()

    @property
    def is_in_frame(self) -> bool:
        """Whether a message is going out in pieces, and the client is still there to get the rest."""
        return self.disturber is not None and self.disturber.is_in_frame and self.is_connected

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
        while message.type is WSMsgType.PING or message.type is WSMsgType.PONG:
            if message.type is WSMsgType.PING:
                self._pong(bytes(message.data))
            message = await self._socket.receive()
        match message.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                payload = bytes(message.data)
                self._entry.frame("client", TEXT if message.type is WSMsgType.TEXT else BINARY, payload)
                if self.disturber is not None:
                    self.disturber.heard(payload)
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
        transport, disturber = self._request.transport, self.disturber
        if message.fault is not None or (disturber is not None and disturber.concerns(message)):
            return False
        if self._is_deflated or transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > _UNREAD_BYTES:
            return False
        opcode, payload = message.opcode, message.payload
        self._entry.frame("server", opcode, payload)
        transport.write(frame_head(FINAL | opcode, 0, len(payload)) + payload)
        return True

    async def send(self, message: SendMessage) -> None:
        """Send one message with its fault, if it has one. Gives the connection up if the client does not read."""
        if self.is_closing:
            return
        try:
            if self.disturber is not None and self.disturber.concerns(message):
                await self.disturber.send(self, self._entry, message)
                return
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._send(message)
        except TimeoutError:
            self._entry.close("server", None, "the client did not read")
            self.cut()
        except ConnectionError:
            self._entry.close("client", None)
            self._is_over = True

    async def _send(self, message: SendMessage) -> None:
        self._entry.frame("server", message.opcode, message.payload)
        await self._socket.send_frame(message.payload, WSMsgType(message.opcode))

    def _pong(self, payload: bytes) -> None:
        disturber = self.disturber
        if self.is_closing or (disturber is not None and (disturber.is_mute or disturber.faults.ignores_pings)):
            return
        with suppress(ConnectionError):
            self._control(wire_frame(FINAL | PONG, payload))

    async def inject(self, fault: Fault) -> None:
        """Do to the connection what a fault by itself wants."""
        if self.disturber is not None and not self.is_closing:
            await self.disturber.inject(self, self._entry, fault)

    async def linger(self) -> None:
        """Hold the connection after all has been said, if a fault wants that."""
        transport = self.transport
        if self.disturber is not None and transport is not None and not transport.is_closing():
            await self.disturber.linger(self._entry)

    async def drain(self, unsent: int) -> None:
        """Wait until not more than so many bytes wait for the client. Raises TimeoutError if it does not read."""
        async with asyncio.timeout(SEND_WITHIN_S):
            # aiohttp's own drain looks at its writer, not at what is written past it.
            while (wire := self.transport) is not None and wire.get_write_buffer_size() > unsent:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)

    def close(self, code: int | None, reason: str) -> None:
        """Send the close; without `code` an empty one. The client's own close is still to be received."""
        if self.disturber is not None and not self.is_closing and not self.is_held:
            self.disturber.flush(self._entry, self._write)
            laid = self.disturber.faults.instead_of_refusal()
            if laid is not None:
                end, name = laid
                self._entry.note_fault(name)
                if isinstance(end, Fault):
                    self.disturber.end(self, self._entry, end)
                    return
                code, reason = end.code, end.reason
        if not self.is_closing and not self.is_held:
            self._entry.close("server", code, cut_reason(reason))
            self._send_close(code, reason)

    def _send_close(self, code: int | None, reason: str = "") -> None:
        if self.is_closing or self.is_held:
            return
        self._is_closing = True
        payload = b"" if code is None else struct.pack("!H", code) + cut_reason(reason).encode()
        try:
            self._control(wire_frame(FINAL | CLOSE, payload))
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
        await self.hush(seconds, clock, speed)

    def note_latency(self, seconds: float) -> None:
        """A wait that begins is a fault of the script."""
        self._entry.note_fault(f"latency {seconds:g}s")

    async def hush(self, seconds: float, clock: Clock, speed: float | None) -> None:
        """The same, without a word of it in the transcript."""
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

    def _control(self, frame: bytes) -> None:
        """Send a control frame, never inside of another frame (RFC 6455 section 5.4)."""
        if self.disturber is not None and self.disturber.is_in_frame:
            self.disturber.keep(frame)
        else:
            self._write(frame)

    def _write(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)
