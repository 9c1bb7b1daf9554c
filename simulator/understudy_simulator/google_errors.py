"""Google's refusals as they are answered with, and the simulator's own; the texts are those of provider_errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from understudy.messages import RawHeaders
from understudy.provider_errors import capacity, credentials, requests
from understudy.provider_errors.model import ProviderError, host_of
from understudy.rpc_status import Detail, error_info, rpc_status
from understudy.surfaces import Place

from .auth.gate import Verdict
from .quotas import Exceeded

ERROR_HEADER: Final = b"X-Understudy-Error"
"""Names the reason when the simulator speaks for itself and not for Google."""

_USUAL_VERSION: Final[Mapping[bool, str]] = {True: "v1", False: "v1beta"}


@dataclass(frozen=True, slots=True)
class GoogleError:
    """A refusal: HTTP status, message, details, google.rpc.Code name where unusual, and further header fields."""

    status: int
    message: str
    details: tuple[Detail, ...] = ()
    name: str | None = None
    headers: RawHeaders = ()

    @property
    def value(self) -> dict[str, Any]:
        """The JSON value of its envelope."""
        return rpc_status(self.status, self.message, self.details, self.name)


def google_error(error: ProviderError) -> GoogleError:
    """An error of the ground floor as an answer; the frontend's page is none (see `replies.not_found_page`)."""
    return GoogleError(error.status, error.message, error.details, error.code, error.headers)


def service_of(is_vertex: bool) -> str:
    """The host name by which Google calls the service in error details."""
    return host_of(is_vertex)


def rpc_method(place: Place) -> str:
    """The full gRPC name of the method, as in the metadata of an ErrorInfo."""
    verb = place.method[:1].upper() + place.method[1:]
    version = place.version or _USUAL_VERSION[place.surface.is_vertex]
    if place.surface.is_vertex:
        return f"google.cloud.aiplatform.{version}.PredictionService.{verb}"
    return f"google.ai.generativelanguage.{version}.GenerativeService.{verb}"


def request_slots(place: Place, path: str) -> dict[str, str]:
    """What the slots of an error's text are filled with beside `Stage.slot_values`; `path` is the raw path."""
    return {
        "project": place.project or "unknown",
        "location": place.location or "global",
        "version": place.version or _USUAL_VERSION[place.surface.is_vertex],
        "method": requests.rpc_in_text(place.method),
        "rpc_method": rpc_method(place),
        "path": path,
    }


def credentials_error(verdict: Verdict, place: Place, project: str = "") -> GoogleError | None:
    """The refusal that a verdict on credentials leads to; None if they were admitted.

    `project` is the one that a refusal of a project is about.
    """
    if verdict is Verdict.ADMITTED:
        return None
    service, method = service_of(place.surface.is_vertex), rpc_method(place)
    match verdict:
        case Verdict.NO_CREDENTIALS | Verdict.KEY_UNSUPPORTED:
            is_key_missing = verdict is Verdict.NO_CREDENTIALS and not place.surface.is_vertex
            error = credentials.no_api_key() if is_key_missing else credentials.no_principal(service, method)
        case Verdict.KEY_INVALID:
            error = credentials.bad_api_key(service)
        case Verdict.KEY_EXPIRED:
            error = credentials.expired_api_key(service)
        case Verdict.TOKEN_INVALID:
            error = credentials.bad_token(service, method)
        case Verdict.TOKEN_EXPIRED:
            error = credentials.expired_token(service, method)
        case Verdict.API_DISABLED:
            error = credentials.api_disabled(project, service)
        case Verdict.PROJECT_DENIED:
            is_vertex = place.surface.is_vertex and place.model is not None
            resource = place.name if place.name.startswith("projects/") else f"projects/{project}"
            error = credentials.iam_denied(resource) if is_vertex else credentials.wrong_project(project, service)
        case Verdict.USER_PROJECT_DENIED:
            error = credentials.user_project_denied(project, service)
        case _:
            assert_never(verdict)
    return google_error(error)


