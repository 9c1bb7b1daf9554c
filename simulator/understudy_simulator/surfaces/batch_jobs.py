"""Batch prediction jobs of Vertex AI (wire-http 9): kept as jobs; what they read from and write to is not here.

Cloud Storage and BigQuery are not simulated: each input URI (or table) counts as one request that succeeds, and the
place of the results is named as Vertex AI names it, but nothing is there.
"""

from typing import Any, Final

from ..answers.reading import member, strings_in, text_in
from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..catalogue import model_of
from ..google_errors import GoogleError, invalid_argument
from ..long_running import not_there, precondition
from ..routing import Route
from ..store import Resource
from ..tuned import tuned_base
from ..vertex_jobs import PENDING, SUCCEEDED, cancelled, deleted, ended, found_job, is_done, listing, new_job, started

_COLLECTION: Final = "batchPredictionJobs"
_KIND: Final = "BatchPredictionJob"


def create(call: Call) -> Answer:
    """A new job."""
    job = canonical_body(call, _KIND)
    mistake = _mistake(call, job)
    if mistake is not None:
        return mistake
    model = text_in(job, "model")
    shown = {**job, "modelVersionId": "1"} if model and "/models/" in model and "publishers/" not in model else job
    for name in ("name", "state", "createTime", "updateTime", "startTime", "endTime", "outputInfo", "completionStats"):
        shown.pop(name, None)
    return Json(new_job(call, _COLLECTION, shown).value)


def _mistake(call: Call, job: dict[str, Any]) -> GoogleError | None:
    """Why a job cannot be; the words are assumed."""
    if not text_in(job, "displayName"):
        return invalid_argument("Required field is not set: batch_prediction_job.display_name.")
    source, target = member(job, "inputConfig"), member(job, "outputConfig")
    if not _inputs(source):
        return invalid_argument("Required field is not set: batch_prediction_job.input_config.source.")
    prefix = text_in(member(target, "gcsDestination"), "outputUriPrefix")
    table = text_in(member(target, "bigqueryDestination"), "outputUri")
    dataset = member(target, "vertexMultimodalDatasetDestination")
    if not (prefix or table or dataset is not None):
        return invalid_argument("Required field is not set: batch_prediction_job.output_config.destination.")
    if any(
        not uri.startswith("gs://") for uri in (*strings_in(member(source, "gcsSource"), "uris"), prefix or "gs://")
    ):
        return invalid_argument("Invalid Cloud Storage URI: it must begin with gs://.")
    model = text_in(job, "model") or ""
    if not model and member(job, "unmanagedContainerModel") is None:
        return invalid_argument("Required field is not set: batch_prediction_job.model.")
    return None if not model or _is_known(call, model) else not_there(f"Model {model} does not exist.")


def _is_known(call: Call, model: str) -> bool:
    front, _, last = model.rpartition("/models/")
    publisher = front.rpartition("publishers/")[2] if "publishers/" in front else "google"
    if front and "publishers/" not in front:
        return tuned_base(call.shelf, model) is not None
    return model_of(last or model, is_vertex=True, publisher=publisher, now=call.now) is not None


def _inputs(source: Any) -> tuple[str, ...]:
    table = text_in(member(source, "bigquerySource"), "inputUri")
    data = text_in(member(source, "vertexMultimodalDatasetSource"), "datasetName")
    return (*strings_in(member(source, "gcsSource"), "uris"), *(uri for uri in (table, data) if uri))


def get(call: Call) -> Answer:
    """The job; each call brings it a step further."""
    job = found_job(call, _COLLECTION, _KIND)
    if isinstance(job, GoogleError):
        return job
    if is_done(job):
        return Json(job.value)
    return Json(call.shelf.change(started(call, job) if job.value["state"] == PENDING else _finished(call, job)).value)


def _finished(call: Call, job: Resource) -> Resource:
    count = str(len(_inputs(job.value["inputConfig"])))
    target = job.value["outputConfig"]
    stamp = call.now.strftime("%Y-%m-%dT%H:%M:%S") + f".{call.now.microsecond // 1000:03}Z"
    prefix = text_in(member(target, "gcsDestination"), "outputUriPrefix")
    table = text_in(member(target, "bigqueryDestination"), "outputUri")
    output: dict[str, str] = {}
    if prefix:
        output["gcsOutputDirectory"] = f"{prefix.rstrip('/')}/prediction-model-{stamp}"
    if table:
        output["bigqueryOutputDataset"], output["bigqueryOutputTable"] = _table(table, stamp)
    return ended(call, job, SUCCEEDED, outputInfo=output, completionStats={"successfulCount": count})


def _table(uri: str, stamp: str) -> tuple[str, str]:
    """The data set and the table of results: the asked ones, or a new table of the asked data set."""
    parts = uri.removeprefix("bq://").split(".")
    table = parts[2] if len(parts) > 2 else "predictions_" + stamp.replace("-", "_").replace(":", "_").replace(".", "_")
    return "bq://" + ".".join(parts[:2]), table


def cancel(call: Call) -> Answer:
    """End a job."""
    return cancelled(call, _COLLECTION, _KIND)


def delete(call: Call) -> Answer:
    """Forget a job that is done; one that is not is refused, as the method's description says."""
    job = found_job(call, _COLLECTION, _KIND)
    if isinstance(job, GoogleError):
        return job
    if not is_done(job):
        return precondition("The BatchPredictionJob is not in a final state: cancel it first.")
    return deleted(call, job)


ROUTES: Final = (
    Route("POST", _COLLECTION, create, "vertex", message=_KIND),
    Route("GET", _COLLECTION, listing(_COLLECTION), "vertex", rpc="list"),
    Route("GET", f"{_COLLECTION}/{{job}}", get, "vertex"),
    Route("POST", f"{_COLLECTION}/{{job}}:cancel", cancel, "vertex", message="CancelBatchPredictionJobRequest"),
    Route("DELETE", f"{_COLLECTION}/{{job}}", delete, "vertex"),
)
