"""What the gateway counts (OBS-4): plain numbers on the hot path, which are made into a Prometheus page when asked for.

Labels take configured and known values alone, so that no client can make the page grow (S-12). Pure; the page itself
is made in `metrics_page`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from understudy.pricing.book import PriceBook

from .counts import BUCKETS, FINE_BUCKETS, Counted, Facts, Histogram, OfModel, OfRoute, Way
from .refusals import Refusal
from .spend.record import SpendRecord
from .tally import Tally

OTHER: Final = "other"
_MOST_KNOWN: Final = 1000
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLOSE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), 4001, 4002})

Labels = tuple[str, ...]
Gauge = Callable[[], float]


class Metrics:
    """The numbers of this process. Called on the event loop alone.

    `tally` is counted elsewhere; so is what `count_from` names. Both are read when somebody asks.
    """

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self.tally: Final = Tally()
        self._elsewhere: list[tuple[str, Labels, Gauge]] = []
        self._known: dict[tuple[object, ...], Way] = {}
        self._ways: dict[Labels, Way] = {}
        self._routes: dict[str, OfRoute] = {}
        self._models: dict[Labels, OfModel] = {}
        self._counters: dict[str, dict[Labels, float]] = {name: {} for name in COUNTERS}
        self._lag = Histogram(FINE_BUCKETS)
        self.in_flight = 0
        self.live_sessions = 0

    @property
    def book(self) -> PriceBook:
        """The prices, whose models stand in the labels."""
        return self._book

    @book.setter
    def book(self, book: PriceBook) -> None:
        self._book = book
        self._known.clear()  # what the old one did not know the new one may

    def count_from(self, name: str, labels: Labels, read: Gauge) -> None:
        """A counter of COUNTERS that is kept elsewhere, and read from there."""
        self._elsewhere.append((name, labels, read))

    def lag(self, seconds: float) -> None:
        """The event loop was late by that."""
        self._lag.observe(seconds)

    def booked(self, method: str, record: SpendRecord, facts: Facts) -> None:
        """Count an exchange or session that is over."""
        key = (method, record.route, record.status, record.provider, record.model, record.outcome)
        way = self._known.get(key) or self._way(key, method, record)
        way.requests += 1
        way.route.carried(facts)
        way.model.spent(record)
        if record.kind == "session":
            self._session(record, facts)
        else:
            way.route.took(facts)

    def _way(self, key: tuple[object, ...], method: str, record: SpendRecord) -> Way:
        """The way of a record, which is found by `key` the next time."""
        model = self._of_model(record)
        labels = (record.route, _method(method), f"{record.status // 100}xx", model.model, _origin(record))
        way = self._ways.get(labels)
        if way is None:
            way = self._ways[labels] = Way(labels, self._of_route(record.route), model)
        if len(self._known) >= _MOST_KNOWN:  # names that clients make up: none of them may stay in the way
            self._known.clear()
        self._known[key] = way
        return way

    def _of_route(self, route: str) -> OfRoute:
        found = self._routes.get(route)
        if found is None:
            found = self._routes[route] = OfRoute(route)
        return found

    def _of_model(self, record: SpendRecord) -> OfModel:
        labels = (record.route, self._model(record.provider or "", record.model))
        found = self._models.get(labels)
        if found is None:
            found = self._models[labels] = OfModel(*labels)
        return found

    def _session(self, record: SpendRecord, facts: Facts) -> None:
        route = record.route
        self._count("live_messages", (route, "client"), facts.client_messages)
        self._count("live_messages", (route, "server"), facts.server_messages)
        if record.status == 101:
            self._count("live_closes", (route, _code(facts.close_code), record.outcome), 1)

    def operation(self, record: SpendRecord) -> None:
        """Count a video that was settled."""
        self._of_model(record).spent(record)

    def refused(self, method: str, refusal: Refusal) -> None:
        """Count a request that came to no route, or was let in by no key or limit."""
        self._count("requests", ("none", _method(method), f"{refusal.status // 100}xx", "none", "gateway"), 1)
        self._count("refusals", (refusal.reason.name,), 1)

    @property
    def counters(self) -> dict[str, dict[Labels, float]]:
        """All counters as they are now, by family and labels."""
        found = {name: dict(numbers) for name, numbers in self._counters.items()}
        for name, labels, number in self._counted():
            found[name][labels] = found[name].get(labels, 0) + number
        return found

    @property
    def histograms(self) -> dict[str, dict[Labels, Histogram]]:
        """All histograms that a value is in, by family and labels."""
        found: dict[str, dict[Labels, Histogram]] = {name: {} for name in HISTOGRAMS}
        for route in self._routes.values():
            for name, labels, histogram in route.histograms():
                found[name][labels] = histogram
        if any(self._lag.counts):
            found["loop_lag_seconds"][()] = self._lag
        return found

    def snapshot(self) -> dict[str, Any]:
        """The numbers as JSON, for another worker's page."""
        return {
            "counters": {
                name: [[*labels, value] for labels, value in found.items()] for name, found in self.counters.items()
            },
            "histograms": {
                name: [[*labels, list(one.counts), one.total] for labels, one in found.items()]
                for name, found in self.histograms.items()
            },
            "gauges": {"in_flight": self.in_flight, "live_sessions": self.live_sessions},
        }

    def _counted(self) -> Iterator[Counted]:
        for way in self._ways.values():
            yield "requests", way.labels, way.requests
        for counts in (*self._routes.values(), *self._models.values()):
            yield from counts.counters()
        tally = self.tally
        for how in ("opened", "reused", "refused"):
            yield "upstream_connections", (how,), getattr(tally, how)
        yield "token_renewals", ("ok",), tally.renewed
        yield "token_renewals", ("failed",), tally.not_renewed
        for name, labels, read in self._elsewhere:
            yield name, labels, read()

    def _count(self, name: str, labels: Labels, amount: float) -> None:
        found = self._counters[name]
        found[labels] = found.get(labels, 0) + amount

    def _model(self, provider: str, model: str | None) -> str:
        """The price book's name of a model: what clients make up shares one, and so do the versions of a model."""
        if model is None:
            return "none"
        entry = self._book.entry(provider, model)
        return OTHER if entry is None else entry.name.rpartition("/")[2]


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
    "tasks": "Tasks of the event loop; of a gateway with one worker.",
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
