"""The Interactions API without sockets: creation, context, functions, streams, background, refusals (wire-http 9)."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from snake_rig import World, payload_of

from understudy_simulator.call import Events
from understudy_simulator.ids import Identity
from understudy_simulator.next_generation.events import events_of
from understudy_simulator.next_generation.requests import (
    contents_of,
    generate_request,
    input_steps,
    unanswered_calls,
)
from understudy_simulator.next_generation.steps import outcome_of
from understudy_simulator.surfaces import agents, environments, interactions

MODEL = "gemini-3-flash"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ROUTES = (*interactions.ROUTES, *agents.ROUTES, *environments.ROUTES)


@pytest.fixture(params=["gemini", "vertex", "express"])
def world(request: pytest.FixtureRequest) -> World:
    return World(ROUTES, request.param)


@pytest.fixture
def gemini() -> World:
    return World(ROUTES)


def made(world: World, **members: Any) -> Any:
    return world.ask("POST", "interactions", {"model": MODEL, "input": "hi", **members})


def text_of(interaction: Any) -> str:
    contents = [item for step in interaction["steps"] for item in step.get("content", ())]
    return "".join(item["text"] for item in contents if item["type"] == "text")


# ---- creation


def test_an_interaction_is_answered_and_kept(world: World) -> None:
    value = made(world)

    assert value["id"].startswith("v1_")
    assert (value["object"], value["status"], value["model"]) == ("interaction", "completed", MODEL)
    assert value["created"] == value["updated"] == "2026-03-01T12:00:00Z"
    assert value["steps"][-1]["type"] == "model_output"
    assert '"hi"' in text_of(value)
    usage = value["usage"]
    assert usage["total_tokens"] == usage["total_input_tokens"] + usage["total_output_tokens"] > 1
    assert usage["output_tokens_by_modality"] == [{"modality": "text", "tokens": usage["total_output_tokens"]}]
    assert world.ask("GET", f"interactions/{value['id']}?stream=false") == value


@pytest.mark.parametrize(
    "given",
    [
        "one two three",
        {"type": "text", "text": "one two three"},
        [{"type": "text", "text": "one two three"}],
        [{"type": "user_input", "content": [{"type": "text", "text": "one two three"}]}],
    ],
)
def test_all_forms_of_input_say_the_same(gemini: World, given: Any) -> None:
    assert '"one two three"' in text_of(made(gemini, input=given))


def test_media_cost_their_tokens(gemini: World) -> None:
    picture = {"type": "image", "data": "iVBORw0KGgo=", "mime_type": "image/png"}

    value = made(gemini, input=[{"type": "text", "text": "look"}, picture])

    modalities = {entry["modality"] for entry in value["usage"]["input_tokens_by_modality"]}
    assert modalities == {"text", "image"}


def test_the_context_goes_on(gemini: World) -> None:
    first = made(gemini, input="my name is Ada")
    second = made(gemini, previous_interaction_id=first["id"])
    alone = made(gemini)

    assert second["previous_interaction_id"] == first["id"]
    assert second["usage"]["total_input_tokens"] > alone["usage"]["total_input_tokens"]


def test_a_schema_is_satisfied(gemini: World) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 3, "maximum": 9}},
        "required": ["name", "age"],
    }
    for wish in ({"type": "text", "mime_type": "application/json", "schema": schema}, schema):
        value = json.loads(text_of(made(gemini, response_format=wish)))
        Draft202012Validator(schema).validate(value)


def test_an_image_is_output(gemini: World) -> None:
    wish = {"type": "image", "aspect_ratio": "16:9"}

    value = made(gemini, model="gemini-2.5-flash-image", input="draw", response_format=wish)

    kinds = [item["type"] for step in value["steps"] for item in step.get("content", ())]
    image = next(item for step in value["steps"] for item in step.get("content", ()) if item["type"] == "image")
    assert "image" in kinds
    assert image["mime_type"].startswith("image/")
    assert len(image["data"]) > 100


def test_thinking_summaries_are_told_when_asked_for(gemini: World) -> None:
    quiet = made(gemini, generation_config={"thinking_level": "high"})
    told = made(gemini, generation_config={"thinking_level": "high", "thinking_summaries": "auto"})

    thoughts = [step for step in told["steps"] if step["type"] == "thought"]
    assert thoughts[0]["summary"][0]["text"]
    assert thoughts[0]["signature"]
    assert told["usage"]["total_thought_tokens"] > 0
    assert all("summary" not in step for step in quiet["steps"])


def test_what_is_cut_off_is_incomplete(gemini: World) -> None:
    value = made(gemini, input="say a lot", generation_config={"max_output_tokens": 3})

    assert value["status"] == "incomplete"
    assert value["usage"]["total_output_tokens"] <= 3


def test_a_blocked_prompt_fails(gemini: World) -> None:
    value = made(gemini, input="[[understudy:block=SAFETY]] boo")

    assert (value["status"], value["steps"]) == ("failed", [])
    assert value["errors"][0]["code"] == "content_blocked"


def test_an_answer_that_is_stopped_fails(gemini: World) -> None:
    value = made(gemini, input="[[understudy:finish=RECITATION]] boo")
    stream = {"model": MODEL, "input": "[[understudy:finish=RECITATION]] boo", "stream": True}

    assert value["status"] == "failed"
    assert "RECITATION" in value["errors"][0]["message"]
    told = [event for event in gemini.events("POST", "interactions", stream) if event["event_type"] == "error"]
    assert [event["error"] for event in told] == value["errors"]


def test_a_search_is_told_and_cited(gemini: World) -> None:
    value = made(gemini, input="who won", tools=[{"type": "google_search"}])

    call, result, output = value["steps"]
    assert (call["type"], result["type"], output["type"]) == (
        *("google_search_call", "google_search_result"),
        "model_output",
    )
    assert call["arguments"]["queries"]
    assert result["call_id"] == call["id"]
    assert output["content"][0]["annotations"][0]["type"] == "url_citation"
    assert value["usage"]["total_tool_use_tokens"] > 0


def test_the_steps_of_a_conversation_become_contents() -> None:
    steps = [
        {"type": "user_input", "content": [{"type": "image", "uri": "gs://b/o", "mime_type": "image/png"}]},
        {"type": "thought", "signature": "x"},
        {"type": "model_output", "content": [{"type": "text", "text": "nice"}]},
        {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": 1}},
        {"type": "function_result", "call_id": "c1", "result": "ok"},
    ]

    user, model, result = contents_of(steps)

    assert user == {"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://b/o"}}]}
    call = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}}
    assert model == {"role": "model", "parts": [{"text": "nice"}, call]}
    response = {"name": "f", "id": "c1", "response": {"result": "ok"}}
    assert result == {"role": "user", "parts": [{"functionResponse": response}]}
    assert unanswered_calls(steps[:-1]) == {"c1"}
    assert unanswered_calls(steps) == frozenset()


@pytest.mark.parametrize(
    "step",
    [
        {"type": "code_execution_call", "id": "x", "arguments": {"code": "1", "language": "python"}},
        {"type": "code_execution_result", "call_id": "x", "result": "1", "is_error": False},
        {"type": "model_output", "content": [{"type": "image", "data": "AAAA", "mime_type": "image/png"}]},
    ],
)
def test_other_steps_are_told_in_events(step: dict[str, Any]) -> None:
    events = events_of({"id": "v1_x", "status": "completed", "steps": [step]})

    assert events is not None
    told = [payload_of(event) for event in events]
    (delta,) = [event["delta"] for event in told if event["event_type"] == "step.delta"]
    if step["type"] == "model_output":
        assert delta == step["content"][0]
    else:
        assert folded(told) == [step]


def test_what_kind_of_answer_is_asked_for() -> None:
    steps = input_steps("hi")
    settings = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "seed": 7,
        "max_output_tokens": 9,
        "stop_sequences": ["x"],
    }
    schema = {"type": "object"}

    def config(**body: Any) -> Any:
        return generate_request(body, steps).get("generationConfig")

    assert config() is None
    assert config(generation_config=settings) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 4,
        "seed": 7,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
    }
    assert config(generation_config={"thinking_level": "xhigh"}) == {"thinkingConfig": {"thinkingLevel": "HIGH"}}
    picture = {"type": "image", "aspect_ratio": "16:9", "image_size": "2K"}
    assert config(response_format=picture) == {
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "responseModalities": ["IMAGE"],
    }
    assert config(response_format=[{"type": "audio"}]) == {"responseModalities": ["AUDIO"]}
    assert config(response_modalities=["text", "image", "text"]) == {"responseModalities": ["TEXT", "IMAGE"]}
    assert config(response_format={"type": "text", "mime_type": "text/plain"}) == {"responseMimeType": "text/plain"}
    as_json = {"responseJsonSchema": schema, "responseMimeType": "application/json"}
    assert config(response_format={"type": "text", "schema": schema}) == as_json
    assert config(response_format=schema) == as_json
    assert config(response_format=schema, response_mime_type="text/x.enum")["responseMimeType"] == "text/x.enum"


def test_instructions_and_tools_go_along() -> None:
    tools = [{"type": "google_search"}, WEATHER, {"type": "code_execution"}, {"type": "mcp_server", "url": "x"}]

    request = generate_request({"system_instruction": "be brief", "tools": tools}, input_steps("hi"))

    declared = {"name": "get_weather", "parametersJsonSchema": WEATHER["parameters"]}
    assert request == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "tools": [{"functionDeclarations": [declared]}, {"googleSearch": {}}, {"codeExecution": {}}],
    }


def test_an_answer_in_parts_becomes_steps() -> None:
    parts = [
        {"text": "I ", "thought": True},
        {"text": "see.", "thought": True},
        {"executableCode": {"code": "1/0", "language": "PYTHON"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no"}},
        {"text": "Hel"},
        {"text": "lo"},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
    ]
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}

    outcome = outcome_of(answer, Identity(0, "", 1))

    thought, code, result, output = outcome.steps
    assert [item["text"] for item in thought["summary"]] == ["I ", "see."]
    assert (code["type"], code["arguments"]) == ("code_execution_call", {"code": "1/0", "language": "python"})
    assert (result["call_id"], result["is_error"], result["result"]) == (code["id"], True, "no")
    assert output["content"] == [
        {"type": "text", "text": "Hello"},
        {"type": "audio", "data": "AAAA", "mime_type": "audio/wav"},
    ]


# ---- functions


def asked_weather(world: World, **members: Any) -> tuple[Any, Any]:
    choice = {"generation_config": {"tool_choice": "any"}}
    value = made(world, input="weather in Paris", tools=[WEATHER], **choice, **members)
    return value, next(step for step in value["steps"] if step["type"] == "function_call")


def test_a_function_is_called_and_its_result_is_answered(world: World) -> None:
    value, call = asked_weather(world)

    assert value["status"] == "requires_action"
    assert call["name"] == "get_weather"
    Draft202012Validator(WEATHER["parameters"]).validate(call["arguments"])
    for result in ({"degrees": 31}, "31 degrees", [{"type": "text", "text": "31 degrees"}]):
        step = {"type": "function_result", "call_id": call["id"], "name": "get_weather", "result": result}
        after = made(world, input=[step], previous_interaction_id=value["id"], tools=[WEATHER])
        assert after["status"] == "completed"
        assert "31" in text_of(after)


def test_without_state_the_steps_are_sent_again(gemini: World) -> None:
    value, call = asked_weather(gemini, store=False)
    question = {"type": "user_input", "content": [{"type": "text", "text": "weather in Paris"}]}
    result = {"type": "function_result", "call_id": call["id"], "result": {"degrees": 31}}

    after = made(gemini, input=[question, *value["steps"], result], tools=[WEATHER], store=False)

    assert "31" in text_of(after)


def test_a_result_without_its_call_is_refused(gemini: World) -> None:
    value, _ = asked_weather(gemini)
    step = {"type": "function_result", "call_id": "nobody", "result": "x"}

    code, text = gemini.refused(
        "POST", "interactions", {"model": MODEL, "input": [step], "previous_interaction_id": value["id"]}
    )

    assert (code, "input[0].call_id" in text, "nobody" in text) == ("invalid_request", True, True)


def test_only_allowed_tools_are_called(gemini: World) -> None:
    other = {**WEATHER, "name": "get_time"}
    choice = {"allowed_tools": {"mode": "any", "tools": ["get_time"]}}

    value = made(gemini, tools=[WEATHER, other], generation_config={"tool_choice": choice})

    assert [step["name"] for step in value["steps"] if step["type"] == "function_call"] == ["get_time"]


# ---- streams


def folded(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that a client puts together from events."""
    steps: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["event_type"] == "step.start":
            assert event["index"] == len(steps)
            steps[event["index"]] = dict(event["step"])
        elif event["event_type"] == "step.delta":
            fold_delta(steps[event["index"]], event["delta"])
    return list(steps.values())


