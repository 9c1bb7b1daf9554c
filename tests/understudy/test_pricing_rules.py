"""Costs by hand: each rule of pricing 3, 5 to 10, 17 and 18 with its sum written out, and an oracle in fractions."""

import base64
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import PriceError
from understudy.pricing.bills import dot_product
from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.cost import Cost, Known, Part, combined, dollars, lines_json, plain
from understudy.pricing.exchanges import cost_of
from understudy.pricing.explain import explain
from understudy.pricing.rates import Rates, Tier
from understudy.pricing.sessions import cost_of_session, cost_of_turn, session_log_line
from understudy.pricing.videos import cost_of_videos, reservation
from understudy.usage.live import LiveReader
from understudy.usage.meters import Direction, Meter, Modality, Usage
from understudy.usage.operations import VeoRequest
from understudy.usage.policies import Policies
from understudy.usage.reading import Grounding, Reading, UsageFold

DAY = date(2026, 11, 21)
PRICES = {
    "gemini/flash": {
        "input_cost_per_token": "3e-7",
        "input_cost_per_audio_token": "1e-6",
        "output_cost_per_token": "2.5e-6",
        "cache_read_input_token_cost": "3e-8",
    },
    "gemini/pro": {
        "input_cost_per_token": "1e-6",
        "input_cost_per_token_above_200k_tokens": "2e-6",
        "input_cost_per_token_priority": "1.8e-6",
        "input_cost_per_token_flex": "5e-7",
        "input_cost_per_image_token": "4e-6",
        "output_cost_per_token": "1e-5",
        "output_cost_per_token_above_200k_tokens": "1.5e-5",
        "output_cost_per_token_above_200k_tokens_priority": "3e-5",
        "output_cost_per_token_batches": "5e-6",
        "output_cost_per_audio_token": "2e-5",
        "output_cost_per_reasoning_token": "7e-6",
        "cache_read_input_token_cost": "1e-7",
        "cache_read_input_token_cost_above_200k_tokens": "2e-7",
        "cache_read_input_audio_token_cost": "3e-7",
        "cache_creation_input_token_cost": "1.25e-6",
        "cache_creation_input_token_cost_above_1hr": "2e-6",
    },
    "gemini/speech": {"mode": "audio_speech", "input_cost_per_token": 1, "output_cost_per_token": 2,
                      "output_cost_per_audio_token": 5},
    "gemini/half": {"input_cost_per_token": 1},
    "vertex_ai/regional": {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6",
                           "regional_endpoint_uplift_multiplier": "1.1",
                           "search_context_cost_per_query": {"search_context_size_medium": "0.014"},
                           "web_search_billing_unit": "per_query",
                           "price_changes": [{"effective_from": "2027-01-01", "input_cost_per_token": "3e-6"}]},
    "gemini/live": {"input_cost_per_token": "5e-7", "input_cost_per_audio_token": "3e-6",
                    "input_cost_per_video_token": "3e-6", "output_cost_per_token": "2e-6",
                    "output_cost_per_audio_token": "1.2e-5"},
    "gemini/clock": {"input_cost_per_audio_per_second": "0.001", "output_cost_per_second": "0.002"},
    "vertex_ai/live": {"input_cost_per_token": "5e-7", "input_cost_per_audio_token": "3e-6",
                       "output_cost_per_token": "2e-6", "output_cost_per_audio_token": "1.2e-5"},
    "gemini/veo": {"output_cost_per_second": "0.40", "output_cost_per_second_4k": "0.60"},
    "vertex_ai/veo": {"output_cost_per_second": "0.10", "output_cost_per_second_1080p": "0.12",
                      "output_cost_per_second_without_audio": "0.08",
                      "output_cost_per_second_1080p_without_audio": "0.11"},
    "gemini/gemini-2.5-x": {"input_cost_per_token": 0},
    "gemini/gemini-3.1-x": {"input_cost_per_token": 0},
    "gemini/gemini-2.5-y": {"input_cost_per_token": 0, "search_context_cost_per_query": "0.02",
                            "google_maps_grounding_cost_per_query": "0.03"},
}  # fmt: skip
BOOK = PriceBook.from_layers([Layer("test", PRICES, strict=True)])


def reading(usage=None, **more) -> Reading:
    fold = UsageFold()
    fold.take(usage)
    return Reading(usage=fold.merged, **more)


