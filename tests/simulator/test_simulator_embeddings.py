"""Embeddings and computeTokens of both services over their routes (wire-http 4.1, 4.5, 7)."""

import math

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.surfaces import compute_tokens, embeddings, predict

GEMINI = "/v1beta/models"
GOOGLE = f"{VERTEX}/publishers/google/models"


@pytest.fixture
def world() -> World:
    return World(*embeddings.ROUTES, *predict.ROUTES, *compute_tokens.ROUTES)


def content(*texts):
    return {"content": {"role": "user", "parts": [{"text": text} for text in texts]}}


def near(first, second):
    return sum(one * other for one, other in zip(first, second, strict=True))


def test_one_embedding_on_the_gemini_api(world):
    answer = world.post(f"{GEMINI}/gemini-embedding-001:embedContent", content("hi"))
    assert answer.status == 200
    assert list(answer.json) == ["embedding"]
    values = answer.json["embedding"]["values"]
    assert len(values) == 3072
    assert math.isclose(near(values, values), 1, abs_tol=1e-6)


def test_a_batch_keeps_its_order_and_near_texts_are_near(world):
    texts = ("a red fox runs", "the red foxes run", "quarterly tax report")
    requests = [content(text) | {"model": "models/gemini-embedding-001", "outputDimensionality": 256} for text in texts]
    answer = world.post(f"{GEMINI}/gemini-embedding-001:batchEmbedContents", {"requests": requests}).json
    first, second, third = (entry["values"] for entry in answer["embeddings"])
    assert len(first) == 256
    assert near(first, second) > near(first, third)
    assert "usageMetadata" not in answer


def test_the_newest_model_tells_usage_in_the_singular(world):
    requests = [content("a", "b") | {"model": "models/gemini-embedding-2"}]
    answer = world.post(f"{GEMINI}/gemini-embedding-2:batchEmbedContents", {"requests": requests}).json
    assert answer["usageMetadata"] == {
        "promptTokenCount": 2,
        "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 2}],
    }


def test_one_embedding_on_vertex(world):
    config = {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 64}
    answer = world.post(f"{GOOGLE}/gemini-embedding-001:embedContent", content("abcd") | {"embedContentConfig": config})
    assert len(answer.json["embedding"]["values"]) == 64
    assert answer.json["usageMetadata"]["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": 1}]
    assert answer.json["usageMetadata"]["totalTokenCount"] == 1


def test_a_batch_on_vertex_names_no_model(world):
    answer = world.post(f"{GOOGLE}/gemini-embedding-001:batchEmbedContents", {"requests": [content("a"), content("b")]})
    assert len(answer.json["embeddings"]) == 2


def test_predict_has_statistics_in_snake_case(world):
    body = {"instances": [{"content": "hello there"}], "parameters": {"outputDimensionality": 12}}
    answer = world.post(f"{GOOGLE}/text-embedding-005:predict", body).json
    [prediction] = answer["predictions"]
    assert prediction["embeddings"]["statistics"] == {"truncated": False, "token_count": 3}
    assert len(prediction["embeddings"]["values"]) == 12
    assert answer["metadata"] == {"billableCharacterCount": 10}


def test_multimodal_embeddings(world):
    image = {"bytesBase64Encoded": "iVBORw=="}
    target = f"{GOOGLE}/multimodalembedding@001:predict"
    body = {"instances": [{"text": "fox", "image": image}], "parameters": {"dimension": 128}}
    [prediction] = world.post(target, body).json["predictions"]
    assert len(prediction["textEmbedding"]) == len(prediction["imageEmbedding"]) == 128
    assert len(world.post(target, {"instances": [{"text": "fox"}]}).json["predictions"][0]["textEmbedding"]) == 1408
    assert world.post(target, body | {"parameters": {"dimension": 100}}).status == 400
    assert world.post(target, {"instances": [{}]}).status == 400
    assert world.post(target, {"instances": [{"text": "a"}, {"text": "b"}]}).status == 400


@pytest.mark.parametrize("target", [f"{GEMINI}/gemini-2.5-flash", f"{GOOGLE}/gemini-2.5-flash", f"{GEMINI}/no-such"])
def test_models_that_do_not_embed(world, target):
    assert world.post(f"{target}:embedContent", content("hi")).status == 404


def test_the_404_of_a_batch_says_embed_content(world):
    body = {"requests": [content("hi") | {"model": "models/no-such"}]}
    message = world.post(f"{GEMINI}/no-such:batchEmbedContents", body).error["message"]
    assert "is not supported for embedContent" in message


def test_refusals(world):
    batch = f"{GEMINI}/gemini-embedding-001:batchEmbedContents"
    one = content("hi") | {"model": "models/gemini-embedding-001"}
    assert world.post(batch, {"requests": [one] * 100}).status == 200
    assert "at most 100" in world.post(batch, {"requests": [one] * 101}).error["message"]
    assert world.post(batch, {"requests": []}).status == 400
    assert world.post(batch, {"requests": [one | {"model": "models/text-embedding-004"}]}).status == 400
    assert world.post(batch, {"requests": [one | content("")]}).status == 400
    assert world.post(batch, {"requests": [one | {"outputDimensionality": 5000}]}).status == 400
    assert world.post(f"{GEMINI}/gemini-embedding-001:embedContent", {"contnt": 1}).status == 400
    assert world.post(f"{GOOGLE}/text-embedding-005:predict", {"instances": []}).status == 400
    assert world.post(f"{GOOGLE}/text-embedding-005:predict", {"instances": [{"content": ""}]}).status == 400
    assert world.post(f"{GOOGLE}/gemini-2.5-flash:predict", {"instances": [{}]}).status == 404


def test_compute_tokens(world):
    body = {"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]}
    [info] = world.post(f"{GOOGLE}/gemini-2.5-flash:computeTokens", body).json["tokensInfo"]
    assert info["role"] == "user"
    assert len(info["tokenIds"]) == len(info["tokens"]) == 3
    assert all(isinstance(number, str) and number.isdigit() for number in info["tokenIds"])
    assert world.post(f"{GOOGLE}/no-such:computeTokens", body).status == 404
    assert world.post(f"{GOOGLE}/gemini-2.5-flash:computeTokens", {"contents": []}).status == 400
