"""All errors that have a name: what a scenario's `error` step, and its reference page, are made of."""

from collections.abc import Mapping
from typing import Final

from ..errors import did_you_mean
from . import capacity, credentials, requests
from .model import GEMINI_SERVICE, VERTEX_SERVICE, NamedError, Parameters, ProviderError, host_of

_MODEL: Final = {"model": "{{model}}"}
_PROJECT: Final = {"project": "{{project}}"}
_VERTEX_MODEL: Final = {**_PROJECT, "location": "{{location}}", "publisher": "google", **_MODEL}
_CALLED: Final = {"service": "", "rpc_method": "{{rpc_method}}"}
_RETRY_AFTER: Final = {"retry_after": ""}
_VERTEX_METRIC: Final = "generate_content_requests_per_minute_per_project_per_base_model"


def _host(given: Parameters) -> str:
    return host_of(given["service"] == "vertex")


def _vertex_model(given: Parameters) -> str:
    """The full name of a model of Vertex AI."""
    return (
        f"projects/{given['project']}/locations/{given['location']}"
        f"/publishers/{given['publisher']}/models/{given['model']}"
    )


_CREDENTIALS: Final = (
    NamedError(
        "bad-api-key",
        "The API key is not valid.",
        "captured",
        lambda given: credentials.bad_api_key(_host(given)),
        {"service": ""},
    ),
    NamedError(
        "expired-api-key",
        "The API key has expired.",
        "assumed",
        lambda given: credentials.expired_api_key(_host(given)),
        {"service": ""},
    ),
    NamedError(
        "no-api-key",
        "The Gemini API was called without credentials.",
        "captured",
        lambda given: credentials.no_api_key(),
        service="gemini",
    ),
    NamedError(
        "vertex-no-credentials",
        "Vertex AI was called without credentials, or with an API key where it takes none.",
        "captured",
        lambda given: credentials.no_principal(VERTEX_SERVICE, given["rpc_method"]),
        {"rpc_method": "{{rpc_method}}"},
        "vertex",
    ),
    NamedError(
        "bad-token",
        "The bearer token is not valid; it wins over a good key beside it.",
        "captured",
        lambda given: credentials.bad_token(_host(given), given["rpc_method"]),
        _CALLED,
    ),
    NamedError(
        "expired-token",
        "The bearer token has expired.",
        "captured",
        lambda given: credentials.expired_token(_host(given), given["rpc_method"]),
        _CALLED,
    ),
    NamedError(
        "api-disabled",
        "The API is not enabled in the project.",
        "captured",
        lambda given: credentials.api_disabled(given["project"], _host(given)),
        {**_PROJECT, "service": ""},
    ),
    NamedError(
        "wrong-project",
        "There is no such project, or the caller may not use it.",
        "captured",
        lambda given: credentials.wrong_project(given["project"], _host(given)),
        {**_PROJECT, "service": ""},
    ),
    NamedError(
        "user-project-denied",
        "The caller may not let the project of x-goog-user-project pay.",
        "assumed",
        lambda given: credentials.user_project_denied(given["project"], _host(given)),
        {**_PROJECT, "service": ""},
    ),
    NamedError(
        "iam-denied",
        "The caller lacks an IAM permission on the model.",
        "captured",
        lambda given: credentials.iam_denied(_vertex_model(given), given["permission"]),
        {**_VERTEX_MODEL, "permission": "aiplatform.endpoints.predict"},
        "vertex",
    ),
    NamedError(
        "permission-denied",
        "The caller may not do that; the plain form.",
        "captured",
        lambda given: credentials.permission_denied(),
    ),
)

