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
from .metering import Ending, ExchangeMeter, LiveMeter
from .metrics import Facts, Metrics
from .refusals import Refusal
from .routes import Route
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
        record = None
        try:
            record = meter.finish(ending)
        except Exception:
            _log.exception("an exchange could not be booked")
        self._admission.ended(lease, record)
        if record is None:
            return
        facts = facts_of(meter, self._monotonic() - started, started)
        try:
            self._metrics.booked(method, record, facts)
            if meter.trace is not None:
                meter.trace.ended(record)
        except Exception:
            _log.exception("an exchange could not be counted")
        line = {"method": method, **_in_brief(record), "tags": list(record.tags)}
        line["bytes_in"], line["bytes_out"] = facts.request_bytes, facts.response_bytes
        line["first_byte_ms"] = None if facts.first_byte_s is None else round(facts.first_byte_s * 1000, 1)
        self._say(line, facts.seconds)

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
        self._say(line, self._monotonic() - started)

    def _say(self, line: dict[str, Any], seconds: float) -> None:
        """The one line of an exchange, as JSON: a client cannot forge or break it (S-67)."""
        line["ms"] = round(seconds * 1000, 1)
        _log.info("%s", _json(line))


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
    return Facts(seconds, first, meter.request_bytes, meter.response_bytes)


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
