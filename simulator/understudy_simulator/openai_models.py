"""Which model an OpenAI-shaped request names, and what its answer is headed with (wire-http 10). Pure."""

from typing import Final

from understudy.provider_errors import requests

from .answers.openai_shapes import Heading, laid_out
from .call import Call
from .catalogue import Model, is_publisher, model_of
from .google_errors import GoogleError, google_error, invalid_argument
from .replies import JSON_TYPE, Manner, Outgoing, service_headers
from .tuned import tuned_base

_STAND_IN: Final = "gemini-2.5-flash"
"""Who answers for a model that somebody deployed to an endpoint of their own."""

_BACKEND_VERSION: Final = "v1main"
"""The API version that these endpoints name in the text about an unknown model (public reports)."""


def named_model(call: Call, name: str, method: str = "generateContent") -> Model | GoogleError:
    """The model `name` of a request, or the refusal.

    The Gemini API takes bare ids and `models/ID`, Vertex AI `PUBLISHER/ID` (Google's page on OpenAI compatibility);
    an endpoint of one's own answers whatever the name is. `method` is what the model must be able to do.
    """
    if not name and "endpoint" not in call.names:
        return invalid_argument("model is not specified")
    if not call.is_vertex:
        bare = name.removeprefix("models/")
        found = model_of(bare, is_vertex=False, now=call.now)
        text = requests.unknown_gemini_model(f"models/{bare}", _BACKEND_VERSION, method)
    elif "endpoint" in call.names:
        base = tuned_base(call.shelf, f"{call.parent}endpoints/{call.names['endpoint']}")
        found = model_of(base or _STAND_IN, is_vertex=True)
        text = requests.unknown_vertex_model(f"{call.parent}endpoints/{call.names['endpoint']}")
    else:
        publisher, slash, bare = name.partition("/")
        if not slash or not bare:
            return invalid_argument(f"Malformed publisher model `{name[:200]}`: it must be `PUBLISHER/MODEL`.")
        found = model_of(bare, is_vertex=True, publisher=publisher, now=call.now) if is_publisher(publisher) else None
        text = requests.unknown_vertex_model(f"{call.parent}publishers/{publisher}/models/{bare}")
    if found is None or not found.can("chatCompletions" if found.kind == "partner" else method):
        return google_error(text)
    return found


def heading_of(call: Call, model_name: str) -> Heading:
    """What the objects of the answer carry; `model_name` as the client wrote it."""
    identity = call.identity
    created = int(call.now.timestamp())
    seed = identity.decimal("tool calls", 18)
    # Captured of Gemini 3.1 Flash-Lite: no index. Older models: assumed to have it, as OpenAI's client needs it.
    numbers_calls = not model_name.rpartition("/")[2].startswith(("gemini-3", "gemini-4"))
    return Heading(identity.response_id, created, model_name, call.is_vertex, seed, numbers_calls)


def compact(call: Call, value: object) -> Outgoing:
    """A unary answer in the layout of these endpoints, with the service's header fields."""
    manner = Manner(call.is_vertex, call.identity.duration_ms)
    return Outgoing(200, service_headers(manner, JSON_TYPE), (laid_out(value),))
