"""The OpenAI-compatible chat of both services: what is sent, what comes back, what is refused (wire-http 10)."""

import json

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.store import Resource
from understudy_simulator.surfaces import openai_chat
from understudy_simulator.tuned import TunedFrom

CHAT = "/v1beta/openai/chat/completions"
VERTEX_CHAT = f"{VERTEX}/endpoints/openapi/chat/completions"
HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def world() -> World:
    return World(*openai_chat.ROUTES)


def asked(**members):
    return {"model": "gemini-2.5-flash", "messages": HELLO} | members


def test_chat_answers_with_one_choice_and_usage(world):
    answer = world.post(CHAT, asked())
    value = answer.json
    assert answer.status == 200
    assert value["object"] == "chat.completion"
    assert value["model"] == "gemini-2.5-flash"
    assert value["created"] == int(world.now.timestamp())
    [choice] = value["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert "hello there" in choice["message"]["content"]
    usage = value["usage"]
    assert usage["prompt_tokens"] == 3
    assert usage["total_tokens"] >= usage["prompt_tokens"] + usage["completion_tokens"] > 3


def test_layout_is_compact_and_in_alphabetical_order(world):
    body = world.post(CHAT, asked()).body
    assert body == json.dumps(json.loads(body), separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def test_vertex_wants_publisher_and_model(world):
    answer = world.post(VERTEX_CHAT, asked(model="google/gemini-2.5-flash")).json
    assert answer["model"] == "google/gemini-2.5-flash"
    assert answer["system_fingerprint"] == ""
    assert answer["usage"]["extra_properties"] == {"google": {"traffic_type": "ON_DEMAND"}}
    refused = world.post(VERTEX_CHAT, asked(model="gemini-2.5-flash"))
    assert refused.status == 400
    assert "PUBLISHER/MODEL" in refused.error["message"]


@pytest.mark.parametrize("model", ["meta/llama-3.3-70b-instruct-maas", "google/gemini-3-flash-preview"])
def test_vertex_serves_partners_too(world, model):
    assert world.post(VERTEX_CHAT, asked(model=model)).json["model"] == model


def test_an_endpoint_of_ones_own_answers_for_any_model(world):
    answer = world.post(f"{VERTEX}/endpoints/123456/chat/completions", asked(model="whatever"))
    assert answer.status == 200
    assert answer.json["model"] == "whatever"


def test_a_tuned_endpoint_answers_as_its_base_model(world):
    name = "projects/p/locations/us-central1/endpoints/77"
    world.store.shelf("").put(Resource(name, {}, world.now, hidden=TunedFrom("gemini-2.0-flash-001")))
    body = asked(reasoning_effort="high", extra_body={"google": {}})
    assert world.post(f"{VERTEX}/endpoints/77/chat/completions", body).status == 400
    assert world.post(f"{VERTEX}/endpoints/78/chat/completions", body).status == 200


def test_cached_contents_count_as_prompt(world):
    value = {"usageMetadata": {"totalTokenCount": 5000}}
    world.store.shelf("").put(Resource("cachedContents/abc", value, world.now))
    answer = world.post(CHAT, asked(extra_body={"google": {"cached_content": "cachedContents/abc"}})).json
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 5000}
    assert answer["usage"]["prompt_tokens"] == 5003
    unknown = world.post(CHAT, asked(extra_body={"google": {"cached_content": "cachedContents/none"}}))
    assert unknown.status == 403


def test_stream_adds_up_to_the_whole_answer(world):
    whole = world.post(CHAT, asked()).json["choices"][0]["message"]["content"]
    stream = world.post(CHAT, asked(stream=True))
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.body.endswith(b"data: [DONE]\n\n")
    events = stream.events
    assert len(events) > 1
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events}) == 1
    assert "".join(event["choices"][0]["delta"]["content"] for event in events) == whole
    assert [event["choices"][0].get("finish_reason") for event in events] == [None] * (len(events) - 1) + ["stop"]
    assert not any("usage" in event for event in events)


def test_stream_with_usage(world):
    events = world.post(CHAT, asked(stream=True, stream_options={"include_usage": True})).events
    assert events[-1]["usage"]["total_tokens"] > 0
    assert not any("usage" in event for event in events[:-1])


def test_tools_are_called_and_their_results_answered(world):
    first = world.post(CHAT, asked(tools=[WEATHER], tool_choice="required")).json
    message = first["choices"][0]["message"]
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    [call] = message["tool_calls"]
    assert call["type"] == "function"
    assert call["function"]["name"] == "get_weather"
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)
    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "clear as glass"}'}
    second = world.post(CHAT, asked(tools=[WEATHER], messages=[*HELLO, message, result])).json
    assert second["choices"][0]["finish_reason"] == "stop"
    assert "clear as glass" in second["choices"][0]["message"]["content"]
    assert "get_weather" in second["choices"][0]["message"]["content"]


@pytest.mark.parametrize(("model", "index"), [("gemini-2.5-flash", 0), ("gemini-3-flash-preview", None)])
def test_tool_calls_in_a_stream_of_the_newest_models_have_no_index(world, model, index):
    events = world.post(CHAT, asked(model=model, stream=True, tools=[WEATHER], tool_choice="required")).events
    [call] = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert call.get("index") == index
    assert call["function"]["name"] == "get_weather"
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_tool_choice_names_a_function(world):
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
    choice = {"type": "function", "function": {"name": "other"}}
    answer = world.post(CHAT, asked(tools=[WEATHER, other], tool_choice=choice)).json
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "other"


