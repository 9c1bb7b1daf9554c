"""PCM16 little-endian mono: the simulator's voice, made from a text, and what audio amounts to in seconds and tokens.

Rates, chunk sizes and tokens: wire-live 4 (audio is about 25 tokens a second) and 5.2.
"""

import math
import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from understudy.messages import Sender

SAMPLE_BYTES: Final = 2
OUTPUT_RATE_HZ: Final = 24_000
INPUT_RATE_HZ: Final = 16_000
TOKENS_PER_SECOND: Final = 25
CHARACTERS_PER_SECOND: Final = 15
"""How fast the voice speaks; every character takes the same time, so that a text's bytes can be told beforehand."""

CHARACTER_SAMPLES: Final = OUTPUT_RATE_HZ // CHARACTERS_PER_SECOND
CHARACTER_BYTES: Final = CHARACTER_SAMPLES * SAMPLE_BYTES
GEMINI_CHUNK_BYTES: Final = 1920
VERTEX_CHUNK_BYTES: Final = 12_000

_AMPLITUDE: Final = 8192
_LOWEST_RATE_HZ: Final = 8000
_LOWEST: Final = 8
_PITCHES: Final = 24
_RATE: Final = re.compile(r"rate\s*=\s*([0-9]{4,6})\b")


def speech(text: str, voice: int = 0) -> bytes:
    """`text` as 24 kHz PCM: for each character one fifteenth of a second of a tone of its own, silence for a space.

    Voices of other numbers have other tones. The same text always gives the same `len(text) * 3200` bytes.
    """
    return b"".join(_syllable(-1 if char.isspace() else (ord(char) + voice) % _PITCHES) for char in text)


Piece = tuple[tuple[int, ...], int, int]
"""A piece of speech that is yet to be made: the pitches of its syllables, and from which byte to which it goes."""


def speech_pieces(text: str, voice: int, size: int) -> Iterator[Piece]:
    """`speech` in pieces of `size` bytes; the last may be shorter. Pieces that are equal sound the same."""
    pitches = tuple(-1 if char.isspace() else (ord(char) + voice) % _PITCHES for char in text)
    whole = len(pitches) * CHARACTER_BYTES
    for start in range(0, whole, size):
        first = start // CHARACTER_BYTES
        begin, end = start - first * CHARACTER_BYTES, min(start + size, whole)
        yield pitches[first : -(-end // CHARACTER_BYTES)], begin, begin + end - start


def piece_pcm(piece: Piece) -> bytes:
    """The bytes of a piece."""
    pitches, begin, end = piece
    return b"".join(map(_syllable, pitches))[begin:end]


def chunks_of(pcm: bytes, is_vertex: bool) -> Iterator[bytes]:
    """The audio in whole samples, cut as the service cuts it (wire-live 5.2); the last piece may be shorter."""
    size = VERTEX_CHUNK_BYTES if is_vertex else GEMINI_CHUNK_BYTES
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


def seconds_of(size: int, rate_hz: int) -> float:
    """How long `size` bytes last."""
    return size / (rate_hz * SAMPLE_BYTES)


def tokens_of_audio(seconds: float) -> int:
    """Tokens of that much audio, a token begun counts."""
    # The division of whole samples may be off by a hair; a millionth of a token is no token.
    return math.ceil(seconds * TOKENS_PER_SECOND - 1e-6)


def rate_of(mime_type: str, sender: Sender) -> int:
    """The rate in `audio/pcm;rate=16000`, in Hz; without one 16 kHz from clients, 24 kHz from the service.

    A rate below telephone quality is none: a few bytes of it would last for ever.
    """
    found = _RATE.search(mime_type)
    if found and int(found[1]) >= _LOWEST_RATE_HZ:
        return int(found[1])
    return INPUT_RATE_HZ if sender == "client" else OUTPUT_RATE_HZ


@lru_cache(maxsize=_PITCHES + 1)
def _syllable(pitch: int) -> bytes:
    """One character's time of pitch number `pitch`, or of silence (-1); whole periods, so that pieces join smoothly."""
    if pitch < 0:
        return bytes(CHARACTER_SAMPLES * SAMPLE_BYTES)
    turn = 2 * math.pi * (_LOWEST + pitch) / CHARACTER_SAMPLES
    values = [round(_AMPLITUDE * math.sin(turn * at)) for at in range(CHARACTER_SAMPLES)]
    return struct.pack(f"<{len(values)}h", *values)
