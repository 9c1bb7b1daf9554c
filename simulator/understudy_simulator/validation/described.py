"""Descriptions of Google's messages: names, fields, types, enums, read from the compact data that ships. Pure.

A field's type is one word: a scalar (`string`, `int32`, `bytes` ...), a well-known type (`Struct`, `Duration` ...), or
the name of a message or enum of the same data; `[]` in front makes it repeated, `{}` a map with string keys, and
`|group` behind says which oneof it belongs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from understudy.scenario.json_subset import snake_case

Shape = Literal["one", "many", "map"]

SCALARS: Final[Mapping[str, str]] = {
    "string": "TYPE_STRING",
    "bool": "TYPE_BOOL",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "float": "TYPE_FLOAT",
    "double": "TYPE_DOUBLE",
    "bytes": "TYPE_BYTES",
}
"""Scalar types, and what Google's texts call them."""

WELL_KNOWN: Final = frozenset({"Struct", "Value", "ListValue", "Any", "Empty", "Duration", "Timestamp", "FieldMask"})
"""Messages of google.protobuf that have a JSON form of their own."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name as in answers (lowerCamelCase) and in error paths (snake_case), its type, its oneof or ''."""

    name: str
    snake: str
    shape: Shape
    type: str
    group: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Descriptions:
    """The messages of one version of one service.

    `package` is the proto package, as in `google.cloud.aiplatform.v1`; `titles` have the full name within it where that
    is not the key (nested types), or of another package (it begins with `google.`).
    """

    package: str
    messages: Mapping[str, Mapping[str, Field]] = field(repr=False)
    enums: Mapping[str, frozenset[str]] = field(repr=False)
    titles: Mapping[str, str] = field(repr=False)
    sources: tuple[str, ...] = field(repr=False, default=())

    def type_url(self, name: str) -> str:
        """How Google's texts call a message, an enum or a well-known type."""
        if name in WELL_KNOWN:
            return f"type.googleapis.com/google.protobuf.{name}"
        title = self.titles.get(name, name)
        if title.startswith("google."):
            return f"type.googleapis.com/{title}"
        return f"type.googleapis.com/{self.package}.{title}"


def read_descriptions(data: Mapping[str, Any], version: str) -> Descriptions:
    """The descriptions that `data` holds; `{version}` in its package becomes `version`.

    Raises ValueError for a type that is neither described nor known.
    """
    enums = {name: frozenset(values) for name, values in data["enums"].items()}
    messages = {
        name: {key: read_field(key, text) for key, text in fields.items()} for name, fields in data["messages"].items()
    }
    known = messages.keys() | enums.keys() | SCALARS.keys() | WELL_KNOWN
    for name, fields in messages.items():
        for one in fields.values():
            if one.type not in known:
                raise ValueError(f"{name}.{one.name}: no description of {one.type}")
    package = data["package"].replace("{version}", version)
    return Descriptions(package, messages, enums, dict(data.get("titles", {})), tuple(data.get("sources", ())))


@lru_cache(maxsize=8192)
def read_field(name: str, text: str) -> Field:
    """A field from its name and its type in the compact form."""
    kind, _, group = text.partition("|")
    shape: Shape = "one"
    if kind.startswith("[]"):
        shape, kind = "many", kind[2:]
    elif kind.startswith("{}"):
        shape, kind = "map", kind[2:]
    return Field(name, snake_case(name), shape, kind, group)
