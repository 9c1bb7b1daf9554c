"""Long-running operations as JSON, and the refusals that all surfaces of jobs share. Pure.

Shapes: wire-http 6.3 and 9; google.longrunning.Operation. A finished operation has `done`, and `response` or `error`.
"""

from collections.abc import Mapping
from typing import Any, Final

from understudy.rpc_status import RPC_NAME

from .call import Call
from .clock import rfc3339
from .google_errors import GoogleError
from .store import Resource

_TYPE: Final = "type.googleapis.com/"

_CODES: Final[Mapping[str, int]] = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
"""The numbers of google.rpc.Code."""


def typed(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A value inside a google.protobuf.Any; `kind` is the message's full name."""
    return {"@type": _TYPE + kind, **value}


def status_of(error: GoogleError) -> dict[str, Any]:
    """A refusal as a google.rpc.Status, as operations and batches carry it: the code is google.rpc's own number."""
    name = error.name or RPC_NAME.get(error.status, "UNKNOWN")
    status: dict[str, Any] = {"code": _CODES.get(name, 2), "message": error.message}
    if error.details:
        status["details"] = list(error.details)
    return status


CANCELLED: Final[Mapping[str, Any]] = {"code": 1, "message": "The operation was cancelled."}
"""What a cancelled operation ends with: google.longrunning says code 1; the words are assumed."""


def precondition(message: str) -> GoogleError:
    """A 400 FAILED_PRECONDITION."""
    return GoogleError(400, message, name="FAILED_PRECONDITION")


def not_there(message: str) -> GoogleError:
    """A 404 NOT_FOUND."""
    return GoogleError(404, message)


def vertex_operation(call: Call, parent: str, metadata: str, response: Mapping[str, Any]) -> Resource:
    """A Vertex AI operation below `parent` that is done at once; `metadata` is the name of its metadata's message."""
    name = f"{parent}/operations/{call.identity.decimal('operation', 19)}"
    kind = f"google.cloud.aiplatform.{call.version or 'v1'}."
    moment = rfc3339(call.now)
    about = {"genericMetadata": {"createTime": moment, "updateTime": moment}}
    value = {"name": name, "metadata": typed(kind + metadata, about), "done": True, "response": dict(response)}
    return Resource(name, value, call.now)


EMPTY: Final[Mapping[str, Any]] = {"@type": "type.googleapis.com/google.protobuf.Empty"}
"""The response of an operation that gives nothing."""
