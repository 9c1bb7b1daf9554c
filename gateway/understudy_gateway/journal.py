"""The end of an exchange: its record, its limits given back, its numbers counted, its one line in the log.

Whatever fails in that stays here: the answer is not touched by it (OBS-6).
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from understudy.pricing.cost import plain

from .limits.admission import Admission, Lease
from .live_metering import LiveMeter
from .metering import Ending, ExchangeMeter
from .metrics import Facts, Metrics
from .refusals import Refusal
from .routes import Route
from .spend.record import SpendRecord

_log = logging.getLogger(__name__)


GATHERED: Final = 32
"""Exchanges that are booked in one go: code and data of the books are then at hand, which halves what each costs."""

GATHER_S: Final = 0.01
"""How long an exchange waits for others to be booked with."""


@dataclass(slots=True)
class _Ended:
    """An exchange that waits to be booked: its seconds, and when it ended (UTC)."""

    method: str
    meter: ExchangeMeter
    ending: Ending
    seconds: float
    started: float
    ended: datetime


class Journal:
    """Keeps account of what has ended. `monotonic` is the clock of `started`, `now` the wall clock."""

    def __init__(
        self,
        admission: Admission,
        metrics: Metrics,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._admission = admission
        self._metrics = metrics
        self._monotonic = monotonic
        self._now = now
        self._waiting: list[_Ended] = []
        self._timer: asyncio.TimerHandle | None = None

    def ended(
        self,
        method: str,
        lease: Lease,
        meter: ExchangeMeter | LiveMeter,
        ending: Ending,
        started: float,
    ) -> None:
        """Book, count and log an exchange or session: at once where a limit or a job waits for it, else with others."""
        seconds = self._monotonic() - started
        if type(meter) is ExchangeMeter and meter.is_plain and not self._admission.waits_for(lease):
            self._waiting.append(_Ended(method, meter, ending, seconds, started, self._now()))
            if len(self._waiting) >= GATHERED:
                self.book()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(GATHER_S, self.book)
            return
        self.book()  # records stay in the order in which exchanges ended
        record = self._booked(meter, ending)
        self._admission.ended(lease, record)
        self._tell(method, record, meter, seconds, started)

    def book(self) -> None:
        """Book what waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            record = self._booked(one.meter, one.ending, one.ended)
            self._tell(one.method, record, one.meter, one.seconds, one.started)

    def _tell(
        self,
        method: str,
        record: SpendRecord | None,
        meter: ExchangeMeter | LiveMeter,
        seconds: float,
        started: float,
    ) -> None:
        if record is None:
            return
        facts = facts_of(meter, seconds, started)
        try:
            self._metrics.booked(method, record, facts)
            if meter.trace is not None:
                meter.trace.ended(record)
        except Exception:
            _log.exception("an exchange could not be counted")
        self._say(LogLine({"method": method}, seconds * 1000, record, facts))

    def _booked(
        self, meter: ExchangeMeter | LiveMeter, ending: Ending, ended: datetime | None = None
    ) -> SpendRecord | None:
        """The record; where it cannot be made one of unknown cost: what was asked for may have cost something."""
        for book in (meter.finish, meter.give_up):
            try:
                return book(ending, ended)
            except Exception:
                _log.exception("an exchange could not be booked")
        return None

    def refused(
        self, method: str, refusal: Refusal, key_id: str | None, id: str, started: float, found: Route | None = None
    ) -> None:
        """Count and log a request that was not let in, `found` being the route that it would have taken.

        Strangers get no spend record: they could fill the disk.
        """
        self._metrics.refused(method, refusal)
        line = {
            "method": method,
            "id": id,
            "key_id": key_id,
            "status": refusal.status,
            "outcome": "rejected",
            "reason": refusal.reason.name,
        }
        if found is not None:
            line |= {"provider": found.upstream.kind, "route": found.name, "model": found.model}
        self._say(LogLine(line, (self._monotonic() - started) * 1000))

    def _say(self, line: "LogLine") -> None:
        """The one line of an exchange. Who logs otherwise looks for the caller and writes the text, here and now."""
        if _log.isEnabledFor(logging.INFO):
            _log.handle(logging.LogRecord(_log.name, logging.INFO, "", 0, line, None, None))


class LogLine:
    """What a line of the log says, as JSON once somebody reads it: that is done by the log's thread, not by traffic's.

    A client cannot forge or break it (S-67): it is ASCII, so that no letter of a client's can trick a terminal.
    """

    __slots__ = ("_facts", "_line", "_ms", "_record")

    def __init__(
        self, line: dict[str, Any], ms: float, record: SpendRecord | None = None, facts: Facts | None = None
    ) -> None:
        """`line` and the milliseconds are said beside what `record` and `facts` say."""
        self._facts = facts
        self._line = line
        self._ms = ms
        self._record = record

    def __str__(self) -> str:
        line = self._line if self._record is None else {**self._line, **_in_brief(self._record)}
        if self._record is not None:
            line["tags"] = self._record.tags
        if (facts := self._facts) is not None:
            line["bytes_in"], line["bytes_out"] = facts.request_bytes, facts.response_bytes
            line["first_byte_ms"] = None if facts.first_byte_s is None else round(facts.first_byte_s * 1000, 1)
        line["ms"] = round(self._ms, 1)
        try:
            data = msgspec.json.encode(line)  # the faster writer
        except (ValueError, OverflowError):  # a lone surrogate, a number beyond 64 bits
            return json.dumps(line)
        return data.decode("ascii") if data.isascii() else json.dumps(line)


def facts_of(meter: ExchangeMeter | LiveMeter, seconds: float, started: float) -> Facts:
    """What a meter saw beside the usage."""
    if isinstance(meter, LiveMeter):
        return Facts(
            seconds,
            request_bytes=meter.client_bytes,
            response_bytes=meter.server_bytes,
            client_messages=meter.client_messages,
            server_messages=meter.server_messages,
            close_code=meter.close_code,
        )
    first = None if meter.answered_at is None else max(0.0, meter.answered_at - started)
    own = None
    if meter.asked_at is not None and meter.answered_at is not None and meter.passed_at is not None:
        own = max(0.0, meter.asked_at - started + meter.passed_at - meter.answered_at)
    return Facts(seconds, first, own, meter.request_bytes, meter.response_bytes)


def _in_brief(record: SpendRecord) -> dict[str, Any]:
    """What the log's line says of an exchange: its record without the items of the cost and the times."""
    return {
        "id": record.id,
        "key_id": record.key_id,
        "provider": record.provider,
        "route": record.route,
        "model": record.model,
        "status": record.status,
        "outcome": record.outcome,
        "usage": record.usage,
        "cost": None if record.cost is None else plain(record.cost),
        "known": record.known,
        "reason": record.reason,
    }
