"""What a predictLongRunning request asks for (wire-http 6.2); what is wrong with one is told by `validation`. Pure."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from ..films.film import USUAL_FILM, USUAL_RATE, USUAL_RESOLUTION, USUAL_SECONDS, WIDE, Film, size_of
from .media_sizes import video_seconds
from .reading import count_in, member, members_in, text_in

MOST_SAMPLES: Final = 4
MOST_SECONDS: Final = 148
"""An extended film, with what it extends (https://ai.google.dev/gemini-api/docs/video)."""

EXTENSION_SECONDS: Final = 7
_MOST_RATE: Final = 120


@dataclass(frozen=True, slots=True)
class VideoWish:
    """What is asked for: how many videos of what sort, and where Vertex shall put them (empty: into the answer).

    `extends` is the URI of a video that is to go on, `extends_data` such a video in base64; both empty: a new one.
    """

    count: int = 1
    storage_uri: str = ""
    film: Film = USUAL_FILM
    extends: str = ""
    extends_data: str = ""

    @property
    def is_extension(self) -> bool:
        """Whether a video is to go on."""
        return bool(self.extends or self.extends_data)

    def extended(self, earlier: Film) -> Film:
        """The whole film that goes on where `earlier` ends: of its size, and 7 seconds longer."""
        seconds = min(earlier.seconds + EXTENSION_SECONDS, Fraction(MOST_SECONDS))
        return Film(earlier.size, seconds, self.film.rate, self.film.has_sound)


def wish_of(body: Any, model: str, is_vertex: bool) -> VideoWish:
    """What a request asks for; what it does not say, or says wrongly, is as usual. `model` is the bare id.

    A film has sound unless the model has none (VEO 2), or Vertex AI is asked for none.
    """
    parameters = member(body, "parameters")
    count = max(1, min(count_in(parameters, "sampleCount") or 1, MOST_SAMPLES))
    aspect, resolution = text_in(parameters, "aspectRatio"), text_in(parameters, "resolution")
    silent = is_vertex and member(parameters, "generateAudio") is False
    film = Film(
        size_of(aspect or WIDE, resolution or USUAL_RESOLUTION),
        _seconds(member(parameters, "durationSeconds")),
        min(count_in(parameters, "fps") or USUAL_RATE, _MOST_RATE),
        has_sound=not silent and not model.startswith("veo-2"),
    )
    video = next((member(instance, "video") for instance in members_in(body, "instances")), None)
    uri = text_in(video, "uri") or text_in(video, "gcsUri") or ""
    data = text_in(video, "encodedVideo") or text_in(video, "bytesBase64Encoded") or ""
    return VideoWish(count, text_in(parameters, "storageUri") or "", film, uri, "" if uri else data)


def film_in(wish: VideoWish) -> Film:
    """The film that a request carries in itself, to be extended: its length as it says, else as usual."""
    seconds = Fraction(video_seconds(wish.extends_data)).limit_denominator(1000) if wish.extends_data else 0
    known = Fraction(USUAL_SECONDS) if not 0 < seconds <= MOST_SECONDS else Fraction(seconds)
    return Film(wish.film.size, known, wish.film.rate, wish.film.has_sound)


def _seconds(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_SECONDS:
        return Fraction(USUAL_SECONDS)
    return Fraction(value).limit_denominator(1000)
