"""Scripted audio: a tone goes on from frame to frame, and frames that are equal are made once."""

import json
import math
import struct
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.messages import Sender
from understudy.scenario.audio import audio_message, frame_count, frame_pcm
from understudy.scenario.model import SendAudio

AMPLITUDE = 8192


@given(
    st.sampled_from([8000, 16_000, 24_000, 44_100]),
    st.one_of(st.integers(1, 4000).map(float), st.floats(20, 4000)),
    st.integers(1, 250),
    st.integers(0, 40),
)
def test_a_frame_is_that_part_of_the_tone(rate_hz: int, tone_hz: float, frame_ms: int, index: int):
    step = SendAudio(60.0, frame_ms / 1000, rate_hz, tone_hz)
    count = max(1, round(frame_ms / 1000 * rate_hz))
    found = struct.unpack(f"<{count}h", frame_pcm(step, index))
    wanted = [
        AMPLITUDE * math.sin(2 * math.pi * tone_hz * at / rate_hz) for at in range(index * count, (index + 1) * count)
    ]
    assert all(abs(one - other) <= 0.51 for one, other in zip(found, wanted, strict=True))


def test_a_tone_in_whole_hertz_takes_few_frames():
    step = SendAudio(60.0, 0.02, 24_000, 440.0)
    assert frame_count(step) == 3000
    assert len({id(frame_pcm(step, index)) for index in range(3000)}) == 5


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("seconds", [0.02, 0.5])
def test_a_message_carries_its_samples_however_long_it_is(side: Sender, seconds: float):
    pcm = frame_pcm(SendAudio(seconds, seconds, 24_000, 440.0), 0)
    message = audio_message(pcm, 24_000, side)
    assert audio_message(bytes(pcm), 24_000, side) == message
    value = json.loads(message)
    if side == "client":
        blob = value["realtimeInput"]["audio"]
    else:
        blob = value["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
    assert blob["mimeType"] == "audio/pcm;rate=24000"
    assert b64decode(blob["data"], validate=True) == pcm


def test_the_same_samples_in_another_rate_or_from_the_other_side_are_another_message():
    pcm = bytes(960)
    assert len({audio_message(pcm, rate, side) for rate in (16_000, 24_000) for side in ("client", "server")}) == 4
