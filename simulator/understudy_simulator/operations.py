"""Long-running operations: started, polled, done. Pure: time does not pass here, polls are what is counted.

Each poll takes one of `polls_left`; the poll that finds none left is answered with the outcome, and so is every later
one. Wire shapes: wire-http 6.3.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from understudy.scenario.model import OperationError, OperationResponse, StartOperation, Videos

_GEMINI_TYPE: Final = "type.googleapis.com/google.ai.generativelanguage.{version}.PredictLongRunningResponse"
_VERTEX_TYPE: Final = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `files` are the ids of its videos, `storage_uri` a Cloud Storage prefix (Vertex) or empty.

    `scenario` is the id of the scenario that started it, None if the simulator did so by itself.
    """

    name: str
    scope: str
    outcome: Videos | OperationResponse | OperationError
    polls_left: int
    is_vertex: bool
    scenario: str | None = None
    files: tuple[str, ...] = ()
    storage_uri: str = ""
    is_done: bool = False

    def polled(self) -> "Operation":
        """The operation after one more poll."""
        if self.is_done:
            return self
        if self.polls_left > 0:
            return replace(self, polls_left=self.polls_left - 1)
        return replace(self, is_done=True)


@dataclass(frozen=True, slots=True)
class VideoSource:
    """Where videos come from: the bytes of each, and the host and version in the URIs that name them."""

    data: bytes
    file_host: str
    version: str


def operation_answer(operation: Operation, source: VideoSource) -> dict[str, Any]:
    """The JSON value that a poll is answered with, as the operation stands."""
    answer: dict[str, Any] = {"name": operation.name}
    if not operation.is_done:
        return answer
    answer["done"] = True
    match operation.outcome:
        case Videos():
            answer["response"] = _vertex_videos(operation, source) if operation.is_vertex else _uris(operation, source)
        case OperationResponse(value):
            answer["response"] = dict(value)
        case OperationError(code, message):
            answer["error"] = {"code": code, "message": message}
        case _ as never:
            assert_never(never)
    return answer


def _uris(operation: Operation, source: VideoSource) -> Mapping[str, Any]:
    samples = [
        {"video": {"uri": f"{source.file_host}/{source.version}/files/{file}:download?alt=media"}}
        for file in operation.files
    ]
    kind = _GEMINI_TYPE.format(version=source.version)
    return {"@type": kind, "generateVideoResponse": {"generatedSamples": samples}}


def _vertex_videos(operation: Operation, source: VideoSource) -> Mapping[str, Any]:
    videos: list[Mapping[str, str]] = []
    for index, _ in enumerate(operation.files):
        if operation.storage_uri:
            uri = f"{operation.storage_uri.rstrip('/')}/{operation.name.rpartition('/')[2]}/sample_{index}.mp4"
            videos.append({"gcsUri": uri, "mimeType": "video/mp4"})
        else:
            videos.append({"bytesBase64Encoded": b64encode(source.data).decode(), "mimeType": "video/mp4"})
    return {"@type": _VERTEX_TYPE, "raiMediaFilteredCount": 0, "videos": videos}


_CANCELLED: Final = OperationError(1, "The operation was cancelled.")
"""google.longrunning says code 1; the words are assumed."""

OPERATION_LIMIT: Final = 10_000
"""Operations that are kept; beyond that the oldest are forgotten, so that a long load run does not fill the memory."""


class OperationDesk:
    """The latest operations by name, and the videos that finished ones delivered."""

    def __init__(self) -> None:
        self._by_name: dict[str, Operation] = {}

    def start(self, operation: Operation) -> None:
        """Keep a new operation."""
        self._by_name[operation.name] = operation
        if len(self._by_name) > OPERATION_LIMIT:
            del self._by_name[next(iter(self._by_name))]

    def find(self, name: str) -> Operation | None:
        """The operation of that name. A Gemini operation is found by `operations/ID` too (wire-http 6.3)."""
        found = self._by_name.get(name)
        if found is None and name.startswith("operations/"):
            tail = "/" + name
            return next((op for known, op in self._by_name.items() if known.endswith(tail)), None)
        return found

    def poll(self, name: str) -> Operation | None:
        """Count one poll; gives the operation as that poll finds it, None if there is none of that name."""
        found = self.find(name)
        if found is None:
            return None
        polled = found.polled()
        self._by_name[polled.name] = polled
        return polled

    def below(self, scope: str, parent: str) -> tuple[Operation, ...]:
        """The operations of a scope whose names are `parent/operations/ID`, in order of creation."""
        front = f"{parent}/operations/"
        return tuple(op for op in self._by_name.values() if op.scope == scope and op.name.startswith(front))

    def cancel(self, name: str) -> Operation | None:
        """End an operation that is not done with code 1; gives it, or None if there is none of that name."""
        found = self.find(name)
        if found is None or found.is_done:
            return found
        ended = replace(found, outcome=_CANCELLED, files=(), is_done=True)
        self._by_name[ended.name] = ended
        return ended

    def remove(self, name: str) -> Operation | None:
        """Forget an operation, and the videos that it delivered; gives it, or None if there is none of that name."""
        found = self.find(name)
        return None if found is None else self._by_name.pop(found.name)

    def of_file(self, file_id: str) -> Operation | None:
        """The finished operation that delivered the video `file_id`, or None."""
        return next((op for op in self._by_name.values() if op.is_done and file_id in op.files), None)

    def count(self, scope: str) -> int:
        """How many operations a scope has."""
        return sum(operation.scope == scope for operation in self._by_name.values())

    def forget(self, scope: str | None) -> None:
        """Forget the operations of one scope, or (None) all of them."""
        self._by_name = {
            name: operation
            for name, operation in self._by_name.items()
            if scope is not None and operation.scope != scope
        }


def begun(
    start: StartOperation,
    *,
    name: str,
    scope: str,
    is_vertex: bool,
    files: tuple[str, ...],
    scenario: str | None = None,
) -> Operation:
    """A new operation as a scenario (or the simulator itself) wants it."""
    return Operation(name, scope, start.outcome, start.running_polls, is_vertex, scenario, files)
