"""The Live side of the honest gateway: the provider's handshake first, then frames both ways until a side closes."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from understudy.usage.live import LiveReader

from .frames import CLOSE, CONTINUATION, Frame, close_frame, frame_bytes, read_frame
from .honest import Call, Honest
from .rules import KEY_SUBPROTOCOL
from .wire import Fields, Head

PROVIDER_LOST, CLIENT_LOST = 1011, 1001
_ENDS_HERE: Final = frozenset({b"origin", b"cookie", b"sec-websocket-extensions", b"sec-websocket-protocol"})
"""Fields of a handshake that do not go on; nobody may compress, since the books read the messages."""
_CLOSING_S: Final = 1.0


@dataclass
class Side:
    """One end of a session; `message` is what came of a message in fragments."""

    is_provider: bool
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    has_closed: bool = False
    message: bytearray = field(default_factory=bytearray)


@dataclass
class Talk:
    """A session under way."""

    call: Call
    client: Side
    server: Side
    meter: LiveReader

    def other(self, side: Side) -> Side:
        """The other end."""
        return self.client if side.is_provider else self.server

    @property
    def is_closing(self) -> bool:
        """Whether a side has sent a close frame."""
        return self.client.has_closed or self.server.has_closed


class Gateway(Honest):
    """The honest gateway, Live included."""

    async def pass_on(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not call.is_live:
            await super().pass_on(call, reader, writer)
            return
        up_reader, up_writer = await self.dial()
        try:
            await self.hold(call, Side(False, reader, writer), Side(True, up_reader, up_writer))
        finally:
            up_writer.transport.abort()

    def goes_on(self, call: Call, name: bytes) -> bool:
        return super().goes_on(call, name) and not (call.is_live and name.lower() in self.live_ends_here())

    def live_ends_here(self) -> frozenset[bytes]:
        """What of a handshake does not go on."""
        return _ENDS_HERE

    async def hold(self, call: Call, client: Side, server: Side) -> None:
        """Ask the provider before the client is answered, so that a refusal of the provider is the client's answer."""
        fields = [*self.upstream_fields(call), *self.upgrade_fields(call)]
        await self.write_head(call, server.writer, b"GET " + call.target.encode("latin-1") + b" HTTP/1.1", fields)
        answer, _ = await self.answer_head(call, server.reader)
        if answer.status != 101:
            await self.pass_refusal(call, answer, server, client)
            return
        await self.write_head(call, client.writer, b"HTTP/1.1 101 Switching Protocols", self.accepted(call, answer))
        await self.splice(Talk(call, client, server, LiveReader("vertex_ai" if call.is_vertex else "gemini")))

    def upgrade_fields(self, call: Call) -> Fields:
        """What makes the request a handshake."""
        offered = [one for one in self.offered_subprotocols(call) if self.subprotocol_goes_on(one)]
        protocols = [(b"Sec-WebSocket-Protocol", ", ".join(offered).encode("latin-1"))] if offered else []
        return [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), *protocols]

    def subprotocol_goes_on(self, offered: str) -> bool:
        """Whether the provider may choose it: not the one that holds the key."""
        return not offered.startswith(KEY_SUBPROTOCOL)

    async def pass_refusal(self, call: Call, answer: Head, server: Side, client: Side) -> None:
        """The provider's answer in place of a session."""
        await self.answer_down(call, answer, server.reader, client.writer)

    def accepted(self, call: Call, answer: Head) -> Fields:
        """The fields of the 101 for the client."""
        ours = [(name, value) for name, value in self.own_fields(call) if name != b"Connection"]
        kept = [(name, value) for name, value in answer.fields if name.lower() not in (b"connection", b"upgrade")]
        return [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), *kept, *ours]

    async def splice(self, talk: Talk) -> None:
        """Frames both ways; the books read copies."""
        pumps = [asyncio.ensure_future(self.pump(talk, side)) for side in (talk.client, talk.server)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(pumps, timeout=_CLOSING_S)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            provider = "vertex_ai" if talk.call.is_vertex else "gemini"
            self.books.session(talk.call.id, provider, talk.meter.finish(), talk.is_closing)

    async def pump(self, talk: Talk, source: Side) -> None:
        """One direction, to its end."""
        sink = talk.other(source)
        while (frame := await read_frame(source.reader)) is not None:
            for passed in self.passed_frames(talk, source, frame):
                await self.write_frame(sink, passed)
            if frame.opcode == CLOSE:
                source.has_closed = True
            elif frame.opcode < CLOSE:
                self.count(talk, source, frame)
        await self.end(talk, source)

    async def end(self, talk: Talk, source: Side) -> None:
        """A side has ended: so does the other, which is told if it was not yet."""
        if not talk.is_closing:
            await self.lost(talk, source)
        with suppress(ConnectionError):
            talk.other(source).writer.close()

    def passed_frames(self, talk: Talk, source: Side, frame: Frame) -> Iterable[Frame]:
        """What goes on in place of a frame: itself."""
        return (frame,)

    async def write_frame(self, sink: Side, frame: Frame) -> None:
        """A frame to one side; a side that is gone is seen where it is read."""
        with suppress(ConnectionError):
            sink.writer.write(frame_bytes(frame, is_masked=sink.is_provider))
            await sink.writer.drain()

    async def lost(self, talk: Talk, source: Side) -> None:
        """A side ended without a close frame: the other is told so."""
        await self.write_frame(talk.other(source), close_frame(self.lost_code(source), b"connection lost"))

    def lost_code(self, source: Side) -> int:
        """The code for the side that is left."""
        return PROVIDER_LOST if source.is_provider else CLIENT_LOST

    def count(self, talk: Talk, source: Side, frame: Frame) -> None:
        """Show the books a whole message."""
        if frame.opcode != CONTINUATION:
            source.message.clear()
        source.message += frame.payload
        if not frame.is_final:
            return
        if source.is_provider:
            self.books.message(talk.meter, bytes(source.message))
        else:
            talk.meter.client_message(bytes(source.message))
