"""JSON of requests and messages: decoded once, compared with patterns in both of Google's spellings, its text found."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

import msgspec

from .model import JsonPattern


class NotJson:
    """What a body is whose bytes are no JSON."""

    def __repr__(self) -> str:
        return "no JSON"


NOT_JSON: Final = NotJson()


def decode_json(raw: bytes) -> Any:
    """The JSON value that `raw` is, or NOT_JSON; never raises."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return NOT_JSON


class LazyJson:
    """Bytes whose JSON value is decoded when first asked for, and only once."""

    __slots__ = ("_decode", "_value", "raw")

    def __init__(self, raw: bytes, decode: Callable[[bytes], Any] = decode_json) -> None:
        self.raw = raw
        self._decode = decode
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The decoded value, or NOT_JSON."""
        if self._value is None:
            self._value = (self._decode(self.raw),)
        return self._value[0]


FREE_FORM: Final = frozenset(
    {
        "args",
        "response",
        "labels",
        "parameters",
        "parametersJsonSchema",
        "responseJsonSchema",
        "properties",
        "partMetadata",
        "metadata",
    }
)
"""Members whose keys belong to the user: below them a key is compared as it stands (wire-http 2, JSON conventions)."""


def json_mismatch(pattern: JsonPattern, value: Any) -> str | None:
    """None if `value` has all that `pattern` names, else where and why it has not.

    `"*"` fits anything that is there, `null` what is absent or null, an object is a subset, a list goes by position
    (a longer one fits). Keys are compared in camelCase and snake_case, as Google's parsers do (wire-http 2), but below
    free-form members such as `args` as they stand.
    """
    return _mismatch(pattern, value, "", False)


def fits(pattern: JsonPattern, value: Any) -> bool:
    """Whether `value` has all that `pattern` names; see json_mismatch."""
    return _mismatch(pattern, value, "", False) is None


def _mismatch(pattern: JsonPattern, value: Any, path: str, free: bool) -> str | None:
    if isinstance(value, NotJson):
        return f"{path or 'body'}: no JSON"
    if pattern == "*":
        return None
    if isinstance(pattern, Mapping):
        return _object_mismatch(cast("Mapping[str, Any]", pattern), value, path, free)
    if isinstance(pattern, list | tuple):
        return _list_mismatch(cast("Sequence[Any]", pattern), value, path, free)
    # bool is an int in Python, not in JSON.
    same = pattern == value and isinstance(pattern, bool) == isinstance(value, bool)
    return None if same else f"{path or 'body'}: wanted {shown(pattern)}, found {_kind(value)}"


def _object_mismatch(pattern: Mapping[str, Any], value: Any, path: str, free: bool) -> str | None:
    if not isinstance(value, Mapping):
        return f"{path or 'body'}: wanted an object, found {_kind(value)}"
    members = cast("Mapping[str, Any]", value)
    for key, inner in pattern.items():
        place = f"{path}.{key}" if path else key
        present = key if free or key in members else _spelled(key, members)
        if present is None or present not in members:
            if inner is not None:
                return f"{place}: wanted {shown(inner)}, found nothing"
            continue
        found = _mismatch(inner, members[present], place, free or camel_case(key) in FREE_FORM)
        if found is not None:
            return found
    return None


def _list_mismatch(pattern: Sequence[Any], value: Any, path: str, free: bool) -> str | None:
    if not isinstance(value, list):
        return f"{path or 'body'}: wanted a list, found {_kind(value)}"
    items = cast("list[Any]", value)
    for index, inner in enumerate(pattern):
        place = f"{path}[{index}]"
        if index >= len(items):
            return f"{place}: wanted {shown(inner)}, found nothing"
        found = _mismatch(inner, items[index], place, free)
        if found is not None:
            return found
    return None


def _spelled(key: str, members: Mapping[str, Any]) -> str | None:
    """The other spelling of `key` that `members` has, or None."""
    return next((other for other in (camel_case(key), snake_case(key)) if other in members), None)


_LONGEST_KEPT: Final = 100
"""Names that are longer are a stranger's, and not kept."""


def camel_case(key: str) -> str:
    """`turn_complete` as `turnComplete`; a key without underscores as it stands."""
    return _camel_case(key) if len(key) <= _LONGEST_KEPT else _camel_case.__wrapped__(key)


def snake_case(key: str) -> str:
    """`turnComplete` as `turn_complete`."""
    return _snake_case(key) if len(key) <= _LONGEST_KEPT else _snake_case.__wrapped__(key)


@lru_cache(maxsize=1024)
def _camel_case(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


@lru_cache(maxsize=1024)
def _snake_case(key: str) -> str:
    return "".join("_" + letter.lower() if "A" <= letter <= "Z" else letter for letter in key)


def shown(value: Any, limit: int = 80) -> str:
    """A JSON value in few words for a message: at most `limit` characters of its compact form."""
    if isinstance(value, NotJson):
        return "no JSON"
    if value == "*":
        return "anything"
    if isinstance(value, str):
        # Cut first: a base64 string may be megabytes long.
        value = value[: limit + 1]
    text = msgspec.json.encode(value).decode("utf-8", "replace")
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _kind(value: Any) -> str:
    """What was found, short however large it is."""
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else shown(value)


def last_text(body: Any) -> str | None:
    """The text of the last user turn of a request or of a Live client message, or None if it has none.

    Read from `contents`, `clientContent.turns`, `realtimeInput.text` and VEO's `instances[].prompt`, in both spellings.
    """
    for path in (("contents",), ("generateContentRequest", "contents"), ("clientContent", "turns")):
        turns = _member(body, path)
        if turns is not None:
            return _text_of_turns(turns)
    text = _member(body, ("realtimeInput", "text"))
    instances = _member(body, ("instances",))
    if text is None and isinstance(instances, list) and instances:
        text = _member(cast("list[Any]", instances)[-1], ("prompt",))
    return text if isinstance(text, str) else None


def _member(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        members = cast("Mapping[str, Any]", value)
        present = key if key in members else snake_case(key)
        value = members.get(present)
    return value


def _text_of_turns(turns: Any) -> str | None:
    if isinstance(turns, str):
        return turns
    every: list[Any] = cast("list[Any]", turns) if isinstance(turns, list) else [turns]
    for turn in reversed(every):
        # A turn without a role is the user's (generateContent accepts it).
        if not isinstance(turn, Mapping) or cast("Mapping[str, Any]", turn).get("role", "user") != "user":
            continue
        parts = cast("Mapping[str, Any]", turn).get("parts")
        every_part: list[Any] = cast("list[Any]", parts) if isinstance(parts, list) else [parts]
        texts = [_member(part, ("text",)) for part in every_part]
        joined = [text for text in texts if isinstance(text, str)]
        return "".join(joined) if joined else None
    return None
