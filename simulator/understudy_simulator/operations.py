"""Long-running operations of VEO: started, polled, done, gone. Pure: the time is handed in, polls are counted.

Each poll takes one of `polls_left`; the poll that finds none left, at or after `ready`, is answered with the outcome,
and so is every later one, until the operation is `gone`. Wire shapes: wire-http 6.3.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from understudy.scenario.model import OperationError, OperationResponse, Reply, StartOperation, Videos

from .films.film import USUAL_FILM, Film

LIFETIME: Final = timedelta(hours=48)
"""How long the Gemini API keeps a generated video (https://ai.google.dev/gemini-api/docs/video); taken for operations
of both services too."""

_GEMINI_TYPE: Final = "type.googleapis.com/google.ai.generativelanguage.{version}.PredictLongRunningResponse"
_VERTEX_TYPE: Final = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
_GEMINI_REASON: Final = (
    "We encountered an issue with the audio for your prompt, which means we could not create your video. You have not "
    "been charged for this attempt."
)
_VERTEX_REASON: Final = (
    "Veo could not generate {count} videos based on the prompt provided. You will not be charged for this request. Try "
    "rephrasing the prompt. If you think this was an error, send feedback. Support codes: 42237218"
)
"""Texts: wire-http 6.3."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `files` are the ids of its videos, `storage_uri` a Cloud Storage prefix (Vertex) or empty.

    `scenario` is the id of the scenario that started it, None if the simulator did so by itself. It is not done before
    `ready`, and is not found from `gone` on. `has_failed`: the latest poll is answered by `failure`.
    """

    name: str
    scope: str
    outcome: Videos | OperationResponse | OperationError
    polls_left: int
    is_vertex: bool
    started: datetime
    ready: datetime
    gone: datetime
    scenario: str | None = None
    files: tuple[str, ...] = ()
    storage_uri: str = ""
    film: Film = USUAL_FILM
    is_done: bool = False
    failing_polls: int = 0
    failure: Reply | None = None
    has_failed: bool = False

    def polled(self, now: datetime) -> "Operation":
        """The operation after one more poll."""
        if self.failing_polls > 0:
            return replace(self, failing_polls=self.failing_polls - 1, has_failed=True)
        if self.has_failed:
            return replace(self, has_failed=False).polled(now)
        if self.is_done:
            return self
        if self.polls_left > 0:
            return replace(self, polls_left=self.polls_left - 1)
        return replace(self, is_done=True) if now >= self.ready else self

    def is_delivered(self, now: datetime) -> bool:
        """Whether its videos are there: a poll has said so, or by the clock alone it is over."""
        return self.is_done or (self.started < self.ready <= now and not self.polls_left)

    def mark_of(self, file: str) -> str:
        """What tells the bytes of one of its videos from those of the others."""
        return f"sample {self.files.index(file)}"

    def objects(self) -> Mapping[str, str]:
        """The videos that are written to Cloud Storage: `gs://bucket/object` and the file's id."""
        if not self.storage_uri:
            return {}
        folder = f"{self.storage_uri.rstrip('/')}/{self.name.rpartition('/')[2]}"
        return {f"{folder}/sample_{index}.mp4": file for index, file in enumerate(self.files)}


@dataclass(frozen=True, slots=True)
class VideoSource:
    """Where videos come from: the bytes of one by its film and mark, and the host and version in the URIs."""

    data: Callable[[Film, str], bytes]
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
            make = _vertex_videos if operation.is_vertex else _uris
            answer["response"] = make(operation, operation.outcome, source)
        case OperationResponse(value):
            answer["response"] = dict(value)
        case OperationError(code, message):
            answer["error"] = {"code": code, "message": message}
        case _ as never:
            assert_never(never)
    return answer


def _uris(operation: Operation, videos: Videos, source: VideoSource) -> Mapping[str, Any]:
    made: dict[str, Any] = {}
    if operation.files:
        made["generatedSamples"] = [
            {"video": {"uri": f"{source.file_host}/{source.version}/files/{file}:download?alt=media"}}
            for file in operation.files
        ]
    if videos.filtered:
        made["raiMediaFilteredCount"] = videos.filtered
        made["raiMediaFilteredReasons"] = list(videos.reasons or [_GEMINI_REASON] * videos.filtered)
    return {"@type": _GEMINI_TYPE.format(version=source.version), "generateVideoResponse": made}


def _vertex_videos(operation: Operation, videos: Videos, source: VideoSource) -> Mapping[str, Any]:
    made: dict[str, Any] = {"@type": _VERTEX_TYPE, "raiMediaFilteredCount": videos.filtered}
    if videos.filtered:
        made["raiMediaFilteredReasons"] = list(videos.reasons or [_VERTEX_REASON.format(count=videos.filtered)])
    stored = list(operation.objects())
    items: list[Mapping[str, str]] = []
    for index, file in enumerate(operation.files):
        where = (
            {"gcsUri": stored[index]}
            if stored
            else {"bytesBase64Encoded": b64encode(source.data(operation.film, operation.mark_of(file))).decode()}
        )
        items.append({**where, "mimeType": "video/mp4"})
    return {**made, "videos": items} if items else made


_CANCELLED: Final = OperationError(1, "The operation was cancelled.")
"""google.longrunning says code 1; the words are assumed."""

OPERATION_LIMIT: Final = 10_000
"""Operations that are kept; beyond that the oldest are forgotten, so that a long load run does not fill the memory."""


class OperationDesk:
    """The latest operations by name, and the videos that finished ones delivered."""

    def __init__(self) -> None:
        self._by_name: dict[str, Operation] = {}
        self._by_file: dict[str, str] = {}

    def start(self, operation: Operation) -> None:
        """Keep a new operation."""
        self._by_name[operation.name] = operation
        self._by_file |= dict.fromkeys(operation.files, operation.name)
        if len(self._by_name) > OPERATION_LIMIT:
            self._drop(next(iter(self._by_name)))

    def find(self, name: str, now: datetime) -> Operation | None:
        """The operation of that name. A Gemini operation is found by `operations/ID` too (wire-http 6.3)."""
        found = self._by_name.get(name)
        if found is None and name.startswith("operations/"):
            tail = "/" + name
            found = next((op for known, op in self._by_name.items() if known.endswith(tail) and not op.is_vertex), None)
        return None if found is None or now >= found.gone else found

    def poll(self, name: str, now: datetime) -> Operation | None:
        """Count one poll; gives the operation as that poll finds it, None if there is none of that name."""
        found = self.find(name, now)
        if found is None:
            return None
        polled = found.polled(now)
        self._by_name[polled.name] = polled
        return polled

    def below(self, scope: str, parent: str, now: datetime) -> tuple[Operation, ...]:
        """The operations of a scope whose names are `parent/operations/ID`, in order of creation."""
        front = f"{parent}/operations/"
        return tuple(op for op in self.of_scope(scope, now) if op.name.startswith(front))

    def cancel(self, name: str, now: datetime) -> Operation | None:
        """End an operation that is not done with code 1; gives it, or None if there is none of that name."""
        found = self.find(name, now)
        if found is None or found.is_done:
            return found
        ended = replace(found, outcome=_CANCELLED, files=(), is_done=True)
        self._by_name[ended.name] = ended
        return ended

    def remove(self, name: str, now: datetime) -> Operation | None:
        """Forget an operation, and the videos that it delivered; gives it, or None if there is none of that name."""
        found = self.find(name, now)
        if found is not None:
            self._drop(found.name)
        return found

    def of_file(self, file_id: str, now: datetime) -> Operation | None:
        """The operation that delivered the video `file_id`, or None if none did, or the video has expired."""
        found = self._by_name.get(self._by_file.get(file_id, ""))
        if found is None or file_id not in found.files or now >= found.gone:
            return None
        return found if found.is_delivered(now) else None

    def of_scope(self, scope: str, now: datetime) -> tuple[Operation, ...]:
        """The operations of a scope, in order of creation."""
        return tuple(op for op in self._by_name.values() if op.scope == scope and now < op.gone)

    def remove_file(self, file_id: str) -> None:
        """Forget one video; its operation stays as it is."""
        self._by_file.pop(file_id, None)

    def stored(self, now: datetime) -> Mapping[str, tuple[Operation, str]]:
        """All videos that were written to Cloud Storage, where they stay: by `gs://bucket/object`, with their ids."""
        return {
            uri: (operation, file)
            for operation in self._by_name.values()
            if operation.storage_uri and operation.is_delivered(now)
            for uri, file in operation.objects().items()
        }

    def count(self, scope: str) -> int:
        """How many operations a scope has."""
        return sum(operation.scope == scope for operation in self._by_name.values())

    def forget(self, scope: str | None) -> None:
        """Forget the operations of one scope, or (None) all of them."""
        for name in [name for name, operation in self._by_name.items() if scope in (None, operation.scope)]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        for file in self._by_name.pop(name).files:
            self._by_file.pop(file, None)


def begun(
    start: StartOperation,
    *,
    name: str,
    scope: str,
    is_vertex: bool,
    files: tuple[str, ...],
    now: datetime,
    speed: float = 1.0,
    scenario: str | None = None,
    storage_uri: str = "",
    film: Film | None = None,
) -> Operation:
    """A new operation as a scenario (or the simulator itself) wants it. At `speed` 0 it runs for no time at all."""
    running = timedelta(seconds=start.running_for_s / speed if speed else 0.0)
    lifetime = LIFETIME if start.gone_after_s is None else timedelta(seconds=start.gone_after_s)
    return Operation(
        *(name, scope, start.outcome, start.running_polls, is_vertex),
        started=now,
        ready=now + running,
        gone=now + lifetime,
        scenario=scenario,
        files=files,
        storage_uri=storage_uri,
        film=film or USUAL_FILM,
        failing_polls=start.failing_polls,
        failure=start.failure,
    )
