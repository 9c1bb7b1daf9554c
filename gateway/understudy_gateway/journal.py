"""The end of an exchange: its record, its limits given back, its numbers counted, its one line in the log.

Whatever fails in that stays here: the answer is not touched by it (OBS-6).
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from .counts import Facts
from .limits.admission import Admission, Lease
from .live_metering import LiveMeter
from .log_lines import ExchangeLine, RefusalLine, say
from .metering import Ending, ExchangeMeter
from .metrics import Metrics
from .refusals import Refusal
from .routes import Route
from .spend.record import SpendRecord

_log = logging.getLogger(__name__)


GATHERED: Final = 64
"""Exchanges that are booked in one go: code and data of the books are then at hand, which halves what each costs."""

GATHER_S: Final = 0.01
"""How long an exchange waits for others to be booked with."""


class _Ended(msgspec.Struct, frozen=True, gc=False):
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
        if isinstance(meter, ExchangeMeter) and meter.is_plain and not self._admission.waits_for(lease):
            ended = self._now() if meter.call.began is None else meter.call.started + timedelta(0, seconds)
            self._waiting.append(_Ended(method, meter, ending, seconds, started, ended))
            if len(self._waiting) >= GATHERED:
                self.book()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(GATHER_S, self.book)
            return
        self.book()  # records stay in the order in which exchanges ended
        record = self._booked(meter, ending)
        self._admission.ended(lease, record)
        if record is not None:
            say(_log, (self._counted(method, record, meter, seconds, started),))

    def book(self) -> None:
        """Book what waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        lines: list[ExchangeLine] = []
        for one in waiting:
            record = self._booked(one.meter, one.ending, one.ended)
            if record is not None:
                lines.append(self._counted(one.method, record, one.meter, one.seconds, one.started))
        say(_log, lines)

    def _counted(
        self,
        method: str,
        record: SpendRecord,
        meter: ExchangeMeter | LiveMeter,
        seconds: float,
        started: float,
    ) -> ExchangeLine:
        """Count an exchange or session; its line."""
        facts = facts_of(meter, seconds, started)
        try:
            self._metrics.booked(method, record, facts)
            if meter.trace is not None:
                meter.trace.ended(record)
        except Exception:
            _log.exception("an exchange could not be counted")
        return ExchangeLine(method, record, facts)

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
        say(_log, (RefusalLine(line, self._monotonic() - started),))


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
