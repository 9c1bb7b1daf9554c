"""Many patterns as one automaton that reads each character once, whatever the text: no backtracking. Pure.

Regular expressions of the standard library go back and try again, so that a short text may take them minutes. Here all
ways through the patterns are followed at once (Thompson 1968), and sets of ways that were met are remembered as states
(RE2 does so too): a character costs one look-up, or at worst one walk over the nodes, whose number is limited. Since
the state is all that is kept, a text may come in pieces. What is remembered is bounded (S-56), and so is the work for
one piece: a text made to forget and walk again and again is given up.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

MOST_STATES: Final = 2000
MOST_WORK: Final = 250_000
"""Nodes that are looked at for one piece of text, some tenths of a second; look-ups count for nothing."""

_MOST_CHARACTERS: Final = 4096
"""Characters whose next state is remembered at each state, and whose kind is remembered at all."""


class Exhausted(Exception):
    """A piece of text needs more work than it may."""


class Edge(IntFlag):
    """What a node may ask of the place where it stands."""

    WORD = 1
    NO_WORD = 2
    LINE_BEGIN = 4
    LINE_END = 8


_NO_EDGE: Final = 0
_ANY_EDGE: Final = 15


@dataclass(slots=True)
class Node:
    """A place in a pattern. It takes a character that its `atom` (a number) fits, or goes on to each of `after` at
    once, where its `edge` allows it. `is_end`: the pattern is through.
    """

    after: tuple[int, ...] = ()
    atom: int | None = None
    edge: Edge | None = None
    is_end: bool = False


@dataclass(slots=True)
class Nodes:
    """The nodes of all patterns, and the atoms they share: patterns of one character."""

    nodes: list[Node] = field(default_factory=list[Node])
    atoms: list[re.Pattern[str]] = field(default_factory=list[re.Pattern[str]])
    _known: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])

    def add(self, node: Node) -> int:
        """Take a node; gives its number."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def atom(self, source: str, flags: int) -> int:
        """The number of an atom. Raises re.error for one that is none."""
        if (source, flags) not in self._known:
            self._known[source, flags] = len(self.atoms)
            self.atoms.append(re.compile(source, flags))
        return self._known[source, flags]


_OTHER, _WORD, _LINE = range(3)
"""What stands before a place, or behind it; the ends of a text are such as line breaks."""


class State:
    """Where the automaton may be: nodes that wait, and what the last character was. `next` is filled as it is met."""

    __slots__ = ("before", "by_kind", "is_idle", "next", "waiting")

    def __init__(self, waiting: frozenset[int], before: int, *, is_idle: bool = False) -> None:
        self.waiting = waiting
        self.before = before
        self.is_idle = is_idle
        self.next: dict[str, State | None] = {}
        self.by_kind: dict[int, State | None] = {}


_UNMET: Final = State(frozenset(), _OTHER)
_LETTER: Final = re.compile(r"\w")


