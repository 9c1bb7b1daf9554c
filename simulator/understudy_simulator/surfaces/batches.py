"""Batches of the Gemini API: requests in the body or in a file, answered when the batch is done (wire-http 9).

A batch is PENDING when it is created, RUNNING as the first `get` shows it, SUCCEEDED as the second does; lists show it
as it stands. One that is not done after 48 hours is EXPIRED. Its requests are answered as by `generateContent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from ..answers.reading import member, members_in, text_in, whole_in
from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..catalogue import model_of
from ..clock import rfc3339
from ..encoding import one_line_json
from ..google_errors import GoogleError, invalid_argument, unknown_file, unknown_model
from ..ids import Identity
from ..kept_bytes import KeptBytes, bytes_of
from ..line_answers import BatchLine, Verb, answered, lines_of_jsonl
from ..long_running import CANCELLED, not_there, typed
from ..pages import paged
from ..routing import Route
from ..store import Resource

_PACKAGE: Final = "google.ai.generativelanguage.v1main."
_LIFETIME: Final = timedelta(hours=48)
_FILE_LIFETIME: Final = timedelta(hours=48)
_USUAL_PAGE: Final = 50
_LONGEST_PAGE: Final = 1000
_EXPIRED: Final = {"code": 4, "message": "The batch expired: it was not done within 48 hours."}
"""google.rpc's DEADLINE_EXCEEDED; the words are assumed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a batch is to do: each request of `lines`, or of the file `file`, with `verb` to `model` (a bare id)."""

    verb: Verb
    model: str
    lines: tuple[BatchLine, ...]
    file: str
    identity: Identity

    @property
    def message(self) -> str:
        """The name of its message."""
        return "GenerateContentBatch" if self.verb == "generateContent" else "EmbedContentBatch"


def create(call: Call) -> Answer:
    """A new batch of generateContent requests; the answer is its operation."""
    return _created(call, "generateContent", "BatchGenerateContentRequest")


def create_embeddings(call: Call) -> Answer:
    """A new batch of embedContent requests; the answer is its operation."""
    return _created(call, "embedContent", "AsyncBatchEmbedContentRequest")


def _created(call: Call, verb: Verb, message: str) -> Answer:
    model = model_of(call.names["model"], is_vertex=False, now=call.now)
    if model is None or not model.can(call.rpc):
        return unknown_model(call.place)
    batch = canonical_body(call, message).get("batch")
    source = member(batch, "inputConfig")
    work = _work_of(call, verb, model.id, source)
    if isinstance(work, GoogleError):
        return work
    count = _count(call, work)
    if isinstance(count, GoogleError):
        return count
    name = f"batches/{call.identity.lower('batch', 40)}"
    about: dict[str, Any] = {"model": f"models/{model.id}", "displayName": text_in(batch, "displayName")}
    if work.file:
        about["inputConfig"] = {"fileName": work.file}
    about |= {"createTime": rfc3339(call.now), "updateTime": rfc3339(call.now)}
    about["batchStats"] = {"requestCount": str(count), "pendingRequestCount": str(count)}
    about |= {"state": "BATCH_STATE_PENDING", "name": name}
    priority = whole_in(batch, "priority")
    about |= {"priority": str(priority) if priority else None, "webhookConfig": member(batch, "webhookConfig")}
    kept = {key: value for key, value in about.items() if value is not None}
    value = {"name": name, "metadata": typed(_PACKAGE + work.message, kept)}
    return Json(call.shelf.put(Resource(name, value, call.now, hidden=work)).value)


def _work_of(call: Call, verb: Verb, model: str, source: Any) -> Work | GoogleError:
    file = text_in(source, "fileName") or ""
    if file:
        return Work(verb, model, (), file, call.identity)
    asked = members_in(member(source, "requests"), "requests")
    if not asked:
        return invalid_argument("batch.input_config: contents is not specified")
    lines = tuple(
        BatchLine(entry.get("request"), {"metadata": entry["metadata"]} if "metadata" in entry else {})
        for entry in asked
    )
    return Work(verb, model, lines, "", call.identity)


def _count(call: Call, work: Work) -> int | GoogleError:
    if not work.file:
        return len(work.lines)
    lines = _lines(call, work)
    if lines is None:
        return unknown_file(work.file.removeprefix("files/"))
    return len(lines) or invalid_argument("The batch input file has no requests.")


def _lines(call: Call, work: Work) -> tuple[BatchLine, ...] | None:
    """The requests of a batch; None if its file is not there."""
    if not work.file:
        return work.lines
    found = call.shelf.find(work.file)
    data = None if found is None else bytes_of(found.hidden)
    return None if data is None else lines_of_jsonl(data)


# ---- how it goes on


