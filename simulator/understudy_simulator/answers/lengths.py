"""Texts of an asked length: prompts like "in 50 words", "three short sentences", "about 200 characters"."""

import re
from typing import Final

from .choosing import Chooser
from .words import characters_of, lines_of, paragraphs_of, sentences_of, words_of

_HINTS: Final = ("word", "sentence", "paragraph", "bullet", "line", "character")
_COUNTED: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS: Final = {word: number for number, word in enumerate(_COUNTED, 1)} | {
    "a single": 1,
    "twenty": 20,
    "fifty": 50,
    "a hundred": 100,
    "one hundred": 100,
}
_LENGTH: Final = re.compile(
    r"\b([0-9]{1,3}(?:,[0-9]{3})|[0-9]{1,6}|"
    + "|".join(sorted(_NUMBERS, key=len, reverse=True))
    + r")[ -](?:[a-z]+ )?(word|sentence|paragraph|bullet|line|character)s?\b"
)
_MOST: Final = {"word": 20_000, "sentence": 2000, "paragraph": 400, "bullet": 1000, "line": 1000, "character": 100_000}


def text_of_asked_length(prompt: str, choose_seed: object) -> str | None:
    """A text exactly as long as `prompt` asks for, or None if it does not say how long."""
    lower = prompt.lower()
    for hint in _HINTS:
        if hint in lower:
            break
    else:
        return None
    found = _LENGTH.search(lower)
    if found is None:
        return None
    number, unit = found[1], found[2]
    count = _NUMBERS[number] if number in _NUMBERS else int(number.replace(",", ""))
    count = max(min(count, _MOST[unit]), 1)
    choose = Chooser(choose_seed, prompt)
    match unit:
        case "word":
            return words_of(count, choose)
        case "sentence":
            return sentences_of(count, choose)
        case "paragraph":
            return paragraphs_of(count, choose)
        case "character":
            return characters_of(count, choose)
        case _:
            return lines_of(count, choose)
