"""Tuned models of the Gemini API (wire-http 9): created by an operation, ready after two looks, then they answer.

Nothing is trained: a tuned model answers as its base does, or as a later model if that is retired. Each `get` of the
model and each poll of its operation is a look: the first shows CREATING, half done, the second ACTIVE. Lists show
models as they stand.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..answers.reading import Members, count_in, member, members_in, text_in
from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..catalogue import model_of
from ..clock import rfc3339
from ..field_masks import mask_of, masked
from ..google_errors import GoogleError, invalid_argument, unknown_operation
from ..long_running import CANCELLED, not_there, typed
from ..pages import paged
from ..routing import Route
from ..store import Resource
from ..tuned import TunedFrom

_PACKAGE: Final = "google.ai.generativelanguage.v1beta."
_KIND: Final = "TunedModel"
_ID: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")
_TUNING_BASE: Final = "-tuning"
_STAND_IN: Final = "gemini-2.5-flash"
"""What answers for a base that is retired by now, as those that could be tuned are."""

_USUAL_PAGE: Final = 10
_LONGEST_PAGE: Final = 1000
_USUAL_EPOCHS: Final = 5
_USUAL_BATCH: Final = 4
_USUAL_RATE: Final = 0.001
_SNAPSHOTS: Final = 50
_CHANGEABLE: Final = frozenset({"displayName", "description", "temperature", "topP", "topK", "readerProjectNumbers"})
_OUTPUT_ONLY: Final = ("name", "state", "createTime", "updateTime")


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the operation of a tuned model keeps beside its value: which model, and how many steps there are."""

    model: str
    steps: int


def create(call: Call) -> Answer:
    """A new tuned model; the answer is its operation, with the model's name in `metadata.tunedModel`."""
    body = canonical_body(call, _KIND)
    base = _base_of(call, body)
    if isinstance(base, GoogleError):
        return base
    asked = call.query.get("tunedModelId", "")
    if asked and not _ID.fullmatch(asked):
        return invalid_argument("Invalid tuned model ID: it must have at most 40 lowercase letters, digits and dashes.")
    slug = _NOT_SLUG.sub("-", (text_in(body, "displayName") or "").lower()).strip("-")[:26].rstrip("-")
    last = asked or "-".join(part for part in (slug, call.identity.lower("tuned model", 12)) if part)
    name = f"tunedModels/{last}"
    if call.shelf.find(name) is not None:
        return GoogleError(409, f"Tuned model {name} already exists.", name="ALREADY_EXISTS")
    task = _task(call, body)
    steps = _steps(task, body)
    task["snapshots"] = _snapshots(call, steps, task)
    value = {key: value for key, value in body.items() if key not in _OUTPUT_ONLY and key != "tuningTask"}
    moment = rfc3339(call.now)
    value = {"name": name, **value, "state": "CREATING", "createTime": moment, "updateTime": moment}
    call.shelf.put(Resource(name, {**value, "tuningTask": task}, call.now, hidden=TunedFrom(base, is_ready=False)))
    operation = f"{name}/operations/{call.identity.lower('tuning', 12)}"
    kept = Resource(operation, {"name": operation}, call.now, hidden=Tuning(name, steps))
    return Json(call.shelf.put(_reported(kept, 0)).value)


def _base_of(call: Call, body: Mapping[str, Any]) -> str | GoogleError:
    """The bare id of the base, also through a tuned model."""
    source = member(body, "tunedModelSource")
    earlier = text_in(source, "tunedModel")
    if earlier:
        found = call.shelf.find(earlier)
        if found is None or not isinstance(found.hidden, TunedFrom):
            return not_there(f"Tuned model {earlier} does not exist.")
        return found.hidden.base
    name = (
        text_in(body, "baseModel")
        or text_in(source, "baseModel")
        or text_in(member(body, "preTunedModel"), "baseModel")
    )
    if not name:
        return invalid_argument("TunedModel.base_model is required.")
    # Models to be tuned have names of their own (`gemini-1.5-flash-001-tuning`); any text model is taken here.
    bare = name.removeprefix("models/").removesuffix(_TUNING_BASE)
    model = model_of(bare, is_vertex=False)
    if model is None or not model.can("generateContent"):
        return not_there(f"Base model {name} does not exist or does not support tuning.")
    return _STAND_IN if model.is_retired(call.now) else bare


