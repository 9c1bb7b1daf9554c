"""Values that satisfy a schema: for JSON answers and for the arguments of function calls.

A seed chooses among what the schema allows. A schema that names itself ends: from a depth or a size on only what is
required is made, by the shortest way. What cannot be satisfied gets the nearest try.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from .choosing import Chooser
from .heard import Heard
from .schema_checks import fits, fits_number, words_of_members
from .schema_heights import Heights
from .schema_reading import Schema, count_of, merged, names_in, referred, schemas_in, types_of, words_of
from .schema_scalars import number_for, string_for
from .words import WORDS

_FULL_DEPTH: Final = 5
_DEEPEST: Final = 40
_FULL_SIZE: Final = 300
_LARGEST: Final = 20_000
_MOST_ITEMS: Final = 1000
_USUAL_ITEMS: Final = 3
_MOST_TRIES: Final = 12
_ALL_TRIES: Final = 400
_TRICKY: Final = frozenset(
    {"oneOf", "anyOf", "allOf", "not", "if", "uniqueItems", "contains", "propertyNames", "$ref", "dependentRequired"}
)
"""Words that a first try may miss: the result is checked, and tried again."""


def value_for(
    schema: Any, name: str = "value", *, only_required: bool = False, seed: Any = "", prompt: str = ""
) -> Any:
    """A value that satisfies `schema`; texts suit `name`, the name of the member that they stand in.

    `only_required` leaves optional members of objects out; what `prompt` offers is used where it fits. The same
    arguments always give the same value.
    """
    return _Maker(schema, Chooser(seed, name), only_required, Heard(prompt)).value(schema, name, 0)


class _Maker:
    def __init__(self, root: Any, choose: Chooser, only_required: bool, heard: Heard) -> None:
        self._heard = heard
        self._root = root
        self._choose = choose
        self._only_required = only_required
        self._heights = Heights(root)
        self._made = 0
        self._tries = 0

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if depth > _DEEPEST or self._made > _LARGEST or schema is False:
            return None
        self._made += 1
        words = words_of(schema)
        if not _TRICKY & words.keys():
            return self._made_of(words, name, depth, self._is_lean(depth))
        value = None
        for tried in range(_MOST_TRIES):
            self._tries += 1
            is_lean = self._is_lean(depth) or tried % 2 == 1
            value = self._made_of(self._flat(words, is_lean), name, depth, is_lean)
            if self._tries > _ALL_TRIES or fits(value, words, self._root):
                break
        return value

    def _is_lean(self, depth: int) -> bool:
        return depth > _FULL_DEPTH or self._made > _FULL_SIZE

    def _flat(self, words: Schema, is_lean: bool, hops: int = 0) -> Schema:
        """One schema without references and choices: every choice is made."""
        words = referred(self._root, words)
        if hops > _DEEPEST:
            return words
        for part in schemas_in(words, "allOf"):
            words = merged(words, self._flat(words_of(part), is_lean, hops + 1))
        for word in ("anyOf", "oneOf"):
            options = schemas_in(words, word)
            if options:
                words = merged(words, self._flat(words_of(self._option(options, is_lean)), is_lean, hops + 1))
        if "if" in words:
            chosen = ("if", "then") if self._choose.number(2) else ("else",)
            for word in chosen:
                words = merged(words, self._flat(words_of(words.get(word)), is_lean, hops + 1))
        return {word: value for word, value in words.items() if word not in ("anyOf", "oneOf", "allOf", "if")}

    def _option(self, options: Sequence[Any], is_lean: bool) -> Any:
        heights = [self._heights.of(option) for option in options]
        if is_lean:
            return options[heights.index(min(heights))]
        open_to = [
            option
            for option, height in zip(options, heights, strict=True)
            if height < self._heights.ENDLESS and types_of(words_of(option)) != ["null"]
        ]
        return self._choose.one_of(open_to or list(options))

    def _made_of(self, words: Schema, name: str, depth: int, is_lean: bool) -> Any:
        if "const" in words:
            return words["const"]
        choices = words.get("enum")
        if isinstance(choices, list) and choices:
            return self._choice(words, cast("list[Any]", choices))
        match self._type(words, is_lean):
            case "object":
                return self._object(words, depth, is_lean)
            case "array":
                return self._array(words, name, depth, is_lean)
            case "integer" | "number" as kind:
                heard = self._heard.number(is_whole=kind == "integer")
                if heard is not None and fits_number(heard, words):
                    return heard
                return number_for(words, self._choose, is_whole=kind == "integer")
            case "boolean":
                return bool(self._choose.number(2))
            case "null":
                return None
            case _:
                return self._text(words, name)

    def _text(self, words: Schema, name: str) -> str:
        heard = None if "pattern" in words or "format" in words else self._heard.text(name)
        fits_in = heard is not None and fits(heard, {"type": "string"} | words, self._root)
        return heard if fits_in and heard is not None else string_for(words, name, self._choose)

    def _choice(self, words: Schema, choices: list[Any]) -> Any:
        if "integer" in types_of(words):
            # Vertex AI takes the members of an enum as text only, whatever the type.
            choices = [int(c) if isinstance(c, str) and c.isdigit() and len(c) < 16 else c for c in choices]
        rest = {word: value for word, value in words.items() if word != "enum"}
        fitting = [choice for choice in choices if fits(choice, rest, self._root)]
        told = [choice for choice in fitting if choice is not None]
        return self._choose.one_of(self._heard.known(told) or told or fitting or choices)

    def _type(self, words: Schema, is_lean: bool) -> str:
        kinds = types_of(words)
        if is_lean and "null" in kinds:
            return "null"
        told = [kind for kind in kinds if kind != "null"]
        if is_lean:
            told = [kind for kind in told if kind not in ("object", "array")] or told
        return self._choose.one_of(told) if told else "null" if kinds else "string"

    def _object(self, words: Schema, depth: int, is_lean: bool) -> Schema:
        known = words_of_members(words, "properties")
        needed = names_in(words, "required")
        order = [name for name in names_in(words, "propertyOrdering") if name in known]
        names = list(dict.fromkeys((*order, *known, *needed)))
        most = count_of(words, "maxProperties", len(names) + _MOST_ITEMS)
        others = words.get("additionalProperties", True)
        value: Schema = {}
        left = most - len(needed)
        for name in names:
            if name not in needed:
                if is_lean or self._only_required or left <= 0 or not self._can_end(known[name]):
                    continue
                left -= 1
            value[name] = self.value(known.get(name, others), name, depth + 1)
        least = count_of(words, "minProperties", 0)
        if not known and isinstance(others, dict) and not is_lean and not self._only_required and self._can_end(others):
            least = max(least, 2)
        self._fill(value, words, min(least, most), depth)
        return value

    def _fill(self, value: Schema, words: Schema, least: int, depth: int) -> None:
        """Add members of free names up to `least`: first optional ones that were left out."""
        known = words_of_members(words, "properties")
        for name in known:
            if len(value) < least and name not in value and known[name] is not False:
                value[name] = self.value(known[name], name, depth + 1)
        others = words.get("additionalProperties", True)
        for _ in range(min(2 * least, _MOST_ITEMS)):
            if len(value) >= least or others is False:
                return
            naming = words.get("propertyNames")
            name = self.value(naming, "name", depth + 1) if naming else self._free_name(value)
            if isinstance(name, str) and name not in value:
                value[name] = self.value(others, name, depth + 1)

    def _free_name(self, taken: Schema) -> str:
        name = self._choose.one_of(WORDS)
        return name if name not in taken else f"{name}_{len(taken)}"

    def _can_end(self, schema: Any) -> bool:
        return schema is not False and self._heights.of(schema) < self._heights.ENDLESS

    def _array(self, words: Schema, name: str, depth: int, is_lean: bool) -> list[Any]:
        first = schemas_in(words, "prefixItems")
        rest = words.get("items", True)
        if isinstance(rest, list):
            first, rest = cast("list[Any]", rest), words.get("additionalItems", True)
        least = max(count_of(words, "minItems", 0), count_of(words, "minContains", 1) if "contains" in words else 0)
        most = min(count_of(words, "maxItems", _MOST_ITEMS), _MOST_ITEMS)
        wanted = least
        if not is_lean and self._can_end(rest) and "items" in words:
            wanted = max(least, 1 + self._choose.number(_USUAL_ITEMS))
        wanted = min(max(wanted, 0 if is_lean else len(first)), most)
        if rest is False:
            wanted = min(wanted, len(first))
        has_to_differ = words.get("uniqueItems") is True
        items: list[Any] = []
        if "contains" in words:
            inner = merged(words_of(rest), words_of(words["contains"]))
            items = [self.value(inner, name, depth + 1) for _ in range(count_of(words, "minContains", 1))]
        for _ in range(wanted + (_MOST_TRIES if has_to_differ else 0)):
            if len(items) >= wanted or self._made > _LARGEST:
                break
            item = self.value(first[len(items)] if len(items) < len(first) else rest, name, depth + 1)
            if not has_to_differ or item not in items:
                items.append(item)
        return items