_VIDEO_METRICS: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("gemini", "minute"): (
        "generativelanguage.googleapis.com/predict_long_running_requests",
        "PredictLongRunningRequestsPerMinutePerProjectPerModel",
    ),
    ("gemini", "day"): (
        "generativelanguage.googleapis.com/predict_long_running_requests",
        "PredictLongRunningRequestsPerDayPerProjectPerModel",
    ),
    ("vertex", "minute"): ("aiplatform.googleapis.com/long_running_online_prediction_requests_per_base_model", ""),
    ("vertex", "day"): ("aiplatform.googleapis.com/long_running_online_prediction_requests_per_base_model", ""),
}
"""Of VEO: Vertex AI's name of the metric is recalled, those of the Gemini API are assumed."""

_METRICS: Final[Mapping[tuple[str, str, str], tuple[str, str]]] = {
    ("gemini", "requests", "minute"): (capacity.FREE_TIER_METRIC, capacity.FREE_TIER_QUOTA),
    ("gemini", "requests", "day"): (
        capacity.FREE_TIER_METRIC,
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
    ),
    ("gemini", "tokens", "minute"): (
        "generativelanguage.googleapis.com/generate_content_free_tier_input_token_count",
        "GenerateContentInputTokensPerModelPerMinute-FreeTier",
    ),
    ("gemini", "tokens", "day"): (
        "generativelanguage.googleapis.com/generate_content_free_tier_input_token_count",
        "GenerateContentInputTokensPerModelPerDay-FreeTier",
    ),
    ("vertex", "requests", "minute"): (
        "aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per_base_model",
        "",
    ),
    ("vertex", "requests", "day"): (
        "aiplatform.googleapis.com/generate_content_requests_per_day_per_project_per_base_model",
        "",
    ),
    ("vertex", "tokens", "minute"): (
        "aiplatform.googleapis.com/generate_content_input_tokens_per_minute_per_base_model",
        "",
    ),
    ("vertex", "tokens", "day"): ("aiplatform.googleapis.com/generate_content_input_tokens_per_day_per_base_model", ""),
}
"""What the services call a quota: the metric, and on the Gemini API the quota's id (wire-http 5.2)."""


def quota_error(exceeded: Exceeded, *, has_retry_after: bool = False) -> GoogleError:
    """The refusal of a request beyond a quota, with the real wait: on the Gemini API in text and RetryInfo, on Vertex
    AI nowhere but, if `has_retry_after`, in `Retry-After` (wire-http 5.2). A session is refused without any wait.
    """
    rule = exceeded.rule
    if rule.kind == "sessions":
        return GoogleError(429, "RESOURCE_EXHAUSTED: Maximum concurrent sessions exceeded.")
    usual = _METRICS[exceeded.service, rule.kind, rule.per]
    if rule.kind == "requests" and exceeded.model.startswith("veo-"):
        usual = _VIDEO_METRICS[exceeded.service, rule.per]
    metric, quota_id = rule.metric or usual[0], rule.quota_id or usual[1]
    headers = capacity.retry_after(exceeded.retry_after) if has_retry_after else ()
    if exceeded.service == "vertex":
        return google_error(capacity.vertex_quota(metric, exceeded.model, headers))
    return google_error(
        capacity.gemini_quota(
            model=exceeded.model,
            metric=metric,
            limit=str(rule.limit),
            quota_id=quota_id,
            retry_delay=exceeded.retry_delay,
            headers=headers,
        )
    )


def unknown_model(place: Place) -> GoogleError:
    """The model does not exist on that service, or cannot do what was asked. An endpoint: text from public reports."""
    if place.surface.is_vertex and place.model is None and "endpoints/" in place.name:
        return google_error(ProviderError(404, f"Endpoint `{place.name}` not found."))
    if place.surface.is_vertex:
        project, location = place.project or "unknown", place.location or "global"
        publisher = place.publisher or "google"
        name = f"projects/{project}/locations/{location}/publishers/{publisher}/models/{place.model or ''}"
        return google_error(requests.unknown_vertex_model(name))
    name = place.name if place.model is None else f"{place.name.partition('/')[0]}/{place.model}"
    method = requests.rpc_in_text(place.method)
    return google_error(requests.unknown_gemini_model(name, place.version or "v1beta", method))


