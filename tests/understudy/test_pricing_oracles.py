"""Partners, caches, videos, pictures and fees beside slow oracles in fractions, from the text of pricing 7 to 16."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.caches import cost_of_cache
from understudy.pricing.cost import Cost
from understudy.pricing.exchanges import cost_of
from understudy.pricing.videos import cost_of_videos
from understudy.usage.operations import VeoRequest
from understudy.usage.reading import CacheReading, Grounding, Reading
from understudy.usage.tokens import Form

DAY = date(2026, 11, 21)
TINY = Fraction(1, 10**45)

prices = st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-9))
counts = st.integers(0, 150_000)


def table(keys):
    """Prices under some of these keys; the first two always."""
    return st.fixed_dictionaries(dict.fromkeys(keys[:2], prices), optional=dict.fromkeys(keys[2:], prices))


def book(values, name="vertex_ai/m") -> PriceBook:
    return PriceBook.from_layers([Layer("drawn", {name: values}, strict=True)])


def priced(values, form, usage, **more) -> Cost:
    return cost_of(book(values), "vertex_ai", "m", Reading(usage, form=form, **more), method="rawPredict", date=DAY)


CLAUDE = (
    *("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"),
    *("cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr"),
    *("input_cost_per_token_above_200k_tokens", "output_cost_per_token_above_200k_tokens"),
)


@given(table(CLAUDE), counts, counts, counts, counts, counts, st.integers(0, 3))
def test_claude(values, fresh, hits, short, hour, answer, searches):
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": hits,
        "cache_creation_input_tokens": short + hour,
        "cache_creation.ephemeral_1h_input_tokens": hour,
        "output_tokens": answer,
        "server_tool_use.web_search_requests": searches,
    }
    is_long = fresh + hits + short + hour > 200_000

    def rate(key):
        name = key + "_above_200k_tokens" if is_long and key + "_above_200k_tokens" in values else key
        return None if name not in values else Fraction(values[name])

    bill = [
        (fresh, rate("input_cost_per_token")),
        (answer, rate("output_cost_per_token")),
        (hits, rate("cache_read_input_token_cost") or _input_if_none(values, rate)),
        (short, rate("cache_creation_input_token_cost")),
        (hour, rate("cache_creation_input_token_cost_above_1hr")),
        (searches, Fraction(1, 100)),
    ]
    found = priced(values, Form.CLAUDE, usage).total
    if any(count and price is None for count, price in bill):
        assert found is None
    else:
        assert found is not None
        assert Fraction(found) == sum((count * (price or 0) for count, price in bill), Fraction(0))


def _input_if_none(values, rate):
    """A price of zero is a price; only a missing one falls back."""
    return Fraction(0) if "cache_read_input_token_cost" in values else rate("input_cost_per_token")


@given(table(CLAUDE[:3]), counts, counts, counts, counts)
def test_openais_shape(values, text, cached, answer, outside):
    usage = {
        "prompt_tokens": text + cached,
        "prompt_tokens_details.cached_tokens": cached,
        "completion_tokens": answer,
        "total_tokens": text + cached + answer + outside,
    }
    price = {key: Fraction(value) for key, value in values.items()}
    hit = price.get("cache_read_input_token_cost", price["input_cost_per_token"])
    wanted = text * price["input_cost_per_token"] + cached * hit
    wanted += (answer + outside) * price["output_cost_per_token"]
    found = priced(values, Form.OPENAI, usage).total
    assert found is not None
    assert Fraction(found) == wanted


@given(prices, prices, st.integers(0, 10**7), st.integers(0, 10**12))
def test_caches(rate, storage, tokens, microseconds):
    start = datetime(2026, 11, 21, tzinfo=UTC)
    end = start + timedelta(microseconds=microseconds)
    times = [f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}000Z" for at in (start, end)]
    values = {"input_cost_per_token": rate, "cache_storage_cost_per_token_per_hour": storage}
    reading = CacheReading("cachedContents/c", "m", tokens, *times)
    found = cost_of_cache(book(values, "gemini/m"), "gemini", "", reading, date=DAY, ended=times[1]).total
    hours = Fraction(microseconds, 3600 * 10**6)
    assert found is not None
    assert abs(Fraction(found) - tokens * (Fraction(rate) + hours * Fraction(storage))) < TINY


VEO = (
    *("output_cost_per_second", "input_cost_per_token", "output_cost_per_second_1080p", "output_cost_per_second_4k"),
    *("output_cost_per_second_without_audio", "output_cost_per_second_1080p_without_audio"),
)


@given(
    table(VEO),
    st.sampled_from(["gemini", "vertex_ai"]),
    st.decimals(1, 60, places=3),
    st.sampled_from(["720p", "1080p", "4k"]),
    st.booleans(),
    st.integers(0, 4),
)
def test_videos(values, provider, seconds, resolution, has_sound, delivered):
    request = VeoRequest(seconds, resolution, has_sound, 4)
    found = cost_of_videos(book(values, f"{provider}/m"), provider, "m", request, delivered, date=DAY).total
    silent = provider == "vertex_ai" and not has_sound
    base = "output_cost_per_second"
    names = [f"{base}_{resolution}_without_audio", f"{base}_without_audio"] if silent else []
    rate = next(Fraction(values[name]) for name in (*names, f"{base}_{resolution}", base) if name in values)
    assert found is not None
    assert Fraction(found) == Fraction(seconds) * rate * delivered


@given(prices, st.integers(0, 50), st.integers(0, 50))
def test_pictures(price, delivered, filtered):
    usage = {"pictures": delivered, "filtered": filtered}
    found = priced({"output_cost_per_image": price}, Form.PREDICTION, usage).total
    assert found is not None
    assert Fraction(found) == delivered * Fraction(price)


@given(prices, prices, st.booleans(), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_grounding(search, maps, per_query, queries, map_queries, has_maps):
    values = {
        "input_cost_per_token": 0,
        "search_context_cost_per_query": search,
        "google_maps_grounding_cost_per_query": maps,
        "web_search_billing_unit": "per_query" if per_query else "per_prompt",
    }
    wanted = (queries if per_query else min(1, queries)) * Fraction(search)
    if has_maps:
        wanted += (max(1, map_queries) if per_query else 1) * Fraction(maps)
    grounding = Grounding(queries, map_queries if has_maps else 0, has_maps)
    found = priced(values, Form.GENERATE, {"promptTokenCount": 1}, grounding=grounding).total
    assert found is not None
    assert Fraction(found) == wanted


def test_an_answer_that_delivers_no_picture_has_no_line():
    assert priced({"output_cost_per_image": 1}, Form.PREDICTION, {"pictures": 0, "filtered": 2}) == Cost()
