"""How long an MP4 plays: read from its movie header (ISO 14496-12, sections 4.2 and 8.2.2). Pure.

Only the heads of boxes are read, so that a large film need not be in memory.
"""

import struct
from collections.abc import Callable
from typing import Final

Reader = Callable[[int, int], bytes]
"""Gives at most so many bytes (second) from a place on (first)."""

_DEPTH: Final = (b"moov", b"mvhd")
_LARGE: Final = 1
_HEADER_BYTES: Final = 32
_MOST_BOXES: Final = 1000


def film_seconds(read: Reader, size: int) -> float | None:
    """The length in seconds of a film of `size` bytes, or None if it is no MP4 with a movie header."""
    start, end = 0, size
    for kind in _DEPTH:
        found = _box(read, start, end, kind)
        if found is None:
            return None
        start, end = found
    header = read(start, min(_HEADER_BYTES, end - start))
    try:
        if header[:1] == b"\1":
            scale, length = struct.unpack_from(">IQ", header, 20)
        else:
            scale, length = struct.unpack_from(">II", header, 12)
    except struct.error:
        return None
    return length / scale if scale else None


def _box(read: Reader, at: int, end: int, wanted: bytes) -> tuple[int, int] | None:
    """Where the content of the first box of that kind begins and ends."""
    for _ in range(_MOST_BOXES):
        head = read(at, 16)
        if at + 8 > end or len(head) < 8:
            return None
        size, kind = struct.unpack_from(">I4s", head)
        length = 8
        if size == _LARGE and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            length = 16
        size = size or end - at
        if size < length:
            return None
        if kind == wanted:
            return at + length, min(at + size, end)
        at += size
    return None
