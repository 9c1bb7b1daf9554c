"""The lists and cards of models (wire-http 9); Vertex AI has them without a project (sdk-surface, m15)."""

from typing import Final

from ..answers.models import model_list, model_resource
from ..call import Answer, Call, Json
from ..catalogue import model_of, models_of
from ..google_errors import invalid_argument, unknown_model
from ..routing import Route


def list_models(call: Call) -> Answer:
    """One page of the catalogue."""
    page = model_list(models_of(call.is_vertex, now=call.now), call.query, call.is_vertex)
    return invalid_argument() if page is None else Json(page)


def get_model(call: Call) -> Answer:
    """One model's card."""
    is_google = call.names.get("publisher", "google") == "google"
    model = model_of(call.names["model"], call.is_vertex, now=call.now) if is_google else None
    return unknown_model(call.place) if model is None else Json(model_resource(model, call.is_vertex))


ROUTES: Final = (
    Route("GET", "models", list_models, "gemini"),
    Route("GET", "models/{model}", get_model, "gemini"),
    Route("GET", "publishers/{publisher}/models", list_models, "vertex"),
    Route("GET", "publishers/{publisher}/models/{model}", get_model, "vertex"),
)
