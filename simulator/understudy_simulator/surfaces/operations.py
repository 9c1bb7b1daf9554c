"""Long-running operations of no family of their own, and of videos: found, listed, waited for, cancelled, deleted.

Tuned models, stores and batches answer for their operations themselves. What is kept here are resources named
`.../operations/ID`, as Vertex AI's deletions and tunings leave behind, and the operations of the desk, which VEO's
starts make; `videos` and `service` have the polls of those (google.longrunning.Operations).
"""

from dataclasses import dataclass
from typing import Final

from ..answers.reading import member
from ..call import Answer, Call, Json, Service
from ..films.making import film_file
from ..google_errors import GoogleError, unknown_operation
from ..long_running import CANCELLED
from ..operations import Operation, OperationDesk, VideoSource, operation_answer
from ..pages import paged
from ..routing import Route
from ..store import Resource

_USUAL_PAGE: Final = 100
_LONGEST_PAGE: Final = 1000
_USUAL_VERSION: Final = "v1beta"
_PARENTS: Final = ("", "{collection}/{owner}/", "{collection}/{owner}/{inner}/{part}/")
_GEMINI_PARENTS: Final = ("", "models/{model}/", "tunedModels/{tuned}/", "fileSearchStores/{store}/")


@dataclass(frozen=True, slots=True)
class Operations:
    """The handlers, over the operations of videos on `desk`; `file_host` is the address in the URIs of those."""

    desk: OperationDesk
    file_host: str

    def _shown(self, call: Call, operation: Operation) -> Json:
        return Json(operation_answer(operation, VideoSource(film_file, self.file_host, call.version or _USUAL_VERSION)))

    def get(self, call: Call) -> Answer:
        """One operation, as it stands."""
        found = _found(call)
        return found if isinstance(found, GoogleError) else Json(found.value)

    def wait(self, call: Call) -> Answer:
        """One operation, as it stands, at once; to a video's operation a wait is a poll."""
        video = self.desk.poll(call.place.name, call.now)
        return self.get(call) if video is None else self._shown(call, video)

    def page(self, call: Call) -> Answer:
        """One page of the operations below a resource, in order of creation, videos' last."""
        parent = call.place.name.removesuffix("operations").rstrip("/")
        videos = (
            Resource(operation.name, self._shown(call, operation).value, call.now)
            for operation in self.desk.below(call.scope, parent, call.now)
        )
        kept = (*call.shelf.of(call.place.name), *videos)
        return paged(call, kept, "operations", usual=_USUAL_PAGE, most=_LONGEST_PAGE)

    def cancel(self, call: Call) -> Answer:
        """End an operation that is not done; one that is done stays as it is."""
        if self.desk.cancel(call.place.name, call.now) is not None:
            return Json({})
        found = _found(call)
        if isinstance(found, GoogleError):
            return found
        if member(found.value, "done") is not True:
            call.shelf.change(found.showing(done=True, error=dict(CANCELLED)))
        return Json({})

    def delete(self, call: Call) -> Answer:
        """Forget an operation."""
        if self.desk.remove(call.place.name, call.now) is not None:
            return Json({})
        found = _found(call)
        if isinstance(found, GoogleError):
            return found
        call.shelf.remove(found.name)
        return Json({})


def _found(call: Call) -> Resource | GoogleError:
    name = call.place.name
    return call.shelf.find(name) or unknown_operation(name)


def routes(desk: OperationDesk, file_host: str) -> tuple[Route, ...]:
    """The routes, for a simulator whose videos are begun on `desk`."""
    handlers = Operations(desk, file_host)
    return (
        *(route for parent in _PARENTS for route in _vertex(handlers, parent)),
        Route("GET", "operations", handlers.page, "gemini", rpc="listOperations"),
        Route("GET", "models/{model}/operations", handlers.page, "gemini", rpc="listOperations"),
        *(route for parent in _GEMINI_PARENTS for route in _changes(handlers, parent, "gemini")),
    )


def _vertex(handlers: Operations, parent: str) -> tuple[Route, ...]:
    """The routes of the operations below a resource; `work` and not `operation`, which names a video's."""
    one = f"{parent}operations/{{work}}"
    return (
        Route("GET", f"{parent}operations", handlers.page, "vertex", rpc="listOperations"),
        Route("GET", one, handlers.get, "vertex", "known", rpc="getOperation"),
        *_changes(handlers, parent, "vertex"),
    )


def _changes(handlers: Operations, parent: str, service: Service) -> tuple[Route, ...]:
    one = f"{parent}operations/{{work}}"
    return (
        Route("DELETE", one, handlers.delete, service, rpc="deleteOperation"),
        Route("POST", f"{one}:cancel", handlers.cancel, service, rpc="cancelOperation"),
        Route("POST", f"{one}:wait", handlers.wait, service, "known", rpc="waitOperation"),
    )