def cost(usage, model="flash", provider="gemini", method="generateContent", **more) -> Cost:
    terms = {
        k: more.pop(k)
        for k in tuple(more)
        if k in {"location", "status", "complete", "served_tier", "policies", "request"}
    }
    day = more.pop("date", DAY)
    return cost_of(BOOK, provider, model, reading(usage, **more), method=method, date=day, **terms)


def total(*arguments, **more) -> str:
    found = cost(*arguments, **more)
    assert found.total is not None, found.reason
    return plain(found.total)


def count(prompt=0, answer=0, **more):
    return {"promptTokenCount": prompt, "candidatesTokenCount": answer} | more


def modal(**counts):
    return [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items()]


def test_text_in_and_out():
    # 8 x 0.0000003 + 20 x 0.0000025
    assert total(count(8, 20)) == "0.0000524"


def test_lines_say_what_was_paid_and_sum_up():
    found = cost(count(8, 20, thoughtsTokenCount=4))
    assert lines_json(found.lines)[2] == {
        "part": "output",
        "what": "thinking",
        "quantity": "4",
        "unit": "token",
        "unit_price": "0.0000025",
        "amount": "0.00001",
    }
    # input 8 x 3e-7; output (20 + 4) x 2.5e-6
    assert (found.part(Part.INPUT), found.part(Part.OUTPUT)) == (Decimal("2.4e-6"), Decimal("6e-5"))


def test_3_5_input_by_modality_and_cached_at_its_own_rate():
    usage = count(100, promptTokensDetails=modal(TEXT=60, AUDIO=40), cachedContentTokenCount=50)
    # text 10 x 3e-7 + cached text 50 x 3e-8 + audio 40 x 1e-6
    assert total(usage) == "0.0000445"


def test_3_5_cached_audio_has_a_rate_of_its_own_or_the_cache_rate_or_the_ordinary_one():
    usage = count(10, promptTokensDetails=modal(AUDIO=10), cachedContentTokenCount=10)
    assert total(usage, "pro") == "0.000003"  # 10 x 3e-7
    assert total(usage, "flash") == "0.0000003"  # 10 x 3e-8
    assert total(usage, "live") == "0.00003"  # 10 x 3e-6: no cache key at all


def test_3_6_tool_use_is_input_and_free_when_grounded():
    usage = count(0, 0, toolUsePromptTokenCount=100)
    assert total(usage) == "0.00003"
    grounded = cost(usage, "gemini-2.5-x", grounding=Grounding(search_queries=1))
    assert [line.part for line in grounded.lines] == [Part.GROUNDING]


def test_3_7_speech_answers_without_details_are_audio():
    assert total(count(1, 3), "speech") == "16"  # 1 x 1 + 3 x 5


def test_3_8_thinking_has_its_own_rate_until_tier_or_length_apply():
    usage = {"thoughtsTokenCount": 10}
    assert total(usage, "pro") == "0.00007"  # 10 x 7e-6
    assert total(usage | {"serviceTier": "flex"}, "pro") == "0.00005"  # 10 x 5e-6
    # 200001 x 2e-6 + 10 x 1.5e-5
    assert total(usage | count(200_001), "pro") == "0.400152"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (200_000, "0.21"),  # 200000 x 1e-6 + 1000 x 1e-5
        (200_001, "0.415002"),  # 200001 x 2e-6 + 1000 x 1.5e-5
    ],
)
def test_5_long_context_moves_the_whole_request_strictly_above_its_threshold(prompt, expected):
    assert total(count(prompt, 1000), "pro") == expected


def test_5_cached_tokens_count_toward_the_prompt_and_move_with_it():
    # 1 x 2e-6 + 200000 x 2e-7
    assert total(count(200_001, cachedContentTokenCount=200_000), "pro") == "0.040002"


def test_5_long_output_does_not_move_anything():
    assert total(count(1, 300_000), "pro") == "3.000001"


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ({}, "0.000011"),
        ({"trafficType": "ON_DEMAND"}, "0.000011"),
        ({"serviceTier": "standard"}, "0.000011"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "0.0000118"),  # 1.8e-6 + 1e-5: output has no priority key
        ({"serviceTier": "flex"}, "0.0000055"),  # 5e-7 + 5e-6: output takes _batches
    ],
)
def test_5_tier_short(tier, expected):
    assert total(count(1, 1) | tier, "pro") == expected


