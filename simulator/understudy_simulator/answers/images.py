"""Answers to predict of Imagen and its relatives: generate, edit, upscale, recontext, try on, segment (wire-http 7).

The images are real PNG files of the asked aspect ratio, a quarter of the services' size; an asked JPEG is a PNG all the
same. A prompt with `[[understudy:block=...]]` is filtered: the images are missing, and `includeRaiReason` tells why.
"""

from base64 import b64encode
from typing import Any, Final

from .markers import block_reason, without_markers
from .media_sizes import image_size
from .pictures import mask, picture, size_of
from .reading import Members, count_in, flag_in, member, members_in, text_in

_MOST_SAMPLES: Final = 8
_USUAL_SIDE: Final = 256
_RAI_REASON: Final = (
    "Unable to show generated images. All images were filtered out because they violated Vertex AI's usage guidelines. "
    "You will not be charged for blocked images. Try rephrasing the prompt. If you think this was an error, send "
    "feedback. Support codes: 58061214"
)
_CATEGORIES: Final = ("Death, Harm & Tragedy", "Firearms & Weapons", "Hate", "Violence")


def predict_images(body: Any, model_id: str, seed: object = 0) -> dict[str, Any]:
    """The answer to predict: as many images as `sampleCount` asks for, for each instance."""
    parameters = member(body, "parameters")
    predictions: list[dict[str, Any]] = []
    for number, instance in enumerate(members_in(body, "instances")):
        prompt = text_in(instance, "prompt") or ""
        if block_reason(prompt) is not None:
            filtered = {"raiFilteredReason": _RAI_REASON} if flag_in(parameters, "includeRaiReason") else None
            predictions += [filtered] if filtered else []
            continue
        if model_id.startswith("image-segmentation"):
            predictions.append(_segmented(instance, parameters))
            continue
        count = min(count_in(parameters, "sampleCount") or 1, _MOST_SAMPLES)
        predictions += [_image(instance, parameters, (seed, number, index)) for index in range(count)]
        if flag_in(parameters, "includeSafetyAttributes"):
            # What the prompt itself was rated stands behind its images.
            predictions.append({"safetyAttributes": _attributes(), "contentType": "Positive Prompt"})
    return {"predictions": predictions} if predictions else {}


def _image(instance: Members, parameters: Any, seed: object) -> dict[str, Any]:
    prompt = without_markers(text_in(instance, "prompt") or "")
    width, height = _size(instance, parameters)
    prediction: dict[str, Any] = {"mimeType": "image/png"}
    if flag_in(parameters, "enhancePrompt"):
        prediction["prompt"] = f"{prompt}, in warm light, with fine detail"
    if flag_in(parameters, "includeSafetyAttributes"):
        prediction["safetyAttributes"] = _attributes()
    storage = text_in(parameters, "storageUri")
    if storage:
        return prediction | {"gcsUri": f"{storage.rstrip('/')}/{_name(seed)}.png"}
    png = picture(width, height, (seed, prompt, count_in(parameters, "seed")))
    return prediction | {"bytesBase64Encoded": b64encode(png).decode()}


def _size(instance: Members, parameters: Any) -> tuple[int, int]:
    """Pixels: of the image that came, times the factor when it is to grow; else by the asked aspect ratio."""
    given = _given_image(instance)
    upscaling = member(parameters, "upscaleConfig")
    if text_in(parameters, "mode") == "upscale" or upscaling is not None:
        factor = 4 if text_in(upscaling, "upscaleFactor") == "x4" else 2
        width, height = given or (_USUAL_SIDE, _USUAL_SIDE)
        return width * factor, height * factor
    if given is not None and text_in(parameters, "aspectRatio") is None:
        return given
    return size_of(text_in(parameters, "aspectRatio") or "1:1", text_in(parameters, "sampleImageSize") or "1K")


def _given_image(instance: Members) -> tuple[int, int] | None:
    """The size of the image that the request brings, if it can be read."""
    holders = [member(instance, "image"), member(member(instance, "personImage"), "image")]
    holders += [member(entry, "image") for entry in members_in(instance, "productImages")]
    holders += [member(entry, "referenceImage") for entry in members_in(instance, "referenceImages")]
    for holder in holders:
        data = text_in(holder, "bytesBase64Encoded")
        size = image_size(data) if data else None
        if size is not None and min(size) > 0:
            return size
    return None


def _segmented(instance: Members, parameters: Any) -> dict[str, Any]:
    width, height = _given_image(instance) or (_USUAL_SIDE, _USUAL_SIDE)
    label = "foreground" if (text_in(parameters, "mode") or "").upper() == "FOREGROUND" else "object"
    prediction: dict[str, Any] = {"mimeType": "image/png", "labels": [{"label": label, "score": 0.97}]}
    return prediction | {"bytesBase64Encoded": b64encode(mask(width, height)).decode()}


def _attributes() -> dict[str, Any]:
    return {"categories": list(_CATEGORIES), "scores": [0.1] * len(_CATEGORIES)}


def _name(seed: object) -> str:
    return "sample_" + "_".join(char for char in str(seed) if char.isdigit())
