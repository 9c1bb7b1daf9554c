"""Guardrails at work: which apply to a call, and the judgement of a request's body before it is sent."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .automaton import Automaton, State
from .hooks import Hook, HookFailed, HookRunner, Judged, hook_named
from .patterns import automaton_of
from .texts import TextReader
from .values import Guardrail, Mode, Outcome

SLICE: Final = 64 * 1024
"""Bytes that are judged at one go; then others have their turn on the event loop."""

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
    """One automaton over one text that comes in pieces."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._state: State = automaton.begin()

    def feed(self, text: str) -> bool:
        """Whether something was found."""
        following = self._automaton.read(self._state, text) if text else self._state
        if following is None:
            return True
        self._state = following
        return False

    def ends(self) -> bool:
        """Whether there is something if the text ends here; it may go on."""
        return self._automaton.ends(self._state)

    def finish(self) -> bool:
        """The same; another text begins."""
        found = self.ends()
        self._state = self._automaton.begin()
        return found


class Guards:
    """All guardrails of a configuration. `by_key` has the names that each key asks for."""

    def __init__(
        self,
        guardrails: Sequence[Guardrail],
        by_key: Mapping[str, Sequence[str]],
        hook: Callable[[str], Hook] = hook_named,
    ) -> None:
        """Raises ConfigError if a hook cannot be found."""
        self.runner: Final = HookRunner()
        self._by_key = {key_id: frozenset(names) for key_id, names in by_key.items() if names}
        self._rules = tuple(_rule(guardrail, hook) for guardrail in guardrails)
        self._chosen: dict[tuple[str, str, Mode], tuple[Rule, ...]] = {}

    def applying(self, key_id: str, route: str, mode: Mode) -> tuple[Rule, ...]:
        """The rules for a key's calls on a route. There are as many answers as keys and routes, so they are kept."""
        found = self._chosen.get((key_id, route, mode))
        if found is None:
            names = self._by_key.get(key_id, frozenset())
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
    scans = [(rule, Scan(rule.automaton), Scan(rule.automaton)) for rule in rules if rule.automaton is not None]
    texts: list[str] = []
    for at in range(0, len(body), SLICE):
        if at:
            await asyncio.sleep(0)
        is_last = at + SLICE >= len(body)
        spelled, said = reader.feed(body[at : at + SLICE], is_last=is_last)
        texts.append(said)
        for rule, whole, joined in scans:
            if whole.feed(spelled) or joined.feed(said) or (is_last and (whole.finish() or joined.finish())):
                return Blocked(rule.name, FOUND), ""
    return None, "".join(texts)


FOUND: Final = "a pattern or a word was found"


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
