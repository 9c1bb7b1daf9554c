"""What goes back to a client, as a value: status, header fields, the parts of the body, and what is done on purpose.

Header sets follow wire-http 3; names are spelled as Google's frontends spell them over HTTP/1.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from understudy.messages import RawHeaders
from understudy.scenario.model import Fault, Pause

from .encoding import error_array, pretty_json
from .google_errors import NOT_FOUND_PAGE, GoogleError

JSON_TYPE: Final = b"application/json; charset=UTF-8"
SSE_TYPE: Final = b"text/event-stream"

_VARY: Final[RawHeaders] = ((b"Vary", b"Origin"), (b"Vary", b"X-Origin"), (b"Vary", b"Referer"))
_SERVER: Final[RawHeaders] = (
    (b"Server", b"scaffolding on HTTPServer2"),
    (b"X-XSS-Protection", b"0"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"X-Content-Type-Options", b"nosniff"),
)
_ALT_SVC: Final[RawHeaders] = ((b"Alt-Svc", b'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000'),)

Part = bytes | Pause | Fault
"""A piece of the body (one write, one HTTP chunk), or what happens between two of them."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One answer. `before` is waited for ahead of the head; `fault` concerns the answer as a whole.

    `reset` True: no answer at all, the connection is reset. `speed` is that of the performance, None the clock's own.
    """

    status: int = 200
    headers: RawHeaders = ()
    parts: tuple[Part, ...] = ()
    before: tuple[Pause | Fault, ...] = ()
    fault: Fault | None = None
    reset: bool = False
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Manner:
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
    headers: RawHeaders = ((b"Content-Type", content_type),)
    if content_type == SSE_TYPE:
        headers += ((b"Content-Disposition", b"attachment"),)
    headers += (*_VARY, *_SERVER)
    if not manner.is_vertex:
        headers += ((b"Server-Timing", f"gfet4t7; dur={manner.duration_ms}".encode()),)
        if manner.has_tier:
            headers += ((b"X-Gemini-Service-Tier", b"standard"),)
    return headers + _ALT_SVC


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


def media_answer(data: bytes, content_type: bytes) -> Outgoing:
    """A downloaded file."""
    headers: RawHeaders = (
        (b"Content-Type", content_type),
        (b"Content-Length", str(len(data)).encode()),
        (b"Content-Disposition", b"attachment"),
        *_VARY,
        *_SERVER,
        *_ALT_SVC,
    )
    return Outgoing(200, headers, (data,))


def scripted_answer(
    status: int, headers: RawHeaders, parts: tuple[Part, ...], manner: Manner, content_type: bytes
) -> Outgoing:
    """An answer whose body a scenario gives: the service's header fields, those of the scenario in their stead."""
    return Outgoing(status, _over(service_headers(manner, content_type), headers), parts)


def type_of_body(body: bytes) -> bytes:
    """The content type of a body for which a scenario names none: JSON by its first byte, text if it is UTF-8."""
    if not body or body.lstrip()[:1] in (b"{", b"["):
        return JSON_TYPE
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return b"application/octet-stream"
    return b"text/plain; charset=UTF-8"


def _over(usual: RawHeaders, special: RawHeaders) -> RawHeaders:
    replaced = {name.lower() for name, _ in special}
    return tuple((name, value) for name, value in usual if name.lower() not in replaced) + special
