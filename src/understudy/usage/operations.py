"""VEO: what a start asks for, and what answers about the operation say (wire-http 6, pricing 10)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from .predictions import LeanReader
from .reading import OperationReading, Reading
from .resources import batch_of
from .skeleton import Body
from .wire_json import as_array, as_count, as_object, as_text, decoded, field, is_object

DEFAULT_SECONDS: Final = Decimal(8)
DEFAULT_RESOLUTION: Final = "720p"

_SECONDS: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)s?")
_LONGEST_NAME: Final = 1024
_VIDEO_FIELDS: Final = frozenset(
    {"uri", "gcsUri", "gcs_uri", "bytesBase64Encoded", "bytes_base64_encoded", "encodedVideo", "encoded_video"}
)


@dataclass(frozen=True, slots=True)
class VeoRequest:
    """What a `predictLongRunning` body asks for, as far as its price depends on it.

    `problem` says why the body could not be read; its price is then unknown.
    """

    seconds: Decimal = DEFAULT_SECONDS
    resolution: str = DEFAULT_RESOLUTION
    generate_audio: bool = True
    sample_count: int = 1
    problem: str | None = None


class VeoRequestReader:
    """Reads a `predictLongRunning` body as it passes; inline pictures are not kept."""

    def __init__(self) -> None:
        self._body = Body()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._body.feed(data)

    def finish(self) -> VeoRequest:
        """What was asked for, with VEO's defaults for what was not said."""
        value = decoded(self._body.data)
        if not is_object(value):
            return VeoRequest(problem="the request for a video could not be read")
        parameters = as_object(value.get("parameters"))
        instance = next((as_object(entry) for entry in as_array(value.get("instances"))), dict[str, Any]())
        older = as_object(instance.get("config"))  # an older guide writes it so (pricing 10)
        said = (field(parameters, "durationSeconds", "duration_seconds"), older.get("duration"))
        sound = field(parameters, "generateAudio", "generate_audio")
        return VeoRequest(
            seconds=_first_duration(said),
            resolution=as_text(parameters.get("resolution")).lower()[:32] or DEFAULT_RESOLUTION,
            generate_audio=sound is not False,
            sample_count=max(1, as_count(field(parameters, "sampleCount", "sample_count")) or 1),
        )


def _first_duration(values: Iterable[object]) -> Decimal:
    for value in values:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            value = format(value, "f") if -(10**6) < value < 10**6 else ""
        found = _SECONDS.fullmatch(as_text(value))
        if found:
            return Decimal(found[1])
    return DEFAULT_SECONDS


def veo_request(body: bytes) -> VeoRequest:
    """The same from a whole body."""
    reader = VeoRequestReader()
    reader.feed(body)
    return reader.finish()


class OperationReader(LeanReader):
    """Reads the answer to a start, or to a poll; inline videos are counted and not kept. A batch job is one, too."""

    def finish(self) -> Reading:
        """The operation's name and state; unreadable if the body is too large or not a JSON object."""
        value = self._body.value
        if not is_object(value):
            return Reading(problem="the answer about the operation could not be read")
        name = as_text(value.get("name"))[:_LONGEST_NAME] or None
        if value.get("done") is not True:
            return Reading(operation=OperationReading(name))
        if value.get("error") is not None:
            return Reading(operation=OperationReading(name, is_done=True, has_failed=True))
        response: object = value.get("response")
        problem = None if is_object(response) else "the operation is done and has neither response nor error"
        batch = batch_of(value)
        if batch is not None:
            return msgspec.structs.replace(batch, operation=OperationReading(name, is_done=True))
        delivered, filtered = _videos(as_object(response))
        operation = OperationReading(name, is_done=True, delivered=delivered, filtered=filtered)
        return Reading(operation=operation, problem=problem)


def _videos(response: dict[str, Any]) -> tuple[int, int]:
    """How many videos were delivered, and how many filtered, in the form of either provider (wire-http 6.3)."""
    gemini = as_object(field(response, "generateVideoResponse", "generate_video_response"))
    samples = as_array(field(gemini, "generatedSamples", "generated_samples"))
    videos = [as_object(as_object(sample).get("video")) for sample in samples]
    videos += [as_object(video) for video in as_array(response.get("videos"))]
    delivered = sum(1 for video in videos if any(video.get(name) for name in _VIDEO_FIELDS))
    counts = [as_count(field(r, "raiMediaFilteredCount", "rai_media_filtered_count")) for r in (gemini, response)]
    return delivered, max(0, *(count or 0 for count in counts))
