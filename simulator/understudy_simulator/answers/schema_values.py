"""The smallest values that satisfy a schema: for JSON answers and for the arguments of function calls.

Reads OpenAPI-like `Schema` (types in upper case) and JSON Schema (`$ref` into `$defs` included); words that it does not
know (`pattern`, `multipleOf`, ...) are left aside.
"""

from typing import Any, Final, cast

from .reading import Members, count_in, member, text_in

_DEEPEST: Final = 12
_MOST_ITEMS: Final = 20
_LONGEST_TEXT: Final = 1000
_FORMATS: Final = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def value_for(schema: Any, name: str = "value", *, only_required: bool = False) -> Any:
    """A value that satisfies `schema`; texts are `name`, the name of the member that they stand in.

    `only_required` leaves optional members of objects out.
    """
    return _Maker(schema, only_required).value(schema, name, 0)


class _Maker:
    def __init__(self, root: Any, only_required: bool) -> None:
        self._root = root
        self._only_required = only_required

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if depth > _DEEPEST or not isinstance(schema, dict):
            return None
        found = cast("Members", schema)
        reference = text_in(found, "$ref")
        if reference is not None:
            return self.value(self._referred(reference), name, depth + 1)
        for word in ("const", "default", "example"):
            if word in found:
                return found[word]
        choices = found.get("enum")
        if isinstance(choices, list) and choices:
            return cast("list[Any]", choices)[0]
        for word in ("anyOf", "oneOf", "allOf"):
            options = member(found, word)
            if isinstance(options, list) and options:
                return self.value(cast("list[Any]", options)[0], name, depth + 1)
        return self._by_type(found, name, depth)

    def _by_type(self, schema: Members, name: str, depth: int) -> Any:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return _text(schema, name)
            case "integer":
                return int(_number(schema, 1))
            case "number":
                return _number(schema, 1.5)
            case "boolean":
                return True
            case _:
                return None

    def _object(self, schema: Members, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        known = cast("dict[str, Any]", properties)
        required = schema.get("required")
        needed = cast("list[Any]", required) if isinstance(required, list) else []
        order = member(schema, "propertyOrdering")
        names = [key for key in cast("list[Any]", order) if key in known] if isinstance(order, list) else []
        names += [key for key in known if key not in names]
        return {
            key: self.value(known[key], key, depth + 1) for key in names if not self._only_required or key in needed
        }

    def _array(self, schema: Members, name: str, depth: int) -> list[Any]:
        if member(schema, "maxItems") in (0, "0"):
            return []
        item = self.value(schema.get("items"), name, depth + 1)
        return [item] * min(count_in(schema, "minItems") or 1, _MOST_ITEMS)

    def _referred(self, reference: str) -> Any:
        value = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            value = cast("Members", value).get(part) if isinstance(value, dict) else None
        return value


def _type_of(schema: Members) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [entry for entry in cast("list[Any]", kind) if entry != "null"]
        kind = kinds[0] if kinds else "null"
    if isinstance(kind, str):
        return kind.lower()
    return "object" if "properties" in schema else "array" if "items" in schema else ""


def _text(schema: Members, name: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), name)
    text = text.ljust(min(count_in(schema, "minLength") or 0, _LONGEST_TEXT), ".")
    return text[: count_in(schema, "maxLength")]


def _number(schema: Members, usual: float) -> float:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int | float) and usual < least:
        return least
    if isinstance(most, int | float) and usual > most:
        return most
    return usual
