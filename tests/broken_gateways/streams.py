"""Gateways that do something to answers: to their bytes, their timing or their end (requirements STR)."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from .broken import AsksTwice, RewritesAnswers, broken, variant
from .honest import Call
from .live import Gateway
from .wire import Fields, Head, chunk_bytes, head_bytes

GATHERED_S: Final = 1.5
"""How long a gateway gathers pieces: longer than the suite allows, shorter than its clients stay."""


def is_events(answer: Head) -> bool:
    """Whether an answer is a stream of events."""
    return answer.text(b"content-type").startswith("text/event-stream")


def is_array(call: Call, answer: Head) -> bool:
    """Whether an answer is a stream that is a JSON array."""
    is_json = answer.text(b"content-type").startswith("application/json")
    return is_json and call.path.endswith(":streamGenerateContent") and answer.status == 200


class ChangesPieces(Gateway):
    """The pieces of some answers are changed as they pass; their number and their times stay."""

    def download(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        pieces = super().download(call, answer, pieces)
        return self._changed(pieces) if self.is_meant(call, answer) else pieces

    async def _changed(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            yield self.changed(piece)

    def is_meant(self, call: Call, answer: Head) -> bool:
        """Whether this answer is changed."""
        return is_events(answer)

    def changed(self, piece: bytes) -> bytes:
        """What becomes of a piece."""
        return piece


@broken("drops-comments", "It drops the comments of a stream of events.", "STR-1/sse-bytes")
class DropsComments(ChangesPieces):
    def changed(self, piece: bytes) -> bytes:
        return re.sub(rb"(?m)^:.*\r?\n\r?\n", b"", piece)


@broken(
    "writes-arrays-anew",
    "It writes the line ends of an array anew.",
    "STR-1/json-array",
)
class WritesArraysAnew(ChangesPieces):
    def is_meant(self, call: Call, answer: Head) -> bool:
        return is_array(call, answer)

    def changed(self, piece: bytes) -> bytes:
        return piece.replace(b"\n", b" ")


@broken(
    "appends-done",
    "It puts [DONE] behind a stream of events.",
    *("STR-1/nothing-appended", "BODY-1/library-bodies"),
)
class AppendsDone(Gateway):
    async def download(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in super().download(call, answer, pieces):
            yield piece
        if is_events(answer):
            yield b"data: [DONE]\n\n"


class Gathers(Gateway):
    """The first piece of some answers is held back for a while."""

    def download(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        pieces = super().download(call, answer, pieces)
        return _gathered(pieces) if self.gathers(call, answer) else pieces

    def gathers(self, call: Call, answer: Head) -> bool:
        """Whether it gathers this answer."""
        return is_events(answer)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    waits = True
    async for piece in pieces:
        if waits:
            await asyncio.sleep(GATHERED_S)
        waits = False
        yield piece


@broken("gathers-arrays", "It gathers the elements of an array.", "STR-2/array-unbuffered")
class GathersArrays(Gathers):
    def gathers(self, call: Call, answer: Head) -> bool:
        return is_array(call, answer)


@broken("gathers-unknown-types", "It gathers what is of no type that it knows.", "STR-2/unknown-type-unbuffered")
class GathersUnknownTypes(Gathers):
    def gathers(self, call: Call, answer: Head) -> bool:
        return answer.text(b"content-type") == "application/x-pieces"


@broken(
    "buffers-everything",
    "It reads every answer to its end before it sends any of it.",
    *("STR-2/sse-unbuffered", "STR-2/array-unbuffered", "STR-2/unknown-type-unbuffered"),
    *("STR-5/hang-up-during-body", "COST-6/interrupted-stream"),
)
class BuffersEverything(RewritesAnswers):
    """Its clients cannot leave in the middle, since nothing comes before the end."""


@broken("holds-the-head", "It sends the head of an answer with the first of its body.", "STR-3/head-before-body")
class HoldsTheHead(Gateway):
    async def write_head(self, call: Call, writer: asyncio.StreamWriter, first: bytes, fields: Fields) -> None:
        if call.is_live:
            await super().write_head(call, writer, first, fields)
        else:
            call.body = head_bytes(first, fields)

    async def write_down(self, call: Call, writer: asyncio.StreamWriter, data: bytes) -> None:
        held, call.body = call.body, b""
        await super().write_down(call, writer, held + data)


@broken("ends-tidily", "It ends the client's stream in order when the provider's broke off.", "STR-4/broken-chunked")
class EndsTidily(Gateway):
    async def provider_broke(self, call: Call, head: Head, writer: asyncio.StreamWriter, is_chunked: bool) -> None:
        writer.write(b"0\r\n\r\n" if is_chunked else b"")
        await super().provider_broke(call, head, writer, is_chunked)


@broken("fills-up-short-bodies", "It fills a body up that came short of its length.", "STR-4/broken-length")
class FillsUpShortBodies(Gateway):
    async def provider_broke(self, call: Call, head: Head, writer: asyncio.StreamWriter, is_chunked: bool) -> None:
        writer.write(b"\x00" * ((head.length or 0) - len(call.said)))
        await super().provider_broke(call, head, writer, is_chunked)


class StaysAlone(Gateway):
    """A client that leaves is not noticed; what the provider sends is read to its end."""

    def is_meant(self, call: Call) -> bool:
        """Whether it does so now."""
        return True

    async def client_left(self, call: Call, answering: "asyncio.Future[None]") -> None:
        if self.is_meant(call):
            await asyncio.wait({answering})
        await super().client_left(call, answering)

    async def write_down(self, call: Call, writer: asyncio.StreamWriter, data: bytes) -> None:
        with suppress(ConnectionError):
            await super().write_down(call, writer, data)


@broken(
    "waits-for-unwanted-answers",
    "It waits for an answer that nobody waits for any more.",
    "STR-5/hang-up-before-first-byte",
)
class WaitsForUnwantedAnswers(StaysAlone):
    def is_meant(self, call: Call) -> bool:
        return not call.body and call.head.length == len(call.asked)

    async def write_head(self, call: Call, writer: asyncio.StreamWriter, first: bytes, fields: Fields) -> None:
        call.body = first
        await super().write_head(call, writer, first, fields)


@broken(
    "reads-unwanted-streams",
    "It reads a stream to its end that nobody reads any more.",
    *("STR-5/hang-up-during-body", "COST-6/interrupted-stream"),
)
class ReadsUnwantedStreams(StaysAlone):
    def is_meant(self, call: Call) -> bool:
        return bool(call.said)


@broken("follows-redirects", "It follows redirects by itself.", "STR-11/redirect-not-followed")
class FollowsRedirects(AsksTwice):
    async def answer_head(self, call: Call, up_reader: asyncio.StreamReader) -> tuple[Head, asyncio.StreamReader]:
        head, reader = await super().answer_head(call, up_reader)
        if head.status in (301, 302, 303, 307, 308) and not call.is_live:
            return await self.ask(call, b"GET", head.text(b"location"))
        return head, reader


class AddsLengths(Gateway):
    """An answer that has no body gets a length."""

    on_status: int = 0

    def client_fields(self, call: Call, answer: Head) -> Fields:
        added = [(b"Content-Length", b"0")] if answer.status == self.on_status and answer.length is None else []
        return [*super().client_fields(call, answer), *added]


@broken("lies-about-204", "It sends a body with a 204, in chunks.", "STR-12/no-content")
class LiesAbout204(Gateway):
    async def answer_down(
        self, call: Call, head: Head, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if head.status != 204:
            return await super().answer_down(call, head, up_reader, writer)
        fields = [*self.client_fields(call, head), (b"Transfer-Encoding", b"chunked")]
        await self.write_head(call, writer, self.client_status(call, head), fields)
        await self.write_down(call, writer, chunk_bytes(b"{}") + b"0\r\n\r\n")
        return None


@broken(
    "hides-parts",
    "It calls a part of a file the whole.",
    *("STR-12/partial-content", "LRO-5/range"),
)
class HidesParts(Gateway):
    def client_status(self, call: Call, answer: Head) -> bytes:
        return b"HTTP/1.1 200 OK" if answer.status == 206 else super().client_status(call, answer)


TABLE: Final = (
    variant(Gathers, "gathers-events", "It gathers events.", "STR-2/sse-unbuffered"),
    variant(AddsLengths, "measures-204", "It adds a length to a 204.", "STR-12/no-content", on_status=204),
    variant(AddsLengths, "measures-304", "It adds a length to a 304.", "STR-12/not-modified", on_status=304),
)
