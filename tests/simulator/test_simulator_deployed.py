"""Endpoints of one's own on Vertex AI: predict and its relatives, and tuned Gemini models behind an endpoint."""

import json

import pytest
from foreign_rig import VERTEX, World
from simulator_rig import BEARER, KEY, ask, simulator

from understudy_simulator.store import Resource
from understudy_simulator.surfaces import deployed, generate
from understudy_simulator.tuned import TunedFrom
from understudy_simulator.validation.answers import answer_mistakes
from understudy_simulator.validation.loading import descriptions

LLAMA = f"{VERTEX}/endpoints/1234567890"
TUNED = "projects/p/locations/us-central1/endpoints/55"
CHAT = {"messages": [{"role": "user", "content": "say hello"}]}


@pytest.fixture
def world() -> World:
    world = World(*deployed.ROUTES, *generate.ROUTES)
    world.store.shelf("").put(Resource(TUNED, {}, world.now, hidden=TunedFrom("gemini-2.5-flash")))
    return world


def test_a_prediction_for_each_instance_always_the_same(world):
    body = {"instances": [{"prompt": "tell me of Rome"}, {"x": [1, 2]}, {"x": [1, 3]}, 7], "parameters": {"a": 1}}
    answer = world.post(f"{LLAMA}:predict", body)
    assert answer.status == 200
    assert not answer_mistakes(descriptions("vertex", "v1"), "PredictResponse", answer.json)
    text, first, second, third = answer.json["predictions"]
    assert "Rome" in text
    assert len({first, second, third}) == 3
    assert all(0 <= number <= 1 for number in (first, second, third))
    again = world.post(f"{LLAMA}:predict", body).json
    assert again["predictions"][1:] == [first, second, third]
    assert again["model"] == answer.json["model"]
    assert answer.json["model"].startswith("projects/p/locations/us-central1/models/")
    other = world.post(f"{VERTEX}/endpoints/8:predict", body).json
    assert other["deployedModelId"] != answer.json["deployedModelId"]


def test_predict_wants_a_body_that_fits(world):
    assert 'Unknown name "instance"' in world.post(f"{LLAMA}:predict", {"instance": []}).error["message"]
    assert world.post(f"{LLAMA}:predict", b"{").status == 400


@pytest.mark.parametrize("verb", ["rawPredict", "streamRawPredict"])
def test_a_raw_chat_gets_the_shape_of_its_container(world, verb):
    whole = world.post(f"{LLAMA}:{verb}", CHAT | {"model": "mine", "max_tokens": 50})
    assert whole.headers["content-type"] == "application/json"
    assert (whole.json["object"], whole.json["model"]) == ("chat.completion", "mine")
    stream = world.post(f"{LLAMA}:{verb}", CHAT | {"stream": True})
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.body.endswith(b"data: [DONE]\n\n")
    said = "".join(event["choices"][0]["delta"].get("content", "") for event in stream.events)
    assert "hello" in said


@pytest.mark.parametrize("body", [b"\xff\x00", {"instances": [{"prompt": "x"}]}, [1, 2], b""])
def test_anything_else_raw_gets_predictions(world, body):
    answer = world.post(f"{LLAMA}:rawPredict", body)
    assert answer.status == 200
    assert len(answer.json["predictions"]) == 1


def test_tensors_for_tensors(world):
    inputs = [{"dtype": "STRING", "shape": ["1"], "stringVal": ["of Rome"]}, {"dtype": "FLOAT", "floatVal": [1.5]}]
    outputs = world.post(f"{LLAMA}:directPredict", {"inputs": inputs}).json["outputs"]
    assert [output["dtype"] for output in outputs] == ["STRING", "FLOAT"]
    assert "Rome" in outputs[0]["stringVal"][0]
    chunks = world.post(f"{LLAMA}:serverStreamingPredict", {"inputs": inputs[:1]}).json
    said = "".join(chunk["outputs"][0]["stringVal"][0] for chunk in chunks)
    assert said == outputs[0]["stringVal"][0]
    events = world.post(f"{LLAMA}:serverStreamingPredict?alt=sse", {"inputs": inputs[:1]})
    assert events.headers["content-type"] == "text/event-stream"
    assert world.post(f"{LLAMA}:directPredict", b"{").status == 400


@pytest.mark.parametrize(
    "verb", ["predict", "rawPredict", "streamRawPredict", "directPredict", "serverStreamingPredict"]
)
def test_a_tuned_gemini_is_not_had_that_way(world, verb):
    error = world.post(f"/v1/{TUNED}:{verb}", {"instances": [{"prompt": "x"}]}).json
    error = error[0]["error"] if isinstance(error, list) else error["error"]
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["message"].startswith("Gemini cannot be accessed through Vertex Predict/RawPredict API.")


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent", "countTokens"])
def test_a_tuned_gemini_answers_at_its_endpoint(world, verb):
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert world.post(f"/v1/{TUNED}:{verb}", body).status == 200
    refused = world.post(f"{LLAMA}:{verb}", body)
    error = json.loads(refused.body)
    error = error[0]["error"] if isinstance(error, list) else error["error"]
    name = "projects/p/locations/us-central1/endpoints/1234567890"
    assert (error["code"], error["message"]) == (404, f"Endpoint `{name}` not found.")


async def test_the_model_of_a_tuning_job_generates_at_its_endpoint():
    job = {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}
    hello = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with simulator() as running:
        made = (await ask(running.http_url, "POST", f"{VERTEX}/tuningJobs", BEARER, body=job)).json
        for _ in range(2):
            done = (await ask(running.http_url, "GET", f"/v1/{made['name']}", BEARER)).json
        endpoint = f"/v1/{done['tunedModel']['endpoint']}"
        whole = await ask(running.http_url, "POST", f"{endpoint}:generateContent", BEARER, body=hello)
        assert whole.json["modelVersion"] == "gemini-2.5-flash"
        stream = await ask(running.http_url, "POST", f"{endpoint}:streamGenerateContent?alt=sse", BEARER, body=hello)
        assert stream.values("content-type") == ["text/event-stream"]
        chat = {"model": "", "messages": [{"role": "user", "content": "hi"}]}
        answer = await ask(running.http_url, "POST", f"{endpoint}/chat/completions", BEARER, body=chat)
        assert answer.json["object"] == "chat.completion"


async def test_what_google_has_not_is_not_found_and_what_we_have_not_is_said():
    hello = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with simulator() as running:
        for path in ("images/edits", "images/variations", "audio/speech", "audio/transcriptions"):
            answer = await ask(running.http_url, "POST", f"/v1beta/openai/{path}", KEY, body={})
            assert (answer.status, answer.values("x-understudy-error")) == (404, [])
        dynamic = await ask(running.http_url, "POST", "/v1beta/dynamic/mine:generateContent", KEY, body=hello)
        assert dynamic.json["error"]["message"].startswith("dynamic/mine is not found for API version v1beta")
        for path in ("endpoints/1:explain", "endpoints/1:directRawPredict", "publishers/google/v1/responses"):
            answer = await ask(running.http_url, "POST", f"{VERTEX}/{path}", BEARER, body={})
            assert (answer.status, answer.values("x-understudy-error")) == (501, ["NOT_SIMULATED"])
