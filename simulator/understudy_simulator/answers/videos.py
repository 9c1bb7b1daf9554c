"""What Google says about a predictLongRunning request before it starts work, and what the request asks for.

Rules and texts: wire-http 6.2. `instances` and `parameters` are free JSON values to the frontend; what is wrong in them
is told by the model, in a plain 400.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

from .reading import Members, count_in, member, members_in, text_in

_TOP_LEVEL: Final = frozenset({"instances", "parameters", "labels"})
_INSTANCE: Final = frozenset({"prompt", "image", "lastFrame", "referenceImages", "video", "mask"})
_PARAMETERS: Final = frozenset(
    {
        *("aspectRatio", "durationSeconds", "sampleCount", "resolution", "personGeneration", "negativePrompt"),
        *("enhancePrompt", "seed", "generateAudio", "storageUri", "fps", "pubsubTopic", "compressionQuality"),
        *("resizeMode", "task"),
    }
)
_IMAGE_MEMBERS_REFUSED: Final = ("inlineData", "fileUri")
_MOST_SAMPLES: Final = 4


@dataclass(frozen=True, slots=True)
class VideoWish:
    """What is asked for: how many videos, and where Vertex shall put them (empty: into the answer)."""

    count: int = 1
    storage_uri: str = ""


def unknown_top_level(body: Any) -> tuple[str, ...]:
    """The members that a request has and the message has not, like `contents`."""
    return tuple(name for name in cast("Members", body) if name not in _TOP_LEVEL) if isinstance(body, dict) else ()


def video_mistake(body: Any, model: str) -> str | None:
    """The message that refuses the request, or None if nothing is wrong with it."""
    instances = members_in(body, "instances")
    if not instances:
        return "Request contains an invalid argument."
    for instance in instances:
        mistake = _instance_mistake(instance)
        if mistake is not None:
            return mistake
    parameters = member(body, "parameters")
    return None if parameters is None else _parameter_mistake(parameters, model)


def wish_of(body: Any) -> VideoWish:
    """What a request without mistakes asks for."""
    parameters = member(body, "parameters")
    count = min(count_in(parameters, "sampleCount") or 1, _MOST_SAMPLES)
    return VideoWish(count, text_in(parameters, "storageUri") or "")


def _instance_mistake(instance: Members) -> str | None:
    for name in instance:
        if name not in _INSTANCE:
            return _unsupported(name)
    for holder in (*members_in(instance, "image"), *members_in(instance, "lastFrame")):
        for name in _IMAGE_MEMBERS_REFUSED:
            if member(holder, name) is not None:
                return f"`{name}` isn't supported by this model."
    if not text_in(instance, "prompt") and not member(instance, "image") and not member(instance, "video"):
        return "The `prompt` field is required unless `image` or `video` is given."
    return None


def _unsupported(name: str) -> str:
    return (
        f"`{name[:100]}` isn't supported by this model. Please remove it or refer to the Gemini API documentation for "
        "supported usage."
    )


def _parameter_mistake(parameters: Any, model: str) -> str | None:
    if not isinstance(parameters, dict):
        return "Request contains an invalid argument."
    for name in cast("Members", parameters):
        if name not in _PARAMETERS:
            return _unsupported(name)
    shortest = 5 if model.startswith("veo-2") else 4
    return _number_mistake(parameters, "durationSeconds", shortest, 8) or _number_mistake(
        parameters, "sampleCount", 1, _MOST_SAMPLES
    )


def _number_mistake(parameters: Any, name: str, least: int, most: int) -> str | None:
    value = member(parameters, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"The value type for `{name}` needs to be a number."
    if not least <= value <= most:
        return (
            f"The number value for `{name}` is out of bound. Please provide a value between {least} and {most}, "
            "inclusive."
        )
    return None
