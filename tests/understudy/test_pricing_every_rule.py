"""Every rule of pricing 1 and 3 to 18 with an example worked out by hand: from the bytes to the sum, written out.

A rule's number is its section and its place in it: the number that the section gives it, else the place of its bullet,
row or sentence. `RULES` names them all; a test holds that none is without an example.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.caches import cost_of_cache
from understudy.pricing.cost import Cost, Known, Part, combined, dollars, lines_json, plain
from understudy.pricing.explain import BATCH, LIVE_METHOD, explain, recording_of
from understudy.pricing.sessions import cost_of_turn, session_log_line
from understudy.pricing.videos import cost_of_videos, reservation
from understudy.usage.meters import Modality
from understudy.usage.operations import veo_request
from understudy.usage.policies import Policies
from understudy.usage.reading import CacheReading

DAY = date(2026, 11, 21)
PRICES = {
    "gemini/flash": {"input_cost_per_token": "3e-7", "input_cost_per_audio_token": "1e-6",
                     "output_cost_per_token": "2.5e-6", "cache_read_input_token_cost": "3e-8"},
    "gemini/modal": {"input_cost_per_token": "1e-6", "input_cost_per_audio_token": "2e-6",
                     "input_cost_per_image_token": "3e-6", "input_cost_per_video_token": "4e-6",
                     "output_cost_per_token": "5e-6", "output_cost_per_audio_token": "6e-6",
                     "output_cost_per_image_token": "7e-6", "output_cost_per_video_token": "8e-6",
                     "output_cost_per_reasoning_token": "9e-6", "cache_read_input_token_cost": "1e-7",
                     "cache_read_input_audio_token_cost": "2e-7", "cache_storage_cost_per_token_per_hour": "1e-6"},
    "gemini/tiers": {"input_cost_per_token": "1e-6", "input_cost_per_token_priority": "1.8e-6",
                     "input_cost_per_token_flex": "5e-7", "output_cost_per_token": "1e-5",
                     "output_cost_per_token_priority": "1.8e-5", "output_cost_per_token_flex": "5e-6",
                     "input_cost_per_token_batches": "4e-7", "output_cost_per_token_batches": "4e-6",
                     "cache_read_input_token_cost": "1e-7", "cache_read_input_token_cost_batches": "5e-8",
                     "output_cost_per_image_token": "3e-5"},
    "gemini/long": {"input_cost_per_token": "1e-6", "input_cost_per_token_above_200k_tokens": "2e-6",
                    "input_cost_per_token_flex": "5e-7", "output_cost_per_token": "1e-5",
                    "output_cost_per_token_above_200k_tokens": "1.5e-5", "output_cost_per_token_batches": "5e-6",
                    "output_cost_per_token_above_200k_tokens_priority": "3e-5", "input_cost_per_image_token": "4e-6",
                    "output_cost_per_reasoning_token": "7e-6", "cache_read_input_token_cost": "1e-7",
                    "cache_read_input_token_cost_above_200k_tokens": "2e-7"},
    "gemini/plain": {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6"},
    "gemini/tts": {"mode": "audio_speech", "input_cost_per_token": "5e-7", "output_cost_per_token": "2e-6",
                   "output_cost_per_audio_token": "1e-5"},
    "gemini/gemini-2.5-g": {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6",
                            "search_context_cost_per_query": {"search_context_size_medium": "0.035"},
                            "google_maps_grounding_cost_per_query": "0.025"},
    "gemini/gemini-3.1-g": {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6",
                            "search_context_cost_per_query": "0.014", "web_search_billing_unit": "per_query",
                            "google_maps_grounding_cost_per_query": "0.014"},
    "gemini/gemini-2.5-h": {"input_cost_per_token": "1e-6"},
    "gemini/gemini-3.1-h": {"input_cost_per_token": "1e-6"},
    "gemini/live": {"input_cost_per_token": "5e-7", "input_cost_per_audio_token": "3e-6",
                    "input_cost_per_video_token": "3e-6", "input_cost_per_image_token": "1e-6",
                    "output_cost_per_token": "2e-6", "output_cost_per_audio_token": "1.2e-5",
                    "input_cost_per_token_above_200k_tokens": "1e-6"},
    "vertex_ai/live": {"input_cost_per_token": "5e-7", "input_cost_per_audio_token": "3e-6",
                       "output_cost_per_token": "2e-6", "output_cost_per_audio_token": "1.2e-5"},
    "gemini/clock": {"input_cost_per_audio_per_second": "0.001", "output_cost_per_audio_per_second": "0.002",
                     "input_cost_per_image": "0.003", "input_cost_per_character": "1e-6",
                     "output_cost_per_token": "2e-6"},
    "gemini/veo": {"output_cost_per_second": "0.40", "output_cost_per_second_4k": "0.60"},
    "vertex_ai/veo": {"output_cost_per_second": "0.10", "output_cost_per_second_1080p": "0.12",
                      "output_cost_per_second_without_audio": "0.08",
                      "output_cost_per_second_1080p_without_audio": "0.11"},
    "gemini/omni": {"input_cost_per_token": "1e-6", "output_cost_per_video_token": "1.75e-5",
                    "output_cost_per_token": "2e-6"},
    "vertex_ai/imagen": {"output_cost_per_image": "0.04"},
    "vertex_ai/lyria-3": {"output_cost_per_image": "0.08"},
    "gemini/gemini-2.5-flash-image": {"input_cost_per_token": "3e-7", "output_cost_per_token": "2.5e-6",
                                      "output_cost_per_image_token": "3e-5", "output_cost_per_image": "0.039"},
    "vertex_ai/text-embedding-005": {"input_cost_per_character": "2.5e-8", "input_cost_per_token": "1e-7"},
    "vertex_ai/gemini-embedding-001": {"input_cost_per_token": "1.5e-7", "input_cost_per_character": "1e-9"},
    "gemini/gemini-embedding-001": {"input_cost_per_token": "1.5e-7"},
    "gemini/gemini-embedding-2": {"input_cost_per_token": "2e-7", "input_cost_per_image_token": "4.5e-7"},
    "vertex_ai/multimodalembedding": {"input_cost_per_character": "2e-7", "input_cost_per_image": "0.0001",
                                      "input_cost_per_video_per_second": "0.0005"},
    "vertex_ai/gemini-1.5-flash": {
        "input_cost_per_character": "1.875e-8", "output_cost_per_character": "7.5e-8",
        "input_cost_per_character_above_128k_tokens": "3.75e-8",
        "output_cost_per_character_above_128k_tokens": "1.5e-7",
        "input_cost_per_token": "7.5e-8", "output_cost_per_token": "3e-7"},
    "vertex_ai/gemini-2.0-flash": {"input_cost_per_character": "1e-9", "input_cost_per_token": "1e-7",
                                   "output_cost_per_token": "4e-7"},
    "gemini/gemini-1.5-flash": {"input_cost_per_character": "1e-9", "input_cost_per_token": "7.5e-8",
                                "output_cost_per_token": "3e-7"},
    "vertex_ai/claude": {
        "input_cost_per_token": "3e-6", "output_cost_per_token": "1.5e-5", "cache_read_input_token_cost": "3e-7",
        "cache_creation_input_token_cost": "3.75e-6", "cache_creation_input_token_cost_above_1hr": "6e-6",
        "input_cost_per_token_above_200k_tokens": "6e-6", "output_cost_per_token_above_200k_tokens": "2.25e-5",
        "cache_read_input_token_cost_above_200k_tokens": "6e-7"},
    "vertex_ai/llama": {"input_cost_per_token": "2e-7", "output_cost_per_token": "8e-7",
                        "cache_read_input_token_cost": "5e-8"},
    "vertex_ai/grok": {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6",
                       "output_cost_per_reasoning_token": "3e-6"},
    "vertex_ai/regional": {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6",
                           "regional_endpoint_uplift_multiplier": "1.1",
                           "search_context_cost_per_query": "0.014", "web_search_billing_unit": "per_query",
                           "price_changes": [{"effective_from": "2027-01-01", "input_cost_per_token": "3e-6"}]},
}  # fmt: skip
BOOK = PriceBook.from_layers([Layer("test", PRICES, strict=True)])


@dataclass(frozen=True)
class Example:
    """One rule's example: how the cost comes about, its sum by hand, and what that sum is."""

    rule: str
    cost: Callable[[], Cost]
    sum: str
    total: str
    known: Known = Known.EXACT


