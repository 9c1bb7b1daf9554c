"""computeTokens of Vertex AI: the tokens of a text with their numbers (wire-http 4.1, 4.5)."""

from typing import Final

from ..answers.counting import compute_answer
from ..call import Answer, Call, Json
from ..catalogue import model_of
from ..foreign import unreadable
from ..google_errors import unknown_model
from ..routing import Route


def compute(call: Call) -> Answer:
    """The tokens of each content, or of each instance."""
    is_google = call.names["publisher"] == "google"
    model = model_of(call.names["model"], is_vertex=True, now=call.now) if is_google else None
    if model is None or not model.can("computeTokens"):
        return unknown_model(call.place)
    return unreadable(call) or Json(compute_answer(call.members))


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        "publishers/{publisher}/models/{model}:computeTokens",
        compute,
        "vertex",
        message="ComputeTokensRequest",
    ),
)
