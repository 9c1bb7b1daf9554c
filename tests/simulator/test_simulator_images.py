"""predict of Imagen and its relatives: real images, and what single models refuse (wire-http 7)."""

import struct
from base64 import b64decode, b64encode

import pytest
from foreign_rig import VERTEX, World

from understudy_simulator.answers.pictures import picture
from understudy_simulator.surfaces import predict

GOOGLE = f"{VERTEX}/publishers/google/models"
IMAGEN = f"{GOOGLE}/imagen-4.0-generate-001:predict"
PNG = {"bytesBase64Encoded": b64encode(picture(40, 20, 1)).decode(), "mimeType": "image/png"}


@pytest.fixture
def world() -> World:
    return World(*predict.ROUTES)


def asked(instance, **parameters):
    return {"instances": [instance], "parameters": parameters}


def size(prediction):
    data = b64decode(prediction["bytesBase64Encoded"])
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack_from(">II", data, 16)


def test_as_many_images_as_asked_of_the_asked_ratio(world):
    answer = world.post(IMAGEN, asked({"prompt": "a fox"}, sampleCount=3, aspectRatio="16:9"))
    assert answer.status == 200
    predictions = answer.json["predictions"]
    assert len({prediction["bytesBase64Encoded"] for prediction in predictions}) == 3
    assert [prediction["mimeType"] for prediction in predictions] == ["image/png"] * 3
    width, height = size(predictions[0])
    assert abs(width / height - 16 / 9) < 0.02


def test_the_gemini_api_has_it_too(world):
    answer = world.post("/v1beta/models/imagen-4.0-generate-001:predict", asked({"prompt": "a fox"}))
    assert len(answer.json["predictions"]) == 1


def test_editing_upscaling_recontext_try_on_segmentation(world):
    reference = {"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": PNG}
    edit = world.post(
        f"{GOOGLE}/imagen-3.0-capability-001:predict",
        asked({"prompt": "x", "referenceImages": [reference]}, editMode="EDIT_MODE_DEFAULT"),
    )
    assert size(edit.json["predictions"][0]) == (40, 20)
    up = world.post(
        f"{GOOGLE}/imagen-3.0-generate-002:predict",
        asked({"image": PNG}, upscaleConfig={"upscaleFactor": "x4"}, sampleCount=1, mode="upscale"),
    )
    assert size(up.json["predictions"][0]) == (160, 80)
    dressed = {"personImage": {"image": PNG}, "productImages": [{"image": PNG}]}
    worn = world.post(f"{GOOGLE}/virtual-try-on-preview-08-04:predict", {"instances": [dressed]})
    assert size(worn.json["predictions"][0]) == (40, 20)
    shown = world.post(
        f"{GOOGLE}/imagen-product-recontext-preview-06-30:predict", asked({"productImages": [{"image": PNG}]})
    )
    assert size(shown.json["predictions"][0]) == (40, 20)
    cut = world.post(f"{GOOGLE}/image-segmentation-001:predict", asked({"image": PNG}, mode="FOREGROUND"))
    assert size(cut.json["predictions"][0]) == (40, 20)
    assert cut.json["predictions"][0]["labels"][0]["label"] == "foreground"


def test_filtered_prompts(world):
    prompt = {"prompt": "[[understudy:block=SAFETY]] a fox"}
    assert world.post(IMAGEN, asked(prompt)).json == {}
    [told] = world.post(IMAGEN, asked(prompt, includeRaiReason=True)).json["predictions"]
    assert "filtered out" in told["raiFilteredReason"]


CAPABILITY, SEGMENT = "imagen-3.0-capability-001", "image-segmentation-001"
TRY_ON, RECONTEXT = "virtual-try-on-preview-08-04", "imagen-product-recontext-preview-06-30"


@pytest.mark.parametrize(
    ("model", "instance", "parameters", "text"),
    [
        ("imagen-4.0-generate-001", {}, {}, "prompt is empty"),
        ("imagen-4.0-generate-001", {"prompt": "x"}, {"sampleCount": 5}, "between 1 and 4"),
        ("imagen-4.0-generate-001", {"prompt": "x"}, {"aspectRatio": "7:5"}, "aspect ratio"),
        ("imagen-4.0-generate-001", {"prompt": "x"}, {"personGeneration": "maybe"}, "`personGeneration`"),
        ("imagen-4.0-generate-001", {"prompt": "x"}, {"safetySetting": "loose"}, "`safetySetting`"),
        ("imagen-4.0-generate-001", {"prompt": "x"}, {"outputOptions": {"compressionQuality": 101}}, "between 0 and"),
        ("imagen-4.0-generate-001", {"prompt": "x"}, {"seed": 1, "addWatermark": True}, "watermark"),
        ("imagen-4.0-fast-generate-001", {"prompt": "x"}, {"sampleImageSize": "2K"}, "`sampleImageSize` 2K"),
        ("imagen-3.0-generate-002", {"prompt": "x"}, {"sampleImageSize": "2K"}, "`sampleImageSize` 2K"),
        ("imagen-3.0-generate-002", {}, {"mode": "upscale"}, "`image` must not be empty"),
        ("imagen-3.0-generate-002", {"image": PNG}, {"mode": "upscale", "sampleCount": 2}, "`sampleCount` must be 1"),
        (
            "imagen-3.0-generate-002",
            {"image": PNG},
            {"mode": "upscale", "upscaleConfig": {"upscaleFactor": "x5"}},
            "`upscaleFactor`",
        ),
        (CAPABILITY, {"prompt": "x"}, {}, "`referenceImages` must not be empty"),
        (CAPABILITY, {"prompt": "x", "image": PNG}, {"editMode": "EDIT_MODE_ODD"}, "`editMode`"),
        (CAPABILITY, {"prompt": "x", "referenceImages": [{"referenceId": 1}] * 2}, {}, "`referenceId` of its own"),
        (TRY_ON, {"productImages": [{"image": PNG}]}, {}, "`personImage` must not be empty"),
        (TRY_ON, {"personImage": {"image": PNG}}, {}, "exactly 1 product image"),
        (RECONTEXT, {"productImages": []}, {}, "1 to 3 product images"),
        (SEGMENT, {"image": PNG}, {}, "`mode`"),
        (SEGMENT, {}, {"mode": "foreground"}, "`image` must not be empty"),
        (SEGMENT, {"image": PNG}, {"mode": "prompt"}, "needs a `prompt`"),
        (SEGMENT, {"image": PNG}, {"mode": "interactive"}, "needs a `scribble`"),
    ],
)
def test_what_single_models_refuse(world, model, instance, parameters, text):
    answer = world.post(f"{GOOGLE}/{model}:predict", asked(instance, **parameters))
    assert answer.status == 400
    assert text in answer.error["message"]


def test_one_instance_only(world):
    answer = world.post(IMAGEN, {"instances": [{"prompt": "a"}, {"prompt": "b"}]})
    assert answer.error["message"] == "1 instance(s) is allowed per prediction. Actual: 2."
    assert world.post(f"{GOOGLE}/imagen-9:predict", asked({"prompt": "a"})).status == 404
