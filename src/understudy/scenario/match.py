"""Which armed scenario answers a request, and if none does, which came nearest and why.

Everything is compiled when a scenario is armed; a decision parses no YAML, compiles no regular expression and decodes
the body at most once, only if a matcher got so far that it needs it.
"""

import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from ..messages import RawHeaders
from ..surfaces import Surface
from .criteria import CallRange, Match
from .json_subset import LazyJson, json_mismatch, last_text, shown
from .model import Scenario


class Facts(NamedTuple):
    """What is known of a request when it must be decided who answers it.

    `path` and `query` are raw, the path without a scope prefix; `model` is the bare model id (surfaces.model_id);
    `call` counts the calls of the scope from 1. On Live the first client message is the body. `surface` None: the path
    is none of any API, and a scenario of any HTTP surface may answer.
    """

    surface: Surface | None
    method: str
    path: str = ""
    model: str | None = None
    headers: RawHeaders = ()
    query: str = ""
    body: LazyJson = LazyJson(b"")
    scope: str = ""
    call: int = 1

    def at_call(self, call: int) -> "Facts":
        """The same as the call of that number."""
        return Facts(
            self.surface,
            self.method,
            self.path,
            self.model,
            self.headers,
            self.query,
            self.body,
            self.scope,
            call,
        )


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a scenario does not answer: the word of its `match` that failed, what it wanted and what was found.

    `nearness` grows with the words that did fit.
    """

    scenario: str
    word: str
    wanted: str
    found: str
    nearness: int = 0

    def __str__(self) -> str:
        return f"{self.scenario}: {self.word}: wanted {self.wanted}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Hit:
    """The scenario that answers, and its place in the order in which scenarios were armed."""

    index: int
    scenario: Scenario


_GLOB_MARKS: Final = "*?["

_KNOWN_LIMIT: Final = 4096
_KNOWN_MISSES_LIMIT: Final = 128
"""Each holds a miss for every scenario."""

_Test = Callable[[Facts], str | None]
"""Gives None if the word fits, else what was found."""


@dataclass(frozen=True, slots=True)
class _Word:
    name: str
    wanted: str
    found: _Test


_Key = tuple[Surface | None, str | None]


class Matcher:
    """Decides among scenarios in the order in which they were armed.

    Only those of the request's surface and model are tried, so that a decision costs the same however many are armed.
    """

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        self._compiled = tuple((scenario, _words(scenario.match)) for scenario in scenarios)
        self._candidates: dict[_Key, tuple[int, ...]] = {}
        self._known_misses: dict[tuple[Surface | None, str, str, str | None, str], tuple[Miss, ...]] = {}

    def find(
        self,
        facts: Facts,
        spent: Container[int] = (),
        unasked: Container[int] = (),
        to_name: str = "this method or path",
    ) -> Hit | tuple[Miss, ...]:
        """The first scenario that fits, or all misses in the order of arming.

        `spent` holds the places of scenarios that were played to their end: they answer no more. `unasked` holds those
        that a request of this sort is not for, since their `match` does not name what it would have `to_name`.
        """
        for index in self._candidates_of(facts.surface, facts.model):
            scenario, words = self._compiled[index]
            if index not in unasked and index not in spent and _fits(words, facts):
                return Hit(index, scenario)
        return self._misses(facts, spent, unasked, to_name)

    def _candidates_of(self, surface: Surface | None, model: str | None) -> tuple[int, ...]:
        """The places of the scenarios that may answer on a surface for a model."""
        key = (surface, model)
        known = self._candidates.get(key)
        if known is None:
            known = tuple(
                index for index, (scenario, _) in enumerate(self._compiled) if _may_answer(scenario, surface, model)
            )
            if len(self._candidates) >= _KNOWN_LIMIT:
                self._candidates.clear()
            self._candidates[key] = known
        return known

    def _misses(self, facts: Facts, spent: Container[int], unasked: Container[int], to_name: str) -> tuple[Miss, ...]:
        """Why none answers; remembered where nothing but surface, scope, method and model was looked at."""
        key = (facts.surface, facts.scope, facts.method, facts.model, to_name)
        known = self._known_misses.get(key)
        if known is not None:
            return known
        misses: list[Miss] = []
        for index, (scenario, words) in enumerate(self._compiled):
            miss = _miss(scenario.id, words, facts)
            if index in unasked and (miss is None or miss.nearness > _AT_METHOD):
                miss = Miss(scenario.id, "method", f"a match that names {to_name}", repr(facts.method), _AT_METHOD)
            if miss is None and index in spent:
                miss = Miss(scenario.id, "call", "a scenario with steps left", "already played to its end", len(_ORDER))
            if miss is not None:
                misses.append(miss)
        found = tuple(misses)
        if all(miss.nearness <= _AT_MODEL for miss in found):
            if len(self._known_misses) >= _KNOWN_MISSES_LIMIT:
                self._known_misses.clear()
            self._known_misses[key] = found
        return found


def _may_answer(scenario: Scenario, surface: Surface | None, model: str | None) -> bool:
    match = scenario.match
    if surface is not None and match.surface and surface not in match.surface:
        return False
    pattern = match.model
    return pattern is None or pattern == "*" or any(mark in pattern for mark in _GLOB_MARKS) or pattern == model


def _fits(words: "tuple[_Word, ...]", facts: Facts) -> bool:
    return all(word.found(facts) is None for word in words)


def match_test(match: Match) -> Callable[[Facts], bool]:
    """A test whether a request fits, compiled."""
    words = _words(match)
    return lambda facts: _fits(words, facts)


def nearest_misses(misses: Sequence[Miss], count: int = 3) -> tuple[Miss, ...]:
    """The `count` misses that came nearest, nearest first; equally near ones in the order of arming."""
    return tuple(sorted(misses, key=lambda miss: -miss.nearness)[:count])


def shadowed(scenarios: Sequence[Scenario]) -> list[tuple[Scenario, Scenario]]:
    """Pairs of an earlier scenario and a later one that can never answer while the earlier one has steps left."""
    found: list[tuple[Scenario, Scenario]] = []
    # Those that answer nothing themselves stand in nobody's way.
    scenarios = [scenario for scenario in scenarios if scenario.server]
    for index, later in enumerate(scenarios):
        earlier = next((one for one in scenarios[:index] if _covers(one.match, later.match)), None)
        if earlier is not None:
            found.append((earlier, later))
    return found


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether every word of `wide` stands in `narrow` too, so that what fits the one fits the other."""
    words = ("method", "model", "path", "json", "last_text", "call", "scope")
    same = all(getattr(wide, word) in (None, "*") or getattr(wide, word) == getattr(narrow, word) for word in words)
    pairs = set(wide.headers) <= set(narrow.headers) and set(wide.query) <= set(narrow.query)
    return same and pairs and set(narrow.surface) <= set(wide.surface)


