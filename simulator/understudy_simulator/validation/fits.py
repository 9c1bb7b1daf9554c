"""Quick yes or no to whether a request fits its description: one closure per message, compiled once. Pure.

Where the answer is no, `mistakes` finds out why. Nothing here keeps track of paths.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .described import Descriptions, Field
from .scalars import SCALARS, WELL_KNOWN, Taken, is_text, one_of


@lru_cache(maxsize=32)
def fitter_of(descriptions: Descriptions) -> "Fitter":
    """The compiled checks of a set of descriptions, made once for each."""
    return Fitter(descriptions)


class Fitter:
    """Answers for the messages of one set of descriptions."""

    def __init__(self, descriptions: Descriptions) -> None:
        self._descriptions = descriptions
        self._messages: dict[str, Taken] = {}
        self._enums: dict[str, Taken] = {}

    def message(self, name: str) -> Taken:
        """The check for a message; the closure is the same at every call. Raises KeyError for an unknown name."""
        known = self._messages.get(name)
        if known is not None:
            return known
        fields = self._descriptions.messages[name]
        table: dict[str, Taken] = {}
        groups: dict[str, int] = {}
        made = _grouped(table, groups) if any(field.group for field in fields.values()) else _plain(table)
        self._messages[name] = made
        numbers: dict[str, int] = {}
        for field in fields.values():
            check = self._field(field)
            bit = 1 << numbers.setdefault(field.group, len(numbers)) if field.group else 0
            for key in (field.name, field.snake):
                table[key] = check
                if bit:
                    groups[key] = bit
        return made

    def _field(self, field: Field) -> Taken:
        one = self._one(field.type)
        if field.shape == "many":
            return _many(one)
        return _map(one) if field.shape == "map" else one

    def _one(self, name: str) -> Taken:
        found = SCALARS.get(name) or WELL_KNOWN.get(name)
        if found is not None:
            return found
        if name in self._descriptions.enums:
            if name not in self._enums:
                self._enums[name] = one_of(self._descriptions.enums[name])
            return self._enums[name]
        return self.message(name)


def _plain(table: Mapping[str, Taken]) -> Taken:
    get = table.get

    def taken(value: Any) -> bool:
        if value.__class__ is not dict:
            return value is None
        members: dict[str, Any] = value
        for key, item in members.items():
            check = get(key)
            if check is is_text:
                if item.__class__ is not str and item is not None:
                    return False
            elif check is None or not check(item):
                return False
        return True

    return taken


def _grouped(table: Mapping[str, Taken], groups: Mapping[str, int]) -> Taken:
    """The same for a message with oneofs: at most one field of each may be set."""
    get = table.get
    group_of = groups.get

    def taken(value: Any) -> bool:
        if value.__class__ is not dict:
            return value is None
        members: dict[str, Any] = value
        seen = 0
        for key, item in members.items():
            check = get(key)
            if check is is_text:
                if item.__class__ is not str and item is not None:
                    return False
            elif check is None or not check(item):
                return False
            bit = group_of(key)
            if bit is not None and item is not None:
                if seen & bit:
                    return False
                seen |= bit
        return True

    return taken


def _many(one: Taken) -> Taken:
    def taken(value: Any) -> bool:
        if value.__class__ is list:
            items: list[Any] = value
            for item in items:  # noqa: SIM110 - all() with a generator takes twice as long
                if not one(item):
                    return False
            return True
        return one(value)

    return taken


def _map(one: Taken) -> Taken:
    def taken(value: Any) -> bool:
        if value.__class__ is not dict:
            return value is None
        entries: dict[str, Any] = value
        for item in entries.values():  # noqa: SIM110 - all() with a generator takes twice as long
            if not one(item):
                return False
        return True

    return taken
