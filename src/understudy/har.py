"""A redacted transcript as an HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), for viewers of such.

Bodies are digests, as everywhere outside the process. Frames stand in `_webSocketMessages`, as browsers write them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from .messages import Exchange, Request, Session, Transcript
from .redaction import Placeholders, digest_of, redacted_headers, redacted_target

Json = dict[str, Any]


def har_of(transcript: Transcript, *, version: str, epoch: datetime | None = None) -> Json:
    """The archive as a JSON value. `epoch` is the wall time at which the transcript's clock read 0 (default: 1970)."""
    placeholders = Placeholders()
    start = epoch or datetime.fromtimestamp(0, UTC)
    entries = [(e.started, _exchange_entry(e, start, placeholders)) for e in transcript.exchanges]
    entries += [(s.started, _session_entry(s, start, placeholders)) for s in transcript.sessions]
    ordered = [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]
    return {"log": {"version": "1.2", "creator": {"name": "understudy", "version": version}, "entries": ordered}}


def _exchange_entry(exchange: Exchange, epoch: datetime, placeholders: Placeholders) -> Json:
    response = exchange.response
    first = response.chunks[0].at if response and response.chunks else exchange.ended
    answer: Json = {
        **_empty_response(response.status if response else 0),
        "headers": _pairs(redacted_headers(response.headers, placeholders)) if response else [],
        "content": _content(response.body if response else b""),
        "bodySize": len(response.body) if response else -1,
    }
    return {
        **_entry(exchange.started, exchange.ended, first, epoch),
        "request": {**_request(exchange.request, placeholders), "bodySize": len(exchange.request.body)},
        "response": answer,
        "comment": _comment(exchange.origin.scenario, exchange.failure),
    }


def _session_entry(session: Session, epoch: datetime, placeholders: Placeholders) -> Json:
    ended = session.ended if session.ended is not None else session.started
    return {
        **_entry(session.started, ended, session.started, epoch),
        "request": {**_request(session.request, placeholders), "bodySize": 0},
        "response": {
            **_empty_response(session.status),
            "headers": _pairs(redacted_headers(session.answer_headers, placeholders)),
        },
        "_webSocketMessages": [
            {
                "type": "send" if frame.sender == "client" else "receive",
                "time": (epoch + timedelta(seconds=frame.at)).timestamp(),
                "opcode": frame.opcode,
                "data": digest_of(frame.payload),
            }
            for frame in session.frames
        ],
        "comment": _comment(session.origin.scenario, None),
    }


def _entry(started: float, ended: float, first: float, epoch: datetime) -> Json:
    wait, receive = max(first - started, 0.0) * 1000, max(ended - first, 0.0) * 1000
    return {
        "startedDateTime": (epoch + timedelta(seconds=started)).isoformat(),
        "time": wait + receive,
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": receive},
    }


def _request(request: Request, placeholders: Placeholders) -> Json:
    target = redacted_target(request.target, placeholders)
    query = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    return {
        "method": request.method,
        "url": f"http://simulator{target}",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(redacted_headers(request.headers, placeholders)),
        "queryString": _pairs(query),
        "headersSize": -1,
    }


def _empty_response(status: int) -> Json:
    return {
        "status": status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [],
        "content": _content(b""),
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": 0,
    }


def _content(body: bytes) -> Json:
    return {"size": len(body), "mimeType": "application/octet-stream", "text": digest_of(body)}


def _pairs(pairs: list[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs]


def _comment(scenario: str | None, failure: str | None) -> str:
    return "; ".join(part for part in (scenario, failure) if part)
