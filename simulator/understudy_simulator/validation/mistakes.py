"""What is wrong with a value that does not fit its description, in the words of Google's JSON parser. Pure.

Texts: wire-http 5.2 and public issues that quote the service (unknown names, lists for single fields, scalars of the
wrong type, enums, maps as `properties[2].value`: quoted; oneofs, base64, durations: after the parser's published
source, assumed for these services).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from understudy.scenario.json_subset import shown

from .described import SCALARS, Descriptions, Field
from .scalars import SCALARS as TAKEN
from .scalars import WELL_KNOWN, one_of

_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Mistake:
    """One violation: the field path of its detail (None at the root) and its text."""

    field: str | None
    text: str


def mistakes_in(descriptions: Descriptions, message: str, value: Any) -> Iterator[Mistake]:
    """Everything that is wrong in a request, in the order in which it comes."""
    if isinstance(value, dict):
        return _Walk(descriptions).message(message, cast("Mapping[str, Any]", value), "")
    if value is None:
        return iter(())
    return iter((Mistake(None, _unknown("", "", "Root element must be a message.")),))


def _unknown(name: str, path: str, why: str) -> str:
    at = f" at '{path}'" if path else ""
    return f'Invalid JSON payload received. Unknown name "{name}"{at}: {why}'


def _invalid(path: str, kind: str, found: str) -> Mistake:
    return Mistake(path, f"Invalid value at '{path}' ({kind}), {found}")


@dataclass(frozen=True, slots=True)
class _Walk:
    descriptions: Descriptions

    def message(self, name: str, members: Mapping[str, Any], path: str) -> Iterator[Mistake]:
        fields = self.descriptions.messages[name]
        spelled = {field.snake: field for field in fields.values()} | dict(fields)
        taken: set[str] = set()
        for key, item in members.items():
            field = spelled.get(key)
            if field is None:
                yield Mistake(path or None, _unknown(key[:200], path, "Cannot find field."))
                continue
            if item is None:
                continue
            if field.group and field.group in taken:
                why = f"oneof field '{field.group}' is already set. Cannot set '{key}'"
                yield _invalid(path, "oneof", why)
            taken.add(field.group)
            yield from self._field(field, key, item, path)

    def _field(self, field: Field, key: str, item: Any, parent: str) -> Iterator[Mistake]:
        path = f"{parent}.{field.snake}" if parent else field.snake
        if field.shape == "map":
            yield from self._map(field, item, path)
        elif isinstance(item, list) and field.type not in ("Value", "ListValue"):
            if field.shape == "one":
                why = "Proto field is not repeating, cannot start list."
                yield Mistake(parent or None, _unknown(key, parent, why))
                return
            for index, entry in enumerate(cast("list[Any]", item)):
                yield from self._one(field, entry, f"{path}[{index}]")
        else:
            yield from self._one(field, item, path)

    def _map(self, field: Field, item: Any, path: str) -> Iterator[Mistake]:
        if not isinstance(item, dict):
            yield _invalid(path, "Map", "Cannot bind a scalar or a list to a map.")
            return
        for index, entry in enumerate(cast("dict[str, Any]", item).values()):
            yield from self._one(field, entry, f"{path}[{index}].value")

    def _one(self, field: Field, item: Any, path: str) -> Iterator[Mistake]:
        if item is None:
            return
        kind = field.type
        if kind in self.descriptions.messages:
            if isinstance(item, dict):
                yield from self.message(kind, cast("Mapping[str, Any]", item), path)
            else:
                yield _invalid(path, self.descriptions.type_url(kind), _quoted(item))
        elif kind in self.descriptions.enums:
            if not one_of(self.descriptions.enums[kind])(item):
                yield _invalid(path, self.descriptions.type_url(kind), _quoted(item))
        elif kind in SCALARS:
            if not TAKEN[kind](item):
                yield _invalid(path, SCALARS[kind], _scalar_text(kind, item))
        elif not WELL_KNOWN[kind](item):
            yield _invalid(path, self.descriptions.type_url(kind), _well_known_text(field, item))


def _quoted(item: Any) -> str:
    """The value that was found, as Google shows it; long ones are cut, which Google does not do."""
    if isinstance(item, dict):
        return "Starting an object on a scalar field"
    return "Starting a list on a scalar field" if isinstance(item, list) else shown(item, _SHOWN)


def _scalar_text(kind: str, item: Any) -> str:
    if kind == "bytes" and isinstance(item, str):
        return f"Base64 decoding failed for {shown(item, _SHOWN)}"
    return _quoted(item)


def _well_known_text(field: Field, item: Any) -> str:
    if not isinstance(item, str):
        return _quoted(item)
    if field.type == "Duration":
        why = "duration must end with 's'" if not item.endswith("s") else "failed to parse seconds"
        return f"Field '{field.name}', Illegal duration format; {why}"
    if field.type == "Timestamp":
        return f"Field '{field.name}', Invalid time format: {shown(item, _SHOWN)[1:-1]}"
    return _quoted(item)