def test_5_tier_long_keeps_the_short_ratio_where_it_has_no_key():
    long = count(300_000, 1000)
    # flex: 300000 x 2e-6 x 0.5 + 1000 x 1.5e-5 x 0.5
    assert total(long | {"serviceTier": "flex"}, "pro") == "0.3075"
    # priority: 300000 x 2e-6 x 1.8 + 1000 x 3e-5 (a key of its own)
    assert total(long | {"serviceTier": "priority"}, "pro") == "1.11"


def test_5_modality_rates_move_as_their_text_rate_does():
    usage = count(10, 10, promptTokensDetails=modal(IMAGE=10), candidatesTokensDetails=modal(AUDIO=10))
    assert total(usage, "pro") == "0.00024"  # 10 x 4e-6 + 10 x 2e-5
    assert total(usage | {"serviceTier": "flex"}, "pro") == "0.00012"
    long = usage | {"promptTokenCount": 200_010, "promptTokensDetails": modal(TEXT=200_000, IMAGE=10)}
    # 200000 x 2e-6 + 10 x 4e-6 + 10 x 2e-5: modality keys without an _above_ variant stay
    assert total(long, "pro") == "0.40024"


def test_5_the_tier_may_come_in_a_header_and_the_body_wins():
    assert total(count(1, 1), "pro", served_tier="flex") == "0.0000055"
    assert total(count(1, 1, serviceTier="standard"), "pro", served_tier="flex") == "0.000011"


def test_5_an_unknown_tier_is_priced_as_standard_with_a_remark():
    found = cost(count(1, 1, trafficType="ON_DEMAND_OFFPEAK"), "pro")
    assert (found.total, found.known, len(found.remarks)) == (Decimal("0.000011"), Known.EXACT, 1)


def test_5_provisioned_throughput_is_prepaid_but_grounding_is_not():
    usage = count(5, 5, trafficType="PROVISIONED_THROUGHPUT")
    assert total(usage, "pro") == "0"
    assert total(usage, "pro", policies=Policies(prepaid_is_free=False)) == "0.000055"
    assert total(usage, "gemini-2.5-x", grounding=Grounding(search_queries=2)) == "0.035"


def test_6_an_answer_that_ended_early_is_an_estimate_of_the_last_usage():
    for found in (cost(count(8, 20), complete=False), cost(count(8, 20), is_whole=False)):
        assert (found.total, found.known) == (Decimal("0.0000524"), Known.ESTIMATED)


@pytest.mark.parametrize(
    ("model", "grounding", "fee"),
    [
        ("gemini-2.5-x", Grounding(3), "0.035"),
        ("gemini-3.1-x", Grounding(3), "0.042"),
        ("gemini-2.5-y", Grounding(3), "0.02"),
        ("gemini-2.5-x", Grounding(0, 2, has_maps=True), "0.025"),
        ("gemini-2.5-y", Grounding(1, 0, has_maps=True), "0.05"),
        ("gemini-3.1-x", Grounding(0, 0, has_maps=True), "0.014"),
        ("gemini-3.1-x", Grounding(1, 2, has_maps=True), "0.042"),
        ("gemini-3.1-x", Grounding(), "0"),
    ],
)
def test_7_grounding_fees(model, grounding, fee):
    found = cost(count(5), model, grounding=grounding)
    assert (found.total, plain(found.part(Part.GROUNDING))) == (Decimal(fee), fee)


def test_17_a_region_raises_token_prices_and_not_fees():
    usage = count(1000, 1000)
    for location, expected in [("global", "0.003"), (None, "0.003"), ("us-central1", "0.0033"), ("eu", "0.0033")]:
        assert total(usage, "regional", "vertex_ai", location=location) == expected
    grounded = total(usage, "regional", "vertex_ai", location="eu", grounding=Grounding(search_queries=2))
    assert grounded == "0.0313"  # 0.0033 + 2 x 0.014


def test_17_announced_prices_count_from_their_day():
    usage = count(1000)
    assert total(usage, "regional", "vertex_ai", date=date(2026, 12, 31)) == "0.001"
    assert total(usage, "regional", "vertex_ai", date=date(2027, 1, 1)) == "0.003"


def test_18_of_a_blocked_prompt_only_input_is_billed():
    assert total(count(10, 99), is_blocked=True) == "0.000003"
    assert total({"trafficType": "ON_DEMAND"}, is_blocked=True) == "0"