def fold_delta(step: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text":
            contents = step.setdefault("content", [{"type": "text", "text": ""}])
            contents[-1]["text"] += delta["text"]
        case "text_annotation_delta":
            step["content"][-1]["annotations"] = delta["annotations"]
        case "thought_signature":
            step["signature"] = delta["signature"]
        case "thought_summary":
            step.setdefault("summary", []).append(delta["content"])
        case "arguments_delta":
            step["arguments"] = json.loads(delta["arguments"])
        case _:
            step.update({name: value for name, value in delta.items() if name != "type"})


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"generation_config": {"thinking_summaries": "auto", "thinking_level": "high"}},
        {"tools": [WEATHER], "generation_config": {"tool_choice": "any"}},
        {"tools": [{"type": "google_search"}]},
    ],
)
def test_a_stream_tells_all_of_the_interaction(world: World, members: dict[str, Any]) -> None:
    events = world.events("POST", "interactions", {"model": MODEL, "input": "hi", "stream": True, **members})

    opening, status, *_, closing = events
    assert (opening["event_type"], opening["interaction"]["status"]) == ("interaction.created", "in_progress")
    assert (status["event_type"], status["status"]) == ("interaction.status_update", "in_progress")
    assert closing["event_type"] == "interaction.completed"
    kept = world.ask("GET", f"interactions/{opening['interaction']['id']}?stream=false")
    assert folded(events) == kept["steps"]
    assert closing["interaction"]["status"] == kept["status"]
    assert closing["interaction"]["usage"] == kept["usage"]
    starts = [event["index"] for event in events if event["event_type"] == "step.start"]
    stops = [event["index"] for event in events if event["event_type"] == "step.stop"]
    assert starts == stops == list(range(len(kept["steps"])))


