"""Errors about who calls, for whom, and what that one may do (wire-http 5.2, 11)."""

from typing import Final

from ..messages import RawHeaders
from ..rpc_status import error_info, help_links, localized_message
from .model import GEMINI_SERVICE, VERTEX_SERVICE, ProviderError

_DOMAIN: Final = "googleapis.com"
_REALM: Final = 'Bearer realm="https://accounts.google.com/"'
_CONSOLE: Final = "https://console.developers.google.com"


def bad_api_key(service: str = GEMINI_SERVICE) -> ProviderError:
    """The key is none of Google's."""
    return _key_refused("API key not valid. Please pass a valid API key.", service)


def expired_api_key(service: str = GEMINI_SERVICE) -> ProviderError:
    """The key was good once."""
    return _key_refused("API key expired. Please renew the API key.", service)


def _key_refused(message: str, service: str) -> ProviderError:
    info = error_info("API_KEY_INVALID", _DOMAIN, {"service": service})
    return ProviderError(400, message, (info, localized_message(message)))


def no_api_key() -> ProviderError:
    """The Gemini API was called without any credentials."""
    return ProviderError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
        "other form of API consumer identity to call this API.",
    )


def no_principal(service: str, rpc_method: str) -> ProviderError:
    """No credentials, or an API key, where only a principal's token will do."""
    return ProviderError(
        401,
        "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials "
        "that assert a principal. See https://cloud.google.com/docs/authentication",
        (error_info("CREDENTIALS_MISSING", _DOMAIN, {"service": service, "method": rpc_method}),),
        headers=_challenge(_REALM),
    )


def bad_token(service: str, rpc_method: str, reason: str = "ACCESS_TOKEN_TYPE_UNSUPPORTED") -> ProviderError:
    """The bearer token is none, or not a good one any more; `reason` says which in the details."""
    return ProviderError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        (error_info(reason, _DOMAIN, {"service": service, "method": rpc_method}),),
        headers=_challenge(_REALM + ', error="invalid_token"'),
    )


def expired_token(service: str, rpc_method: str) -> ProviderError:
    """The bearer token was good until it expired."""
    return bad_token(service, rpc_method, "ACCESS_TOKEN_EXPIRED")


def _challenge(text: str) -> RawHeaders:
    return ((b"WWW-Authenticate", text.encode()),)


def api_disabled(project: str, service: str) -> ProviderError:
    """The API is not switched on in the project."""
    title = "Vertex AI API" if service == VERTEX_SERVICE else "Generative Language API"
    url = f"{_CONSOLE}/apis/api/{service}/overview?project={project}"
    return ProviderError(
        403,
        f"{title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry.",
        (
            help_links([("Google developers console API activation", url)]),
            error_info("SERVICE_DISABLED", _DOMAIN, {"consumer": f"projects/{project}", "service": service}),
        ),
    )


def wrong_project(project: str, service: str) -> ProviderError:
    """There is no such project, or it may not be used by this caller."""
    message = f"Permission denied on resource project {project}."
    metadata = {"containerInfo": project, "consumer": f"projects/{project}", "service": service}
    return ProviderError(
        403,
        message,
        (
            error_info("CONSUMER_INVALID", _DOMAIN, metadata),
            localized_message(message),
            help_links([("Google developers console", _CONSOLE)]),
        ),
    )


def iam_denied(resource: str, permission: str = "aiplatform.endpoints.predict") -> ProviderError:
    """The principal lacks a permission on a resource of Vertex AI, named from `projects/` on."""
    return ProviderError(
        403,
        f"Permission '{permission}' denied on resource '//{VERTEX_SERVICE}/{resource}' (or it may not exist).",
        (error_info("IAM_PERMISSION_DENIED", VERTEX_SERVICE, {"resource": resource, "permission": permission}),),
    )


def user_project_denied(project: str, service: str) -> ProviderError:
    """The caller may not let the project of `x-goog-user-project` pay."""
    url = f"https://console.developers.google.com/iam-admin/iam/project?project={project}"
    metadata = {"containerInfo": project, "consumer": f"projects/{project}", "service": service}
    message = (
        f"Caller does not have required permission to use project {project}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use "
        f"permission, by visiting {url} and then retry. Propagation of the new permission may take a few minutes."
    )
    return ProviderError(
        403,
        message,
        (
            help_links([("Google developer console IAM admin", url)]),
            localized_message(message),
            error_info("USER_PROJECT_DENIED", _DOMAIN, metadata),
        ),
    )


def permission_denied(message: str = "The caller does not have permission") -> ProviderError:
    """The plain refusal of what the caller may not do."""
    return ProviderError(403, message)
