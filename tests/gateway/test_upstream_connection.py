"""The upstream connection as a machine: dialogues, and properties over any split of what comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from understudy_gateway.refusals import Reason
from understudy_gateway.routes import Upstream
from understudy_gateway.upstream.connection import FIELD_LIMIT, HEAD_LIMIT, Broken, Connection, End
from understudy_gateway.upstream.exchanges import RequestHead, ResponseHead
from understudy_gateway.upstream.framing import chunk

PROVIDER = Upstream("gemini", "https", "provider.example", 443, "")
GET = RequestHead("GET", PROVIDER, b"/v1/models?a=%2F", ())
POST = RequestHead("POST", PROVIDER, b"/v1/x", (), length=4)
CHUNKED = RequestHead("POST", PROVIDER, b"/v1/x", (), is_chunked=True)
MALFORMED, BROKE = Broken(Reason.UPSTREAM_MALFORMED), Broken(Reason.UPSTREAM_BROKE)


def asking(request: RequestHead = GET) -> Connection:
    """A connection on which `request` was sent, with its body if that is of known length."""
    connection = Connection()
    connection.begin(request)
    if request.length:
        connection.body(b"x" * request.length)
    if not request.is_chunked:
        connection.end()
    return connection


def head(status: int = 200, phrase: bytes = b"OK", *fields: tuple[bytes, bytes], length: int | None = None):
    return ResponseHead(status, phrase, fields, length)


def wire(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""]) + body


SIZED = wire(b"Content-Length: 2", body=b"hi")
SIZED_HEAD = head(200, b"OK", (b"Content-Length", b"2"), length=2)
IN_CHUNKS = wire(b"Transfer-Encoding: chunked")
IN_CHUNKS_HEAD = head(200, b"OK", (b"Transfer-Encoding", b"chunked"))

# --- the request -----------------------------------------------------------------------------------------------------


def test_a_head_is_written_as_it_is_given_with_host_first_and_framing_last():
    request = replace(POST, headers=((b"x-B", b" 1"), (b"X-a", b"\xff"), (b"x-B", b"")), length=4)
    assert Connection().begin(request) == (
        b"POST /v1/x HTTP/1.1\r\nHost: provider.example\r\nx-B:  1\r\nX-a: \xff\r\nx-B: \r\nContent-Length: 4\r\n\r\n"
    )


def test_a_request_without_body_gets_no_framing_and_an_empty_one_its_length():
    assert Connection().begin(GET).endswith(b"Host: provider.example\r\n\r\n")
    assert Connection().begin(replace(POST, length=0)).endswith(b"\r\nContent-Length: 0\r\n\r\n")


def test_a_body_of_unknown_length_goes_in_chunks_and_ends_with_the_last_one():
    connection = Connection()
    assert connection.begin(CHUNKED).endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    sent = [connection.body(b"a" * 17), connection.body(b""), connection.body(b"b"), connection.end()]
    assert sent == [b"11\r\n" + b"a" * 17 + b"\r\n", b"", b"1\r\nb\r\n", b"0\r\n\r\n"]


def test_a_body_of_known_length_goes_as_it_is_and_no_further():
    connection = Connection()
    connection.begin(POST)
    assert [connection.body(b"abc"), connection.body(b"d"), connection.end()] == [b"abc", b"d", b""]
    with pytest.raises(ValueError, match="more body"):
        connection.body(b"e")


def test_a_body_that_is_cut_short_cannot_be_ended():
    connection = Connection()
    connection.begin(POST)
    connection.body(b"abc")
    with pytest.raises(ValueError, match="less body"):
        connection.end()


@pytest.mark.parametrize("evil", [b"\r", b"\n", b"\r\n", b"\0"])
@pytest.mark.parametrize("place", ["name", "value", "target"])
def test_no_line_breaks_out_of_its_line(place, evil):
    field = (b"x" + evil, b"1") if place == "name" else (b"x", b"1" + evil + b"Evil: 1")
    request = replace(GET, target=b"/" + evil) if place == "target" else replace(GET, headers=(field,))
    with pytest.raises(ValueError, match="line break"):
        Connection().begin(request)


def test_one_exchange_at_a_time():
    connection = asking()
    with pytest.raises(ValueError, match="in use"):
        connection.begin(GET)


# --- the answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "events"),
    [
        (SIZED, [SIZED_HEAD, b"hi", End()]),
        (wire(b"Content-Length: 0"), [head(200, b"OK", (b"Content-Length", b"0"), length=0), End()]),
        (wire(line=b"HTTP/1.1 204 No Content"), [head(204, b"No Content"), End()]),
        (wire(line=b"HTTP/1.1 304 Not"), [head(304, b"Not"), End()]),
        (
            wire(b"Content-Length: 5", line=b"HTTP/1.1 304 Not"),
            [head(304, b"Not", (b"Content-Length", b"5"), length=5), End()],
        ),
        (IN_CHUNKS + b"1\r\na\r\n2;ext=1\r\nbc\r\n0\r\n\r\n", [IN_CHUNKS_HEAD, b"abc", End()]),
        (IN_CHUNKS + b"1\r\na\r\n0\r\nTrailer: is dropped\r\nEmpty:\r\n\r\n", [IN_CHUNKS_HEAD, b"a", End()]),
        (IN_CHUNKS + b"0\r\n\r\n", [IN_CHUNKS_HEAD, End()]),
        (wire(line=b"HTTP/1.1 100 Continue") + wire(b"Link: x", line=b"HTTP/1.1 103 Early") + SIZED, None),
        (wire(line=b"HTTP/1.1 299") + b"", [head(299, b"")]),
    ],
)
def test_what_comes_is_told_in_order(came, events):
    assert asking().receive(came) == (events if events is not None else [SIZED_HEAD, b"hi", End()])


def test_field_order_repeats_case_and_odd_bytes_stay_and_white_space_around_goes():
    came = wire(b"sEt-Cookie: a=1", b"X:  b \t", b"Set-Cookie:\tb=2", b"X: \xff\xfe", b"Content-Length: 0")
    answer = asking().receive(came)[0]
    assert type(answer) is ResponseHead
    assert answer.headers[:-1] == ((b"sEt-Cookie", b"a=1"), (b"X", b"b"), (b"Set-Cookie", b"b=2"), (b"X", b"\xff\xfe"))


def test_an_answer_to_head_has_no_body_but_its_length():
    connection = asking(replace(GET, method="HEAD"))
    came = wire(b"Content-Length: 1000")
    assert connection.receive(came) == [head(200, b"OK", (b"Content-Length", b"1000"), length=1000), End()]
    assert connection.is_reusable


def test_an_answer_to_head_in_chunks_has_none_either():
    connection = asking(replace(GET, method="HEAD"))
    assert connection.receive(IN_CHUNKS) == [IN_CHUNKS_HEAD, End()]
    assert connection.is_reusable


def test_an_answer_without_framing_ends_with_the_connection_which_is_spent():
    connection = asking()
    assert connection.receive(wire() + b"a") == [head(), b"a"]
    assert connection.receive(b"b") == [b"b"]
    assert connection.receive_end(is_clean=True) == [End()]
    assert not connection.is_reusable


def test_a_reset_is_no_end_of_an_answer_without_framing():  # STR-4
    connection = asking()
    assert connection.receive(wire() + b"a") == [head(), b"a"]
    assert connection.receive_end(is_clean=False) == [BROKE]
    assert connection.receive_end(is_clean=True) == []
    assert not connection.is_reusable


@pytest.mark.parametrize("came", [b"", b"HTTP/1.1 200 OK\r\nA: ", wire(b"Content-Length: 3", body=b"hi"), IN_CHUNKS])
def test_an_end_before_the_answers_end_breaks_it(came):
    connection = asking()
    connection.receive(came)
    assert connection.receive_end(is_clean=True) == [BROKE]
    assert not connection.is_reusable


BAD_HEADS = [
    b"SSH-2.0-x\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nA: b\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/0.9 200 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 1000 OK\r\n\r\n",
    b"HTTP/1.1 2x0 OK\r\n\r\n",
    b"HTTP/1.1 200 O\x01K\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    wire(b"A : b"),
    wire(b"A b: c"),
    wire(b": c"),
    wire(b"A: b", b" folded"),
    wire(b"A: \x01"),
    wire(b"A: \x00"),
    wire(b"A: b\rc"),
    wire(b"Content-Length: 2", b"Content-Length: 2"),
    wire(b"Content-Length: 2", b"Content-Length: 3"),
    wire(b"Content-Length: +2"),
    wire(b"Content-Length: 2, 2"),
    wire(b"Content-Length: 1_0"),
    wire(b"Content-Length: 99999999999999999999"),
    wire(b"Content-Length:"),
    wire(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    wire(b"Transfer-Encoding: chunked", b"Content-Length: 2"),
    wire(b"Transfer-Encoding: gzip, chunked"),
    wire(b"Transfer-Encoding: gzip"),
    wire(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    wire(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK"),
    wire(*(b"a: b" for _ in range(FIELD_LIMIT + 1))),
    wire(b"a: " + b"b" * HEAD_LIMIT),
]


@pytest.mark.parametrize("came", BAD_HEADS, ids=range(len(BAD_HEADS)))
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_head_that_can_be_read_in_two_ways_or_not_at_all_is_refused_at_once(came, is_whole):
    connection = asking()
    pieces = [came] if is_whole else [came[at : at + 7] for at in range(0, len(came), 7)]
    events = [event for piece in pieces for event in connection.receive(piece)]
    assert events == [MALFORMED]
    assert connection.is_spent


def test_a_head_of_a_thousand_fields_passes():
    came = wire(*(b"a: b" for _ in range(FIELD_LIMIT - 1)), b"Content-Length: 0")
    assert asking().receive(came)[1:] == [End()]


def test_a_head_without_end_is_refused_when_it_is_too_long():
    connection = asking()
    assert connection.receive(b"HTTP/1.1 200 OK\r\nA: " + b"x" * (HEAD_LIMIT - 100)) == []
    assert connection.receive(b"x" * 100) == [MALFORMED]


def test_interim_answers_without_end_are_refused():
    connection = asking()
    interim = wire(line=b"HTTP/1.1 102 Processing")
    events = [event for _ in range(HEAD_LIMIT // len(interim) + 1) for event in connection.receive(interim)]
    assert events == [MALFORMED]


@pytest.mark.parametrize(
    "bad", [b"zz\r\n", b"1\r\nab\r\n", b"1\nb\r\n", b"-1\r\n", b"1 \r\na\r\n", b"0\r\nA b: c\r\n\r\n"]
)
def test_a_malformed_chunk_breaks_the_answer_behind_what_was_good(bad):
    connection = asking()
    events = connection.receive(IN_CHUNKS + b"2\r\nok\r\n" + bad)
    assert events[:2] in ([IN_CHUNKS_HEAD, b"ok"], [IN_CHUNKS_HEAD, b"oka"])
    assert events[2:] == [MALFORMED]
    assert not connection.is_reusable


@pytest.mark.parametrize("endless", [b"0\r\n" + b"A: b\r\n" * 10, b"1;" + b"x" * 1000])
def test_trailers_and_extensions_without_end_break_the_answer(endless):
    connection = asking()
    connection.receive(IN_CHUNKS + endless)
    more = endless.removeprefix(b"0\r\n").removeprefix(b"1;")
    events = [event for _ in range(HEAD_LIMIT // len(more) + 1) for event in connection.receive(more)]
    assert events == [MALFORMED]


# --- what may be used again ------------------------------------------------------------------------------------------

REUSABLE = [SIZED, IN_CHUNKS + b"1\r\n\n\r\n0\r\n\r\n", IN_CHUNKS + b"0\r\nA:\r\n\r\n", wire(line=b"HTTP/1.1 204 No")]
SURPLUS = [SIZED, b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"x", b"\0", b"0\r\n\r\n"]


@pytest.mark.parametrize("came", REUSABLE, ids=range(len(REUSABLE)))
def test_a_whole_exchange_leaves_the_connection_for_another(came):
    connection = asking()
    assert connection.receive(came)[-1] == End()
    connection.rest()
    connection.begin(POST)
    connection.body(b"body")
    connection.end()
    assert connection.receive(SIZED) == [SIZED_HEAD, b"hi", End()]
    assert connection.is_reusable


@pytest.mark.parametrize("came", REUSABLE, ids=range(len(REUSABLE)))
@pytest.mark.parametrize("surplus", SURPLUS, ids=range(len(SURPLUS)))
@pytest.mark.parametrize("split", ["with it", "after it", "in bytes"])
def test_bytes_that_nobody_asked_for_spend_the_connection(came, surplus, split):
    connection = asking()
    match split:
        case "with it":
            pieces = [came + surplus]
        case "after it":
            pieces = [came, surplus]
        case _:
            pieces = [bytes([byte]) for byte in came + surplus]
    events = [event for piece in pieces for event in connection.receive(piece)]
    assert events[-1] == End()
    assert events.count(End()) == 1
    assert connection.is_spent
    assert not connection.is_reusable


@pytest.mark.parametrize("came", [b"x", SIZED, b"\r\n"])
def test_bytes_on_an_idle_connection_spend_it(came):
    connection = asking()
    connection.receive(SIZED)
    connection.rest()
    assert connection.receive(came) == []
    assert connection.is_spent
    with pytest.raises(ValueError, match="in use"):
        connection.begin(GET)


@pytest.mark.parametrize(
    "came",
    [
        wire(b"Connection: close", b"Content-Length: 0"),
        wire(b"connection: x, CLOSE", b"Content-Length: 0"),
        wire(b"Content-Length: 0", line=b"HTTP/1.0 200 OK"),
        wire(b"Content-Length: 0", b"Connection: keep-alive", line=b"HTTP/1.0 200 OK"),
    ],
)
def test_a_provider_that_will_close_is_not_asked_again(came):
    connection = asking()
    assert connection.receive(came)[-1] == End()
    assert not connection.is_reusable
    with pytest.raises(ValueError, match="no further"):
        connection.rest()


@pytest.mark.parametrize("request_head", [POST, CHUNKED])
def test_an_answer_before_the_request_was_whole_is_given_and_spends_the_connection(request_head):
    connection = Connection()
    connection.begin(request_head)
    connection.body(b"a")
    assert connection.receive(SIZED) == [SIZED_HEAD, b"hi", End()]
    if request_head is POST:
        connection.body(b"bcd")
    connection.end()
    assert not connection.is_reusable


def test_an_interim_answer_before_the_request_was_whole_does_no_harm():
    connection = Connection()
    connection.begin(POST)
    assert connection.receive(wire(line=b"HTTP/1.1 100 Continue")) == []
    connection.body(b"body")
    connection.end()
    assert connection.receive(SIZED)[-1] == End()
    assert connection.is_reusable


def test_whether_any_byte_came_is_told_for_each_exchange():
    connection = asking()
    assert not connection.has_answered
    connection.receive(b"H")
    assert connection.has_answered
    connection.receive(SIZED[1:])
    connection.rest()
    connection.begin(GET)
    assert not connection.has_answered


# --- properties ------------------------------------------------------------------------------------------------------

BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def joined(events: list) -> list:
    """The events with neighbouring bytes put together: their edges mean nothing."""
    found: list = []
    for event in events:
        if found and type(event) is bytes and type(found[-1]) is bytes:
            found[-1] += event
        else:
            found.append(event)
    return found


@given(pieces=BODIES, framing=st.sampled_from(["length", "chunked", "close"]), places=st.lists(st.integers(0, 10**6)))
def test_any_split_gives_the_same_answer(pieces, framing, places):
    body = b"".join(pieces)
    match framing:
        case "length":
            came = wire(b"Content-Length: %d" % len(body), body=body)
        case "chunked":
            came = IN_CHUNKS + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
        case _:
            came = wire(body=body)
    connection = asking()
    events = [event for piece in cut(came, places) for event in connection.receive(piece)]
    events += connection.receive_end(is_clean=True) if framing == "close" else []
    given_head, *rest = joined(events)
    assert type(given_head) is ResponseHead
    assert rest == ([body] if body else []) + [End()]
    assert connection.is_reusable == (framing != "close")


@given(pieces=BODIES, is_chunked=st.booleans(), end=st.integers(0, 10**6), places=st.lists(st.integers(0, 10**6)))
def test_an_answer_that_is_cut_anywhere_never_ends_well(pieces, is_chunked, end, places):
    body = b"".join(pieces) or b"x"
    framed = IN_CHUNKS + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
    came = framed if is_chunked else wire(b"Content-Length: %d" % len(body), body=body)
    connection = asking()
    events = [event for piece in cut(came[: end % len(came)], places) for event in connection.receive(piece)]
    assert End() not in events
    assert connection.receive_end(is_clean=True) == [BROKE]
    assert body.startswith(b"".join(event for event in events if type(event) is bytes)) or not pieces


@given(came=st.lists(st.binary(max_size=60) | st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"\r\n", IN_CHUNKS, SIZED])))
def test_garbage_gives_events_and_never_an_exception(came):
    connection = asking()
    events = [event for piece in came for event in connection.receive(piece)] + connection.receive_end(is_clean=True)
    ends = [event for event in events if type(event) in (End, Broken)]
    assert len(ends) == 1
    assert events[-1] in (*ends,)
    assert connection.is_spent


@given(pieces=BODIES, answers=st.lists(st.sampled_from(REUSABLE), min_size=1, max_size=4))
def test_what_one_machine_sends_a_strict_reader_takes_apart_again(pieces, answers):
    connection = Connection()
    for answer in answers:
        sent = connection.begin(CHUNKED) + b"".join(map(connection.body, pieces)) + connection.end()
        _, _, body = sent.partition(b"\r\n\r\n")
        found = b""
        while size := int((line := body.partition(b"\r\n"))[0], 16):
            found, body = found + line[2][:size], line[2][size + 2 :]
        assert (found, body) == (b"".join(pieces), b"0\r\n\r\n")
        assert connection.receive(answer)[-1] == End()
        connection.rest()