def _task(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """The tuning task as it is shown: with its start and all hyperparameters; the training data is input only."""
    given = member(body, "tuningTask")
    asked: Members = member(given, "hyperparameters") or {}
    usual: dict[str, Any] = {"epochCount": _USUAL_EPOCHS, "batchSize": _USUAL_BATCH}
    if "learningRateMultiplier" not in asked:
        usual["learningRate"] = _USUAL_RATE
    return {"startTime": rfc3339(call.now), "hyperparameters": {**usual, **asked}}


def _steps(task: Mapping[str, Any], body: Mapping[str, Any]) -> int:
    """How many steps the training takes: examples times epochs by batch size."""
    data = member(member(member(body, "tuningTask"), "trainingData"), "examples")
    examples = len(members_in(data, "examples")) + len(members_in(data, "multiturnExamples"))
    hyper = task["hyperparameters"]
    epochs, batch = count_in(hyper, "epochCount") or _USUAL_EPOCHS, count_in(hyper, "batchSize") or _USUAL_BATCH
    return max(math.ceil(max(examples, 1) * epochs / batch), 1)


def _snapshots(call: Call, steps: int, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A falling loss, at most so many points of it."""
    epochs = count_in(task["hyperparameters"], "epochCount") or _USUAL_EPOCHS
    count = min(steps, _SNAPSHOTS)
    at = [max(round(steps * number / count), 1) for number in range(1, count + 1)]
    return [
        {
            "step": step,
            "epoch": max(math.ceil(epochs * step / steps), 1),
            "meanLoss": round(8.0 / (1 + step), 6),
            "computeTime": rfc3339(call.now),
        }
        for step in at
    ]


def _reported(operation: Resource, percent: int) -> Resource:
    """An operation that is under way, and how far it is."""
    known: Tuning = operation.hidden
    about: dict[str, Any] = {"totalSteps": known.steps, "tunedModel": known.model}
    if percent:
        about |= {"completedSteps": known.steps * percent // 100, "completedPercent": percent}
    return operation.showing(metadata=typed(_PACKAGE + "CreateTunedModelMetadata", about))


def _found(call: Call) -> Resource | GoogleError:
    name = f"tunedModels/{call.names['tuned']}"
    found = call.shelf.find(name)
    return not_there(f"Tuned model {name} does not exist.") if found is None else found


def _looked_at(call: Call, model: Resource) -> Resource:
    """The model after one more look at it or its operation, which goes on with it."""
    operation = next((found for found in call.shelf.home_of(model.name).of(f"{model.name}/operations")), None)
    if model.value["state"] != "CREATING" or operation is None or operation.value.get("done"):
        return model
    if member(operation.value["metadata"], "completedPercent") is None:
        call.shelf.change(_reported(operation, 50))
        return model
    moment = rfc3339(call.now)
    task = {**model.value["tuningTask"], "completeTime": moment}
    ready = replace(model, hidden=replace(model.hidden, is_ready=True))
    ready = call.shelf.change(ready.showing(state="ACTIVE", updateTime=moment, tuningTask=task))
    call.shelf.change(_reported(operation, 100).showing(done=True, response=typed(_PACKAGE + _KIND, ready.value)))
    return ready


def get(call: Call) -> Answer:
    """The model; each call is a look."""
    found = _found(call)
    return found if isinstance(found, GoogleError) else Json(_looked_at(call, found).value)


def get_operation(call: Call) -> Answer:
    """The operation that makes the model; each call is a look."""
    name = f"tunedModels/{call.names['tuned']}/operations/{call.names['work']}"
    model, operation = _found(call), call.shelf.find(name)
    if operation is None:
        return unknown_operation(name)
    if not isinstance(model, GoogleError):
        _looked_at(call, model)
    return Json((call.shelf.find(name) or operation).value)


def list_operations(call: Call) -> Answer:
    """One page of the model's operations, as they stand."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    return _page(call, call.shelf.home_of(found.name).of(f"{found.name}/operations"), "operations")


def list_models(call: Call) -> Answer:
    """One page of tuned models, the latest first; `filter` is not heeded: all of them are the caller's own."""
    return _page(call, tuple(reversed(call.shelf.of("tunedModels"))), "tunedModels")


def _page(call: Call, resources: tuple[Resource, ...], key: str) -> Answer:
    return paged(call, resources, key, usual=_USUAL_PAGE, most=_LONGEST_PAGE)


def patch(call: Call) -> Answer:
    """A model with some members changed: those of `updateMask`, or all that the body has."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    changes = masked(canonical_body(call, _KIND), mask_of(call.query), _CHANGEABLE)
    return Json(call.shelf.change(found.showing(**changes, updateTime=rfc3339(call.now))).value)


def cancel(call: Call) -> Answer:
    """End the tuning of a model, which has FAILED then; one that is ready stays as it is."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    if found.value["state"] == "CREATING":
        call.shelf.change(found.showing(state="FAILED", updateTime=rfc3339(call.now)))
        for operation in call.shelf.home_of(found.name).of(f"{found.name}/operations"):
            call.shelf.change(operation.showing(done=True, error=CANCELLED))
    return Json({})


def delete(call: Call) -> Answer:
    """Forget a model and its operations."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    for operation in call.shelf.home_of(found.name).of(f"{found.name}/operations"):
        call.shelf.remove(operation.name)
    call.shelf.remove(found.name)
    return Json({})


ROUTES: Final = (
    Route("POST", "tunedModels", create, "gemini", message=_KIND),
    Route("GET", "tunedModels", list_models, "gemini", rpc="list"),
    Route("GET", "tunedModels/{tuned}", get, "gemini"),
    Route("PATCH", "tunedModels/{tuned}", patch, "gemini", message=_KIND),
    Route("DELETE", "tunedModels/{tuned}", delete, "gemini"),
    Route("POST", "tunedModels/{tuned}:cancel", cancel, "gemini"),
    Route("GET", "tunedModels/{tuned}/operations", list_operations, "gemini", rpc="list"),
    Route("GET", "tunedModels/{tuned}/operations/{work}", get_operation, "gemini", "known"),
)
