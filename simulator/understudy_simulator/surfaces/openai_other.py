"""OpenAI-compatible embeddings, lists of models and images of both services (wire-http 10)."""

from collections.abc import Mapping
from typing import Any, Final, cast

from understudy.provider_errors import requests

from ..answers.embeddings import embedding
from ..answers.images import predict_images
from ..answers.openai_requests import ANY, TEXT, WHOLE, readable
from ..answers.openai_shapes import embeddings_answer, model_object
from ..answers.reading import member, members_in, text_in
from ..answers.tokens import tokens_of_text
from ..call import Answer, Call, Service
from ..catalogue import Model, model_of, models_of
from ..foreign import reply_to, unreadable
from ..google_errors import GoogleError, google_error, invalid_argument
from ..openai_chats import member_mistake
from ..openai_models import compact, named_model
from ..routing import Route

_EMBEDDING_MEMBERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model", "encoding_format", "user"), TEXT),
    "input": ANY,
    "dimensions": WHOLE,
    "extra_body": ANY,
}
_IMAGE_MEMBERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model", "prompt", "response_format", "size", "quality", "style", "user", "background"), TEXT),
    **dict.fromkeys(("moderation", "output_format", "aspect_ratio"), TEXT),
    **dict.fromkeys(("n", "output_compression"), WHOLE),
    "extra_body": ANY,
}
_USUAL_EMBEDDER: Final = 768
_MOST_INPUTS: Final = 100
_MOST_IMAGES: Final = 10
_RATIOS: Final = {(1, 1): "1:1", (16, 9): "16:9", (9, 16): "9:16", (4, 3): "4:3", (3, 4): "3:4"}


def check_embeddings(call: Call) -> GoogleError | None:
    """What is refused of a request for embeddings."""
    refusal = unreadable(call) or member_mistake(call.members, _EMBEDDING_MEMBERS)
    if refusal is not None:
        return refusal
    body = call.members
    texts = _texts(member(body, "input"))
    if not texts:
        return invalid_argument("* EmbedContentRequest.content: contents is not specified\n")
    if len(texts) > _MOST_INPUTS:
        return invalid_argument("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n")
    form = text_in(body, "encoding_format") or "float"
    if form not in ("float", "base64"):
        return invalid_argument(f"Unsupported encoding_format: {form[:80]}. It must be float or base64.")
    model, wanted = named_model(call, text_in(body, "model") or "", "embedContent"), body.get("dimensions")
    full = _USUAL_EMBEDDER if isinstance(model, GoogleError) else model.dimension or _USUAL_EMBEDDER
    if isinstance(model, GoogleError) or wanted is None or 1 <= wanted <= full:
        return None
    return invalid_argument(f"The output dimensionality must be between 1 and {full}, not {wanted}.")


def embeddings(call: Call) -> Answer:
    """Embeddings of one text or of several: numbers, or floats in base64 (what OpenAI's Python client asks for)."""
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body = readable(call.members, _EMBEDDING_MEMBERS)
    name, texts = text_in(body, "model") or "", _texts(member(body, "input")) or [""]
    model = named_model(call, name, "embedContent")
    if isinstance(model, GoogleError):
        return model
    full = model.dimension or _USUAL_EMBEDDER
    wanted = min(max(body.get("dimensions") or full, 1), full)
    form = text_in(body, "encoding_format")
    vectors = [embedding(text, full, wanted) for text in texts]
    tokens = sum(map(tokens_of_text, texts))
    return compact(call, embeddings_answer(vectors, name, tokens, in_base64=form == "base64"))


def list_models(call: Call) -> Answer:
    """All models of the service; ids keep the `models/` prefix on the Gemini API, `google/` on Vertex AI."""
    cards = [_card(model, call.is_vertex) for model in models_of(call.is_vertex, now=call.now)]
    return compact(call, {"object": "list", "data": cards})


