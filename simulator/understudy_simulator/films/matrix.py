"""The sizes of films that are shipped: VEO's aspect ratios and resolutions, and OpenAI's further sizes. Pure."""

from typing import Final

from .film import Size, size_of

MATRIX: Final[tuple[Size, ...]] = (
    *(size_of(aspect, resolution) for resolution in ("720p", "1080p", "4k") for aspect in ("16:9", "9:16")),
    (1792, 1024),
    (1024, 1792),
)


def seed_name(size: Size) -> str:
    """The name of the file that has the seed of a size."""
    width, height = size
    return f"{width}x{height}.mp4"


def nearest(size: Size) -> Size:
    """The shipped size that is nearest in shape, and among those of the nearest shape in width."""
    width, height = size
    return min(MATRIX, key=lambda known: (abs(known[0] / known[1] - width / height), abs(known[0] - width)))