def wire(
    kind: str, body: object, *, model="plain", provider="gemini", form="application/json", lines=False, **more
) -> Callable[[], Cost]:
    """The cost of a body that is JSON, several JSON texts (as events or lines), or bytes."""
    if isinstance(body, bytes):
        data = body
    elif lines:
        data = b"\n".join(json.dumps(each).encode() for each in body)  # type: ignore[attr-defined]
    elif form == "text/event-stream":
        data = b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in body)  # type: ignore[attr-defined]
    else:
        data = json.dumps(body).encode()
    words: dict[str, Any] = {"date": DAY} | more
    if "request" in words:
        words["request"] = json.dumps(words["request"]).encode()
    return lambda: explain(BOOK, provider, model, kind, data, form, **words)


def answer(usage, model="plain", *, candidates=None, **more) -> Callable[[], Cost]:
    body = {"candidates": candidates or [], "usageMetadata": usage}
    return wire("generateContent", body, model=model, **more)


def stream(*chunks, model="plain", **more) -> Callable[[], Cost]:
    return wire("streamGenerateContent", chunks, model=model, form="text/event-stream", **more)


def live(*messages, model="live", provider="gemini", **more) -> Callable[[], Cost]:
    return wire(LIVE_METHOD, messages, model=model, provider=provider, lines=True, **more)


def turn(prompt=0, response=0, **more):
    return {"usageMetadata": {"promptTokenCount": prompt, "responseTokenCount": response} | more}


