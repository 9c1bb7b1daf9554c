"""What is no generateContent, as the gateway books it: embeddings, pictures, partners, caches, characters."""

import json
from decimal import Decimal

import pytest
from test_gateway_metering import SSE, Desk

from understudy.pricing.book import Layer, PriceBook

PRICES = {
    "gemini/gemini-embedding-001": {"input_cost_per_token": "1.5e-7"},
    "gemini/llama": {"input_cost_per_token": "2e-7", "output_cost_per_token": "8e-7"},
    "gemini/m": {"input_cost_per_token": "1e-6", "cache_storage_cost_per_token_per_hour": "1e-6"},
    "vertex_ai/imagen": {"output_cost_per_image": "0.04"},
    "vertex_ai/claude": {"input_cost_per_token": "3e-6", "output_cost_per_token": "1.5e-5"},
    "vertex_ai/gemini-1.5-flash": {"input_cost_per_character": "1e-7", "output_cost_per_character": "2e-7"},
}
GOOGLE = "/vertex_ai/v1/projects/p/locations/us-central1/publishers/google/models/"
CLAUDE = "/vertex_ai/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude"
CREATED = {
    "name": "cachedContents/c",
    "model": "models/m",
    "createTime": "2026-01-01T00:00:00Z",
    "expireTime": "2026-01-01T02:00:00Z",
    "usageMetadata": {"totalTokenCount": 1000},
}


def booked(target, answer, **more):
    desk = Desk()
    desk.books.book = PriceBook.from_layers([Layer("test", PRICES, strict=True)])
    return desk.exchange(target, answer, **more)


@pytest.mark.parametrize(
    ("target", "answer", "cost", "known"),
    [
        # 2 x 0.04
        (f"{GOOGLE}imagen:predict", {"predictions": [{"gcsUri": "g"}, {"gcsUri": "h"}, {"raiFilteredReason": "r"}]},
         "0.08", "exact"),
        # 7 x 1.5e-7
        ("/gemini/v1beta/models/gemini-embedding-001:embedContent",
         {"embedding": {"values": [0.1]}, "usageMetadata": {"promptTokenCount": 7}}, "0.00000105", "exact"),
        # 10 x 3e-6 + 2 x 1.5e-5
        (f"{CLAUDE}:rawPredict", {"type": "message", "usage": {"input_tokens": 10, "output_tokens": 2}},
         "0.00006", "exact"),
        # 10 x 2e-7 + 5 x 8e-7: the path names no model, the answer does
        ("/gemini/v1beta/openai/chat/completions",
         {"model": "models/llama", "usage": {"prompt_tokens": 10, "completion_tokens": 5}}, "0.000006", "exact"),
        # 1000 x 1e-6 + 1000 x 2 x 1e-6
        ("/gemini/v1beta/cachedContents", CREATED, "0.003", "estimated"),
    ],
)  # fmt: skip
def test_each_shape_is_booked_by_its_own_rule(target, answer, cost, known):
    record = booked(target, answer)
    assert (record.cost, record.known) == (Decimal(cost), known)


def test_claudes_stream_shows_in_the_content_type():
    events = (
        {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}},
        {"type": "message_delta", "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    wire = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    record = booked(f"{CLAUDE}:streamRawPredict", wire, headers=SSE)
    assert (record.cost, record.known) == (Decimal("0.00006"), "exact")  # 10 x 3e-6 + 2 x 1.5e-5


def test_the_requests_text_is_read_where_it_is_billed():
    asks = json.dumps({"contents": [{"parts": [{"text": "ab c"}]}]}).encode()
    answer = {"candidates": [{"content": {"parts": [{"text": "x y"}]}}], "usageMetadata": {"promptTokenCount": 2}}
    record = booked(f"{GOOGLE}gemini-1.5-flash:generateContent", answer, asks=asks)
    assert record.cost == Decimal("0.0000007")  # 3 x 1e-7 + 2 x 2e-7


def test_embeddings_without_usage_are_estimated_by_the_requests_text():
    asks = json.dumps({"content": {"parts": [{"text": "nine byte"}]}}).encode()
    record = booked(
        "/gemini/v1beta/models/gemini-embedding-001:embedContent", {"embedding": {"values": [0.1]}}, asks=asks
    )
    assert (record.cost, record.known) == (Decimal("0.00000045"), "estimated")  # 3 x 1.5e-7


def test_a_batch_job_is_settled_once_when_its_results_are_first_read():
    desk = Desk()
    desk.books.book = PriceBook.from_layers([Layer("test", PRICES, strict=True)])
    line = {"response": {"usageMetadata": {"promptTokenCount": 10}}}
    done = {
        "name": "batches/b",
        "done": True,
        "metadata": {"model": "models/llama"},
        "response": {"inlinedResponses": {"inlinedResponses": [line, {"error": {"code": 3}}, line]}},
    }
    running = {"name": "batches/b", "metadata": {"model": "models/llama"}}
    for answer in (running, done, done):
        desk.exchange("/gemini/v1beta/batches/b", answer, method="GET")
    records = tuple(desk.log.records)
    booked = [(record.id, record.cost, record.model) for record in records if record.cost]
    assert booked == [("batches/b", Decimal("0.000004"), "llama")]  # 20 x 2e-7: no batch price
    assert len(records) == 4  # three polls, each free, and the job


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "GET"])
def test_what_is_done_to_a_cached_content_later_is_free_and_leaves_its_record_as_it_is(method):
    assert booked("/gemini/v1beta/cachedContents/c", CREATED, method=method).cost == 0
