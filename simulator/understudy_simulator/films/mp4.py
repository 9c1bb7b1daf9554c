"""An MP4 file around H.264 pictures and AAC sound that are encoded already. Pure, and the same bytes each time.

Boxes and their fields: ISO 14496-12 section 8, 14496-14 (`mp4a`, `esds`), 14496-15 (`avc1`, `avcC`).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from .boxes import box, content_of, full_box, table
from .film import Film, Size

SOUND_RATE: Final = 48_000
SOUND_FRAME: Final = 1024
"""Samples in one frame of AAC."""

_MOVIE_SCALE: Final = 1000
_UNITY: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_NO_LANGUAGE: Final = 0x55C4
_AVC1_FIELDS: Final = 78
_SAMPLE_TABLE: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_SOUND_CONFIG: Final = bytes((0x11, 0x90))
"""AudioSpecificConfig: AAC LC, 48 kHz, two channels (ISO 14496-3 section 1.6.2.1)."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Encoded pictures: the decoder's configuration (`avcC`), and one sample for each, the first of them a key frame.

    They can be played over and over: each loop begins with the key frame, and none refers to a picture after it.
    """

    size: Size
    config: bytes
    samples: tuple[bytes, ...]


def film_bytes(film: Film, pictures: Pictures, tone: bytes) -> bytes:
    """The file of a film: `pictures` again and again for its length, `tone` (one frame of AAC) likewise.

    The size is that of `pictures`, whatever the film's.
    """
    samples = [pictures.samples[number % len(pictures.samples)] for number in range(film.pictures)]
    keys = range(1, film.pictures + 1, len(pictures.samples))
    frames, rest = divmod(round(film.seconds * SOUND_RATE), SOUND_FRAME)
    lengths = [SOUND_FRAME] * frames + ([rest] if rest else [])
    sound = [tone] * len(lengths) if film.has_sound else []
    head = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")
    # Where the samples are stands in the index, whose length does not depend on it.
    start = len(head) + len(_movie(film, pictures, samples, keys, sound, lengths, 0)) + 8
    movie = _movie(film, pictures, samples, keys, sound, lengths, start)
    return head + movie + box(b"mdat", *samples, *sound)


def pictures_in(file: bytes) -> Pictures:
    """The pictures of a film without sound that `film_bytes` wrote. Raises ValueError if it is none."""
    samples = content_of(file, *_SAMPLE_TABLE)
    try:
        entry = content_of(content_of(samples, b"stsd")[8:], b"avc1")
        width, height = struct.unpack_from(">HH", entry, 24)
        config = content_of(entry[_AVC1_FIELDS:], b"avcC")
        sizes = content_of(samples, b"stsz")
        (count,) = struct.unpack_from(">I", sizes, 8)
        lengths = struct.unpack_from(f">{count}I", sizes, 12)
    except struct.error as error:
        raise ValueError("the index of the film is broken") from error
    data = content_of(file, b"mdat")
    if sum(lengths) != len(data):
        raise ValueError("the film has more than its pictures")
    found: list[bytes] = []
    at = 0
    for length in lengths:
        found.append(data[at : at + length])
        at += length
    return Pictures((width, height), config, tuple(found))


def _movie(
    film: Film,
    pictures: Pictures,
    samples: Sequence[bytes],
    keys: Sequence[int],
    sound: Sequence[bytes],
    lengths: Sequence[int],
    start: int,
) -> bytes:
    """The index: one track of pictures from `start` on, and behind them one of sound if there is any."""
    length = _scaled(Fraction(film.pictures, film.rate))
    sound_length = _scaled(film.seconds) if sound else 0
    header = struct.pack(">4I", 0, 0, _MOVIE_SCALE, max(length, sound_length))
    header += struct.pack(">IHHII", 0x10000, 0x100, 0, 0, 0) + _UNITY + bytes(24) + struct.pack(">I", 3)
    tracks = [_picture_track(film, pictures, samples, keys, start, length)]
    if sound:
        tracks.append(_sound_track(sound, lengths, start + sum(map(len, samples)), sound_length))
    return box(b"moov", full_box(b"mvhd", header), *tracks)


def _picture_track(
    film: Film, pictures: Pictures, samples: Sequence[bytes], keys: Sequence[int], start: int, length: int
) -> bytes:
    width, height = pictures.size
    entry = (
        bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HHIIIH", width, height, 72 << 16, 72 << 16, 0, 1)
    )
    entry += bytes(32) + struct.pack(">Hh", 24, -1)
    assert len(entry) == _AVC1_FIELDS
    key_table = table(b"stss", (struct.pack(f">{len(keys)}I", *keys),), len(keys))
    times = table(b"stts", (struct.pack(">II", len(samples), 1),), 1)
    stored = box(
        b"stbl",
        table(b"stsd", (box(b"avc1", entry, box(b"avcC", pictures.config)),), 1),
        times,
        key_table,
        *_places(samples, start),
    )
    header = full_box(b"vmhd", bytes(8), flags=1)
    place = struct.pack(">4H", 0, 0, 0, 0) + _UNITY + struct.pack(">II", width << 16, height << 16)
    return _track(1, place, length, (film.rate, len(samples)), b"vide", header, stored)


def _sound_track(sound: Sequence[bytes], lengths: Sequence[int], start: int, length: int) -> bytes:
    entry = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, SOUND_RATE << 16)
    runs = _runs(lengths)
    times = table(b"stts", (struct.pack(">II", count, ticks) for count, ticks in runs), len(runs))
    stored = box(b"stbl", table(b"stsd", (box(b"mp4a", entry, _sound_setup(sound)),), 1), times, *_places(sound, start))
    place = struct.pack(">4H", 0, 0, 0x100, 0) + _UNITY + bytes(8)
    header = full_box(b"smhd", bytes(4))
    return _track(2, place, length, (SOUND_RATE, sum(lengths)), b"soun", header, stored)


def _track(
    number: int, place: bytes, length: int, media: tuple[int, int], kind: bytes, header: bytes, stored: bytes
) -> bytes:
    """A track; `media` is the ticks a second and how many there are, `length` the same in the movie's own scale."""
    scale, ticks = media
    head = struct.pack(">5I", 0, 0, number, 0, length) + bytes(8) + place
    source = box(b"dinf", table(b"dref", (full_box(b"url ", flags=1),), 1))
    return box(
        b"trak",
        full_box(b"tkhd", head, flags=3),
        box(
            b"mdia",
            full_box(b"mdhd", struct.pack(">4IHH", 0, 0, scale, ticks, _NO_LANGUAGE, 0)),
            full_box(b"hdlr", bytes(4), kind, bytes(13)),
            box(b"minf", header, source, stored),
        ),
    )


