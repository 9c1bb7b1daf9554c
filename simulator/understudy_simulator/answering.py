"""What the simulator says by itself to a call of a Google model: an answer, a stream, the start of a video. Pure.

A tuned model, or an endpoint that serves one, answers as its base model does.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from understudy.scenario.json_subset import NOT_JSON, decode_json
from understudy.scenario.model import StartOperation, Videos

from .answers.counting import count_answer
from .answers.generate import Stamp, stream_answer, whole_answer
from .answers.reading import text_in
from .answers.videos import wish_of
from .cached_content import cached_tokens
from .call import Answer, Begin, Call, Chunks, Json
from .catalogue import Model, model_of
from .clock import rfc3339
from .google_errors import GoogleError, invalid_argument, malformed_json, unknown_model
from .tuned import tuned_base

_EXCERPT: Final = 60
_TEXT: Final = "TEXT"
_REMEMBERED_SIZE: Final = 16 * 1024
"""Bodies of so many bytes at most may be remembered with their answers."""


def generate(call: Call) -> Answer:
    """The answer to generateContent, streamGenerateContent, countTokens and predictLongRunning."""
    model = _model(call)
    if model is None or not model.can(call.rpc):
        return unknown_model(call.place)
    body = call.body.value
    if body is NOT_JSON:
        return malformed_json(call.body.raw[:_EXCERPT].decode("utf-8", "replace"))
    if not isinstance(body, dict):
        return invalid_argument()
    if call.rpc == "predictLongRunning":
        count = wish_of(body, model.id, call.is_vertex).count
        return Begin(StartOperation(Videos(count)))
    cached = _cached(call, body, model)
    if isinstance(cached, GoogleError):
        return cached
    if call.rpc == "countTokens":
        return Json(count_answer(body, call.is_vertex, cached))
    stamp = Stamp(
        call.is_vertex,
        model.id,
        call.identity.response_id,
        rfc3339(call.now) if call.is_vertex else "",
        call.identity.call_id,
        call.identity.seed,
        cached,
    )
    if call.rpc == "streamGenerateContent":
        return Chunks(tuple(stream_answer(body, stamp)))
    if len(call.body.raw) <= _REMEMBERED_SIZE and not cached and _is_only_said(body):
        said = _said(call.body.raw, stamp.is_vertex, stamp.model, stamp.seed)
        own = {"createTime": stamp.create_time, "responseId": stamp.response_id}
        return Json({name: own.get(name, value) for name, value in said.items()})
    return Json(whole_answer(body, stamp))


def _is_only_said(body: Any) -> bool:
    """Whether nothing in the answer follows from the ids of the request: those of function calls would."""
    return "tools" not in body


@lru_cache(maxsize=256)
def _said(raw: bytes, is_vertex: bool, model: str, seed: int) -> Mapping[str, Any]:
    """The answer to a body, but for its id and time: the same body always gets the same."""
    return whole_answer(decode_json(raw), Stamp(is_vertex, model, "", "", "", seed))


def _model(call: Call) -> Model | None:
    """The model that answers; None if there is none of that name, or none that is ready."""
    name = call.names.get("model")
    if name is not None:
        publisher = call.names.get("publisher", "google")
        return model_of(name, call.is_vertex, now=call.now) if publisher == "google" else None
    base = tuned_base(call.shelf, call.place.name)
    return None if base is None else model_of(base, call.is_vertex, now=call.now)


def _cached(call: Call, body: Any, model: Model) -> dict[str, int] | GoogleError:
    """The tokens of the cached content that a request names, by modality; none if it names none."""
    tokens = cached_tokens(call, text_in(body, "cachedContent"), model.id)
    if isinstance(tokens, GoogleError):
        return tokens
    return {_TEXT: tokens} if tokens else {}
