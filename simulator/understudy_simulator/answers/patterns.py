"""Texts that match a regular expression (ECMA 262, as JSON Schema has it), for the simple ones that schemas use.

Understood: literals, escapes, `.`, classes, groups, `|`, the anchors, and `? * + {m,n}`. Lookaround and back references
are not; a pattern with them yields None.
"""

from dataclasses import dataclass
from typing import Final

from .choosing import Chooser

_DIGITS: Final = "0123456789"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_WORDY: Final = _LOWER + _LOWER.upper() + _DIGITS + "_"
_PRINTED: Final = "".join(map(chr, range(32, 127)))
_CLASSES: Final = {
    "d": _DIGITS,
    "w": _WORDY,
    "s": " ",
    "D": _LOWER,
    "W": "-",
    "S": _LOWER,
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_MOST_REPEATS: Final = 1000
_MOST_STEPS: Final = 5000
_MOST_TRIES: Final = 50
_DEEPEST: Final = 20


class _Unknown(Exception):
    """The pattern has something that is not understood."""


@dataclass(frozen=True, slots=True)
class _Chars:
    """One of these characters."""

    options: str


@dataclass(frozen=True, slots=True)
class _Several:
    """`least` up to `most` times `inner`; `most` None is without end."""

    inner: "_Node"
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Either:
    """One of several sequences."""

    options: tuple[tuple["_Node", ...], ...]


_Node = _Chars | _Several | _Either


def text_matching(pattern: str, choose: Chooser, least: int = 0, most: int | None = None) -> str | None:
    """A text that matches `pattern` and has `least` to `most` characters, or None if none was found."""
    try:
        tree = _Parser(pattern).whole()
        for extra in (
            0,
            1,
            2,
            4,
            8,
            *range(min(least, _MOST_TRIES) + 1),
            least,
            *(least // part for part in range(1, 9)),
        ):
            text = _Speaker(choose).spoken(tree, extra)
            if least <= len(text) and (most is None or len(text) <= most):
                return text
    except (_Unknown, IndexError):
        return None
    return None


class _Speaker:
    """Says one text of a pattern, and gives up where it gets too long."""

    def __init__(self, choose: Chooser) -> None:
        self._choose = choose
        self._steps = 0

    def spoken(self, node: _Node, extra: int) -> str:
        """A text that matches `node`; repetitions have `extra` more than they need."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise _Unknown
        match node:
            case _Chars(options):
                return self._choose.one_of(options)
            case _Several(inner, least, most):
                times = min(least + extra, _MOST_REPEATS)
                times = times if most is None else max(min(times, most), least)
                # Inside a repetition nothing is drawn out a second time: lengths would multiply.
                return "".join(self.spoken(inner, min(extra, 1)) for _ in range(times))
            case _Either(options):
                return "".join(self.spoken(part, extra) for part in self._choose.one_of(options))


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> _Node:
        """The whole pattern."""
        found = self._either()
        if self._at != len(self._text):
            raise _Unknown
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._text[self._at]
        self._at += 1
        return char

    def _either(self) -> _Either:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unknown
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        self._depth -= 1
        return _Either(tuple(options))

    def _sequence(self) -> tuple[_Node, ...]:
        parts: list[_Node] = []
        while self._peek() and self._peek() not in "|)":
            if self._peek() == "^":
                if parts:
                    raise _Unknown
                self._at += 1
                continue
            if self._peek() == "$":
                self._at += 1
                if self._peek() not in ("", "|", ")"):
                    raise _Unknown
                continue
            parts.append(self._repeated(self._atom()))
        return tuple(parts)

    def _atom(self) -> _Node:
        char = self._next()
        if char == "(":
            if self._peek() == "?":
                self._at += 1
                if self._next() != ":":
                    raise _Unknown
            inner = self._either()
            if self._next() != ")":
                raise _Unknown
            return inner
        if char == "[":
            return _Chars(self._class())
        if char == ".":
            return _Chars(_LOWER)
        if char == "\\":
            return _Chars(self._escape())
        if char in "*+?{":
            raise _Unknown
        return _Chars(char)

    def _escape(self) -> str:
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in "xu":
            size = 2 if char == "x" else 4
            digits = self._text[self._at : self._at + size]
            if len(digits) != size or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise _Unknown
            self._at += size
            return chr(int(digits, 16))
        if char.isalnum():
            # \b, \1, \p{...}
            raise _Unknown
        return char

    def _class(self) -> str:
        is_negated = self._peek() == "^"
        self._at += is_negated
        options = ""
        while self._peek() != "]" or not options:
            first = self._class_member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", "") and len(first) == 1:
                self._at += 1
                last = self._class_member()
                if len(last) != 1 or not 0 <= ord(last) - ord(first) < 70_000:
                    raise _Unknown
                first = "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))
            options += first
        self._at += 1
        if is_negated:
            options = "".join(char for char in _LOWER + _PRINTED if char not in options)
        if not options:
            raise _Unknown
        return options

    def _class_member(self) -> str:
        char = self._next()
        return self._escape() if char == "\\" else char

    def _repeated(self, atom: _Node) -> _Node:
        char = self._peek()
        if char not in ("?", "*", "+", "{") or not char:
            return atom
        self._at += 1
        least, most = {"?": (0, 1), "*": (0, None), "+": (1, None)}.get(char) or self._bounds()
        if self._peek() == "?":
            self._at += 1
        if least > _MOST_REPEATS:
            raise _Unknown
        return _Several(atom, least, most)

    def _bounds(self) -> tuple[int, int | None]:
        end = self._text.find("}", self._at)
        first, comma, last = self._text[self._at : max(end, self._at)].partition(",")
        if end < 0 or not _is_count(first) or (last and not _is_count(last)):
            raise _Unknown
        self._at = end + 1
        return int(first), (int(last) if last else None) if comma else int(first)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6
