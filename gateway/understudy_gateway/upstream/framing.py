"""How requests are framed and how answers are (RFC 9112 6). Pure."""

import re
from typing import Final, Literal

from understudy.messages import RawHeaders

from .exchanges import RequestHead

Framing = Literal["none", "length", "chunked", "close"]
"""Where an answer's body ends: there is none, by its length, by its last chunk, or with the connection."""

LAST_CHUNK: Final = b"0\r\n\r\n"

_PHRASE: Final = re.compile(rb"[\t -~\x80-\xff]*")
_NO_BODY: Final = frozenset({204, 304})


def request_bytes(request: RequestHead) -> bytes:
    """The head of a request, framed by what is known of its body and by nothing the client said (S-37).

    Raises ValueError rather than let a line break out of its line (S-38).
    """
    lines = [
        request.method.encode("ascii") + b" " + request.target + b" HTTP/1.1",
        b"Host: " + request.upstream.authority.encode("ascii"),
    ]
    lines += [name + b": " + value for name, value in request.headers]
    if request.is_chunked:
        lines.append(b"Transfer-Encoding: chunked")
    elif request.length is not None:
        lines.append(b"Content-Length: %d" % request.length)
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise ValueError("a line break or NUL in a head")
    return head


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` must not be empty, or the body would end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def framing_of(method: str, status: int, version: str, headers: RawHeaders) -> tuple[Framing, int | None]:
    """How an answer's body is delimited, and the length that its head gives (RFC 9112 6.3).

    Raises ValueError where it can be read in two ways, or not at all: another transfer coding than one `chunked`, or
    one beside a length (S-41).
    """
    length: int | None = None
    is_chunked = False
    for name, value in headers:
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise ValueError("no length")
            length = int(value)
        elif size == 17 and name.lower() == b"transfer-encoding":
            if is_chunked or value.lower() != b"chunked" or version != "1.1":
                raise ValueError("no transfer coding that is known")
            is_chunked = True
    if is_chunked and length is not None:
        raise ValueError("a length beside a transfer coding")
    if method == "HEAD" or status in _NO_BODY:
        return "none", length
    if is_chunked:
        return "chunked", None
    if length is None:
        return "close", None
    return ("length" if length else "none"), length


def keeps_open(version: str, headers: RawHeaders) -> bool:
    """Whether the provider keeps the connection after this answer (RFC 9112 9.3); never with HTTP/1.0."""
    for name, value in headers:
        if len(name) == 10 and name.lower() == b"connection" and b"close" in _tokens(value):
            return False
    return version == "1.1"


def is_phrase(phrase: bytes) -> bool:
    """Whether a reason phrase has no control characters in it."""
    return _PHRASE.fullmatch(phrase) is not None


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(b" \t").lower() for token in value.split(b",")]
