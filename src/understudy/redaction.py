"""What may leave the process: a transcript without its secrets and without its bodies (security-reliability S-14).

Header values are shown only for names on a list. Credentials become numbered placeholders, so that two places that
carried the same one can still be compared; bodies, frames and all other values become a length and a digest.
"""

import hashlib
import re
from typing import Any, Final
from urllib.parse import unquote_plus

from .messages import BINARY, CLOSE, PING, PONG, TEXT, Exchange, Frame, RawHeaders, Request, Session, Transcript

SHOWN_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "accept-ranges", "alt-svc", "cache-control", "connection"),
        *("content-disposition", "content-encoding", "content-length", "content-range", "content-type", "date"),
        *("expect", "host", "range", "retry-after", "sec-websocket-extensions", "sec-websocket-version", "server"),
        *("server-timing", "transfer-encoding", "upgrade", "user-agent", "vary", "x-content-type-options"),
        *("x-frame-options", "x-gemini-service-tier", "x-goog-api-client", "x-goog-upload-command"),
        *("x-goog-upload-offset", "x-goog-upload-protocol", "x-goog-upload-status", "x-litellm-call-id"),
        *("x-litellm-response-cost", "x-server-timeout", "x-understudy-error", "x-understudy-request-id"),
        *("x-understudy-scope", "x-xss-protection"),
    }
)
"""Header fields whose values hold no secret by their nature."""

CREDENTIAL_HEADERS: Final = frozenset(
    {
        *("api-key", "authorization", "cookie", "ocp-apim-subscription-key", "proxy-authorization"),
        *("sec-websocket-protocol", "set-cookie", "x-api-key", "x-goog-api-key", "x-litellm-api-key"),
    }
)
"""Header fields that carry credentials."""

CREDENTIAL_PARAMETERS: Final = frozenset({"key", "access_token", "oauth_token", "upload_id"})
"""Query parameters that carry credentials."""

_EXCERPT: Final = re.compile(r'found "(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL)
"""An excerpt of a body in a reason, as `json_subset.shown` writes it: a JSON string, maybe cut."""

_OPCODES: Final = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}

Json = dict[str, Any]


class Placeholders:
    """Numbers secrets in the order in which they are met: equal secrets get equal numbers."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def of(self, secret: bytes) -> str:
        """`<credential N>` for a secret; a `Bearer ` in front is not part of it."""
        bare = secret[7:] if secret[:7].lower() == b"bearer " else secret
        return f"<credential {self._numbers.setdefault(bare, len(self._numbers) + 1)}>"


def digest_of(data: bytes) -> str:
    """`N bytes sha256:...`: enough to compare two bodies, nothing of what they say."""
    return f"{len(data)} bytes sha256:{hashlib.sha256(data).hexdigest()}"


def redacted_headers(headers: RawHeaders, placeholders: Placeholders) -> list[tuple[str, str]]:
    """Header fields as text, in order: shown, numbered or digested by their name."""
    return [(name.decode("latin-1"), _header_value(name, value, placeholders)) for name, value in headers]


def _header_value(name: bytes, value: bytes, placeholders: Placeholders) -> str:
    lowered = name.decode("latin-1").lower()
    if lowered in SHOWN_HEADERS:
        return value.decode("latin-1")
    if lowered in CREDENTIAL_HEADERS:
        return placeholders.of(value)
    return digest_of(value)


def redacted_target(target: str, placeholders: Placeholders | None = None) -> str:
    """A request target whose credential parameters are replaced; safe for one line of a log.

    Names are compared after decoding, as a gateway must (S-2). Without `placeholders` the value is just `***`.
    """
    path, mark, query = target.partition("?")
    shown = "&".join(_parameter(parameter, placeholders) for parameter in query.split("&"))
    return "".join(char if char.isprintable() else "?" for char in path + mark + shown)


def _parameter(parameter: str, placeholders: Placeholders | None) -> str:
    name, mark, value = parameter.partition("=")
    if unquote_plus(name) not in CREDENTIAL_PARAMETERS:
        return parameter
    return name + mark + (placeholders.of(value.encode()) if placeholders else "***")


def redacted_reason(reason: str) -> str:
    """Why something did not fit, without the texts that were found: they are parts of bodies."""
    return _EXCERPT.sub("found another text", reason)


def redacted(transcript: Transcript) -> Json:
    """A transcript as a JSON value that may be printed, logged or written to a file."""
    placeholders = Placeholders()
    return {
        "dropped": transcript.dropped,
        "exchanges": [_exchange(exchange, placeholders) for exchange in transcript.exchanges],
        "sessions": [_session(session, placeholders) for session in transcript.sessions],
    }


def _exchange(exchange: Exchange, placeholders: Placeholders) -> Json:
    response = exchange.response
    return {
        "id": exchange.id,
        "scope": exchange.origin.scope,
        "surface": exchange.origin.surface,
        "scenario": exchange.origin.scenario,
        "misses": [redacted_reason(miss) for miss in exchange.origin.misses],
        "faults": list(exchange.origin.faults),
        "started": exchange.started,
        "ended": exchange.ended,
        "failure": exchange.failure,
        "request": _request(exchange.request, placeholders) | {"body": digest_of(exchange.request.body)},
        "response": None
        if response is None
        else {
            "status": response.status,
            "headers": redacted_headers(response.headers, placeholders),
            "body": digest_of(response.body),
            "chunks": [{"bytes": len(chunk.data), "at": chunk.at} for chunk in response.chunks],
            "complete": response.complete,
        },
    }


def _session(session: Session, placeholders: Placeholders) -> Json:
    close = session.close
    return {
        "id": session.id,
        "scope": session.origin.scope,
        "surface": session.origin.surface,
        "scenario": session.origin.scenario,
        "misses": [redacted_reason(miss) for miss in session.origin.misses],
        "faults": list(session.origin.faults),
        "started": session.started,
        "ended": session.ended,
        "status": session.status,
        "request": _request(session.request, placeholders),
        "answer_headers": redacted_headers(session.answer_headers, placeholders),
        "frames": [_frame(frame) for frame in session.frames],
        "close": None
        if close is None
        else {"sender": close.sender, "code": close.code, "reason": redacted_reason(close.reason), "at": close.at},
    }


def _request(request: Request, placeholders: Placeholders) -> Json:
    return {
        "method": request.method,
        "target": redacted_target(request.target, placeholders),
        "headers": redacted_headers(request.headers, placeholders),
    }


def _frame(frame: Frame) -> Json:
    opcode = _OPCODES.get(frame.opcode, str(frame.opcode))
    return {"sender": frame.sender, "opcode": opcode, "payload": digest_of(frame.payload), "at": frame.at}
