"""What is counted of exchanges: one object for all that have a label in common, and plain numbers in it. Pure.

An exchange finds its object once and adds to it; labels and sums in Prometheus' form are made when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from understudy.pricing.cost import ZERO
from understudy.usage.meters import Unit

from .spend.record import SpendRecord

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
"""Upper bounds in seconds; a Live session lasts longer, and is not counted among them."""

FINE_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""The same for what the gateway itself takes."""

Counted = tuple[str, tuple[str, ...], float]
"""A counter's name, its labels and its number."""

_TOKEN: Final = Unit.TOKEN


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


@dataclass(slots=True)
class OfRoute:
    """Bytes and seconds of one route's exchanges."""

    route: str
    request_bytes: int = 0
    response_bytes: int = 0
    seconds: Histogram = field(default_factory=Histogram)
    first_byte: Histogram = field(default_factory=Histogram)
    overhead: Histogram = field(default_factory=lambda: Histogram(FINE_BUCKETS))

    def carried(self, facts: Facts) -> None:
        """Count the bytes of an exchange or session."""
        self.request_bytes += facts.request_bytes
        self.response_bytes += facts.response_bytes

    def took(self, facts: Facts) -> None:
        """Count the seconds of an exchange."""
        self.seconds.observe(facts.seconds)
        if facts.first_byte_s is not None:
            self.first_byte.observe(facts.first_byte_s)
        if facts.overhead_s is not None:
            self.overhead.observe(facts.overhead_s)

    def counters(self) -> Iterator[Counted]:
        """What it has counted."""
        yield "bytes", (self.route, "request"), self.request_bytes
        yield "bytes", (self.route, "response"), self.response_bytes

    def histograms(self) -> Iterator[tuple[str, tuple[str, ...], Histogram]]:
        """Those that a value is in, by the names of their families."""
        families = {
            "seconds": self.seconds,
            "first_byte_seconds": self.first_byte,
            "overhead_seconds": self.overhead,
        }
        for name, histogram in families.items():
            if any(histogram.counts):
                yield name, (self.route,), histogram


@dataclass(slots=True)
class _OfPart:
    """The cost of one part of the bill, and its tokens if it is told in tokens."""

    cost: Decimal = ZERO
    tokens: Decimal | None = None


@dataclass(slots=True)
class OfModel:
    """What one model's exchanges on one route cost: exact until somebody asks, since floats are slower to add."""

    route: str
    model: str
    unknown: int = 0
    _parts: dict[str, _OfPart] = field(default_factory=dict[str, _OfPart])

    def spent(self, record: SpendRecord) -> None:
        """Count what an exchange, session or operation cost."""
        if record.known == "unknown":
            self.unknown += 1
        for line in record.lines:
            part = self._parts.get(line.part)
            if part is None:
                part = self._parts[line.part.value] = _OfPart()
            part.cost += line.amount
            if line.unit == _TOKEN:
                part.tokens = line.quantity if part.tokens is None else part.tokens + line.quantity

    def counters(self) -> Iterator[Counted]:
        """What it has counted."""
        if self.unknown:
            yield "cost_unknown", (self.route, self.model), self.unknown
        for name, part in self._parts.items():
            yield "cost", (self.route, self.model, name), float(part.cost)
            if part.tokens is not None:
                yield "tokens", (self.route, self.model, name), float(part.tokens)


@dataclass(slots=True)
class Way:
    """The exchanges of one way: of a route and a model, and with the rest of what tells requests apart in `labels`."""

    labels: tuple[str, ...]
    route: OfRoute
    model: OfModel
    requests: int = 0
