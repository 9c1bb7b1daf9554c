"""What rules are shown: the history of one scope's clients. Pure."""

from collections.abc import Mapping
from functools import cached_property

from ..messages import Exchange, Session, Transcript
from .attempts import Group, groups
from .endings import TOKENS


class Seen:
    """What one scope's clients did, in order of start; `now` is the transcript's clock, infinite if all is over.

    `whole` is all that the simulator saw: connections and credentials may belong to several scopes.
    """

    def __init__(self, scope: str, mine: Transcript, whole: Transcript, now: float) -> None:
        self.scope = scope
        self.exchanges = tuple(sorted(mine.exchanges, key=_order))
        self.sessions = tuple(sorted(mine.sessions, key=_order))
        self.whole = whole
        self.now = now

    @cached_property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges but those for access tokens."""
        return tuple(exchange for exchange in self.exchanges if exchange.origin.surface != TOKENS)

    @cached_property
    def connections(self) -> Mapping[int, tuple[float, float]]:
        """From when to when each connection was in use, by its number; what has no number is left out."""
        spans: dict[int, tuple[float, float]] = {}
        for exchange in self.whole.exchanges:
            if exchange.connection:
                first, last = spans.get(exchange.connection, (exchange.started, exchange.ended))
                spans[exchange.connection] = min(first, exchange.started), max(last, exchange.ended)
        return spans

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Attempts at the same things, where one of them failed."""
        return tuple(groups(self.calls, self.sessions, self.connections, self.now))


def _order(entry: Exchange | Session) -> tuple[float, int]:
    return entry.started, entry.id
