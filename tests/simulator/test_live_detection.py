"""Speech found in audio: where it begins and ends in audio time, however the audio is cut, by the sensitivities."""

from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_rig import silence, tone

from strategies import dear
from understudy_simulator.live.machine.detection import (
    ActivityDetector,
    Began,
    Ended,
    Sensitivity,
    has_paddings,
    seconds_in,
    sensitivity_of,
)

PCM = "audio/pcm;rate=16000"
SENSE = Sensitivity(250, 250, 20, 500)


def pcm(*blobs):
    return b"".join(b64decode(blob["data"]) for blob in blobs)


def heard(data, sense=SENSE, mime=PCM) -> Any:
    return ActivityDetector(sense).feed(data, mime)


def test_speech_between_silences():
    began, ended = heard(pcm(silence(1), tone(0.8), silence(1)))
    assert (began, ended.at_s) == (Began(1.0), 1.8)
    assert ended.lasted_s == pytest.approx(0.8)


def test_a_pause_that_is_shorter_than_the_silence_is_no_end():
    assert heard(pcm(tone(0.5), silence(0.49), tone(0.5), silence(0.5))) == [Began(0.0), Ended(1.49, 1.49)]
    assert heard(pcm(tone(0.5), silence(0.5), tone(0.5))) == [Began(0.0), Ended(0.5, 0.5), Began(1.0)]


def test_what_is_shorter_than_the_prefix_is_no_speech():
    sense = Sensitivity(250, 250, 100, 500)
    assert heard(pcm(tone(0.09), silence(0.2), tone(0.09), silence(1)), sense) == []
    assert heard(pcm(silence(0.3), tone(0.1)), sense) == [Began(0.3)]


def test_the_end_comes_with_the_window_that_makes_the_silence_long_enough():
    detector = ActivityDetector(SENSE)
    detector.feed(pcm(tone(0.2)), PCM)
    assert detector.feed(pcm(silence(0.49)), PCM) == []
    assert detector.hears
    assert detector.feed(pcm(silence(0.01)), PCM) == [Ended(0.2, 0.2)]
    assert not detector.hears


def test_a_flush_ends_speech_at_once():
    detector = ActivityDetector(SENSE)
    assert detector.flush() == []
    detector.feed(pcm(tone(0.3), silence(0.1)), PCM)
    assert detector.flush() == [Ended(0.3, 0.3)]
    assert detector.flush() == []
    assert detector.feed(pcm(tone(0.1)), PCM) == [Began(0.4)]


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 44_100, 48_000])
def test_times_do_not_depend_on_the_rate(rate):
    data = pcm(silence(0.5, rate), tone(0.5, rate), silence(0.6, rate))
    began, ended = heard(data, mime=f"audio/pcm;rate={rate}")
    assert began.at_s == pytest.approx(0.5, abs=0.011)
    assert ended.lasted_s == pytest.approx(0.5, abs=0.021)


def test_audio_without_a_rate_is_16_khz():
    assert heard(pcm(tone(0.5), silence(0.6)), mime="audio/pcm") == [Began(0.0), Ended(0.5, 0.5)]


def test_sensitivities_decide_how_loud_speech_is():
    whisper = pcm(silence(0.1), tone(0.5, level=700), silence(0.9))
    high = sensitivity_of({"startOfSpeechSensitivity": "START_SENSITIVITY_HIGH"}, is_vertex=True)
    low = sensitivity_of({"start_of_speech_sensitivity": "START_SENSITIVITY_LOW"}, is_vertex=False)
    assert [type(one) for one in heard(whisper, high)] == [Began, Ended]
    assert heard(whisper, low) == []


def test_a_high_end_sensitivity_ends_earlier():
    murmur = pcm(tone(0.5), tone(2, level=250), silence(1))
    early = sensitivity_of({"endOfSpeechSensitivity": "END_SENSITIVITY_HIGH"}, is_vertex=False)
    late = sensitivity_of({"endOfSpeechSensitivity": "END_SENSITIVITY_LOW"}, is_vertex=False)
    assert heard(murmur, early)[1] == Ended(0.5, 0.5)
    assert heard(murmur, late)[1] == Ended(2.5, 2.5)


def test_defaults_are_high_on_gemini_and_low_on_vertex():
    assert sensitivity_of(None, is_vertex=False) == Sensitivity(250, 250, 20, 500)
    assert sensitivity_of(None, is_vertex=True) == Sensitivity(1000, 120, 20, 800)


def test_paddings_may_be_numbers_or_text():
    wanted = Sensitivity(250, 250, 40, 300)
    assert sensitivity_of({"prefixPaddingMs": 40, "silence_duration_ms": "300"}, is_vertex=False) == wanted
    assert has_paddings({"silence_duration_ms": 0})
    assert not has_paddings({"disabled": True})


def test_compressed_audio_counts_as_speech():
    detector = ActivityDetector(SENSE)
    assert detector.feed(bytes(8000), "audio/ogg") == [Began(0.0)]
    assert seconds_in(bytes(8000), "audio/ogg") == 2.0
    assert [type(one) for one in detector.flush()] == [Ended]


@dear(4)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 80)), max_size=8), st.data())
def test_the_same_audio_gives_the_same_however_it_is_cut(stretches, data):
    audio = pcm(*((tone if loud else silence)(tens / 100) for loud, tens in stretches))
    whole = heard(audio)
    detector, found, rest = ActivityDetector(SENSE), [], audio
    while rest:
        size = data.draw(st.integers(1, 3000))
        found += detector.feed(rest[:size], PCM)
        rest = rest[size:]
    assert found == whole
    kinds = [type(one) for one in found]
    assert kinds == [Began, Ended] * (len(kinds) // 2) + [Began] * (len(kinds) % 2)


@given(
    st.binary(max_size=700), st.sampled_from(["audio/pcm", "audio/pcm;rate=99999", "audio/pcm;rate=1000", "", "a/b"])
)
def test_any_bytes_are_heard_without_an_error(noise, mime):
    detector = ActivityDetector(SENSE)
    detector.feed(noise, mime)
    detector.feed(noise, PCM)
    assert detector.at_s >= 0
