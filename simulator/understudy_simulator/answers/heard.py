"""What a prompt offers as arguments of a function: places, quoted texts, numbers, words that an enumeration knows.

"What is the weather in Paris?" gives `city` Paris, "add 3 and 4" gives the numbers 3 and 4, in this order.
"""

import re
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

_PLACES: Final = frozenset({"city", "location", "place", "country", "destination", "region", "town", "address"})
_WHOLE: Final = frozenset({"query", "question", "prompt", "text", "message", "input", "q", "expression", "request"})
_PLACE: Final = re.compile(
    r"\b(?:in|at|for|to|from|near|of)\s{1,3}([A-Z\u00c0-\u00de][\w'-]{0,30}(?:,?\s[A-Z\u00c0-\u00de][\w'-]{0,30}){0,3})"
)
_QUOTED: Final = re.compile(r"\"([^\"\n]{1,200})\"|\u201c([^\u201d\n]{1,200})\u201d|(?<!\w)'([^'\n]{1,200})'(?!\w)")
_NUMBER: Final = re.compile(r"(?<![\w.])-?[0-9]{1,12}(?:\.[0-9]{1,6})?(?![\w])")
_LONGEST: Final = 500


class Heard:
    """The offers of one prompt; what is taken is not offered again."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt[:_LONGEST]
        self._places = deque(found[1] for found in _PLACE.finditer(self._prompt))
        self._quoted = deque(found[1] or found[2] or found[3] for found in _QUOTED.finditer(self._prompt))
        self._numbers = deque(float(found[0]) for found in _NUMBER.finditer(self._prompt))

    def text(self, name: str) -> str | None:
        """A text for the member `name`, or None."""
        tail = name.lower().rpartition("_")[2]
        if tail in _PLACES and self._places:
            return self._places.popleft()
        if self._quoted:
            return self._quoted.popleft()
        return self._prompt if tail in _WHOLE and self._prompt else None

    def number(self, *, is_whole: bool) -> float | None:
        """The next number, or None if there is none, or if it is not whole where it must be."""
        if not self._numbers or (is_whole and not self._numbers[0].is_integer()):
            return None
        number = self._numbers.popleft()
        return int(number) if number.is_integer() else number

    def known(self, choices: Sequence[Any]) -> list[Any]:
        """Those of `choices` that the prompt names."""
        lower = self._prompt.lower()
        return [choice for choice in choices if isinstance(choice, str) and choice and choice.lower() in lower]
