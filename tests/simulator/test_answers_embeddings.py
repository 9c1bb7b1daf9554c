"""Embeddings and images of the predict family: lengths, likeness, shapes of each service."""

import math
import struct
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.answers.embeddings import (
    batch_embed_answer,
    embed_answer,
    embedding,
    embedding_mistake,
    predict_embeddings,
)
from understudy_simulator.answers.images import predict_images
from understudy_simulator.answers.pictures import picture, size_of
from understudy_simulator.answers.predictions import predict_answer
from understudy_simulator.catalogue import Model, model_of


def model(name) -> Model:
    found = model_of(name, True)
    assert found is not None
    return found


def content(*texts):
    return {"parts": [{"text": text} for text in texts]}


def likeness(one, other):
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


# ---- embeddings


@given(st.text(max_size=60), st.sampled_from([(768, None), (768, 64), (3072, 256), (128, 1), (768, 9999)]))
def test_embeddings_have_the_asked_dimension_and_unit_length(text, sizes):
    full, asked = sizes
    values = embedding(text, full, asked)
    assert len(values) == min(asked or full, full)
    assert math.fsum(value * value for value in values) == pytest.approx(1, abs=1e-6)
    assert values == embedding(text, full, asked)


NEAR = [
    ("The cat sat on the mat", "A cat was sitting on the mat", "Quarterly revenue grew by ten percent"),
    ("How do I reset my password?", "password reset instructions", "The weather in Paris is mild"),
    ("organisation of colour", "organization of color", "deep sea submarine volcano"),
    ("Wie wird das Wetter morgen", "das Wetter von morgen", "Rechnung bezahlen per Überweisung"),
]


@pytest.mark.parametrize(("text", "near", "far"), NEAR)
@pytest.mark.parametrize("size", [64, 768, 3072])
def test_near_texts_are_nearer_than_others(text, near, far, size):
    values = embedding(text, 3072, size)
    assert likeness(values, embedding(near, 3072, size)) > likeness(values, embedding(far, 3072, size)) + 0.1


def test_a_shorter_embedding_is_the_beginning_of_the_longer():
    long, short = embedding("hello world", 768), embedding("hello world", 768, 32)
    scale = short[0] / long[0]
    assert [value * scale for value in long[:32]] == pytest.approx(short, abs=1e-6)


def test_no_value_is_missing():
    assert sum(value == 0 for value in embedding("hi", 3072)) < 30


@pytest.mark.parametrize(
    ("name", "size"),
    [("gemini-embedding-001", 3072), ("text-embedding-005", 768), ("text-multilingual-embedding-002", 768)],
)
def test_each_model_has_its_own_dimension(name, size):
    assert len(embed_answer({"content": content("a")}, model(name), False)["embedding"]["values"]) == size


@pytest.mark.parametrize(
    "config",
    [
        {"outputDimensionality": 5},
        {"output_dimensionality": "5"},
        {"embedContentConfig": {"outputDimensionality": 5}},
        {"embed_content_config": {"output_dimensionality": 5}},
    ],
)
def test_the_dimension_is_read_wherever_clients_write_it(config):
    answer = embed_answer({"content": content("a")} | config, model("gemini-embedding-001"), True)
    assert len(answer["embedding"]["values"]) == 5


def test_vertex_tells_the_usage_of_an_embedding_and_gemini_does_not():
    request = {"content": content("hello", "you")}
    assert list(embed_answer(request, model("gemini-embedding-001"), False)) == ["embedding"]
    usage = embed_answer(request, model("gemini-embedding-001"), True)["usageMetadata"]
    assert usage == {
        "promptTokenCount": 3,
        "totalTokenCount": 3,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
    }


def test_a_batch_gives_one_embedding_for_each_request():
    body = {"requests": [{"content": content("a")}, {"content": content("b"), "outputDimensionality": 8}]}
    first, second = batch_embed_answer(body, model("gemini-embedding-001"), False)["embeddings"]
    assert (len(first["values"]), len(second["values"])) == (3072, 8)
    assert first == embed_answer({"content": content("a")}, model("gemini-embedding-001"), False)["embedding"]


def test_only_one_model_tells_the_usage_of_a_batch_and_misspells_it():
    body = {"requests": [{"content": content("hello")}, {"content": content("you")}]}
    assert batch_embed_answer(body, model("gemini-embedding-2"), False)["usageMetadata"] == {
        "promptTokenCount": 3,
        "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 3}],
    }
    assert "usageMetadata" not in batch_embed_answer(body, model("gemini-embedding-2-preview"), False)


def test_predict_gives_statistics_in_snake_case():
    body = {"instances": [{"content": "hello you"}, {"content": "x" * 9000}], "parameters": {"outputDimensionality": 3}}
    answer = predict_embeddings(body, model("text-embedding-005"))
    first, second = (prediction["embeddings"] for prediction in answer["predictions"])
    assert first["statistics"] == {"truncated": False, "token_count": 3}
    assert second["statistics"] == {"truncated": True, "token_count": 2048}
    assert len(first["values"]) == 3
    assert answer["metadata"] == {"billableCharacterCount": 9008}


