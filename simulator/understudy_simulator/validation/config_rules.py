"""Rules on generationConfig: ranges, what a model can give, formats, thinking. Pure.

Quoted in public issues: the range texts for topK, maxOutputTokens and candidateCount (both services), the media type on
Vertex AI, the range of thinking budgets on both, functions with a JSON answer. The other ranges are put in the same
words by analogy; thinking of models that do not think, modalities and schema without JSON are recalled or assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from understudy.scenario.json_subset import snake_case

from ..catalogue import Model
from .asked import GEMINI_PAGE, Asked, every, got, number, texts

_MIME_TYPES: Final = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
_MOST_STOPS: Final = 5
_OUTPUT_LIMIT: Final = 65536


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers from `least` to `most`; `text` is how Google writes the limits."""

    name: str
    least: float
    most: float
    text: str
    is_open: bool = False

    def mistake(self, value: float) -> str | None:
        if self.least <= value <= self.most and not (self.is_open and value == self.most):
            return None
        return (
            f"Unable to submit request because it has a {self.name} value of {value:g} but the supported range is "
            f"{self.text}. Update the value and try again."
        )


_RANGES: Final = (
    _Range("temperature", 0, 2, "from 0 (inclusive) to 2.0001 (exclusive)"),
    _Range("topP", 0, 1, "from 0 (inclusive) to 1 (inclusive)"),
    _Range("candidateCount", 1, 8, "from 1 (inclusive) to 9 (exclusive)"),
    _Range("logprobs", 0, 20, "from 0 (inclusive) to 21 (exclusive)"),
    _Range("presencePenalty", -2, 2, "from -2 (inclusive) to 2 (exclusive)", is_open=True),
    _Range("frequencyPenalty", -2, 2, "from -2 (inclusive) to 2 (exclusive)", is_open=True),
)

_BY_KEY: Final = {key: limits for limits in _RANGES for key in (limits.name, snake_case(limits.name))}

_BUDGETS: Final[Mapping[str, tuple[int, int, bool]]] = {
    "gemini-2.5-pro": (128, 32768, False),
    "gemini-2.5-flash-lite": (512, 24576, True),
    "gemini-2.5-flash": (1, 24576, True),
    "gemini-3": (1, 32768, True),
}
"""Thinking budgets by the start of a model's name: least, most, and whether 0 turns thinking off."""


def ranges_kept(asked: Asked) -> str | None:
    """Numbers are within their ranges; maxOutputTokens within the model's limit."""
    config = asked.config
    if not config:
        return None
    for key, item in config.items():
        limits = _BY_KEY.get(key)
        value = None if limits is None else number(item)
        if limits is not None and value is not None:
            mistake = limits.mistake(value)
            if mistake is not None:
                return mistake
    most = asked.card.output_limit if asked.card is not None else _OUTPUT_LIMIT
    value = number(got(config, "maxOutputTokens"))
    if value is not None and not 1 <= value <= most:
        return (
            f"Unable to submit request because it has a maxOutputTokens value of {value:.0f} but the supported range "
            f"is from 1 (inclusive) to {most + 1} (exclusive). Update the value and try again."
        )
    stops = texts(config, "stopSequences")
    if len(stops) > _MOST_STOPS:
        return (
            "* GenerateContentRequest.generation_config.stop_sequences: stop_sequences must have at most "
            f"{_MOST_STOPS} items\n"
        )
    return None


def format_possible(asked: Asked) -> str | None:
    """The media type is one that models write; a schema comes with JSON, and functions without it on older models."""
    config = asked.config
    if not config:
        return None
    mime = got(config, "responseMimeType")
    if mime and mime not in _MIME_TYPES and _writes_text(asked.card):
        if asked.is_vertex:
            return (
                f"Unable to submit request because it has a mimeType parameter with value {mime}, which is not "
                f"supported. Update the mimeType and try again. Learn more: {GEMINI_PAGE}"
            )
        return (
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, "
            "`application/json`, `application/xml`, `application/yaml` and `text/x.enum`.\n"
        )
    has_schema = got(config, "responseSchema") is not None or got(config, "responseJsonSchema") is not None
    if has_schema and mime not in ("application/json", "text/x.enum"):
        return (
            "* GenerateContentRequest.generation_config.response_schema: only allowed with response_mime_type "
            "`application/json` or `text/x.enum`.\n"
        )
    if mime == "application/json" and asked.model.startswith(("gemini-1", "gemini-2")) and _declares(asked):
        return "Function calling with a response mime type: 'application/json' is unsupported"
    return None


def _writes_text(card: Model | None) -> bool:
    return card is None or card.outputs == frozenset({"TEXT"})


def _declares(asked: Asked) -> bool:
    return not asked.is_vertex and any(got(tool, "functionDeclarations") for tool in every(asked.body, "tools"))


def modalities_possible(asked: Asked) -> str | None:
    """The model can answer in all the modalities that are asked for; one that only speaks is asked for nothing else."""
    wanted = texts(asked.config, "responseModalities") if asked.config else ()
    if not wanted or asked.card is None or asked.card.kind in ("live", "embedding"):
        return None
    names = {name.upper() for name in wanted} - {"MODALITY_UNSPECIFIED"}
    if names <= asked.card.outputs:
        return None
    return (
        f"The requested combination of response modalities ({', '.join(sorted(names))}) is not supported by the model. "
        f"models/{asked.model} accepts the following combination of response modalities:\n"
        f"* {', '.join(sorted(asked.card.outputs))}\n"
    )


def thinking_possible(asked: Asked) -> str | None:
    """Only models that think take a thinking config, each within its budget; levels are for Gemini 3 and later."""
    thinking = got(asked.config, "thinkingConfig") if asked.config else None
    if thinking is None or asked.card is None:
        return None
    budget = number(got(thinking, "thinkingBudget"))
    level = got(thinking, "thinkingLevel")
    if not asked.card.is_thinking:
        if budget or level or got(thinking, "includeThoughts") is True:
            return (
                f"Unable to submit request because thinking is not supported by this model. Learn more: {GEMINI_PAGE}"
            )
        return None
    if level and budget is not None:
        return "You can only set only one of thinking budget and thinking level."
    if level and asked.model.startswith("gemini-2"):
        prefix = "Unable to submit request because t" if asked.is_vertex else "T"
        return f"{prefix}hinking level is not supported for this model."
    return None if budget is None else _budget_mistake(asked, budget)


def _budget_mistake(asked: Asked, budget: float) -> str | None:
    limits = next((known for start, known in _BUDGETS.items() if asked.model.startswith(start)), None)
    if limits is None or budget == -1:
        return None
    least, most, can_be_off = limits
    if budget == 0:
        if can_be_off:
            return None
        if asked.is_vertex:
            return (
                "Unable to submit request because Thinking can't be disabled for this model. Remove "
                f"'thinking_config.thinking_budget' from your request and try again. Learn more: {GEMINI_PAGE}"
            )
        return "Budget 0 is invalid. This model only works in thinking mode."
    if least <= budget <= most:
        return None
    if asked.is_vertex:
        return (
            "Unable to submit request because thinking_budget is out of range; supported values are integers from "
            f"{least} to {most}. Learn more: {GEMINI_PAGE}"
        )
    return f"The thinking budget {budget:.0f} is invalid. Please choose a value between {least} and {most}."