def test_the_bytes_of_an_event(gemini: World) -> None:
    answer = gemini.answer("POST", "interactions", {"model": MODEL, "input": "hé <b>", "stream": True})

    assert isinstance(answer, Events)
    assert answer.events[0].startswith(b'event: interaction.created\ndata: {"interaction":{"id":"v1_')
    assert answer.events[0].endswith(b'"}\n\n')
    joined = b"".join(answer.events)
    assert "hé".encode() in joined
    assert b"<b>" in joined
    assert b"\r" not in joined
    assert dict(answer.headers)[b"Content-Type"] == b"text/event-stream"


def test_a_stream_is_taken_up_behind_any_event(world: World) -> None:
    events = world.events("POST", "interactions", {"model": MODEL, "input": "hi", "stream": True})
    path = f"interactions/{events[0]['interaction']['id']}?stream=true"

    assert world.events("GET", path) == events
    for number, event in enumerate(events):
        assert world.events("GET", f"{path}&last_event_id={event['event_id']}") == events[number + 1 :]


def test_an_unknown_event_is_refused(gemini: World) -> None:
    path = f"interactions/{made(gemini)['id']}"

    assert "nope" in gemini.refused("GET", f"{path}?stream=true&last_event_id=nope")[1]
    assert "stream" in gemini.refused("GET", f"{path}?stream=false&last_event_id=x")[1]


