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

from understudy.messages import RawHeaders, header_value

from .refusals import Refusal, body_of, headers_of

FLUSH_S: Final = 2.0
"""How long the bytes that came before a break may take to reach the client."""

LAST_CHUNK: Final = b"0\r\n\r\n"

_PHRASE: Final = re.compile(rb"[\t -~\x80-\xff]*")
_RESET: Final = struct.pack("ii", 1, 0)


class Answer(web.StreamResponse):
    """One answer. `headers` are final but for framing: with neither Content-Length nor body the length is unknown."""

    def __init__(self, status: int, phrase: bytes, headers: RawHeaders, body: bytes | None = None) -> None:
        # Not the base's: it makes a table of fields and a text of the status, and neither is used.
        self._status = status
        self._phrase = phrase if _PHRASE.fullmatch(phrase) else b""
        self._fields = headers
        self._whole = body
        self._request: web.BaseRequest | None = None
        self._has_body = False
        self._is_chunked = False
        self._is_over = False
        self._is_delimited = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """What aiohttp calls when the handler has returned: writes an answer that was not written yet."""
        if self._request is None and not self._is_over:
            self.begin(request, self._whole or b"", is_whole=self._whole is not None)
            await self.drain()
        return None

    def begin(self, request: web.BaseRequest, data: bytes = b"", *, is_whole: bool = False) -> None:
        """Write the head and what is there of the body, in one piece; `is_whole`: nothing will follow.

        Raises ConnectionError if the client is gone.
        """
        self._request = request
        self._has_body = request.method != "HEAD" and self.status >= 200 and self.status not in (204, 304)
        extra: list[tuple[bytes, bytes]] = []
        if self._whole is not None:
            extra.append((b"Content-Length", b"%d" % len(self._whole)))
        elif self._has_body and header_value(self._fields, b"content-length") is None:
            self._is_chunked = self._is_delimited = request.version >= (1, 1)
            extra += [(b"Transfer-Encoding", b"chunked")] if self._is_chunked else []
        keeps = self._keep_alive is not False and request.keep_alive and self._is_delimited
        self._keep_alive = keeps
        if not keeps:
            extra.append((b"Connection", b"close"))
        elif request.version < (1, 1):
            extra.append((b"Connection", b"keep-alive"))
        body = self._framed(data) if self._has_body else b""
        if is_whole:
            self._is_over = True
            body += LAST_CHUNK if self._is_chunked else b""
        self._put(self._head(request, (*self._fields, *extra)) + body)

    def _head(self, request: web.BaseRequest, fields: RawHeaders) -> bytes:
        version = b"1.0" if request.version < (1, 1) else b"1.1"
        lines = [b"HTTP/%b %d %b" % (version, self.status, self._phrase)]
        lines += [name + b": " + value for name, value in fields]
        lines.append(b"\r\n")
        return b"\r\n".join(lines)

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked and data else data

    def _put(self, data: bytes) -> None:
        request = self._request
        transport = request.transport if request is not None else None
        if request is None or transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        request.writer.output_size += len(data)
        transport.write(data)

    def put(self, data: bytes) -> None:
        """Write bytes of the body; they are not waited for. Raises ConnectionError if the client is gone."""
        if data and self._has_body:
            self._put(self._framed(data))

    @property
    def is_choked(self) -> bool:
        """Whether the client reads slower than is written, so that `drain` waits."""
        request = self._request
        return request is not None and request.protocol.writing_paused

    async def drain(self) -> None:
        """Wait until the client has read enough. Raises ConnectionError if it is gone."""
        if self.is_choked and self._request is not None:
            await self._request.writer.drain()

    def finish(self) -> None:
        """End the body cleanly, unless it was ended or broken off before."""
        if not self._is_over and self._request is not None:
            self._is_over = True
            if self._is_chunked:
                self._put(LAST_CHUNK)

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """What aiohttp calls at the end."""
        self.finish()

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


def own_answer(status: int, headers: RawHeaders, body: bytes | None, ids: RawHeaders) -> Answer:
    """An answer of the gateway's own, dated, with the request ids `ids`."""
    phrase = HTTPStatus(status).phrase.encode("ascii")
    date = (b"Date", formatdate(usegmt=True).encode("ascii"))
    return Answer(status, phrase, (date, *headers, *ids), body)


def refusal_bytes(refusal: Refusal, ids: RawHeaders) -> bytes:
    """The whole answer that a refusal becomes where there is no request; the connection is to be closed after it."""
    body = body_of(refusal)
    phrase = HTTPStatus(refusal.status).phrase.encode("ascii")
    framing = ((b"Content-Length", b"%d" % len(body)), (b"Connection", b"close"))
    fields = ((b"Date", formatdate(usegmt=True).encode("ascii")), *headers_of(refusal), *ids, *framing)
    lines = [b"HTTP/1.1 %d %b" % (refusal.status, phrase), *(name + b": " + value for name, value in fields)]
    return b"\r\n".join((*lines, b"", body))


def refusal_answer(refusal: Refusal, ids: RawHeaders) -> Answer:
    """The answer that a refusal becomes."""
    return own_answer(refusal.status, headers_of(refusal), body_of(refusal), ids)
