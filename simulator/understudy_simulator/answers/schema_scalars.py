"""Numbers and texts that satisfy a schema without parts."""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from .choosing import Chooser
from .patterns import text_matching
from .schema_checks import fits_number
from .schema_reading import Schema, count_of, number_of
from .words import WORDS, text_for, words_of

_LONGEST_TEXT: Final = 10_000
_SPAN: Final = 60
_MOST_TRIES: Final = 64

_FORMATS: Final[Mapping[str, Callable[[Chooser], str]]] = {
    "date-time": lambda choose: f"2026-{_two(choose, 12)}-{_two(choose, 28)}T{_two(choose, 23)}:{_two(choose, 59)}:00Z",
    "date": lambda choose: f"2026-{_two(choose, 12)}-{_two(choose, 28)}",
    "time": lambda choose: f"{_two(choose, 23)}:{_two(choose, 59)}:00Z",
    "duration": lambda choose: f"PT{1 + choose.number(59)}M",
    "email": lambda choose: f"{choose.one_of(WORDS)}@example.com",
    "idn-email": lambda choose: f"{choose.one_of(WORDS)}@example.com",
    "hostname": lambda choose: f"{choose.one_of(WORDS)}.example.com",
    "uri": lambda choose: f"https://example.com/{choose.one_of(WORDS)}",
    "url": lambda choose: f"https://example.com/{choose.one_of(WORDS)}",
    "uri-reference": lambda choose: f"/{choose.one_of(WORDS)}",
    "uuid": lambda choose: str(UUID(int=choose.number(1 << 64) << 64 | choose.number(1 << 64), version=4)),
    "ipv4": lambda choose: f"192.0.2.{choose.number(256)}",
    "ipv6": lambda choose: f"2001:db8::{choose.number(65536):x}",
    "byte": lambda choose: b64encode(choose.one_of(WORDS).encode()).decode(),
    "json-pointer": lambda choose: f"/{choose.one_of(WORDS)}",
    "regex": lambda choose: f"^{choose.one_of(WORDS)}$",
}


def _two(choose: Chooser, most: int) -> str:
    """A number from 1 to `most` in two digits."""
    return f"{1 + choose.number(most):02}"


def string_for(words: Schema, name: str, choose: Chooser) -> str:
    """A text with the format or pattern and of the length that the schema asks for."""
    least = min(count_of(words, "minLength", 0), _LONGEST_TEXT)
    most = count_of(words, "maxLength", _LONGEST_TEXT)
    pattern = words.get("pattern")
    if isinstance(pattern, str):
        found = text_matching(pattern, choose, least, most)
        if found is not None:
            return found
    form = _FORMATS.get(str(words.get("format")))
    if form is not None:
        text = form(choose)
        if least <= len(text) <= most:
            return text
    text = text_for(name, choose)
    if len(text) < least:
        text = f"{text} {words_of(least // 4 + 1, choose)}"
        text = text[:most] if least <= most else text[:least]
        text = text.ljust(least, ".")
    return text[:most]


def number_for(words: Schema, choose: Chooser, *, is_whole: bool) -> float:
    """A number within the bounds, a multiple of what it must be; small where the bounds leave the choice."""
    low, high = _bounds(words)
    step = number_of(words, "multipleOf") or 0
    if is_whole or step:
        unit = _whole_unit(step) if is_whole else step
        first, last = math.ceil(low / unit), math.floor(high / unit)
        for _ in range(_MOST_TRIES):
            times = first + choose.number(max(last - first, 0) + 1)
            value = times * unit
            if is_whole:
                value = int(value)
            if fits_number(value, words):
                return value
        return int(first * unit) if is_whole else first * unit
    for _ in range(_MOST_TRIES):
        value = round(low + (high - low) * choose.number(101) / 100, 2)
        if fits_number(value, words):
            return value
    return low + (high - low) / 2


def _whole_unit(step: float) -> int:
    """The smallest whole number that is a multiple of `step`."""
    if step <= 0:
        return 1
    return next((times for times in range(1, 1001) if (times / step).is_integer()), math.ceil(step))


def _bounds(words: Schema) -> tuple[float, float]:
    least = [n for word in ("minimum", "exclusiveMinimum") if (n := number_of(words, word)) is not None]
    most = [n for word in ("maximum", "exclusiveMaximum") if (n := number_of(words, word)) is not None]
    step = abs(number_of(words, "multipleOf") or 0)
    span = max(_SPAN, 4 * step)
    if least and most:
        low, high = max(least), min(most)
        return (low, min(high, low + span)) if high >= low else (low, low)
    if least:
        low = max(least)
        return (1, 1 + span) if low <= 1 else (low, low + span)
    if most:
        high = min(most)
        return (1, min(high, 1 + span)) if high >= 1 else (high - span, high)
    return 1, 1 + span
