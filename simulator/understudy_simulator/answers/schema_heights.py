"""How deep the smallest value of a schema is: tells which way out of a schema that names itself is the shortest."""

from typing import Any, Final

from .schema_checks import words_of_members
from .schema_reading import count_of, names_in, referred, schemas_in, types_of, words_of

_MOST_STEPS: Final = 4000


class Heights:
    """The heights of the parts of one schema document: 0 for a text, 1 for a list of one text, and so on."""

    ENDLESS: Final = 1_000_000

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0
        self._has_references = _names_references(root, 0)

    def of(self, schema: Any) -> int:
        """The height of the smallest value of `schema`, ENDLESS if it has none. Without references anything is 0."""
        if not self._has_references:
            return 0
        self._steps = 0
        return self._height(schema, frozenset())

    def _height(self, schema: Any, open_references: frozenset[str]) -> int:
        self._steps += 1
        if schema is False or self._steps > _MOST_STEPS:
            return self.ENDLESS
        words = words_of(schema)
        reference = words.get("$ref")
        if isinstance(reference, str):
            if reference in open_references:
                return self.ENDLESS
            open_references |= {reference}
            words = referred(self._root, {"$ref": reference})
        heights = [0]
        for word in ("anyOf", "oneOf"):
            options = schemas_in(words, word)
            if options:
                heights.append(min(self._height(option, open_references) for option in options))
        heights += [self._height(part, open_references) for part in schemas_in(words, "allOf")]
        kinds = types_of(words)
        if "null" not in kinds and kinds == ["object"]:
            known = words_of_members(words, "properties")
            needed = [name for name in names_in(words, "required") if name in known]
            heights += [1 + self._height(known[name], open_references) for name in needed]
        elif kinds == ["array"] and count_of(words, "minItems", 0) > 0:
            heights.append(1 + self._height(words.get("items", True), open_references))
        return min(max(heights), self.ENDLESS)


def _names_references(value: Any, depth: int) -> bool:
    if depth > 100:
        return True
    if isinstance(value, dict):
        return any(
            key in ("$ref", "ref") or _names_references(inner, depth + 1)
            for key, inner in value.items()  # pyright: ignore[reportUnknownVariableType]
        )
    return isinstance(value, list) and any(
        _names_references(inner, depth + 1)
        for inner in value  # pyright: ignore[reportUnknownVariableType]
    )