_ORDER: Final = ("surface", "scope", "method", "model", "path", "headers", "query", "call", "json", "last_text")
"""The order in which words are tried: cheap ones first, those that need the body last."""

_AT_METHOD: Final = _ORDER.index("method")
_AT_MODEL: Final = _ORDER.index("model")


def _miss(scenario_id: str, words: tuple[_Word, ...], facts: Facts) -> Miss | None:
    for word in words:
        found = word.found(facts)
        if found is not None:
            return Miss(scenario_id, word.name, word.wanted, found, _ORDER.index(word.name.partition(".")[0]))
    return None


def _words(match: Match) -> tuple[_Word, ...]:
    words: list[_Word] = []
    if match.surface:
        words.append(_surface_word(match.surface))
    for name, pattern in (("scope", match.scope), ("method", match.method), ("model", match.model)):
        if pattern is not None:
            words.append(_fact_word(name, pattern))
    if match.path is not None:
        words.append(_fact_word("path", match.path))
    words.extend(_header_word(name, pattern) for name, pattern in match.headers)
    words.extend(_query_word(name, pattern) for name, pattern in match.query)
    if match.call is not None:
        words.append(_call_word(match.call))
    if match.json is not None:
        pattern = match.json
        words.append(_Word("json", shown(pattern), lambda facts: json_mismatch(pattern, facts.body.value)))
    if match.last_text is not None:
        words.append(_last_text_word(match.last_text))
    return tuple(words)


def _surface_word(surfaces: tuple[Surface, ...]) -> _Word:
    def found(facts: Facts) -> str | None:
        if facts.surface is None:
            return "no API's path" if all(surface.is_live for surface in surfaces) else None
        return None if facts.surface in surfaces else facts.surface.value

    return _Word("surface", " or ".join(surfaces), found)


def _fact_word(name: str, pattern: str) -> _Word:
    fits = glob_test(pattern)

    def found(facts: Facts) -> str | None:
        value: str | None = getattr(facts, name)
        if value is None:
            return None if pattern == "*" else "none"
        return None if fits(value) else repr(value)

    return _Word(name, repr(pattern), found)


def _header_word(name: str, pattern: str) -> _Word:
    fits, wanted = glob_test(pattern), name.lower().encode("latin-1", "replace")

    def found(facts: Facts) -> str | None:
        values = [value.decode("latin-1") for key, value in facts.headers if key.lower() == wanted]
        if any(fits(value) for value in values):
            return None
        # A header may hold a credential: the value is never repeated, only that there was one.
        return "another value" if values else "no such header"

    return _Word(f"headers.{name}", repr(pattern), found)


def _query_word(name: str, pattern: str) -> _Word:
    fits = glob_test(pattern)

    def found(facts: Facts) -> str | None:
        values = [value for key, value in parse_qsl(facts.query, keep_blank_values=True) if key == name]
        if any(fits(value) for value in values):
            return None
        return "another value" if values else "no such parameter"

    return _Word(f"query.{name}", repr(pattern), found)


def _call_word(wanted: CallRange) -> _Word:
    def found(facts: Facts) -> str | None:
        inside = wanted.first <= facts.call and (wanted.last is None or facts.call <= wanted.last)
        return None if inside else f"call {facts.call}"

    if wanted.last is None:
        text = f"call {wanted.first} or later"
    else:
        text = f"call {wanted.first}" if wanted.first == wanted.last else f"calls {wanted.first} to {wanted.last}"
    return _Word("call", text, found)


def _last_text_word(pattern: str) -> _Word:
    fits = glob_test(pattern)

    def found(facts: Facts) -> str | None:
        text = last_text(facts.body.value)
        if text is None:
            return "no text"
        return None if fits(text) else shown(text)

    return _Word("last_text", repr(pattern), found)


def glob_test(pattern: str) -> Callable[[str], bool]:
    """A test whether a text fits the glob `pattern` (`*`, `?`, `[...]`; case kept, newlines included), compiled."""
    if pattern == "*":
        return lambda text: True
    if not any(mark in pattern for mark in _GLOB_MARKS):
        return lambda text: text == pattern
    compiled = re.compile(translate(pattern))
    return lambda text: compiled.match(text) is not None
