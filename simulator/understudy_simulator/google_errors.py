"""Google's refusals as data: the texts and details of wire-http 5.2 and 6.2, and the simulator's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from understudy.messages import RawHeaders
from understudy.rpc_status import Detail, bad_request, error_info, localized_message, rpc_status
from understudy.surfaces import Place

from .auth import Verdict

GEMINI_SERVICE: Final = "generativelanguage.googleapis.com"
VERTEX_SERVICE: Final = "aiplatform.googleapis.com"
ERROR_HEADER: Final = b"X-Understudy-Error"
"""Names the reason when the simulator speaks for itself and not for Google."""

_RPC_NAMES: Final[Mapping[str, str]] = {"batchEmbedContents": "embedContent"}


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


def service_of(is_vertex: bool) -> str:
    """The host name by which Google calls the service in error details."""
    return VERTEX_SERVICE if is_vertex else GEMINI_SERVICE


def _rpc_method(place: Place) -> str:
    verb = place.method[:1].upper() + place.method[1:]
    if place.surface.is_vertex:
        return f"google.cloud.aiplatform.{place.version or 'v1'}.PredictionService.{verb}"
    return f"google.ai.generativelanguage.{place.version or 'v1beta'}.GenerativeService.{verb}"


def credentials_error(verdict: Verdict, place: Place) -> GoogleError | None:
    """The refusal that a verdict on credentials leads to; None if they were admitted."""
    is_vertex = place.surface.is_vertex
    service = service_of(is_vertex)
    if verdict is Verdict.ADMITTED:
        return None
    if verdict is Verdict.NO_CREDENTIALS and not is_vertex:
        return GoogleError(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API.",
        )
    if verdict is Verdict.KEY_INVALID:
        message = "API key not valid. Please pass a valid API key."
        info = error_info("API_KEY_INVALID", "googleapis.com", {"service": service})
        return GoogleError(400, message, (info, localized_message(message)))
    metadata = {"service": service, "method": _rpc_method(place)}
    realm = 'Bearer realm="https://accounts.google.com/"'
    if verdict in (Verdict.NO_CREDENTIALS, Verdict.KEY_UNSUPPORTED):
        return GoogleError(
            401,
            "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials "
            "that assert a principal. See https://cloud.google.com/docs/authentication",
            (error_info("CREDENTIALS_MISSING", "googleapis.com", metadata),),
            headers=((b"WWW-Authenticate", realm.encode()),),
        )
    reason = "ACCESS_TOKEN_EXPIRED" if verdict is Verdict.TOKEN_EXPIRED else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
    return GoogleError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        (error_info(reason, "googleapis.com", metadata),),
        headers=((b"WWW-Authenticate", (realm + ', error="invalid_token"').encode()),),
    )


def unknown_model(place: Place) -> GoogleError:
    """The model does not exist on that service, or cannot do what was asked."""
    if place.surface.is_vertex:
        project, location = place.project or "unknown", place.location or "global"
        publisher = place.publisher or "google"
        name = f"projects/{project}/locations/{location}/publishers/{publisher}/models/{place.model or ''}"
        return GoogleError(
            404,
            f"Publisher Model `{name}` was not found or your project does not have access to it. Please ensure you "
            "are using a valid model version. For more information, see: "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
        )
    verb = _RPC_NAMES.get(place.method, place.method)
    verb = "generateContent" if verb in ("get", "streamGenerateContent") else verb
    name = f"{place.name.partition('/')[0]}/{place.model or ''}"
    return GoogleError(
        404,
        f"{name} is not found for API version {place.version or 'v1beta'}, or is not supported for {verb}. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


def missing_contents(is_vertex: bool) -> GoogleError:
    """No `contents` in a request that needs them."""
    if is_vertex:
        return GoogleError(
            400,
            "Unable to submit request because at least one contents field is required. Learn more: "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini",
        )
    return GoogleError(400, "* GenerateContentRequest.contents: contents is not specified\n")


def malformed_json(excerpt: str) -> GoogleError:
    """The body is no JSON."""
    return GoogleError(400, f"Invalid JSON payload received. Unexpected token.\n{excerpt}\n^")


def unknown_names(places: Sequence[tuple[str, str]]) -> GoogleError:
    """Fields that the message does not have: pairs of the path of the parent (empty at the root) and the name."""
    texts = [
        f'Invalid JSON payload received. Unknown name "{name}"'
        + (f" at '{path}'" if path else "")
        + ": Cannot find field."
        for path, name in places
    ]
    violations = [(path or None, text) for (path, _), text in zip(places, texts, strict=True)]
    return GoogleError(400, "\n".join(texts), (bad_request(violations),))


def invalid_argument(message: str = "Request contains an invalid argument.") -> GoogleError:
    """A plain 400."""
    return GoogleError(400, message)


def unknown_operation(name: str) -> GoogleError:
    """No operation of that name."""
    return GoogleError(404, f"Operation not found: {name}" if name else "Operation not found.")


def unknown_file(file_id: str) -> GoogleError:
    """No file of that id."""
    return GoogleError(403, f"You do not have permission to access the File {file_id} or it may not exist.")


def body_too_large(limit: int) -> GoogleError:
    """The body is beyond what is accepted."""
    return GoogleError(413, f"Request payload size exceeds the limit: {limit} bytes.")


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


NOT_FOUND_PAGE: Final = """<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <meta name=viewport content="initial-scale=1, minimum-scale=1, width=device-width">
  <title>Error 404 (Not Found)!!1</title>
  <a href=//www.google.com/><span id=logo aria-label=Google></span></a>
  <p><b>404.</b> <ins>That\u2019s an error.</ins>
  <p>The requested URL <code>{path}</code> was not found on this server.  <ins>That\u2019s all we know.</ins>
"""
"""What the frontend answers for a path that no API has; `{path}` is escaped for HTML."""