def test_18_errors_and_free_methods_cost_nothing():
    assert cost(None, status=429, problem="not JSON") == Cost()
    assert total(count(10), status=500) == "0.000003"
    for method in ("countTokens", "list", "get", "predictLongRunning", "fetchPredictOperation"):
        assert cost(None, method=method) == Cost()


@pytest.mark.parametrize(
    ("arguments", "more", "reason"),
    [
        ((None,), {}, "the answer carried no usage"),
        (({"trafficType": "ON_DEMAND"},), {}, "the answer carried no usage"),
        ((None,), {"is_blocked": True}, "the answer carried no usage"),
        ((count(1), "nobody"), {}, "no price for gemini model 'nobody'"),
        ((count(1, 1), "half"), {}, "'gemini/half' has no price for output, text tokens"),
        ((count(1),), {"problem": "why"}, "why"),
        ((count(1),), {"method": "tune"}, "the cost of tune is not computed"),
        ((count(1),), {"method": "list"}, "the cost of list is not computed"),
    ],
)
def test_what_is_unknown_is_never_zero(arguments, more, reason):
    found = cost(*arguments, **more)
    assert (found.total, found.known, found.reason) == (None, Known.UNKNOWN, reason)


def test_the_models_version_in_the_answer_helps_where_the_path_does_not():
    assert total(count(10), "flash-latest", model_version="flash") == "0.000003"


def live(*server, provider="gemini", client=(), model="live"):
    reader = LiveReader(provider)
    for message in ({"setup": {"model": f"models/{model}"}}, *client):
        reader.client_message(json.dumps(message).encode())
    for message in server:
        reader.server_message(json.dumps(message).encode())
    return reader.finish()


def session_cost(session, provider="gemini"):
    return cost_of_session(BOOK, provider, session, date=DAY)


def test_8_the_turns_of_a_session_add_up():
    frames = [{"usageMetadata": {"promptTokenCount": n, "responseTokenCount": 4}} for n in (11, 30)]
    found = session_cost(live(*frames))
    # (11 + 30) x 5e-7 + (4 + 4) x 2e-6
    assert (found.total, found.known) == (Decimal("0.0000365"), Known.EXACT)
    assert len(found.lines) == 2


def test_8_vertex_names_audio_and_text():
    usage = {
        "promptTokenCount": 96,
        "candidatesTokenCount": 40,
        "promptTokensDetails": modal(TEXT=12, AUDIO=84),
        "candidatesTokensDetails": modal(AUDIO=40),
    }
    # 12 x 5e-7 + 84 x 3e-6 + 40 x 1.2e-5
    assert session_cost(live({"usageMetadata": usage}, provider="vertex_ai"), "vertex_ai").total == Decimal("0.000738")


def test_8_thoughts_are_text_output_outside_the_total():
    usage = {
        "promptTokenCount": 522,
        "responseTokenCount": 42,
        "thoughtsTokenCount": 136,
        "totalTokenCount": 564,
        "promptTokensDetails": modal(TEXT=332, AUDIO=165),
    }
    # (332 + 25) x 5e-7 + 165 x 3e-6 + (42 + 136) x 2e-6
    assert session_cost(live({"usageMetadata": usage})).total == Decimal("0.0010295")


def test_8_the_same_query_in_two_turns_costs_twice():
    found = {
        "serverContent": {"groundingMetadata": {"webSearchQueries": ["a"]}},
        "usageMetadata": {"promptTokenCount": 0},
    }
    assert session_cost(live(found, found, model="gemini-2.5-x")).total == Decimal("0.07")


def test_8_a_turn_can_be_priced_as_it_passes():
    session = live({"usageMetadata": {"promptTokenCount": 11, "responseTokenCount": 4}})
    priced = cost_of_turn(BOOK, "gemini", session.model, session.turns[0], date=DAY)
    assert priced.total == Decimal("0.0000135")
    assert cost_of_turn(BOOK, "gemini", None, session.turns[0], date=DAY).total is None


def sound(size):
    return {"mimeType": "audio/pcm", "data": base64.b64encode(bytes(size)).decode()}


SPOKEN = {
    "client": [
        {"realtimeInput": {"audio": sound(32_000)}},
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AA=="}}},
    ],
    "server": {"serverContent": {"modelTurn": {"parts": [{"inlineData": sound(72_000)}]}}},
}


