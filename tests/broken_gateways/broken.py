"""How a broken gateway is written down: its name, what it does wrong, and which checks must see it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from .books import Books
from .honest import Call
from .live import Gateway
from .wire import Fields, Head, head_bytes, read_body

G = TypeVar("G", bound=Gateway)


def broken(name: str, sentence: str, *kills: str, may_fail: Iterable[str] = ()) -> Callable[[type[G]], type[G]]:
    """Mark a gateway as broken: it must fail the checks `kills`, and no other.

    Whether it fails those of `may_fail` is up to chance, such as which of two messages comes first.
    """

    def mark(gateway: type[G]) -> type[G]:
        gateway.name, gateway.sentence, gateway.kills = name, sentence, frozenset(kills)
        gateway.may_fail = frozenset(may_fail)
        return gateway

    return mark


def variant(parent: type[Gateway], name: str, sentence: str, *kills: str, **members: Any) -> type[Gateway]:
    """A broken gateway that is `parent` with other class members."""
    return broken(name, sentence, *kills)(type(name, (parent,), members))


def with_books(name: str, sentence: str, *kills: str) -> Callable[[type[Books]], type[Gateway]]:
    """A gateway that passes everything as it should, and keeps the wrong books that this stands on."""

    def mark(books: type[Books]) -> type[Gateway]:
        return variant(Gateway, name, sentence, *kills, books_type=books)

    return mark


class AsksTwice(Gateway):
    """A gateway that can ask the provider by itself."""

    async def ask(self, call: Call, method: bytes = b"", target: str = "") -> tuple[Head, asyncio.StreamReader]:
        """Ask the same, or the same of another target; the answer, its body read to the end."""
        up_reader, up_writer = await self.dial()
        try:
            body = bytes(call.asked)
            length = [(b"Content-Length", str(len(body)).encode())] if body else []
            first = (method or call.head.first[0]) + b" " + (target or call.target).encode("latin-1") + b" HTTP/1.1"
            up_writer.write(head_bytes(first, [*self.upstream_fields(call), *length]) + body)
            answer, up_reader = await Gateway.answer_head(self, call, up_reader)
            pieces = [piece async for piece in read_body(up_reader, answer, until_end=True)]
        finally:
            up_writer.transport.abort()
        return whole(answer, b"".join(pieces))


def whole(answer: Head, body: bytes) -> tuple[Head, asyncio.StreamReader]:
    """An answer with this body, to be read."""
    reader = asyncio.StreamReader()
    reader.feed_data(body)
    reader.feed_eof()
    framing = (b"transfer-encoding", b"content-length")
    fields: Fields = [field for field in answer.fields if field[0].lower() not in framing]
    return Head(answer.first, [*fields, (b"Content-Length", str(len(body)).encode())]), reader


class RewritesBodies(Gateway):
    """A gateway that reads the body of a request to its end, and may send another."""

    async def pass_on(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not call.is_live:
            await self.invite(call, writer)
            body = b"".join([piece async for piece in read_body(reader, call.head, until_end=False)])
            call.body = self.rewrite_body(call, body)
        await super().pass_on(call, reader, writer)

    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        """What is sent in place of a body."""
        return body

    def upstream_framing(self, call: Call) -> Fields:
        is_framed = call.head.is_chunked or call.head.length is not None
        return [(b"Content-Length", str(len(call.body)).encode())] if is_framed or call.body else []

    def upload(self, call: Call, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        return as_one_piece(call.body)


class RewritesAnswers(Gateway):
    """A gateway that reads some answers to their end, and sends others."""

    def rewrites(self, call: Call, answer: Head) -> bool:
        """Whether this answer is rewritten; others pass piece by piece."""
        return call.head.method != "HEAD"

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        """What the client gets in place of a body."""
        return body

    def download(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        pieces = super().download(call, answer, pieces)
        return self._rewritten(call, answer, pieces) if self.rewrites(call, answer) else pieces

    async def _rewritten(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield self.rewrite_answer(call, answer, b"".join([piece async for piece in pieces]))

    def client_fields(self, call: Call, answer: Head) -> Fields:
        fields = super().client_fields(call, answer)
        if not self.rewrites(call, answer):
            return fields
        return [field for field in fields if field[0].lower() != b"content-length"]

    def is_chunked_down(self, call: Call, answer: Head) -> bool:
        return self.rewrites(call, answer) or super().is_chunked_down(call, answer)


async def as_one_piece(data: bytes) -> AsyncIterator[bytes]:
    """Bytes as the only piece of a body; nothing if there are none."""
    if data:
        yield data
