"""What a film is to be: its size in pixels, its length, its pictures a second, whether it has sound. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

Size = tuple[int, int]
"""Width and height in pixels."""

WIDE: Final = "16:9"
USUAL_RESOLUTION: Final = "720p"
USUAL_SECONDS: Final = 8
USUAL_RATE: Final = 24
"""Pictures a second of all VEO models (the models' pages)."""

_SHORT_SIDES: Final[Mapping[str, int]] = {"720p": 720, "1080p": 1080, "4k": 2160}


@dataclass(frozen=True, slots=True)
class Film:
    """One film. `seconds` is above zero; `rate` is pictures a second."""

    size: Size = (1280, 720)
    seconds: Fraction = Fraction(USUAL_SECONDS)
    rate: int = USUAL_RATE
    has_sound: bool = True

    @property
    def pictures(self) -> int:
        """How many pictures it has; at least one."""
        return max(round(self.seconds * self.rate), 1)


def size_of(aspect: str, resolution: str) -> Size:
    """The size of VEO's films of an aspect ratio (`16:9`, `9:16`) and resolution (`720p`, `1080p`, `4k`).

    Any other resolution counts as 720p, any other aspect ratio as 16:9.
    """
    short = _SHORT_SIDES.get(resolution.lower(), _SHORT_SIDES[USUAL_RESOLUTION])
    long = short * 16 // 9
    return (short, long) if aspect == "9:16" else (long, short)


USUAL_FILM: Final = Film()
"""What a request without parameters asks for: eight seconds of 1280 x 720 with sound."""
