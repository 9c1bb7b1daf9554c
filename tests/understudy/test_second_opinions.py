"""Other calculators' figures for the grid of `second_opinions`: where they differ from ours, the cause is known."""

from decimal import Decimal

import pytest

from second_opinions.causes import CAUSES, GENAI_PRICES, LITELLM
from second_opinions.grid import Case, answer_of, cases, details, our_cost, tokens
from second_opinions.measure import HEADING, PAGE, Agreement, compared, is_same, pinned, section
from understudy.price_books import price_book
from understudy.pricing.book import PriceBook

CALCULATORS = [GENAI_PRICES, LITELLM]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return price_book("shipped")


@pytest.fixture(scope="module")
def agreements(book: PriceBook) -> dict[str, Agreement]:
    return {who: compared(who, opinion, book) for who, opinion in pinned().items()}


def test_every_case_has_a_pinned_figure_and_an_exact_one_of_ours(book: PriceBook):
    ids = [case.id for case in cases()]
    for opinion in pinned().values():
        assert list(opinion.figures) == ids
    assert all(our_cost(book, case).total is not None for case in cases())


@pytest.mark.parametrize("who", CALCULATORS)
def test_most_agree(agreements: dict[str, Agreement], who: str):
    found = agreements[who]
    assert len(found.same) > 2 * len(found.different)


@pytest.mark.parametrize("who", CALCULATORS)
def test_every_difference_has_a_cause_and_every_cause_a_difference(agreements: dict[str, Agreement], who: str):
    different = agreements[who].different
    assert [one.case.id for one in different if not one.causes] == []
    assert set(CAUSES[who]) == {cause for one in different for cause in one.causes}


@pytest.mark.parametrize("who", CALCULATORS)
def test_read_as_they_read_it_our_engine_gives_their_figure(
    book: PriceBook, agreements: dict[str, Agreement], who: str
):
    tried = 0
    for one in agreements[who].different:
        case, changes = one.case, [cause.as_if for cause in one.causes]
        for change in changes:
            case = case if change is None else change(case)
        if None not in changes:
            tried += 1
            ours = our_cost(book, case).total
            assert is_same(ours, one.theirs), f"{case.id}: {ours}, not {one.theirs}"
    assert tried > 40


def test_where_a_cause_says_that_the_other_calculator_agrees_it_does(agreements: dict[str, Agreement]):
    agreed = {case.id for case in agreements[GENAI_PRICES].same}
    claimed = [
        one.case.id
        for one in agreements[LITELLM].different
        if any("genai-prices agrees with us" in cause.why for cause in one.causes)
    ]
    assert len(claimed) >= 7
    assert set(claimed) <= agreed


def test_the_page_says_what_was_measured():
    text = PAGE.read_text("utf-8")
    assert text[text.index(HEADING) :] == section()


@pytest.mark.parametrize(
    ("provider", "model", "cost"),
    [
        # Text 400 x input, audio 100 x input + 500 x cached, then 200 x output; Google's list prices in USD per 1M.
        # (400 x 0.25 + 100 x 0.50 + 500 x 0.05 + 200 x 1.50) / 1000000
        ("gemini", "gemini-3.1-flash-lite", "0.000475"),
        ("vertex_ai", "gemini-3.1-flash-lite-preview", "0.000475"),
        # (400 x 0.30 + 100 x 1.00 + 500 x 0.10 + 200 x 2.50) / 1000000
        ("vertex_ai", "gemini-2.5-flash-preview-09-2025", "0.00077"),
        # (400 x 0.10 + 100 x 0.30 + 500 x 0.03 + 200 x 0.40) / 1000000
        ("vertex_ai", "gemini-2.5-flash-lite-preview-09-2025", "0.000165"),
        # (400 x 0.10 + 100 x 0.70 + 500 x 0.175 + 200 x 0.40) / 1000000
        ("gemini", "gemini-2.0-flash", "0.0002775"),
    ],
)
def test_cached_audio_where_the_second_opinion_showed_our_prices_wrong(
    book: PriceBook, provider: str, model: str, cost: str
):
    usage = tokens(
        *(1000, 200),
        cachedContentTokenCount=500,
        promptTokensDetails=details(TEXT=400, AUDIO=600),
        cacheTokensDetails=details(AUDIO=500),
    )
    case = Case(provider, model, "cached audio", body=answer_of(model, usage))
    assert our_cost(book, case).total == Decimal(cost)
