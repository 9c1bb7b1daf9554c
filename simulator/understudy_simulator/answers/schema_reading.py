"""Schemas as requests write them: OpenAPI-like `Schema` (types in upper case, numbers as text) and JSON Schema.

Words are read in both spellings; `$ref` points into the same document (`ref` and `defs` on Vertex AI mean the same).
"""

from typing import Any, Final, cast
from urllib.parse import unquote

from .reading import Members, member

Schema = dict[str, Any]

_MOST_HOPS: Final = 32
_LARGEST_NUMBER: Final = 1e300
"""What lies beyond could not be added to without running out of floats; it counts as no bound."""

_LEAST: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_MOST: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
_CAMEL: Final = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "prefix_items": "prefixItems",
    "ref": "$ref",
    "definitions": "$defs",
    "defs": "$defs",
}
_KINDS: Final = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
}


def words_of(schema: Any) -> Schema:
    """The words of a schema in JSON Schema's spelling; what is no object has none."""
    if not isinstance(schema, dict):
        return {}
    found = cast("Schema", schema)
    return {_CAMEL.get(word, word): value for word, value in found.items() if value is not None or word == "const"}


def schemas_in(schema: Schema, word: str) -> list[Any]:
    """The schemas in a list like `anyOf`."""
    found = schema.get(word)
    return cast("list[Any]", found) if isinstance(found, list) else []


def names_in(schema: Schema, word: str) -> list[str]:
    """The texts in a list like `required`."""
    return [name for name in schemas_in(schema, word) if isinstance(name, str)]


def number_of(schema: Schema, word: str) -> float | None:
    """A number, also if written as text (int64)."""
    found = schema.get(word)
    if isinstance(found, str):
        try:
            return int(found)
        except ValueError:
            return None
    if not isinstance(found, int | float) or isinstance(found, bool):
        return None
    return found if abs(found) < _LARGEST_NUMBER else None


def count_of(schema: Schema, word: str, usual: int) -> int:
    """A count of items or characters, or `usual`."""
    found = number_of(schema, word)
    return usual if found is None or found < 0 else int(found)


def types_of(schema: Schema) -> list[str]:
    """The types that a schema names, in lower case; guessed from its other words if it names none; else empty."""
    kind = schema.get("type")
    kinds = cast("list[Any]", kind) if isinstance(kind, list) else [kind]
    named = [entry.lower() for entry in kinds if isinstance(entry, str) and entry != "TYPE_UNSPECIFIED"]
    if schema.get("nullable") is True and named and "null" not in named:
        named.append("null")
    if named:
        return named
    for guess, words in _KINDS.items():
        if any(word in schema for word in words):
            return [guess]
    return []


def referred(root: Any, schema: Schema) -> Schema:
    """`schema` with its `$ref`, and what that refers to in turn, replaced by what it names; other words stay."""
    for _ in range(_MOST_HOPS):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        rest = {word: value for word, value in schema.items() if word not in ("$ref", "$defs")}
        target = words_of(_target(root, reference))
        schema = merged(target, rest) if rest else target
    return {}


def _target(root: Any, reference: str) -> Any:
    value = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and key.isdigit() and len(key) < 6:
            items = cast("list[Any]", value)
            value = items[int(key)] if int(key) < len(items) else None
        elif isinstance(value, dict):
            members = cast("Members", value)
            value = members if not key else member(members, key)
        else:
            return None
    return value


def merged(one: Schema, other: Schema) -> Schema:
    """A schema that asks for what both ask for, as far as one schema can say it."""
    result = dict(one)
    for word, value in other.items():
        if word in one and one[word] != value:
            value = _both(word, one, other)
        result[word] = value
    return result


def _both(word: str, one: Schema, other: Schema) -> Any:
    first, second = one[word], other[word]
    if word in _LEAST or word in _MOST:
        numbers = [number for number in (number_of(one, word), number_of(other, word)) if number is not None]
        return (max if word in _LEAST else min)(numbers) if numbers else second
    match word:
        case "type":
            return _common_types(types_of(one), types_of(other))
        case "required":
            return [*_listed(first), *(name for name in _listed(second) if name not in _listed(first))]
        case "enum":
            return [value for value in _listed(first) if value in _listed(second)]
        case "properties" | "patternProperties" if isinstance(first, dict) and isinstance(second, dict):
            return _both_members(cast("Schema", first), cast("Schema", second))
        case "items" | "additionalProperties" | "contains":
            both: Schema = {"allOf": [first, second]}
            return False if first is False or second is False else both
        case "allOf":
            return [*_listed(first), *_listed(second)]
        case _:
            return second


def _both_members(one: Schema, other: Schema) -> Schema:
    joined = one | other
    for name in one.keys() & other.keys():
        if one[name] != other[name]:
            joined[name] = {"allOf": [one[name], other[name]]}
    return joined


def _common_types(one: list[str], other: list[str]) -> list[str]:
    common = [kind for kind in one if kind in other]
    if "integer" not in common and ("integer" in one + other) and ("number" in one + other):
        common.append("integer")
    return common


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