def test_titles_and_media_change_the_embedding():
    plain = embed_answer({"content": content("a")}, model("gemini-embedding-2"), False)
    assert embed_answer({"content": content("a"), "title": "Bees"}, model("gemini-embedding-2"), False) != plain
    media = [
        embed_answer(
            {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": data}}]}}, model(name), False
        )
        for data, name in (("AAAA", "gemini-embedding-2"), ("BBBB", "gemini-embedding-2"))
    ]
    assert media[0] != media[1]


def test_multimodal_predictions_have_an_embedding_for_each_medium():
    body = {
        "instances": [{"text": "cat", "image": {"bytesBase64Encoded": "AAAA"}, "video": {"gcsUri": "gs://b/o"}}],
        "parameters": {"dimension": 128},
    }
    answer = predict_answer(body, model("multimodalembedding@001"))
    assert answer is not None
    [prediction] = answer["predictions"]
    assert len(prediction["textEmbedding"]) == len(prediction["imageEmbedding"]) == 128
    assert len(prediction["videoEmbeddings"][0]["embedding"]) == 128


def test_what_an_embedding_model_refuses():
    small = model("text-embedding-005")
    assert embedding_mistake({"content": content("a")}, small) is None
    assert "1 and 768" in str(embedding_mistake({"content": content("a"), "outputDimensionality": 769}, small))
    assert "1 and 768" in str(embedding_mistake({"instances": [], "parameters": {"outputDimensionality": 769}}, small))
    long = {"instances": [{"content": "x" * 9000}], "parameters": {"autoTruncate": False}}
    assert embedding_mistake(long, small) == "The input token count is 2250 but the model supports up to 2048."
    assert embedding_mistake(long | {"parameters": {}}, small) is None


# ---- images


def size_in(prediction):
    data = b64decode(prediction["bytesBase64Encoded"])
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack_from(">II", data, 16)


def drawn(instance=None, **parameters):
    body = {"instances": [{"prompt": "cat"} if instance is None else instance], "parameters": parameters}
    return predict_images(body, "imagen-4.0-generate-001")["predictions"]


def test_as_many_images_come_as_asked_and_no_two_are_alike():
    images = drawn(sampleCount=4)
    assert len({image["bytesBase64Encoded"] for image in images}) == 4
    assert all(image["mimeType"] == "image/png" for image in images)
    assert drawn(sampleCount=4) == images
    assert len(drawn()) == 1


@pytest.mark.parametrize(("ratio", "size"), [("1:1", (256, 256)), ("16:9", (256, 144)), ("3:4", (192, 256))])
def test_images_have_the_asked_aspect_ratio(ratio, size):
    [image] = drawn(aspectRatio=ratio)
    assert size_in(image) == size
    [image] = drawn(aspectRatio=ratio, sampleImageSize="2K")
    assert size_in(image) == (2 * size[0], 2 * size[1])


def test_an_upscaled_image_is_larger_than_the_one_that_came():
    given_image = {"image": {"bytesBase64Encoded": b64encode(picture(40, 20, 1)).decode(), "mimeType": "image/png"}}
    for factor, size in (("x2", (80, 40)), ("x4", (160, 80))):
        [image] = drawn(given_image, mode="upscale", upscaleConfig={"upscaleFactor": factor}, sampleCount=1)
        assert size_in(image) == size


def test_marked_prompts_are_filtered():
    blocked = {"prompt": "x [[understudy:block=SAFETY]]"}
    body = {"instances": [blocked], "parameters": {"sampleCount": 2}}
    assert predict_images(body, "imagen-4.0-generate-001") == {}
    [filtered] = drawn(blocked, includeRaiReason=True, sampleCount=2)
    assert list(filtered) == ["raiFilteredReason"]
    assert "usage guidelines" in filtered["raiFilteredReason"]


def test_attributes_and_prompts_are_told_when_asked_for():
    image, prompt = drawn(includeSafetyAttributes=True, enhancePrompt=True)
    assert len(image["safetyAttributes"]["categories"]) == len(image["safetyAttributes"]["scores"])
    assert image["prompt"].startswith("cat")
    assert prompt["contentType"] == "Positive Prompt"


def test_images_go_to_storage_when_asked_to():
    first, second = drawn(storageUri="gs://bucket/dir/", sampleCount=2)
    assert first["gcsUri"].startswith("gs://bucket/dir/sample_") and first["gcsUri"].endswith(".png")
    assert first["gcsUri"] != second["gcsUri"]
    assert "bytesBase64Encoded" not in first


def test_a_segmentation_is_a_grey_mask_with_labels():
    image = {"bytesBase64Encoded": b64encode(picture(60, 30, 1)).decode(), "mimeType": "image/png"}
    answer = predict_answer(
        {"instances": [{"image": image}], "parameters": {"mode": "FOREGROUND"}}, model(SEGMENTATION)
    )
    assert answer is not None
    [prediction] = answer["predictions"]
    assert size_in(prediction) == (60, 30)
    assert prediction["labels"][0]["label"] == "foreground"


def test_other_models_make_no_predictions():
    assert predict_answer({"instances": [{}]}, model("gemini-2.5-flash")) is None


@given(st.text(max_size=12), st.sampled_from(["1K", "2K", "4K", "x", ""]))
def test_any_ratio_gives_a_size(ratio, image_size):
    assert all(1 <= side <= 1024 for side in size_of(ratio, image_size))


SEGMENTATION = "image-segmentation-001"
