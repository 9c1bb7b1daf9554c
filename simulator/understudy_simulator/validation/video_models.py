"""What each VEO model can do, as data. Pure.

Sources: the parameter tables of https://ai.google.dev/gemini-api/docs/video (Gemini API) and of
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation (Vertex AI), wire-http 6.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SHARED: Final = frozenset(
    {
        *("aspectRatio", "durationSeconds", "sampleCount", "resolution", "personGeneration", "negativePrompt"),
        *("enhancePrompt", "seed"),
    }
)
"""Parameters of both services."""

VERTEX_ONLY: Final = frozenset(
    {"generateAudio", "storageUri", "fps", "pubsubTopic", "compressionQuality", "resizeMode", "task"}
)

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "aspectRatio": ("16:9", "9:16"),
    "personGeneration": ("allow_all", "allow_adult", "dont_allow"),
    "compressionQuality": ("optimized", "lossless"),
    "resizeMode": ("pad", "crop"),
}
"""Parameters that have one of a few words."""

FLAGS: Final = ("enhancePrompt", "generateAudio")
TEXTS: Final = ("negativePrompt", "storageUri", "pubsubTopic", "task")
IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/webp")
VIDEO_TYPES: Final = (
    *("video/mp4", "video/mov", "video/mpeg", "video/avi", "video/wmv", "video/mpegps", "video/flv"),
    *("video/quicktime", "video/x-flv", "video/mpg", "video/webm", "video/3gpp"),
)
LARGE: Final = ("1080p", "4k")
MOST_SAMPLES: Final = 4
MOST_REFERENCES: Final = 3
MOST_RATE: Final = 120
MOST_SEED: Final = 2**32 - 1
WHOLE_SECONDS: Final = 8
"""What large pictures, reference images and extensions need."""


@dataclass(frozen=True, slots=True)
class VideoModel:
    """One family of models. `resolutions` empty: the parameter is not theirs.

    `rewrites_always`: the prompt is enhanced whether asked or not. `goes_on` tells whether it extends videos, and
    `ends` whether it takes a last frame, on the Gemini API and on Vertex AI. `people` are the words of personGeneration
    on the Gemini API, without and (`people_in_pictures`) with images. `references` are the types of reference images;
    empty: it takes none.
    """

    seconds: tuple[int, ...]
    resolutions: tuple[str, ...]
    references: tuple[str, ...] = ("asset",)
    has_sound: bool = True
    rewrites_always: bool = True
    goes_on: tuple[bool, bool] = (True, True)
    ends: tuple[bool, bool] = (True, True)
    people: tuple[str, ...] = ("allow_all",)
    people_in_pictures: tuple[str, ...] = ("allow_adult",)


VIDEO_MODELS: Final[Mapping[str, VideoModel]] = {
    "veo-2.0-generate-exp": VideoModel(
        *((5, 6, 7, 8), ()),
        references=("asset", "style"),
        has_sound=False,
        rewrites_always=False,
        goes_on=(False, True),
        ends=(False, True),
    ),
    "veo-2": VideoModel(
        *((5, 6, 7, 8), ()),
        references=(),
        has_sound=False,
        rewrites_always=False,
        goes_on=(False, True),
        ends=(False, True),
        people=WORDS["personGeneration"],
        people_in_pictures=("allow_adult", "dont_allow"),
    ),
    "veo-3.0": VideoModel((4, 6, 8), ("720p", "1080p"), references=(), goes_on=(False, True), ends=(False, True)),
    "veo-3.1-lite": VideoModel((4, 6, 8), ("720p", "1080p"), goes_on=(False, False)),
    "veo-3": VideoModel((4, 6, 8), ("720p", "1080p", "4k")),
}
"""By the start of a name; the first that fits counts, and the last is for all others."""


def video_model(name: str) -> VideoModel:
    """What the model of that bare id can do."""
    return next((model for start, model in VIDEO_MODELS.items() if name.startswith(start)), VIDEO_MODELS["veo-3"])