def _places(samples: Sequence[bytes], start: int) -> tuple[bytes, bytes, bytes]:
    """All samples in one chunk: which chunk has how many, how long each is, where the chunk begins."""
    sizes = struct.pack(f">{len(samples)}I", *map(len, samples))
    return (
        table(b"stsc", (struct.pack(">III", 1, len(samples), 1),), 1),
        full_box(b"stsz", struct.pack(">II", 0, len(samples)), sizes),
        table(b"stco", (struct.pack(">I", start),), 1),
    )


def _sound_setup(sound: Sequence[bytes]) -> bytes:
    """`esds`: descriptors of stream, decoder and configuration (ISO 14496-1 section 7.2.6)."""
    rate = round(sum(map(len, sound)) * 8 * SOUND_RATE / (len(sound) * SOUND_FRAME))
    special = bytes((5, len(_SOUND_CONFIG))) + _SOUND_CONFIG
    decoder = struct.pack(">BBI", 0x40, 0x15, 0) + struct.pack(">II", rate, rate) + special
    # The second field is a byte of the stream's type and three of a buffer's size.
    stream = struct.pack(">HB", 2, 0) + bytes((4, len(decoder))) + decoder + bytes((6, 1, 2))
    return full_box(b"esds", bytes((3, len(stream))), stream)


def _runs(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Equal neighbours counted: how many, and which."""
    runs: list[tuple[int, int]] = []
    for length in lengths:
        if runs and runs[-1][1] == length:
            runs[-1] = (runs[-1][0] + 1, length)
        else:
            runs.append((1, length))
    return runs


def _scaled(seconds: Fraction) -> int:
    return round(seconds * _MOVIE_SCALE)
