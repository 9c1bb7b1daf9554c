"""A transcript as JSON and back, exactly: bodies as base64, header fields as pairs in order.

Header bytes become text by latin-1, which maps every byte to one character and back. This form is for the control
API alone; what goes to a file or a screen is redacted first (`redaction.py`).
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .errors import TargetError
from .messages import Chunk, Close, Exchange, Frame, Origin, RawHeaders, Request, Response, Session, Transcript

SCHEMA_VERSION: Final = 1

Json = dict[str, Any]


def to_json(transcript: Transcript) -> Json:
    """The JSON value of a transcript; `from_json` gives the same transcript back."""
    return {
        "schema_version": SCHEMA_VERSION,
        "dropped": transcript.dropped,
        "exchanges": [_exchange_to(exchange) for exchange in transcript.exchanges],
        "sessions": [_session_to(session) for session in transcript.sessions],
    }


def from_json(value: Mapping[str, Any]) -> Transcript:
    """The transcript that `to_json` wrote. Raises TargetError if `value` has another shape."""
    if value.get("schema_version") != SCHEMA_VERSION:
        raise TargetError(f"the transcript has schema_version {value.get('schema_version')!r}, wanted {SCHEMA_VERSION}")
    try:
        return Transcript(
            tuple(_exchange_from(entry) for entry in value["exchanges"]),
            tuple(_session_from(entry) for entry in value["sessions"]),
            value["dropped"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TargetError(f"the transcript is not in the documented form: {error!r}") from error


def _exchange_to(exchange: Exchange) -> Json:
    return {
        "id": exchange.id,
        "request": _request_to(exchange.request),
        "response": None if exchange.response is None else _response_to(exchange.response),
        "started": exchange.started,
        "ended": exchange.ended,
        "failure": exchange.failure,
        "origin": _origin_to(exchange.origin),
        "connection": exchange.connection,
    }


def _exchange_from(value: Json) -> Exchange:
    response = value["response"]
    return Exchange(
        value["id"],
        _request_from(value["request"]),
        None if response is None else _response_from(response),
        value["started"],
        value["ended"],
        value["failure"],
        _origin_from(value["origin"]),
        value["connection"],
    )


def _session_to(session: Session) -> Json:
    close = session.close
    return {
        "id": session.id,
        "request": _request_to(session.request),
        "status": session.status,
        "frames": [
            {"sender": f.sender, "opcode": f.opcode, "payload": _base64(f.payload), "at": f.at} for f in session.frames
        ],
        "close": None
        if close is None
        else {"sender": close.sender, "code": close.code, "reason": close.reason, "at": close.at},
        "started": session.started,
        "ended": session.ended,
        "origin": _origin_to(session.origin),
        "answer_headers": _headers_to(session.answer_headers),
    }


def _session_from(value: Json) -> Session:
    close = value["close"]
    return Session(
        value["id"],
        _request_from(value["request"]),
        value["status"],
        tuple(
            Frame(f["sender"], f["opcode"], b64decode(f["payload"], validate=True), f["at"]) for f in value["frames"]
        ),
        None if close is None else Close(close["sender"], close["code"], close["reason"], close["at"]),
        value["started"],
        value["ended"],
        _origin_from(value["origin"]),
        _headers_from(value["answer_headers"]),
    )


def _request_to(request: Request) -> Json:
    return {
        "method": request.method,
        "target": request.target,
        "headers": _headers_to(request.headers),
        "body": _base64(request.body),
    }


def _request_from(value: Json) -> Request:
    body = b64decode(value["body"], validate=True)
    return Request(value["method"], value["target"], _headers_from(value["headers"]), body)


def _response_to(response: Response) -> Json:
    return {
        "status": response.status,
        "headers": _headers_to(response.headers),
        "chunks": [{"data": _base64(chunk.data), "at": chunk.at} for chunk in response.chunks],
        "complete": response.complete,
    }


def _response_from(value: Json) -> Response:
    chunks = tuple(Chunk(b64decode(chunk["data"], validate=True), chunk["at"]) for chunk in value["chunks"])
    return Response(value["status"], _headers_from(value["headers"]), chunks, value["complete"])


def _origin_to(origin: Origin) -> Json:
    return {
        "scope": origin.scope,
        "surface": origin.surface,
        "scenario": origin.scenario,
        "misses": list(origin.misses),
        "faults": list(origin.faults),
    }


def _origin_from(value: Json) -> Origin:
    misses, faults = tuple(value["misses"]), tuple(value["faults"])
    return Origin(value["scope"], value["surface"], value["scenario"], misses, faults)


def _headers_to(headers: RawHeaders) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _headers_from(value: Sequence[Sequence[str]]) -> RawHeaders:
    return tuple((name.encode("latin-1"), text.encode("latin-1")) for name, text in value)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
