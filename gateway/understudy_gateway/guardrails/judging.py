"""Guardrails at work: which apply to a call, and the judgement of a request's body before it is sent."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .automaton import Automaton, Exhausted, State
from .hooks import Hook, HookFailed, HookRunner, Judged, hook_named
from .patterns import automaton_of
from .texts import TextReader
from .values import Guardrail, Mode, Outcome

SLICE: Final = 4 * 1024
"""Bytes that are judged at one go; then others have their turn on the event loop."""

FOUND: Final = "a pattern or a word was found"
HARD: Final = "it would take too long to judge"

_ODD: Final = re.compile(r"[^ -~]")
_LONGEST_REASON: Final = 80


@dataclass(frozen=True, slots=True)
class Rule:
    """A guardrail that is ready to judge."""

    guardrail: Guardrail
    automaton: Automaton | None
    hook: Hook | None

    @property
    def name(self) -> str:
        """The guardrail's name."""
        return self.guardrail.name


@dataclass(frozen=True, slots=True)
class Blocked:
    """A block: by which guardrail, and why, in words for the log (visible ASCII, and never what was judged)."""

    name: str
    reason: str

    @property
    def told(self) -> str:
        """The block as the log and the spend record have it."""
        return f"blocked by the guardrail {self.name}: {_ODD.sub('?', self.reason)[:_LONGEST_REASON]}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose call is judged."""

    route: str
    model: str | None
    key_id: str
    tags: tuple[str, ...] = ()

    def judged(self, rule: Rule, mode: Mode, body: bytes, text: str) -> Judged:
        """What a hook is given."""
        return Judged(rule.name, mode, body, text, self.route, self.model, self.key_id, self.tags)


class Scan:
    """The patterns of one rule over one text that comes in pieces."""

    def __init__(self, rule: Rule, automaton: Automaton) -> None:
        self._rule = rule
        self._automaton = automaton
        self._state: State = automaton.begin()
        self._has_given_up = False

    def feed(self, text: str) -> Blocked | None:
        """The block, if something was found by now. What would take too long ends as what is too large (R-36)."""
        if not text or self._has_given_up:
            return None
        try:
            following = self._automaton.read(self._state, text)
        except Exhausted:
            self._has_given_up = True
            return by_outcome(self._rule, self._rule.guardrail.on_large, HARD)
        if following is None:
            return Blocked(self._rule.name, FOUND)
        self._state = following
        return None

    def ends(self) -> Blocked | None:
        """The block, if there is one by the text's ending here; it may go on."""
        return Blocked(self._rule.name, FOUND) if self._automaton.ends(self._state) else None

    def finish(self) -> Blocked | None:
        """The same; another text begins."""
        found = self.ends()
        self._state = self._automaton.begin()
        return found


def scans_of(rules: Sequence[Rule]) -> tuple[tuple[Scan, Scan], ...]:
    """For each rule with patterns two scans: of the body as it is spelled, and of what it says."""
    return tuple(
        (Scan(rule, rule.automaton), Scan(rule, rule.automaton)) for rule in rules if rule.automaton is not None
    )


class Guards:
    """All guardrails of a configuration. `by_key` has the names that each key asks for, `by_route` those of routes."""

    def __init__(
        self,
        guardrails: Sequence[Guardrail],
        by_key: Mapping[str, Sequence[str]],
        by_route: Mapping[str, Sequence[str]] = MappingProxyType({}),
        hook: Callable[[str], Hook] = hook_named,
    ) -> None:
        """Raises ConfigError if a hook cannot be found."""
        self.runner: Final = HookRunner()
        self._by_key = {key_id: frozenset(names) for key_id, names in by_key.items() if names}
        self._by_route = {route: frozenset(names) for route, names in by_route.items() if names}
        self._rules = tuple(_rule(guardrail, hook) for guardrail in guardrails)
        self._chosen: dict[tuple[str, str, Mode], tuple[Rule, ...]] = {}

    def applying(self, key_id: str, route: str, mode: Mode) -> tuple[Rule, ...]:
        """The rules for a key's calls on a route. There are as many answers as keys and routes, so they are kept."""
        found = self._chosen.get((key_id, route, mode))
        if found is None:
            names = self._by_key.get(key_id, frozenset()) | self._by_route.get(route, frozenset())
            found = self._chosen[key_id, route, mode] = tuple(
                rule for rule in self._rules if _applies(rule.guardrail, names, route, mode)
            )
        return found

    async def judge(self, rules: Sequence[Rule], body: bytes, *, is_whole: bool, subject: Subject) -> Blocked | None:
        """The first rule that blocks a request with this body, or None. `is_whole`: it is all here, and can be read."""
        readable = [rule for rule in rules if is_whole and len(body) <= rule.guardrail.max_bytes]
        for rule in rules:
            if rule not in readable and rule.guardrail.on_large == "block":
                return Blocked(rule.name, "the body is too large to be judged, or cannot be read")
        if not body or not readable:
            return None
        found, said = await _searched(readable, body)
        if found is not None:
            return found
        for rule in readable:
            if rule.hook is not None:
                blocked = await self.asked(rule, subject.judged(rule, "pre_call", body, said))
                if blocked is not None:
                    return blocked
        return None

    async def asked(self, rule: Rule, judged: Judged) -> Blocked | None:
        """What a rule's hook says of something."""
        if rule.hook is None:
            return None
        try:
            reason = await self.runner.ask(rule.hook, judged, rule.guardrail.timeout_s)
        except HookFailed:
            return by_outcome(rule, rule.guardrail.on_error, "it could not judge")
        return None if reason is None else Blocked(rule.name, reason)


def by_outcome(rule: Rule, outcome: Outcome, reason: str) -> Blocked | None:
    """What the configuration says becomes of what could not be judged."""
    return Blocked(rule.name, reason) if outcome == "block" else None


async def _searched(rules: Sequence[Rule], body: bytes) -> tuple[Blocked | None, str]:
    """The first rule whose patterns occur in a body, and what the body says."""
    reader = TextReader()
    scans = scans_of(rules)
    texts: list[str] = []
    for at in range(0, len(body), SLICE):
        if at:
            await asyncio.sleep(0)
        is_last = at + SLICE >= len(body)
        spelled, said = reader.feed(body[at : at + SLICE], is_last=is_last)
        texts.append(said)
        for whole, joined in scans:
            found = whole.feed(spelled) or joined.feed(said) or (is_last and (whole.finish() or joined.finish()))
            if found:
                return found, ""
    return None, "".join(texts)


def _rule(guardrail: Guardrail, hook: Callable[[str], Hook]) -> Rule:
    searches = guardrail.patterns or guardrail.words
    return Rule(
        guardrail,
        automaton_of(guardrail.patterns, guardrail.words) if searches else None,
        hook(guardrail.hook) if guardrail.hook else None,
    )


def _applies(guardrail: Guardrail, names: frozenset[str], route: str, mode: Mode) -> bool:
    if mode not in guardrail.modes or (guardrail.routes and route not in guardrail.routes):
        return False
    return guardrail.default_on or guardrail.name in names
