"""Claude models on Vertex AI: messages, their events, tools, caching, refusals (wire-http 1.2, 12)."""

from datetime import timedelta

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.surfaces import anthropic

MODEL = f"{VERTEX}/publishers/anthropic/models/claude-sonnet-4@20250514"
RAW = f"{MODEL}:rawPredict"
STREAM = f"{MODEL}:streamRawPredict"
COUNT = f"{VERTEX}/publishers/anthropic/models/count-tokens:rawPredict"
HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def world() -> World:
    return World(*anthropic.ROUTES)


def asked(**members):
    return {"anthropic_version": "vertex-2023-10-16", "max_tokens": 1000, "messages": HELLO} | members


def test_a_message(world):
    answer = world.post(RAW, asked())
    assert answer.status == 200
    value = answer.json
    assert list(value) == ["model", "id", "type", "role", "content", "stop_reason", "stop_sequence", "usage"]
    assert value["model"] == "claude-sonnet-4-20250514"
    assert value["id"].startswith("msg_vrtx_01")
    assert (value["type"], value["role"]) == ("message", "assistant")
    assert value["stop_reason"] == "end_turn"
    assert value["stop_sequence"] is None
    [block] = value["content"]
    assert block["type"] == "text"
    assert "hello there" in block["text"]
    assert value["usage"]["input_tokens"] == 3
    assert value["usage"]["output_tokens"] > 3
    assert value["usage"]["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    assert answer.headers["request-id"].startswith("req_vrtx_01")
    assert b'": ' not in answer.body.replace(b'said: "', b"")


def test_the_stream_says_the_same(world):
    whole = world.post(RAW, asked()).json
    answer = world.post(STREAM, asked(stream=True))
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.events
    names = [line[7:] for line in answer.body.decode().split("\n") if line.startswith("event: ")]
    assert names == [event["type"] for event in events]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    start = events[0]["message"]
    assert start["content"] == []
    assert start["stop_reason"] is None
    assert start["usage"]["input_tokens"] == whole["usage"]["input_tokens"]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == whole["content"][0]["text"]
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def test_without_stream_the_other_verb_answers_whole(world):
    assert world.post(STREAM, asked()).json["type"] == "message"


def test_tools(world):
    tools = {"tools": [WEATHER], "tool_choice": {"type": "any"}}
    first = world.post(RAW, asked(**tools)).json
    assert first["stop_reason"] == "tool_use"
    [call] = first["content"]
    assert (call["type"], call["name"]) == ("tool_use", "get_weather")
    assert call["id"].startswith("toolu_vrtx_01")
    assert isinstance(call["input"]["city"], str)
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "clear sky"}]}
    turns = [*HELLO, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    second = world.post(RAW, asked(tools=[WEATHER], messages=turns)).json
    assert second["stop_reason"] == "end_turn"
    assert "clear sky" in second["content"][0]["text"]


def test_tool_input_is_streamed_as_json(world):
    events = world.post(STREAM, asked(stream=True, tools=[WEATHER], tool_choice={"type": "any"})).events
    start = next(event for event in events if event["type"] == "content_block_start")
    assert start["content_block"]["input"] == {}
    pieces = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
    assert pieces[0] == ""
    assert '"city"' in "".join(pieces)
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_thinking(world):
    value = world.post(RAW, asked(max_tokens=3000, thinking={"type": "enabled", "budget_tokens": 2000})).json
    thought, text = value["content"]
    assert thought["type"] == "thinking"
    assert thought["thinking"]
    assert thought["signature"]
    assert text["type"] == "text"
    events = world.post(STREAM, asked(stream=True, max_tokens=3000, thinking={"type": "adaptive"})).events
    kinds = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert kinds[0] == "thinking_delta"
    assert "signature_delta" in kinds
    assert kinds[-1] == "text_delta"
    assert len(world.post(RAW, asked(thinking={"type": "disabled"})).json["content"]) == 1


def test_limits(world):
    short = world.post(RAW, asked(max_tokens=2)).json
    assert short["stop_reason"] == "max_tokens"
    assert short["usage"]["output_tokens"] <= 2
    stopped = world.post(RAW, asked(stop_sequences=["zzz", "there"])).json
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "there")
    assert stopped["content"][0]["text"].endswith("hello ")
    first = world.post(RAW, asked(stop_sequences=["there", "hello"])).json
    assert first["stop_sequence"] == "hello"


def test_images_count(world):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}}
    content = [image, {"type": "text", "text": "hi"}]
    value = world.post(RAW, asked(messages=[{"role": "user", "content": content}])).json
    assert value["usage"]["input_tokens"] == 259


def test_structured_output(world):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    text = world.post(RAW, asked(output_config=wanted)).json["content"][0]["text"]
    assert '"n"' in text


