"""Response heads and chunks as bytes (RFC 9112 sections 4, 6, 7). Pure."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from understudy.messages import RawHeaders, header_value, header_values

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_WITHOUT_BODY: Final = (204, 304)
"""Statuses whose answers end with their head, as those to HEAD do (RFC 9110 sections 6.4.1, 9.3.2)."""

LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body of an answer is framed. `length` None: in chunks, or by the end of the connection.

    `closes`: the connection ends with this answer.
    """

    has_body: bool
    is_chunked: bool
    length: int | None
    closes: bool


def framing_of(method: str, is_http_11: bool, keeps_alive: bool, status: int, headers: RawHeaders) -> Framing:
    """The framing of an answer with these header fields to a request of that method."""
    given = header_value(headers, b"content-length")
    length = int(given) if given is not None and given.isdigit() else None
    has_body = method != "HEAD" and status not in _WITHOUT_BODY
    is_chunked = has_body and length is None and is_http_11
    ends_by_close = has_body and length is None and not is_chunked
    closes = not keeps_alive or ends_by_close or b"close" in _listed(headers, b"connection")
    return Framing(has_body, is_chunked, length, closes)


def completed(headers: RawHeaders, framing: Framing, date: bytes, is_http_11: bool) -> RawHeaders:
    """The header fields as sent: with `Date`, and with those of the framing, unless an answer has its own."""
    names = {name.lower() for name, _ in headers}
    if framing.is_chunked and b"transfer-encoding" not in names:
        headers += ((b"Transfer-Encoding", b"chunked"),)
    if b"date" not in names:
        headers += ((b"Date", date),)
    if b"connection" not in names:
        if framing.closes and is_http_11:
            headers += ((b"Connection", b"close"),)
        elif not framing.closes and not is_http_11:
            headers += ((b"Connection", b"keep-alive"),)
    return headers


def head_bytes(status: int, headers: RawHeaders) -> bytes:
    """Status line and header fields."""
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b""))]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk_bytes(data: bytes) -> bytes:
    """One chunk; `data` must not be empty, since an empty chunk is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _listed(headers: RawHeaders, name: bytes) -> tuple[bytes, ...]:
    """The members of a list field, in lower case."""
    return tuple(part.strip().lower() for value in header_values(headers, name) for part in value.split(b","))
