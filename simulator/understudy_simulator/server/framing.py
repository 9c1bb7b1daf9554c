"""Response heads and chunks as bytes (RFC 9112 sections 4, 6, 7). Pure."""

from http import HTTPStatus
from typing import Final, NamedTuple

from understudy.messages import RawHeaders

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_WITHOUT_BODY: Final = (204, 304)
"""Statuses whose answers end with their head, as those to HEAD do (RFC 9110 sections 6.4.1, 9.3.2)."""

_CHUNKED: Final[RawHeaders] = ((b"Transfer-Encoding", b"chunked"),)
LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Framing(NamedTuple):
    """How the body of an answer is framed. `length` None: in chunks, or by the end of the connection.

    `closes`: the connection ends with this answer. `has_date`, `has_connection`, `has_coding`: the answer has these
    header fields of its own.
    """

    has_body: bool
    is_chunked: bool
    length: int | None
    closes: bool
    has_date: bool = False
    has_connection: bool = False
    has_coding: bool = False


_LENGTHS: Final = frozenset(map(len, (b"date", b"connection", b"content-length", b"transfer-encoding")))


def framing_of(method: str, is_http_11: bool, keeps_alive: bool, status: int, headers: RawHeaders) -> Framing:
    """The framing of an answer with these header fields to a request of that method."""
    length: int | None = None
    has_date = has_connection = has_coding = says_close = False
    for name, value in headers:
        # Most names are told apart by their lengths, and need not be made lower case.
        if len(name) not in _LENGTHS:
            continue
        lowered = name.lower()
        if lowered == b"date":
            has_date = True
        elif lowered == b"connection":
            has_connection = True
            says_close = says_close or b"close" in [part.strip().lower() for part in value.split(b",")]
        elif lowered == b"content-length":
            length = int(value) if value.isdigit() else None
        elif lowered == b"transfer-encoding":
            has_coding = True
    has_body = method != "HEAD" and status not in _WITHOUT_BODY
    is_chunked = has_body and length is None and is_http_11
    closes = not keeps_alive or says_close or (has_body and length is None and not is_chunked)
    return Framing(has_body, is_chunked, length, closes, has_date, has_connection, has_coding)


def completed(headers: RawHeaders, framing: Framing, date: bytes, is_http_11: bool) -> RawHeaders:
    """The header fields as sent: with `Date`, and with those of the framing, unless an answer has its own."""
    if framing.is_chunked and not framing.has_coding:
        headers += _CHUNKED
    if not framing.has_date:
        headers += ((b"Date", date),)
    if not framing.has_connection:
        if framing.closes and is_http_11:
            headers += ((b"Connection", b"close"),)
        elif not framing.closes and not is_http_11:
            headers += ((b"Connection", b"keep-alive"),)
    return headers


def head_bytes(status: int, headers: RawHeaders) -> bytes:
    """Status line and header fields."""
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b"")), *map(b": ".join, headers), b"", b""]
    return b"\r\n".join(lines)


def chunk_bytes(data: bytes) -> bytes:
    """One chunk; `data` must not be empty, since an empty chunk is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)
