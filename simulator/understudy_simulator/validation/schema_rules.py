"""Rules on declared functions and schemas (the OpenAPI subset): names, and what a schema of each type must have. Pure.

Texts as the Gemini API gives them, recalled from public reports; Vertex AI is only held to the names, since its words
for schemas are not known.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from .asked import Asked, Members, every, got, members_of, texts

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_BAD_NAME: Final = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
    "underscores (_), dots (.), colons (:) or dashes (-), with a maximum length of 128."
)
_LISTS: Final = frozenset({"ARRAY", "array", "Array", 5})
_STRINGS: Final = frozenset({None, "STRING", "string", "String", 1})
_DEEPEST: Final = 64


def functions_declared(asked: Asked) -> str | None:
    """Declared functions have names that can be called, once each, and schemas that say enough."""
    seen: set[str] = set()
    for number, tool in enumerate(every(asked.body, "tools")):
        for index, function in enumerate(every(tool, "functionDeclarations")):
            place = f"GenerateContentRequest.tools[{number}].function_declarations[{index}]"
            name = got(function, "name")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                return f"* {place}.name: {_BAD_NAME}\n"
            if name in seen:
                return f"Duplicate function declaration found: {name}"
            seen.add(name)
            parameters = got(function, "parameters")
            if isinstance(parameters, dict) and not asked.is_vertex:
                found = _told(members_of(parameters), f"{place}.parameters")
                if found is not None:
                    return found
    return None


def answer_schema(asked: Asked) -> str | None:
    """The schema of the answer says enough."""
    schema = got(asked.config, "responseSchema") if asked.config else None
    if not isinstance(schema, dict) or asked.is_vertex:
        return None
    return _told(members_of(schema), "GenerateContentRequest.generation_config.response_schema")


def allowed_functions(asked: Asked) -> str | None:
    """`allowedFunctionNames` goes with the modes ANY and VALIDATED. The words are assumed."""
    calling = got(got(asked.body, "toolConfig"), "functionCallingConfig")
    names = texts(calling, "allowedFunctionNames")
    if not names:
        return None
    if str(got(calling, "mode") or "AUTO").upper() not in ("ANY", "VALIDATED", "1", "2"):
        return (
            "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: should only be set "
            "when the mode is ANY or VALIDATED\n"
        )
    return None


def _is_fine(schema: Members, depth: int = 0) -> bool:
    """Whether nothing is wrong with a schema; `_mistakes` tells what is."""
    kind = schema.get("type")
    if kind in _LISTS and schema.get("items") is None:
        return False
    if kind not in _STRINGS and schema.get("enum"):
        return False
    properties = members_of(schema.get("properties"))
    required = schema.get("required")
    if required and not all(name in properties for name in texts(schema, "required")):
        return False
    inner: list[Any] = [*properties.values(), schema.get("items"), *every(schema, "anyOf")]
    return depth > _DEEPEST or all(_is_fine(one, depth + 1) for one in inner if one.__class__ is dict)


def _told(schema: Members, place: str) -> str | None:
    if _is_fine(schema):
        return None
    lines = [f"* {line}\n" for line in _mistakes(schema, place, 0)]
    return "".join(lines[:20]) or None


def _mistakes(schema: Members, place: str, depth: int) -> Iterator[str]:
    kind = got(schema, "type")
    known = members_of(got(schema, "properties"))
    if kind in _LISTS and got(schema, "items") is None:
        yield f"{place}.items: missing field."
    if got(schema, "enum") and kind not in _STRINGS:
        yield f"{place}.enum: only allowed for STRING type"
    for index, name in enumerate(texts(schema, "required")):
        if name not in known:
            yield f"{place}.required[{index}]: property is not defined"
    if depth >= _DEEPEST:
        return
    for name, inner in known.items():
        yield from _inner(inner, f"{place}.properties[{name}]", depth)
    yield from _inner(got(schema, "items"), f"{place}.items", depth)
    for index, inner in enumerate(every(schema, "anyOf")):
        yield from _inner(inner, f"{place}.any_of[{index}]", depth)


def _inner(schema: Any, place: str, depth: int) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from _mistakes(members_of(schema), place, depth + 1)
