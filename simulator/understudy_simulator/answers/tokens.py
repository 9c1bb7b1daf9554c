"""How the simulator counts tokens: one for every four bytes of UTF-8 text begun, 258 for every media part.

The rule is ours and simple on purpose; Google's tokenizers are not imitated. It is described in
docs/reference/differences-from-google.md.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .reading import Members, member, members_in, text_in

BYTES_PER_TOKEN: Final = 4
TOKENS_PER_MEDIA_PART: Final = 258

Counts = Mapping[str, int]
"""Tokens by modality: TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT."""

_ORDER: Final = ("TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")


def tokens_of_text(text: str) -> int:
    """Tokens of a text; none for the empty one."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def modality_of(mime_type: str) -> str:
    """The modality that a media type counts as."""
    kind = mime_type.partition("/")[0].upper()
    return kind if kind in ("IMAGE", "VIDEO", "AUDIO", "TEXT") else "DOCUMENT"


def tokens_of_part(part: Members) -> tuple[str, int]:
    """Modality and tokens of one part."""
    text = text_in(part, "text")
    if text is not None:
        return "TEXT", tokens_of_text(text)
    for name in ("inlineData", "fileData"):
        blob = member(part, name)
        if blob is not None:
            return modality_of(text_in(blob, "mimeType") or ""), TOKENS_PER_MEDIA_PART
    return "TEXT", tokens_of_text(_compact(dict(part))) if part else 0


def tokens_of_request(body: Any) -> Counts:
    """Tokens of a request's contents, system instruction and tools, by modality."""
    counts: dict[str, int] = {}
    contents = (*members_in(body, "systemInstruction"), *members_in(body, "contents"))
    for content in contents:
        for part in members_in(content, "parts"):
            modality, tokens = tokens_of_part(part)
            counts[modality] = counts.get(modality, 0) + tokens
    tools = member(body, "tools")
    if tools:
        counts["TEXT"] = counts.get("TEXT", 0) + tokens_of_text(_compact(tools))
    return counts


def details_of(counts: Counts) -> list[dict[str, Any]]:
    """`promptTokensDetails` and its like: one entry per modality that occurs."""
    return [{"modality": modality, "tokenCount": counts[modality]} for modality in _ORDER if counts.get(modality)]


def billable_characters(body: Any) -> int:
    """Vertex's `totalBillableCharacters`: the characters of all texts without white space."""
    contents = (*members_in(body, "systemInstruction"), *members_in(body, "contents"))
    return sum(_without_space(text_in(part, "text") for c in contents for part in members_in(c, "parts")))


def _without_space(texts: Iterable[str | None]) -> Iterable[int]:
    return (sum(not char.isspace() for char in text or "") for text in texts)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
