"""Which requests a scenario answers, and which of them a fault befalls. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from ..surfaces import Surface


@dataclass(frozen=True, slots=True)
class CallRange:
    """Which calls, counted from 1 in one scope, a scenario answers."""

    first: int = 1
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """What a request must be for this scenario to answer it; an absent word accepts anything.

    `model`, `path`, `scope`, `last_text` and the values of `headers` and `query` are globs (`*`, `?`, `[...]`), case
    kept; header names are in lower case. `json` is a subset of the body (JsonPattern).
    """

    surface: tuple[Surface, ...] = ()
    method: str | None = None
    model: str | None = None
    path: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    json: Any = None
    last_text: str | None = None
    call: CallRange | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """Which requests (on Live: sessions) a fault befalls, of those that `match` fits, counted from 1 in one scope.

    All None: all of them. `until_s`: until so many seconds of scenario time have passed. `probability`: that share;
    of all faults of a scenario with a probability at most one befalls a request. `weight`: of all with a weight that
    would befall a request one does, in proportion.
    """

    nth: int | None = None
    first: int | None = None
    until_s: float | None = None
    probability: float | None = None
    weight: int | None = None
    match: Match | None = None

    def __str__(self) -> str:
        """In few words, for a transcript."""
        words = (
            ("nth", self.nth),
            ("first", self.first),
            ("until", None if self.until_s is None else f"{self.until_s:g}s"),
            ("probability", self.probability),
            ("weight", self.weight),
        )
        given = [f"{name} {value}" for name, value in words if value is not None]
        return ", ".join(given) or "always"


ALWAYS: Final = Trigger()
