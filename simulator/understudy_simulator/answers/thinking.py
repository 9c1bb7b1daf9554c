"""How much a model thinks before it answers, what it tells of it, and the signatures that go with it.

Rules: a model that thinks does so when `thinkingConfig` is there; `thinkingBudget` 0 turns it off, a budget above 0 is
its upper limit; `thinkingLevel` LOW, MEDIUM, HIGH cost 32, 64 and 128 tokens, MINIMAL none, no
level 64 (the numbers are ours). Thoughts are told with `includeThoughts` only, they are counted either way. The
signature stands on the first function call, else on the last text (wire-http 4.6); Gemini 3 signs its function calls
even where no `thinkingConfig` is sent.
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from .reading import flag_in, member, text_in, whole_in

_LEVELS: Final = {"MINIMAL": 0, "LOW": 32, "MEDIUM": 64, "HIGH": 128}
_USUAL: Final = 64


@dataclass(frozen=True, slots=True)
class Thinking:
    """`tokens` spent on thoughts, and whether they are told."""

    tokens: int
    is_told: bool


NO_THINKING: Final = Thinking(0, False)


def thinking_of(config: Any, can_think: bool, limit: int | None = None) -> Thinking:
    """What `generationConfig` makes of a model that can or cannot think; `limit` is its `maxOutputTokens`."""
    wanted = member(config, "thinkingConfig")
    if not can_think or not isinstance(wanted, dict):
        return NO_THINKING
    tokens = _LEVELS.get((text_in(wanted, "thinkingLevel") or "").upper(), _USUAL)
    budget = whole_in(wanted, "thinkingBudget")
    if budget is not None and budget >= 0:
        tokens = min(tokens, budget)
    if limit is not None:
        tokens = min(tokens, limit)
    return Thinking(tokens, flag_in(wanted, "includeThoughts") and tokens > 0)


def thought_about(prompt: str) -> str:
    """The summary of the thoughts about a prompt."""
    words = len(prompt.split())
    return (
        f"**Considering the request**\n\nThe request has {words} words. I read it whole and look for what is asked.\n\n"
        "**Choosing the answer**\n\nThe answer follows from the request alone: it is the same every time."
    )


def signature_of(*seeds: object) -> str:
    """A thought signature: opaque bytes in base64, the same for the same seeds."""
    text = "\0".join(map(str, seeds)).encode("utf-8", "surrogatepass")
    return b64encode(blake2b(text, digest_size=48).digest()).decode()
