"""Google's error envelope: build it, read it (https://cloud.google.com/apis/design/errors, wire-http 5.1)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

HTTP_STATUS: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""google.rpc.Code names and the HTTP status that each becomes."""

RPC_NAME: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    431: "INVALID_ARGUMENT",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    508: "FAILED_PRECONDITION",
}
"""The usual google.rpc.Code name of an HTTP status."""

_TYPE = "type.googleapis.com/google.rpc."

Detail = dict[str, Any]
"""One entry of `error.details`: a JSON object with its `@type`."""


def rpc_status(status: int, message: str, details: Sequence[Detail] = (), name: str | None = None) -> dict[str, Any]:
    """The envelope `{"error": {code, message, status, details?}}` as a JSON value.

    `status` is the HTTP status; `name` the google.rpc.Code name where it is not the usual one of that status.
    """
    error: dict[str, Any] = {
        "code": status,
        "message": message,
        "status": name or RPC_NAME.get(status, "UNKNOWN"),
    }
    if details:
        error["details"] = list(details)
    return {"error": error}


def error_info(reason: str, domain: str, metadata: Mapping[str, str] | None = None) -> Detail:
    """A google.rpc.ErrorInfo detail."""
    detail: Detail = {"@type": _TYPE + "ErrorInfo", "reason": reason, "domain": domain}
    if metadata:
        detail["metadata"] = dict(metadata)
    return detail


def retry_info(retry_delay: str) -> Detail:
    """A google.rpc.RetryInfo detail; `retry_delay` is a proto Duration such as `2s` or `25.465784708s`."""
    return {"@type": _TYPE + "RetryInfo", "retryDelay": retry_delay}


def quota_failure(violations: Sequence[Mapping[str, Any]]) -> Detail:
    """A google.rpc.QuotaFailure detail; each violation has quotaMetric, quotaId, quotaDimensions and quotaValue."""
    return {"@type": _TYPE + "QuotaFailure", "violations": [dict(violation) for violation in violations]}


def help_links(links: Sequence[tuple[str, str]]) -> Detail:
    """A google.rpc.Help detail from pairs of description and address."""
    return {"@type": _TYPE + "Help", "links": [{"description": text, "url": url} for text, url in links]}


def localized_message(message: str, locale: str = "en-US") -> Detail:
    """A google.rpc.LocalizedMessage detail."""
    return {"@type": _TYPE + "LocalizedMessage", "locale": locale, "message": message}


def bad_request(violations: Sequence[tuple[str | None, str]]) -> Detail:
    """A google.rpc.BadRequest detail from pairs of field path (None at the root) and description."""
    return {
        "@type": _TYPE + "BadRequest",
        "fieldViolations": [
            {"description": text} if path is None else {"field": path, "description": text} for path, text in violations
        ],
    }


def error_of(body: Any) -> Mapping[str, Any] | None:
    """The inner `error` object of a decoded answer, out of Google's one-element array too; None if it is no error."""
    if isinstance(body, list) and len(cast("list[Any]", body)) == 1:
        body = cast("list[Any]", body)[0]
    if not isinstance(body, Mapping):
        return None
    error = cast("Mapping[str, Any]", body).get("error")
    return cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else None
