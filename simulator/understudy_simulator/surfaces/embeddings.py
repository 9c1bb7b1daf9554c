"""embedContent and batchEmbedContents of both services (wire-http 4.1, 4.5)."""

from typing import Any, Final

from ..answers.embeddings import batch_embed_answer, embed_answer, embedding_mistake
from ..answers.reading import Members, member, members_in, text_in
from ..call import Answer, Call, Json
from ..catalogue import Model, model_of
from ..foreign import unreadable
from ..google_errors import GoogleError, invalid_argument, unknown_model
from ..routing import Route


def embed(call: Call) -> Answer:
    """One embedding."""
    model = _model(call)
    if isinstance(model, GoogleError):
        return model
    mistake = _content_mistake(call.members, "EmbedContentRequest") or embedding_mistake(call.members, model)
    if mistake is not None:
        return invalid_argument(mistake)
    return Json(embed_answer(call.members, model, call.is_vertex))


def embed_batch(call: Call) -> Answer:
    """One embedding for each request of a batch; all are of the model in the path."""
    model = _model(call)
    if isinstance(model, GoogleError):
        return model
    requests = members_in(call.members, "requests")
    for number, request in enumerate(requests):
        mistake = _request_mistake(call, request, number, model)
        if mistake is not None:
            return invalid_argument(mistake)
    return Json(batch_embed_answer(call.members, model, call.is_vertex))


def _model(call: Call) -> Model | GoogleError:
    is_google = call.names.get("publisher", "google") == "google"
    model = model_of(call.names["model"], call.is_vertex, now=call.now) if is_google else None
    if model is None or not model.can("embedContent"):
        return unknown_model(call.place)
    return unreadable(call) or model


def _request_mistake(call: Call, request: Members, number: int, model: Model) -> str | None:
    place = f"BatchEmbedContentsRequest.requests[{number}]"
    name = text_in(request, "model")
    if not call.is_vertex and name is not None and name != f"models/{model.id}":
        return f"* {place}.model: {name[:200]} is not the model of the batch\n"
    return _content_mistake(request, place) or embedding_mistake(request, model)


def _content_mistake(request: Any, place: str) -> str | None:
    """An empty text in a content (assumed wording)."""
    parts = members_in(member(request, "content"), "parts")
    return f"* {place}.content: contains an empty Part\n" if any(part.get("text") == "" for part in parts) else None


def _routes(place: str) -> tuple[Route, ...]:
    return (
        Route("POST", f"{place}:embedContent", embed, message="EmbedContentRequest"),
        Route("POST", f"{place}:batchEmbedContents", embed_batch, message="BatchEmbedContentsRequest"),
    )


ROUTES: Final[tuple[Route, ...]] = (*_routes("models/{model}"), *_routes("publishers/{publisher}/models/{model}"))
