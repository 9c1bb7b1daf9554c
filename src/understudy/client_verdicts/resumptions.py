"""Which sessions go on from which, by their handles, and what handles are newer than another. Pure."""

from bisect import bisect_right, insort
from collections import defaultdict
from math import inf

from .dialogue import Dialogue

_Given = tuple[float, int]
"""When a handle was given, and its place among all that were given: two may come at the same moment."""


class Line:
    """A session and all that went on from it."""

    def __init__(self) -> None:
        self._ends = -inf
        self.looked_at = 0
        self.handles: set[str] = set()
        self._given: list[_Given] = []
        self._last: dict[str, _Given] = {}

    def add(self, talk: Dialogue, first: int) -> None:
        """One more session, whose handles have places from `first` on."""
        ended = talk.session.ended
        self._ends = max(self._ends, inf if ended is None else ended)
        for place, (at, handle) in enumerate(talk.handles, first):
            self.handles.add(handle)
            self._last[handle] = max(self._last.get(handle, (at, place)), (at, place))
            insort(self._given, (at, place))

    @property
    def end(self) -> float:
        """When the last of them ended; infinite while one goes on, or if there is none."""
        return inf if self._ends == -inf else self._ends

    def newer(self, handle: str, until: float) -> int:
        """How many handles were given after this one, up to that moment."""
        mine = self._last.get(handle)
        if mine is None or mine[0] > until:
            return 0
        return bisect_right(self._given, (until, inf)) - bisect_right(self._given, mine)


class Resumptions:
    """The sessions so far, in order of start; `refused` are handles that the service has refused."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self._past: list[tuple[Dialogue, int]] = []
        self._given = 0
        self._givers: dict[str, int] = {}
        self._heirs: defaultdict[str, list[int]] = defaultdict(list)
        self._lines: dict[int | str, Line] = {}

    def add(self, talk: Dialogue, *, is_refused: bool) -> None:
        """One more session; `is_refused`: the handle that it came with was."""
        number = len(self._past)
        self._past.append((talk, self._given))
        self._given += len(talk.handles)
        for _, handle in talk.handles:
            self._givers.setdefault(handle, number)
        if talk.handle:
            self._heirs[talk.handle].append(number)
            if is_refused:
                self.refused.add(talk.handle)

    def line(self, handle: str) -> Line:
        """The session that gave a handle (unknown: those that came with it), and all that went on from there."""
        giver = self._givers.get(handle)
        root = handle if giver is None else giver
        line = self._lines.get(root)
        if line is None:
            line = self._lines[root] = Line()
            self._follow(line, self._heirs.get(handle, []) if giver is None else [giver])
            if giver is None:
                line.handles.add(handle)
        else:
            for talk, first in self._past[line.looked_at :]:
                if talk.handle in line.handles:
                    line.add(talk, first)
        line.looked_at = len(self._past)
        return line

    def _follow(self, line: Line, numbers: list[int]) -> None:
        """Add sessions and their heirs."""
        waiting, met = list(numbers), set(numbers)
        while waiting:
            talk, first = self._past[waiting.pop()]
            line.add(talk, first)
            heirs = {heir for _, handle in talk.handles for heir in self._heirs.get(handle, ())} - met
            met |= heirs
            waiting += heirs