# ---- background, storing, cancelling


def test_the_background_takes_two_polls(world: World) -> None:
    begun = made(world, background=True)
    path = f"interactions/{begun['id']}?stream=false"

    assert begun["status"] == "in_progress"
    assert "steps" not in begun
    assert world.ask("GET", path) == begun
    world.later(seconds=5)
    done = world.ask("GET", path)
    assert (done["status"], done["updated"]) == ("completed", "2026-03-01T12:00:05Z")
    assert '"hi"' in text_of(done)
    assert world.ask("GET", path) == done


def test_a_background_interaction_can_be_cancelled_while_it_runs(world: World) -> None:
    begun = made(world, background=True)

    cancelled = world.ask("POST", f"interactions/{begun['id']}/cancel", {})

    assert cancelled == {**begun, "status": "cancelled"}
    assert world.ask("GET", f"interactions/{begun['id']}?stream=false") == cancelled
    code, text = world.refused("POST", f"interactions/{begun['id']}/cancel", {})
    assert (code, begun["id"] in text) == ("failed_precondition", True)


def test_the_stream_of_what_was_cancelled_ends_so(gemini: World) -> None:
    begun = made(gemini, background=True)
    gemini.ask("POST", f"interactions/{begun['id']}/cancel", {})

    events = gemini.events("GET", f"interactions/{begun['id']}?stream=true")

    assert [event["event_type"] for event in events] == [
        *("interaction.created", "interaction.status_update", "interaction.status_update"),
        "interaction.completed",
    ]
    assert events[2]["status"] == events[3]["interaction"]["status"] == "cancelled"


