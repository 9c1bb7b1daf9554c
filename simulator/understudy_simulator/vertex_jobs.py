"""What batch prediction and tuning jobs of Vertex AI have in common: states, times, lists, deletion. Pure.

A job is PENDING when it is created, RUNNING as the first `get` shows it, and done as the second does; lists show it as
it stands. Field names are those of the discovery documents.
"""

from typing import Any, Final

from .call import Answer, Call, Json
from .clock import rfc3339
from .google_errors import GoogleError, invalid_argument
from .list_filters import filter_of
from .long_running import EMPTY, not_there, vertex_operation
from .pages import paged
from .routing import Handler
from .store import Resource

PENDING: Final = "JOB_STATE_PENDING"
RUNNING: Final = "JOB_STATE_RUNNING"
SUCCEEDED: Final = "JOB_STATE_SUCCEEDED"
_CANCELLED: Final = "JOB_STATE_CANCELLED"
_EXPRESS_PARENT: Final = "projects/100000000001/locations/global/"
_LONGEST_PAGE: Final = 1000
_USUAL_PAGE: Final = 100


def place_of_jobs(call: Call, collection: str) -> str:
    """The full name of a collection. Batch jobs of express calls have a project too: google-genai wants one in names,
    and asks for the last part alone (sdk-surface, b4); it asks for tuning jobs by their whole names, without a project.
    """
    is_bare = not call.parent and collection == "batchPredictionJobs"
    return (_EXPRESS_PARENT if is_bare else call.parent) + collection


def new_job(call: Call, collection: str, members: dict[str, Any], hidden: Any = None) -> Resource:
    """A pending job with these members, kept on the shelf of the call."""
    moment = rfc3339(call.now)
    name = f"{place_of_jobs(call, collection)}/{call.identity.decimal(collection, 19)}"
    value = {"name": name, **members, "state": PENDING, "createTime": moment, "updateTime": moment}
    return call.shelf.put(Resource(name, value, call.now, hidden=hidden))


def started(call: Call, job: Resource) -> Resource:
    """A pending job, now running."""
    moment = rfc3339(call.now)
    return job.showing(state=RUNNING, startTime=moment, updateTime=moment)


def ended(call: Call, job: Resource, state: str, **members: Any) -> Resource:
    """A job that is done, with what it has beside then."""
    moment = rfc3339(call.now)
    return job.showing(**members, state=state, endTime=moment, updateTime=moment)


def is_done(job: Resource) -> bool:
    """Whether nothing happens to the job any more."""
    return job.value["state"] not in (PENDING, RUNNING)


def found_job(call: Call, collection: str, kind: str) -> Resource | GoogleError:
    """The job that the path names; `kind` is what its refusal calls it."""
    job = call.shelf.find(f"{place_of_jobs(call, collection)}/{call.names['job']}")
    return not_there(f"The {kind} does not exist.") if job is None else job


def listing(collection: str) -> Handler:
    """The handler that lists a collection, the latest first, by `filter` and in pages, under its own name."""

    def list_them(call: Call) -> Answer:
        is_wanted = filter_of(call.query.get("filter", ""))
        if is_wanted is None:
            return invalid_argument("Invalid filter expression.")
        latest = (job for job in reversed(call.shelf.of(place_of_jobs(call, collection))) if is_wanted(job))
        return paged(call, latest, collection, usual=_USUAL_PAGE, most=_LONGEST_PAGE)

    return list_them


def cancelled(call: Call, collection: str, kind: str) -> Answer:
    """End the job that the path names; one that is done stays as it is. The answer is empty (google.protobuf.Empty)."""
    job = found_job(call, collection, kind)
    if isinstance(job, GoogleError):
        return job
    if not is_done(job):
        call.shelf.change(ended(call, job, _CANCELLED))
    return Json({})


def deleted(call: Call, resource: Resource) -> Answer:
    """Take a resource away; the answer is an operation that is done."""
    call.shelf.remove(resource.name)
    operation = vertex_operation(call, resource.name, "DeleteOperationMetadata", EMPTY)
    return Json(call.shelf.put(operation).value)
