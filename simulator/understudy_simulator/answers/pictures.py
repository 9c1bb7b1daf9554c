"""Real PNG images, small and of any aspect ratio: a pattern of blocks in colours that a seed chooses."""

import struct
import zlib
from typing import Final

from .choosing import Chooser

_USUAL: Final = (1, 1)
_LONG_SIDE: Final = 256
"""Pixels of the longer side of an image asked for as 1K: a quarter of what the services make."""

_BLOCK: Final = 16
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MOST_SIDE: Final = 2048


def size_of(aspect_ratio: str, image_size: str = "1K") -> tuple[int, int]:
    """Width and height for a ratio like `16:9` and a size of `512`, `1K`, `2K` or `4K`; a square for an odd ratio."""
    first, _, second = aspect_ratio.partition(":")
    known = first.isdigit() and second.isdigit() and len(aspect_ratio) < 12
    wide, high = (int(first), int(second)) if known and int(first) and int(second) else _USUAL
    side = _LONG_SIDE * {"512": 0.5, "0.5K": 0.5, "2K": 2, "4K": 4}.get(image_size.upper(), 1)
    longest = max(wide, high)
    return max(round(side * wide / longest), 1), max(round(side * high / longest), 1)


def picture(width: int, height: int, seed: object) -> bytes:
    """A PNG of that size in pixels (at most 2048 a side); the same seed always gives the same bytes."""
    width, height = min(width, _MOST_SIDE), min(height, _MOST_SIDE)
    choose = Chooser(seed, "picture")
    palette = [bytes(choose.number(256) for _ in range(3)) for _ in range(4)]
    rows: list[bytes] = []
    for _ in range(-(-height // _BLOCK)):
        blocks = b"".join(choose.one_of(palette) * _BLOCK for _ in range(-(-width // _BLOCK)))
        # Filter 0 (none) goes before each row (PNG specification, 9.2).
        rows += [b"\0" + blocks[: width * 3]] * _BLOCK
    return _png(width, height, 2, b"".join(rows[:height]))


def mask(width: int, height: int) -> bytes:
    """A grey PNG with a white middle on black, as segmentation gives it."""
    width, height = min(width, _MOST_SIDE), min(height, _MOST_SIDE)
    edge, top = width // 4, height // 4
    middle = b"\0" + bytes(edge) + b"\xff" * (width - 2 * edge) + bytes(edge)
    empty = b"\0" + bytes(width)
    return _png(width, height, 0, empty * top + middle * (height - 2 * top) + empty * top)


def _png(width: int, height: int, colour_type: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
