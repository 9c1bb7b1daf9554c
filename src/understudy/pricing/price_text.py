"""Price files as text: JSON read with exact numbers and the line of each value, and written back without loss."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, cast

from ..errors import DocumentError, Problem
from .book import Entry
from .cost import plain
from .vocabulary import CHANGES, EFFECTIVE, NUMBERS, SEARCH

Path = tuple[str | int, ...]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:\n]|[^\s{}\[\],:"]+')
_MEDIUM: Final = "search_context_size_medium"


def read_json(text: str, source: str) -> Any:
    """JSON with fractions as Decimal: `1e-07` is exactly 0.0000001, and never a float (pricing 1).

    Raises DocumentError with every key that stands twice in one object, or with where the text is no JSON.
    """
    constants: list[str] = []
    doubled: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            doubled.append(source)
        return found

    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=constants.append, object_pairs_hook=members)
    except json.JSONDecodeError as error:
        raise DocumentError([Problem(source, error.lineno, "", f"no JSON: {error.msg}")]) from None
    except (RecursionError, ValueError, ArithmeticError):
        raise DocumentError([Problem(source, None, "", "no JSON that can be read")]) from None
    if constants:
        raise DocumentError([Problem(source, None, "", f"{constants[0]} is no price")])
    if doubled:
        walk = _Walk(source)
        walk.over(text)
        raise DocumentError(walk.problems)
    return value


def lines_of(text: str) -> Mapping[Path, int]:
    """The line of each part of a text that is JSON, counted from 1."""
    walk = _Walk("")
    walk.over(text)
    return walk.lines


class _Walk:
    """Goes over the tokens of a text that is JSON, and notes where each part of it begins."""

    def __init__(self, source: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self.problems: list[Problem] = []
        self._source = source
        self._line = 1
        self._path: list[str | int] = []
        self._seen: list[set[str] | None] = []
        """For each open object its keys; None for a list."""
        self._wants_key = False

    def over(self, text: str) -> None:
        for found in _TOKEN.finditer(text):
            self._take(found[0])

    def _take(self, token: str) -> None:
        match token:
            case "\n":
                self._line += 1
            case "{":
                self._value()
                self._seen.append(set())
                self._path.append("")
                self._wants_key = True
            case "[":
                self._value()
                self._seen.append(None)
                self._path.append(0)
            case "}" | "]":
                self._seen.pop()
                self._path.pop()
                self._wants_key = False
            case ",":
                last = self._path[-1]
                if isinstance(last, int):
                    self._path[-1] = last + 1
                self._wants_key = self._seen[-1] is not None
            case ":":
                self._wants_key = False
            case _ if self._wants_key:
                self._key(json.loads(token))
            case _:
                self._value()

    def _key(self, key: str) -> None:
        keys = self._seen[-1]
        self._path[-1] = key
        if keys is not None and key in keys:
            where = ".".join(str(part) for part in self._path[:-1])
            self.problems.append(Problem(self._source, self._line, where, f"the key '{key}' stands here a second time"))
        elif keys is not None:
            keys.add(key)
        self.lines.setdefault(tuple(self._path), self._line)

    def _value(self) -> None:
        self.lines.setdefault(tuple(self._path), self._line)


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry in the shape of a price file, prices as plain decimal text; read again it is the same entry."""
    told: dict[str, Any] = {key: _shown(key, value) for key, value in entry.values.items()}
    if entry.changes:
        told[CHANGES] = [
            {EFFECTIVE: change.effective_from.isoformat()} | {k: _shown(k, v) for k, v in change.values.items()}
            for change in entry.changes
        ]
    return told


def _shown(key: str, value: Decimal | str | None) -> Any:
    if not isinstance(value, Decimal):
        return value
    if key == SEARCH:
        return {_MEDIUM: plain(value)}
    return int(value) if key in NUMBERS and value == value.to_integral_value() else plain(value)


def write_json(value: object, indent: str = "") -> str:
    """JSON whose numbers are what they were: a Decimal becomes a number literal of all its digits.

    Raises TypeError for a float, which has lost its price already.
    """
    inner = indent + "  "
    match value:
        case Decimal():
            return plain(value)
        case float():
            raise TypeError(f"{value!r} is a binary float")
        case date():
            return json.dumps(value.isoformat())
        case Mapping():
            members = cast("Mapping[str, object]", value).items()
            body = ",\n".join(f"{inner}{json.dumps(key)}: {write_json(each, inner)}" for key, each in members)
            return f"{{\n{body}\n{indent}}}" if body else "{}"
        case list() | tuple():
            items = cast("Sequence[object]", value)
            body = ",\n".join(inner + write_json(each, inner) for each in items)
            return f"[\n{body}\n{indent}]" if body else "[]"
        case _:
            return json.dumps(value)
