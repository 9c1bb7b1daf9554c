"""Cached contents as generateContent uses them: how many tokens one holds, or why it cannot be used (wire-http 9)."""

from typing import Any

from .call import Call
from .google_errors import GoogleError
from .store import Resource, Shelf


def cache_named(call: Call, name: str) -> Resource | GoogleError:
    """The cache of a full or, on Vertex AI, short name; unknown and expired ones are refused in Google's words."""
    full = name if "/" in name else f"cachedContents/{name}"
    if call.is_vertex and not full.startswith("projects/"):
        full = call.parent + full
    found = call.shelf.find(full)
    if found is not None:
        return found
    if call.is_vertex:
        return GoogleError(404, f"Not found: cached content metadata for {full.rpartition('/')[2]}.")
    return GoogleError(403, "CachedContent not found (or permission denied)")


def cached_tokens(shelf: Shelf, name: str) -> int | None:
    """The tokens that the cache of that full name holds; None if there is none."""
    found = shelf.find(name)
    if found is None:
        return None
    usage: Any = found.value.get("usageMetadata", {})
    return int(usage.get("totalTokenCount", 0))
