"""The bytes of a resource as an answer: from the disk where they are there, else out of memory."""

from pathlib import Path
from typing import Any

from .kept_bytes import bytes_of
from .replies import Media


def media_of(hidden: Any, media_type: str) -> Media:
    """What a resource's `hidden` holds, to be sent as `media_type`; nothing, if it holds no bytes (any more)."""
    path = getattr(hidden, "path", None)
    if isinstance(path, Path) and path.is_file():
        return Media(path, media_type, hidden.size)
    data = bytes_of(hidden) or b""
    return Media(data, media_type, len(data))
