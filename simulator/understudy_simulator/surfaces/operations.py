"""Long-running operations of no family of their own: found, listed, waited for, cancelled, deleted.

Videos, tuned models, stores and batches answer for their operations themselves. What is kept here are resources named
`.../operations/ID`, as Vertex AI's deletions and tunings leave behind (google.longrunning.Operations).
"""

from typing import Final

from ..answers.reading import member
from ..call import Answer, Call, Json
from ..google_errors import GoogleError, invalid_argument, unknown_operation
from ..long_running import CANCELLED
from ..routing import Route
from ..store import Resource, page_of

_USUAL_PAGE: Final = 100
_LONGEST_PAGE: Final = 1000


def _found(call: Call) -> Resource | GoogleError:
    name = call.place.name
    return call.shelf.find(name) or unknown_operation(name)


def get(call: Call) -> Answer:
    """One operation, as it stands; `:wait` is answered the same way, and at once."""
    found = _found(call)
    return found if isinstance(found, GoogleError) else Json(found.value)


def list_operations(call: Call) -> Answer:
    """One page of the operations below a resource, in order of creation."""
    size, token = call.query.get("pageSize", ""), call.query.get("pageToken", "")
    page = page_of(call.shelf.of(call.place.name), size, token, usual=_USUAL_PAGE, most=_LONGEST_PAGE)
    return invalid_argument() if page is None else Json(page.value("operations"))


def cancel(call: Call) -> Answer:
    """End an operation that is not done; one that is done stays as it is."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    if member(found.value, "done") is not True:
        call.shelf.change(found.showing(done=True, error=dict(CANCELLED)))
    return Json({})


def delete(call: Call) -> Answer:
    """Forget an operation."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    call.shelf.remove(found.name)
    return Json({})


def _routes(parent: str) -> tuple[Route, ...]:
    """The routes of the operations below a resource; `work` and not `operation`, which names a video's."""
    operations = f"{parent}operations"
    one = f"{operations}/{{work}}"
    return (
        Route("GET", operations, list_operations, "vertex", rpc="listOperations"),
        Route("GET", one, get, "vertex", "known", rpc="getOperation"),
        Route("DELETE", one, delete, "vertex", rpc="deleteOperation"),
        Route("POST", f"{one}:cancel", cancel, "vertex", rpc="cancelOperation"),
        Route("POST", f"{one}:wait", get, "vertex", "known", rpc="waitOperation"),
    )


_PARENTS: Final = ("", "{collection}/{owner}/", "{collection}/{owner}/{inner}/{part}/")

ROUTES: Final[tuple[Route, ...]] = (
    *(route for parent in _PARENTS for route in _routes(parent)),
    Route("GET", "operations", list_operations, "gemini", rpc="listOperations"),
    Route("GET", "models/{model}/operations", list_operations, "gemini", rpc="listOperations"),
    *(
        Route(method, f"{parent}operations/{{work}}{verb}", handler, "gemini", rpc=rpc)
        for parent in ("", "models/{model}/", "tunedModels/{tuned}/", "fileSearchStores/{store}/")
        for method, verb, handler, rpc in (
            ("POST", ":cancel", cancel, "cancelOperation"),
            ("POST", ":wait", get, "waitOperation"),
            ("DELETE", "", delete, "deleteOperation"),
        )
    ),
)
