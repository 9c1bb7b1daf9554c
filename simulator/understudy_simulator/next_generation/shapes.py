"""Checks request bodies of the interactions family against the descriptions in `shapes.json`. Pure but for one read.

`shapes.json` is written by `scripts/describe_interactions.py`. A kind is a word (`string`, `int`, `float`, `bool`,
`object`, `any`), `=a|b` (one of these texts), the name of a message or of a union of messages, `{"[]": kind}` (a list),
`{"{}": kind}` (a map), or a list of kinds, of which one must fit. In a message a name with `!` is required; a required
`type` of one value tells it apart from the others of a union. No message contains itself, so that no check goes deep.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

_SHOWN: Final = 80
_WORDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a request: the documented error code, and a text that names the path."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class _Shapes:
    requests: Mapping[str, Any]
    unions: Mapping[str, Any]
    messages: Mapping[str, Mapping[str, Any]]


def mistake_in(request: str, value: Any) -> Mistake | None:
    """The first mistake in the body of a request; None if it fits. Raises KeyError if there is no such request."""
    return _checked(_shapes().requests[request], value, "")


def fitting(request: str, value: Any) -> Any:
    """As much of a body as fits: what is unknown or wrong is left away. What is missing in it is missing still.

    Raises KeyError if there is no such request.
    """
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    name = next(_fitting_messages(tuple(_alternatives(_shapes().requests[request])), given), "")
    return _known(name, given) if name else {}


def request_names() -> tuple[str, ...]:
    """The requests that are described."""
    return tuple(_shapes().requests)


@cache
def _shapes() -> _Shapes:
    text = files(__name__.rpartition(".")[0]).joinpath("shapes.json").read_text("utf-8")
    return _Shapes(**json.loads(text))


def _alternatives(kind: Any) -> Iterator[Any]:
    """The kinds that are no unions and no lists of kinds."""
    if isinstance(kind, list):
        for each in cast("list[Any]", kind):
            yield from _alternatives(each)
    elif isinstance(kind, str) and kind in _shapes().unions:
        yield from _shapes().unions[kind]
    else:
        yield kind


def _checked(kind: Any, value: Any, path: str) -> Mistake | None:
    if value is None and path:
        return None  # null is as good as absent, as everywhere in Google's JSON
    kinds = tuple(_alternatives(kind))
    if "any" in kinds:
        return None
    if isinstance(value, dict):
        return _object(kinds, cast("dict[str, Any]", value), path)
    if isinstance(value, list):
        inner = _inner(kinds, "[]")
        if not inner:
            return _wrong(kinds, cast("Any", value), path)
        items = enumerate(cast("list[Any]", value))
        found = (_checked(inner, _some(item), f"{path}[{index}]") for index, item in items)
        return next((mistake for mistake in found if mistake is not None), None)
    return None if any(_is(each, value) for each in kinds) else _wrong(kinds, value, path)


def _some(item: Any) -> Any:
    """An entry of a list; null is none, and is seen as text that fits nothing but text."""
    return "" if item is None else item


def _inner(kinds: tuple[Any, ...], word: str) -> list[Any]:
    """What the lists (`[]`) or maps (`{}`) among the kinds hold."""
    return [cast("dict[str, Any]", each)[word] for each in kinds if isinstance(each, dict) and word in each]


def _is(kind: Any, value: Any) -> bool:
    if not isinstance(kind, str):
        return False
    if kind.startswith("="):
        return isinstance(value, str) and value in kind[1:].split("|")
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, _WORDS.get(kind, ()))


def _object(kinds: tuple[Any, ...], value: dict[str, Any], path: str) -> Mistake | None:
    messages = [each for each in kinds if isinstance(each, str) and each in _shapes().messages]
    tags = {_tag(name): name for name in messages if _tag(name)}
    tag = value.get("type")
    if isinstance(tag, str) and tag in tags:
        return _message(tags[tag], value, path)
    maps = _inner(kinds, "{}")
    if "object" in kinds:
        return None
    plain = [name for name in messages if not _tag(name)]
    if plain:
        return _message(plain[0], value, path)
    if maps:
        found = (_checked(maps, item, f"{path}.{name}") for name, item in value.items())
        return next((mistake for mistake in found if mistake is not None), None)
    if not tags:
        return _wrong(kinds, value, path)
    place = _below(path, "type")
    if tag is None:
        return Mistake("invalid_request", f"Missing required parameter '{place}'.")
    known = ", ".join(f"'{name}'" for name in sorted(tags))
    return Mistake("invalid_request", f"Invalid value at '{place}': {_shown(tag)}. Supported values are: {known}.")


@cache
def _tag(message: str) -> str:
    kind = _shapes().messages[message].get("type!")
    return kind[1:] if isinstance(kind, str) and kind.startswith("=") and "|" not in kind else ""


def _message(name: str, value: dict[str, Any], path: str) -> Mistake | None:
    members = _shapes().messages[name]
    for key, item in value.items():
        kind = members.get(key) or members.get(key + "!")
        if kind is None or key.endswith("!"):
            return Mistake("parameter_unknown", f"Unknown parameter '{_below(path, key[:_SHOWN])}'.")
        mistake = _checked(kind, item, _below(path, key))
        if mistake is not None:
            return mistake
    for key in members:
        if key.endswith("!") and value.get(key[:-1]) is None:
            return Mistake("invalid_request", f"Missing required parameter '{_below(path, key[:-1])}'.")
    return None


def _fitting(kind: Any, value: Any) -> Any:
    """As much of a value as fits; None if nothing of it does."""
    if _checked(kind, value, "_") is None:
        return value
    kinds = tuple(_alternatives(kind))
    if isinstance(value, list):
        inner = _inner(kinds, "[]")
        entries = (_fitting(inner, _some(item)) for item in cast("list[Any]", value)) if inner else ()
        return [entry for entry in entries if entry is not None]
    if not isinstance(value, dict):
        return None
    given = cast("dict[str, Any]", value)
    for name in _fitting_messages(kinds, given):
        known = _known(name, given)
        if _checked(name, known, "_") is None:
            return known
    maps = _inner(kinds, "{}")
    fitted = {name: _fitting(maps, item) for name, item in given.items()} if maps else {}
    return {name: item for name, item in fitted.items() if item is not None} or None


def _fitting_messages(kinds: tuple[Any, ...], value: Mapping[str, Any]) -> Iterator[str]:
    """The messages among the kinds that the value's `type` does not rule out."""
    names = (each for each in kinds if isinstance(each, str) and each in _shapes().messages)
    return (name for name in names if _tag(name) in ("", value.get("type")))


