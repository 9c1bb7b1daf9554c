"""Errors about too much at once, and about the service itself (wire-http 5.2)."""

from typing import Final

from ..messages import RawHeaders
from ..rpc_status import help_links, quota_failure, retry_info
from .model import GEMINI_SERVICE, ProviderError

_RATE_LIMITS: Final = "https://ai.google.dev/gemini-api/docs/rate-limits"

FREE_TIER_METRIC: Final = f"{GEMINI_SERVICE}/generate_content_free_tier_requests"
FREE_TIER_QUOTA: Final = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
OVERLOADED_2025: Final = "The model is overloaded. Please try again later."


def retry_after(seconds: str) -> RawHeaders:
    """A `Retry-After` field of whole seconds (RFC 9110 section 10.2.3); none if `seconds` is empty."""
    return ((b"Retry-After", seconds.encode()),) if seconds else ()


def gemini_quota(
    *,
    model: str,
    metric: str = FREE_TIER_METRIC,
    limit: str = "20",
    quota_id: str = FREE_TIER_QUOTA,
    retry_delay: str = "25.465784708s",
    location: str = "global",
    headers: RawHeaders = (),
) -> ProviderError:
    """A quota of the Gemini API is used up; `retry_delay` is a proto Duration, told in text and details."""
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        f"error, head to: {_RATE_LIMITS}. To monitor your current usage, head to: https://ai.dev/rate-limit. "
        f"\n* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}"
        f"\nPlease retry in {retry_delay}."
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": quota_id,
        "quotaDimensions": {"location": location, "model": model},
        "quotaValue": limit,
    }
    details = (
        help_links([("Learn more about Gemini API quotas", _RATE_LIMITS)]),
        quota_failure([violation]),
        retry_info(retry_delay),
    )
    return ProviderError(429, message, details, headers=headers)


def gemini_quota_short(headers: RawHeaders = ()) -> ProviderError:
    """The Gemini API's short form, without details."""
    return ProviderError(429, "Resource has been exhausted (e.g. check quota).", headers=headers)


def vertex_capacity(headers: RawHeaders = ()) -> ProviderError:
    """The capacity that Vertex AI shares among all is used up; without details."""
    return ProviderError(
        429,
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",
        headers=headers,
    )


def vertex_quota(metric: str, model: str, headers: RawHeaders = ()) -> ProviderError:
    """A quota of a project is used up on Vertex AI; `metric` with the service's host before it."""
    return ProviderError(
        429,
        f"Quota exceeded for {metric} with base model: {model}. Please submit a quota increase request. "
        "https://cloud.google.com/vertex-ai/docs/generative-ai/quotas-genai.",
        headers=headers,
    )


def internal(message: str = "Internal error encountered.") -> ProviderError:
    """The service failed."""
    return ProviderError(500, message)


INTERNAL_OLD: Final = "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"


def overloaded(message: str = "", headers: RawHeaders = ()) -> ProviderError:
    """The model has no capacity left; without a message in the words of 2026."""
    return ProviderError(
        503,
        message
        or "This model is currently experiencing high demand. Spikes in demand are usually temporary. "
        "Please try again later.",
        headers=headers,
    )


def unavailable() -> ProviderError:
    """The service is down."""
    return ProviderError(503, "The service is currently unavailable.")


def deadline() -> ProviderError:
    """The service did not finish in time."""
    return ProviderError(504, "Deadline expired before operation could complete.")


def cancelled() -> ProviderError:
    """The client took the call back."""
    return ProviderError(499, "The operation was cancelled.")
