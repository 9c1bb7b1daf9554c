"""Mistral's and others' models on Vertex AI: rawPredict and streamRawPredict (wire-http 1.2)."""

import json

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.catalogue import every_model
from understudy_simulator.surfaces import anthropic, partners

MISTRAL = next(m.id for m in every_model() if m.publisher == "mistralai" and m.retires is None and "ocr" not in m.id)
TARGET = f"{VERTEX}/publishers/mistralai/models/{MISTRAL}"
HELLO = {"model": MISTRAL, "messages": [{"role": "user", "content": "hello there"}]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def world() -> World:
    return World(*partners.ROUTES, *anthropic.ROUTES)


def test_an_answer(world):
    value = world.post(f"{TARGET}:rawPredict", HELLO).json
    assert value["object"] == "chat.completion"
    assert value["model"] == MISTRAL
    assert "hello there" in value["choices"][0]["message"]["content"]
    assert value["choices"][0]["message"]["tool_calls"] is None
    assert value["choices"][0]["finish_reason"] == "stop"
    usage = value["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_the_stream_says_the_same(world):
    whole = world.post(f"{TARGET}:rawPredict", HELLO).json["choices"][0]["message"]["content"]
    answer = world.post(f"{TARGET}:streamRawPredict", HELLO | {"stream": True})
    assert answer.body.endswith(b"data: [DONE]\n\n")
    events = answer.events
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(event["choices"][0]["delta"]["content"] for event in events) == whole
    assert [event["choices"][0]["finish_reason"] for event in events][-1] == "stop"
    assert events[-1]["usage"]["total_tokens"] > 0


def test_tools_and_json(world):
    value = world.post(f"{TARGET}:rawPredict", HELLO | {"tools": [TOOL], "tool_choice": "any"}).json
    [call] = value["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "look"
    assert len(call["id"]) == 9
    assert value["choices"][0]["finish_reason"] == "tool_calls"
    text = world.post(f"{TARGET}:rawPredict", HELLO | {"response_format": {"type": "json_object"}}).json
    assert isinstance(json.loads(text["choices"][0]["message"]["content"]), dict)


def test_fill_in_the_middle(world):
    body = {"model": MISTRAL, "prompt": "def f(", "suffix": "return x"}
    assert "def f(" in world.post(f"{TARGET}:rawPredict", body).json["choices"][0]["message"]["content"]


def test_refusals(world):
    assert world.post(f"{TARGET}:rawPredict", {"messages": []}).json["object"] == "error"
    assert world.post(f"{TARGET}:rawPredict", b"[]").status == 400
    answer = world.post(f"{VERTEX}/publishers/mistralai/models/none-such:rawPredict", HELLO)
    assert answer.status == 404
    assert "publishers/mistralai/models/none-such`" in answer.error["message"]


def test_ocr(world):
    target = f"{VERTEX}/publishers/mistralai/models/mistral-ocr-2505:rawPredict"
    document = {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi0="}
    value = world.post(target, {"model": "mistral-ocr-2505", "document": document}).json
    assert value["pages"][0]["index"] == 0
    assert value["usage_info"]["pages_processed"] == 1
    assert world.post(target, {"model": "mistral-ocr-2505"}).status == 400


def test_claude_keeps_its_own_routes(world):
    target = f"{VERTEX}/publishers/anthropic/models/claude-opus-5-5:rawPredict"
    assert world.post(target, {}).json["type"] == "error"