def get_model(call: Call) -> Answer:
    """One model, by its bare id or by the id that the list shows."""
    name = call.names["model"].removeprefix("google/" if call.is_vertex else "models/")
    model = model_of(name, call.is_vertex, now=call.now)
    if model is None:
        return google_error(requests.unknown_gemini_model(f"models/{name}", call.version, "generateContent"))
    return compact(call, _card(model, call.is_vertex))


def check_images(call: Call) -> GoogleError | None:
    """What is refused of a request for images."""
    refusal = unreadable(call) or member_mistake(call.members, _IMAGE_MEMBERS)
    if refusal is not None:
        return refusal
    body = call.members
    if not text_in(body, "prompt"):
        return invalid_argument("prompt is not specified")
    count = body.get("n", 1) or 1
    if not 1 <= count <= _MOST_IMAGES:
        return invalid_argument(f"n must be between 1 and {_MOST_IMAGES}, not {count}.")
    if text_in(body, "response_format") not in (None, "b64_json"):
        return invalid_argument("Only b64_json is supported as response_format.")
    return None


def make_images(call: Call) -> Answer:
    """Images in base64, of an Imagen model or of a model that answers with images."""
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body = readable(call.members, _IMAGE_MEMBERS)
    prompt, count = text_in(body, "prompt") or "", min(max(body.get("n") or 1, 1), _MOST_IMAGES)
    name = text_in(body, "model") or ""
    model = named_model(call, name, "predict")
    if isinstance(model, GoogleError):
        model = named_model(call, name)
    if isinstance(model, GoogleError):
        return model
    if model.kind not in ("imagen", "image"):
        return google_error(requests.unknown_gemini_model(f"models/{model.id}", call.version, "predict"))
    pictures = _drawn(call, model, prompt, count) if model.kind == "image" else _predicted(call, model, prompt, count)
    return compact(call, {"created": int(call.now.timestamp()), "data": [{"b64_json": data} for data in pictures]})


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given] if given else []
    if not isinstance(given, list):
        return []
    texts = [text for text in cast("list[Any]", given) if isinstance(text, str) and text]
    return texts if len(texts) == len(cast("list[Any]", given)) else []


def _card(model: Model, is_vertex: bool) -> dict[str, Any]:
    return model_object(f"{'google' if is_vertex else 'models'}/{model.id}", "google")


def _predicted(call: Call, model: Model, prompt: str, count: int) -> list[str]:
    ratio = text_in(call.members, "aspect_ratio") or _ratio(text_in(call.members, "size") or "")
    body = {"instances": [{"prompt": prompt}], "parameters": {"sampleCount": count, "aspectRatio": ratio}}
    predictions = members_in(predict_images(body, model.id, call.identity.seed), "predictions")
    return [data for prediction in predictions if (data := text_in(prediction, "bytesBase64Encoded"))]


def _drawn(call: Call, model: Model, prompt: str, count: int) -> list[str]:
    ratio = text_in(call.members, "aspect_ratio") or _ratio(text_in(call.members, "size") or "")
    config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": ratio}}
    body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": config}
    reply = reply_to(body, model, call)
    images = [text_in(image, "data") or "" for candidate in reply.candidates for image in candidate.images]
    return (images * count)[:count]


def _ratio(size: str) -> str:
    """The aspect ratio of a size like `1792x1024`: the nearest of those that the models know."""
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and len(size) < 12 and int(height)):
        return "1:1"
    asked = int(width) / int(height)
    return _RATIOS[min(_RATIOS, key=lambda sides: abs(sides[0] / sides[1] - asked))]


def _routes(place: str, service: Service) -> tuple[Route, ...]:
    return (
        Route("POST", f"{place}/embeddings", embeddings, service, rpc="embeddings", check=check_embeddings),
        Route("GET", f"{place}/models", list_models, service),
        Route("GET", f"{place}/models/{{model...}}", get_model, service, rpc="get"),
        Route(
            "POST",
            f"{place}/images/generations",
            make_images,
            service,
            "generating",
            "imagesGenerations",
            check=check_images,
        ),
    )


ROUTES: Final[tuple[Route, ...]] = (*_routes("openai", "gemini"), *_routes("endpoints/openapi", "vertex"))
