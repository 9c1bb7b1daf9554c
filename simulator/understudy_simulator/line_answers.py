"""One request of a batch, answered as the same request by itself would be. Pure.

Inside a batch nothing is refused as a whole: what is wrong with a request becomes the error of its line (wire-http 9).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson, decode_json

from .answering import generate
from .answers.embeddings import embed_answer, embedding_mistake
from .call import Call, Json
from .catalogue import Model, model_of
from .google_errors import GoogleError, invalid_argument
from .ids import Identity
from .long_running import status_of
from .validation.loading import descriptions
from .validation.reading import request_error
from .validation.rules import request_rules

Verb = Literal["generateContent", "embedContent"]
"""What the requests of a batch ask for."""

_MESSAGES: Final[Mapping[Verb, str]] = {
    "generateContent": "GenerateContentRequest",
    "embedContent": "EmbedContentRequest",
}


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One request of a batch; `carried` goes over to its answer: the `key` of a JSONL line, inline `metadata`.

    `request` None: the line was no JSON object with a `request`.
    """

    request: Any
    carried: Mapping[str, Any]


def lines_of_jsonl(data: bytes) -> tuple[BatchLine, ...]:
    """The requests of a JSONL file, `{"key", "request"}` per line; empty lines do not count."""
    return tuple(_line(text) for text in data.splitlines() if text.strip())


def _line(text: bytes) -> BatchLine:
    value = decode_json(text)
    if not isinstance(value, dict):
        return BatchLine(None, {})
    members = cast("dict[str, Any]", value)
    carried = {"key": members["key"]} if "key" in members else {}
    return BatchLine(members.get("request"), carried)


def answered(call: Call, verb: Verb, model: str, line: BatchLine, identity: Identity) -> dict[str, Any]:
    """The line's answer: what it carried, and `response` or `error` (a google.rpc.Status).

    `call` is any call of the service that has the batch; `model` a bare id; `identity` where the line's ids come from.
    """
    said = _answer(call, verb, model, line.request, identity)
    if isinstance(said, GoogleError):
        return {**line.carried, "error": status_of(said)}
    return {**line.carried, "response": said}


def _answer(call: Call, verb: Verb, model: str, request: Any, identity: Identity) -> Mapping[str, Any] | GoogleError:
    if not isinstance(request, dict):
        return invalid_argument("Invalid JSON payload received. A line must be an object with a 'request'.")
    body = LazyJson(json.dumps(request, ensure_ascii=False).encode("utf-8", "replace"))
    refusal = request_error(descriptions(call.service, call.version), _MESSAGES[verb], body)
    refusal = refusal or request_rules(call.service, verb, model, body.value)
    if refusal is not None:
        return refusal
    if verb == "embedContent":
        card = model_of(model, call.is_vertex, now=call.now)
        return invalid_argument() if card is None else _embedded(body.value, card, call.is_vertex)
    said = generate(_call_of(call, model, body, identity))
    match said:
        case Json(value):
            return value
        case GoogleError():
            return said
        case _:
            raise TypeError(f"{type(said).__name__} is no whole answer")


def _embedded(request: Any, model: Model, is_vertex: bool) -> Mapping[str, Any] | GoogleError:
    mistake = embedding_mistake(request, model)
    return embed_answer(request, model, is_vertex) if mistake is None else invalid_argument(mistake)


def _call_of(call: Call, model: str, body: LazyJson, identity: Identity) -> Call:
    """The call that the line would be by itself."""
    version = call.version or "v1beta"
    request = Request("POST", f"/{version}/models/{model}:generateContent", (), body.raw)
    return replace(
        call,
        request=request,
        rpc="generateContent",
        version=version,
        names={"model": model},
        query={},
        body=body,
        identity=identity,
        known_place=None,
    )