def test_8_without_usage_media_are_estimated_unrounded():
    found = session_cost(live(SPOKEN["server"], client=SPOKEN["client"]))
    # 1 s x 25 x 3e-6 + 1 picture x 258 x 3e-6 + 1.5 s x 25 x 1.2e-5
    assert (found.total, found.known) == (Decimal("0.001299"), Known.ESTIMATED)


@pytest.mark.parametrize("usage", [{}, {"trafficType": "ON_DEMAND"}])
def test_8_usage_that_counts_nothing_is_no_usage(usage):
    found = session_cost(live(SPOKEN["server"] | {"usageMetadata": usage}, client=SPOKEN["client"]))
    assert (found.total, found.known) == (Decimal("0.001299"), Known.ESTIMATED)


def test_8_per_second_prices_count_only_without_token_prices():
    found = session_cost(live(SPOKEN["server"], client=SPOKEN["client"][:1], model="clock"))
    assert found.total == Decimal("0.004")  # 1 s x 0.001 + 1.5 s x 0.002
    assert session_cost(live(SPOKEN["server"], client=SPOKEN["client"], model="clock")).total is None


def test_8_with_usage_media_are_not_billed_again():
    usage = {"usageMetadata": {"promptTokenCount": 2}}
    assert session_cost(live(usage, SPOKEN["server"], client=SPOKEN["client"])).total == Decimal("0.000001")


def test_8_a_session_of_a_setup_alone_is_free_and_one_of_text_without_usage_unknown():
    assert session_cost(live({"setupComplete": {}})) == Cost()
    assert session_cost(live(client=[{"realtimeInput": {"text": "hi"}}])).known is Known.UNKNOWN
    assert session_cost(live(SPOKEN["server"], model="nobody")).reason == "no price for gemini model 'nobody'"


def test_one_unknown_turn_makes_the_session_unknown():
    frames = [{"usageMetadata": {"promptTokenCount": n}} for n in (1, "many")]
    assert session_cost(live(*frames)).total is None


def test_9_the_log_line():
    session = live(
        {"usageMetadata": {"promptTokenCount": 1600, "responseTokenCount": 217}, "serverContent": {}}, client=()
    )
    line = session_log_line(
        "vertex_ai", session_cost(session), tokens=session.tokens, characters=1200, duration_s=45.25
    )
    assert line == (
        "Vertex AI Live WebSocket session cost: $0.001234 (input: $0.000800, output: $0.000434) "
        "tokens: 1817, characters: 1200, duration: 45.3s"
    )


def test_9_the_log_line_with_grounding_and_of_the_gemini_api():
    found = {
        "serverContent": {"groundingMetadata": {"webSearchQueries": ["a"]}},
        "usageMetadata": {"promptTokenCount": 1},
    }
    line = session_log_line(
        "gemini", session_cost(live(found, model="gemini-2.5-x")), tokens=1, characters=0, duration_s=0
    )
    assert line == (
        "Gemini Live WebSocket session cost: $0.035000 (input: $0.000000, output: $0.000000, grounding: $0.035000) "
        "tokens: 1, characters: 0, duration: 0.0s"
    )


def test_9_an_unknown_cost_is_no_number():
    line = session_log_line("gemini", cost(None), tokens=3, characters=0, duration_s=1)
    assert line.startswith("Gemini Live WebSocket session cost: unknown (the answer carried no usage) tokens: 3")


def videos(provider="gemini", delivered=1, model="veo", **request):
    return cost_of_videos(BOOK, provider, model, VeoRequest(**request), delivered, date=DAY)


@pytest.mark.parametrize(
    ("provider", "request_", "delivered", "expected"),
    [
        ("gemini", {}, 1, "3.2"),  # 8 x 0.40
        ("gemini", {"seconds": Decimal("5.5")}, 2, "4.4"),  # 5.5 x 2 x 0.40
        ("gemini", {"resolution": "4k"}, 1, "4.8"),  # 8 x 0.60
        ("gemini", {"generate_audio": False}, 1, "3.2"),
        ("vertex_ai", {"resolution": "1080p"}, 1, "0.96"),  # 8 x 0.12
        ("vertex_ai", {"generate_audio": False}, 1, "0.64"),  # 8 x 0.08
        ("vertex_ai", {"generate_audio": False, "resolution": "1080p"}, 1, "0.88"),  # 8 x 0.11
        ("gemini", {}, 0, "0"),
    ],
)
def test_10_videos(provider, request_, delivered, expected):
    found = videos(provider, delivered, **request_).total
    assert found is not None
    assert plain(found) == expected