def _known(message: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The members that the message has, as far as they fit."""
    members = _shapes().messages[message]
    kinds = {name: members.get(name) or members.get(name + "!") for name in value if not name.endswith("!")}
    fitted = {name: _fitting(kind, value[name]) for name, kind in kinds.items() if kind is not None}
    return {name: item for name, item in fitted.items() if item is not None}


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(kinds: tuple[Any, ...], value: Any, path: str) -> Mistake:
    texts = [each for each in kinds if isinstance(each, str) and each.startswith("=")]
    if texts and isinstance(value, str):
        known = ", ".join(f"'{name}'" for each in texts for name in each[1:].split("|"))
        return Mistake("invalid_request", f"Invalid value at '{path}': {_shown(value)}. Supported values are: {known}.")
    wanted = " or ".join(dict.fromkeys(_word(each) for each in kinds))
    place = f" at '{path}'" if path else ""
    return Mistake("invalid_request", f"Invalid value{place}: {_shown(value)} is not {wanted}.")


def _word(kind: Any) -> str:
    if isinstance(kind, dict):
        return "a list" if "[]" in kind else "an object"
    words = {"string": "a string", "int": "an integer", "float": "a number", "bool": "a boolean"}
    return "a string" if kind.startswith("=") else words.get(kind, "an object")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
