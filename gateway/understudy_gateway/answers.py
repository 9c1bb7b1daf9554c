"""An answer whose head is written as it is given: nothing invented, merged, re-ordered or re-cased (HDR-7).

aiohttp's StreamResponse adds Date, Server and Content-Type and writes fields as text; this one writes bytes.
"""

import asyncio
import re
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from understudy.messages import RawHeaders, header_values

from .refusals import Refusal, body_of, headers_of

FLUSH_S: Final = 2.0
"""How long the bytes that came before a break may take to reach the client."""

_PHRASE: Final = re.compile(rb"[\t -~\x80-\xff]*")
_RESET: Final = struct.pack("ii", 1, 0)


class Answer(web.StreamResponse):
    """One answer. `headers` are final but for framing: with neither Content-Length nor body the length is unknown."""

    def __init__(self, status: int, phrase: str, headers: RawHeaders, body: bytes | None = None) -> None:
        super().__init__(status=status)
        self._phrase = phrase.encode("utf-8", "surrogateescape")
        self._fields = headers
        self._whole = body
        self._writer: AbstractStreamWriter | None = None
        self._is_over = False
        self._is_delimited = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, and the body if it is known; a second call does nothing."""
        if self._writer is not None or self._is_over:
            return self._writer
        has_body = request.method != "HEAD" and self.status >= 200 and self.status not in (204, 304)
        extra: list[tuple[bytes, bytes]] = []
        is_chunked = False
        if self._whole is not None:
            extra.append((b"Content-Length", str(len(self._whole)).encode("ascii")))
        elif has_body and not header_values(self._fields, b"content-length"):
            is_chunked = self._is_delimited = request.version >= (1, 1)
            extra += [(b"Transfer-Encoding", b"chunked")] if is_chunked else []
        keeps = self._keep_alive is not False and request.keep_alive and self._is_delimited
        self._keep_alive = keeps
        if not keeps:
            extra.append((b"Connection", b"close"))
        elif request.version < (1, 1):
            extra.append((b"Connection", b"keep-alive"))
        self._writer = writer = request.writer
        head = self._head(request, (*self._fields, *extra))
        await writer.write(head + self._whole if self._whole and has_body else head)
        if is_chunked:
            writer.enable_chunking()
        return writer

    def _head(self, request: web.BaseRequest, fields: RawHeaders) -> bytes:
        phrase = self._phrase if _PHRASE.fullmatch(self._phrase) else b""
        version = b"1.0" if request.version < (1, 1) else b"1.1"
        lines = [b"HTTP/%b %d %b\r\n" % (version, self.status, phrase)]
        lines += [b"%b: %b\r\n" % field for field in fields]
        return b"".join(lines) + b"\r\n"

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes of the body; waits while the client is slow. Raises ConnectionError if it is gone."""
        assert self._writer is not None
        await self._writer.write(data)

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """End the body cleanly, unless it was ended or broken off before."""
        if not self._is_over and self._writer is not None:
            self._is_over = True
            await self._writer.write_eof()

    async def break_off(self, request: web.BaseRequest) -> None:
        """Break the connection so that the client cannot take what it got for the whole (STR-4).

        What was written before gets a short time to leave; where only the end of the connection would end the body
        (HTTP/1.0), it is reset.
        """
        self._is_over = True
        self._keep_alive = False
        transport = request.transport
        if transport is None:
            return
        try:
            async with asyncio.timeout(FLUSH_S):
                transport.set_write_buffer_limits(0)
                await request.writer.drain()
        except (TimeoutError, ConnectionError):
            pass
        finally:
            connection: socket.socket | None = transport.get_extra_info("socket")
            if not self._is_delimited and connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()


def own_answer(status: int, headers: RawHeaders, body: bytes, ids: RawHeaders) -> Answer:
    """An answer of the gateway's own, dated, with the request ids `ids`."""
    phrase = HTTPStatus(status).phrase
    date = (b"Date", formatdate(usegmt=True).encode("ascii"))
    return Answer(status, phrase, (date, *headers, *ids), body)


def refusal_answer(refusal: Refusal, ids: RawHeaders) -> Answer:
    """The answer that a refusal becomes."""
    return own_answer(refusal.status, headers_of(refusal), body_of(refusal), ids)
