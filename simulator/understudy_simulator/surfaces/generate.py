"""generateContent, streamGenerateContent and countTokens of both services (wire-http 4)."""

from typing import Final

from ..answering import generate
from ..routing import Route

_PLACES: Final = (
    "models/{model}",
    "tunedModels/{tuned}",
    "dynamic/{dynamic}",
    "publishers/{publisher}/models/{model}",
    "endpoints/{endpoint}",
)


def _route(place: str, verb: str) -> Route:
    message = "CountTokensRequest" if verb == "countTokens" else "GenerateContentRequest"
    return Route("POST", f"{place}:{verb}", generate, kind="generating", message=message)


ROUTES: Final = tuple(
    _route(place, verb) for place in _PLACES for verb in ("generateContent", "streamGenerateContent", "countTokens")
)
