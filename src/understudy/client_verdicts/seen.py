"""What rules are shown: the history of one scope's clients, and what all clients did. Pure.

What takes a look at everything is worked out once, not by each rule or for each scope.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from ..messages import Exchange, Session, Transcript, header_value
from .attempts import Group, groups
from .dialogue import Dialogue
from .endings import TOKENS


class Whole:
    """All that the simulator saw: connections and credentials may belong to several scopes.

    `now` is the transcript's clock, infinite if all is over.
    """

    def __init__(self, transcript: Transcript, now: float) -> None:
        self.transcript = transcript
        self.now = now

    @cached_property
    def connections(self) -> Mapping[int, tuple[float, float]]:
        """From when to when each connection was in use, by its number; what has no number is left out."""
        spans: dict[int, tuple[float, float]] = {}
        for exchange in self.transcript.exchanges:
            if exchange.connection:
                first, last = spans.get(exchange.connection, (exchange.started, exchange.ended))
                spans[exchange.connection] = min(first, exchange.started), max(last, exchange.ended)
        return spans

    @cached_property
    def on_connection(self) -> Mapping[int, int]:
        """How many requests came on each connection."""
        return Counter(exchange.connection for exchange in self.transcript.exchanges)

    @cached_property
    def authorizations(self) -> Mapping[bytes, int]:
        """How often each value of `Authorization` was shown."""
        entries = (*self.transcript.exchanges, *self.transcript.sessions)
        return Counter(header_value(entry.request.headers, b"authorization") or b"" for entry in entries)

    @cached_property
    def arrivals(self) -> Mapping[str, Sequence[tuple[float, int]]]:
        """When requests for each path came, and their ids, in order of start."""
        found: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
        for exchange in self.transcript.exchanges:
            insort(found[exchange.request.path], (exchange.started, exchange.id))
        return found

    def by_scope(self) -> Mapping[str, tuple[Sequence[Exchange], Sequence[Session]]]:
        """What belongs to each scope."""
        found: defaultdict[str, tuple[list[Exchange], list[Session]]] = defaultdict(lambda: ([], []))
        for exchange in self.transcript.exchanges:
            found[exchange.origin.scope][0].append(exchange)
        for session in self.transcript.sessions:
            found[session.origin.scope][1].append(session)
        return found


class Seen:
    """What one scope's clients did, in order of start; `whole` is what all did."""

    def __init__(self, scope: str, exchanges: Sequence[Exchange], sessions: Sequence[Session], whole: Whole) -> None:
        self.scope = scope
        self.exchanges = tuple(sorted(exchanges, key=_order))
        self.sessions = tuple(sorted(sessions, key=_order))
        self.whole = whole
        self.now = whole.now

    @cached_property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges but those for access tokens."""
        return tuple(exchange for exchange in self.exchanges if exchange.origin.surface != TOKENS)

    @cached_property
    def talks(self) -> tuple[Dialogue, ...]:
        """The sessions as what was said in them."""
        return tuple(map(Dialogue, self.sessions))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Attempts at the same things, where one of them failed."""
        return tuple(groups(self.calls, self.sessions, self.whole.connections, self.now))


def _order(entry: Exchange | Session) -> tuple[float, int]:
    return entry.started, entry.id
