"""The end of an exchange: its record, its limits given back, its numbers counted, its one line in the log.

Whatever fails in that stays here: the answer is not touched by it (OBS-6).
"""

import json
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from understudy.pricing.cost import plain

from .limits.admission import Admission, Lease
from .live_metering import LiveMeter
from .metering import Ending, ExchangeMeter
from .metrics import Facts, Metrics
from .refusals import Refusal
from .spend.record import SpendRecord

_log = logging.getLogger(__name__)


class Journal:
    """Keeps account of what has ended. `monotonic` is the clock of `started`."""

    def __init__(self, admission: Admission, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._admission = admission
        self._metrics = metrics
        self._monotonic = monotonic

    def ended(
        self,
        method: str,
        lease: Lease,
        meter: ExchangeMeter | LiveMeter,
        ending: Ending,
        started: float,
    ) -> None:
        """Book, count and log an exchange or session."""
        record = self._booked(meter, ending)
        self._admission.ended(lease, record)
        if record is None:
            return
        seconds = self._monotonic() - started
        try:
            self._metrics.booked(method, record, facts_of(meter, seconds, started))
        except Exception:
            _log.exception("an exchange could not be counted")
        self._say({"method": method, **_in_brief(record), "tags": list(record.tags)}, seconds)

    def _booked(self, meter: ExchangeMeter | LiveMeter, ending: Ending) -> SpendRecord | None:
        """The record; where it cannot be made one of unknown cost: what was asked for may have cost something."""
        for book in (meter.finish, meter.give_up):
            try:
                return book(ending)
            except Exception:
                _log.exception("an exchange could not be booked")
        return None

    def refused(self, method: str, refusal: Refusal, key_id: str | None, id: str, started: float) -> None:
        """Count and log a request that came to no route. Strangers get no spend record: they could fill the disk."""
        self._metrics.refused(method, refusal)
        line = {
            "method": method,
            "id": id,
            "key_id": key_id,
            "status": refusal.status,
            "outcome": "rejected",
            "reason": refusal.reason.name,
        }
        self._say(line, self._monotonic() - started)

    def _say(self, line: dict[str, Any], seconds: float) -> None:
        """The one line of an exchange, as JSON: a client cannot forge or break it (S-67)."""
        _log.info("%s", _json({**line, "ms": round(seconds * 1000, 1)}))


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


def _json(line: dict[str, Any]) -> str:
    """A line as JSON in ASCII, so that no letter of a client's can trick a terminal; msgspec is the faster writer."""
    data = msgspec.json.encode(line)
    return data.decode("ascii") if data.isascii() else json.dumps(line)


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
