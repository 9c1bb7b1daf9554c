"""What a predictLongRunning request asks for (wire-http 6.2); what is wrong with one is told by `validation`."""

from dataclasses import dataclass
from typing import Any, Final

from .reading import count_in, member, text_in

_MOST_SAMPLES: Final = 4


@dataclass(frozen=True, slots=True)
class VideoWish:
    """What is asked for: how many videos, and where Vertex shall put them (empty: into the answer)."""

    count: int = 1
    storage_uri: str = ""


def wish_of(body: Any) -> VideoWish:
    """What a request without mistakes asks for."""
    parameters = member(body, "parameters")
    count = min(count_in(parameters, "sampleCount") or 1, _MOST_SAMPLES)
    return VideoWish(count, text_in(parameters, "storageUri") or "")
