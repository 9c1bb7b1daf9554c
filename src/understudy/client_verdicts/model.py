"""What a verdict about a client is, what a rule is, and what a rule is shown. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, cast

from ..errors import TargetError
from ..messages import Exchange, Session, Transcript

Level = Literal["failed", "warned"]
"""`failed`: it breaks what a provider demands; `warned`: it goes against advice, or may have a good reason."""

LEVELS: Final[tuple[Level, ...]] = ("failed", "warned")


@dataclass(frozen=True, slots=True)
class Finding:
    """One misdeed: why, with the numbers, in one line without secrets; the ids of the entries that show it."""

    why: str
    exchanges: tuple[int, ...] = ()
    sessions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientVerdict:
    """A finding, by which rule, and in which scope. `exchanges` and `sessions` are ids of the transcript's entries."""

    rule: str
    level: Level
    scope: str
    why: str
    exchanges: tuple[int, ...] = ()
    sessions: tuple[int, ...] = ()

    @property
    def line(self) -> str:
        """One line for people."""
        where = f" [{self.scope}]" if self.scope else ""
        return f"{self.level} {self.rule}{where}: {self.why}"


class Seen:
    """What one scope's clients did, in order of start; `now` is the transcript's clock when it was looked at.

    `whole` is all that the simulator saw: connections and credentials may belong to several scopes.
    """

    def __init__(self, scope: str, mine: Transcript, whole: Transcript, now: float) -> None:
        self.scope = scope
        self.exchanges = tuple(sorted(mine.exchanges, key=_order))
        self.sessions = tuple(sorted(mine.sessions, key=_order))
        self.whole = whole
        self.now = now

    @cached_property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges but those for access tokens."""
        return tuple(exchange for exchange in self.exchanges if exchange.origin.surface != TOKENS)

    @cached_property
    def connections(self) -> Mapping[int, tuple[float, float]]:
        """From when to when each connection was in use, by its number; what has no number is left out."""
        spans: dict[int, tuple[float, float]] = {}
        for exchange in self.whole.exchanges:
            if exchange.connection:
                first, last = spans.get(exchange.connection, (exchange.started, exchange.ended))
                spans[exchange.connection] = min(first, exchange.started), max(last, exchange.ended)
        return spans


TOKENS: Final = "oauth"
"""The surface of access tokens, which the simulator's token endpoints have."""

UNDER_WAY: Final = "not ended yet"
"""The failure of an exchange that goes on."""

INJECTED: Final = "fault injected"
"""How the failure of an exchange begins that was broken off on purpose."""

CLIENT_LEFT: Final = "client left"
"""The failure of an exchange whose client ended the connection."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of misdeed. `meaning` is what the client did, `measure` how it is told from what is allowed (with the
    limits), `source` where the demand comes from; `judge` finds it in what was seen."""

    id: str
    level: Level
    meaning: str
    measure: str
    source: str
    judge: Callable[[Seen], Iterable[Finding]]


def _order(entry: Exchange | Session) -> tuple[float, int]:
    return entry.started, entry.id


def to_json(verdict: ClientVerdict) -> dict[str, Any]:
    """The JSON value of a verdict; `from_json` gives the same verdict back."""
    return {
        "rule": verdict.rule,
        "level": verdict.level,
        "scope": verdict.scope,
        "why": verdict.why,
        "exchanges": list(verdict.exchanges),
        "sessions": list(verdict.sessions),
    }


def from_json(value: Mapping[str, Any]) -> ClientVerdict:
    """The verdict that `to_json` wrote. Raises TargetError if `value` has another shape."""
    try:
        level = value["level"]
        if level not in LEVELS:
            raise ValueError(f"level {level!r}")
        rule, scope, why = (cast("str", value[name]) for name in ("rule", "scope", "why"))
        exchanges, sessions = tuple(map(int, value["exchanges"])), tuple(map(int, value["sessions"]))
        return ClientVerdict(str(rule), level, str(scope), str(why), exchanges, sessions)
    except (KeyError, TypeError, ValueError) as error:
        raise TargetError(f"a verdict is not in the documented form: {error!r}") from error
