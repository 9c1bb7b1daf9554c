"""Where a body stops being JSON, as Google's parser tells it: a reason, an excerpt, a caret. Pure.

The reasons and the excerpt are those of the parser that protobuf published (json_stream_parser.cc); that the services
still answer in its words is assumed (wire-http 5.2).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

_CONTEXT: Final = 20
DEEPEST: Final = 100
"""Objects and lists within each other that Google's parser follows."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD: Final = re.compile(r"true|false|null")


class _Stop(Exception):
    """The parser stops: a reason and the place."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


def malformed_message(raw: bytes) -> str:
    """The message for a body that is no JSON."""
    text = raw.decode("utf-8", "replace")
    try:
        _Scan(text).document()
        why, at = "Unexpected token.", 0
    except _Stop as stop:
        why, at = stop.why, stop.at
    start = max(at - _CONTEXT, 0)
    return f"Invalid JSON payload received. {why}\n{text[start : at + _CONTEXT]}\n{' ' * (at - start)}^"


def too_deep(value: Any) -> str | None:
    """The key at which a decoded body is nested deeper than DEEPEST, or None."""
    level: list[tuple[str, Any]] = [("", value)]
    for _ in range(DEEPEST + 1):
        level = [pair for key, item in level for pair in _inside(key, item)]
        if not level:
            return None
    return level[0][0]


def _inside(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The entries of an object or list, each with the nearest key; nothing for a scalar."""
    if isinstance(value, dict):
        yield from cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield key, item


@dataclass(slots=True)
class _Scan:
    text: str
    at: int = 0
    depth: int = 0

    def document(self) -> None:
        self._value("Expected a value.")
        if self._next():
            raise _Stop("Parsing terminated before end of input.", self.at)

    def _next(self) -> str:
        """The next character that is no space, or '' at the end; `at` is on it."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def _expect(self, wanted: str, why: str) -> str:
        sign = self._next()
        if not sign:
            raise _Stop(f"Unexpected end of string. {why}", self.at)
        if sign not in wanted:
            raise _Stop(why, self.at)
        self.at += 1
        return sign

    def _value(self, why: str) -> None:
        sign = self._next()
        if not sign:
            raise _Stop(f"Unexpected end of string. {why}", self.at)
        if sign in "{[":
            self.depth += 1
            if self.depth > DEEPEST:
                raise _Stop("Message too deep. Max recursion depth reached for key ''", self.at)
            self.at += 1
            self._object() if sign == "{" else self._array()
            self.depth -= 1
        elif sign == '"':
            self._string()
        else:
            found = _NUMBER.match(self.text, self.at) or _WORD.match(self.text, self.at)
            if found is None:
                raise _Stop("Unexpected token.", self.at)
            self.at = found.end()

    def _string(self) -> None:
        found = _STRING.match(self.text, self.at)
        if found is None:
            closed = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL).match(self.text, self.at)
            raise _Stop("Invalid escape sequence." if closed else "Closing quote expected in string.", self.at)
        self.at = found.end()

    def _object(self) -> None:
        while True:
            if self._expect('"}', "Expected an object key or }.") == "}":
                return
            self.at -= 1
            self._string()
            self._expect(":", "Expected : between key:value pair.")
            self._value("Expected a value.")
            if self._expect(",}", "Expected , or } after key:value pair.") == "}":
                return

    def _array(self) -> None:
        if self._next() == "]":
            self.at += 1
            return
        while True:
            self._value("Expected a value or ] within an array.")
            if self._expect(",]", "Expected , or ] after array value.") == "]":
                return
