"""The OpenAI-compatible embeddings, lists of models and images of both services (wire-http 10)."""

import struct
from base64 import b64decode

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.surfaces import openai_other

GEMINI = "/v1beta/openai"
OPENAPI = f"{VERTEX}/endpoints/openapi"


@pytest.fixture
def world() -> World:
    return World(*openai_other.ROUTES)


def test_embeddings_as_numbers_and_in_base64(world):
    body = {"model": "gemini-embedding-001", "input": ["red fox", "blue jay"], "dimensions": 64}
    answer = world.post(f"{GEMINI}/embeddings", body).json
    assert answer["object"] == "list"
    assert answer["model"] == "gemini-embedding-001"
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    packed = world.post(f"{GEMINI}/embeddings", body | {"encoding_format": "base64"}).json["data"]
    for plain, entry in zip(answer["data"], packed, strict=True):
        values = struct.unpack("<64f", b64decode(entry["embedding"]))
        assert values == pytest.approx(plain["embedding"], abs=1e-6)


def test_embeddings_on_vertex(world):
    answer = world.post(f"{OPENAPI}/embeddings", {"model": "google/gemini-embedding-001", "input": "red fox"}).json
    assert len(answer["data"][0]["embedding"]) == 3072


@pytest.mark.parametrize(
    "change",
    [
        {"input": []},
        {"input": None},
        {"input": [1, 2]},
        {"input": ["a", 1]},
        {"input": ["a"] * 101},
        {"dimensions": 4000},
        {"dimensions": 0},
        {"encoding_format": "hex"},
        {"nonsense": 1},
        {"dimensions": "64"},
    ],
)
def test_embeddings_refused(world, change):
    body = {"model": "gemini-embedding-001", "input": "red fox"} | change
    assert world.post(f"{GEMINI}/embeddings", body).status == 400


def test_models_that_do_not_embed(world):
    answer = world.post(f"{GEMINI}/embeddings", {"model": "gemini-2.5-flash", "input": "x"})
    assert answer.status == 404
    assert "not supported for embedContent" in answer.error["message"]


def test_models(world):
    listed = world.ask("GET", f"{GEMINI}/models").json
    assert listed["object"] == "list"
    card = {"id": "models/gemini-2.5-flash", "object": "model", "owned_by": "google"}
    assert card in listed["data"]
    for name in ("gemini-2.5-flash", "models/gemini-2.5-flash", "models%2Fgemini-2.5-flash"):
        assert world.ask("GET", f"{GEMINI}/models/{name}").json == card
    assert world.ask("GET", f"{GEMINI}/models/gemini-0").status == 404
    vertex = world.ask("GET", f"{OPENAPI}/models/google/gemini-2.5-flash").json
    assert vertex["id"] == "google/gemini-2.5-flash"


@pytest.mark.parametrize("model", ["imagen-4.0-generate-001", "gemini-2.5-flash-image"])
def test_images(world, model):
    body = {"model": model, "prompt": "a fox", "n": 2, "response_format": "b64_json", "size": "1792x1024"}
    answer = world.post(f"{GEMINI}/images/generations", body).json
    assert answer["created"] == int(world.now.timestamp())
    assert len(answer["data"]) == 2
    data = b64decode(answer["data"][0]["b64_json"])
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack_from(">II", data, 16)
    assert abs(width / height - 16 / 9) < 0.03


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"prompt": ""}, 400),
        ({"n": 11}, 400),
        ({"n": 0.5}, 400),
        ({"response_format": "url"}, 400),
        ({"model": "gemini-2.5-flash"}, 404),
        ({"model": "none-such"}, 404),
        ({"odd": 1}, 400),
    ],
)
def test_images_refused(world, change, status):
    body = {"model": "imagen-4.0-generate-001", "prompt": "a fox"} | change
    assert world.post(f"{GEMINI}/images/generations", body).status == status