def test_what_runs_cannot_be_continued_yet(gemini: World) -> None:
    begun = made(gemini, background=True)

    body = {"model": MODEL, "input": "and?", "previous_interaction_id": begun["id"]}
    assert gemini.refused("POST", "interactions", body)[0] == "failed_precondition"


def test_what_is_not_stored_is_not_found(world: World) -> None:
    value = made(world, store=False)

    assert value["id"] == ""
    assert value["status"] == "completed"
    assert not world.store.shelf("").below("interactions")


def test_who_follows_the_events_to_their_end_has_waited_for_it(gemini: World) -> None:
    begun = made(gemini, background=True)

    events = gemini.events("GET", f"interactions/{begun['id']}?stream=true")

    assert events[-1]["event_type"] == "interaction.completed"
    assert gemini.ask("GET", f"interactions/{begun['id']}")["status"] == "completed"


def test_a_model_that_is_retired_by_then_is_not_found(gemini: World) -> None:
    assert made(gemini, model="gemini-omni-flash-preview")["status"] == "completed"
    gemini.later(days=365)

    code, text = gemini.refused(
        "POST", "interactions", {"model": "gemini-omni-flash-preview", "input": "hi"}, status=404
    )

    assert (code, text) == ("model_not_found", "Model 'gemini-omni-flash-preview' was not found.")


def test_the_background_must_be_stored(gemini: World) -> None:
    body = {"model": MODEL, "input": "hi", "store": False, "background": True}

    assert "'store'" in gemini.refused("POST", "interactions", body)[1]


def test_a_deleted_interaction_is_gone(world: World) -> None:
    value = made(world)

    assert world.ask("DELETE", f"interactions/{value['id']}") == {}
    code, text = world.refused("GET", f"interactions/{value['id']}", status=404)
    assert (code, value["id"] in text) == ("not_found", True)
    body = {"model": MODEL, "input": "hi", "previous_interaction_id": value["id"]}
    assert world.refused("POST", "interactions", body, status=404)[0] == "not_found"


def test_the_input_is_shown_when_asked_for(gemini: World) -> None:
    value = made(gemini)

    shown = gemini.ask("GET", f"interactions/{value['id']}?include_input=true")

    assert shown["input"] == [{"type": "user_input", "content": [{"type": "text", "text": "hi"}]}]
    assert "input" not in value


def test_other_scopes_see_nothing_of_it(gemini: World) -> None:
    value = gemini.ask("POST", "interactions", {"model": MODEL, "input": "hi"}, scope="a")

    gemini.ask("GET", f"interactions/{value['id']}", scope="a")
    gemini.ask("GET", f"interactions/{value['id']}", scope="b", status=404)


def test_the_same_calls_give_the_same_bytes() -> None:
    first, second = World(ROUTES), World(ROUTES)

    assert made(first) == made(second)
    assert made(first)["id"] != made(first)["id"]


# ---- agents and environments