_REQUESTS: Final = (
    NamedError(
        "unknown-field",
        "The request has a field that its message does not have; at: the path of its parent, empty at the root.",
        "captured",
        lambda given: requests.unknown_fields([(given["at"], given["field"])]),
        {"field": "thinking", "at": ""},
    ),
    NamedError(
        "wrong-type",
        "A value has the wrong type.",
        "assumed",
        lambda given: requests.wrong_values([(given["field"], given["type"], requests.json_scalar(given["value"]))]),
        {"field": "generation_config.temperature", "type": "TYPE_FLOAT", "value": "hot"},
    ),
    NamedError(
        "wrong-enum",
        "A value is none of its enum's.",
        "assumed",
        lambda given: requests.wrong_values(
            [(given["field"], f"type.googleapis.com/{given['type']}", f'"{given["value"]}"')]
        ),
        {
            "field": "safety_settings[0].category",
            "type": "google.ai.generativelanguage.v1beta.HarmCategory",
            "value": "X",
        },
    ),
    NamedError(
        "malformed-json",
        "The body is no JSON.",
        "assumed",
        lambda given: requests.malformed_json(given["excerpt"]),
        {"excerpt": '{"contents": [}'},
    ),
    NamedError(
        "missing-contents",
        "The request has no contents.",
        "assumed",
        lambda given: requests.missing_contents(given["service"] == "vertex"),
        {"service": ""},
    ),
    NamedError(
        "invalid-argument",
        "The plain 400, or any other message.",
        "captured",
        lambda given: requests.invalid_argument(given["message"]),
        {"message": "Request contains an invalid argument."},
    ),
    NamedError(
        "url-fetch",
        "Vertex AI cannot fetch a file that the request points to.",
        "captured",
        lambda given: requests.url_fetch(given["status"]),
        {"status": "URL_ROBOTED-ROBOTED_DENIED"},
        "vertex",
    ),
    NamedError(
        "region", "The client calls from where the API is not served.", "documented", lambda given: requests.region()
    ),
    NamedError(
        "too-large",
        "The body is too large.",
        "assumed",
        lambda given: requests.too_large(given["limit"]),
        {"limit": "20971520"},
    ),
    NamedError(
        "unknown-model",
        "The Gemini API has no such model, or it lacks the method.",
        "captured",
        lambda given: requests.unknown_gemini_model(f"models/{given['model']}", given["version"], given["method"]),
        {**_MODEL, "version": "{{version}}", "method": "{{method}}"},
        "gemini",
    ),
    NamedError(
        "vertex-unknown-model",
        "Vertex AI has no such model, or the project may not use it.",
        "captured",
        lambda given: requests.unknown_vertex_model(_vertex_model(given)),
        _VERTEX_MODEL,
        "vertex",
    ),
    NamedError(
        "unknown-file",
        "There is no such file.",
        "assumed",
        lambda given: requests.unknown_file(given["file"]),
        {"file": "abc123"},
        "gemini",
    ),
    NamedError(
        "unknown-operation",
        "There is no such operation.",
        "assumed",
        lambda given: requests.unknown_operation(given["operation"]),
        {"operation": "{{model_path}}"},
    ),
    NamedError(
        "not-found-page",
        "The path is unknown to the frontend: a page in HTML, without an envelope.",
        "assumed",
        lambda given: requests.not_found_page(given["path"]),
        {"path": "{{path}}"},
    ),
    NamedError(
        "unsupported-member",
        "An instance or the parameters of a film have a member that the model does not know.",
        "captured",
        lambda given: requests.unsupported_member(given["field"]),
        {"field": "inlineData"},
    ),
    NamedError(
        "no-number",
        "A parameter of a film must be a number.",
        "assumed",
        lambda given: requests.no_number(given["field"]),
        {"field": "durationSeconds"},
    ),
    NamedError(
        "out-of-bound",
        "A parameter of a film is out of its bounds.",
        "assumed",
        lambda given: requests.out_of_bound(given["field"], given["low"], given["high"]),
        {"field": "durationSeconds", "low": "4", "high": "8"},
    ),
)