def test_none_forbids_calls(world):
    answer = world.post(
        CHAT, asked(tools=[WEATHER], tool_choice="none", messages=[{"role": "user", "content": "call get_weather"}])
    ).json
    assert "tool_calls" not in answer["choices"][0]["message"]


def test_json_schema(world):
    schema = {
        "type": "object",
        "properties": {"count": {"type": "integer"}, "city": {"type": "string"}},
        "required": ["count", "city"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    value = json.loads(world.post(CHAT, asked(response_format=wanted)).json["choices"][0]["message"]["content"])
    assert isinstance(value["count"], int)
    assert isinstance(value["city"], str)


def test_n_and_limits(world):
    answer = world.post(CHAT, asked(n=3)).json
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    short = world.post(CHAT, asked(max_completion_tokens=2)).json["choices"][0]
    assert short["finish_reason"] == "length"
    whole = world.post(CHAT, asked()).json["choices"][0]["message"]["content"]
    stopped = world.post(CHAT, asked(stop="there")).json["choices"][0]["message"]["content"]
    assert len(stopped) < len(whole)
    assert "there" not in stopped


def test_system_messages_and_media_count_as_prompt(world):
    plain = world.post(CHAT, asked()).json["usage"]["prompt_tokens"]
    told = world.post(CHAT, asked(messages=[{"role": "developer", "content": "be very brief"}, *HELLO])).json
    assert told["usage"]["prompt_tokens"] > plain
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    seen = world.post(CHAT, asked(messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}, picture]}]))
    assert seen.json["usage"]["prompt_tokens"] == 259


def test_unknown_members_are_refused_in_an_array(world):
    answer = world.post(CHAT, asked(google={"thinking_config": {}}, other=1))
    assert answer.status == 400
    assert isinstance(answer.json, list)
    assert answer.error["status"] == "INVALID_ARGUMENT"
    assert answer.error["message"] == (
        'Invalid JSON payload received. Unknown name "google": Cannot find field.\n'
        'Invalid JSON payload received. Unknown name "other": Cannot find field.'
    )


def test_extra_body_is_known(world):
    google = {"google": {"thinking_config": {"include_thoughts": True, "thinking_budget": 100}}}
    assert world.post(CHAT, asked(extra_body=google)).status == 200
    twice = world.post(CHAT, asked(extra_body=google, reasoning_effort="low"))
    assert twice.status == 400


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("temperature", "hot", "Invalid value at 'temperature' (TYPE_FLOAT), \"hot\""),
        ("n", 1.5, "Invalid value at 'n' (TYPE_INT32), 1.5"),
        ("stream", "yes", "Invalid value at 'stream' (TYPE_BOOL), \"yes\""),
        ("model", 3, "Invalid value at 'model' (TYPE_STRING), 3"),
    ],
)
def test_wrong_types(world, member, value, text):
    answer = world.post(CHAT, asked(**{member: value}))
    assert answer.status == 400
    assert answer.error["message"] == text
    assert answer.error["details"][0]["fieldViolations"][0]["field"] == member


@pytest.mark.parametrize(
    ("member", "value", "word"),
    [("temperature", 2.5, "temperature"), ("top_p", 2, "topP"), ("n", 0, "candidateCount"), ("n", 9, "candidateCount")],
)
def test_values_out_of_bounds(world, member, value, word):
    answer = world.post(CHAT, asked(**{member: value}))
    assert answer.status == 400
    assert f"has a {word} value of {value} but the supported range is" in answer.error["message"]


def test_an_empty_limit_is_refused(world):
    assert world.post(CHAT, asked(max_tokens=0)).status == 400


@pytest.mark.parametrize(
    "messages", [[], [{"role": "robot", "content": "x"}], [{"role": "tool", "content": "x"}], [{"role": "user"}]]
)
def test_wrong_messages(world, messages):
    assert world.post(CHAT, asked(messages=messages)).status == 400


def test_unknown_models(world):
    answer = world.post(CHAT, asked(model="gemini-0"))
    assert answer.status == 404
    assert answer.error["message"].startswith("models/gemini-0 is not found for API version v1main")
    vertex = world.post(VERTEX_CHAT, asked(model="google/gemini-0"))
    assert vertex.status == 404
    assert "`projects/p/locations/us-central1/publishers/google/models/gemini-0`" in vertex.error["message"]
    assert world.post(VERTEX_CHAT, asked(model="nobody/x")).status == 404
    assert world.post(CHAT, {"messages": HELLO}).status == 400


def test_malformed_json(world):
    answer = world.post(CHAT, b"{nope")
    assert answer.status == 400
    assert "Invalid JSON payload" in answer.error["message"]


def test_completions(world):
    answer = world.post(
        f"{VERTEX}/endpoints/openapi/completions",
        {
            "model": "google/gemini-2.5-flash",
            "prompt": ["red fox", "blue jay"],
        },
    ).json
    assert answer["object"] == "text_completion"
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert "red fox" in answer["choices"][0]["text"]
    assert "blue jay" in answer["choices"][1]["text"]
    assert answer["usage"]["prompt_tokens"] == 4
    stream = world.post(
        "/v1beta/openai/completions",
        {
            "model": "gemini-2.5-flash",
            "prompt": "red fox",
            "stream": True,
        },
    )
    assert "red fox" in "".join(event["choices"][0]["text"] for event in stream.events)
    assert stream.body.endswith(b"data: [DONE]\n\n")