def get(call: Call) -> Answer:
    """The batch as its operation; each call brings it a step further."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    resource, work = found
    about: Mapping[str, Any] = resource.value["metadata"]
    if resource.value.get("done"):
        return Json(resource.value)
    if call.now >= resource.created + _LIFETIME:
        return Json(call.shelf.change(_ended(call, resource, "EXPIRED", _EXPIRED)).value)
    if about["state"] == "BATCH_STATE_PENDING":
        running = {**about, "state": "BATCH_STATE_RUNNING", "updateTime": rfc3339(call.now)}
        return Json(call.shelf.change(resource.showing(metadata=running)).value)
    return Json(call.shelf.change(_finished(call, resource, work)).value)


def _found(call: Call) -> tuple[Resource, Work] | GoogleError:
    name = f"batches/{call.names['batch']}"
    found = call.shelf.find(name)
    if found is None or not isinstance(found.hidden, Work):
        return not_there(f"Batch not found: {name}")
    return found, found.hidden


def _ended(call: Call, resource: Resource, state: str, error: Mapping[str, Any]) -> Resource:
    moment = rfc3339(call.now)
    about = {**resource.value["metadata"], "state": f"BATCH_STATE_{state}", "endTime": moment, "updateTime": moment}
    return resource.showing(metadata=about, done=True, error=error)


def _finished(call: Call, resource: Resource, work: Work) -> Resource:
    lines = _lines(call, work)
    if lines is None:
        why = {"code": 5, "message": f"The input file {work.file} is not there any more."}
        return _ended(call, resource, "FAILED", why)
    whose = replace(call, service="gemini")
    answers = [
        answered(
            whose, work.verb, work.model, line, replace(work.identity, scope=f"{work.identity.scope}\0line {number}")
        )
        for number, line in enumerate(lines)
    ]
    output = _output(call, resource, work, answers)
    failed = sum("error" in answer for answer in answers)
    counts = (
        ("requestCount", len(answers)),
        ("successfulRequestCount", len(answers) - failed),
        ("failedRequestCount", failed),
    )
    moment = rfc3339(call.now)
    about = {
        **resource.value["metadata"],
        "batchStats": {name: str(count) for name, count in counts if count},
        "state": "BATCH_STATE_SUCCEEDED",
        "endTime": moment,
        "updateTime": moment,
        "output": output,
    }
    return resource.showing(metadata=about, done=True, response=typed(f"{_PACKAGE}{work.message}Output", output))


def _output(call: Call, resource: Resource, work: Work, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the answers are: in the batch itself, or in a file that can be downloaded."""
    if not work.file:
        return {"inlinedResponses": {"inlinedResponses": answers}}
    data = b"".join(one_line_json(answer) + b"\n" for answer in answers)
    file = f"files/batch-{resource.name.removeprefix('batches/')}"
    base = f"https://generativelanguage.googleapis.com/v1beta/{file}"
    value = {
        "name": file,
        "mimeType": "application/json",
        "sizeBytes": str(len(data)),
        "createTime": rfc3339(call.now),
        "updateTime": rfc3339(call.now),
        "expirationTime": rfc3339(call.now + _FILE_LIFETIME),
        "uri": base,
        "downloadUri": f"{base}:download?alt=media",
        "state": "ACTIVE",
        "source": "GENERATED",
    }
    call.shelf.put(Resource(file, value, call.now, call.now + _FILE_LIFETIME, KeptBytes(data)))
    return {"responsesFile": file}


def list_batches(call: Call) -> Answer:
    """One page of the batches, the latest first, under `operations`."""
    mine = [_aged(call, resource) for resource in call.shelf.of("batches")]
    return paged(call, reversed(mine), "operations", usual=_USUAL_PAGE, most=_LONGEST_PAGE)


def _aged(call: Call, resource: Resource) -> Resource:
    if resource.value.get("done") or call.now < resource.created + _LIFETIME:
        return resource
    return call.shelf.change(_ended(call, resource, "EXPIRED", _EXPIRED))


def cancel(call: Call) -> Answer:
    """End a batch at once; one that is done stays as it is."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    if not found[0].value.get("done"):
        call.shelf.change(_ended(call, found[0], "CANCELLED", CANCELLED))
    return Json({})


def delete(call: Call) -> Answer:
    """Forget a batch."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    call.shelf.remove(found[0].name)
    return Json({})


ROUTES: Final = (
    Route("POST", "models/{model}:batchGenerateContent", create, "gemini", message="BatchGenerateContentRequest"),
    Route(
        "POST",
        "models/{model}:asyncBatchEmbedContent",
        create_embeddings,
        "gemini",
        message="AsyncBatchEmbedContentRequest",
    ),
    Route("GET", "batches", list_batches, "gemini", rpc="list"),
    Route("GET", "batches/{batch}", get, "gemini"),
    Route("POST", "batches/{batch}:cancel", cancel, "gemini", message="CancelOperationRequest"),
    Route("DELETE", "batches/{batch}", delete, "gemini"),
)
