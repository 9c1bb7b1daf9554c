"""Rules on VEO's `instances` and `parameters`: free values to the frontend, judged by the model in a plain 400. Pure.

Members, values and texts: wire-http 6.2; what each model can do: `video_models`. Assumed there and here: the texts for
values out of bound, of the wrong type and for what does not go together; that a list of allowed words is told in the
same style.
"""

from collections.abc import Sequence
from typing import Any, Final

from .asked import Asked, Members, every, got, members_of, text
from .video_models import (
    FLAGS,
    IMAGE_TYPES,
    LARGE,
    MOST_RATE,
    MOST_REFERENCES,
    MOST_SAMPLES,
    MOST_SEED,
    SHARED,
    TEXTS,
    VERTEX_ONLY,
    VIDEO_TYPES,
    WHOLE_SECONDS,
    WORDS,
    VideoModel,
    video_model,
)

_INSTANCE: Final = frozenset({"prompt", "image", "lastFrame", "referenceImages", "video", "mask"})
_OBJECTS: Final = ("image", "lastFrame", "video", "mask")
_REFUSED_MEMBERS: Final = ("inlineData", "fileUri")


def video_request(asked: Asked) -> str | None:
    """The first mistake in a predictLongRunning request, or None."""
    instances = every(asked.body, "instances")
    if not instances:
        return "Request contains an invalid argument."
    if len(instances) > 1:
        return f"1 instance(s) is allowed per prediction. Actual: {len(instances)}."
    parameters = got(asked.body, "parameters")
    if parameters is not None and not isinstance(parameters, dict):
        return "Request contains an invalid argument."
    instance, known, model = instances[0], members_of(parameters), video_model(asked.model)
    return (
        _members(instance, asked, model)
        or _pictures(instance, asked)
        or _combination(instance)
        or _references(instance, model)
        or _parameters(known, asked, model)
        or _people(known, instance, asked, model)
        or _numbers(known, model)
        or _together(known, instance, asked, model)
    )


def _unsupported(name: str) -> str:
    return (
        f"`{name[:100]}` isn't supported by this model. Please remove it or refer to the Gemini API documentation for "
        "supported usage."
    )


def _out_of_bound(name: str, least: int, most: int) -> str:
    return (
        f"The number value for `{name}` is out of bound. Please provide a value between {least} and {most}, inclusive."
    )


def _not_among(name: str, words: Sequence[str]) -> str:
    return f"The value for `{name}` is not supported. Please use one of: {', '.join(words)}."


# ---- instances


def _members(instance: Members, asked: Asked, model: VideoModel) -> str | None:
    """Members that the model does not have, or not on that service."""
    for name in instance:
        if name not in _INSTANCE or (name == "mask" and not asked.is_vertex):
            return _unsupported(name)
    if got(instance, "lastFrame") is not None and not model.ends[asked.is_vertex]:
        return _unsupported("lastFrame")
    if got(instance, "video") is not None and not model.goes_on[asked.is_vertex]:
        return _unsupported("video")
    if every(instance, "referenceImages") and not model.references:
        return _unsupported("referenceImages")
    for name in _OBJECTS:
        if got(instance, name) is not None and not every(instance, name):
            return f"The value type for `{name}` needs to be an object."
    prompt = got(instance, "prompt")
    if prompt is not None and not isinstance(prompt, str):
        return "The value type for `prompt` needs to be a string."
    return None


def _pictures(instance: Members, asked: Asked) -> str | None:
    """Images and videos in a form, or of a type, that the model does not take."""
    references = [image for reference in every(instance, "referenceImages") for image in every(reference, "image")]
    images = [("image", image) for image in (*every(instance, "image"), *references)]
    images += [("lastFrame", image) for image in every(instance, "lastFrame")]
    for name, holder in images:
        mistake = _picture(name, holder, asked, ("bytesBase64Encoded",), IMAGE_TYPES)
        if mistake is not None:
            return mistake
    for video in every(instance, "video"):
        inline = ("bytesBase64Encoded",) if asked.is_vertex else ("uri", "encodedVideo", "bytesBase64Encoded")
        mistake = _picture("video", video, asked, inline, VIDEO_TYPES)
        if mistake is not None:
            return mistake
    return None


def _picture(name: str, holder: Members, asked: Asked, forms: Sequence[str], kinds: Sequence[str]) -> str | None:
    for refused in _REFUSED_MEMBERS:
        if got(holder, refused) is not None:
            return f"`{refused}` isn't supported by this model."
    stored = got(holder, "gcsUri")
    if stored is not None:
        if not asked.is_vertex:
            return "`gcsUri` isn't supported by this model."
        if not isinstance(stored, str) or not stored.startswith("gs://"):
            return f"The `gcsUri` of `{name}` must be a Cloud Storage URI (gs://bucket/object)."
    elif not any(text(holder, form) for form in forms):
        needed = (*forms[:1], "gcsUri") if asked.is_vertex else forms[:1]
        return f"The `{name}` field needs {' or '.join(f'`{form}`' for form in needed)}."
    kind = got(holder, "mimeType")
    return None if kind is None or kind in kinds else _not_among("mimeType", kinds[:3])


