"""The skeleton filter: valid JSON stays valid, long strings become their length, at any split."""

import json
import re
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strategies import splits
from understudy.usage.skeleton import (
    LARGEST_SKELETON,
    LONGEST_STRING,
    SMALL_BODY,
    Body,
    Elements,
    EventLines,
    Skeleton,
    is_placeholder,
    media_bytes,
    skeleton_of,
)

texts = st.text(max_size=12) | st.builds(
    lambda c, n: c * n, st.sampled_from(['"', "\\", "é", "a", "\\n="]), st.integers(0, 30)
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def written(value, ascii_only):
    return json.dumps(value, ensure_ascii=ascii_only)


def replaced(value, ascii_only, longest):
    """What the skeleton must say, made from the value and not from the text."""
    match value:
        case str():
            raw = written(value, ascii_only)[1:-1].encode()
            padding = len(raw[-2:]) - len(raw[-2:].rstrip(b"="))
            return f"[{len(raw)} bytes]{'=' * padding}" if len(raw) > longest else value
        case list():
            return [replaced(inner, ascii_only, longest) for inner in value]
        case dict():
            return {replaced(k, ascii_only, longest): replaced(v, ascii_only, longest) for k, v in value.items()}
        case _:
            return value


@given(st.data(), values, st.booleans(), st.integers(5, 20))
def test_the_skeleton_says_the_same_but_for_long_strings_at_any_split(data, value, ascii_only, longest):
    text = written(value, ascii_only).encode()
    skeleton = Skeleton(longest)
    out = b"".join(skeleton.feed(piece) for piece in data.draw(splits(text)))
    assert json.loads(out) == replaced(value, ascii_only, longest)


@given(st.binary(max_size=60).flatmap(lambda data: st.tuples(st.just(data), splits(data))))
@example((b'"\\\\\\" x\\', [b'"\\', b'\\\\" x\\']))
def test_any_bytes_at_any_split_give_the_same_skeleton(case):
    data, pieces = case
    whole, cut = Skeleton(4), Skeleton(4)
    assert whole.feed(data) == b"".join(cut.feed(piece) for piece in pieces)


def test_a_string_of_just_the_limit_is_kept_and_one_byte_more_is_not():
    kept, cut = b'"' + b"x" * LONGEST_STRING + b'"', b'"' + b"x" * (LONGEST_STRING + 1) + b'"'
    assert skeleton_of(kept) == kept
    assert skeleton_of(cut) == b'"[1025 bytes]"'
    assert is_placeholder("[1025 bytes]")
    assert not is_placeholder("[many bytes]")


@pytest.mark.parametrize("size", [3000, 3001, 3002])
def test_the_size_of_media_is_told_by_the_skeleton_as_by_the_string(size):
    import base64

    text = base64.b64encode(bytes(size)).decode()
    assert media_bytes(text) == size
    assert media_bytes(json.loads(skeleton_of(json.dumps(text).encode()))) == size


def test_sixty_megabytes_of_inline_video_take_a_few_kilobytes():
    body = Body()
    piece = b"A" * (256 * 1024)
    tracemalloc.start()
    body.feed(b'{"videos":[{"bytesBase64Encoded":"')
    for _ in range(240):
        body.feed(piece)
    body.feed(b'"}]}')
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert json.loads(body.data) == {"videos": [{"bytesBase64Encoded": f"[{240 * 256 * 1024} bytes]"}]}
    assert peak < 64 * 1024


def test_a_body_with_too_much_beside_long_strings_is_given_up_and_let_go():
    body = Body()
    for _ in range(LARGEST_SKELETON // 8 + SMALL_BODY):
        body.feed(b'"short",')
    assert body.is_too_large
    assert not body.data


elements = st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), max_size=4)


@given(st.data(), elements, st.sampled_from([b",", b",\r\n", b"\n,\r\n"]), st.sampled_from([None, 2]))
def test_the_objects_of_an_array_come_out_one_by_one_at_any_split(data, objects, separator, indent):
    body = b"[" + separator.join(json.dumps(o, indent=indent).encode() for o in objects) + b"\n]"
    reader = Elements()
    found = [element for piece in data.draw(splits(body)) for element in reader.feed(piece)]
    assert [json.loads(element) for element in found] == objects
    assert not reader.is_open


@pytest.mark.parametrize("cut", [b"[", b'[{"a":1}', b'[{"a":1},{"b":', b'{"a":[1'])
def test_an_array_that_stops_early_is_seen_to(cut):
    reader = Elements()
    reader.feed(cut)
    assert reader.is_open


@given(st.data())
def test_event_lines_are_the_stream_itself_while_they_are_short(data):
    stream = data.draw(
        st.lists(st.sampled_from([b"data: {}", b"\r\n", b"\n", b'{"a":', b"x"]), max_size=12).map(b"".join)
    )
    lines = EventLines()
    assert b"".join(lines.feed(piece) for piece in data.draw(splits(stream))) + lines.finish() == stream


def test_a_long_event_line_is_cut_and_its_neighbours_are_not():
    long = b'data: {"data":"' + b"A" * (SMALL_BODY + 1) + b'"}\r\n'
    lines = EventLines()
    out = lines.feed(b'data: {"broken\n\n' + long + b"\r\ndata: 1\n\n") + lines.finish()
    assert re.split(rb"\r?\n", out) == [
        b'data: {"broken',
        b"",
        b'data: {"data":"[65537 bytes]"}',
        b"",
        b"data: 1",
        b"",
        b"",
    ]


def test_an_event_of_endless_lines_is_given_up():
    lines = EventLines()
    for _ in range(LARGEST_SKELETON // 1000 + 2):
        lines.feed(b"data:" + b"x" * 1000 + b"\n")
    assert lines.is_too_large


def test_an_event_that_becomes_too_large_by_its_last_line_is_given_up():
    lines = EventLines()
    line = b"data:" + b"x" * 1000 + b"\n"
    for _ in range(LARGEST_SKELETON // (len(line) - 1)):
        lines.feed(line)
    assert not lines.is_too_large
    assert lines.feed(line + b"\n") == b"\n"
    assert lines.is_too_large


def test_the_rest_of_a_line_that_is_too_large_goes_with_it_and_the_next_event_is_whole():
    lines = EventLines()
    assert lines.feed(b"data:" + b'"short",' * (LARGEST_SKELETON // 8 + SMALL_BODY)) == b""
    assert lines.feed(b'"rest"\n\n') == b"\n"
    assert lines.is_too_large
    assert lines.feed(b"data: 1\n\n") == b"data: 1\n\n"


long_texts = st.lists(st.sampled_from(['"', "\\", "=", "é", "a" * 700, " "]), max_size=8).map("".join)


@given(
    st.dictionaries(st.sampled_from(["a", 'b"', "c" * 1100]), long_texts | st.lists(long_texts, max_size=2), max_size=3)
)
def test_the_quick_way_for_a_whole_text_gives_the_same_skeleton(value):
    data = json.dumps(value).encode()
    assert skeleton_of(data) == Skeleton().feed(data)
    assert skeleton_of(data[:-1]) == Skeleton().feed(data[:-1])
