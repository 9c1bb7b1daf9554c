"""Numbers that are kept per way, route and model make the same counters as one count of each label would."""

import itertools
import math
from collections import Counter
from decimal import Decimal
from typing import get_args

from gateway_stand import BOOK
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from test_gateway_spend import RECORD

from understudy.pricing.cost import Part, line_of
from understudy.usage.meters import Unit
from understudy_gateway.counts import BUCKETS, FINE_BUCKETS, Facts
from understudy_gateway.metrics import Metrics
from understudy_gateway.spend.record import Outcome, SpendRecord

MODELS = {"gemini-2.5-flash": "gemini-2.5-flash", "gemini-2.5-flash@001": "gemini-2.5-flash", "mine": "other"}
ORIGINS = {"client_abort": "client", "rejected": "gateway", "upstream_abort": "provider", "timeout": "provider"}

amounts = st.decimals(0, 1000, places=9)
lines = st.builds(
    lambda part, quantity, unit, price: line_of(part, "x", quantity, unit, price),
    *(st.sampled_from(Part), st.integers(0, 10**6), st.sampled_from([Unit.TOKEN, "token", "second"]), amounts),
)
records = st.builds(
    lambda **words: changed(RECORD, **words),
    route=st.sampled_from(["gemini", "vertex_ai"]),
    provider=st.just("gemini"),
    model=st.sampled_from([*MODELS, None]),
    status=st.sampled_from([101, 200, 201, 404, 503]),
    outcome=st.sampled_from(get_args(Outcome)),
    known=st.sampled_from(["exact", "unknown"]),
    kind=st.sampled_from(["exchange", "session", "operation"]),
    lines=st.lists(lines, max_size=3).map(tuple),
)
seconds = st.floats(0, 1000)
facts = st.builds(
    Facts,
    *(seconds, st.none() | seconds, st.none() | seconds),
    *([st.integers(0, 10**9)] * 4),
    close_code=st.sampled_from([None, 1000, 4999]),
)
methods = st.sampled_from(["GET", "POST", "BREW"])


class Plainly:
    """Every label of every record is counted for itself; money exactly."""

    def __init__(self) -> None:
        self.numbers: Counter[tuple[str, ...]] = Counter()
        self.money: dict[tuple[str, ...], Decimal] = {}
        self.times: dict[tuple[str, ...], list[float]] = {}

    def spent(self, record: SpendRecord) -> None:
        model = MODELS.get(record.model or "", "none")
        if record.known == "unknown":
            self.numbers["cost_unknown", record.route, model] += 1
        for line in record.lines:
            for name, amount in (("cost", line.amount), ("tokens", line.quantity)):
                if name == "cost" or line.unit == "token":
                    key = (name, record.route, model, line.part.value)
                    self.money[key] = self.money.get(key, Decimal(0)) + amount

    def booked(self, method: str, record: SpendRecord, seen: Facts) -> None:
        self.spent(record)
        route, status = record.route, f"{record.status // 100}xx"
        origin = ORIGINS.get(record.outcome) or ("none" if record.status < 400 else "provider")
        known = method if method != "BREW" else "other"
        self.numbers["requests", route, known, status, MODELS.get(record.model or "", "none"), origin] += 1
        self.numbers["bytes", route, "request"] += seen.request_bytes
        self.numbers["bytes", route, "response"] += seen.response_bytes
        if record.kind == "session":
            self.numbers["live_messages", route, "client"] += seen.client_messages
            self.numbers["live_messages", route, "server"] += seen.server_messages
            if record.status == 101:
                code = {None: "none", 1000: "1000", 4999: "other"}[seen.close_code]
                self.numbers["live_closes", route, code, record.outcome] += 1
            return
        times = {"seconds": seen.seconds, "first_byte_seconds": seen.first_byte_s, "overhead_seconds": seen.overhead_s}
        for name, value in times.items():
            if value is not None:
                self.times.setdefault((name, route), []).append(value)


@given(st.lists(st.tuples(methods, records, facts), max_size=30))
def test_counters_are_those_of_each_label_for_itself(ended: list[tuple[str, SpendRecord, Facts]]):
    # OBS-4
    assert_counted(ended)


def test_no_two_ways_are_taken_for_one():
    words = itertools.product(("gemini", "vertex_ai"), (200, 404), (*MODELS, None), get_args(Outcome))
    told = [
        changed(RECORD, route=route, provider="gemini", status=status, model=model, outcome=outcome)
        for route, status, model, outcome in words
    ]
    assert_counted([(method, record, Facts(0.1)) for record in told for method in ("GET", "POST", "BREW")])


def assert_counted(ended: list[tuple[str, SpendRecord, Facts]]) -> None:
    """Count what has ended both ways, and compare every number of the snapshot."""
    metrics, plainly = Metrics(BOOK), Plainly()
    for method, record, seen in ended:
        if record.kind == "operation":
            metrics.operation(record)
            plainly.spent(record)
        else:
            metrics.booked(method, record, seen)
            plainly.booked(method, record, seen)
    snapshot = metrics.snapshot()
    found = {(name, *labels): value for name, rows in snapshot["counters"].items() for *labels, value in rows}
    ours = {key: value for key, value in found.items() if key[0] not in ("upstream_connections", "token_renewals")}
    assert ours == dict(plainly.numbers) | {key: float(sum_) for key, sum_ in plainly.money.items()}
    rows = {(name, row[0]): row[1:] for name, rows in snapshot["histograms"].items() for row in rows}
    assert set(rows) == set(plainly.times)
    for (name, route), (counts, total) in rows.items():
        values = plainly.times[name, route]
        bounds = (*(FINE_BUCKETS if name == "overhead_seconds" else BUCKETS), math.inf)
        below = [sum(value <= bound for value in values) for bound in bounds]
        assert [sum(counts[: place + 1]) for place in range(len(counts))] == below
        assert math.isclose(total, sum(values), rel_tol=1e-9, abs_tol=1e-9)


def test_a_snapshot_stays_as_it_was_while_more_is_counted():
    metrics = Metrics(BOOK)
    record = changed(RECORD, provider="gemini")
    metrics.booked("POST", record, Facts(0.1))
    before = metrics.snapshot()
    metrics.booked("POST", record, Facts(0.1))
    assert sum(before["histograms"]["seconds"][0][1]) == 1
    assert before["counters"]["requests"][0][-1] == 1
