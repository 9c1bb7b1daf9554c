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
from enum import Enum, auto
from typing import Final

MOST_STATES: Final = 2000
MOST_WORK: Final = 500_000
"""Nodes that are looked at for one piece of text, some tenths of a second; look-ups count for nothing."""

_MOST_CHARACTERS: Final = 4096
"""Characters whose next state is remembered at each state, and whose kind is remembered at all."""


class Exhausted(Exception):
    """A piece of text needs more work than it may."""


class Edge(Enum):
    """What a node may ask of the place where it stands."""

    WORD = auto()
    NO_WORD = auto()
    LINE_BEGIN = auto()
    LINE_END = auto()


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


class _Before(Enum):
    """What stands before a place, or behind it."""

    WORD = auto()
    LINE = auto()
    OTHER = auto()


class State:
    """Where the automaton may be: nodes that wait, and what the last character was. `next` is filled as it is met."""

    __slots__ = ("before", "by_kind", "next", "waiting")

    def __init__(self, waiting: frozenset[int], before: _Before) -> None:
        self.waiting = waiting
        self.before = before
        self.next: dict[str, State | None] = {}
        self.by_kind: dict[int, State | None] = {}


_UNMET: Final = State(frozenset(), _Before.OTHER)
_WORD: Final = re.compile(r"\w")


class Automaton:
    """Patterns, ready to be looked for. `begins` are the nodes at which they begin."""

    def __init__(self, nodes: Nodes, begins: Iterable[int]) -> None:
        self._nodes = nodes.nodes
        self._atoms = nodes.atoms
        self._begins = frozenset(begins)
        self._kinds: dict[str, int] = {}
        self._states: dict[tuple[frozenset[int], _Before], State] = {}
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
        everything = self._closed(self._begins, {Edge.WORD, Edge.NO_WORD, Edge.LINE_BEGIN, Edge.LINE_END})
        return any(self._nodes[number].is_end for number in everything)

    def begin(self) -> State:
        """The state at the start of a text."""
        return self._state(self._begins, _Before.LINE)

    def read(self, state: State, text: str) -> State | None:
        """The state after `text`; None as soon as a pattern was found. Raises Exhausted."""
        self._work = 0
        at, size, idle = 0, len(text), self._begins
        while at < size:
            if state.waiting == idle:  # nothing has begun: to where something can
                found = self._first.search(text, at)
                if found is None:
                    return self._state(idle, _before(text[-1]))
                if found.start() > at:
                    at = found.start()
                    state = self._state(idle, _before(text[at - 1]))
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
        return self._has_end(self._closed(state.waiting, _edges(state.before, _Before.LINE)))

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

    def _walk(self, state: State, kind: int, behind: _Before) -> State | None:
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
        if self._has_end(self._closed(waiting, set())):
            return None
        return self._state(frozenset(waiting) | self._begins, behind)

    def _closed(self, numbers: Iterable[int], edges: set[Edge]) -> set[int]:
        """These nodes, and all that are reached from them without a character."""
        seen, left = set(numbers), list(numbers)
        while left:
            node = self._nodes[left.pop()]
            if node.atom is not None or (node.edge is not None and node.edge not in edges):
                continue
            for after in node.after:
                if after not in seen:
                    seen.add(after)
                    left.append(after)
        return seen

    def _has_end(self, numbers: set[int]) -> bool:
        return any(self._nodes[number].is_end for number in numbers)

    def _kind(self, character: str) -> int:
        """Which atoms a character fits, as bits; above them what it is as a neighbour."""
        kind = self._kinds.get(character)
        if kind is None:
            kind = sum(1 << number for number, atom in enumerate(self._atoms) if atom.fullmatch(character))
            kind |= _NEIGHBOUR[_before(character)] << len(self._atoms)
            if len(self._kinds) >= _MOST_CHARACTERS:
                self._kinds.clear()
            self._kinds[character] = kind
        return kind

    def _state(self, waiting: frozenset[int], before: _Before) -> State:
        state = self._states.get((waiting, before))
        if state is None:
            if len(self._states) >= MOST_STATES:
                self._states.clear()
            state = self._states[waiting, before] = State(waiting, before)
        return state

    def _first_atoms(self) -> list[int]:
        closed = self._closed(self._begins, set(Edge))
        return sorted({atom for number in closed if (atom := self._nodes[number].atom) is not None})


_NEIGHBOUR: Final = {_Before.OTHER: 0, _Before.WORD: 1, _Before.LINE: 2}


def _before(character: str) -> _Before:
    if character == "\n":
        return _Before.LINE
    return _Before.WORD if _WORD.match(character) else _Before.OTHER


def _edges(before: _Before, behind: _Before) -> set[Edge]:
    """The edges that there are between two neighbours; the ends of a text are such as line breaks."""
    edges = {Edge.WORD if (before is _Before.WORD) is not (behind is _Before.WORD) else Edge.NO_WORD}
    if before is _Before.LINE:
        edges.add(Edge.LINE_BEGIN)
    if behind is _Before.LINE:
        edges.add(Edge.LINE_END)
    return edges
