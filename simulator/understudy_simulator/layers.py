"""What a scenario's `faults` do to a request: which of them come, decided by triggers, counts, scenario time and seed.

Pure: the moment and the request's identity are handed in. One layer belongs to one armed scenario.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from understudy.scenario.criteria import Trigger
from understudy.scenario.match import Facts, match_test
from understudy.scenario.model import CloseSession, Fault, Injection, Reply, Scenario

from .draws import Draws
from .ids import Identity
from .injecting import ENDS, INSTEAD

_TEXT_LIMIT: Final = 80


class Injected(NamedTuple):
    """One fault that comes: what it is, over which chunk or message (None: the whole), and why."""

    what: Fault | Reply | CloseSession
    at: int | None
    cause: str
    scenario: str

    @property
    def is_instead(self) -> bool:
        """Whether it comes in the place of an answer, so that nobody need be asked for one."""
        if isinstance(self.what, Fault):
            return self.at is None and self.what.kind in INSTEAD
        return isinstance(self.what, Reply)

    @property
    def first_at(self) -> int | None:
        """Which message of a session it concerns if none is named: what ends the session comes with the first."""
        ends = not isinstance(self.what, Fault) or self.what.kind in (*ENDS, "stall", "truncate")
        return 1 if ends else None

    @property
    def name(self) -> str:
        """As it stands in a transcript, where it is no fault of the table."""
        match self.what:
            case Reply(status):
                return f"reply {status} ({self.cause})"
            case CloseSession(code, reason):
                words = " ".join(part for part in ("close", str(code or ""), reason[:_TEXT_LIMIT]) if part)
                return f"{words} ({self.cause})"
            case Fault():
                return str(self.what)


@dataclass(slots=True)
class _Count:
    """How many requests of a scope one entry was asked about."""

    seen: int = 0


class Layer:
    """The `faults` of one armed scenario. `since` is when it was armed."""

    def __init__(self, scenario: Scenario, since: datetime) -> None:
        self.scenario = scenario
        self._fits = match_test(scenario.match)
        self._entries = tuple(_Entry(injection) for injection in scenario.faults)
        self._since = since
        self._restarted: dict[str, datetime] = {}
        self._counts: dict[tuple[str, int], _Count] = {}

    @property
    def refuses_handshakes(self) -> bool:
        """Whether it may befall a WebSocket handshake, so that it must be asked before there is a message."""
        return any(isinstance(entry.injection.what, Reply) or entry.injection.at == 0 for entry in self._entries)

    def injected(self, facts: Facts, identity: Identity, now: datetime, *, own: bool = False) -> tuple[Injected, ...]:
        """What comes over a request. `own`: its scenario answers, so that its `match` is known to fit."""
        if not own and not self._fits(facts):
            return ()
        age_s = (now - self._restarted.get(facts.scope, self._since)).total_seconds()
        coming = [entry for index, entry in enumerate(self._entries) if self._comes(index, entry, facts, age_s)]
        chosen = set(_drawn(coming, self._draws(identity)))
        return tuple(entry.injected(self.scenario.id) for entry in coming if entry in chosen)

    def start_over(self, scope: str | None, now: datetime) -> None:
        """Count anew in one scope, or (None) in all."""
        if scope is None:
            self._since = now
            self._restarted.clear()
            self._counts.clear()
            return
        self._restarted[scope] = now
        for key in [key for key in self._counts if key[0] == scope]:
            del self._counts[key]

    def _comes(self, index: int, entry: "_Entry", facts: Facts, age_s: float) -> bool:
        if not entry.fits(facts):
            return False
        count = self._counts.setdefault((facts.scope, index), _Count())
        count.seen += 1
        trigger = entry.injection.trigger
        if trigger.nth is not None:
            return count.seen == trigger.nth
        if trigger.first is not None:
            return count.seen <= trigger.first
        return trigger.until_s is None or age_s < trigger.until_s

    def _draws(self, identity: Identity) -> Callable[[str], float]:
        scenario = self.scenario

        def drawn(purpose: str) -> float:
            return Draws(identity, f"{purpose} {scenario.id} {scenario.seed}").next()

        return drawn


class _Entry:
    """One entry of `faults`, compiled."""

    __slots__ = ("fits", "injection")

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        match = injection.trigger.match
        self.fits: Callable[[Facts], bool] = _anything if match is None else match_test(match)

    @property
    def trigger(self) -> Trigger:
        return self.injection.trigger

    def injected(self, scenario: str) -> Injected:
        cause = f"{scenario}: {self.trigger}"
        what = self.injection.what
        what = replace(what, cause=cause) if isinstance(what, Fault) else what
        return Injected(what, self.injection.at, cause, scenario)


def _anything(facts: Facts) -> bool:
    return True


def _drawn(coming: Sequence[_Entry], draw: Callable[[str], float]) -> list[_Entry]:
    """Those of the coming that chance leaves: of those with a probability one at most, of those with a weight one."""
    left = [entry for entry in coming if entry.trigger.probability is None]
    chances = [entry for entry in coming if entry.trigger.probability is not None]
    if chances:
        chance = _picked(chances, [entry.trigger.probability or 0.0 for entry in chances], draw("chance"))
        left.extend(() if chance is None else (chance,))
    weighted = [entry for entry in left if entry.trigger.weight is not None]
    if weighted:
        weights = [float(entry.trigger.weight or 0) for entry in weighted]
        kept = _picked(weighted, weights, draw("weight") * sum(weights))
        left = [entry for entry in left if entry.trigger.weight is None or entry is kept]
    return left


def _picked(entries: Sequence[_Entry], shares: Sequence[float], at: float) -> _Entry | None:
    """The entry into whose share `at` falls, laid end to end from 0 on; None beyond them all."""
    end = 0.0
    for entry, share in zip(entries, shares, strict=True):
        end += share
        if at < end:
            return entry
    return None
