"""The gateway's books as a stranger reads them, and what the wire says that things cost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from understudy.conformance.books import LinesFile, cost_by, figures_in_headers, ids_of, operation_names
from understudy.conformance.model import Ask, Asked, Books, Figure
from understudy.conformance.probes import ANSWER, GENERATE, compact, http_probe, library_probe
from understudy.conformance.target import CostSource
from understudy.errors import ConfigError
from understudy.library import load
from understudy.messages import Chunk, Exchange, Frame, Request, Response, Session, Transcript
from understudy.price_books import price_book
from understudy.pricing.book import Layer, PriceBook
from understudy.surfaces import Surface

SOURCE = CostSource("json-lines")


def source(path: Path) -> CostSource:
    return CostSource("json-lines", file=str(path))


def answered(status: int = 200, body: bytes = b"", path: str = GENERATE, **headers: str) -> Exchange:
    fields = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    response = Response(status, fields, (Chunk(body, 0.0),))
    return Exchange(0, Request("POST", path, ()), response, 0.0, 1.0)


def asked(exchange: Exchange) -> Asked:
    return Asked(Ask(exchange.request.target), exchange.request.target, exchange)


def test_lines_are_read_as_the_file_grows(tmp_path: Path):
    path = tmp_path / "spend.jsonl"
    lines = LinesFile(source(path))
    assert lines.figures(["a"]) == ()
    path.write_text('{"id": "a", "cost": "0.0000524", "known": "exact"}\n{"id": "b", "co')
    assert lines.figures(["a", "b"]) == (Figure("a", Decimal("0.0000524")),)
    with path.open("a") as file:
        file.write('st": null}\n{"id": "a", "cost": 0.1}\n')
    assert lines.figures(["b", "a"]) == (
        Figure("b", None),
        Figure("a", Decimal("0.0000524")),
        Figure("a", Decimal("0.1")),
    )


def test_lines_are_read_once_however_many_ask_at_the_same_time(tmp_path: Path):
    path = tmp_path / "spend.jsonl"
    # A line that takes a while to read, so that all are reading at once.
    path.write_text("x" * 50_000_000 + "\n" + "".join(f'{{"id": "{number}", "cost": "1"}}\n' for number in range(8)))
    lines = LinesFile(source(path))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lines.figures, [[str(number)] for number in range(8)]))
    assert found == [(Figure(str(number), Decimal(1)),) for number in range(8)]


def test_lines_that_are_none_are_passed_over(tmp_path: Path):
    path = tmp_path / "spend.jsonl"
    path.write_text('garbage\n[1]\n{"cost": "1"}\n{"id": "a", "cost": "much"}\n{"id": "a", "cost": true}\n')
    assert LinesFile(source(path)).figures(["a"]) == (Figure("a", None), Figure("a", None))


@pytest.mark.parametrize("amount", ['"NaN"', '"Infinity"', '"sNaN"', '"1_0"', '" 1"', '"0x1"'])
def test_an_odd_amount_is_none(tmp_path: Path, amount: str):
    path = tmp_path / "spend.jsonl"
    path.write_text(f'{{"id": "a", "cost": {amount}}}\n')
    assert LinesFile(source(path)).figures(["a"]) == (Figure("a", None),)


def test_an_estimate_is_marked(tmp_path: Path):
    path = tmp_path / "spend.jsonl"
    path.write_text('{"id": "a", "cost": "1", "known": "estimated"}\n')
    assert LinesFile(source(path)).figures(["a"])[0].is_estimated


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        LinesFile(source(tmp_path)).figures(["a"])


def test_an_unknown_figure_makes_the_sum_unknown():
    assert Books((Figure("a", Decimal(1)), Figure("b", Decimal("0.5")))).total == Decimal("1.5")
    assert Books((Figure("a", Decimal(1)), Figure("b", None))).total is None
    assert Books().total is None


def test_ids_come_from_the_answers():
    first, second = asked(answered(x_litellm_call_id="one")), asked(answered())
    assert ids_of([first, second, first], [], SOURCE) == ("one",)


def test_figures_in_headers():
    [figure] = figures_in_headers([asked(answered(x_litellm_response_cost="5.24e-05")), asked(answered())], SOURCE)
    assert figure.amount == Decimal("0.0000524")


def test_an_operation_is_an_entry_of_its_own():
    start = answered(body=b'{"name": "models/m/operations/o"}', path="/v1beta/models/m:predictLongRunning")
    broken = answered(body=b"no", path="/v1beta/models/m:predictLongRunning")
    assert operation_names(Transcript((start, broken, answered()))) == ("models/m/operations/o",)


@pytest.mark.parametrize("id", ["gemini/generate", "live/text-turn"])
def test_by_the_frozen_book_the_wire_says_what_the_literal_says(id: str):
    probe = library_probe(load(id))
    if probe.surface.is_live:
        usage = (
            b'{"usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 17,'
            b' "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],'
            b' "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 5}]}}'
        )
        session = Session(0, Request("GET", "/", ()), 101, (Frame("server", 2, usage, 0.0),), None, 0.0, 1.0)
        upstream = Transcript((), (session,))
    else:
        usage = {"promptTokenCount": 8, "candidatesTokenCount": 20, "totalTokenCount": 28}
        upstream = Transcript((answered(body=compact({**ANSWER, "usageMetadata": usage})),))
    assert cost_by(price_book("frozen"), probe, upstream) == probe.scenario.expect.cost


def test_a_refusal_costs_nothing_by_any_book():
    probe = http_probe("x", "x", Ask(GENERATE), expect={"cost": "0"})
    assert cost_by(price_book("shipped"), probe, Transcript((answered(429),))) == 0


def test_what_the_book_does_not_price_has_no_expected_cost():
    probe = http_probe("x", "x", Ask(GENERATE), model="no-such-model", expect={"cost": "1"})
    assert cost_by(price_book("shipped"), probe, Transcript((answered(body=compact(ANSWER)),))) is None


def test_a_video_is_priced_once_by_the_answer_that_says_it_is_done():
    probe = library_probe(load("veo/partly-filtered"))
    model = "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-generate-001"
    name = b'{"name": "models/m/operations/o"'
    asked_for = b'{"instances": [{}], "parameters": {"durationSeconds": 6, "sampleCount": 4}}'
    start = answered(body=name + b"}", path=f"{model}:predictLongRunning")
    start = replace(start, request=replace(start.request, body=asked_for))
    running = answered(body=name + b"}", path=f"{model}:fetchPredictOperation")
    videos = b'"response": {"videos": [{"gcsUri": "gs://b/1"}, {"gcsUri": "gs://b/2"}]}'
    done = answered(body=name + b', "done": true, ' + videos + b"}", path=f"{model}:fetchPredictOperation")
    # of 4 asked for 2 came: 2 x 6 seconds x 0.40, by either book
    for book in ("frozen", "shipped"):
        assert cost_by(price_book(book), probe, Transcript((start, running, done, done))) == Decimal("4.80")
    assert cost_by(price_book("shipped"), probe, Transcript((start, running))) is None


@pytest.mark.parametrize(("location", "tier", "cost"), [
    ("global", None, "0.000036"),  # 8 x 0.00000075 + 8 x 0.00000375
    ("us-central1", None, "0.0000396"),  # 1.1 times that
    ("global", "flex", "0.000018"),  # half
])  # fmt: skip
def test_place_and_tier_are_those_of_the_wire(location: str, tier: str | None, cost: str):
    probe = http_probe("x", "x", Ask(GENERATE), model="gemini-3.8-flash", surface=Surface.VERTEX, expect={"cost": "1"})
    usage = {"promptTokenCount": 8, "candidatesTokenCount": 8}
    path = f"/v1/projects/p/locations/{location}/publishers/google/models/gemini-3.8-flash:generateContent"
    said = tier or "standard"
    upstream = Transcript(
        (answered(body=compact({**ANSWER, "usageMetadata": usage}), path=path, x_gemini_service_tier=said),)
    )
    book = PriceBook.from_layers([Layer("test", PRICES)])
    assert cost_by(book, probe, upstream) == Decimal(cost)


PRICES = {
    "vertex_ai/gemini-3.8-flash": {
        "input_cost_per_token": "0.00000075",
        "output_cost_per_token": "0.00000375",
        "input_cost_per_token_flex": "0.000000375",
        "output_cost_per_token_flex": "0.000001875",
        "regional_endpoint_uplift_multiplier": "1.1",
    }
}
