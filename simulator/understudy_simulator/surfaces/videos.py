"""VEO's start and polls (wire-http 6). A poll is answered by the operation that the start began, see `service`."""

from typing import Final

from ..answering import generate
from ..answers.reading import text_in
from ..call import Answer, Call
from ..google_errors import invalid_argument, unknown_file, unknown_operation
from ..routing import Route


def unknown(call: Call) -> Answer:
    """The answer to a poll of an operation that nobody started."""
    if call.rpc != "fetchPredictOperation":
        return unknown_operation(call.place.operation or "")
    name = text_in(call.members, "operationName")
    return invalid_argument() if name is None else unknown_operation(name)


def unknown_video(call: Call) -> Answer:
    """The answer to a download of a video that no finished operation delivered."""
    return unknown_file(call.names["file"].rpartition("/")[2])


ROUTES: Final = (
    Route("GET", "files/{file...}:download", unknown_video, "gemini", "known"),
    Route("GET", "files/{file...}", unknown_video, "gemini", "known"),
    Route("POST", "models/{model}:predictLongRunning", generate, "gemini", "generating"),
    Route("POST", "publishers/{publisher}/models/{model}:predictLongRunning", generate, "vertex", "generating"),
    Route("POST", "publishers/{publisher}/models/{model}:fetchPredictOperation", unknown, "vertex", "known"),
    Route("GET", "models/{model}/operations/{operation}", unknown, "gemini", "known"),
    Route("GET", "operations/{operation}", unknown, "gemini", "known"),
    Route("GET", "publishers/{publisher}/models/{model}/operations/{operation}", unknown, "vertex", "known"),
)
