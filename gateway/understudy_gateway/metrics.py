"""What the gateway counts (OBS-4): plain numbers on the hot path, which are made into a Prometheus page when asked for.

Labels take configured and known values alone, so that no client can make the page grow (S-12). Pure; the page itself
is made in `metrics_page`.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from understudy.pricing.book import PriceBook
from understudy.usage.meters import Unit

from .refusals import Refusal
from .spend.record import SpendRecord

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
"""Upper bounds in seconds; a Live session lasts longer, and is not counted among them."""

OTHER: Final = "other"
_MOST_NAMES: Final = 1000
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLOSE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), 4001, 4002})

Labels = tuple[str, ...]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What was seen of one exchange beside its record: seconds and bytes."""

    seconds: float
    first_byte_s: float | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    client_messages: int = 0
    server_messages: int = 0
    close_code: int | None = None


@dataclass(slots=True)
class Histogram:
    """How many values were at most each of BUCKETS, or beyond; and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.total += value

    def add(self, counts: Iterable[int], total: float) -> None:
        """Count what another one has counted."""
        self.counts = [mine + other for mine, other in zip(self.counts, counts, strict=True)]
        self.total += total


class Metrics:
    """The numbers of this process. Called on the event loop alone."""

    def __init__(self, book: PriceBook) -> None:
        self.book = book
        self._names: dict[tuple[str, str], str] = {}
        self.counters: dict[str, dict[Labels, float]] = {name: {} for name in COUNTERS}
        self.histograms: dict[str, dict[Labels, Histogram]] = {name: {} for name in HISTOGRAMS}
        self.in_flight = 0
        self.live_sessions = 0

    def booked(self, method: str, record: SpendRecord, facts: Facts) -> None:
        """Count an exchange or session that is over."""
        model = self._model(record.provider or "", record.model)
        status, route = f"{record.status // 100}xx", record.route
        self._count("requests", (route, _method(method), status, model, _origin(record)), 1)
        self._count("bytes", (route, "request"), facts.request_bytes)
        self._count("bytes", (route, "response"), facts.response_bytes)
        self._spent(record, model)
        if record.kind == "session":
            self._count("live_messages", (route, "client"), facts.client_messages)
            self._count("live_messages", (route, "server"), facts.server_messages)
            if record.status == 101:
                self._count("live_closes", (route, _code(facts.close_code), record.outcome), 1)
            return
        self._observe("seconds", (route,), facts.seconds)
        if facts.first_byte_s is not None:
            self._observe("first_byte_seconds", (route,), facts.first_byte_s)

    def operation(self, record: SpendRecord) -> None:
        """Count a video that was settled."""
        self._spent(record, self._model(record.provider or "", record.model))

    def refused(self, method: str, refusal: Refusal) -> None:
        """Count a request that came to no route, or was let in by no key or limit."""
        self._count("requests", ("none", _method(method), f"{refusal.status // 100}xx", "none", "gateway"), 1)
        self._count("refusals", (refusal.reason.name,), 1)

    def snapshot(self) -> dict[str, Any]:
        """The numbers as JSON, for another worker's page."""
        return {
            "counters": {
                name: [[*labels, value] for labels, value in found.items()] for name, found in self.counters.items()
            },
            "histograms": {
                name: [[*labels, one.counts, one.total] for labels, one in found.items()]
                for name, found in self.histograms.items()
            },
            "gauges": {"in_flight": self.in_flight, "live_sessions": self.live_sessions},
        }

    def _spent(self, record: SpendRecord, model: str) -> None:
        if record.known == "unknown":
            self._count("cost_unknown", (record.route, model), 1)
        for line in record.lines:
            labels = (record.route, model, line.part.value)
            self._count("cost", labels, float(line.amount))
            if line.unit == Unit.TOKEN:
                self._count("tokens", labels, float(line.quantity))

    def _count(self, name: str, labels: Labels, amount: float) -> None:
        found = self.counters[name]
        found[labels] = found.get(labels, 0) + amount

    def _observe(self, name: str, labels: Labels, seconds: float) -> None:
        found = self.histograms[name].get(labels)
        if found is None:
            found = self.histograms[name][labels] = Histogram()
        found.observe(seconds)

    def _model(self, provider: str, model: str | None) -> str:
        """The model, if the price book knows it: what clients make up shares one name."""
        if model is None:
            return "none"
        found = self._names.get((provider, model))
        if found is None:
            found = model if self.book.entry(provider, model) is not None else OTHER
            if len(self._names) < _MOST_NAMES:
                self._names[provider, model] = found
            else:
                found = OTHER
        return found


COUNTERS: Final[Mapping[str, tuple[str, Labels]]] = {
    "requests": (
        "Requests that are over, by who made the error, if it is one.",
        ("route", "method", "status", "model", "origin"),
    ),
    "refusals": ("Requests that the gateway answered before they came to a route, by reason.", ("reason",)),
    "bytes": ("Bytes of bodies, as far as they were read.", ("route", "direction")),
    "tokens": ("Tokens that were priced.", ("route", "model", "part")),
    "cost": ("US dollars.", ("route", "model", "part")),
    "cost_unknown": ("Exchanges, sessions and operations whose cost is not known.", ("route", "model")),
    "live_messages": ("Messages of Live sessions, by who sent them.", ("route", "sender")),
    "live_closes": ("Live sessions that are over, by close code.", ("route", "code", "outcome")),
}
HISTOGRAMS: Final[Mapping[str, tuple[str, Labels]]] = {
    "seconds": ("Seconds of an HTTP exchange from its head to its last byte.", ("route",)),
    "first_byte_seconds": ("Seconds from a request's head to the head of its answer.", ("route",)),
}
GAUGES: Final[Mapping[str, str]] = {
    "in_flight": "Requests and sessions under way.",
    "live_sessions": "Live sessions under way.",
    "spend_waiting": "Spend records that wait for the disk.",
    "spend_lost": "Spend records that could not be written.",
    "jobs_pending": "Videos that are under way.",
}

Gauge = Callable[[], float]


def _origin(record: SpendRecord) -> str:
    """Who made the error: none, the client, the gateway or the provider."""
    match record.outcome:
        case "ok":
            return "none" if record.status < 400 else "provider"
        case "client_abort":
            return "client"
        case "rejected":
            return "gateway"
        case "upstream_abort" | "timeout":
            return "provider"


def _method(method: str) -> str:
    return method if method in _METHODS else OTHER


def _code(code: int | None) -> str:
    return "none" if code is None else str(code) if code in _CLOSE_CODES else OTHER
