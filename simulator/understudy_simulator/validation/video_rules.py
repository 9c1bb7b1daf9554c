"""Rules on VEO's `instances` and `parameters`: free values to the frontend, judged by the model in a plain 400. Pure.

Members, values and texts: wire-http 6.2. Assumed there and here: the texts for values out of bound and of the wrong
type; that a list of allowed words is told in the same style; that VEO 2 has neither resolution nor sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .asked import Asked, Members, every, got, members_of, text

_INSTANCE: Final = frozenset({"prompt", "image", "lastFrame", "referenceImages", "video", "mask"})
_SHARED: Final = frozenset(
    {
        *("aspectRatio", "durationSeconds", "sampleCount", "resolution", "personGeneration", "negativePrompt"),
        *("enhancePrompt", "seed"),
    }
)
_VERTEX_ONLY: Final = frozenset(
    {"generateAudio", "storageUri", "fps", "pubsubTopic", "compressionQuality", "resizeMode", "task"}
)
_REFUSED_MEMBERS: Final = ("inlineData", "fileUri")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "aspectRatio": ("16:9", "9:16"),
    "personGeneration": ("allow_all", "allow_adult", "dont_allow"),
    "compressionQuality": ("optimized", "lossless"),
    "resizeMode": ("pad", "crop"),
}
_FLAGS: Final = ("enhancePrompt", "generateAudio")
_LARGE: Final = ("1080p", "4k")
_MOST_SAMPLES: Final = 4
_MOST_REFERENCES: Final = 3
_MOST_SEED: Final = 2**32 - 1
_WHOLE: Final = 8
"""Seconds that large pictures and reference images need."""


@dataclass(frozen=True, slots=True)
class _Model:
    seconds: tuple[int, ...]
    resolutions: tuple[str, ...]
    has_references: bool
    has_sound: bool = True


_MODELS: Final[Mapping[str, _Model]] = {
    "veo-2": _Model((5, 6, 7, 8), (), has_references=False, has_sound=False),
    "veo-3.0": _Model((4, 6, 8), ("720p", "1080p"), has_references=False),
    "veo-3.1-lite": _Model((4, 6, 8), ("720p", "1080p"), has_references=True),
    "veo-3": _Model((4, 6, 8), ("720p", "1080p", "4k"), has_references=True),
}
"""What a model can do, by the start of its name; the first that fits counts."""


def video_request(asked: Asked) -> str | None:
    """The first mistake in a predictLongRunning request, or None."""
    instances = every(asked.body, "instances")
    if not instances:
        return "Request contains an invalid argument."
    model = next((known for start, known in _MODELS.items() if asked.model.startswith(start)), _MODELS["veo-3"])
    parameters = got(asked.body, "parameters")
    if parameters is not None and not isinstance(parameters, dict):
        return "Request contains an invalid argument."
    known = members_of(parameters)
    for instance in instances:
        mistake = _instance(instance, asked, model)
        if mistake is not None:
            return mistake
    return _parameters(known, asked, model) or _seconds(known, instances, model)


def _unsupported(name: str) -> str:
    return (
        f"`{name[:100]}` isn't supported by this model. Please remove it or refer to the Gemini API documentation for "
        "supported usage."
    )


def _out_of_bound(name: str, least: int, most: int) -> str:
    return (
        f"The number value for `{name}` is out of bound. Please provide a value between {least} and {most}, inclusive."
    )


def _instance(instance: Members, asked: Asked, model: _Model) -> str | None:
    for name in instance:
        if name not in _INSTANCE or (name == "mask" and not asked.is_vertex):
            return _unsupported(name)
    references = every(instance, "referenceImages")
    if references and not model.has_references:
        return _unsupported("referenceImages")
    images = [image for reference in references for image in every(reference, "image")]
    for holder in (*every(instance, "image"), *every(instance, "lastFrame"), *images):
        for name in _REFUSED_MEMBERS:
            if got(holder, name) is not None:
                return f"`{name}` isn't supported by this model."
        if not asked.is_vertex and got(holder, "gcsUri") is not None:
            return "`gcsUri` isn't supported by this model."
    if not text(instance, "prompt") and not got(instance, "image") and not got(instance, "video"):
        return "The `prompt` field is required unless `image` or `video` is given."
    styles = [text(reference, "referenceType") for reference in references]
    if len(references) > _MOST_REFERENCES or (len(references) > 1 and "style" in styles):
        return _out_of_bound("referenceImages", 1, 1 if "style" in styles else _MOST_REFERENCES)
    return None


def _parameters(parameters: Members, asked: Asked, model: _Model) -> str | None:
    allowed = _SHARED | _VERTEX_ONLY if asked.is_vertex else _SHARED
    for name, value in parameters.items():
        if name not in allowed or (name == "resolution" and not model.resolutions):
            return _unsupported(name)
        if name == "generateAudio" and value is True and not model.has_sound:
            return _unsupported(name)
        words = model.resolutions if name == "resolution" else _WORDS.get(name)
        if words is not None and value not in words:
            return f"The value for `{name}` is not supported. Please use one of: {', '.join(words)}."
        if name in _FLAGS and not isinstance(value, bool):
            return f"The value type for `{name}` needs to be a boolean."
    return (
        _number(parameters, "durationSeconds", model.seconds[0], model.seconds[-1])
        or _number(parameters, "sampleCount", 1, _MOST_SAMPLES)
        or _number(parameters, "seed", 0, _MOST_SEED)
    )


def _number(parameters: Members, name: str, least: int, most: int) -> str | None:
    value: Any = got(parameters, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"The value type for `{name}` needs to be a number."
    return None if least <= value <= most else _out_of_bound(name, least, most)


def _seconds(parameters: Members, instances: Sequence[Members], model: _Model) -> str | None:
    """Durations that are in bound and still not offered, alone or beside what else is asked for."""
    value = got(parameters, "durationSeconds")
    if value is None:
        return None
    if value not in model.seconds:
        return _out_of_bound("durationSeconds", model.seconds[0], model.seconds[-1])
    is_large = parameters.get("resolution") in _LARGE
    if value != _WHOLE and (is_large or any(got(instance, "referenceImages") for instance in instances)):
        return _out_of_bound("durationSeconds", _WHOLE, _WHOLE)
    return None
