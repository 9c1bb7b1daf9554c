"""Reads values out of the configuration's blocks: every mistake becomes one Problem, none ends the reading."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, cast

from understudy.errors import Problem, did_you_mean, nearest_word
from understudy.secret import Secret

from .document import Lines, Path, dotted

_ENVIRON: Final = "os.environ/"

Block = Mapping[str, object]

_KINDS: Final[Mapping[type, str]] = {
    dict: "a block of settings",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


class Reading:
    """Collects problems and notices while one configuration is read."""

    def __init__(self, source: str, lines: Lines, environ: Mapping[str, str]) -> None:
        self._source = source
        self._lines = lines
        self.environ = environ
        self.problems: list[Problem] = []
        self.notices: list[str] = []

    def problem(self, path: Path, message: str) -> None:
        """Note a mistake at `path`."""
        self.problems.append(self._at(path, message))

    def notice(self, path: Path, message: str) -> None:
        """Note something that has no effect, or not the one that one might think."""
        self.notices.append(str(self._at(path, message)))

    def environ_problem(self, name: str, message: str) -> None:
        """Note a mistake in the environment variable `name`."""
        self.problems.append(Problem("environment", None, name, message))

    def _at(self, path: Path, message: str) -> Problem:
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self._lines), None)
        return Problem(self._source, None if known is None else self._lines[known], dotted(path), message)

    def block(self, value: object, path: Path) -> Block:
        """A mapping; an empty one where there is none."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._wrong_kind(path, dict, value)
            return {}
        return cast("dict[str, object]", value)

    def items(self, value: object, path: Path) -> list[tuple[Path, object]]:
        """The items of a list with their places; none where there is no list."""
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong_kind(path, list, value)
            return []
        return [((*path, index), item) for index, item in enumerate(cast("list[object]", value))]

    def words(self, block: Block, path: Path, used: Iterable[str], ignored: Iterable[str]) -> None:
        """Check the words of one of LiteLLM's blocks: a likely slip of the pen is a problem, the rest a notice."""
        used, ignored = set(used), set(ignored)
        for word in block:
            if word in used:
                continue
            if word not in ignored and nearest_word(word, used | ignored):
                self.problem((*path, word), f"unknown word{did_you_mean(word, used | ignored)}")
            else:
                self.notice((*path, word), "has no effect here")

    def strict_words(self, block: Block, path: Path, used: Iterable[str]) -> None:
        """Check the words of one of our own blocks: an unknown one is a problem."""
        used = set(used)
        for word in block:
            if word not in used:
                self.problem((*path, word), f"unknown word{did_you_mean(word, used)}")

    def text(self, block: Block, path: Path, key: str) -> str | None:
        """A text, `os.environ/NAME` resolved; None where it is missing or wrong."""
        return self.plain_text(block.get(key), (*path, key))

    def plain_text(self, value: object, path: Path) -> str | None:
        """The same for a value that was taken out of its block."""
        if value is None:
            return None
        if not isinstance(value, str):
            self._wrong_kind(path, str, value)
            return None
        if not value.startswith(_ENVIRON):
            return value
        name = value.removeprefix(_ENVIRON)
        if name not in self.environ:
            self.problem(path, f"the environment variable {name or '(no name)'} is not set")
            return None
        return self.environ[name]

    def secret(self, block: Block, path: Path, key: str) -> Secret | None:
        """A text that is a secret."""
        value = self.text(block, path, key)
        return None if value is None else Secret(value)

    def texts(self, block: Block, path: Path, key: str) -> tuple[str, ...]:
        """A list of texts."""
        found = [self.plain_text(item, place) for place, item in self.items(block.get(key), (*path, key))]
        return tuple(text for text in found if text is not None)

    def flag(self, block: Block, path: Path, key: str) -> bool:
        """True or false; false where it is missing or wrong."""
        value = self._resolved(block, path, key)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if value is None or isinstance(value, bool):
            return bool(value)
        self._wrong_kind((*path, key), bool, value)
        return False

    def number(self, block: Block, path: Path, key: str) -> Decimal | None:
        """A number that is not negative, exact as it was written."""
        value = self._resolved(block, path, key)
        if value is None:
            return None
        try:
            number = (
                Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
            )
        except InvalidOperation:
            number = None
        if number is not None and number.is_finite() and number < 0:
            self.problem((*path, key), "a number that is not negative is wanted")
            return None
        if number is None or not number.is_finite():
            self._wrong_kind((*path, key), float, value)
            return None
        return number

    def whole(self, block: Block, path: Path, key: str) -> int | None:
        """A whole number that is not negative."""
        number = self.number(block, path, key)
        if number is None or number == number.to_integral_value():
            return None if number is None else int(number)
        self._wrong_kind((*path, key), int, block.get(key))
        return None

    def _resolved(self, block: Block, path: Path, key: str) -> object:
        value = block.get(key)
        return self.plain_text(value, (*path, key)) if isinstance(value, str) else value

    def _wrong_kind(self, path: Path, wanted: type, found: object) -> None:
        """What was found is named by its kind alone: it may be a secret that slipped into the wrong place."""
        kind = _KINDS.get(type(found), "something else")
        self.problem(path, f"{_KINDS[wanted]} is wanted, {'nothing' if found is None else kind} was found")


def checked(reading: Reading, path: Path, value: str | None, pattern: re.Pattern[str], wanted: str) -> str | None:
    """`value` if the whole of it matches, else None and a problem that says what is wanted."""
    if value is None or pattern.fullmatch(value):
        return value
    reading.problem(path, wanted)
    return None


Check = Callable[[str], str | None]
"""Looks at a path in the file system: None if it is well, else what is wrong with it."""
