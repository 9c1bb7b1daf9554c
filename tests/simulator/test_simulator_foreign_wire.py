"""OpenAI's and Anthropic's shapes over real sockets: framing, header fields, credentials, strict mode."""

import json

import pytest
from simulator_rig import BEARER, KEY, ask, scenario, simulator

CHAT = "/v1beta/openai/chat/completions"
OPENAPI = "/v1/projects/p/locations/us-central1/endpoints/openapi"
CLAUDE = "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4@20250514"
HELLO = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "hi"}]}
CLAUDE_HELLO = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "messages": HELLO["messages"]}
KEY_AS_BEARER = ("Authorization", "Bearer AIza-a-test-key")


async def test_chat_with_the_key_as_bearer():
    async with simulator() as running:
        answer = await ask(running.http_url, "POST", CHAT, KEY_AS_BEARER, body=HELLO)
        assert answer.status == 200
        assert answer.values("content-type") == ["application/json; charset=UTF-8"]
        assert len(answer.values("vary")) == 3
        assert answer.json["object"] == "chat.completion"
        nobody = await ask(running.http_url, "POST", CHAT, body=HELLO)
        assert nobody.status == 403
        assert nobody.body.startswith(b'[{\n  "error": {\n')
        assert nobody.body.endswith(b"}\n]")


async def test_a_streamed_chat_is_cut_into_events():
    async with simulator() as running:
        answer = await ask(running.http_url, "POST", CHAT, KEY_AS_BEARER, body=HELLO | {"stream": True})
        assert answer.values("content-type") == ["text/event-stream"]
        assert answer.chunks[-1] == b"data: [DONE]\n\n"
        assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in answer.chunks)
        assert answer.complete


async def test_vertex_wants_a_token():
    async with simulator() as running:
        body = HELLO | {"model": "google/gemini-2.5-flash"}
        answer = await ask(running.http_url, "POST", f"{OPENAPI}/chat/completions", BEARER, body=body)
        assert answer.status == 200
        nobody = await ask(running.http_url, "POST", f"{OPENAPI}/chat/completions", body=body)
        assert nobody.status == 401
        assert json.loads(nobody.body)[0]["error"]["status"] == "UNAUTHENTICATED"


async def test_claude_over_the_wire():
    async with simulator() as running:
        whole = await ask(running.http_url, "POST", f"{CLAUDE}:rawPredict", BEARER, body=CLAUDE_HELLO)
        assert whole.json["type"] == "message"
        assert whole.values("request-id")[0].startswith("req_vrtx_")
        body = CLAUDE_HELLO | {"stream": True}
        stream = await ask(running.http_url, "POST", f"{CLAUDE}:streamRawPredict", BEARER, body=body)
        assert stream.chunks[0].startswith(b"event: message_start\ndata: {")
        assert stream.chunks[-1] == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        refused = await ask(running.http_url, "POST", f"{CLAUDE}:rawPredict", BEARER, body={})
        assert refused.status == 400
        assert refused.json["type"] == "error"
        nobody = await ask(running.http_url, "POST", f"{CLAUDE}:rawPredict", body=CLAUDE_HELLO)
        assert nobody.status == 401
        assert nobody.json["error"]["status"] == "UNAUTHENTICATED"


async def test_strict_mode_wants_a_scenario():
    async with simulator(strict=True) as running:
        answer = await ask(running.http_url, "POST", CHAT, KEY_AS_BEARER, body=HELLO)
        assert answer.status == 501
        assert answer.values("x-understudy-error") == ["NO_SCENARIO"]
        models = await ask(running.http_url, "GET", "/v1beta/openai/models", KEY_AS_BEARER)
        assert models.status == 200


async def test_the_same_requests_get_the_same_bytes():
    bodies = []
    for _ in range(2):
        async with simulator() as running:
            one = await ask(running.http_url, "POST", f"{CLAUDE}:rawPredict", BEARER, body=CLAUDE_HELLO)
            two = await ask(
                running.http_url,
                "POST",
                "/v1beta/openai/embeddings",
                KEY_AS_BEARER,
                body={
                    "model": "gemini-embedding-001",
                    "input": "x",
                    "dimensions": 8,
                },
            )
            bodies.append((one.body, two.body))
    assert bodies[0] == bodies[1]


ORDER = [
    (CHAT, KEY_AS_BEARER, HELLO),
    (f"{CLAUDE}:rawPredict", BEARER, CLAUDE_HELLO),
    ("/v1beta/interactions", KEY, {"model": "gemini-3-flash", "input": "hi"}),
]


@pytest.mark.parametrize(("target", "credential", "body"), ORDER, ids=[row[0] for row in ORDER])
async def test_a_body_that_is_refused_uses_up_no_scenario_unless_any_body_passes(target, credential, body):
    wrong = body | {"nobody_knows": 1}
    surface = "vertex" if "/projects/" in target else "gemini"
    scripted = scenario([{"reply": {"json": {"scripted": 1}}}], surface=surface, model="*")
    async with simulator(strict=True) as running:
        running.stage.arm(scripted)
        refused = await ask(running.http_url, "POST", target, credential, body=wrong)
        assert (refused.status, b"nobody_knows" in refused.body) == (400, True)
        assert refused.values("x-understudy-error") == []
        assert (await ask(running.http_url, "POST", target, credential, body=body)).json == {"scripted": 1}
    async with simulator(strict=True, any_body=True) as running:
        running.stage.arm(scripted)
        assert (await ask(running.http_url, "POST", target, credential, body=wrong)).json == {"scripted": 1}
    async with simulator(any_body=True) as running:
        assert (await ask(running.http_url, "POST", target, credential, body=wrong)).status == 200


async def test_a_scenario_that_names_the_path_answers_what_would_be_refused():
    async with simulator() as running:
        running.stage.arm(scenario([{"reply": {"json": {"scripted": 1}}}], match={"path": CHAT, "model": "*"}))
        assert (await ask(running.http_url, "POST", CHAT, KEY_AS_BEARER, body={"x": 1})).json == {"scripted": 1}
        assert (await ask(running.http_url, "POST", CHAT, KEY_AS_BEARER, body={"x": 1})).status == 400
