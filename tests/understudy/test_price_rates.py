"""Rates by hand: each rule of pricing 2, 5 and 17 with its sum written out, and what holds of all of them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.price_books import price_book
from understudy.pricing.book import Entry, Layer, PriceBook
from understudy.pricing.cost import ARITHMETIC, plain
from understudy.pricing.rates import Rates, Tier, uplift_of
from understudy.pricing.vocabulary import UPLIFT, known_keys, priced_by, unit_of
from understudy.usage.meters import Direction, Meter, Modality

TEXT_IN = Meter(Direction.INPUT, Modality.TEXT)
TEXT_OUT = Meter(Direction.OUTPUT, Modality.TEXT)
CACHED = Meter(Direction.CACHED, Modality.TEXT)
CACHED_AUDIO = Meter(Direction.CACHED, Modality.AUDIO)
THOUGHTS = Meter(Direction.THOUGHTS, Modality.TEXT)
TOOL_AUDIO = Meter(Direction.TOOL, Modality.AUDIO)
AUDIO_IN, IMAGE_IN, VIDEO_IN = (Meter(Direction.INPUT, m) for m in (Modality.AUDIO, Modality.IMAGE, Modality.VIDEO))
AUDIO_OUT, IMAGE_OUT, VIDEO_OUT = (Meter(Direction.OUTPUT, m) for m in (Modality.AUDIO, Modality.IMAGE, Modality.VIDEO))
LONG = 200_001


def entry(**values) -> Entry:
    return PriceBook.from_layers([Layer("test", {"vertex_ai/m": values}, strict=True)]).demanded("vertex_ai", "m")


def bill(priced: Entry, used: dict[Meter, int], tier=Tier.STANDARD, prompt=0, location=None) -> str:
    """The sum over meters of count x rate."""
    rates = Rates(priced, tier, prompt, location)
    total = Decimal(0)
    for meter, count in used.items():
        rate = rates.rate(meter)
        assert rate is not None
        total = ARITHMETIC.add(total, ARITHMETIC.multiply(rate, Decimal(count)))
    return plain(total)


# ---- section 2: every key of the table


MEDIA = {
    "input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6",
    "input_cost_per_audio_token": "3e-6", "input_cost_per_image_token": "4e-6", "input_cost_per_video_token": "5e-6",
    "output_cost_per_audio_token": "6e-6", "output_cost_per_image_token": "7e-6", "output_cost_per_video_token": "8e-6",
    "output_cost_per_reasoning_token": "9e-6",
    "cache_read_input_token_cost": "1e-7", "cache_read_input_audio_token_cost": "3e-7",
}  # fmt: skip


def test_2_text_tokens():
    # 10 x 0.000001 + 4 x 0.000002
    assert bill(entry(**MEDIA), {TEXT_IN: 10, TEXT_OUT: 4}) == "0.000018"


def test_2_tokens_of_each_modality_have_their_own_rates():
    # 1 x 0.000003 + 2 x 0.000004 + 3 x 0.000005 + 4 x 0.000006 + 5 x 0.000007 + 6 x 0.000008
    used = {AUDIO_IN: 1, IMAGE_IN: 2, VIDEO_IN: 3, AUDIO_OUT: 4, IMAGE_OUT: 5, VIDEO_OUT: 6}
    assert bill(entry(**MEDIA), used) == "0.000133"


def test_2_a_modality_without_a_key_has_the_text_rate():
    short = entry(input_cost_per_token="1e-6", output_cost_per_token="2e-6")
    # (1 + 2 + 3) x 0.000001 + (4 + 5 + 6) x 0.000002
    assert bill(short, {AUDIO_IN: 1, IMAGE_IN: 2, VIDEO_IN: 3, AUDIO_OUT: 4, IMAGE_OUT: 5, VIDEO_OUT: 6}) == "0.000036"


def test_2_thinking_has_a_key_or_the_output_rate():
    assert bill(entry(**MEDIA), {THOUGHTS: 7}) == "0.000063"  # 7 x 0.000009
    assert bill(entry(output_cost_per_token="2e-6"), {THOUGHTS: 7}) == "0.000014"  # 7 x 0.000002


def test_2_cached_tokens_have_keys_or_the_modalitys_input_rate():
    # 10 x 0.0000001 + 10 x 0.0000003
    assert bill(entry(**MEDIA), {CACHED: 10, CACHED_AUDIO: 10}) == "0.000004"
    without = {key: value for key, value in MEDIA.items() if not key.startswith("cache")}
    # 10 x 0.000001 + 10 x 0.000003
    assert bill(entry(**without), {CACHED: 10, CACHED_AUDIO: 10}) == "0.00004"


def test_2_cached_audio_without_a_key_of_its_own_has_the_cache_rate():
    # 10 x 0.0000001
    assert (
        bill(entry(input_cost_per_token="1e-6", cache_read_input_token_cost="1e-7"), {CACHED_AUDIO: 10}) == "0.000001"
    )


def test_2_tool_results_have_the_input_rate_of_their_modality():
    assert bill(entry(**MEDIA), {TOOL_AUDIO: 5}) == "0.000015"  # 5 x 0.000003


@pytest.mark.parametrize(
    ("key", "price", "count", "expected"),
    [
        ("cache_creation_input_token_cost", "3.75e-6", 100, "0.000375"),  # 100 x 0.00000375
        ("cache_creation_input_token_cost_above_1hr", "6e-6", 100, "0.0006"),  # 100 x 0.000006
        ("input_cost_per_character", "1.25e-7", 80, "0.00001"),  # 80 x 0.000000125
        ("output_cost_per_character", "3.75e-7", 8, "0.000003"),  # 8 x 0.000000375
        ("input_cost_per_audio_per_second", "2e-6", 3, "0.000006"),  # 3 x 0.000002
        ("output_cost_per_audio_per_second", "4e-6", 3, "0.000012"),  # 3 x 0.000004
        ("input_cost_per_video_per_second", "0.002", 12, "0.024"),  # 12 x 0.002
        ("input_cost_per_video_per_second_above_8s_interval", "0.001", 12, "0.012"),  # 12 x 0.001
        ("input_cost_per_second", "0.00005", 60, "0.003"),  # 60 x 0.00005
        ("input_cost_per_image", "0.0001", 3, "0.0003"),  # 3 x 0.0001
        ("output_cost_per_image", "0.04", 2, "0.08"),  # 2 x 0.04
        ("output_cost_per_second", "0.4", 8, "3.2"),  # 8 x 0.4
        ("output_cost_per_second_1080p", "0.4", 8, "3.2"),  # 8 x 0.4
        ("output_cost_per_second_4k", "0.6", 8, "4.8"),  # 8 x 0.6
        ("output_cost_per_second_without_audio", "0.2", 8, "1.6"),  # 8 x 0.2
        ("output_cost_per_second_1080p_without_audio", "0.1", 8, "0.8"),  # 8 x 0.1
        ("search_context_cost_per_query", "0.014", 3, "0.042"),  # 3 x 0.014
        ("google_maps_grounding_cost_per_query", "0.025", 2, "0.05"),  # 2 x 0.025
        ("cache_storage_cost_per_token_per_hour", "4.5e-6", 1000, "0.0045"),  # 1000 token-hours x 0.0000045
        ("input_cost_per_query", "0.001", 4, "0.004"),  # 4 x 0.001
        ("ocr_cost_per_page", "0.0005", 4, "0.002"),  # 4 x 0.0005
    ],
)
def test_2_every_other_price_is_found_by_its_key(key, price, count, expected):
    for value in (price, Decimal(price)):  # as text and as a number
        rate = Rates(entry(**{key: value}), Tier.STANDARD, 0, None).price(key)
        assert rate is not None
        assert plain(ARITHMETIC.multiply(rate, Decimal(count))) == expected


def test_2_the_medium_size_of_search_context_counts():
    sizes = {"search_context_size_low": "0.01", "search_context_size_medium": "0.035", "search_context_size_high": "1"}
    assert entry(search_context_cost_per_query=sizes).price("search_context_cost_per_query") == Decimal("0.035")


def test_2_zero_is_a_price_and_null_is_none():
    found = entry(input_cost_per_token=0, output_cost_per_token=None, mode="chat", max_input_tokens=9)
    assert bill(found, {TEXT_IN: 10}) == "0"  # 10 x 0
    assert Rates(found, Tier.STANDARD, 0, None).rate(TEXT_OUT) is None
    assert (found.word("mode"), found.price("max_input_tokens")) == ("chat", 9)


# ---- section 5: long context


PRO = {
    "input_cost_per_token": "1.25e-6", "input_cost_per_token_above_200k_tokens": "2.5e-6",
    "output_cost_per_token": "1e-5", "output_cost_per_token_above_200k_tokens": "1.5e-5",
    "cache_read_input_token_cost": "1.25e-7", "cache_read_input_token_cost_above_200k_tokens": "2.5e-7",
    "output_cost_per_reasoning_token": "2e-5", "input_cost_per_audio_token": "3e-6",
}  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        # 200000 itself is short: 1 x 0.00000125 + 1 x 0.000000125 + 1 x 0.00001 + 1 x 0.00002
        (200_000, "0.000031375"),
        # all of it moves: 1 x 0.0000025 + 1 x 0.00000025 + 1 x 0.000015 + 1 x 0.000015
        (200_001, "0.00003275"),
    ],
)
def test_5_strictly_above_the_threshold_the_whole_request_moves(prompt, expected):
    assert bill(entry(**PRO), {TEXT_IN: 1, CACHED: 1, TEXT_OUT: 1, THOUGHTS: 1}, prompt=prompt) == expected


def test_5_a_modality_key_without_a_long_variant_stays():
    assert bill(entry(**PRO), {AUDIO_IN: 10}, prompt=LONG) == "0.00003"  # 10 x 0.000003


def test_5_of_several_thresholds_the_longest_that_is_passed_counts():
    prices = entry(input_cost_per_token=1, input_cost_per_token_above_128k_tokens=2, input_cost_per_token_above_200k_tokens=4)  # fmt: skip # noqa: E501
    found = [bill(prices, {TEXT_IN: 3}, prompt=prompt) for prompt in (128_000, 128_001, 200_000, 200_001)]
    assert found == ["3", "6", "6", "12"]  # 3 x 1, 3 x 2, 3 x 2, 3 x 4
    assert prices.thresholds == (128_000, 200_000)


def test_5_characters_move_above_128k_too():
    prices = entry(input_cost_per_character="1e-8", input_cost_per_character_above_128k_tokens="2e-8")
    found = [
        Rates(prices, Tier.STANDARD, prompt, None).price("input_cost_per_character") for prompt in (128_000, 128_001)
    ]
    assert found == [Decimal("1e-8"), Decimal("2e-8")]


# ---- section 5: tiers, rule by rule


TIERED = PRO | {
    "input_cost_per_token_flex": "6e-7", "input_cost_per_token_batches": "5e-7",
    "input_cost_per_token_priority": "2.25e-6",
    "output_cost_per_token_batches": "4e-6", "output_cost_per_token_above_200k_tokens_priority": "3e-5",
    "input_cost_per_token_above_200k_tokens_batches": "1e-6",
    "output_cost_per_image_token": "1e-4",
    "output_cost_per_audio_token": "5e-5", "output_cost_per_audio_token_flex": "1e-5",
    "input_cost_per_audio_token_batches": "1e-6",
}  # fmt: skip


@pytest.mark.parametrize(
    ("tier", "used", "expected"),
    [
        (Tier.PRIORITY, {TEXT_IN: 10}, "0.0000225"),  # B_priority: 10 x 0.00000225
        (Tier.FLEX, {TEXT_IN: 10}, "0.000006"),  # B_flex: 10 x 0.0000006
        (Tier.FLEX, {TEXT_OUT: 10}, "0.00004"),  # no B_flex, so B_batches: 10 x 0.000004
        (Tier.BATCH, {TEXT_IN: 10}, "0.000005"),  # B_batches: 10 x 0.0000005
        (Tier.PRIORITY, {TEXT_OUT: 10}, "0.0001"),  # neither, so B: 10 x 0.00001
        (Tier.BATCH, {CACHED: 10}, "0.00000125"),  # neither, so B: 10 x 0.000000125
    ],
)
def test_5_rule_1_short_context(tier, used, expected):
    assert bill(entry(**TIERED), used, tier, prompt=200_000) == expected


@pytest.mark.parametrize(
    ("tier", "used", "expected"),
    [
        (Tier.PRIORITY, {TEXT_OUT: 10}, "0.0003"),  # B_above_L_priority: 10 x 0.00003
        (Tier.FLEX, {TEXT_IN: 10}, "0.00001"),  # no B_above_L_flex, so B_above_L_batches: 10 x 0.000001
        (Tier.BATCH, {TEXT_IN: 10}, "0.00001"),  # B_above_L_batches: 10 x 0.000001
        (Tier.PRIORITY, {TEXT_IN: 10}, "0.000045"),  # 10 x 0.0000025 x (0.00000225 / 0.00000125) = 10 x 0.0000025 x 1.8
        (Tier.FLEX, {TEXT_OUT: 10}, "0.00006"),  # 10 x 0.000015 x (0.000004 / 0.00001) = 10 x 0.000015 x 0.4
        (Tier.BATCH, {TEXT_OUT: 10}, "0.00006"),  # 10 x 0.000015 x (0.000004 / 0.00001)
        (Tier.FLEX, {CACHED: 10}, "0.0000025"),  # no short tier key: the ratio is 1, 10 x 0.00000025
    ],
)
def test_5_rule_2_long_context_keeps_the_tiers_short_ratio(tier, used, expected):
    assert bill(entry(**TIERED), used, tier, prompt=LONG) == expected


@pytest.mark.parametrize(
    ("tier", "used", "expected"),
    [
        (Tier.FLEX, {AUDIO_OUT: 10}, "0.0001"),  # Q_flex: 10 x 0.00001
        (Tier.FLEX, {AUDIO_IN: 10}, "0.00001"),  # no Q_flex, so Q_batches: 10 x 0.000001
        (Tier.BATCH, {IMAGE_OUT: 10}, "0.0004"),  # Q x (B_batches / B): 10 x 0.0001 x (0.000004 / 0.00001)
        (Tier.BATCH, {AUDIO_OUT: 10}, "0.0002"),  # 10 x 0.00005 x 0.4
        (Tier.PRIORITY, {AUDIO_IN: 10}, "0.000054"),  # 10 x 0.000003 x (0.00000225 / 0.00000125)
        (Tier.PRIORITY, {IMAGE_OUT: 10}, "0.001"),  # output has no short priority key: 10 x 0.0001
    ],
)
def test_5_rule_3_a_modality_moves_as_its_text_rate_does(tier, used, expected):
    assert bill(entry(**TIERED), used, tier) == expected


def test_5_rule_2_holds_for_a_modality_that_has_a_long_key_and_a_short_tier_key():
    audio = {"input_cost_per_audio_token": 4, "input_cost_per_audio_token_above_200k_tokens": 8}
    found = entry(**audio, input_cost_per_audio_token_flex=1, input_cost_per_token=2, input_cost_per_token_flex=1)
    assert bill(found, {AUDIO_IN: 10}, Tier.FLEX, LONG) == "20"  # 10 x 8 x (1 / 4), and not x (1 / 2)


def test_2_cache_writes_of_an_hour_have_a_long_variant_of_their_own():
    hour = "cache_creation_input_token_cost_above_1hr"
    found = entry(**{hour: "6e-6", f"{hour}_above_200k_tokens": "1.2e-5", f"{hour}_batches": "3e-6"})
    rates = [
        Rates(found, tier, prompt, None).price(hour) for tier in (Tier.STANDARD, Tier.BATCH) for prompt in (0, LONG)
    ]
    # B, B_above_L, B_batches, B_above_L x (0.000003 / 0.000006)
    assert rates == [Decimal("6e-6"), Decimal("1.2e-5"), Decimal("3e-6"), Decimal("6e-6")]


def test_5_flex_and_batch_halve_pictures_and_speech_of_the_shipped_book():
    image = price_book().demanded("gemini", "gemini-2.5-flash-image")
    # 1290 x 0.00003, and half of it
    assert (bill(image, {IMAGE_OUT: 1290}), bill(image, {IMAGE_OUT: 1290}, Tier.BATCH)) == ("0.0387", "0.01935")


def test_5_long_flex_of_the_shipped_book_is_half_of_the_long_rate():
    pro = price_book().demanded("gemini", "gemini-2.5-pro")
    # 300000 x 0.0000025 + 1000 x 0.000015 = 0.765, and half of it
    used = {TEXT_IN: 300_000, TEXT_OUT: 1000}
    assert [bill(pro, used, tier, 300_000) for tier in (Tier.STANDARD, Tier.FLEX, Tier.BATCH)] == [
        "0.765",
        "0.3825",
        "0.3825",
    ]


def test_5_thinking_follows_output_once_tier_or_length_apply_unless_its_own_key_says_otherwise():
    plainly = entry(**TIERED)
    assert bill(plainly, {THOUGHTS: 10}) == "0.0002"  # 10 x 0.00002
    assert bill(plainly, {THOUGHTS: 10}, Tier.FLEX) == "0.00004"  # output's flex rate: 10 x 0.000004
    assert bill(plainly, {THOUGHTS: 10}, prompt=LONG) == "0.00015"  # output's long rate: 10 x 0.000015
    own = entry(**TIERED, output_cost_per_reasoning_token_flex="1e-6", output_cost_per_reasoning_token_above_200k_tokens="8e-6")  # fmt: skip # noqa: E501
    assert bill(own, {THOUGHTS: 10}, Tier.FLEX) == "0.00001"  # 10 x 0.000001
    assert bill(own, {THOUGHTS: 10}, prompt=LONG) == "0.00008"  # 10 x 0.000008
    assert bill(own, {THOUGHTS: 10}, Tier.FLEX, LONG) == "0.00006"  # output's: 10 x 0.000015 x 0.4


def test_5_a_long_key_of_other_tiers_alone_does_not_count():
    found = entry(input_cost_per_token=2, input_cost_per_token_above_200k_tokens_batches=1)
    assert [bill(found, {TEXT_IN: 3}, tier, LONG) for tier in (Tier.STANDARD, Tier.PRIORITY, Tier.BATCH)] == [
        "6",
        "6",
        "3",
    ]


def test_5_a_base_rate_of_zero_has_no_ratio():
    found = entry(input_cost_per_token=0, input_cost_per_token_flex=0, input_cost_per_token_above_200k_tokens=2)
    assert bill(found, {TEXT_IN: 3}, Tier.FLEX, LONG) == "6"  # 3 x 2


def test_5_provisioned_throughput_is_paid_for_already():
    assert bill(entry(**TIERED), {TEXT_IN: 10, AUDIO_OUT: 10}, Tier.PREPAID) == "0"
    assert Rates(entry(**TIERED), Tier.PREPAID, 0, None).price("output_cost_per_image") == 0


# ---- section 17: regions and dates


REGIONAL = {
    "input_cost_per_token": "1.5e-6", "output_cost_per_token": "7.5e-6", "output_cost_per_image": "0.04",
    "cache_storage_cost_per_token_per_hour": "1e-6", "search_context_cost_per_query": "0.014",
    "regional_endpoint_uplift_multiplier": "1.1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("global", "0.00525"),  # 1000 x 0.0000015 + 500 x 0.0000075
        (None, "0.00525"),
        ("", "0.00525"),
        ("us-central1", "0.005775"),  # 0.00525 x 1.1
        ("us", "0.005775"),
        ("eu", "0.005775"),
    ],
)
def test_17_regions_raise_token_prices(location, expected):
    assert bill(entry(**REGIONAL), {TEXT_IN: 1000, TEXT_OUT: 500}, location=location) == expected


def test_17_an_entry_without_the_key_has_no_uplift():
    prices = {key: value for key, value in REGIONAL.items() if key != UPLIFT}
    assert bill(entry(**prices), {TEXT_IN: 1000, TEXT_OUT: 500}, location="eu") == "0.00525"


def test_17_the_uplift_comes_after_tier_and_length():
    # 10 x 0.000015 x (0.000004 / 0.00001) x 1.1
    assert (
        bill(entry(**TIERED, regional_endpoint_uplift_multiplier="1.1"), {TEXT_OUT: 10}, Tier.FLEX, LONG, "eu")
        == "0.000066"
    )


@pytest.mark.parametrize("model", ["gemini-3.6-flash", "gemini-3.7-flash", "gemini-3.8-flash"])
def test_17_the_announced_doubling(model):
    flash = price_book().demanded("vertex_ai", model)
    used = {TEXT_IN: 1000, CACHED: 1000, TEXT_OUT: 1000}
    # 1000 x 0.00000075 + 1000 x 0.000000075 + 1000 x 0.00000375, then 1000 x (0.0000015 + 0.00000015 + 0.0000075)
    days = (date(2026, 12, 31), date(2027, 1, 1), date(2030, 1, 1))
    assert [bill(flash.on(day), used) for day in days] == ["0.004575", "0.00915", "0.00915"]
    # and in Europe: 0.00915 x 1.1
    assert bill(flash.on(days[1]), used, location="europe-west4") == "0.010065"


# ---- what holds of all


amount = st.integers(0, 999).map(lambda n: Decimal(n).scaleb(-8))
all_prices = st.dictionaries(
    st.sampled_from(sorted(key for key in known_keys() if priced_by(key) and key != UPLIFT)), amount
)
any_meter = st.builds(Meter, st.sampled_from(Direction), st.sampled_from(Modality))
any_prompt = st.sampled_from([0, 128_000, 128_001, 200_000, 200_001])
factors = st.integers(100, 200).map(lambda n: Decimal(n) / 100)


@given(all_prices, factors, any_meter, st.sampled_from(Tier), any_prompt)
def test_the_uplift_multiplies_token_prices_and_nothing_else(prices, factor, meter, tier, prompt):
    raised = entry(**prices, regional_endpoint_uplift_multiplier=factor)
    here, there = Rates(raised, tier, prompt, "eu"), Rates(raised, tier, prompt, "global")
    rate = there.rate(meter)
    assert here.rate(meter) == (None if rate is None else ARITHMETIC.multiply(rate, factor))
    for key in prices:
        price = there.price(key)
        assert price is not None
        expected = ARITHMETIC.multiply(price, factor) if unit_of(key) == "USD per token" else price
        assert here.price(key) == expected


@given(
    all_prices,
    st.lists(st.tuples(any_meter, st.sampled_from(Tier), any_prompt, st.sampled_from([None, "eu"])), max_size=8),
)
def test_a_rate_is_the_same_whatever_was_asked_before(prices, asked):
    warm = entry(**prices, regional_endpoint_uplift_multiplier="1.1")
    for meter, tier, prompt, location in asked:
        cold = entry(**prices, regional_endpoint_uplift_multiplier="1.1")
        assert Rates(warm, tier, prompt, location).rate(meter) == Rates(cold, tier, prompt, location).rate(meter)


def test_what_is_kept_with_an_entry_is_bounded_by_the_entry_and_not_by_what_is_asked():
    found = entry(**TIERED, regional_endpoint_uplift_multiplier="1.1")
    for prompt in range(0, 400_000, 997):
        for tier in Tier:
            for location in (None, "eu", f"region-{prompt}"):
                Rates(found, tier, prompt, location).rate(TEXT_IN)
    assert len(found.tables) == 2 * len(Tier) * 2  # short and long, each tier, with and without uplift


DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 1))
changes = st.dictionaries(
    DAYS, st.dictionaries(st.sampled_from(["input_cost_per_token", "output_cost_per_token"]), amount)
)


@given(st.randoms(use_true_random=False), amount, changes, DAYS)
def test_dated_prices_are_a_step_function(order, base, dated, day):
    listed = [{"effective_from": start, **values} for start, values in dated.items()]
    order.shuffle(listed)  # the order in the file does not matter
    found = entry(input_cost_per_token=base, price_changes=listed)
    told = [
        (start, values["input_cost_per_token"])
        for start, values in sorted(dated.items())
        if "input_cost_per_token" in values
    ]
    expected = next((price for start, price in reversed(told) if start <= day), base)
    assert found.on(day).price("input_cost_per_token") == expected
    steps = {start for start, _ in told}
    before, after = found.on(day - timedelta(1)), found.on(day)
    if day not in steps:
        assert before.price("input_cost_per_token") == after.price("input_cost_per_token")
    assert found.on(day) is found.on(day)  # worked out once


def test_the_uplift_of_a_place():
    found = entry(**REGIONAL)
    assert [uplift_of(found, place) for place in (None, "", "global", "Global", "eu")] == [
        None,
        None,
        None,
        None,
        Decimal("1.1"),
    ]
