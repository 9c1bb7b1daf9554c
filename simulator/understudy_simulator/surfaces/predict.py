"""predict: Imagen and its relatives, and the embedding models of Vertex AI (wire-http 7). By the kind of the model."""

from typing import Final

from ..answers.embeddings import embedding_mistake
from ..answers.image_rules import image_mistake
from ..answers.predictions import predict_answer
from ..answers.reading import member, members_in
from ..call import Answer, Call, Json
from ..catalogue import Model, model_of
from ..foreign import unreadable
from ..google_errors import invalid_argument, unknown_model
from ..routing import Route

_DIMENSIONS: Final = (128, 256, 512, 1408)
"""Of multimodal embeddings (Google's page on them)."""


def predict(call: Call) -> Answer:
    """Images, or embeddings, for `instances`."""
    is_google = call.names.get("publisher", "google") == "google"
    model = model_of(call.names["model"], call.is_vertex, now=call.now) if is_google else None
    if model is None or not model.can("predict"):
        return unknown_model(call.place)
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body = call.members
    mistake = image_mistake(body, model.id) if model.kind == "imagen" else _embedding_mistake(body, model)
    if mistake is not None:
        return invalid_argument(mistake)
    answer = predict_answer(body, model, call.identity.seed)
    return unknown_model(call.place) if answer is None else Json(answer)


def _embedding_mistake(body: object, model: Model) -> str | None:
    if model.kind != "multimodal_embedding":
        return embedding_mistake(body, model)
    instances = members_in(body, "instances")
    if len(instances) > 1:
        return f"1 instance(s) is allowed per prediction. Actual: {len(instances)}."
    for instance in instances:
        if not any(member(instance, name) for name in ("text", "image", "video")):
            return "Invalid instances: one of `text`, `image` and `video` is required."
    dimension = member(member(body, "parameters"), "dimension")
    if dimension not in (None, *_DIMENSIONS):
        return f"Invalid dimension: {dimension}. It must be one of 128, 256, 512 and 1408."
    return None


ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "models/{model}:predict", predict, "gemini", "generating", message="PredictRequest"),
    Route(
        "POST",
        "publishers/{publisher}/models/{model}:predict",
        predict,
        "vertex",
        "generating",
        message="PredictRequest",
    ),
)
