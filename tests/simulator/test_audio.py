"""The simulator's voice: exact byte counts, chunk sizes, tokens."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.audio import chunks_of, piece_pcm, rate_of, seconds_of, speech, speech_pieces, tokens_of_audio
from understudy_simulator.live.messages import model_audio, model_speech


@given(st.text(max_size=40))
def test_every_character_takes_a_fifteenth_of_a_second(text):
    assert len(speech(text)) == len(text) * 3200
    assert speech(text) == speech(text)


@given(st.text(max_size=40), st.booleans())
def test_chunks_are_whole_samples_and_join_to_the_speech(text, is_vertex):
    chunks = list(chunks_of(speech(text), is_vertex))
    size = 12_000 if is_vertex else 1920
    assert b"".join(chunks) == speech(text)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= size and len(chunk) % 2 == 0 for chunk in chunks)


def test_the_voice_is_heard_never_clipped_and_silent_at_spaces():
    samples = struct.unpack("<3200h", speech("a "))
    assert max(samples[:1600]) == 8192
    assert min(samples[:1600]) == -8192
    assert set(samples[1600:]) == {0}
    assert speech("a") != speech("b")


@pytest.mark.parametrize(
    ("seconds", "tokens"), [(0, 0), (1.0, 25), (0.04, 1), (0.05, 2), (1 / 15 * 3, 5), (84 / 25, 84)]
)
def test_a_second_of_audio_is_25_tokens(seconds, tokens):
    assert tokens_of_audio(seconds) == tokens


@given(st.integers(0, 10_000))
def test_whole_tokens_do_not_round_up(tokens):
    assert tokens_of_audio(seconds_of(tokens * 1920, 24_000)) == tokens


@pytest.mark.parametrize(
    ("mime_type", "sender", "rate"),
    [
        ("audio/pcm;rate=16000", "client", 16_000),
        ("audio/pcm; rate = 24000", "client", 24_000),
        ("audio/pcm", "client", 16_000),
        ("audio/pcm", "server", 24_000),
        ("audio/pcm;rate=0000", "client", 16_000),
        ("audio/pcm;rate=x", "client", 16_000),
    ],
)
def test_the_rate_stands_in_the_type(mime_type, sender, rate):
    assert rate_of(mime_type, sender) == rate


@given(st.text(max_size=12), st.integers(0, 30), st.integers(100, 9000))
def test_the_voice_in_pieces_is_the_voice(text: str, voice: int, size: int):
    pieces = list(speech_pieces(text, voice, size))
    assert b"".join(map(piece_pcm, pieces)) == speech(text, voice)
    assert all(end - begin == size for _, begin, end in pieces[:-1])
    assert all(0 < end - begin <= size for _, begin, end in pieces)


def test_messages_of_short_pieces_that_are_alike_are_one_object():
    one, other = (list(map(model_speech, speech_pieces("aaaa", 0, 960))) for _ in range(2))
    assert all(message is again for message, again in zip(one, other, strict=True))
    assert one[0] == model_audio(speech("aaaa")[:960])


def test_messages_of_long_pieces_are_made_anew():
    (piece,) = speech_pieces("a", 0, 4000)
    assert model_speech(piece) == model_audio(speech("a"))
    assert model_speech(piece) is not model_speech(piece)


@pytest.mark.parametrize(("rate", "meant"), [("8000", 8000), ("7999", 16_000), ("0001", 16_000), ("48000", 48_000)])
def test_a_rate_below_telephone_quality_is_none(rate, meant):
    assert rate_of(f"audio/pcm;rate={rate}", "client") == meant
