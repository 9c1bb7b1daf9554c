"""Scripted audio as messages: PCM16 little-endian mono, cut into frames when they are asked for.

Shapes and rates: wire-live 3.3 (`realtimeInput.audio`), 4 (`serverContent.modelTurn`) and 5.2.
"""

import math
import struct
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

from ..messages import Sender
from .model import SendAudio

SAMPLE_BYTES: Final = 2
_AMPLITUDE: Final = 8192
"""A quarter of full scale: clearly there, never clipped."""

_SHORT_SAMPLES: Final = 2400
"""Frames up to this size, 100 ms at 24 kHz, are kept: many sessions send the same ones, again and again."""


def frame_count(step: SendAudio) -> int:
    """How many messages the audio of `step` takes; the last may be shorter."""
    return -(-_samples(step) // _frame_samples(step))


def frame_pcm(step: SendAudio, index: int) -> bytes:
    """The samples of frame `index`, counted from 0; phase goes on from frame to frame."""
    first = index * _frame_samples(step)
    last = min(first + _frame_samples(step), _samples(step))
    if step.pcm is not None:
        return step.pcm[first * SAMPLE_BYTES : last * SAMPLE_BYTES]
    if step.tone_hz == 0:
        return bytes((last - first) * SAMPLE_BYTES)
    # A tone is the same again after so many samples, if it is in whole Hz.
    period = step.rate_hz // math.gcd(step.rate_hz, int(step.tone_hz)) if step.tone_hz == int(step.tone_hz) else 0
    make = _kept_tone if last - first <= _SHORT_SAMPLES else _tone
    return make(step.tone_hz, step.rate_hz, first % period if period else first, last - first)


def _tone(tone_hz: float, rate_hz: int, first: int, count: int) -> bytes:
    """`count` samples of a tone, from sample `first` on."""
    turn = 2 * math.pi * tone_hz / rate_hz
    values = [round(_AMPLITUDE * math.sin(turn * at)) for at in range(first, first + count)]
    return struct.pack(f"<{count}h", *values)


_kept_tone: Final = lru_cache(maxsize=256)(_tone)


def audio_message(pcm: bytes, rate_hz: int, side: Sender) -> bytes:
    """One message that carries `pcm`, compact JSON, in the shape of that side."""
    make = _kept_message if len(pcm) <= _SHORT_SAMPLES * SAMPLE_BYTES else _message
    return make(pcm, rate_hz, side)


def _message(pcm: bytes, rate_hz: int, side: Sender) -> bytes:
    data = b64encode(pcm).decode("ascii")
    mime_type = f"audio/pcm;rate={rate_hz}"
    if side == "client":
        return f'{{"realtimeInput":{{"audio":{{"data":"{data}","mimeType":"{mime_type}"}}}}}}'.encode()
    blob = f'{{"mimeType":"{mime_type}","data":"{data}"}}'
    return f'{{"serverContent":{{"modelTurn":{{"parts":[{{"inlineData":{blob}}}]}}}}}}'.encode()


_kept_message: Final = lru_cache(maxsize=256)(_message)


def media_bytes(value: Any) -> int:
    """The bytes of media that a message carries: its `data` members, as long as they are when decoded from base64."""
    found, pending = 0, [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(cast("list[Any]", item))
        elif isinstance(item, Mapping):
            for key, inner in cast("Mapping[str, Any]", item).items():
                if key == "data" and isinstance(inner, str):
                    found += len(inner.rstrip("=")) * 3 // 4
                else:
                    pending.append(inner)
    return found


def _samples(step: SendAudio) -> int:
    if step.pcm is not None:
        return len(step.pcm) // SAMPLE_BYTES
    return round(step.duration_s * step.rate_hz)


def _frame_samples(step: SendAudio) -> int:
    return max(1, round(step.frame_s * step.rate_hz))