class Automaton:
    """Patterns, ready to be looked for. `begins` are the nodes at which they begin."""

    def __init__(self, nodes: Nodes, begins: Iterable[int]) -> None:
        self._nodes = nodes.nodes
        self._atoms = nodes.atoms
        self._begins = frozenset(begins)
        self._ends = frozenset(number for number, node in enumerate(self._nodes) if node.is_end)
        self._kinds: dict[str, int] = {}
        self._reach: dict[tuple[int, int], frozenset[int]] = {}
        self._states: dict[tuple[frozenset[int], int], State] = {}
        self._idle = tuple(State(self._begins, before, is_idle=True) for before in (_OTHER, _WORD, _LINE))
        self.walks = 0
        """How often the nodes were walked over; all else were look-ups."""
        self._work = 0
        firsts = [self._atoms[atom].pattern for atom in self._first_atoms()]
        flags = [self._atoms[atom].flags & re.IGNORECASE for atom in self._first_atoms()]
        spelled = [f"(?i:{source})" if flag else source for source, flag in zip(firsts, flags, strict=True)]
        self._first: re.Pattern[str] = re.compile("|".join(spelled) or r"(?!)", re.DOTALL)

    @property
    def matches_nothing(self) -> bool:
        """Whether an empty text fits: such a pattern would be found everywhere."""
        return self._has_end(self._closed(self._begins, _ANY_EDGE))

    def begin(self) -> State:
        """The state at the start of a text."""
        return self._idle[_LINE]

    def read(self, state: State, text: str) -> State | None:
        """The state after `text`; None as soon as a pattern was found. Raises Exhausted."""
        self._work = 0
        at, size, search = 0, len(text), self._first.search
        while at < size:
            if state.is_idle:  # nothing has begun: to where something can
                found = search(text, at)
                if found is None:
                    return self._idle[_before(text[-1])]
                if found.start() > at:
                    at = found.start()
                    state = self._idle[_before(text[at - 1])]
            following = state.next.get(text[at], _UNMET)
            if following is _UNMET:
                following = self._step(state, text[at])
            if following is None:
                return None
            state = following
            at += 1
        return state

    def ends(self, state: State) -> bool:
        """Whether the end of the text makes a pattern whole."""
        return self._has_end(self._closed(state.waiting, _edges(state.before, _LINE)))

    def _step(self, state: State, character: str) -> State | None:
        """One character on, from a state that has not met it lately."""
        kind = self._kind(character)
        if kind in state.by_kind:
            following = state.by_kind[kind]
        else:
            following = state.by_kind[kind] = self._walk(state, kind, _before(character))
        if len(state.next) >= _MOST_CHARACTERS:
            state.next.clear()
        state.next[character] = following
        return following

    def _walk(self, state: State, kind: int, behind: int) -> State | None:
        self.walks += 1
        closed = self._closed(state.waiting, _edges(state.before, behind))
        self._work += len(closed)
        if self._work > MOST_WORK:
            raise Exhausted
        if self._has_end(closed):
            return None
        taking = (self._nodes[number] for number in closed)
        waiting = {after for node in taking if node.atom is not None and kind >> node.atom & 1 for after in node.after}
        # A pattern whose last character this was is through, if nothing more is asked of the place.
        if self._has_end(self._closed(waiting, _NO_EDGE)):
            return None
        return self._state(frozenset(waiting) | self._begins, behind)

    def _closed(self, numbers: Iterable[int], edges: int) -> set[int]:
        """The nodes that take a character, and the ends, that are reached from these without one."""
        reach = self._reach
        found: set[int] = set()
        for number in numbers:
            reached = reach.get((number, edges))
            found |= self._reached(number, edges) if reached is None else reached
        return found

    def _reached(self, number: int, edges: int) -> frozenset[int]:
        seen, left, found = {number}, [number], set[int]()
        while left:
            at = left.pop()
            node = self._nodes[at]
            if node.atom is not None or node.is_end:
                found.add(at)
            elif node.edge is None or node.edge & edges:
                fresh = [after for after in node.after if after not in seen]
                seen.update(fresh)
                left += fresh
        self._reach[number, edges] = reached = frozenset(found)
        return reached

    def _has_end(self, numbers: set[int]) -> bool:
        return not self._ends.isdisjoint(numbers)

    def _kind(self, character: str) -> int:
        """Which atoms a character fits, as bits; above them what it is as a neighbour."""
        kind = self._kinds.get(character)
        if kind is None:
            kind = sum(1 << number for number, atom in enumerate(self._atoms) if atom.fullmatch(character))
            kind |= _before(character) << len(self._atoms)
            if len(self._kinds) >= _MOST_CHARACTERS:
                self._kinds.clear()
            self._kinds[character] = kind
        return kind

    def _state(self, waiting: frozenset[int], before: int) -> State:
        if waiting == self._begins:
            return self._idle[before]
        state = self._states.get((waiting, before))
        if state is None:
            if len(self._states) >= MOST_STATES:
                self._states.clear()
            state = self._states[waiting, before] = State(waiting, before)
        return state

    def _first_atoms(self) -> list[int]:
        closed = self._closed(self._begins, _ANY_EDGE)
        return sorted({atom for number in closed if (atom := self._nodes[number].atom) is not None})


_BEFORE: Final = tuple(
    _LINE if letter == "\n" else _WORD if _LETTER.match(letter) else _OTHER for letter in map(chr, range(128))
)


def _before(character: str) -> int:
    if character < "\x80":
        return _BEFORE[ord(character)]
    return _WORD if _LETTER.match(character) else _OTHER


def _edges(before: int, behind: int) -> int:
    """The edges that there are between two neighbours, as bits."""
    edges = 1 if (before == _WORD) is not (behind == _WORD) else 2
    return edges | (4 if before == _LINE else 0) | (8 if behind == _LINE else 0)
