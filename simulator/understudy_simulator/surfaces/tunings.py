"""Tuning jobs of Vertex AI (wire-http 9): a job that is done leaves a registered model and an endpoint that answers.

Nothing is trained: the endpoint answers as the base model does. Data sets in Cloud Storage are not read, so the
statistics that describe them are left out.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ..answers.reading import Members, member, members_in, number_in, text_in
from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..catalogue import model_of
from ..clock import rfc3339
from ..google_errors import GoogleError, invalid_argument
from ..long_running import not_there, typed, vertex_operation
from ..routing import Route
from ..store import Resource
from ..tuned import TunedFrom, tuned_base
from ..vertex_jobs import PENDING, SUCCEEDED, cancelled, ended, found_job, is_done, listing, new_job, started

_COLLECTION: Final = "tuningJobs"
_KIND: Final = "TuningJob"
_OUTPUT_ONLY: Final = (
    *("name", "state", "createTime", "updateTime", "startTime", "endTime", "error", "experiment", "tunedModel"),
    *("tuningDataStats", "tuningJobState", "tuningJobMetadata", "gcsMetricsUri"),
)
_SPECS: Final = (
    *("supervisedTuningSpec", "preferenceOptimizationSpec", "distillationSpec", "reinforcementTuningSpec"),
    *("fullFineTuningSpec", "partnerModelTuningSpec", "veoTuningSpec", "veoLoraTuningSpec"),
)
_USUAL_EPOCHS: Final = 3


def create(call: Call) -> Answer:
    """A new job."""
    job = canonical_body(call, _KIND)
    for name in _OUTPUT_ONLY:
        job.pop(name, None)
    base = _base_of(call, job)
    if isinstance(base, GoogleError):
        return base
    if not any(name in job for name in _SPECS):
        return invalid_argument("Required field is not set: tuning_job.tuning_spec.")
    uri = text_in(member(job, "supervisedTuningSpec"), "trainingDatasetUri")
    if uri is not None and not uri.startswith(("gs://", "projects/")):
        return invalid_argument("Invalid training dataset URI: it must begin with gs://.")
    return Json(new_job(call, _COLLECTION, job, hidden=base).value)


def _base_of(call: Call, job: Mapping[str, Any]) -> str | GoogleError:
    """The bare id of the model that is tuned, also through a model that was tuned before."""
    earlier = text_in(member(job, "preTunedModel"), "tunedModelName")
    if earlier:
        return tuned_base(call.shelf, earlier) or not_there(f"Model {earlier} does not exist.")
    name = text_in(job, "baseModel")
    if not name:
        return invalid_argument("Required field is not set: tuning_job.base_model.")
    model = model_of(name.rpartition("/")[2], is_vertex=True, now=call.now)
    # Partner models are tuned too, but not under names of the catalogue.
    if model is None and member(job, "partnerModelTuningSpec") is None:
        return invalid_argument(f"Base model {name} is not supported.")
    return name.rpartition("/")[2]


def get(call: Call) -> Answer:
    """The job; each call brings it a step further."""
    job = found_job(call, _COLLECTION, _KIND)
    if isinstance(job, GoogleError):
        return job
    if is_done(job):
        return Json(job.value)
    if job.value["state"] == PENDING:
        running = started(call, job).showing(tuningJobState="TUNING_JOB_STATE_TUNING", experiment=_experiment(job))
        return Json(call.shelf.change(running).value)
    return Json(call.shelf.change(_finished(call, job)).value)


def _experiment(job: Resource) -> str:
    front, _, last = job.name.rpartition("/")
    parent = front.removesuffix(_COLLECTION)
    return f"{parent}metadataStores/default/contexts/tuning-experiment-{last}"


def _finished(call: Call, job: Resource) -> Resource:
    """The job when it is done: its model is registered and deployed to an endpoint."""
    parent, last = job.name.rpartition(_COLLECTION)[0], job.name.rpartition("/")[2]
    model, endpoint = f"{parent}models/{_number(last, 'model')}", f"{parent}endpoints/{_number(last, 'endpoint')}"
    shown = text_in(job.value, "tunedModelDisplayName") or f"tuned-{job.hidden}-{last}"
    _register(call, job, model, endpoint, shown)
    tuned: dict[str, Any] = {"model": f"{model}@1", "endpoint": endpoint}
    spec = member(job.value, "supervisedTuningSpec")
    epochs = member(member(spec, "hyperParameters"), "epochCount")
    count = int(epochs) if str(epochs or "").isdigit() and int(epochs) else _USUAL_EPOCHS
    if spec is not None and member(spec, "exportLastCheckpointOnly") is not True:
        tuned["checkpoints"] = [
            {"checkpointId": str(epoch), "epoch": str(epoch), "step": str(epoch * 10), "endpoint": endpoint}
            for epoch in range(1, min(count, 10) + 1)
        ]
    return ended(call, job, SUCCEEDED, tunedModel=tuned, tunedModelDisplayName=shown, tuningJobState=None)


def _number(job: str, purpose: str) -> str:
    """A number of 19 digits that belongs to a job."""
    return str(10**18 + int.from_bytes(sha256(f"{purpose} {job}".encode()).digest()[:8]) % (9 * 10**18))


def _register(call: Call, job: Resource, model: str, endpoint: str, shown: str) -> None:
    moment, hidden = rfc3339(call.now), TunedFrom(job.hidden)
    given: Members = member(job.value, "labels") or {}
    labels: dict[str, Any] = {**given, "google-vertex-llm-tuning-base-model-id": job.hidden}
    labels |= {"google-vertex-llm-tuning-job-id": job.name.rpartition("/")[2], "tune-type": "sft"}
    times = {"createTime": moment, "updateTime": moment}
    etag = sha256(model.encode()).hexdigest()[:20]
    card: dict[str, Any] = {
        "name": model,
        "displayName": shown,
        **({"description": job.value["description"]} if "description" in job.value else {}),
        "labels": labels,
        "versionId": "1",
        "versionAliases": ["default"],
        "versionCreateTime": moment,
        "versionUpdateTime": moment,
        **times,
        "etag": etag,
        "deployedModels": [{"endpoint": endpoint, "deployedModelId": _number(model, "deployed")}],
        "modelSourceInfo": {"sourceType": "GENIE"},
        "baseModelSource": {"genieSource": {"baseModelUri": f"publishers/google/models/{job.hidden}"}},
    }
    call.shelf.put(Resource(model, card, call.now, hidden=hidden))
    place = {"name": endpoint, "displayName": shown, "labels": labels, **times, "etag": etag}
    call.shelf.put(Resource(endpoint, place, call.now, hidden=hidden))


def cancel(call: Call) -> Answer:
    """End a job."""
    return cancelled(call, _COLLECTION, _KIND)


def rebase(call: Call) -> Answer:
    """Tune a tuned model anew on a later base; the answer is an operation that is done, with a new job in it."""
    body = canonical_body(call, "RebaseTunedModelRequest")
    source = member(body, "tunedModelRef")
    name = text_in(source, "tunedModel") or text_in(source, "tuningJob") or text_in(source, "pipelineJob") or ""
    job = dict(member(body, "tuningJob") or {})
    for member_name in _OUTPUT_ONLY:
        job.pop(member_name, None)
    earlier = call.shelf.find(name.partition("@")[0])
    base = tuned_base(call.shelf, name)
    if base is None and earlier is not None and isinstance(earlier.hidden, str) and is_done(earlier):
        base = earlier.hidden
    if base is None:
        return not_there(f"Tuned model {name} does not exist.") if name else invalid_argument()
    asked = (text_in(job, "baseModel") or base).rpartition("/")[2]
    made = new_job(call, _COLLECTION, {"baseModel": asked, **job}, hidden=asked)
    done = call.shelf.change(_finished(call, started(call, made)))
    kind = f"google.cloud.aiplatform.{call.version or 'v1beta1'}."
    response = typed(kind + _KIND, done.value)
    operation = vertex_operation(call, done.name, "RebaseTunedModelOperationMetadata", response)
    return Json(call.shelf.put(operation).value)


def validate_reward(call: Call) -> Answer:
    """What reward a sample would get: from 0 to 1, the same for the same sample; a string match is really done."""
    body = canonical_body(call, "ValidateReinforcementTuningRewardRequest")
    sample = member(body, "sampleResponse")
    texts = [text_in(part, "text") or "" for part in members_in(sample, "parts")]
    single, composite = member(body, "singleRewardConfig"), member(body, "compositeRewardConfig")
    if single is None and composite is None:
        return invalid_argument("Required field is not set: reward_config.")
    weighted = members_in(composite, "weightedRewardConfigs")
    configs = [(member(entry, "rewardConfig"), number_in(entry, "weight") or 0.0) for entry in weighted]
    if single is not None:
        configs = [(single, 1.0)]
    text = "\n".join(texts)
    rewards = {_reward_name(config, at): _reward(config, text) for at, (config, _) in enumerate(configs)}
    overall = sum(weight * _reward(config, text) for config, weight in configs)
    details = {name: {"reward": reward} for name, reward in rewards.items()}
    return Json({"overallReward": round(overall, 6), "rewardInfoDetails": details})


def _reward_name(config: Any, at: int) -> str:
    return text_in(config, "rewardName") or f"reward_{at}"


def _reward(config: Any, text: str) -> float:
    scorer = member(config, "stringMatchRewardScorer")
    expression = member(scorer, "stringMatchExpression")
    wanted = text_in(expression, "expression")
    if wanted is not None and text_in(expression, "matchOperation") in (None, "EXACT_MATCH", "PARTIAL_MATCH"):
        is_whole = text_in(expression, "matchOperation") == "EXACT_MATCH"
        does_match = text == wanted if is_whole else wanted in text
        found = number_in(scorer, "correctAnswerReward" if does_match else "wrongAnswerReward")
        return float(does_match) if found is None else found
    return round(sha256(text.encode("utf-8", "replace")).digest()[0] / 255, 4)


ROUTES: Final = (
    Route("POST", _COLLECTION, create, "vertex", message=_KIND),
    Route("GET", _COLLECTION, listing(_COLLECTION), "vertex", rpc="list"),
    Route("GET", f"{_COLLECTION}/{{job}}", get, "vertex"),
    Route("POST", f"{_COLLECTION}/{{job}}:cancel", cancel, "vertex", message="CancelTuningJobRequest"),
    Route("POST", f"{_COLLECTION}:rebaseTunedModel", rebase, "vertex", message="RebaseTunedModelRequest"),
    Route(
        "POST",
        f"{_COLLECTION}:validateReinforcementTuningReward",
        validate_reward,
        "vertex",
        message="ValidateReinforcementTuningRewardRequest",
    ),
)
