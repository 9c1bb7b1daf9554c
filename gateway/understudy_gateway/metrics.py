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
from .tally import Tally

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
"""Upper bounds in seconds; a Live session lasts longer, and is not counted among them."""

FINE_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""The same for what the gateway itself takes."""

OTHER: Final = "other"
_MOST_NAMES: Final = 1000
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLOSE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), 4001, 4002})

Labels = tuple[str, ...]
Gauge = Callable[[], float]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What was seen of one exchange beside its record: seconds and bytes.

    `overhead_s`: the part of `first_byte_s` in which the gateway did not wait for the provider.
    """

    seconds: float
    first_byte_s: float | None = None
    overhead_s: float | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    client_messages: int = 0
    server_messages: int = 0
    close_code: int | None = None


@dataclass(slots=True)
class Histogram:
    """How many values were at most each of the bounds, or beyond; and their sum."""

    bounds: tuple[float, ...] = BUCKETS
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, counts: Iterable[int], total: float) -> None:
        """Count what another one has counted."""
        self.counts = [mine + other for mine, other in zip(self.counts, counts, strict=True)]
        self.total += total


class Metrics:
    """The numbers of this process. Called on the event loop alone.

    `tally` is counted elsewhere; so is what `count_from` names. Both are read when somebody asks.
    """

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self.tally: Final = Tally()
        self._elsewhere: list[tuple[str, Labels, Gauge]] = []
        self._names: dict[tuple[str, str], str] = {}
        self.counters: dict[str, dict[Labels, float]] = {name: {} for name in COUNTERS}
        self.histograms: dict[str, dict[Labels, Histogram]] = {name: {} for name in HISTOGRAMS}
        self.in_flight = 0
        self.live_sessions = 0

    @property
    def book(self) -> PriceBook:
        """The prices, whose models stand in the labels."""
        return self._book

    @book.setter
    def book(self, book: PriceBook) -> None:
        self._book = book
        self._names.clear()  # what the old one did not know the new one may

    def count_from(self, name: str, labels: Labels, read: Gauge) -> None:
        """A counter of COUNTERS that is kept elsewhere, and read from there."""
        self._elsewhere.append((name, labels, read))

    def lag(self, seconds: float) -> None:
        """The event loop was late by that."""
        self._observe("loop_lag_seconds", (), seconds)

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
        if facts.overhead_s is not None:
            self._observe("overhead_seconds", (route,), facts.overhead_s)

    def operation(self, record: SpendRecord) -> None:
        """Count a video that was settled."""
        self._spent(record, self._model(record.provider or "", record.model))

    def refused(self, method: str, refusal: Refusal) -> None:
        """Count a request that came to no route, or was let in by no key or limit."""
        self._count("requests", ("none", _method(method), f"{refusal.status // 100}xx", "none", "gateway"), 1)
        self._count("refusals", (refusal.reason.name,), 1)

    def snapshot(self) -> dict[str, Any]:
        """The numbers as JSON, for another worker's page."""
        counters = {
            name: [[*labels, value] for labels, value in found.items()] for name, found in self.counters.items()
        }
        for name, labels, read in (*self._tallied(), *self._elsewhere):
            counters[name].append([*labels, read()])
        return {
            "counters": counters,
            "histograms": {
                name: [[*labels, one.counts, one.total] for labels, one in found.items()]
                for name, found in self.histograms.items()
            },
            "gauges": {"in_flight": self.in_flight, "live_sessions": self.live_sessions},
        }

    def _tallied(self) -> Iterable[tuple[str, Labels, Gauge]]:
        tally = self.tally
        for how in ("opened", "reused", "refused"):
            yield "upstream_connections", (how,), lambda how=how: getattr(tally, how)
        yield "token_renewals", ("ok",), lambda: tally.renewed
        yield "token_renewals", ("failed",), lambda: tally.not_renewed

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
            found = self.histograms[name][labels] = Histogram(HISTOGRAMS[name][2])
        found.observe(seconds)

    def _model(self, provider: str, model: str | None) -> str:
        """The price book's name of a model: what clients make up shares one, and so do the versions of a model."""
        if model is None:
            return "none"
        found = self._names.get((provider, model))
        if found is None:
            entry = self._book.entry(provider, model)
            found = OTHER if entry is None else entry.name.rpartition("/")[2]
            if len(self._names) >= _MOST_NAMES:  # made up by clients: none of them may stay in the way
                self._names.clear()
            self._names[provider, model] = found
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
    "upstream_connections": (
        "Exchanges' connections to providers: opened, reused for a further exchange, or refused.",
        ("how",),
    ),
    "token_renewals": ("Tokens that were got from Google, or not.", ("result",)),
    "spend_lost": ("Spend records that could not be written.", ()),
    "log_lines_dropped": ("Log lines for which there was no time.", ()),
    "live_messages": ("Messages of Live sessions, by who sent them.", ("route", "sender")),
    "live_closes": ("Live sessions that are over, by close code.", ("route", "code", "outcome")),
}
HISTOGRAMS: Final[Mapping[str, tuple[str, Labels, tuple[float, ...]]]] = {
    "seconds": ("Seconds of an HTTP exchange from its head to its last byte.", ("route",), BUCKETS),
    "first_byte_seconds": ("Seconds from a request's head to the head of its answer.", ("route",), BUCKETS),
    "overhead_seconds": (
        "Seconds of those in which the gateway did not wait for the provider.",
        ("route",),
        FINE_BUCKETS,
    ),
    "loop_lag_seconds": ("By how much the event loop was late, at each look.", (), FINE_BUCKETS),
}
GAUGES: Final[Mapping[str, str]] = {
    "in_flight": "Requests and sessions under way.",
    "live_sessions": "Live sessions under way.",
    "spend_waiting": "Spend records that wait for the disk.",
    "spend_store_down": "1 while the last try to write spend records failed.",
    "jobs_pending": "Videos that are under way.",
}


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
