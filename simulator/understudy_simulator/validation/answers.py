"""Whether an answer of our own is one that Google could give: the description, read as strictly as can be. Pure.

Names are in lowerCamelCase, nothing is null, int64 is text, enums are names, lists are lists, base64 is standard and
padded, times are in UTC with `Z` (wire-http 2).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from understudy.scenario.json_subset import shown

from .described import Descriptions, Field
from .scalars import is_standard_base64

_INT64: Final = re.compile(r"-?[0-9]{1,20}")
_DURATION: Final = re.compile(r"-?[0-9]{1,12}(\.([0-9]{3}|[0-9]{6}|[0-9]{9}))?s")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.([0-9]{3}|[0-9]{6}|[0-9]{9}))?Z"
)
_FLOAT_WORDS: Final = ("NaN", "Infinity", "-Infinity")


def answer_mistakes(descriptions: Descriptions, message: str, value: Any) -> tuple[str, ...]:
    """What is wrong with an answer, each with its path; empty if it fits `message`. Raises KeyError for the name."""
    return tuple(_message(descriptions, message, value, message))


def _message(descriptions: Descriptions, name: str, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {shown(value)} is no {name}"
        return
    fields = descriptions.messages[name]
    groups: set[str] = set()
    for key, item in cast("dict[str, Any]", value).items():
        field = fields.get(key)
        if field is None:
            yield f"{path}.{key}: {name} has no such field"
            continue
        if field.group and field.group in groups:
            yield f"{path}.{key}: another field of {field.group} is set"
        groups.add(field.group)
        yield from _field(descriptions, field, item, f"{path}.{key}")


def _field(descriptions: Descriptions, field: Field, item: Any, path: str) -> Iterator[str]:
    if field.shape == "many":
        if not isinstance(item, list) or not item:
            yield f"{path}: {shown(item)} is no list of something"
            return
        for index, entry in enumerate(cast("list[Any]", item)):
            yield from _one(descriptions, field.type, entry, f"{path}[{index}]")
    elif field.shape == "map":
        if not isinstance(item, dict):
            yield f"{path}: {shown(item)} is no map"
            return
        for key, entry in cast("dict[str, Any]", item).items():
            yield from _one(descriptions, field.type, entry, f"{path}[{key!r}]")
    else:
        yield from _one(descriptions, field.type, item, path)


def _one(descriptions: Descriptions, kind: str, item: Any, path: str) -> Iterator[str]:
    if kind in descriptions.messages:
        yield from _message(descriptions, kind, item, path)
    elif kind in descriptions.enums:
        if item not in descriptions.enums[kind]:
            yield f"{path}: {shown(item)} is no {kind}"
    elif not _WRITTEN[kind](item):
        yield f"{path}: {shown(item)} is no {kind}"


def _is_whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda item: isinstance(item, int) and not isinstance(item, bool) and least <= item <= most


def _is_wide(item: Any) -> bool:
    return isinstance(item, str) and _INT64.fullmatch(item) is not None


def _is_real(item: Any) -> bool:
    return (isinstance(item, int | float) and not isinstance(item, bool)) or item in _FLOAT_WORDS


def _is_any(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(cast("dict[str, Any]", item).get("@type"), str)


_WRITTEN: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda item: isinstance(item, str),
    "bool": lambda item: isinstance(item, bool),
    "int32": _is_whole(-(2**31), 2**31 - 1),
    "uint32": _is_whole(0, 2**32 - 1),
    "int64": _is_wide,
    "uint64": _is_wide,
    "float": _is_real,
    "double": _is_real,
    "bytes": is_standard_base64,
    "Struct": lambda item: isinstance(item, dict),
    "Value": lambda item: True,
    "ListValue": lambda item: isinstance(item, list),
    "Any": _is_any,
    "Empty": lambda item: item == {},
    "Duration": lambda item: isinstance(item, str) and _DURATION.fullmatch(item) is not None,
    "Timestamp": lambda item: isinstance(item, str) and _TIMESTAMP.fullmatch(item) is not None,
    "FieldMask": lambda item: isinstance(item, str),
}
"""How Google writes the values of scalar and well-known types."""
