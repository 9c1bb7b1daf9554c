"""Values of the wire: lookup by name, raw targets, scopes."""

from understudy.messages import (
    BINARY,
    Exchange,
    Frame,
    Origin,
    Request,
    Session,
    Transcript,
    header_value,
    header_values,
)

HEADERS = ((b"Vary", b"Origin"), (b"X-Key", b"1"), (b"vary", b"Referer"))


def test_header_lookup_ignores_case_and_keeps_order():
    assert header_values(HEADERS, b"VARY") == (b"Origin", b"Referer")
    assert header_value(HEADERS, b"x-key") == b"1"
    assert header_value(HEADERS, b"absent") is None


def test_a_target_is_cut_at_the_first_question_mark():
    request = Request("GET", "/a%3Fb?x=1?y", HEADERS)
    assert (request.path, request.query) == ("/a%3Fb", "x=1?y")


def test_the_head_holds_every_byte_of_line_and_fields():
    head = Request("POST", "/p?key=sk-mine", ((b"Authorization", b"Bearer \xff"),)).head
    assert head == b"POST /p?key=sk-mine HTTP/1.1\r\nAuthorization: Bearer \xff\r\n\r\n"


def test_of_scope_keeps_only_that_scope():
    request = Request("GET", "/", ())
    mine, other = Origin(scope="a"), Origin(scope="b")
    exchanges = (Exchange(1, request, None, 0, 1, None, mine), Exchange(2, request, None, 0, 1, None, other))
    frame = Frame("client", BINARY, b"x", 0.5)
    sessions = (Session(1, request, 101, (frame,), None, 0, 1, other),)
    kept = Transcript(exchanges, sessions, 3).of_scope("a")
    assert kept == Transcript(exchanges[:1], (), 3)


def test_sent_by_gives_one_sides_frames_in_order():
    frames = (Frame("client", BINARY, b"1", 0), Frame("server", BINARY, b"2", 0), Frame("client", BINARY, b"3", 0))
    session = Session(1, Request("GET", "/", ()), 101, frames, None, 0, None)
    assert [f.payload for f in session.sent_by("client")] == [b"1", b"3"]
