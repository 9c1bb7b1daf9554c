"""Google's layouts, byte for byte (wire-http 2, 4.6, 4.7, 5.1)."""

import json

from hypothesis import given
from hypothesis import strategies as st

from understudy.rpc_status import rpc_status
from understudy.scenario.layout import json_text
from understudy_simulator.encoding import (
    ArrayFraming,
    NoFraming,
    SseFraming,
    array_element,
    error_array,
    one_line_json,
    pretty_json,
    relaid_array_element,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_an_empty_message_is_three_bytes():
    assert pretty_json({}) == b"{}\n"


def test_unary_layout_is_two_spaces_and_a_newline():
    assert pretty_json({"a": [1, {"b": "ä<'=>"}]}) == (
        '{\n  "a": [\n    1,\n    {\n      "b": "ä\\u003c\'=\\u003e"\n    }\n  ]\n}\n'.encode()
    )


def test_event_layout_has_a_space_after_colons_and_none_after_commas():
    assert one_line_json({"a": 1, "b": [1, 2]}) == b'{"a": 1,"b": [1,2]}'


def test_an_event_ends_with_two_crlf():
    assert SseFraming().element(b'{"a": 1}') == b'data: {"a": 1}\r\n\r\n'
    assert SseFraming().end() == b""


def test_line_breaks_inside_an_event_become_data_lines():
    assert SseFraming().element(b"{\n1}") == b"data: {\r\ndata: 1}\r\n\r\n"


def test_an_array_is_cut_as_google_cuts_it_and_ends_at_its_bracket():
    array = ArrayFraming()
    assert [array.element(b"{}"), array.element(b"{}"), array.end()] == [b"[{}", b"\n,\r\n{}", b"\n]"]
    assert ArrayFraming().end() == b"[]"


def test_no_framing_changes_nothing():
    assert NoFraming().element(b"x\n") + NoFraming().end() == b"x\n"


def test_an_error_on_a_plain_stream_is_wrapped():
    wrapped = error_array(rpc_status(429, "m"))
    assert wrapped.startswith(b'[{\n  "error": {')
    assert wrapped.endswith(b"}\n]")


def test_what_is_no_json_is_not_laid_out_anew():
    assert relaid_array_element(b"{nonsense") == b"{nonsense"
    assert relaid_array_element(b"[" * 100_000) == b"[" * 100_000
    assert relaid_array_element(b'{"a":[1]}') == b'{\n  "a": [\n    1\n  ]\n}'


@given(JSON)
def test_every_layout_says_the_same_value(value):
    expected = json.loads(json.dumps(value))
    for layout in (pretty_json, one_line_json, array_element):
        data = layout(value)
        assert json.loads(data) == expected
        assert b"<" not in data and b">" not in data


@given(st.lists(JSON))
def test_a_framed_array_is_one_json_array(values):
    array = ArrayFraming()
    whole = b"".join(array.element(array_element(value)) for value in values) + array.end()
    assert json.loads(whole) == json.loads(json.dumps(values))
    assert whole.endswith(b"]")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_the_fast_encoder_lays_out_as_the_plain_one(value):
    assert pretty_json(value) == json_text(value, "google").encode("utf-8", "replace")
