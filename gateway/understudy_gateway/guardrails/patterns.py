"""Regular expressions and lists of words, made into an automaton. Pure.

What can be said is what an automaton can follow: characters, classes, groups, `|`, repetitions, `\\b`, `\\B`, and `^`
and `$` at the edges of lines. What needs to go back (references to groups, looking ahead or behind, possessive and
atomic groups) is refused, and so is what would need very many nodes, such as `(a{1,999}){1,999}`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from .automaton import Automaton, Edge, Node, Nodes

MOST_NODES: Final = 500
"""Nodes of all the patterns of one guardrail."""

MOST_WORD_NODES: Final = 100_000
_DEEPEST: Final = 40

_TOKEN: Final = re.compile(
    r"(?P<group>\((?:\?:|\?P<\w+>)?)|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<repeat>[*+?]|\{\d*,?\d*\})(?P<lazy>[?+]?)"
    r"|(?P<edge>\\[bB]|[\^$])"
    r"|(?P<atom>\[\^?\]?(?:[^\]\\]|\\.)*\]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\[dDsSwWnrtfv]|\\[^0-9A-Za-z]|[^\\])",
    re.DOTALL,
)
_FLAGS: Final = re.compile(r"\(\?([is]+)\)")
_EDGES: Final = {r"\b": Edge.WORD, r"\B": Edge.NO_WORD, "^": Edge.LINE_BEGIN, "$": Edge.LINE_END}
_COUNTS: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")
_CJK: Final = "\u2e80"
"""From here on scripts are written without spaces, so that words have no edges."""


@dataclass(frozen=True, slots=True)
class _Atom:
    source: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """Rows of pieces, of which one has to fit."""

    rows: "list[list[_Atom | Edge | _Choice | _Repeat]]"


@dataclass(frozen=True, slots=True)
class _Repeat:
    inner: "_Atom | Edge | _Choice | _Repeat"
    least: int
    most: int | None


_Tree = _Atom | Edge | _Choice | _Repeat


class PatternError(Exception):
    """A pattern that cannot be used; the text says why."""


def automaton_of(patterns: Sequence[str], words: Sequence[str] = ()) -> Automaton:
    """What finds any of the patterns, or any of the words (in whatever case, and not inside longer ones).

    Raises PatternError.
    """
    nodes = Nodes()
    begins = [_Parser(pattern, nodes).begin() for pattern in patterns]
    if words:
        begins.append(_trie(nodes, words))
    automaton = Automaton(nodes, begins)
    if automaton.matches_nothing:
        raise PatternError("an empty text fits, so that it would be found everywhere")
    return automaton


class _Parser:
    """One pattern, read from its end to its beginning: each piece is made in front of what comes after it."""

    def __init__(self, pattern: str, nodes: Nodes) -> None:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise PatternError(f"not a regular expression: {error}") from error
        flags = _FLAGS.match(pattern)
        self._flags = 0
        for letter in flags[1] if flags else "":
            self._flags |= re.IGNORECASE if letter == "i" else re.DOTALL
        self._nodes = nodes
        self._most = len(nodes.nodes) + MOST_NODES
        self._tokens = self._cut(pattern[flags.end() if flags else 0 :])
        self._at = 0

    def begin(self) -> int:
        """The node at which the pattern begins."""
        tree = self._choice(0)
        return self._made(tree, self._add(Node(is_end=True)))

    def _cut(self, pattern: str) -> list[re.Match[str]]:
        found: list[re.Match[str]] = []
        at = 0
        while at < len(pattern):
            token = _TOKEN.match(pattern, at)
            is_odd = token is None or (token["group"] == "(" and pattern.startswith("(?", at))
            if token is None or is_odd or token["lazy"] == "+":
                raise PatternError(f"what stands at character {at + 1} would need to go back in the text")
            if token["repeat"] == "{}" or token["repeat"] == "{,}":
                raise PatternError("write a { that stands for itself as \\{")
            found.append(token)
            at = token.end()
        return found

    def _choice(self, depth: int) -> _Tree:
        if depth > _DEEPEST:
            raise PatternError(f"groups stand more than {_DEEPEST} deep in one another")
        rows: list[list[_Tree]] = [[]]
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token["close"]:
                break
            self._at += 1
            if token["bar"]:
                rows.append([])
            elif token["group"]:
                rows[-1].append(self._choice(depth + 1))
                self._at += 1
            elif token["repeat"]:
                rows[-1].append(_Repeat(rows[-1].pop(), *_counts(token["repeat"])))
            else:
                rows[-1].append(_EDGES[token["edge"]] if token["edge"] else _Atom(token["atom"]))
        return _Choice(rows)

    def _made(self, tree: _Tree, after: int) -> int:
        """The node at which `tree` begins, where `after` comes behind it."""
        match tree:
            case _Atom(source):
                return self._add(Node((after,), atom=self._nodes.atom(source, self._flags)))
            case Edge():
                return self._add(Node((after,), edge=tree))
            case _Choice(rows):
                return self._add(Node(tuple(self._row(row, after) for row in rows)))
            case _Repeat(inner, least, most):
                return self._repeated(inner, least, most, after)
            case _:
                assert_never(tree)

    def _row(self, row: list[_Tree], after: int) -> int:
        for tree in reversed(row):
            after = self._made(tree, after)
        return after

    def _repeated(self, inner: _Tree, least: int, most: int | None, after: int) -> int:
        if most is None:
            loop = self._add(Node())
            self._nodes.nodes[loop].after = (self._made(inner, loop), after)
            begin = loop
        else:
            begin = after
            for _ in range(most - least):
                begin = self._add(Node((self._made(inner, begin), after)))
        for _ in range(least):
            begin = self._made(inner, begin)
        return begin

    def _add(self, node: Node) -> int:
        if len(self._nodes.nodes) >= self._most:
            raise PatternError(f"the pattern needs more than {MOST_NODES} nodes: repeat less often")
        return self._nodes.add(node)


def _counts(repeat: str) -> tuple[int, int | None]:
    match repeat:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
        case _:
            found = _COUNTS.fullmatch(repeat)
            if found is None:
                raise AssertionError(repeat)
            least = int(found[1] or 0)
            return least, (int(found[3]) if found[3] else None) if found[2] else least


def _trie(nodes: Nodes, words: Sequence[str]) -> int:
    """The words as one tree of characters, so that a thousand of them cost no more than their beginnings."""
    root = nodes.add(Node())
    known: dict[tuple[int, str], int] = {}
    most = len(nodes.nodes) + MOST_WORD_NODES
    end = nodes.add(Node(is_end=True))
    word_end = nodes.add(Node((end,), edge=Edge.WORD))

    def below(parent: int, step: str) -> int:
        if (parent, step) not in known:
            if len(nodes.nodes) >= most:
                raise PatternError("the list of words is too long")
            hub = nodes.add(Node())
            if step:
                taking = Node((hub,), atom=nodes.atom(re.escape(step), re.IGNORECASE))
            else:
                taking = Node((hub,), edge=Edge.WORD)
            nodes.nodes[parent].after += (nodes.add(taking),)
            known[parent, step] = hub
        return known[parent, step]

    for word in words:
        if not word.strip():
            raise PatternError("an empty word is in the list")
        place = below(root, "") if _has_edge(word[0]) else root
        for letter in word:
            place = below(place, letter.lower() if len(letter.lower()) == 1 else letter)
        nodes.nodes[place].after += (word_end if _has_edge(word[-1]) else end,)
    return root


def _has_edge(letter: str) -> bool:
    return letter.isalnum() and letter < _CJK
