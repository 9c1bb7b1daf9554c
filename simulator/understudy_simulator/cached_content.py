"""Cached contents: which model they are for, how many tokens they hold, when one cannot be used (wire-http 9). Pure."""

from collections.abc import Mapping
from typing import Any, Final

from understudy.surfaces import model_id

from .call import Call
from .google_errors import GoogleError, invalid_argument
from .store import Resource

_GEMINI_MINIMUM: Final[Mapping[str, int]] = {
    "gemini-2.5-flash-lite": 2048,
    "gemini-2.5-flash": 1024,
    "gemini-2.5-pro": 2048,
    "gemini-2.0": 4096,
    "gemini-1.5": 32768,
    "gemini-3-flash": 1024,
    "": 4096,
}
"""Fewest tokens of a cache on the Gemini API, by the beginning of the model's id; the longest beginning counts.

Quoted in public reports for 2.5 Flash, 2.5 Flash-Lite and 2.0; else documented, or (1.5, all others) assumed.
"""

_VERTEX_MINIMUM: Final[Mapping[str, int]] = {
    "gemini-2": 1024,
    "gemini-3.1-pro": 1024,
    "gemini-1.5": 32768,
    "": 4096,
}
"""The same of Vertex AI: 3.1 Pro and 3.5 Flash are quoted in public reports, the others are assumed."""


def cache_named(call: Call, name: str) -> Resource | GoogleError:
    """The cache of a full or, on Vertex AI, short name; unknown and expired ones are refused in Google's words."""
    full = name if "/" in name else f"cachedContents/{name}"
    if call.is_vertex and not full.startswith("projects/"):
        full = call.parent + full
    found = call.shelf.find(full)
    if found is not None and is_of_service(call, found):
        return found
    if call.is_vertex:
        return GoogleError(404, f"Not found: cached content metadata for {full.rpartition('/')[2]}.")
    return GoogleError(403, "CachedContent not found (or permission denied)")


def is_of_service(call: Call, cache: Resource) -> bool:
    """Whether a cache is of the service that is called: names in express form are those of the Gemini API too."""
    return ("publishers/" in cache.value.get("model", "")) == call.is_vertex


def cached_tokens(call: Call, name: str | None, model: str) -> int | GoogleError:
    """The tokens that a request to `model` (a bare id) has in the cache `name`; 0 without one.

    A cache is for one model alone: the refusal of another is quoted in public reports of the Gemini API, and assumed
    for Vertex AI.
    """
    if not name:
        return 0
    found = cache_named(call, name)
    if isinstance(found, GoogleError):
        return found
    own = model_id(found.value.get("model", ""))
    if own and own != model:
        asked = f"(models/{model}) and CachedContent (models/{own})"
        return invalid_argument(f"Model used by GenerateContent request {asked} has to be the same.")
    usage: Any = found.value.get("usageMetadata", {})
    return int(usage.get("totalTokenCount", 0))


def too_small(model: str, tokens: int, *, is_vertex: bool) -> GoogleError | None:
    """The refusal of a cache for `model` (a bare id) that holds too few tokens; both services' words are quoted."""
    known = _VERTEX_MINIMUM if is_vertex else _GEMINI_MINIMUM
    minimum = known[max((front for front in known if model.startswith(front)), key=len)]
    if tokens >= minimum:
        return None
    if is_vertex:
        words = f"The cached content is of {tokens} tokens. The minimum token count to start caching is {minimum}."
        return invalid_argument(words)
    words = f"Cached content is too small. total_token_count={tokens}, min_total_token_count={minimum}"
    return invalid_argument(words)
