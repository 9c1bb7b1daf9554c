"""What Google's services check beyond the form of a request, method by method; each rule says what it rests on. Pure.

A rule gives a message or None; the first message refuses the request with a plain 400.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from understudy.scenario.json_subset import snake_case

from ..catalogue import model_of
from ..google_errors import GoogleError, invalid_argument
from .asked import Rule, asked_of, members_of
from .config_rules import format_possible, modalities_possible, ranges_kept, thinking_possible
from .content_rules import cache_stands_alone, contents_given, function_turns, parts_filled, roles_known
from .predict_rules import batch_embed_request, embed_request, predict_request
from .schema_rules import allowed_functions, answer_schema, functions_declared
from .video_rules import video_request

_GENERATE: Final[tuple[Rule, ...]] = (
    *(contents_given, roles_known, parts_filled, function_turns),
    *(functions_declared, allowed_functions, answer_schema),
    *(ranges_kept, format_possible, modalities_possible, thinking_possible, cache_stands_alone),
)

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "generateContent": _GENERATE,
    "streamGenerateContent": _GENERATE,
    "countTokens": (contents_given, roles_known),
    "computeTokens": (contents_given, roles_known),
    "embedContent": (embed_request,),
    "batchEmbedContents": (batch_embed_request,),
    "predict": (predict_request,),
    "predictLongRunning": (video_request,),
}
"""The rules of each method, in the order in which they are asked."""


_SPELLINGS: Final[Mapping[Rule, tuple[str, ...]]] = {
    functions_declared: ("tools",),
    allowed_functions: ("toolConfig",),
    answer_schema: ("responseSchema",),
    format_possible: ("responseMimeType", "responseSchema", "responseJsonSchema"),
    modalities_possible: ("responseModalities",),
    thinking_possible: ("thinkingConfig",),
    cache_stands_alone: ("cachedContent",),
}

_NEEDS: Final = {
    rule: frozenset(spelling for name in names for spelling in (name, snake_case(name)))
    for rule, names in _SPELLINGS.items()
}
"""What must be there for a rule to have anything to say: most requests have little, and need not be asked all."""


def request_rules(service: Literal["gemini", "vertex"], method: str, model: str, value: Any) -> GoogleError | None:
    """The refusal of a request that fits its description and still means nothing; None for one to be answered.

    `method` is the verb of the path, `model` the bare id in it (empty if it names none), `value` the decoded body; it
    must have passed its description: types are not looked at again. A model that the catalogue does not have is held
    to the rules that hold for all.
    """
    rules = RULES.get(method)
    if rules is None:
        return None
    is_vertex = service == "vertex"
    asked = asked_of(is_vertex, method, model, model_of(model, is_vertex), members_of(value))
    present = {*asked.body, *asked.config}
    for rule in rules:
        needs = _NEEDS.get(rule)
        if needs is not None and needs.isdisjoint(present):
            continue
        message = rule(asked)
        if message is not None:
            return invalid_argument(message)
    return None
