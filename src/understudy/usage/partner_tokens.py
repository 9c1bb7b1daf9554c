"""From the usage of Claude's and of OpenAI-shaped answers to a bag of meters (pricing 16)."""

from collections.abc import Mapping
from typing import Any, Final

from .meters import Direction, Meter, Modality, Usage
from .tokens import Tokens

_HOUR: Final = "cache_creation.ephemeral_1h_input_tokens"
_FIVE_MINUTES: Final = "cache_creation.ephemeral_5m_input_tokens"


class _Counts:
    """Counts by name, never negative; what had to be bent is remarked."""

    def __init__(self, usage: Mapping[str, Any]) -> None:
        self._usage = usage
        self.remarks: dict[str, None] = {}

    def get(self, name: str) -> int:
        value = self._usage.get(name) or 0
        if value < 0:
            self.remarks[f"{name} was negative and counts as 0"] = None
        return max(0, value)

    def clamped(self, name: str, most: int) -> int:
        """The count, at most `most`, of which it is a part."""
        count = self.get(name)
        if count > most:
            self.remarks[f"{name} is more than what it is a part of; the surplus is left out"] = None
        return min(count, most)


def claude_tokens(usage: Mapping[str, Any]) -> Tokens:
    """Pricing 16: input, cache reads and cache writes are disjoint, and their sum is the prompt's length.

    Writes for an hour are told in `cache_creation`; the rest of the writes is for five minutes.
    """
    count = _Counts(usage)
    fresh, hits = count.get("input_tokens"), count.get("cache_read_input_tokens")
    writes = max(count.get("cache_creation_input_tokens"), count.get(_HOUR) + count.get(_FIVE_MINUTES))
    hour = count.get(_HOUR)
    meters = {
        Meter(Direction.INPUT, Modality.TEXT): fresh,
        Meter(Direction.CACHED, Modality.TEXT): hits,
        Meter(Direction.CACHE_WRITE, Modality.TEXT): writes - hour,
        Meter(Direction.CACHE_WRITE_1H, Modality.TEXT): hour,
        Meter(Direction.OUTPUT, Modality.TEXT): count.get("output_tokens"),
    }
    return Tokens(Usage(meters), fresh + hits + writes, tuple(count.remarks))


def openai_tokens(usage: Mapping[str, Any]) -> Tokens:
    """Pricing 16: `prompt_tokens` includes the cached ones; the answer includes its thoughts, unless the total says no.

    Google's and xAI's endpoints count thoughts outside `completion_tokens` and inside `total_tokens`: what the total
    has beyond prompt and answer is thinking.
    """
    count = _Counts(usage)
    prompt, answer = count.get("prompt_tokens"), count.get("completion_tokens")
    spoken = count.clamped("prompt_tokens_details.audio_tokens", prompt)
    cached = count.clamped("prompt_tokens_details.cached_tokens", prompt)
    cached_text = min(cached, prompt - spoken)
    beyond = max(0, count.get("total_tokens") - prompt - answer)
    thoughts = count.clamped("completion_tokens_details.reasoning_tokens", answer) if not beyond else 0
    voice = count.clamped("completion_tokens_details.audio_tokens", answer - thoughts)
    meters = {
        Meter(Direction.INPUT, Modality.TEXT): prompt - spoken - cached_text,
        Meter(Direction.INPUT, Modality.AUDIO): spoken - (cached - cached_text),
        Meter(Direction.CACHED, Modality.TEXT): cached_text,
        Meter(Direction.CACHED, Modality.AUDIO): cached - cached_text,
        Meter(Direction.OUTPUT, Modality.TEXT): answer - thoughts - voice,
        Meter(Direction.OUTPUT, Modality.AUDIO): voice,
        Meter(Direction.THOUGHTS, Modality.TEXT): thoughts + beyond,
    }
    return Tokens(Usage(meters), prompt, tuple(count.remarks))