def test_an_agent_of_ones_own_answers_with_its_tools(world: World) -> None:
    world.ask("POST", "agents", {"id": "a1", "base_agent": "antigravity", "tools": [WEATHER]})

    value = world.ask("POST", "interactions", {"agent": "a1", "input": "get_weather in Oslo"})

    assert (value["agent"], "model" in value) == ("a1", False)
    assert value["status"] == "requires_action"


def test_the_agents_of_the_sdk_are_known(gemini: World) -> None:
    for name in ("deep-research-pro-preview-12-2025", "antigravity-preview-09-2026"):
        begun = gemini.ask("POST", "interactions", {"agent": name, "input": "dig", "background": True})
        assert (begun["agent"], begun["status"]) == (name, "in_progress")
    assert gemini.refused("POST", "interactions", {"agent": "nobody", "input": "x"}, status=404)[0] == "not_found"


def test_an_environment_comes_with_the_interaction(world: World) -> None:
    body = {"agent": "antigravity-preview-09-2026", "input": "x", "environment": "remote"}

    first = world.ask("POST", "interactions", body)
    second = world.ask("POST", "interactions", {**body, "environment": first["environment_id"]})

    assert second["environment_id"] == first["environment_id"]
    assert world.ask("GET", f"environments/{first['environment_id']}")["status"] == "active"
    world.refused("POST", "interactions", {**body, "environment": "env-none"}, status=404)


# ---- refusals


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"model": MODEL, "input": "x", "frobnicate": 1}, "parameter_unknown", "'frobnicate'"),
        (
            {"model": MODEL, "input": "x", "generation_config": {"presence_penalty": 1}},
            "parameter_unknown",
            "'generation_config.presence_penalty'",
        ),
        ({"model": MODEL, "input": 5}, "invalid_request", "'input'"),
        ({"model": MODEL}, "invalid_request", "'input'"),
        ({"model": MODEL, "input": ""}, "invalid_request", "'input'"),
        ({"input": "x"}, "invalid_request", "'model'"),
        ({"model": MODEL, "agent": "a", "input": "x"}, "invalid_request", "'agent'"),
        ({"model": MODEL, "input": "x", "tools": [{"type": "hammer"}]}, "invalid_request", "'tools[0].type'"),
        ({"model": MODEL, "input": [{"type": "text"}]}, "invalid_request", "'input[0].text'"),
        (
            {"model": MODEL, "input": "x", "generation_config": {"temperature": 3}},
            "invalid_request",
            "'generation_config.temperature'",
        ),
        (
            {"model": MODEL, "input": "x", "generation_config": {"thinking_level": "deep"}},
            "invalid_request",
            "'generation_config.thinking_level'",
        ),
        (
            {"model": MODEL, "input": "x", "generation_config": {"max_output_tokens": 0}},
            "invalid_request",
            "'generation_config.max_output_tokens'",
        ),
        (b"{", "invalid_request", "JSON"),
        (b"[]", "invalid_request", "[]"),
    ],
)
def test_bad_requests_are_refused_and_named(world: World, body: Any, code: str, path: str) -> None:
    assert world.refused("POST", "interactions", body)[0] == code
    assert path in world.refused("POST", "interactions", body)[1]


def test_an_unknown_model_is_refused(world: World) -> None:
    code, text = world.refused("POST", "interactions", {"model": "gpt-9", "input": "x"}, status=404)

    assert (code, "gpt-9" in text) == ("model_not_found", True)


def test_the_discovery_paths_of_vertex() -> None:
    world = World(ROUTES, "vertex")
    body = {"model": MODEL, "input": "hi"}

    value = world.ask("POST", "interactionsHttp", body)
    assert world.ask("GET", f"interactionsHttp/{value['id']}") == world.ask("GET", f"interactions/{value['id']}")
    assert world.ask("POST", "interactions:create", body)["status"] == "completed"
    assert world.events("POST", "interactions:createStream", body)[-1]["event_type"] == "interaction.completed"
    begun = world.ask("POST", "interactionsHttp", {**body, "background": True})
    assert world.ask("POST", f"interactionsHttp/{begun['id']}/cancel")["status"] == "cancelled"
    assert world.ask("DELETE", f"interactionsHttp/{value['id']}") == {}
