"""Whether a value fits a schema: what makes up values tries again until it does.

Patterns and formats are taken as kept: whoever makes a text makes it by them.
"""

import json
from fractions import Fraction
from typing import Any, Final, cast

from .schema_reading import Schema, count_of, names_in, number_of, referred, schemas_in, types_of, words_of

_DEEPEST: Final = 64
_ENDLESS: Final = 1 << 62


def fits(value: Any, schema: Any, root: Any, depth: int = 0) -> bool:
    """Whether `value` has the shape that `schema` (part of the document `root`) asks for."""
    if isinstance(schema, bool):
        return schema
    if depth > _DEEPEST:
        return True
    words = referred(root, words_of(schema))
    named = types_of(words) if "type" in words else []
    if named and not any(_is_a(value, kind) for kind in named):
        return False
    if value is None and words.get("nullable") is True:
        return True
    if "const" in words and not same(value, words["const"]):
        return False
    choices = words.get("enum")
    if isinstance(choices, list) and not any(same(value, choice) for choice in cast("list[Any]", choices)):
        return False
    return _fits_options(value, words, root, depth + 1) and _fits_kind(value, words, root, depth + 1)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return one == other


def _is_a(value: Any, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return _is_a(value, "number") and abs(value) < 1e300 and value == int(value)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case _:
            return True


def _fits_options(value: Any, words: Schema, root: Any, depth: int) -> bool:
    if not all(fits(value, part, root, depth) for part in schemas_in(words, "allOf")):
        return False
    options = schemas_in(words, "anyOf")
    if options and not any(fits(value, option, root, depth) for option in options):
        return False
    options = schemas_in(words, "oneOf")
    if options and sum(fits(value, option, root, depth) for option in options) != 1:
        return False
    if "not" in words and fits(value, words["not"], root, depth):
        return False
    if "if" in words:
        branch = words.get("then" if fits(value, words["if"], root, depth) else "else", True)
        return fits(value, branch, root, depth)
    return True


def _fits_kind(value: Any, words: Schema, root: Any, depth: int) -> bool:
    match value:
        case bool() | None:
            return True
        case str():
            return count_of(words, "minLength", 0) <= len(value) <= count_of(words, "maxLength", _ENDLESS)
        case int() | float():
            return fits_number(value, words)
        case dict():
            return _fits_object(cast("Schema", value), words, root, depth)
        case list():
            return _fits_array(cast("list[Any]", value), words, root, depth)
        case _:
            return True


def fits_number(value: float, words: Schema) -> bool:
    """Whether a number keeps the bounds and is a multiple of what it must be."""
    least, most = number_of(words, "minimum"), number_of(words, "maximum")
    above, below = words.get("exclusiveMinimum"), words.get("exclusiveMaximum")
    # Draft 4 has them as flags beside `minimum` and `maximum`.
    above = least if above is True else number_of(words, "exclusiveMinimum")
    below = most if below is True else number_of(words, "exclusiveMaximum")
    if (least is not None and value < least) or (most is not None and value > most):
        return False
    if (above is not None and value <= above) or (below is not None and value >= below):
        return False
    step = number_of(words, "multipleOf")
    if step is None or step <= 0:
        return True
    # Those who check divide floats: it must come out whole that way as well as exactly.
    return Fraction(str(value)) % Fraction(str(step)) == 0 and float(value / step).is_integer()


def _fits_object(value: Schema, words: Schema, root: Any, depth: int) -> bool:
    if any(name not in value for name in names_in(words, "required")):
        return False
    if not count_of(words, "minProperties", 0) <= len(value) <= count_of(words, "maxProperties", _ENDLESS):
        return False
    needs = words.get("dependentRequired")
    if isinstance(needs, dict):
        for name in cast("Schema", needs):
            if name in value and any(other not in value for other in names_in(cast("Schema", needs), name)):
                return False
    properties = words_of_members(words, "properties")
    names = words.get("propertyNames")
    others = True if "patternProperties" in words else words.get("additionalProperties", True)
    return all(
        fits(inner, properties.get(name, others), root, depth) and (names is None or fits(name, names, root, depth))
        for name, inner in value.items()
    )


def words_of_members(words: Schema, word: str) -> Schema:
    """The members of a map like `properties`."""
    found = words.get(word)
    return cast("Schema", found) if isinstance(found, dict) else {}


def _fits_array(value: list[Any], words: Schema, root: Any, depth: int) -> bool:
    if not count_of(words, "minItems", 0) <= len(value) <= count_of(words, "maxItems", _ENDLESS):
        return False
    first = schemas_in(words, "prefixItems")
    rest = words.get("items", True)
    if isinstance(rest, list):
        first, rest = cast("list[Any]", rest), words.get("additionalItems", True)
    if not all(fits(item, first[at] if at < len(first) else rest, root, depth) for at, item in enumerate(value)):
        return False
    if words.get("uniqueItems") is True and len({json.dumps(item, sort_keys=True) for item in value}) != len(value):
        return False
    if "contains" not in words:
        return True
    found = sum(fits(item, words["contains"], root, depth) for item in value)
    return count_of(words, "minContains", 1) <= found <= count_of(words, "maxContains", _ENDLESS)