def _combination(instance: Members) -> str | None:
    """What of an instance does not go together, or lacks what it needs."""
    given = {name for name in _INSTANCE if got(instance, name) is not None}
    if not text(instance, "prompt") and not given & {"image", "video"}:
        return "The `prompt` field is required unless `image` or `video` is given."
    if "lastFrame" in given and "image" not in given and "video" not in given:
        return "The `lastFrame` field needs an `image`."
    for one, others in (("video", ("image", "referenceImages")), ("referenceImages", ("image", "lastFrame"))):
        clash = next((name for name in others if one in given and name in given), None)
        if clash is not None:
            return f"`{one}` and `{clash}` cannot be used together."
    return None


def _references(instance: Members, model: VideoModel) -> str | None:
    """Only one model takes a picture's style, by the documentation of reference images."""
    references = every(instance, "referenceImages")
    types = [got(reference, "referenceType") for reference in references]
    for kind in types:
        if kind is not None and (not isinstance(kind, str) or kind.lower() not in model.references):
            return _not_among("referenceType", model.references)
    is_style = any(isinstance(kind, str) and kind.lower() == "style" for kind in types)
    most = 1 if is_style else MOST_REFERENCES
    return _out_of_bound("referenceImages", 1, most) if len(references) > most else None


# ---- parameters


def _parameters(parameters: Members, asked: Asked, model: VideoModel) -> str | None:
    allowed = SHARED | VERTEX_ONLY if asked.is_vertex else SHARED
    for name, value in parameters.items():
        if name not in allowed or (name == "resolution" and not model.resolutions):
            return _unsupported(name)
        if name == "generateAudio" and value is True and not model.has_sound:
            return _unsupported(name)
        words = model.resolutions if name == "resolution" else WORDS.get(name)
        if words is not None and value not in words:
            return _not_among(name, words)
        if name in FLAGS and not isinstance(value, bool):
            return f"The value type for `{name}` needs to be a boolean."
        if name in TEXTS and not isinstance(value, str):
            return f"The value type for `{name}` needs to be a string."
    if parameters.get("enhancePrompt") is False and model.rewrites_always:
        return "Veo 3 prompt enhancement cannot be disabled."
    target = parameters.get("storageUri")
    if isinstance(target, str) and not target.startswith("gs://"):
        return "The `storageUri` must be a Cloud Storage URI (gs://bucket/prefix)."
    return None


def _people(parameters: Members, instance: Members, asked: Asked, model: VideoModel) -> str | None:
    """The Gemini API lets people be made by mode."""
    value = parameters.get("personGeneration")
    if value is None or asked.is_vertex:
        return None
    has_pictures = any(got(instance, name) is not None for name in ("image", "lastFrame", "referenceImages"))
    allowed = model.people_in_pictures if has_pictures else model.people
    return None if value in allowed else f"`{value}` for personGeneration is currently not supported."


def _numbers(parameters: Members, model: VideoModel) -> str | None:
    return (
        _number(parameters, "durationSeconds", model.seconds[0], model.seconds[-1])
        or _number(parameters, "sampleCount", 1, MOST_SAMPLES)
        or _number(parameters, "seed", 0, MOST_SEED)
        or _number(parameters, "fps", 1, MOST_RATE)
    )


def _number(parameters: Members, name: str, least: int, most: int) -> str | None:
    value: Any = got(parameters, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"The value type for `{name}` needs to be a number."
    return None if least <= value <= most and value == int(value) else _out_of_bound(name, least, most)


def _together(parameters: Members, instance: Members, asked: Asked, model: VideoModel) -> str | None:
    """Durations that are in bound and still not offered, alone or beside what else is asked for; and resolutions."""
    is_extension = got(instance, "video") is not None
    resolution = parameters.get("resolution")
    if is_extension and resolution in LARGE and not asked.is_vertex:
        return _not_among("resolution", ("720p",))
    value = got(parameters, "durationSeconds")
    if value is None:
        return None
    needs_all = resolution in LARGE or bool(every(instance, "referenceImages"))
    if is_extension and not asked.is_vertex:
        needs_all = True
    if needs_all and model.resolutions and value in model.seconds and value != WHOLE_SECONDS:
        return _out_of_bound("durationSeconds", WHOLE_SECONDS, WHOLE_SECONDS)
    return None if value in model.seconds else _out_of_bound("durationSeconds", model.seconds[0], model.seconds[-1])
