"""What our models say to requests of other companies' APIs: the request is put as a generateContent request. Pure."""

from typing import Any, Final

from understudy.provider_errors import requests

from .answers.generate import Stamp, whole_answer
from .answers.said import Reply, reply_of
from .call import Call
from .catalogue import Model, model_of
from .clock import rfc3339
from .google_errors import GoogleError, google_error, invalid_argument, malformed_json

_EXCERPT: Final = 60
_TEXT: Final = "TEXT"
_STAND_IN: Final = "gemini-2.5-flash"
"""Which model's ways the models of partners have here."""


def reply_to(body: dict[str, Any], model: Model, call: Call, cached: int = 0) -> Reply:
    """The answer of `model` to the generateContent request `body`, taken apart.

    `cached` are the tokens of the cached content that it names.
    """
    identity = call.identity
    name = _STAND_IN if model.kind == "partner" else model.id
    stamp = Stamp(
        call.is_vertex,
        name,
        identity.response_id,
        rfc3339(call.now),
        identity.call_id,
        seed=identity.seed,
        cached={_TEXT: cached} if cached else {},
    )
    return reply_of(whole_answer(body, stamp))


def unreadable(call: Call) -> GoogleError | None:
    """Why the body cannot be read as a JSON object, or None."""
    if not call.has_json:
        return malformed_json(call.body.raw[:_EXCERPT].decode("utf-8", "replace"))
    return None if isinstance(call.body.value, dict) else invalid_argument()


def partner_model(call: Call, publisher: str, name: str) -> Model | GoogleError:
    """The model `name` of a partner on Vertex AI, or Google's refusal of an unknown one."""
    model = model_of(name, is_vertex=True, publisher=publisher, now=call.now)
    if model is not None:
        return model
    return google_error(requests.unknown_vertex_model(f"{call.parent}publishers/{publisher}/models/{name}"))
