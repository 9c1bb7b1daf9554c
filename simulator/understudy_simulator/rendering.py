"""Answers of handlers as what goes out on the wire: layouts, framings, header fields (wire-http 2-4). Pure."""

from typing import Final, assert_never

from .call import Call, Chunks, Events, Json, Plain
from .encoding import ArrayFraming, SseFraming, array_element, one_line_json, pretty_json
from .google_errors import GoogleError
from .replies import (
    JSON_TYPE,
    SSE_TYPE,
    Manner,
    Media,
    Outgoing,
    error_answer,
    media_answer,
    scripted_answer,
    service_headers,
)

Rendered = Json | Chunks | Events | Plain | Media | GoogleError | Outgoing

_STREAMS: Final = ("streamGenerateContent", "serverStreamingPredict")
_WITH_TIER: Final = ("generateContent", "streamGenerateContent")


def manner_of(call: Call, pattern: str) -> Manner:
    """How the service dresses its answer to a call of the route with that pattern."""
    is_stream = call.rpc in _STREAMS
    is_sse = is_stream and call.query.get("alt") == "sse"
    wraps = (is_stream and not is_sse) or pattern.startswith(("openai/", "endpoints/openapi"))
    return Manner(
        call.is_vertex,
        call.identity.duration_ms,
        is_sse=is_sse,
        wraps_errors=wraps,
        has_tier=call.rpc in _WITH_TIER,
    )


def rendered(answer: Rendered, manner: Manner, range_header: str | None = None) -> Outgoing:
    """The wire's form of an answer. `range_header` is the request's `Range`, heeded by downloads."""
    match answer:
        case Json():
            return scripted_answer(answer.status, answer.headers, (pretty_json(answer.value),), manner, JSON_TYPE)
        case GoogleError():
            return error_answer(answer, manner)
        case Outgoing():
            return answer
        case Chunks():
            return _stream(answer, manner)
        case Events():
            return scripted_answer(200, answer.headers, answer.events, manner, SSE_TYPE)
        case Plain():
            return Outgoing(answer.status, answer.headers, (answer.body,))
        case Media():
            return media_answer(answer, range_header)
        case _:
            assert_never(answer)


def _stream(chunks: Chunks, manner: Manner) -> Outgoing:
    if manner.is_sse:
        sse = SseFraming()
        events = tuple(sse.element(one_line_json(value)) for value in chunks.values)
        return Outgoing(200, service_headers(manner, SSE_TYPE), events)
    array = ArrayFraming()
    elements = tuple(array.element(array_element(value)) for value in chunks.values)
    return Outgoing(200, service_headers(manner, JSON_TYPE), (*elements, array.end()))
