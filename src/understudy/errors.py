"""One base error and its children; whose fault it was is the type.

    UnderstudyError
      ConfigError      the gateway's settings, or the command's          exit status 2
      ScenarioError    a scenario file                                   exit status 2
      PriceError       a price file, or a price that was asked for       exit status 2
      TargetError      a server cannot be reached or is out of contract  exit status 3

A fault *found in a gateway* is never an exception.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class UnderstudyError(Exception):
    """Base of all errors that a user can cause; its text is one or more whole lines, fit to be printed as they are."""

    exit_status = 2


class ConfigError(UnderstudyError):
    """A setting is missing, unknown or wrong; the text names setting, file and line."""


class PriceError(UnderstudyError):
    """A price file is wrong, or there is no price where one was demanded."""


class TargetError(UnderstudyError):
    """A gateway or simulator cannot be reached, or answered outside its contract."""

    exit_status = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document that a person wrote.

    `line` is 1-based and None where the document has no lines (it came over the network);
    `path` is the place inside the document, like `server[4].send.json`.
    """

    source: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class DocumentError(UnderstudyError):
    """A document has mistakes: all of them, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ScenarioError(DocumentError):
    """A scenario is not as the format wants it."""


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """The known word that resembles `word` most, or None if none comes near."""
    return next(iter(nearest_words(word, known, 1)), None)


def nearest_words(word: str, known: Iterable[str], most: int) -> tuple[str, ...]:
    """The known words that resemble `word`, at most so many, the nearest first."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    return tuple(by_lower[match] for match in get_close_matches(word.lower(), by_lower, n=most, cutoff=0.6))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` or, where nothing comes near, the empty string."""
    nearest = nearest_word(word, known)
    return f" (did you mean '{nearest}'?)" if nearest else ""
