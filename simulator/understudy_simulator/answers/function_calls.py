"""Which functions the simulator calls, with which arguments, and what came of those that it called.

* mode NONE: no call. ANY: the functions that the prompt names, else the first allowed one. AUTO and VALIDATED: the
  functions that the prompt names, else none. `allowedFunctionNames` narrows all of them.
* A prompt names a function by its name (`get_weather`, `get weather`) or by all the words of it that say what it is
  about (`weather`, of `get_weather`).
* Arguments satisfy the declared parameters and take up what the prompt says (see `heard`); optional ones are left out.
* After a function's response comes text, not another call.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from understudy.scenario.json_subset import last_text

from .reading import member, members_in, strings_in, text_in
from .schema_values import value_for

Call = tuple[str, Mapping[str, Any]]
"""Name and arguments."""

_MOST_CALLS: Final = 8
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_VERBS: Final = frozenset(
    {
        *(
            "get",
            "set",
            "find",
            "list",
            "fetch",
            "search",
            "lookup",
            "look",
            "up",
            "create",
            "make",
            "do",
            "run",
            "call",
        ),
        *(
            "compute",
            "calculate",
            "query",
            "read",
            "show",
            "current",
            "tool",
            "function",
            "the",
            "for",
            "of",
            "in",
            "by",
        ),
    }
)


def function_results(body: Any) -> tuple[tuple[str, Any], ...]:
    """Name and value of the function responses in the last turn."""
    contents = members_in(body, "contents")
    found = [member(part, "functionResponse") for part in members_in(contents[-1], "parts")] if contents else []
    return tuple((text_in(entry, "name") or "the function", member(entry, "response")) for entry in found if entry)


def declared_functions(body: Any) -> dict[str, Any]:
    """Declared functions: name to the schema of their parameters."""
    found: dict[str, Any] = {}
    for tool in members_in(body, "tools"):
        for declaration in members_in(tool, "functionDeclarations"):
            name = text_in(declaration, "name")
            if name:
                found[name] = member(declaration, "parameters") or member(declaration, "parametersJsonSchema")
    return found


def calls_for(body: Any, seed: object) -> tuple[Call, ...]:
    """The calls that answer a request; none if it is answered in words."""
    functions = declared_functions(body)
    calling = member(member(body, "toolConfig"), "functionCallingConfig")
    mode = (text_in(calling, "mode") or "AUTO").upper()
    if not functions or mode == "NONE" or function_results(body):
        return ()
    allowed = strings_in(calling, "allowedFunctionNames")
    names = [name for name in functions if name in allowed] or list(functions)
    prompt = last_text(body) or ""
    chosen = _named_in(prompt, names) or (names[:1] if mode == "ANY" else [])
    return tuple((name, _arguments(functions[name], name, seed, prompt)) for name in chosen[:_MOST_CALLS])


def _named_in(prompt: str, names: list[str]) -> list[str]:
    """Those whose names stand in the prompt; if there are none, those of whose subject it speaks."""
    lower = prompt.lower()
    spoken = [name for name in names if name.lower() in lower or name.lower().replace("_", " ") in lower]
    if spoken:
        return spoken
    words = {word.lower() for word in _WORD.findall(prompt)}
    return [name for name in names if (subject := _subject(name)) and subject <= words]


def _subject(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)} - _VERBS


def _arguments(schema: Any, name: str, seed: object, prompt: str) -> Mapping[str, Any]:
    arguments: Any = None
    if isinstance(schema, dict):
        arguments = value_for(schema, name, only_required=True, seed=(seed, prompt), prompt=prompt)
    return cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}