def test_10_a_video_without_a_price_is_unknown_and_no_video_is_free_all_the_same():
    assert videos(model="nobody").reason == "no price for gemini model 'nobody'"
    assert videos(model="flash").reason == "'gemini/flash' has no price for a second of video"
    assert videos(problem="unread").reason == "unread"
    assert videos(model="nobody", delivered=0) == Cost()


def test_10_a_reservation_is_an_estimate_for_all_samples():
    found = reservation(BOOK, "gemini", "veo", VeoRequest(sample_count=4), date=DAY)
    assert (found.total, found.known) == (Decimal("12.80"), Known.ESTIMATED)


def test_explanations_of_an_answer_a_request_and_a_session():
    def explained(model, method, body, kind="application/json"):
        return explain(BOOK, "gemini", model, method, body, kind, date=DAY).total

    assert explained("flash", "generateContent", b'{"usageMetadata":{"promptTokenCount":10}}') == Decimal("0.000003")
    assert explained("veo", "predictLongRunning", b"{}") == Decimal("3.2")
    frame = b'{"usageMetadata":{"promptTokenCount":11,"responseTokenCount":4}}\n'
    assert explained("live", "bidiGenerateContent", frame * 2) == Decimal("0.000027")
    with pytest.raises(PriceError, match="did you mean 'flash'"):
        explained("flush", "generateContent", b"")


@pytest.mark.parametrize(
    ("amount", "shown", "rounded"),
    [
        ("8.5E-6", "0.0000085", "0.000009"),
        ("0E-9", "0", "0.000000"),
        ("12E+2", "1200", "1200.000000"),
        ("1.50", "1.5", "1.500000"),
    ],
)
def test_amounts_as_text(amount, shown, rounded):
    assert (plain(Decimal(amount)), dollars(Decimal(amount))) == (shown, rounded)


def test_a_shown_total_is_the_rounded_exact_total():
    parts = [cost({"promptTokenCount": 1}), cost({"promptTokenCount": 1})]  # 3e-7 each
    assert dollars(combined(parts).total or Decimal()) == "0.000001"


meters = st.builds(Meter, st.sampled_from(Direction), st.sampled_from(Modality))
usages = st.dictionaries(meters, st.integers(1, 10**9)).map(Usage)
tiers, prompts = st.sampled_from(Tier), st.sampled_from([0, 200_000, 200_001])


@given(usages, usages, tiers, prompts, st.sampled_from([None, "eu"]))
def test_at_fixed_rates_a_sum_of_usages_costs_the_sum_and_never_less_than_nothing(a, b, tier, prompt, location):
    entry = BOOK.demanded("gemini", "pro")
    rates = Rates(entry, tier, prompt, location)
    one, two, both = (dot_product(usage, rates, "pro").total for usage in (a, b, a + b))
    assert one is not None
    assert two is not None
    assert both == one + two
    assert one >= 0
    assert dot_product(Usage(), rates, "pro") == Cost()


# The oracle: every token is a thing of its own, with a colour; it is looked at one by one, in fractions.

amounts = st.integers(0, 12)
split = st.dictionaries(st.sampled_from(["TEXT", "IMAGE", "VIDEO", "AUDIO"]), amounts, max_size=3)
tier_words = st.sampled_from(["", "standard", "flex", "priority"])
rate_keys = (
    *("input_cost_per_token", "output_cost_per_token", "input_cost_per_token_flex", "output_cost_per_token_batches"),
    *("input_cost_per_token_priority", "input_cost_per_audio_token", "output_cost_per_image_token"),
    *("input_cost_per_audio_token_flex", "cache_read_input_token_cost", "cache_read_input_audio_token_cost"),
    *(
        "output_cost_per_reasoning_token",
        "input_cost_per_token_above_1k_tokens",
        "output_cost_per_token_above_1k_tokens",
    ),
    *("input_cost_per_token_above_1k_tokens_flex", "output_cost_per_token_above_1k_tokens_priority"),
)
price_lists = st.fixed_dictionaries(
    {key: st.integers(1, 99).map(lambda n: f"{n}e-7") for key in rate_keys[:2]},
    optional={key: st.integers(0, 99).map(lambda n: f"{n}e-7") for key in rate_keys[2:]},
)


