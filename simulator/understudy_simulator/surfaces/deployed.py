"""Endpoints of one's own on Vertex AI: predict and its relatives, by a stand-in for the model deployed there.

What such a model answers is its own affair; here a text gets a text, a chat OpenAI's shape (as vLLM containers have
it), anything else a number from 0 to 1. Methods and messages: the discovery document of aiplatform. An endpoint that
serves a tuned Gemini refuses them, in the words of public reports.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, cast

from understudy.provider_errors.model import ProviderError

from ..answers.openai_shapes import chat_answer, chat_events, laid_out
from ..answers.reading import flag_in, member, members_in, strings_in, text_in
from ..answers.said import pieces_of
from ..call import Answer, Call, Chunks, Events, Json, Plain
from ..foreign import unreadable
from ..google_errors import GoogleError, google_error
from ..openai_chats import model_reply
from ..openai_models import heading_of, named_model
from ..routing import Check, Handler, Route
from ..tuned import tuned_base

_ENDPOINT: Final = "endpoints/{endpoint}"
_PROMPTS: Final = ("prompt", "content", "text", "inputs")
"""Members of an instance that hold a prompt, as the containers of Model Garden name them."""
_FOR_GEMINI: Final = ProviderError(
    400,
    "Gemini cannot be accessed through Vertex Predict/RawPredict API. Please follow "
    "https://cloud.google.com/vertex-ai/docs/generative-ai/start/quickstarts/quickstart-multimodal for Gemini usage.",
    code="FAILED_PRECONDITION",
)


def predict(call: Call) -> Answer:
    """One prediction for each instance."""
    return _refusal(call) or Json(_predicted(call, _instances(call)))


def raw_predict(call: Call) -> Answer:
    """What the model's container would answer by itself: to a chat, to instances, to any other JSON or bytes."""
    refusal = _refusal(call)
    if refusal is not None:
        return refusal
    if not members_in(call.members, "messages"):
        return Plain(laid_out(_predicted(call, _instances(call) or [call.body.raw.decode("utf-8", "replace")])))
    model = named_model(call, "")
    reply = model if isinstance(model, GoogleError) else model_reply(call, call.members, model)
    if isinstance(reply, GoogleError):
        return reply
    heading = heading_of(call, text_in(call.members, "model") or "")
    if flag_in(call.members, "stream"):
        return Events(tuple(chat_events(reply, heading, with_usage=False)))
    return Plain(laid_out(chat_answer(reply, heading)))


def direct_predict(call: Call) -> Answer:
    """Tensors for tensors: a text for each text, else a number."""
    return _refusal(call) or Json({"outputs": [_tensor(call, tensor) for tensor in _tensors(call)]})


def stream_predict(call: Call) -> Answer:
    """The same in pieces: a text comes in several."""
    refusal = _refusal(call)
    if refusal is not None:
        return refusal
    outputs = [_tensor(call, tensor) for tensor in _tensors(call)]
    pieces = [piece for output in outputs for piece in _pieces(output)]
    return Chunks(tuple({"outputs": [piece]} for piece in pieces))


def _refusal(call: Call) -> GoogleError | None:
    is_gemini = tuned_base(call.shelf, f"{call.parent}endpoints/{call.names['endpoint']}") is not None
    return google_error(_FOR_GEMINI) if is_gemini else None


def _instances(call: Call) -> list[Any]:
    given = member(call.members, "instances")
    return cast("list[Any]", given) if isinstance(given, list) else []


def _tensors(call: Call) -> tuple[Mapping[str, Any], ...]:
    return members_in(call.members, "inputs")


def _predicted(call: Call, instances: list[Any]) -> dict[str, Any]:
    """A PredictResponse."""
    identity = call.identity
    return {
        "predictions": [_prediction(call, instance) for instance in instances],
        "deployedModelId": _number(call, "deployed model"),
        "model": f"{call.parent}models/{_number(call, 'model')}",
        "modelDisplayName": f"stand-in-{call.names['endpoint'][:80]}",
        "modelVersionId": "1",
        "metadata": {"seed": identity.seed},
    }


def _number(call: Call, what: str) -> str:
    """An id that is the same for all calls of an endpoint."""
    digest = sha256(f"{what}\0{call.parent}\0{call.names['endpoint']}".encode("utf-8", "replace")).digest()
    return str(10**18 + int.from_bytes(digest[:7]))


def _prediction(call: Call, instance: Any) -> str | float:
    prompt = next((text for name in _PROMPTS if (text := text_in(instance, name))), None)
    return _score(call, instance) if prompt is None else _said(call, prompt)


def _said(call: Call, prompt: str) -> str:
    """What the stand-in says to a text."""
    model = named_model(call, "")
    if isinstance(model, GoogleError):
        return ""
    reply = model_reply(call, {"messages": [{"role": "user", "content": prompt}]}, model)
    return "" if isinstance(reply, GoogleError) else "".join(candidate.text for candidate in reply.candidates)


def _score(call: Call, instance: Any) -> float:
    """A number from 0 to 1 that follows from the seed and the instance."""
    text = json.dumps(instance, sort_keys=True)
    digest = sha256(f"{call.identity.seed}\0{text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4]) / 0xFFFFFFFF


def _tensor(call: Call, tensor: Mapping[str, Any]) -> dict[str, Any]:
    prompts = strings_in(tensor, "stringVal") or strings_in(tensor, "string_val")
    if not prompts:
        return {"dtype": "FLOAT", "shape": ["1"], "floatVal": [_score(call, dict(tensor))]}
    texts = [_said(call, prompt) for prompt in prompts]
    return {"dtype": "STRING", "shape": [str(len(texts))], "stringVal": texts}


def _pieces(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    texts = strings_in(output, "stringVal")
    if not texts:
        return [dict(output)]
    return [
        {"dtype": "STRING", "shape": ["1"], "stringVal": [piece]}
        for text in texts
        for piece in pieces_of(text) or ("",)
    ]


def _route(verb: str, handler: Handler, message: str = "", check: Check | None = None) -> Route:
    return Route("POST", f"{_ENDPOINT}:{verb}", handler, "vertex", "generating", message=message, check=check)


ROUTES: Final[tuple[Route, ...]] = (
    _route("predict", predict, "PredictRequest"),
    _route("rawPredict", raw_predict),
    _route("streamRawPredict", raw_predict),
    _route("directPredict", direct_predict, check=unreadable),
    _route("serverStreamingPredict", stream_predict, check=unreadable),
)
