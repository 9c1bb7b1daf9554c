"""Nothing secret and no body leaves by the redacted form or the archive."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from strategies import transcripts
from understudy.har import har_of
from understudy.messages import (
    BINARY,
    Chunk,
    Close,
    Exchange,
    Frame,
    Origin,
    Request,
    Response,
    Session,
    Transcript,
)
from understudy.redaction import Placeholders, digest_of, redacted, redacted_reason, redacted_target

CANARY = "canary-51d0"
REQUEST = Request(
    "POST",
    f"/v1beta/models/m:generateContent?alt=sse&k%65y={CANARY}-query",
    (
        (b"Authorization", f"Bearer {CANARY}-bearer".encode()),
        (b"X-Goog-Api-Key", f"{CANARY}-bearer".encode()),
        (b"x-unlisted", f"{CANARY}-header".encode()),
        (b"content-type", b"application/json"),
    ),
    f"{CANARY}-body".encode(),
)
RESPONSE = Response(200, ((b"Set-Cookie", CANARY.encode()),), (Chunk(f"{CANARY}-answer".encode(), 1.0),))
TRANSCRIPT = Transcript(
    (Exchange(1, REQUEST, RESPONSE, 0.5, 2.0, None, Origin(scope="s", scenario="gemini/generate")),),
    (Session(2, REQUEST, 101, (Frame("client", BINARY, f"{CANARY}-frame".encode(), 1.0),), None, 0.0, 3.0),),
)


def test_no_secret_and_no_body_is_in_either_form():
    assert CANARY not in json.dumps(redacted(TRANSCRIPT))
    assert CANARY not in json.dumps(har_of(TRANSCRIPT, version="1"))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("a: last_text: wanted '*x*', found \"my own words\"", "a: last_text: wanted '*x*', found another text"),
        ('a: json: wanted "x", found "with \\" a quote" (more)', 'a: json: wanted "x", found another text (more)'),
        ('a: json: wanted "x", found "cut off...', 'a: json: wanted "x", found another text'),
        ("a: model: wanted 'm', found 'n'", "a: model: wanted 'm', found 'n'"),
        ("a: json: contents: wanted 1, found an object", "a: json: contents: wanted 1, found an object"),
    ],
)
def test_a_reason_is_told_without_the_text_that_was_found(reason: str, told: str):
    assert redacted_reason(reason) == told


def test_reasons_in_a_transcript_are_told_without_what_was_found():
    origin = Origin(misses=(f'a: last_text: wanted "x", found "{CANARY}"',))
    exchange = replace(TRANSCRIPT.exchanges[0], origin=origin)
    close = Close("server", 1008, f'server[1]: wanted "x", found "{CANARY}"', 1.0)
    session = replace(TRANSCRIPT.sessions[0], origin=origin, close=close)
    assert CANARY not in json.dumps(redacted(Transcript((exchange,), (session,))))


def test_equal_credentials_have_equal_numbers_whatever_carries_them():
    [exchange] = redacted(TRANSCRIPT)["exchanges"]
    headers = dict(exchange["request"]["headers"])
    assert headers["Authorization"] == headers["X-Goog-Api-Key"] == "<credential 2>"
    assert "k%65y=<credential 1>" in exchange["request"]["target"]
    assert headers["content-type"] == "application/json"


def test_bodies_are_length_and_digest():
    [exchange] = redacted(TRANSCRIPT)["exchanges"]
    assert exchange["request"]["body"] == digest_of(REQUEST.body)
    assert exchange["response"]["body"] == digest_of(RESPONSE.body)


def test_a_target_cannot_forge_a_log_line():
    assert redacted_target("/a\nINFO b\x1b[31m?x=1") == "/a?INFO b?[31m?x=1"
    assert redacted_target("/a?key=s&b=2&access_token=t") == "/a?key=***&b=2&access_token=***"


def test_placeholders_number_in_order_of_meeting():
    numbers = Placeholders()
    assert [numbers.of(s) for s in (b"a", b"b", b"a")] == ["<credential 1>", "<credential 2>", "<credential 1>"]


@given(transcripts)
def test_every_transcript_can_be_redacted_and_archived(transcript):
    entries = har_of(transcript, version="1")["log"]["entries"]
    assert len(entries) == len(transcript.exchanges) + len(transcript.sessions)
    assert json.dumps(entries)
    assert json.dumps(redacted(transcript))


def test_an_archive_entry_tells_wait_from_receive():
    first, second = har_of(TRANSCRIPT, version="1")["log"]["entries"]
    assert [m["type"] for m in first["_webSocketMessages"]] == ["send"]
    assert (second["timings"]["wait"], second["timings"]["receive"]) == (500.0, 1000.0)
