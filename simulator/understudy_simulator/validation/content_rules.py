"""Rules on contents: there are some, each has parts, roles are known, function calls and responses take turns. Pure.

Quoted in public issues: empty `parts`, parts without data, the valid roles, the order and number of function turns,
Vertex AI's missing parts. Recalled without a source at hand: empty text on Vertex AI, the system role. Assumed: that a
missing role is taken for the user's, on Vertex AI only in a single content.
"""

from typing import Any, Final

from understudy.scenario.json_subset import snake_case

from .asked import GEMINI_PAGE, Asked, Members, every, got

_ROLES: Final = frozenset({"user", "model", "function", "tool"})
_DATA_NAMES: Final = (
    *("text", "inlineData", "functionCall", "functionResponse", "fileData", "executableCode", "codeExecutionResult"),
    *("toolCall", "toolResponse"),
)
_DATA: Final = frozenset(key for name in _DATA_NAMES for key in (name, snake_case(name)))
_VALID_ROLE: Final = "Please use a valid role: user, model."
_NO_PARTS: Final = (
    "Unable to submit request because it must include at least one parts field, which describes the prompt input. "
    f"Learn more: {GEMINI_PAGE}"
)
_EMPTY_TEXT: Final = (
    "Unable to submit request because it has an empty text parameter. Add a value to the parameter and try again. "
    f"Learn more: {GEMINI_PAGE}"
)
_CALL_TURN: Final = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
)
_RESPONSE_TURN: Final = "Please ensure that function response turn comes immediately after a function call turn."
_SAME_NUMBER: Final = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)


_CACHED: Final = (
    "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n"
    "Proposed fix: move those values to CachedContent from GenerateContent request."
)
_CACHED_VERTEX: Final = (
    "Tool config, tools and system instruction should not be set in the request when using cached content."
)


def cache_stands_alone(asked: Asked) -> str | None:
    """What a cache has for itself cannot be beside it; both services' words are quoted in public issues."""
    body = asked.body
    if not got(body, "cachedContent"):
        return None
    if any(got(body, name) for name in ("systemInstruction", "tools", "toolConfig")):
        return _CACHED_VERTEX if asked.is_vertex else _CACHED
    return None


def contents_given(asked: Asked) -> str | None:
    """At least one content (wire-http 5.2). countTokens and computeTokens take `instances` instead."""
    if asked.contents or (asked.method in ("countTokens", "computeTokens") and got(asked.body, "instances")):
        return None
    if asked.is_vertex:
        return f"Unable to submit request because at least one contents field is required. Learn more: {GEMINI_PAGE}"
    message = "CountTokensRequest" if asked.method == "countTokens" else "GenerateContentRequest"
    return f"* {message}.contents: contents is not specified\n"


def roles_known(asked: Asked) -> str | None:
    """Each content is the user's or the model's."""
    for content in asked.contents:
        role = content.get("role")
        if role in _ROLES:
            continue
        if role == "system":
            return "Content with system role is not supported."
        if role or (asked.is_vertex and len(asked.contents) > 1):
            return _VALID_ROLE
    return None


def parts_filled(asked: Asked) -> str | None:
    """Each content has parts, and each part has data. Both services differ in what they say, and in empty text."""
    for index, content in enumerate(asked.contents):
        mistake = _part_mistake(content, asked.is_vertex)
        if mistake is not None:
            return mistake.format(place=f"contents[{index}]", parent="contents")
    for content in every(asked.body, "systemInstruction"):
        mistake = _part_mistake(content, asked.is_vertex)
        if mistake is not None:
            return mistake.format(place="system_instruction", parent="system_instruction")
    return None


def _part_mistake(content: Members, is_vertex: bool) -> str | None:
    parts = every(content, "parts")
    if not parts:
        return _NO_PARTS if is_vertex else "* GenerateContentRequest.{place}.parts: {parent}.parts must not be empty.\n"
    for index, part in enumerate(parts):
        words = part.get("text")
        if words:
            continue
        if words is None and not _has_data(part):
            if is_vertex:
                return _NO_PARTS
            where = f"GenerateContentRequest.{{place}}.parts[{index}].data"
            return f"* {where}: required oneof field 'data' must have one initialized field\n"
        if is_vertex and words == "" and got(part, "thoughtSignature") is None:
            return _EMPTY_TEXT
    return None


def _has_data(part: Members) -> bool:
    for key, value in part.items():  # noqa: SIM110 - any() with a generator takes twice as long
        if key in _DATA and value is not None:
            return True
    return False


def function_turns(asked: Asked) -> str | None:
    """A call follows a turn of the user or a response; a response follows its call, with as many parts."""
    kind, number = "", 0
    for content in asked.contents:
        calls, responses, is_open = _function_parts(content)
        if kind == "call" and (responses or not calls) and responses != number and not is_open:
            return _SAME_NUMBER
        if responses:
            if kind != "call":
                return _RESPONSE_TURN
            kind, number = "response", responses
        elif calls:
            if kind not in ("user", "response"):
                return _CALL_TURN
            kind, number = "call", calls
        else:
            kind = "model" if content.get("role") == "model" else "user"
    return None


def _function_parts(content: Members) -> tuple[int, int, bool]:
    """How many calls and responses a turn has, and whether a response is one of several to the same call."""
    calls = responses = 0
    is_open = False
    for part in every(content, "parts"):
        if "text" in part:
            continue
        if got(part, "functionCall") is not None:
            calls += 1
            continue
        response: Any = got(part, "functionResponse")
        if response is not None:
            responses += 1
            is_open = is_open or got(response, "willContinue") is not None
    return calls, responses, is_open
