"""Requests as they came: exact target, header order and case, body bytes; what aiohttp changed is undone."""

import asyncio
import zlib
from typing import Final

from aiohttp import web

from understudy.messages import Request

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PATIENCE_S: Final = 600
_DECODED_LIMIT: Final = 256 * 1024 * 1024


class BodyTooLarge(Exception):
    """The request's body is beyond the limit."""


def request_of(request: web.BaseRequest, body: bytes = b"") -> Request:
    """The request as a value. The target is that of the request line, its bytes read as latin-1."""
    target = request.raw_path.encode("utf-8", "surrogateescape").decode("latin-1")
    return Request(request.method, target, tuple(request.raw_headers), body)


async def read_body(request: web.BaseRequest, limit: int, parts: list[bytes]) -> None:
    """Read the body, without its framing and not decompressed, into `parts`; they keep what came if it breaks off.

    Raises BodyTooLarge beyond `limit` bytes, TimeoutError if it does not come to its end in ten minutes, and what
    aiohttp raises if the client sends nonsense.
    """
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(_CONTINUE)
    length = request.content_length
    if length is not None and length > limit:
        raise BodyTooLarge
    size = 0
    async with asyncio.timeout(_PATIENCE_S):
        async for part in request.content.iter_any():
            size += len(part)
            if size > limit:
                raise BodyTooLarge
            parts.append(part)


def inflated(body: bytes) -> bytes:
    """A gzip body as it was before, for reading; what cannot be undone stays as it is."""
    try:
        return zlib.decompressobj(wbits=31).decompress(body, _DECODED_LIMIT)
    except zlib.error:
        return body