_CAPACITY: Final = (
    NamedError(
        "quota-gemini",
        "A quota of the Gemini API is used up, with QuotaFailure and RetryInfo.",
        "captured",
        lambda given: capacity.gemini_quota(
            model=given["model"],
            metric=given["metric"],
            limit=given["limit"],
            quota_id=given["quota_id"],
            retry_delay=given["retry_delay"],
            location=given["location"],
            headers=capacity.retry_after(given["retry_after"]),
        ),
        {
            **_MODEL,
            "metric": capacity.FREE_TIER_METRIC,
            "limit": "20",
            "quota_id": capacity.FREE_TIER_QUOTA,
            "retry_delay": "25.465784708s",
            "location": "global",
            **_RETRY_AFTER,
        },
        "gemini",
    ),
    NamedError(
        "quota-gemini-short",
        "A quota of the Gemini API is used up; the form without details.",
        "captured",
        lambda given: capacity.gemini_quota_short(capacity.retry_after(given["retry_after"])),
        _RETRY_AFTER,
        "gemini",
    ),
    NamedError(
        "quota-vertex",
        "The shared capacity of Vertex AI is used up; without details.",
        "captured",
        lambda given: capacity.vertex_capacity(capacity.retry_after(given["retry_after"])),
        _RETRY_AFTER,
        "vertex",
    ),
    NamedError(
        "quota-vertex-project",
        "A quota of the project is used up on Vertex AI.",
        "captured",
        lambda given: capacity.vertex_quota(
            given["metric"], given["model"], capacity.retry_after(given["retry_after"])
        ),
        {"metric": f"{VERTEX_SERVICE}/{_VERTEX_METRIC}", **_MODEL, **_RETRY_AFTER},
        "vertex",
    ),
    NamedError("internal", "The service failed.", "captured", lambda given: capacity.internal()),
    NamedError(
        "internal-old",
        "The service failed, in the older words of the Gemini API.",
        "captured",
        lambda given: capacity.internal(capacity.INTERNAL_OLD),
        service="gemini",
    ),
    NamedError(
        "overloaded",
        "The model has no capacity left, in the words of 2026.",
        "captured",
        lambda given: capacity.overloaded(headers=capacity.retry_after(given["retry_after"])),
        _RETRY_AFTER,
    ),
    NamedError(
        "overloaded-2025",
        "The model has no capacity left, in the words of 2025.",
        "captured",
        lambda given: capacity.overloaded(capacity.OVERLOADED_2025, capacity.retry_after(given["retry_after"])),
        _RETRY_AFTER,
    ),
    NamedError("unavailable", "The service is down.", "captured", lambda given: capacity.unavailable()),
    NamedError("deadline", "The service did not finish in time.", "assumed", lambda given: capacity.deadline()),
    NamedError("cancelled", "The call was cancelled.", "assumed", lambda given: capacity.cancelled()),
)

AREAS: Final[Mapping[str, tuple[NamedError, ...]]] = {
    "Credentials and permissions": _CREDENTIALS,
    "The request": _REQUESTS,
    "Quotas, capacity and the service": _CAPACITY,
}
"""The errors in the order in which their page shows them."""

ERRORS: Final[Mapping[str, NamedError]] = {error.name: error for errors in AREAS.values() for error in errors}
"""All errors by name."""

SERVICES: Final = {"gemini": GEMINI_SERVICE, "vertex": VERTEX_SERVICE}


def mistake_in(name: str, given: Parameters) -> str | None:
    """What is wrong with a name and the parameters given to it; None if nothing is."""
    error = ERRORS.get(name)
    if error is None:
        return f"unknown error '{name}'{did_you_mean(name, ERRORS)}"
    for parameter, value in given.items():
        if parameter not in error.parameters:
            known = ", ".join(error.parameters) or "none"
            return f"'{name}' has no parameter '{parameter}'; it has: {known}"
        if parameter == "service" and value not in SERVICES:
            return f"unknown service '{value}'{did_you_mean(value, SERVICES)}; gemini or vertex"
        if parameter == "retry_after" and not value.isdecimal():
            return f"retry_after is a whole number of seconds; found '{value}'"
    return None


def provider_error(name: str, given: Parameters | None = None, *, is_vertex: bool = False) -> ProviderError:
    """The error of that name. `given` are its parameters; what is not given is as the catalogue says, and may hold
    slots such as `{{model}}`. `is_vertex`: whose words and host name those have that both services know.

    Raises ValueError (with the nearest good word) if `mistake_in` finds something.
    """
    chosen = given or {}
    mistake = mistake_in(name, chosen)
    if mistake is not None:
        raise ValueError(mistake)
    error = ERRORS[name]
    parameters = {**error.parameters, **chosen}
    if not parameters.get("service"):
        parameters["service"] = error.service or ("vertex" if is_vertex else "gemini")
    return error.build(parameters)
