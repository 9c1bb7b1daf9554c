"""What a verdict about a client is, and what a rule is. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from ..errors import TargetError
from .seen import Seen

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


NAMED: Final = 20
"""How many entries a finding names at most."""


def shown_s(seconds: float) -> str:
    """Seconds as text: three digits say enough."""
    if seconds >= 1000:
        return f"{seconds:.0f} s"
    return f"{seconds:.3g} s" if seconds >= 0.001 else "0 s"


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