def missing_contents(is_vertex: bool) -> GoogleError:
    """No `contents` in a request that needs them."""
    return google_error(requests.missing_contents(is_vertex))


def malformed_json(excerpt: str) -> GoogleError:
    """The body is no JSON."""
    return google_error(requests.malformed_json(excerpt))


def unknown_names(places: Sequence[tuple[str, str]]) -> GoogleError:
    """Fields that the message does not have: pairs of the path of the parent (empty at the root) and the name."""
    return google_error(requests.unknown_fields(places))


def wrong_values(places: Sequence[tuple[str, str, str]]) -> GoogleError:
    """Values of a wrong type: triples of path, type (`TYPE_FLOAT`, or the URL of an enum) and the value as JSON."""
    return google_error(requests.wrong_values(places))


def invalid_argument(message: str = "Request contains an invalid argument.") -> GoogleError:
    """A plain 400."""
    return google_error(requests.invalid_argument(message))


def unknown_operation(name: str) -> GoogleError:
    """No operation of that name."""
    return google_error(requests.unknown_operation(name))


def unknown_file(file_id: str) -> GoogleError:
    """No file of that id."""
    return google_error(requests.unknown_file(file_id))


def body_too_large(limit: int) -> GoogleError:
    """The body is beyond what is accepted."""
    return google_error(requests.too_large(str(limit)))


def not_implemented_here(what: str) -> GoogleError:
    """Something that the real service has and the simulator has not (yet)."""
    return own_error(501, "NOT_SIMULATED", f"understudy: {what} is not simulated.")


def own_error(status: int, reason: str, message: str, misses: Sequence[str] = ()) -> GoogleError:
    """A refusal in which the simulator speaks for itself: ErrorInfo domain `understudy`, header X-Understudy-Error."""
    metadata = {f"miss_{number}": miss for number, miss in enumerate(misses, 1)}
    details = (error_info(reason, "understudy", metadata),)
    return GoogleError(status, message, details, headers=((ERROR_HEADER, reason.encode()),))


def nothing_armed(misses: Sequence[str], elsewhere: Sequence[str] = ()) -> GoogleError:
    """Strict mode, and no armed scenario answers; `elsewhere` are other scopes in which something is armed."""
    lines = "".join(f"\n* {miss}" for miss in misses) or "\n* nothing is armed in this scope"
    if elsewhere:
        names = ", ".join(repr(name) if name else "the default one" for name in elsewhere)
        lines += f"\nOther scopes have armed scenarios: {names}."
    return own_error(
        501, "NO_SCENARIO", "understudy: no armed scenario answers this request. Nearest misses:" + lines, misses
    )


def base_url_trap(path: str) -> GoogleError:
    """A POST to the base path itself: how misconfigured clients call (wire-http 12, traps a and b)."""
    return own_error(
        404,
        "BASE_URL_TRAP",
        f"understudy: POST {path} names no model. A Vertex client with a custom base URL drops project and location "
        "unless both are constructor arguments: genai.Client(vertexai=True, project=..., location=..., "
        'http_options={"base_url": ...}). A Gemini client without an API version in its base URL needs '
        "/v1beta/models/MODEL:generateContent.",
    )


def version_trap(path: str) -> GoogleError:
    """An API version in the base URL, to which clients add their own."""
    return own_error(
        404,
        "BASE_URL_TRAP",
        f"understudy: {path[:200]} has one API version too many: the base URL ends with a version, and the client adds "
        "its own. Leave it out of the base URL.",
    )


def prefix_trap(path: str) -> GoogleError:
    """A gateway's route, asked of the simulator."""
    return own_error(
        404,
        "BASE_URL_TRAP",
        f"understudy: {path[:200]} is a route of a gateway, and this is the simulator. Leave the prefix out of the "
        "base URL, or point the client at the gateway.",
    )
