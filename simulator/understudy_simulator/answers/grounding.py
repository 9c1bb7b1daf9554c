"""What an answer says about where it comes from when a search or URL tool is on (wire-http 4.9).

The sources are made up from the prompt; segments are UTF-8 byte offsets into the answer's text, and 0 is left out.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

_SEARCHES: Final = ("googleSearch", "googleSearchRetrieval", "enterpriseWebSearch")
_RETRIEVALS: Final = ("fileSearch", "retrieval")
_REDIRECT: Final = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/"
_URL: Final = re.compile(r"https?://[^\s<>\"')\]]{1,500}")
_MOST_URLS: Final = 20
_QUERY: Final = 80
_HOSTS: Final = ("example.com", "example.org")

TOKENS_OF_SEARCH: Final = 128
"""What the results of one search count as `toolUsePromptTokenCount`."""

TOKENS_OF_PAGE: Final = 258
"""What a page behind a URL counts as `toolUsePromptTokenCount`."""


def grounds(tools: frozenset[str]) -> bool:
    """Whether one of the tools, named in camelCase, grounds answers."""
    return not tools.isdisjoint((*_SEARCHES, *_RETRIEVALS, "googleMaps"))


def grounding_metadata(tools: frozenset[str], prompt: str, text: str, is_vertex: bool) -> dict[str, Any]:
    """The `groundingMetadata` of an answer `text` to `prompt`."""
    query = " ".join(prompt.split())[:_QUERY] or "news"
    if tools.isdisjoint(_SEARCHES):
        return {"groundingChunks": _chunks(tools, query, is_vertex), "groundingSupports": _supports(text)}
    shown = query.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    metadata: dict[str, Any] = {
        "webSearchQueries": [query],
        "searchEntryPoint": {"renderedContent": f'<div class="container"><a class="chip">{shown}</a></div>'},
        "groundingChunks": _chunks(tools, query, is_vertex),
        "groundingSupports": _supports(text),
    }
    if "googleSearchRetrieval" in tools:
        metadata["retrievalMetadata"] = {"googleSearchDynamicRetrievalScore": 0.9}
    return metadata


def urls_in(prompt: str) -> tuple[str, ...]:
    """The URLs in a prompt, at most twenty."""
    return tuple(dict.fromkeys(url.rstrip(".,;") for url in _URL.findall(prompt)))[:_MOST_URLS]


def url_context_metadata(urls: Sequence[str]) -> dict[str, Any]:
    """The `urlContextMetadata` of an answer for which these pages were read."""
    return {
        "urlMetadata": [{"retrievedUrl": url, "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"} for url in urls]
    }


def _chunks(tools: frozenset[str], query: str, is_vertex: bool) -> list[dict[str, Any]]:
    digest = blake2b(query.encode("utf-8", "replace"), digest_size=24).hexdigest()
    if not tools.isdisjoint(_SEARCHES):
        return [
            {"web": {"uri": f"{_REDIRECT}{digest}{number}", "title": host} | ({"domain": host} if is_vertex else {})}
            for number, host in enumerate(_HOSTS)
        ]
    if "googleMaps" in tools:
        place = {"uri": f"https://maps.google.com/?cid={int(digest[:12], 16)}", "title": query, "placeId": digest[:20]}
        return [{"maps": place} for _ in _HOSTS]
    return [
        {"retrievedContext": {"title": f"document-{number}.txt", "text": f"What document {number} says: {query}"}}
        for number in range(len(_HOSTS))
    ]


def _supports(text: str) -> list[dict[str, Any]]:
    """One for each sentence, at most two: the first source backs the first sentence, both back the rest."""
    end = text.find(". ") + 1
    pieces = [text[:end], text[end + 1 :]] if end else [text]
    supports: list[dict[str, Any]] = []
    start = 0
    for number, piece in enumerate(pieces):
        size = len(piece.encode("utf-8", "replace"))
        segment: dict[str, Any] = {"startIndex": start} if start else {}
        segment |= {"endIndex": start + size, "text": piece}
        if piece:
            supports.append({"segment": segment, "groundingChunkIndices": list(range(number + 1))})
        start += size + 1
    return supports
