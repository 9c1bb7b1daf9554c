"""Encodes seeds of films with PyAV (the extra `media`): a picture of any size, and a tone.

Nothing at run time needs this but films of sizes that are not shipped.
"""

import math
from array import array
from fractions import Fraction
from typing import Any, Final

from .film import USUAL_RATE, Size
from .mp4 import SOUND_FRAME, SOUND_RATE, Pictures

_TONE_HZ: Final = 10 * SOUND_RATE / SOUND_FRAME
"""468.75 Hz: ten whole waves in a frame, so that a frame from the midst of the tone fits to itself."""

_VOLUME: Final = 0.05
_WARM_UP: Final = 12
"""Frames until the encoder has settled."""

_X264: Final = {
    "preset": "veryslow",
    "crf": "34",
    "bf": "0",
    "x264-params": f"threads=1:keyint={USUAL_RATE}:scenecut=0:bframes=0:weightp=0:ref=1:info=0:qpmin=24",
}


def has_encoder() -> bool:
    """Whether PyAV is installed."""
    try:
        _pyav()
    except ImportError:
        return False
    return True


def encoded_pictures(size: Size, *, is_hurried: bool = False) -> Pictures:
    """One second of pictures of that size (even numbers); `is_hurried` makes them soon rather than small.

    Raises ImportError without PyAV.
    """
    av = _pyav()
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = size
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", USUAL_RATE, Fraction(1, USUAL_RATE)
    # Configuration apart from the samples, and those with their lengths in front, as MP4 has it.
    context.flags |= av.codec.context.Flags.global_header
    context.options = _X264 | ({"preset": "veryfast"} if is_hurried else {})
    packets: list[bytes] = []
    for number in range(USUAL_RATE):
        packets += [bytes(packet) for packet in context.encode(_picture(av, size, number))]
    packets += [bytes(packet) for packet in context.encode(None)]
    config = _configuration(bytes(context.extradata))
    return Pictures(size, config, tuple(_with_lengths(packet) for packet in packets))


def encoded_tone() -> bytes:
    """One frame of AAC (LC, 48 kHz, stereo) out of a steady tone. Raises ImportError without PyAV."""
    av = _pyav()
    context = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = SOUND_RATE, "stereo", "fltp"
    context.bit_rate, context.time_base = 32_000, Fraction(1, SOUND_RATE)
    packets: list[bytes] = []
    for number in range(2 * _WARM_UP):
        packets += [bytes(packet) for packet in context.encode(_sound(av, number))]
    return packets[_WARM_UP]


def _pyav() -> Any:
    import av  # pyright: ignore[reportMissingImports]

    return av


def _picture(av: Any, size: Size, number: int) -> Any:
    """A dark ground with a light square that goes round a ring in a second."""
    width, height = size
    frame = av.VideoFrame(width, height, "yuv420p")
    side = max(min(width, height) // 12 // 16 * 16, 16)
    angle = 2 * math.pi * number / USUAL_RATE
    ring = min(width, height) / 4
    left = min(max(round((width - side) / 2 + ring * math.sin(angle)) // 16 * 16, 0), width - side)
    top = min(max(round((height - side) / 2 - ring * math.cos(angle)) // 16 * 16, 0), height - side)
    for plane, (scale, ground, square) in zip(frame.planes, ((1, 40, 200), (2, 140, 110), (2, 110, 150)), strict=True):
        row = bytearray([ground] * plane.line_size)
        lit = bytearray(row)
        lit[left // scale : (left + side) // scale] = bytes([square] * (side // scale))
        lines = [lit if top <= line * scale < top + side else row for line in range(height // scale)]
        plane.update(b"".join(lines))
    frame.pts, frame.time_base = number, Fraction(1, USUAL_RATE)
    return frame


def _sound(av: Any, number: int) -> Any:
    start = number * SOUND_FRAME
    wave = (_VOLUME * math.sin(2 * math.pi * _TONE_HZ * (start + at) / SOUND_RATE) for at in range(SOUND_FRAME))
    samples = array("f", wave).tobytes()
    frame = av.AudioFrame("fltp", "stereo", SOUND_FRAME)
    for plane in frame.planes:
        plane.update(samples)
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
    return frame


def _units(stream: bytes) -> list[bytes]:
    """The NAL units of a byte stream (ISO 14496-10 annex B), without start codes and the zeros before those."""
    return [unit for part in stream.split(b"\0\0\1") if (unit := part.rstrip(b"\0"))]


def _with_lengths(stream: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4) + unit for unit in _units(stream))


def _configuration(stream: bytes) -> bytes:
    """The `avcC` of a byte stream's parameter sets (ISO 14496-15 section 5.3.3.1)."""
    units = _units(stream)
    sequence = next(unit for unit in units if unit[0] & 0x1F == 7)
    picture = next(unit for unit in units if unit[0] & 0x1F == 8)
    record = bytes((1, *sequence[1:4], 0xFF, 0xE1)) + len(sequence).to_bytes(2) + sequence
    record += bytes((1,)) + len(picture).to_bytes(2) + picture
    # High profile says its colour format here as well: 4:2:0, eight bits.
    return record + bytes((0xFD, 0xF8, 0xF8, 0)) if sequence[1] in (100, 110, 122, 144) else record