def sound(size: int):
    """PCM16 of the usual rate, of so many bytes (a multiple of three)."""
    return {"mimeType": "audio/pcm", "data": "AAAA" * (size // 3)}


def spoken_in(size: int):
    return {"realtimeInput": {"audio": sound(size)}}


def spoken_out(size: int):
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": sound(size)}]}}}


PICTURE = {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AA=="}}}


def counts(prompt=0, answered=0, **more):
    return {"promptTokenCount": prompt, "candidatesTokenCount": answered} | more


def modal(**tokens):
    return [{"modality": modality, "tokenCount": count} for modality, count in tokens.items()]


def searched(*queries, chunks=(), index=0):
    metadata = {"webSearchQueries": list(queries), "groundingChunks": [{kind: {}} for kind in chunks]}
    return {"index": index, "groundingMetadata": metadata}


def done(*, gemini=0, vertex=0, filtered=0, error=False):
    if error:
        return {"name": "o", "done": True, "error": {"code": 3}}
    samples = {"generatedSamples": [{"video": {"uri": "u"}}] * gemini, "raiMediaFilteredCount": filtered}
    response = {"videos": [{"gcsUri": "gs://b/o"}] * vertex} if vertex else {"generateVideoResponse": samples}
    return {"name": "o", "done": True, "response": response}


def settled(operation, request, **more):
    return wire("fetchPredictOperation", operation, model="veo", request=request, **more)


def cached(ended=None, model="modal", created="2026-11-21T10:00:00.5Z", expires="2026-11-21T11:30:00.500Z", **more):
    reading = CacheReading("cachedContents/c", model, 1000, created, expires)
    return lambda: cost_of_cache(BOOK, "gemini", model, reading, date=DAY, ended=ended, **more)


def line(cost: Callable[[], Cost], part: Part) -> Callable[[], Cost]:
    """One part alone of what something cost."""
    return lambda: Cost(tuple(each for each in cost().lines if each.part is part))


CLAUDE_STREAM = (
    {"type": "message_start", "message": {"model": "claude", "usage": {
        "input_tokens": 10, "cache_read_input_tokens": 20, "output_tokens": 1}}},
    {"type": "message_delta", "usage": {"output_tokens": 5}},
    {"type": "message_delta", "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)  # fmt: skip
TEN_WORDS = {"contents": [{"parts": [{"text": "one two\n"}]}], "systemInstruction": {"parts": [{"text": "thr ee"}]}}
SAID = [{"content": {"parts": [{"text": "Yes, é."}]}}]

EXAMPLES = [
    # 1 Arithmetic
    Example("1.1", answer(counts(1)), "1 x 0.000001", "0.000001"),
    Example("1.2", settled(done(vertex=1), {"parameters": {"durationSeconds": "12.5"}}, provider="vertex_ai"),
            "12.5 x 0.10", "1.25"),
    Example("1.3", answer(counts(8, 1), "flash"), "8 x 3e-7 + 1 x 2.5e-6", "0.0000049"),
    Example("1.4", answer(counts(1, 1), "gemini-2.5-g", candidates=[searched("a")]),
            "1 x 1e-6 + 1 x 2e-6 + 1 x 0.035", "0.035003"),
    # 3 Token billing
    Example("3.1", answer(counts(100, 20, cachedContentTokenCount=40, thoughtsTokenCount=5, toolUsePromptTokenCount=7,
                                 totalTokenCount=132), "flash"),
            "60 x 3e-7 + 40 x 3e-8 + 7 x 3e-7 + 20 x 2.5e-6 + 5 x 2.5e-6", "0.0000838"),
    Example("3.2", answer(counts(10, 30, thoughtsTokenCount=10, totalTokenCount=40)),
            "10 x 1e-6 + 20 x 2e-6 + 10 x 2e-6", "0.00007"),
    Example("3.3", answer(counts(100, promptTokensDetails=[*modal(AUDIO=10, DOCUMENT=5), *modal(AUDIO=20)]), "modal"),
            "70 x 1e-6 + 30 x 2e-6", "0.00013"),
    Example("3.3", answer(counts(100, promptTokensDetails=[*modal(AUDIO=10), {"modality": "IMAGE"}]), "modal"),
            "10 x 2e-6 + 90 x 3e-6", "0.00029"),
    Example("3.3", answer(counts(100, promptTokensDetails=[*modal(AUDIO=10), {"modality": "IMAGE"}]), "modal",
                          policies=Policies(uncounted_detail_takes_rest=False)), "90 x 1e-6 + 10 x 2e-6", "0.00011"),
    Example("3.4", answer(counts(10, cachedContentTokenCount=4, promptTokensDetails=modal(TEXT=5, AUDIO=5)), "modal",
                          policies=Policies(cached_order=(Modality.AUDIO, Modality.TEXT))),
            "5 x 1e-6 + 1 x 2e-6 + 4 x 2e-7", "0.0000078"),
    Example("3.4", answer(counts(100, cachedContentTokenCount=70,
                                 promptTokensDetails=modal(TEXT=50, IMAGE=30, AUDIO=20)), "modal"),
            "50 x 1e-7 + 20 x 1e-7 + 10 x 3e-6 + 20 x 2e-6", "0.000077"),
    Example("3.5", answer(counts(100, cachedContentTokenCount=60, promptTokensDetails=modal(TEXT=60, AUDIO=40),
                                 cacheTokensDetails=modal(TEXT=30, AUDIO=30)), "modal"),
            "30 x 1e-6 + 30 x 1e-7 + 10 x 2e-6 + 30 x 2e-7", "0.000059"),
    Example("3.6", answer(counts(10, toolUsePromptTokenCount=30, toolUsePromptTokensDetails=modal(AUDIO=20)), "modal"),
            "10 x 1e-6 + 10 x 1e-6 + 20 x 2e-6", "0.00006"),
    Example("3.6", answer(counts(10, toolUsePromptTokenCount=30), "gemini-2.5-g", candidates=[searched("a")]),
            "10 x 1e-6 + 1 x 0.035", "0.03501"),
    Example("3.7", answer(counts(10, 30, candidatesTokensDetails=modal(IMAGE=20)), "modal"),
            "10 x 1e-6 + 10 x 5e-6 + 20 x 7e-6", "0.0002"),
    Example("3.7", answer(counts(10, 30), "tts"), "10 x 5e-7 + 30 x 1e-5", "0.000305"),
    Example("3.8", answer(counts(10, 0, thoughtsTokenCount=10), "modal"), "10 x 1e-6 + 10 x 9e-6", "0.0001"),
    # 4 Field mapping, row by row
    Example("4.1", answer(counts(3)), "3 x 1e-6", "0.000003"),
    Example("4.2", answer(counts(3, promptTokensDetails=modal(TEXT=1, DOCUMENT=2)), "modal"), "3 x 1e-6", "0.000003"),
    Example("4.3", answer(counts(6, promptTokensDetails=modal(AUDIO=1, IMAGE=2, VIDEO=3)), "modal"),
            "1 x 2e-6 + 2 x 3e-6 + 3 x 4e-6", "0.00002"),
    Example("4.4", answer(counts(10, cachedContentTokenCount=10), "modal"), "10 x 1e-7", "0.000001"),
    Example("4.5", answer(counts(0, 10, candidatesTokensDetails=modal(TEXT=1, AUDIO=2, IMAGE=3, VIDEO=4)), "modal"),
            "1 x 5e-6 + 2 x 6e-6 + 3 x 7e-6 + 4 x 8e-6", "0.00007"),
    Example("4.6", live(turn(1, 3, responseTokensDetails=modal(AUDIO=2, TEXT=1))),
            "1 x 5e-7 + 2 x 1.2e-5 + 1 x 2e-6", "0.0000265"),
    Example("4.7", answer({"thoughtsTokenCount": 4}, "modal"), "4 x 9e-6", "0.000036"),
    Example("4.8", answer({"toolUsePromptTokenCount": 4}), "4 x 1e-6", "0.000004"),
    Example("4.9", answer(counts(10, 10, trafficType="ON_DEMAND_PRIORITY"), "tiers"),
            "10 x 1.8e-6 + 10 x 1.8e-5", "0.000198"),
    Example("4.9", answer(counts(10, 10, trafficType="PROVISIONED_THROUGHPUT"), "tiers"), "10 x 0 + 10 x 0", "0"),
    Example("4.10", answer(counts(10, 10), "tiers", served_tier="flex"), "10 x 5e-7 + 10 x 5e-6", "0.000055"),
    Example("4.10", answer(counts(10, 10, serviceTier="flex"), "tiers"), "10 x 5e-7 + 10 x 5e-6", "0.000055"),
    Example("4.11", answer(counts(1), "gemini-3.1-g", candidates=[searched("a", "b", chunks=["web"])]),
            "1 x 1e-6 + 2 x 0.014", "0.028001"),
    Example("4.12", settled(done(gemini=2), {"parameters": {"durationSeconds": 6, "resolution": "4K"}}),
            "12 x 0.60", "7.2"),
    Example("4.13", wire("predict", {"predictions": [{"bytesBase64Encoded": "AA=="}] * 2}, model="imagen",
                         provider="vertex_ai"), "2 x 0.04", "0.08"),
    Example("4.14", wire("predict", {"predictions": [{"embeddings": {"statistics": {"token_count": 4}}}]},
                         model="gemini-embedding-001", provider="vertex_ai"), "4 x 1.5e-7", "0.0000006"),
    Example("4.15", answer({"promptTokenCount": 2}), "2 x 1e-6", "0.000002"),
    Example("4.15", wire("batchEmbedContents", {"embeddings": [{"values": [0.5]}], "usageMetadata": {
        "promptTokenCount": 5, "promptTokenDetails": modal(TEXT=2, IMAGE=3)}}, model="gemini-embedding-2"),
            "2 x 2e-7 + 3 x 4.5e-7", "0.00000175"),
    Example("4.15", wire("generateContent", {"usage_metadata": {"prompt_token_count": 2}}), "2 x 1e-6", "0.000002"),
    # 5 Tiers and long context
    Example("5.1", answer(counts(200_000, 1000), "long"), "200000 x 1e-6 + 1000 x 1e-5", "0.21"),
    Example("5.1", answer(counts(200_001, 1000, cachedContentTokenCount=1, thoughtsTokenCount=10), "long"),
            "200000 x 2e-6 + 1 x 2e-7 + 1000 x 1.5e-5 + 10 x 1.5e-5", "0.4151502"),
    Example("5.1", answer(counts(1, 300_000), "long"), "1 x 1e-6 + 300000 x 1e-5", "3.000001"),
    Example("5.2", answer(counts(10, 10, trafficType="ON_DEMAND"), "tiers", served_tier="flex"),
            "10 x 1e-6 + 10 x 1e-5", "0.00011"),
    Example("5.2", answer(counts(10, 10, trafficType="ON_DEMAND_OFFPEAK"), "tiers"),
            "10 x 1e-6 + 10 x 1e-5", "0.00011"),
    Example("5.3", answer(counts(10, 10, serviceTier="flex"), "long"), "10 x 5e-7 + 10 x 5e-6", "0.000055"),
    Example("5.3", answer(counts(10, 10, serviceTier="priority"), "long"), "10 x 1e-6 + 10 x 1e-5", "0.00011"),
    Example("5.4", answer(counts(300_000, 1000, serviceTier="flex"), "long"),
            "300000 x 1e-6 + 1000 x 7.5e-6", "0.3075"),  # half of the long rates, as of the short ones
    Example("5.4", answer(counts(300_000, 1000, serviceTier="priority"), "long"),
            "300000 x 2e-6 + 1000 x 3e-5", "0.63"),
    Example("5.5", answer(counts(10, promptTokensDetails=modal(IMAGE=10), serviceTier="flex"), "long"),
            "10 x 2e-6", "0.00002"),  # 4e-6 x 5e-7 / 1e-6
    Example("5.5", answer(counts(200_010, promptTokensDetails=modal(TEXT=200_000, IMAGE=10)), "long"),
            "200000 x 2e-6 + 10 x 4e-6", "0.40004"),
    Example("5.6", answer(counts(10, 10, trafficType="PROVISIONED_THROUGHPUT"), "long",
                          policies=Policies(prepaid_is_free=False)), "10 x 1e-6 + 10 x 1e-5", "0.00011"),
    # 6 Streams
    Example("6.1", stream(*({"usageMetadata": counts(10, n)} for n in (1, 5, 9))), "10 x 1e-6 + 9 x 2e-6", "0.000028"),
    Example("6.2", stream({"usageMetadata": counts(10, 1)}, {"usageMetadata": {"candidatesTokenCount": 4}}),
            "10 x 1e-6 + 4 x 2e-6", "0.000018"),
    Example("6.2", stream({"usageMetadata": counts(10, 1)}, {"usageMetadata": {"candidatesTokenCount": 4}},
                          policies=Policies(absent_fields_persist=False)), "4 x 2e-6", "0.000008"),
    Example("6.3", stream({"usageMetadata": {"trafficType": "ON_DEMAND"}, "candidates": [{}]},
                          {"candidates": [], "usageMetadata": counts(10, 1)}), "10 x 1e-6 + 1 x 2e-6", "0.000012"),
    Example("6.4", stream({"candidates": [searched("a")]}, {"candidates": [searched("a", "b")]},
                          {"usageMetadata": counts(1)}, model="gemini-3.1-g"), "1 x 1e-6 + 2 x 0.014", "0.028001"),
    Example("6.5", stream({"usageMetadata": counts(10, 4)}, {"error": {"code": 503}}),
            "10 x 1e-6 + 4 x 2e-6", "0.000018", Known.ESTIMATED),
    # 7 Grounding
    Example("7.1", answer(counts(), "gemini-3.1-g", candidates=[searched("a", "", "b"), searched("b", index=1)]),
            "2 x 0.014", "0.028"),
    Example("7.2", answer(counts(), "gemini-2.5-g", candidates=[searched("a", "b", "c")]), "1 x 0.035", "0.035"),
    Example("7.3", answer(counts(), "gemini-3.1-g", candidates=[searched("a", "b", "c")]), "3 x 0.014", "0.042"),
    Example("7.4", answer(counts(), "gemini-2.5-g", candidates=[searched("a", "b", chunks=["maps"])]),
            "1 x 0.025", "0.025"),
    Example("7.4", answer(counts(), "gemini-3.1-g", candidates=[searched(chunks=["maps"])]), "1 x 0.014", "0.014"),
    Example("7.4", answer(counts(), "gemini-3.1-g", candidates=[searched("a", "b", chunks=["maps"])]),
            "2 x 0.014", "0.028"),
    Example("7.5", answer(counts(4), "gemini-2.5-g", candidates=[searched(chunks=["web"])]), "4 x 1e-6", "0.000004"),
    Example("7.6", answer(counts(), "gemini-2.5-h", candidates=[searched("a", "b")]), "1 x 0.035", "0.035"),
    Example("7.6", answer(counts(), "gemini-3.1-h", candidates=[searched("a", "b")]), "2 x 0.014", "0.028"),
    Example("7.7", answer(counts(), "gemini-3.1-g", candidates=[searched("a", "b", "c")],
                          policies=Policies(free_grounding_units=2)), "1 x 0.014", "0.014"),
    Example("7.7", answer(counts(), "gemini-3.1-g", candidates=[searched("a", chunks=["web"]), searched(
        "b", "c", chunks=["maps"], index=1)], policies=Policies(free_grounding_units=2)), "1 x 0.014", "0.014"),
    Example("7.8", wire("generateContent", {"candidates": [searched("a")], "usageMetadata": counts(
        0, trafficType="ON_DEMAND_PRIORITY")}, model="regional", provider="vertex_ai", location="eu"),
            "1 x 0.014", "0.014"),
    # 8 Live
    Example("8.1", live(turn(11, 4), turn(30, 4)), "41 x 5e-7 + 8 x 2e-6", "0.0000365"),
    Example("8.2", live({"usageMetadata": {"promptTokenCount": 96, "candidatesTokenCount": 40,
                                           "promptTokensDetails": modal(TEXT=12, AUDIO=84),
                                           "candidatesTokensDetails": modal(AUDIO=40)}}, provider="vertex_ai"),
            "12 x 5e-7 + 84 x 3e-6 + 40 x 1.2e-5", "0.000738"),
    Example("8.2", live({"usageMetadata": counts(1, 9, responseTokenCount=4)}), "1 x 5e-7 + 4 x 2e-6", "0.0000085"),
    Example("8.3", live({"serverContent": {"turnComplete": True}, **turn(2)}, turn(4)), "6 x 5e-7", "0.000003"),
    Example("8.4", live(turn(522, 42, thoughtsTokenCount=136, totalTokenCount=564,
                             promptTokensDetails=modal(TEXT=332, AUDIO=165))),
            "357 x 5e-7 + 165 x 3e-6 + 42 x 2e-6 + 136 x 2e-6", "0.0010295"),
    Example("8.5", live({"serverContent": {"outputTranscription": {"text": "hello"}}},
                        turn(0, 7, responseTokensDetails=modal(AUDIO=5, TEXT=2))),
            "5 x 1.2e-5 + 2 x 2e-6", "0.000064"),
    Example("8.6", live(turn(10, promptTokensDetails=modal(AUDIO=10), cachedContentTokenCount=4)),
            "6 x 3e-6 + 4 x 3e-6", "0.00003"),
    Example("8.7", live(turn(516, promptTokensDetails=modal(VIDEO=258, IMAGE=258))),
            "258 x 3e-6 + 258 x 1e-6", "0.001032"),
    Example("8.8", live(turn(200_001), turn(10)), "200001 x 1e-6 + 10 x 5e-7", "0.200006"),
    Example("8.8", live(*([{"serverContent": {"groundingMetadata": {"webSearchQueries": ["a"]}}}, turn(0)] * 2),
                        model="gemini-3.1-g"), "2 x 0.014", "0.028"),
    # 1 s in at 16000 x 2 bytes, 1.5 s out at 24000 x 2 bytes, one frame of the camera
    Example("8.9", live(spoken_in(32_001), spoken_out(72_000), PICTURE),
            "25.00078125 x 3e-6 + 37.5 x 1.2e-5 + 258 x 3e-6", "0.00129900234375", Known.ESTIMATED),
    Example("8.9", live(turn(2), spoken_in(32_001)), "2 x 5e-7", "0.000001"),
    Example("8.10", live(spoken_in(48_000), turn(37, 9, promptTokensDetails=modal(AUDIO=37)), model="clock"),
            "1.5 x 0.001 + 9 x 2e-6", "0.001518"),
    Example("8.10", live({"realtimeInput": {"text": "12 45"}}, turn(3, 9), model="clock"),
            "5 x 1e-6 + 9 x 2e-6", "0.000023"),
    Example("8.11", lambda: combined([live(turn(11, 4))(), live(turn(30, 4))()]),
            "41 x 5e-7 + 8 x 2e-6", "0.0000365"),
    Example("8.12", lambda: cost_of_turn(
        BOOK, "gemini", "live", recording_of("gemini", "live", json.dumps(turn(11, 4)).encode()).session.turns[0],
        date=DAY), "11 x 5e-7 + 4 x 2e-6", "0.0000135"),
    # 9: the lines below
    Example("9.1", live(turn(1600, 217)), "1600 x 5e-7 + 217 x 2e-6", "0.001234"),
    # 10 Veo
    Example("10.1", settled(done(gemini=2), {"parameters": {"durationSeconds": "5.5"}}), "11 x 0.40", "4.4"),
    Example("10.1", settled(done(gemini=1), {"instances": [{"config": {"duration": "6s"}}]}), "6 x 0.40", "2.4"),
    Example("10.1", settled(done(gemini=1), {}), "8 x 0.40", "3.2"),
    Example("10.1", wire("get", done(gemini=2), model="veo"), "16 x 0.40", "6.4", Known.ESTIMATED),
    Example("10.2", settled(done(vertex=1), {"parameters": {"resolution": "1080P"}}, provider="vertex_ai"),
            "8 x 0.12", "0.96"),
    Example("10.2", settled(done(vertex=1), {"parameters": {"resolution": "1080p", "generateAudio": False}},
                            provider="vertex_ai"), "8 x 0.11", "0.88"),
    Example("10.2", settled(done(vertex=1), {"parameters": {"generateAudio": False}}, provider="vertex_ai"),
            "8 x 0.08", "0.64"),
    Example("10.2", settled(done(gemini=1), {"parameters": {"generateAudio": False}}), "8 x 0.40", "3.2"),
    Example("10.3", lambda: reservation(BOOK, "gemini", "veo", veo_request(b'{"parameters":{"sampleCount":4}}'),
                                        date=DAY), "32 x 0.40", "12.8", Known.ESTIMATED),
    Example("10.3", settled(done(gemini=1, filtered=2), {"parameters": {"sampleCount": 3}}), "8 x 0.40", "3.2"),
    Example("10.3", settled(done(error=True), {}), "0", "0"),
    Example("10.4", wire("predictLongRunning", {}, model="veo"), "8 x 0.40", "3.2", Known.ESTIMATED),
    Example("10.5", answer(counts(1, 5792, candidatesTokensDetails=modal(VIDEO=5792)), "omni"),
            "1 x 1e-6 + 5792 x 1.75e-5", "0.101361"),
    # 11 Images and speech
    Example("11.1", wire("predict", {"predictions": [{"gcsUri": "gs://b/o"}, {"raiFilteredReason": "no"},
                                                     {"bytesBase64Encoded": "AA=="}]},
                         model="imagen", provider="vertex_ai"), "2 x 0.04", "0.08"),
    Example("11.1", wire("predict", {}, model="imagen", provider="vertex_ai"), "0", "0"),
    Example("11.2", answer(counts(8, 1290, candidatesTokensDetails=modal(IMAGE=1290)), "gemini-2.5-flash-image"),
            "8 x 3e-7 + 1290 x 3e-5", "0.0387024"),
    Example("11.2", wire("generateContent", {"candidates": [{"content": {"parts": [
        {"text": "here"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}}]},
        model="gemini-2.5-flash-image"), "1 x 0.039", "0.039", Known.ESTIMATED),
    Example("11.3", answer(counts(8, 50, candidatesTokensDetails=modal(AUDIO=50)), "tts"),
            "8 x 5e-7 + 50 x 1e-5", "0.000504"),
    Example("11.4", wire("predict", {"predictions": [{"bytesBase64Encoded": "AA==", "mimeType": "audio/wav"}]},
                         model="lyria-3", provider="vertex_ai"), "1 x 0.08", "0.08"),
    # 12 Embeddings
    Example("12.1", wire("predict", {"predictions": [{"embeddings": {"statistics": {"token_count": 4}, "values": [1]}}],
                                     "metadata": {"billableCharacterCount": 12}},
                         model="text-embedding-005", provider="vertex_ai"), "12 x 2.5e-8", "0.0000003"),
    Example("12.1", wire("predict", {"predictions": [{"embeddings": {"statistics": {"token_count": 4}}}] * 2},
                         model="text-embedding-005", provider="vertex_ai"), "8 x 1e-7", "0.0000008"),
    Example("12.2", wire("predict", {"predictions": [{"embeddings": {"statistics": {"token_count": 4}}}] * 3,
                                     "metadata": {"billableCharacterCount": 99}},
                         model="gemini-embedding-001", provider="vertex_ai"), "12 x 1.5e-7", "0.0000018"),
    Example("12.2", wire("embedContent", {"embedding": {"values": [0.1]}}, model="gemini-embedding-001",
                         request={"content": {"parts": [{"text": "nine byte"}]}}),
            "3 x 1.5e-7", "0.00000045", Known.ESTIMATED),
    Example("12.3", wire("predict", {"predictions": [{
        "textEmbedding": [0.1], "imageEmbedding": [0.2], "videoEmbeddings": [
        {"startOffsetSec": 4, "endOffsetSec": 16, "embedding": [1]},
        {"startOffsetSec": 16, "endOffsetSec": 20, "embedding": [1]}]}]},
        model="multimodalembedding", provider="vertex_ai", request={"instances": [{"text": "a cat"}]}),
            "4 x 2e-7 + 1 x 0.0001 + 16 x 0.0005", "0.0081008"),
    Example("12.4", wire("embedContent", {"embedding": {}, "usageMetadata": counts(7, 5)},
                         model="gemini-embedding-001"), "7 x 1.5e-7", "0.00000105"),
    # 13 Batch
    Example("13.1", wire(BATCH, [{"key": "a", "response": {"usageMetadata": counts(10, 2, cachedContentTokenCount=4)}},
                                 {"key": "b", "error": {"code": 3}},
                                 {"response": {"usageMetadata": counts(10, 2, serviceTier="priority")}, "status": ""}],
                         model="tiers", lines=True),
            "16 x 4e-7 + 4 x 5e-8 + 4 x 4e-6", "0.0000226"),
    Example("13.1", wire("get", {"name": "batches/b", "done": True, "metadata": {"model": "models/tiers"}, "response": {
        "inlinedResponses": {"inlinedResponses": [{"response": {"usageMetadata": counts(
            0, 10, candidatesTokensDetails=modal(IMAGE=10))}}, {"error": {}}]}}}),
            "10 x 1.2e-5", "0.00012"),  # pictures keep the ratio of text: 3e-5 x 4e-6 / 1e-5
    Example("13.1", wire(BATCH, [{"response": {"candidates": [searched("a", "b")], "usageMetadata": counts(1)}}],
                         model="gemini-3.1-g", lines=True), "1 x 1e-6 + 2 x 0.014", "0.028001"),
    Example("13.1", wire(BATCH, b'{"response":{"usageMetadata":{"promptTokenCount":10}}}\n{"response":{"us',
                         model="tiers"), "10 x 4e-7", "0.000004", Known.ESTIMATED),
    # 14 Context caches: 1000 tokens for 1.5 hours
    Example("14.1", cached(ended="2026-11-21T11:30:00.5Z"), "1000 x 1e-6 + 1500 x 1e-6", "0.0025"),
    Example("14.1", cached(), "1000 x 1e-6 + 1500 x 1e-6", "0.0025", Known.ESTIMATED),
    Example("14.1", wire("list", {"name": "cachedContents/c", "model": "models/modal", "createTime":
            "2026-11-21T10:00:00Z", "expireTime": "2026-11-21T11:00:00Z", "usageMetadata": {"totalTokenCount": 1000}}),
            "1000 x 1e-6 + 1000 x 1e-6", "0.002", Known.ESTIMATED),
    Example("14.1", cached(ended="2026-11-21T11:30:00.5Z", policies=Policies(storage_by_begun_hours=True)),
            "1000 x 1e-6 + 2000 x 1e-6", "0.003"),
    Example("14.2", answer(counts(10, cachedContentTokenCount=10), "modal"), "10 x 1e-7", "0.000001"),
    # 15 Characters: "onetwothree" has 11, "Yes,é." 6
    Example("15.1", wire("generateContent", {"candidates": SAID, "usageMetadata": counts(9, 9)},
                         model="gemini-2.0-flash", provider="vertex_ai", request=TEN_WORDS),
            "9 x 1e-7 + 9 x 4e-7", "0.0000045"),
    Example("15.2", wire("generateContent", {"candidates": SAID, "usageMetadata": counts(9, 9)},
                         model="gemini-1.5-flash", provider="vertex_ai", request=TEN_WORDS),
            "11 x 1.875e-8 + 6 x 7.5e-8", "0.00000065625"),
    Example("15.2", wire("generateContent", {"candidates": [{"finishReason": "SAFETY"}], "usageMetadata": counts(9)},
                         model="gemini-1.5-flash", provider="vertex_ai", request=TEN_WORDS),
            "11 x 1.875e-8", "0.00000020625"),
    Example("15.3", wire("generateContent", {"candidates": SAID, "usageMetadata": counts(128_001, 9)},
                         model="gemini-1.5-flash", provider="vertex_ai", request=TEN_WORDS),
            "11 x 3.75e-8 + 6 x 1.5e-7", "0.0000013125"),
    Example("15.4", wire("generateContent", {"candidates": SAID, "usageMetadata": counts(9, 9)},
                         model="gemini-1.5-flash", request=TEN_WORDS), "9 x 7.5e-8 + 9 x 3e-7", "0.000003375"),
    # 16 Partner models
    Example("16.1", wire("rawPredict", {"model": "x", "usage": {
        "input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30, "output_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 18, "ephemeral_1h_input_tokens": 12},
        "server_tool_use": {"web_search_requests": 2}}}, model="claude", provider="vertex_ai"),
            "10 x 3e-6 + 20 x 3e-7 + 18 x 3.75e-6 + 12 x 6e-6 + 5 x 1.5e-5 + 2 x 0.01", "0.0202505"),
    Example("16.1", wire("rawPredict", {"usage": {"input_tokens": 1, "cache_read_input_tokens": 200_000,
                                                  "output_tokens": 1}}, model="claude", provider="vertex_ai"),
            "1 x 6e-6 + 200000 x 6e-7 + 1 x 2.25e-5", "0.1200285"),
    Example("16.1", wire("streamRawPredict", CLAUDE_STREAM, form="text/event-stream", model="claude",
                         provider="vertex_ai"), "10 x 3e-6 + 20 x 3e-7 + 9 x 1.5e-5", "0.000171"),
    Example("16.2", wire("chat/completions", {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                                                        "prompt_tokens_details": {"cached_tokens": 4}}},
                         model="llama", provider="vertex_ai"), "6 x 2e-7 + 4 x 5e-8 + 5 x 8e-7", "0.0000054"),
    Example("16.2", wire("rawPredict", [{"choices": [{}], "object": "chat.completion.chunk"},
                                        {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}],
                         form="text/event-stream", model="llama", provider="vertex_ai"),
            "10 x 2e-7 + 5 x 8e-7", "0.000006"),
    # The total shows that thinking stands outside the answer, or does not.
    Example("16.2", wire("chat/completions", {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 19,
                                                        "completion_tokens_details": {"reasoning_tokens": 4}}},
                         model="grok", provider="vertex_ai"), "10 x 1e-6 + 5 x 2e-6 + 4 x 3e-6", "0.000032"),
    Example("16.2", wire("chat/completions", {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                                                        "completion_tokens_details": {"reasoning_tokens": 4}}},
                         model="grok", provider="vertex_ai"), "10 x 1e-6 + 1 x 2e-6 + 4 x 3e-6", "0.000024"),
    # 17 Regions and dates
    Example("17.1", answer(counts(1000, 1000), "regional", provider="vertex_ai", location="us-central1"),
            "1000 x 1.1e-6 + 1000 x 2.2e-6", "0.0033"),
    Example("17.1", answer(counts(1000), "regional", provider="vertex_ai", location="global"), "1000 x 1e-6", "0.001"),
    Example("17.2", answer(counts(1000), "regional", provider="vertex_ai", date=date(2027, 1, 1)),
            "1000 x 3e-6", "0.003"),
    Example("17.2", answer(counts(1000), "regional", provider="vertex_ai", date=date(2026, 12, 31)),
            "1000 x 1e-6", "0.001"),
    # 18 Edge cases
    Example("18.1", wire("generateContent", {"promptFeedback": {"blockReason": "SAFETY"},
                                             "usageMetadata": counts(10, 9)}), "10 x 1e-6", "0.00001"),
    Example("18.1", wire("generateContent", {"error": {"code": 429}}, status=429), "0", "0"),
    Example("18.1", wire("generateContent", {"error": {}, "usageMetadata": counts(10)}, status=500),
            "10 x 1e-6", "0.00001", Known.ESTIMATED),
    Example("18.1", wire("countTokens", {"totalTokens": 31}), "0", "0"),
    Example("18.2", answer(counts(10, -5)), "10 x 1e-6", "0.00001"),
    Example("18.3", lambda: combined([answer(counts(10))(), wire("generateContent", {"error": {}}, status=503)()]),
            "10 x 1e-6", "0.00001"),
    Example("18.4", live({"setup": {"model": "models/clock"}}, turn(0, 9)), "9 x 2e-6", "0.000018"),
    Example("18.5", answer(counts(10, promptTokensDetails=modal(SMELL=10)), "modal"), "10 x 1e-6", "0.00001"),
]  # fmt: skip

UNKNOWN = {
    "5.2": answer(counts(1, trafficType="ODD"), policies=Policies(unknown_tier_is_standard=False)),
    "6.6": stream({"candidates": []}),
    "8.9": live(spoken_in(32_001), policies=Policies(estimates_live_media=False)),
    "11.2": wire(
        "generateContent",
        {
            "usageMetadata": {"trafficType": "ON_DEMAND"},
            "candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}}],
        },
        model="gemini-2.5-flash-image",
    ),
    "13.2": wire(BATCH, [{"response": {"candidates": []}}], lines=True),
    "13.1": wire(
        "get",
        {
            "name": "batches/b",
            "done": True,
            "metadata": {"model": "models/tiers"},
            "response": {"responsesFile": "files/f"},
        },
        model="tiers",
    ),
    "14.3": cached(model="plain", ended="2026-11-21T11:00:00Z"),
    "16.3": wire("chat/completions", [{"choices": []}], form="text/event-stream", model="llama", provider="vertex_ai"),
    "18.6": wire("generateContent", {"candidates": [{}]}),
}
"""Rules whose outcome is that nobody can tell."""

RULES = {
    1: 4, 3: 8, 4: 15, 5: 6, 6: 6, 7: 8, 8: 12, 9: 5, 10: 5, 11: 4, 12: 4, 13: 2, 14: 3, 15: 4, 16: 3, 17: 2, 18: 6,
}  # fmt: skip
"""How many rules each section has, in our count."""

OTHERWISE = {"9.2", "9.3", "9.4", "9.5"}
"""Rules that have a test of their own below."""

_PRODUCT = re.compile(r"([0-9.e+-]+) x ([0-9.e+-]+)")


def worked_out(text: str) -> Fraction:
    """The sum as it is written."""
    products = [_PRODUCT.fullmatch(term) for term in text.split(" + ")] if text != "0" else []
    assert all(products), text
    return sum((Fraction(found[1]) * Fraction(found[2]) for found in products if found), Fraction(0))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.rule}: {example.sum}")
def test_an_example_costs_what_was_worked_out_by_hand(example: Example) -> None:
    found = example.cost()
    assert found.total is not None, found.reason
    assert worked_out(example.sum) == Fraction(example.total)
    assert (plain(found.total), found.known) == (example.total, example.known)


@pytest.mark.parametrize("rule", UNKNOWN)
def test_what_nobody_can_tell_is_unknown(rule: str) -> None:
    found = UNKNOWN[rule]()
    assert (found.total, found.known) == (None, Known.UNKNOWN)
    assert found.reason


def test_every_rule_has_an_example() -> None:
    wanted = {f"{section}.{number}" for section, last in RULES.items() for number in range(1, last + 1)}
    assert {example.rule for example in EXAMPLES} | UNKNOWN.keys() | OTHERWISE == wanted


def test_1_sums_are_shown_rounded_and_kept_exact() -> None:
    found = answer(counts(8, 1), "flash")()
    assert [line["amount"] for line in lines_json(found.lines)] == ["0.0000024", "0.0000025"]
    assert dollars(found.total or Decimal()) == "0.000005"


def test_9_the_line_of_a_session_to_the_letter() -> None:
    messages = [
        {"setup": {"model": "projects/p/locations/l/publishers/google/models/live"}},
        {"clientContent": {"turns": [{"parts": [{"text": "hé"}]}]}},
        {"realtimeInput": {"text": "you"}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "hm", "thought": True}, {"text": "yes"}]}}},
        {"serverContent": {"outputTranscription": {"text": "not counted"}}},
        {"usageMetadata": counts(1600, 200, thoughtsTokenCount=17, toolUsePromptTokenCount=0, totalTokenCount=1)},
    ]
    body = b"\n".join(json.dumps(message).encode() for message in messages)
    session = recording_of("vertex_ai", "live", body).session
    cost = explain(BOOK, "vertex_ai", "live", LIVE_METHOD, body, "", date=DAY)
    # 1600 x 5e-7 = 0.0008; (200 + 17) x 2e-6 = 0.000434; tokens 1600 + 200 + 17; characters 2 + 3 + 3
    assert session_log_line(
        "vertex_ai", cost, tokens=session.tokens, characters=session.characters, duration_s=45.25
    ) == (
        "Vertex AI Live WebSocket session cost: $0.001234 (input: $0.000800, output: $0.000434) "
        "tokens: 1817, characters: 8, duration: 45.3s"
    )


def test_9_grounding_is_named_if_there_is_any_and_the_gemini_api_by_its_name() -> None:
    cost = live({"serverContent": {"groundingMetadata": {"webSearchQueries": ["a", "b"]}}}, turn(20_000, 7200),
                model="gemini-3.1-g")()  # fmt: skip
    # 20000 x 1e-6; 7200 x 2e-6; 2 x 0.014
    assert session_log_line("gemini", cost, tokens=1, characters=0, duration_s=0) == (
        "Gemini Live WebSocket session cost: $0.062400 (input: $0.020000, output: $0.014400, grounding: $0.028000) "
        "tokens: 1, characters: 0, duration: 0.0s"
    )


def test_17_the_day_is_that_of_the_start_in_utc_or_by_policy() -> None:
    late = datetime(2026, 12, 31, 20, 0, tzinfo=UTC) + timedelta(hours=5)
    assert Policies().day_of(late) == date(2027, 1, 1)
    assert Policies(day_offset_hours=-8).day_of(late) == date(2026, 12, 31)


def test_10_videos_of_no_number_cost_nothing() -> None:
    assert cost_of_videos(BOOK, "gemini", "veo", veo_request(b"{}"), 0, date=DAY) == Cost()
