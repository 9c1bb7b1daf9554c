"""An event stream read in any split gives the same events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import splits
from understudy.sse import Event, EventReader

STREAM = b'data: {"a": 1}\r\n\r\ndata:x\ndata: y\n\n: comment\n\nevent: e\ndata: \xff\n\n'


def read(pieces, reader=None):
    reader = reader or EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


def test_events_of_both_line_endings():
    assert read([STREAM]) == [Event(b'{"a": 1}'), Event(b"x\ny"), Event(b"\xff")]


@given(splits(STREAM))
def test_any_split_gives_the_same_events(pieces):
    assert read(pieces) == read([STREAM])


@given(st.binary(max_size=200).flatmap(lambda data: st.tuples(st.just(data), splits(data))))
def test_garbage_is_read_alike_at_any_split(case):
    data, pieces = case
    assert read(pieces) == read([data])


def test_a_raw_error_after_the_last_event_is_given_back():
    [first, tail] = read([b'data: {}\r\n\r\n{\n  "error": {}\n}\n'])
    assert first == Event(b"{}")
    assert tail == Event(b'{\n  "error": {}\n}', is_raw=True)


def test_an_event_without_its_blank_line_comes_at_the_end():
    assert read([b"data: last"]) == [Event(b"last")]


@pytest.mark.parametrize("line", [b"data: " + b"x" * 200, b"data: x\n" * 40])
def test_an_endless_event_is_dropped_at_the_limit(line):
    reader = EventReader(limit=100)
    assert reader.feed(line) == []
    assert reader.overflowed
