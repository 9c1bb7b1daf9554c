"""VEO's start and polls (wire-http 6). A poll is answered by the operation that the start began, see `service`."""

from typing import Final

from ..answering import generate
from ..answers.reading import text_in
from ..call import Answer, Call
from ..google_errors import invalid_argument, unknown_operation
from ..replies import not_found_page
from ..routing import Route

_VERTEX: Final = "publishers/{publisher}/models/{model}"
_START: Final = "PredictLongRunningRequest"
_POLL: Final = "FetchPredictOperationRequest"


def unknown(call: Call) -> Answer:
    """The answer to a poll of an operation that nobody started."""
    if call.rpc != "fetchPredictOperation":
        return unknown_operation(call.place.operation or "")
    name = text_in(call.members, "operationName")
    return invalid_argument() if name is None else unknown_operation(name)


def nowhere(call: Call) -> Answer:
    """The frontend's page for a path that no API has, of whatever operation."""
    return not_found_page(call.request.path)


ROUTES: Final = (
    Route("POST", "models/{model}:predictLongRunning", generate, "gemini", "generating", message=_START),
    Route("POST", f"{_VERTEX}:predictLongRunning", generate, "vertex", "generating", message=_START),
    Route("POST", f"{_VERTEX}:fetchPredictOperation", unknown, "vertex", "known", message=_POLL),
    Route("GET", "models/{model}/operations/{operation}", unknown, "gemini", "known"),
    Route("GET", "operations/{operation}", unknown, "gemini", "known"),
    # Paths that guides and other services' clients poll, and Google does not have.
    Route("GET", "operations/models/{model}/operations/{job}", nowhere, "gemini", "known", rpc="get"),
    Route("POST", "models/{model}:fetchPredictOperation", nowhere, "gemini", "known"),
    Route("POST", "models/{model}/operations/{job}:fetchPredictOperation", nowhere, "gemini", "known"),
    Route("GET", f"{_VERTEX}/operations/{{job}}", nowhere, "vertex", "known", rpc="get"),
    Route("POST", f"{_VERTEX}/operations/{{job}}:fetchPredictOperation", nowhere, "vertex", "known"),
)
