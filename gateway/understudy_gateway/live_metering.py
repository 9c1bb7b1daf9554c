"""The tap beside a Live session: copies of its messages -> turns -> Cost -> SpendRecord, and its budget on the way."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from understudy.pricing.cost import Cost, Known, estimated, unknown
from understudy.pricing.sessions import cost_of_session, cost_of_turn, session_log_line
from understudy.usage.live import LiveReader, Turn

from .headers import holds_key
from .metering import FAILED, Books, Call, Ending
from .spend.record import SpendRecord
from .tracing import Trace

_log = logging.getLogger(__name__)

POLICY: Final = 1008
"""The close code of a session whose key's budget is used up (WS-17)."""


class Endable(Protocol):
    """A session that can be ended from outside."""

    def shut_down(self, code: int, reason: str) -> None:
        """Close it with this code."""
        ...


class LiveMeter:
    """Reads copies of one session's messages.

    `use` is told what each usage message bills, and says whether the budget is used up by that; None: nobody asks.
    A model that holds `key`, the gateway key that was shown, stands in no record (S-11).
    """

    def __init__(
        self, books: Books, call: Call, use: Callable[[Decimal], bool] | None = None, key: bytes = b""
    ) -> None:
        self._key = key
        self._use = use
        self._session: Endable | None = None
        self.call: Final = call
        self.trace: Trace | None = None
        self._books = books
        self._call = call
        self._provider = call.route.upstream.kind
        self._reader = LiveReader(self._provider)
        self._duration_s = 0.0
        self._unread = 0
        self.client_messages = self.server_messages = self.client_bytes = self.server_bytes = 0
        self.close_code: int | None = None

    def client_message(self, payload: bytes) -> None:
        """Take a message of the client."""
        self.client_messages += 1
        self.client_bytes += len(payload)
        self._reader.client_message(payload)

    def server_message(self, payload: bytes) -> None:
        """Take a message of the provider."""
        self.server_messages += 1
        self.server_bytes += len(payload)
        turn = self._reader.server_message(payload)
        if turn is not None and self._use is not None:
            self._charge(turn)

    def begun(self, session: Endable) -> None:
        """Told which session this is, to end it where the budget does."""
        self._session = session

    def _charge(self, turn: Turn) -> None:
        policies, where = self._books.policies, self._call.route.upstream
        day = policies.day_of(self._call.started)
        cost = cost_of_turn(
            *(self._books.book, self._provider, self._reader.model, turn),
            date=day,
            location=where.location,
            policies=policies,
        ).total
        if cost is not None and self._use is not None and self._use(cost) and self._session is not None:
            self._use = None
            self._session.shut_down(POLICY, "budget exceeded")

    def ended(self, *, duration_s: float, unread: int, code: int | None = None) -> None:
        """Told at the end: the length in seconds, of how many messages there was no copy, and the close code."""
        self.close_code = code
        self._duration_s, self._unread = duration_s, unread

    def give_up(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """Book the session as one of which nothing is known: `finish` has failed."""
        return self._books.record(self._call, None, ending, unknown(FAILED), None, ended)

    def finish(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """Book the session and, before that, if it came to be, write its documented line (pricing 9)."""
        session = self._reader.finish()
        if session.model is not None and holds_key(session.model.encode("utf-8", "surrogatepass"), self._key):
            session = replace(session, model=None)
        was_session = ending.status == 101 and ending.was_sent
        cost = Cost()
        if was_session:
            policies = self._books.policies
            cost = cost_of_session(
                self._books.book,
                self._provider,
                session,
                date=policies.day_of(self._call.started),
                location=self._call.route.upstream.location,
                policies=policies,
            )
        if self._unread:
            reason = f"{self._unread} messages were not read"
            cost = unknown(reason) if not session.turns else estimated(cost, reason)
        elif ending.outcome != "ok" and cost.known is Known.EXACT and cost.lines:
            cost = estimated(cost, "the session broke off; what was used after the last usage frame is not known")
        usage = {"turns": len(session.turns), "tokens": session.tokens, "characters": session.characters}
        if was_session:
            tokens, characters = session.tokens, session.characters
            _log.info(
                "%s",
                session_log_line(
                    self._provider, cost, tokens=tokens, characters=characters, duration_s=round(self._duration_s, 3)
                ),
            )
        return self._books.record(self._call, session.model, ending, cost, usage if was_session else None, ended)
