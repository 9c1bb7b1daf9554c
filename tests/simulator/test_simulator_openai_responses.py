"""OpenAI's Responses API on both services (wire-http 1.2)."""

import json

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.surfaces import openai_responses

TARGET = f"{VERTEX}/endpoints/openapi/responses"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def world() -> World:
    return World(*openai_responses.ROUTES)


def asked(**members):
    return {"model": "google/gemini-2.5-flash", "input": "hello there"} | members


def test_a_response(world):
    value = world.post(TARGET, asked(instructions="be brief")).json
    assert value["object"] == "response"
    assert value["status"] == "completed"
    [message] = value["output"]
    assert message["type"] == "message"
    assert "hello there" in message["content"][0]["text"]
    usage = value["usage"]
    assert usage["input_tokens"] == 5
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert world.ask("GET", f"{TARGET}/{value['id']}").json == value
    assert world.ask("DELETE", f"{TARGET}/{value['id']}").json["deleted"] is True
    assert world.ask("GET", f"{TARGET}/{value['id']}").status == 404


def test_the_stream_says_the_same(world):
    whole = world.post(TARGET, asked()).json
    events = world.post(TARGET, asked(stream=True)).events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert text == whole["output"][0]["content"][0]["text"]
    assert events[-1]["response"]["usage"] == whole["usage"]


def test_tools_go_on_from_the_response_before(world):
    first = world.post(TARGET, asked(tools=[TOOL], tool_choice="required")).json
    [call] = first["output"]
    assert (call["type"], call["name"]) == ("function_call", "get_weather")
    assert isinstance(json.loads(call["arguments"])["city"], str)
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "clear sky"}
    second = world.post(TARGET, asked(input=[result], previous_response_id=first["id"], tools=[TOOL])).json
    assert "clear sky" in second["output"][0]["content"][0]["text"]
    by_hand = [{"role": "user", "content": "hello there"}, call, result]
    third = world.post(TARGET, asked(input=by_hand, tools=[TOOL])).json
    assert third["output"][0]["content"] == second["output"][0]["content"]


def test_arguments_are_streamed(world):
    events = world.post(TARGET, asked(stream=True, tools=[TOOL], tool_choice="required")).events
    pieces = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
    done = next(e for e in events if e["type"] == "response.function_call_arguments.done")
    assert "".join(pieces) == done["arguments"]


def test_schema_and_limit(world):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    text = world.post(TARGET, asked(text=form)).json["output"][0]["content"][0]["text"]
    assert isinstance(json.loads(text)["n"], int)
    short = world.post(TARGET, asked(max_output_tokens=2)).json
    assert short["status"] == "incomplete"
    assert short["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"input": ""}, 400),
        ({"nonsense": 1}, 400),
        ({"stream": "yes"}, 400),
        ({"previous_response_id": "resp_none"}, 404),
        ({"model": "google/none"}, 404),
        ({"temperature": 3}, 400),
    ],
)
def test_refusals(world, change, status):
    assert world.post(TARGET, asked(**change)).status == status


def test_what_is_not_stored_is_not_kept(world):
    value = world.post(TARGET, asked(store=False)).json
    assert world.ask("GET", f"{TARGET}/{value['id']}").status == 404
    assert world.ask("DELETE", f"{TARGET}/{value['id']}").status == 404
