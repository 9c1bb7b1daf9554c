"""The bytes of the bench: sizes as promised, valid for the parsers of others, different from one another."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from understudy.sse import EventReader
from understudy_bench.payloads import (
    EVENT_BYTES,
    EVENTS,
    MASK,
    UNARY_BYTES,
    VARIANTS,
    chunked,
    client_messages,
    events,
    frame,
    masked,
    server_messages,
    setup_answer,
    setup_message,
    unary_answer,
    unary_request,
    unchunked,
)

SIZES = (200, 4096, 65536)


def test_the_unary_answer_has_exactly_its_size_and_a_usage():
    assert len(unary_answer()) == UNARY_BYTES
    assert json.loads(unary_answer())["usageMetadata"]["totalTokenCount"] == 28


def test_the_unary_request_is_about_a_kilobyte_of_json():
    assert 800 < len(unary_request()) < 1100
    assert json.loads(unary_request())["contents"][0]["role"] == "user"


def test_every_event_but_the_last_has_its_size_and_the_last_has_the_usage():
    assert [len(event) for event in events()[:-1]] == [EVENT_BYTES] * (EVENTS - 1)
    assert all(event.startswith(b"data: {") and event.endswith(b"}\r\n\r\n") for event in events())
    assert b"usageMetadata" in events()[-1]


def test_the_stream_is_read_as_so_many_events_of_json():
    read = EventReader().feed(b"".join(events()))
    assert len(read) == EVENTS
    assert all("candidates" in json.loads(event.data) for event in read)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("messages", [client_messages, server_messages])
def test_live_messages_are_json_of_their_size_and_all_different(messages, size):
    made = messages(size)
    assert {len(message) for message in made} == {size}
    assert len(set(made)) == VARIANTS
    assert all(isinstance(json.loads(message), dict) for message in made)


@pytest.mark.parametrize("size", SIZES)
def test_only_the_last_server_message_carries_the_usage(size):
    assert [b"usageMetadata" in message for message in server_messages(size)] == [False] * (VARIANTS - 1) + [True]


def test_a_long_message_does_not_repeat_itself():
    message = client_messages(65536)[0]
    assert len(gzip.compress(message)) > 0.7 * len(message)


def test_the_answer_to_the_setup_is_json_as_long_as_the_setup():
    assert len(setup_answer()) == len(setup_message())
    assert "setupComplete" in json.loads(setup_answer())


@given(st.binary(max_size=300) | st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65535, b"x" * 65536]))
def test_another_implementation_reads_our_frames(payload):
    for mask, side in ((MASK, Side.SERVER), (b"", Side.CLIENT)):
        reader = Protocol(side, max_size=None)
        reader.receive_data(frame(payload, mask))
        (read,) = reader.events_received()
        assert isinstance(read, Frame)
        assert (read.opcode, bytes(read.data), read.fin) == (Opcode.TEXT, payload, True)


@given(st.binary(max_size=50), st.binary(min_size=4, max_size=4))
def test_masking_twice_gives_the_payload_again(payload, mask):
    assert masked(masked(payload, mask), mask) == payload


@given(st.lists(st.binary(min_size=1, max_size=40)))
def test_a_chunked_body_unchunks_to_what_was_chunked(pieces):
    assert unchunked(b"".join(chunked(tuple(pieces)))) == b"".join(pieces)


@pytest.mark.parametrize("body", [b"", b"3\r\nabcX\r\n0\r\n\r\n", b"z\r\n"])
def test_what_is_not_chunked_is_refused(body):
    with pytest.raises(ValueError):
        unchunked(body)
