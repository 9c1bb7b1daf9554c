"""What goes back to a client, as a value: status, header fields, the parts of the body, and what is done on purpose.

Header sets follow wire-http 3; names are spelled as Google's frontends spell them over HTTP/1.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from understudy.messages import RawHeaders
from understudy.provider_errors.requests import NOT_FOUND_PAGE
from understudy.scenario.model import Fault, Pause

from .encoding import error_array, pretty_json
from .google_errors import GoogleError

JSON_TYPE: Final = b"application/json; charset=UTF-8"
SSE_TYPE: Final = b"text/event-stream"

_VARY: Final[RawHeaders] = ((b"Vary", b"Origin"), (b"Vary", b"X-Origin"), (b"Vary", b"Referer"))
_SERVER: Final[RawHeaders] = (
    (b"Server", b"scaffolding on HTTPServer2"),
    (b"X-XSS-Protection", b"0"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"X-Content-Type-Options", b"nosniff"),
)
_EVERYWHERE: Final[RawHeaders] = (*_VARY, *_SERVER)
_TIER: Final[RawHeaders] = ((b"X-Gemini-Service-Tier", b"standard"),)
_ALT_SVC: Final[RawHeaders] = ((b"Alt-Svc", b'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000'),)

_JSON_STARTS: Final = (b"{", b"[")
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class FileSpan:
    """`size` bytes of a file from `start` on, read while they are sent."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Media:
    """A download: bytes, or a file, of `size` bytes; `Range` is honoured by who sends it."""

    source: bytes | Path
    content_type: str
    size: int
    headers: RawHeaders = ()


Part = bytes | FileSpan | Pause | Fault
"""A piece of the body (one write, one HTTP chunk; of a file, several), or what happens between two of them."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One answer. `before` is waited for ahead of the head; `faults` concern the answer as a whole.

    `speed` is that of the performance, None the clock's own. `told` are faults that have been done already, as
    the transcript has them.
    """

    status: int = 200
    headers: RawHeaders = ()
    parts: tuple[Part, ...] = ()
    before: tuple[Pause | Fault, ...] = ()
    faults: tuple[Fault, ...] = ()
    speed: float | None = None
    told: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is bytes from end to end, with no pause and no fault: it can be written at once."""
        if self.before or self.faults:
            return False
        return all(isinstance(part, bytes) for part in self.parts)


class Manner(NamedTuple):
    """How a service dresses an answer: which service, the figure in `server-timing`, and whether it is a stream.

    `wraps_errors`: errors come in a one-element array (streams without `alt=sse`, wire-http 5.1).
    """

    is_vertex: bool
    duration_ms: int
    is_sse: bool = False
    wraps_errors: bool = False
    has_tier: bool = False


def service_headers(manner: Manner, content_type: bytes) -> RawHeaders:
    """The header fields of a service's answer, all but `Date` and the framing."""
    headers: RawHeaders = ((b"Content-Type", content_type), *_EVERYWHERE)
    if content_type == SSE_TYPE:
        headers = (headers[0], (b"Content-Disposition", b"attachment"), *_EVERYWHERE)
    if manner.is_vertex:
        return headers + _ALT_SVC
    timing = (b"Server-Timing", b"gfet4t7; dur=%d" % manner.duration_ms)
    return (*headers, timing, *_TIER, *_ALT_SVC) if manner.has_tier else (*headers, timing, *_ALT_SVC)


def json_answer(value: Mapping[str, Any], manner: Manner, status: int = 200) -> Outgoing:
    """A unary answer."""
    return Outgoing(status, service_headers(manner, JSON_TYPE), (pretty_json(value),))


def error_answer(error: GoogleError, manner: Manner) -> Outgoing:
    """A refusal in the envelope that the request calls for."""
    headers = _over(service_headers(manner, JSON_TYPE), error.headers)
    body = error_array(error.value) if manner.wraps_errors else pretty_json(error.value)
    return Outgoing(error.status, headers, (body,))


def not_found_page(path: str) -> Outgoing:
    """The frontend's page for a path that no API has."""
    body = NOT_FOUND_PAGE.format(path=escape(path)).encode("utf-8", "replace")
    headers: RawHeaders = (
        (b"Content-Type", b"text/html; charset=UTF-8"),
        (b"Referrer-Policy", b"no-referrer"),
        (b"Content-Length", str(len(body)).encode()),
        *_SERVER[-1:],
        *_ALT_SVC,
    )
    return Outgoing(404, headers, (body,))


def token_answer(value: Mapping[str, Any], status: int) -> Outgoing:
    """An answer of the OAuth token endpoint (wire-http 3, last column)."""
    headers: RawHeaders = (
        (b"Expires", b"Mon, 01 Jan 1990 00:00:00 GMT"),
        (b"Pragma", b"no-cache"),
        (b"Cache-Control", b"no-cache, no-store, max-age=0, must-revalidate"),
        (b"Content-Type", b"application/json; charset=utf-8"),
        *_VARY,
        *_SERVER,
        *_ALT_SVC,
    )
    return Outgoing(status, headers, (pretty_json(value),))


def media_answer(media: Media, range_header: str | None) -> Outgoing:
    """A download: all of it, or (206, 416) what `Range` asks for (RFC 9110 section 14)."""
    asked = wanted_range(range_header, media.size)
    headers: RawHeaders = ((b"Content-Type", media.content_type.encode()), (b"Accept-Ranges", b"bytes"))
    status, start, end = 200, 0, media.size
    if asked == "unsatisfiable":
        headers += ((b"Content-Range", b"bytes */%d" % media.size),)
        status, start, end = 416, 0, 0
    elif asked is not None:
        status, (start, end) = 206, asked
        headers += ((b"Content-Range", b"bytes %d-%d/%d" % (start, end - 1, media.size)),)
    headers += ((b"Content-Length", str(end - start).encode()), (b"Content-Disposition", b"attachment"))
    headers = _over((*headers, *_VARY, *_SERVER, *_ALT_SVC), media.headers)
    source = media.source
    part = source[start:end] if isinstance(source, bytes) else FileSpan(source, start, end - start)
    return Outgoing(status, headers, (part,))


def wanted_range(header: str | None, size: int) -> tuple[int, int] | Literal["unsatisfiable"] | None:
    """The one range that a `Range` field asks for, as start and end (exclusive); None: all of it.

    Fields that ask for several ranges, or that are malformed, are ignored, as RFC 9110 section 14.2 allows.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size
    else:
        start = int(found[1])
        end = min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    return (start, end) if start < end else "unsatisfiable"


def scripted_answer(
    status: int, headers: RawHeaders, parts: tuple[Part, ...], manner: Manner, content_type: bytes
) -> Outgoing:
    """An answer whose body a scenario gives: the service's header fields, those of the scenario in their stead."""
    return Outgoing(status, _over(service_headers(manner, content_type), headers), parts)


def type_of_body(body: bytes) -> bytes:
    """The content type of a body for which a scenario names none: JSON by its first byte, text if it is UTF-8."""
    if not body or body[:1] in _JSON_STARTS or body.lstrip()[:1] in _JSON_STARTS:
        return JSON_TYPE
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return b"application/octet-stream"
    return b"text/plain; charset=UTF-8"


def _over(usual: RawHeaders, special: RawHeaders) -> RawHeaders:
    if not special:
        return usual
    replaced = {name.lower() for name, _ in special}
    return tuple((name, value) for name, value in usual if name.lower() not in replaced) + special
