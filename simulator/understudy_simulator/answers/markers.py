"""What prompts ask of the simulator itself: `[[understudy:block=SAFETY]]` and `[[understudy:finish=RECITATION]]`.

The names are those of wire-http 4.4; a marker with another name is text like any other.
"""

import re
from typing import Final

_START: Final = "[[understudy:"
_MARKER: Final = re.compile(r"\[\[understudy:(block|finish)=([A-Z_]{2,40})\]\]")

BLOCK_REASONS: Final = frozenset(
    {"SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"}
)
FINISH_REASONS: Final = frozenset(
    {
        *("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST"),
        *("PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"),
        *("IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
        *("MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "ESCALATION", "PUP_LIMITED_DISABLED", "CONTINUATION"),
        "MODEL_ARMOR",
    }
)

_GEMINI_ONLY: Final = frozenset({"LANGUAGE", "MISSING_THOUGHT_SIGNATURE", "ESCALATION", "PUP_LIMITED_DISABLED"})
"""Finish reasons that Vertex AI's discovery documents do not have."""


def has_marker(text: str) -> bool:
    """Whether it is worth looking for markers in `text`."""
    return _START in text


def block_reason(text: str) -> str | None:
    """Why the prompt shall be blocked, or None."""
    return _named(text, "block", BLOCK_REASONS)


def finish_reason(text: str, is_vertex: bool) -> str | None:
    """Why the answer shall end, or None."""
    return _named(text, "finish", FINISH_REASONS - _GEMINI_ONLY if is_vertex else FINISH_REASONS)


def without_markers(text: str) -> str:
    """The text that is left without markers."""
    return _MARKER.sub("", text) if has_marker(text) else text


def _named(text: str, word: str, names: frozenset[str]) -> str | None:
    if not has_marker(text):
        return None
    return next((found[2] for found in _MARKER.finditer(text) if found[1] == word and found[2] in names), None)
