"""The boxes of an MP4 file: written, and found again (ISO 14496-12 section 4.2). Pure."""

import struct
from collections.abc import Iterable
from typing import Final

_HEAD: Final = 8


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of four letters; its content may be other boxes."""
    size = _HEAD + sum(map(len, content))
    return struct.pack(">I4s", size, kind) + b"".join(content)


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags in front of its content (section 4.2.2)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def table(kind: bytes, entries: Iterable[bytes], count: int) -> bytes:
    """A full box that counts its entries."""
    return full_box(kind, struct.pack(">I", count), *entries)


def content_of(data: bytes, *path: bytes) -> bytes:
    """The content of the first box of each kind on the way down, `moov`, `trak` and so on. Raises ValueError.

    What stands before the boxes inside of a sample description is not skipped: cut it off first.
    """
    for kind in path:
        at = 0
        while True:
            if at + _HEAD > len(data):
                raise ValueError(f"there is no box {kind.decode()}")
            size, found = struct.unpack_from(">I4s", data, at)
            if size < _HEAD or at + size > len(data):
                raise ValueError(f"the box {found!r} is broken")
            if found == kind:
                data = data[at + _HEAD : at + size]
                break
            at += size
    return data