def test_prompt_cache(world):
    long = {"type": "text", "text": "many words " * 1000, "cache_control": {"type": "ephemeral"}}
    body = asked(system=[long])
    first = world.post(RAW, body).json["usage"]
    assert first["cache_creation_input_tokens"] == first["cache_creation"]["ephemeral_5m_input_tokens"] == 2750
    assert first["cache_read_input_tokens"] == 0
    assert first["input_tokens"] == 3
    second = world.post(RAW, body).json["usage"]
    assert second["cache_read_input_tokens"] == 2750
    assert second["cache_creation_input_tokens"] == 0
    world.now += timedelta(minutes=6)
    assert world.post(RAW, body).json["usage"]["cache_read_input_tokens"] == 0


def test_an_hours_cache_and_a_short_prefix(world):
    long = {"type": "text", "text": "many words " * 1000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    usage = world.post(RAW, asked(system=[long])).json["usage"]
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] == 2750
    short = {"type": "text", "text": "few words", "cache_control": {"type": "ephemeral"}}
    usage = world.post(RAW, asked(system=[short])).json["usage"]
    assert usage["cache_creation_input_tokens"] == 0


def test_count_tokens(world):
    body = {"anthropic_version": "vertex-2023-10-16", "model": "claude-sonnet-4@20250514", "messages": HELLO}
    assert world.post(COUNT, body).json == {"input_tokens": 3}
    more = world.post(COUNT, body | {"system": "be brief", "tools": [WEATHER]}).json["input_tokens"]
    assert more > 5
    assert world.post(COUNT, body | {"model": "claude-0"}).status == 404
    refused = world.post(COUNT, {"messages": HELLO})
    assert refused.json["error"]["message"] == "model: Field required"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "claude-sonnet-4"}, "model: Extra inputs are not permitted"),
        ({"nonsense": 1}, "nonsense: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"anthropic_version": None}, "anthropic_version: Field required"),
        ({"max_tokens": "many"}, "max_tokens: Input should be a valid integer"),
        ({"stream": 1}, "stream: Input should be a valid boolean"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"max_tokens": 0}, "max_tokens: must be greater than or equal to 1"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0: user messages must have non-empty content"),
        ({"tool_choice": {"type": "any"}}, "tool_choice: tool_choice may only be specified while providing tools."),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}},
            "tool_choice: Tool 'x' not found in provided tools",
        ),
        ({"tools": [{"name": "x"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [WEATHER, WEATHER]}, "tools: Tool names must be unique."),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 10}},
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            {"max_tokens": 70000},
            "max_tokens: 70000 > 64000, which is the maximum allowed number of output tokens for "
            "claude-sonnet-4-20250514",
        ),
    ],
)
def test_refusals_in_anthropics_shape(world, change, message):
    body = {name: value for name, value in (asked() | change).items() if value is not None}
    answer = world.post(RAW, body)
    assert answer.status == 400
    value = answer.json
    assert list(value) == ["type", "error", "request_id"]
    assert value["type"] == "error"
    assert value["error"] == {"type": "invalid_request_error", "message": message}
    assert value["request_id"] == answer.headers["request-id"]


def test_tool_results_must_fit_the_calls(world):
    call = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t2", "content": "x"}
    turns = [*HELLO, {"role": "assistant", "content": [call]}, *HELLO]
    assert (
        "without `tool_result` blocks immediately after: t1"
        in world.post(RAW, asked(messages=turns)).json["error"]["message"]
    )
    turns[2] = {"role": "user", "content": [result]}
    assert "unexpected `tool_use_id`" in world.post(RAW, asked(messages=turns)).json["error"]["message"]


def test_thinking_rules(world):
    thinking = {"type": "enabled", "budget_tokens": 2000}
    assert "`max_tokens` must be greater" in world.post(RAW, asked(thinking=thinking)).json["error"]["message"]
    warm = world.post(RAW, asked(thinking=thinking, max_tokens=3000, temperature=0.5))
    assert "`temperature` may only be set to 1" in warm.json["error"]["message"]
    assert world.post(RAW, asked(thinking={"type": "odd"})).status == 400


def test_unreadable_bodies_and_unknown_models(world):
    assert world.post(RAW, b"{nope").json["error"]["type"] == "invalid_request_error"
    assert world.post(RAW, b"[]").status == 400
    answer = world.post(f"{VERTEX}/publishers/anthropic/models/claude-0:rawPredict", asked())
    assert answer.status == 404
    assert "publishers/anthropic/models/claude-0`" in answer.json["error"]["message"]
    assert answer.json["error"]["status"] == "NOT_FOUND"


def test_a_prompt_beyond_the_limit(world):
    haiku = f"{VERTEX}/publishers/anthropic/models/claude-opus-4@20250514:rawPredict"
    answer = world.post(haiku, asked(messages=[{"role": "user", "content": "word " * 170_000}]))
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith("prompt is too long: 212500 tokens > 200000 maximum")


def test_blocked_prompts_end_in_a_refusal(world):
    turns = [{"role": "user", "content": "[[understudy:block=SAFETY]] hello"}]
    value = world.post(RAW, asked(messages=turns)).json
    assert value["stop_reason"] == "refusal"
    assert value["content"] == []
