"""The checks of costs on books made by hand, and their literals against the frozen price book."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from understudy import library, price_books
from understudy.conformance.books import cost_by
from understudy.conformance.catalogue import Pair
from understudy.conformance.cost import CHECKS
from understudy.conformance.model import Ask, Books, Case, Figure, Probe
from understudy.conformance.runner import judged as verdict_on
from understudy.conformance.target import CostSource, Target
from understudy.messages import Chunk, Exchange, Request, Response, Transcript
from understudy.pricing.cost import Known
from understudy.pricing.explain import explain
from understudy.scenario.model import Reply, Stream, StreamChunk

BY_ID = {check.id: check for check in CHECKS}
LINES = Target("lines", frozenset({"cost"}), cost=CostSource("json-lines", file="x"))
HEADER = Target("header", frozenset({"cost"}), cost=CostSource("header"))
FREE = {"COST-1/count-tokens-free", "COST-5/errors-free", "COST-9/refused-video-free"}
EXACT = sorted(set(BY_ID) - FREE - {"COST-1/library", "COST-4/unknown-model", "COST-6/interrupted-stream"})


def probe_of(id: str) -> Probe:
    return BY_ID[id].probes[0]


def judged(id: str, *figures: Figure, target: Target = LINES, expected: Decimal | None = None) -> list[str]:
    probe = probe_of(id) if BY_ID[id].probes else probe_of("COST-1/unary")
    wanted = probe.scenario.expect.cost if expected is None else expected
    case = Case(probe, target, books=Books(figures), expected=wanted)
    return [finding.message for finding in BY_ID[id].judge(case)]


def amount(value: str | Decimal | None, is_estimated: bool = False) -> Figure:
    return Figure("r-1", None if value is None else Decimal(value), is_estimated)


def wanted(id: str) -> Decimal:
    cost = probe_of(id).scenario.expect.cost
    assert cost is not None
    return cost


@pytest.mark.parametrize("id", EXACT)
def test_what_was_booked_must_be_the_sum_exactly(id):
    cost = wanted(id)
    assert judged(id, amount(cost)) == []
    assert judged(id, amount(cost / 2), amount("0"), amount(cost / 2)) == []
    assert judged(id, amount(cost + Decimal("1e-12"))) == ["The cost is wrong."]
    assert judged(id, amount(cost), amount(cost)) == ["The cost is wrong."]
    assert judged(id, amount("0")) == ["The cost is wrong."]
    assert judged(id, amount(cost), amount(None)) == ["The cost is called unknown."]
    assert judged(id) == ["No figure was found within 3 s."]


@pytest.mark.parametrize("id", sorted(FREE))
def test_what_is_free_may_be_booked_with_0_or_not_at_all(id):
    assert judged(id) == judged(id, amount("0")) == []
    assert judged(id, amount("0.000001")) == ["What is free was billed."]
    assert judged(id, amount(None)) == ["The cost of what is free is called unknown."]


def test_the_library_is_judged_by_what_it_expects():
    assert judged("COST-1/library", amount("0.0000524")) == []
    assert judged("COST-1/library", amount("0")) == ["The cost is wrong."]
    assert judged("COST-1/library", expected=Decimal(0)) == []
    assert judged("COST-1/library", amount("1"), expected=Decimal(0)) == ["What is free was billed."]
    fits = BY_ID["COST-1/library"].fits
    assert fits is not None and all(fits(scenario) for scenario in library.load_all() if scenario.client)


def test_a_case_without_an_expected_cost_is_no_verdict():
    """A price book that does not know the model must neither pass nor fail a gateway."""
    case = Case(probe_of("COST-1/unary"), LINES, books=Books((amount("1"),)))
    with pytest.raises(ValueError, match="names no cost"):
        list(BY_ID["COST-1/unary"].judge(case))


def test_an_unknown_model_has_no_cost():
    id = "COST-4/unknown-model"
    assert judged(id, amount(None)) == []
    assert judged(id, amount("0")) == judged(id, amount("0.1")) == ["A model without a price was given a cost."]
    assert judged(id) == ["No figure was found within 3 s."]
    assert judged(id, target=HEADER) == []
    assert judged(id, amount("0"), target=HEADER) == ["A model without a price was given a cost."]


def test_a_stream_that_was_cut_short_is_no_exact_cost():
    id = "COST-6/interrupted-stream"
    assert judged(id, amount("0.0000099", True)) == judged(id, amount(None)) == []
    assert judged(id, amount("0.0000099")) == [
        "The cost of a stream that was cut short is passed off as exact.",
    ]
    assert judged(id, amount("0", True)) == ["A stream that was cut short is booked as free."]
    assert judged(id) == ["No figure was found within 3 s."]


def test_a_missing_figure_is_a_timeout():
    case = Case(probe_of("COST-1/unary"), LINES, books=Books(), expected=Decimal(1))
    [finding] = BY_ID["COST-1/unary"].judge(case)
    assert finding.is_timeout


def test_every_check_needs_the_books():
    assert all(check.needs_books and check.features == ("cost",) for check in CHECKS)


# -- the literals


def body_of(probe: Probe) -> tuple[bytes, str]:
    """What the provider answers, and its type."""
    match probe.scenario.server[0]:
        case Reply(payload=payload):
            return payload.fill({}), "application/json"
        case Stream(parts=parts):
            events = [part.payload.fill({}) for part in parts if isinstance(part, StreamChunk)]
            return b"".join(b"data: " + event + b"\r\n\r\n" for event in events), "text/event-stream"
        case step:
            raise AssertionError(step)


def asks_of(id: str) -> list[Ask]:
    return [move for move in probe_of(id).moves or () if isinstance(move, Ask)]


HTTP = [id for id in EXACT if asks_of(id) and id != "COST-7/gzip"]


@pytest.mark.parametrize("id", HTTP)
def test_the_literals_are_what_the_frozen_book_says(id):
    probe = probe_of(id)
    body, kind = body_of(probe)
    method = "streamGenerateContent" if kind == "text/event-stream" else "generateContent"
    book, provider = price_books.price_book("frozen"), probe.surface.provider
    cost = explain(book, provider, probe.scenario.model, method, body, kind, date=date(2026, 11, 21))
    assert cost.known is Known.EXACT and cost.total == probe.scenario.expect.cost


def test_the_cost_by_another_book_is_worked_out_from_the_wire():
    probe = probe_of("COST-3/long-context")
    body, _ = body_of(probe)
    [ask] = asks_of("COST-3/long-context")
    response = Response(200, ((b"Content-Type", b"application/json"),), (Chunk(body, 1.0),))
    upstream = Transcript((Exchange(0, Request("POST", ask.path, (), ask.body), response, 0.0, 1.0),))
    assert cost_by(price_books.price_book("frozen"), probe, upstream) == wanted("COST-3/long-context")
    shipped = cost_by(price_books.price_book("shipped"), probe, upstream)
    assert shipped == Decimal("0.6265")  # 250000 x 0.0000025 + 100 x 0.000015


def test_a_compressed_answer_has_a_cost_by_another_book_too():
    probe = probe_of("COST-7/gzip")
    [reply] = probe.scenario.server
    assert isinstance(reply, Reply)
    for body, cost in ((reply.payload.fill({}), wanted("COST-7/gzip")), (b"\x1f\x8bno", None)):
        response = Response(200, reply.headers, (Chunk(body, 1.0),))
        upstream = Transcript((Exchange(0, Request("POST", asks_of("COST-7/gzip")[0].path, ()), response, 0.0, 1.0),))
        assert cost_by(price_books.price_book("shipped"), probe, upstream) == cost


def test_what_the_price_book_does_not_know_is_skipped():
    check = BY_ID["COST-8/live-vertex"]
    [probe] = check.probes
    target = replace(LINES, features=frozenset({"cost", "vertex-live"}))
    case = Case(probe, target, books=Books((amount("1"),)))
    assert verdict_on(Pair(check, probe), target, case).status == "skipped"
    known = verdict_on(Pair(check, probe), target, replace(case, expected=Decimal(1)))
    assert known.status == "passed"


def test_a_model_of_nobody_is_in_no_book():
    model = probe_of("COST-4/unknown-model").scenario.model
    assert all(price_books.price_book(name).entry("gemini", model) is None for name in ("frozen", "shipped"))


def test_the_interrupted_stream_is_played_both_ways():
    provider, client = BY_ID["COST-6/interrupted-stream"].probes
    assert client.moves is not None and isinstance(client.moves[0], Ask) and client.moves[0].leaves == "mid-answer"
    assert provider != replace(client, settle_s=provider.settle_s)
