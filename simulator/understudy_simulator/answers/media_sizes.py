"""What a media file holds, read from its first bytes: pixels of an image, seconds of a sound or film, pages of a PDF.

Only what counting tokens needs; a file that cannot be read counts as the smallest one of its sort (see `tokens`).
"""

import re
import struct
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

_HEADER_CHARACTERS: Final = 87_384
"""Base64 characters of the first 64 KiB: JPEG keeps its size behind whatever the camera wrote."""

_URL_SAFE: Final = str.maketrans("-_", "+/")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PCM_RATE: Final = re.compile(r"rate\s*=\s*([0-9]{4,6})\b")
_USUAL_PCM_RATE: Final = 16_000
_PCM_TYPES: Final = ("audio/l16", "audio/pcm", "audio/x-pcm", "audio/raw")
_COMPRESSED_AUDIO_BYTES_PER_SECOND: Final = 16_000
_VIDEO_BYTES_PER_SECOND: Final = 125_000
_PAGE: Final = re.compile(rb"/Type\s{0,4}/Page(?![a-zA-Z])")


def decoded(data: str, most: int | None = None) -> bytes:
    """The bytes that base64 text (either alphabet, padded or not) stands for; empty if it is none.

    `most` limits how many characters are looked at; it is a multiple of four.
    """
    text = data if most is None else data[:most]
    text = text.translate(_URL_SAFE)
    try:
        return b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return b""


def size_of_base64(data: str) -> int:
    """How many bytes base64 text stands for, without decoding it."""
    return len(data.rstrip("=")) * 3 // 4


def image_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, JPEG, GIF or WebP in base64, or None if it cannot be told."""
    head = decoded(data, _HEADER_CHARACTERS)
    if head.startswith(_PNG) and len(head) >= 24:
        return struct.unpack_from(">II", head, 16)
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return struct.unpack_from("<HH", head, 6)
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(head)
    if head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and len(head) >= 30:
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        kind = head[at + 1]
        if kind in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None


def audio_seconds(data: str, mime_type: str) -> float:
    """How long a sound in base64 lasts: WAV by its header, PCM by its rate, others at 128 kbit/s."""
    size = size_of_base64(data)
    kind = mime_type.partition(";")[0].strip().lower()
    if kind in _PCM_TYPES:
        rate = _PCM_RATE.search(mime_type)
        return size / (2 * (int(rate[1]) if rate and int(rate[1]) else _USUAL_PCM_RATE))
    head = decoded(data, 64)
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE" and len(head) >= 32:
        per_second = int.from_bytes(head[28:32], "little")
        return max(size - 44, 0) / per_second if per_second else 0.0
    return size / _COMPRESSED_AUDIO_BYTES_PER_SECOND


def video_seconds(data: str) -> float:
    """How long a film in base64 lasts: MP4 by its movie header, others at 1 Mbit/s."""
    film = decoded(data)
    at = film.find(b"mvhd")
    if at >= 0 and len(film) >= at + 36:
        layout, start = (">IQ", at + 24) if film[at + 4] == 1 else (">II", at + 16)
        scale, length = struct.unpack_from(layout, film, start)
        if scale:
            return length / scale
    return size_of_base64(data) / _VIDEO_BYTES_PER_SECOND


def pdf_pages(data: str) -> int:
    """The pages that a PDF in base64 names openly; at least one."""
    return max(len(_PAGE.findall(decoded(data))), 1)