def coloured(whole: int, parts: dict[str, int]) -> list[str]:
    tokens = [modality for modality, tokens in parts.items() for _ in range(tokens)]
    return tokens + ["TEXT"] * (whole - len(tokens))


def take_cached(prompt: list[str], cached: int) -> list[tuple[str, bool]]:
    order = sorted(prompt, key=["TEXT", "IMAGE", "VIDEO", "AUDIO"].index)
    return [(token, place < cached) for place, token in enumerate(order)]


def oracle(prices: dict[str, str], tier: str, prompt, cached, tools, answer, thoughts) -> Fraction:
    table = {key: Fraction(Decimal(value)) for key, value in prices.items()}
    suffixes = {"flex": ["_flex", "_batches"], "priority": ["_priority"]}.get(tier, [])
    is_long = len(prompt) > 1000

    def first(names):
        return next((table[name] for name in names if name in table), None)

    def standing(base):
        return first([base + s for s in suffixes])

    def text_rate(base):
        short = standing(base) if standing(base) is not None else table.get(base)
        long = base + "_above_1k_tokens"
        own = first([long + s for s in suffixes]) if is_long else None  # counts even where the plain key is missing
        if own is not None:
            return own
        if not is_long or long not in table:
            return short
        bends = standing(base) is not None and table.get(base)
        return table[long] * (short / table[base] if bends and short is not None else 1)

    def modal_rate(key, base):
        own = first([key + s for s in suffixes])  # counts even where the plain key is missing
        if own is not None or key not in table:
            return own
        tiered = standing(base)
        bends = tiered is not None and table.get(base)
        return table[key] * (tiered / table[base] if tiered is not None and bends else 1)

    def rate(way, modality):
        base = f"{way}_cost_per_token"
        own = None if modality == "TEXT" else modal_rate(f"{way}_cost_per_{modality.lower()}_token", base)
        return text_rate(base) if own is None else own

    def cache_rate(modality):
        base = "cache_read_input_token_cost"
        own = modal_rate("cache_read_input_audio_token_cost", base) if modality == "AUDIO" else None
        found = text_rate(base) if own is None else own
        return rate("input", modality) if found is None else found

    long = "output_cost_per_token_above_1k_tokens"
    is_bent_by_length = is_long and first([long, *(long + s for s in suffixes)]) is not None
    bent = is_bent_by_length or standing("output_cost_per_token") is not None
    thinking = table.get("output_cost_per_reasoning_token")
    bill = [cache_rate(token) if hit else rate("input", token) for token, hit in take_cached(prompt, cached)]
    bill += [rate("input", token) for token in tools] + [rate("output", token) for token in answer]
    bill += [rate("output", "TEXT") if bent or thinking is None else thinking] * thoughts
    return sum(bill, Fraction(0))


@given(price_lists, tier_words, split, split, split, amounts, amounts, amounts, st.sampled_from([0, 980, 1000, 1001]))
def test_the_cost_equals_a_slow_oracle_in_fractions(prices, tier, ins, tools, outs, more, cached, thoughts, extra):
    prompt = coloured(sum(ins.values()) + more + extra, ins)
    tool, answer = coloured(sum(tools.values()), tools), coloured(sum(outs.values()) + more, outs)
    cached = min(cached, len(prompt))
    usage = {
        "promptTokenCount": len(prompt),
        "promptTokensDetails": modal(**ins),
        "cachedContentTokenCount": cached,
        "toolUsePromptTokenCount": len(tool),
        "toolUsePromptTokensDetails": modal(**tools),
        "candidatesTokenCount": len(answer),
        "candidatesTokensDetails": modal(**outs),
        "thoughtsTokenCount": thoughts,
        "serviceTier": tier,
    }
    book = PriceBook.from_layers([Layer("drawn", {"gemini/m": prices}, strict=True)])
    found = cost_of(book, "gemini", "m", reading(usage), method="generateContent", date=DAY).total
    assert found is not None
    expected = oracle(prices, tier, prompt, cached, tool, answer, thoughts)
    # A tier's ratio such as 1/3 has no end: 60 digits of it are kept.
    assert abs(Fraction(found) - expected) < Fraction(1, 10**45)
