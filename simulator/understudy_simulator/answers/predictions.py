"""The answer to predict of any model that has it: which sort of prediction a model makes."""

from typing import Any

from ..catalogue import Model
from .embeddings import predict_embeddings, predict_multimodal_embeddings
from .images import predict_images


def predict_answer(body: Any, model: Model, seed: object = 0) -> dict[str, Any] | None:
    """The answer of an embedding or image model to `{instances, parameters}`; None for other models."""
    match model.kind:
        case "embedding":
            return predict_embeddings(body, model)
        case "multimodal_embedding":
            return predict_multimodal_embeddings(body, model)
        case "imagen":
            return predict_images(body, model.id, seed)
        case _:
            return None
