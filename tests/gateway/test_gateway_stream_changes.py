"""Costs, pings and a last event in streams, each behind its switch (STR-1, STR-9, ERR-7, STR-4)."""

import asyncio
import gzip
import json
from decimal import Decimal

import pytest
from features_stand import featured, words
from gateway_stand import asked, client, cost, gateway, recorded, request, usage
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import Seen, Talk, answering, double

from strategies import splits
from understudy.pricing.cost import plain
from understudy_gateway.refusals import Reason
from understudy_gateway.streams import LARGEST_EVENT, Boundaries, CostInjection, error_event

STREAM = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def injected(*pieces: bytes, price: str | None = "0.5") -> tuple[bytes, list[bytes]]:
    read: list[bytes] = []
    injection = CostInjection(read.append, lambda: None if price is None else Decimal(price))
    return b"".join([*(injection.feed(piece) for piece in pieces), injection.finish()]), read


WITH: list[tuple[bytes, bytes]] = [
    (b'data: {"usageMetadata": {"a": 1}}\n\n', b'data: {"usageMetadata": {"a": 1,"cost":0.5}}\n\n'),
    (b'data: {"usageMetadata":{}}\r\n\r\n', b'data: {"usageMetadata":{"cost":0.5}}\r\n\r\n'),
    (
        b'id: 1\ndata:{"x":[{"usageMetadata":{}}], "usageMetadata" : { "d": [{"t": 1}], "s": "}\\"{" } , "z": 1}\n\n',
        b'id: 1\ndata:{"x":[{"usageMetadata":{}}], "usageMetadata" : { "d": [{"t": 1}], "s": "}\\"{" '
        b',"cost":0.5} , "z": 1}\n\n',
    ),
    (b'data: {"usage_metadata": {"a": 1}}\n\n', b'data: {"usage_metadata": {"a": 1,"cost":0.5}}\n\n'),
    (b'data: {"usageMetadata": {"a": 1}}', b'data: {"usageMetadata": {"a": 1,"cost":0.5}}'),
]
WITHOUT: list[bytes] = [
    b": usageMetadata\n\n",
    b'data: {"text": "\\"usageMetadata\\": {"}\n\n',
    b'data: {"a": "usageMetadata", "b": {}}\n\n',
    b'data: {"candidates": [{"args": {"usageMetadata": {"a": 1}}}]}\n\n',
    b'data: {"usageMetadata": null}\n\n',
    b'data: {"usageMetadata": [{"a": 1}]}\n\n',
    b'data: {"usageMetadata":\ndata: {"a": 1}}\n\n',
    b'data: {"usageMetadata": {"a": 1\n\n',
    b'data: {}\ndata: {"usageMetadata": {"a": 1}}\n\n',
    b"retry: 5\n\n",
    b"\n\n\n",
    b'{"usageMetadata": {"a": 1}}\n\n',
]


@pytest.mark.parametrize(("event", "expected"), WITH)
def test_the_cost_is_spliced_into_the_usage_at_the_top_and_nothing_else_changes(event, expected):
    assert injected(event) == (expected, [event])


@pytest.mark.parametrize("event", WITHOUT)
def test_what_is_no_usage_at_the_top_of_one_line_stays_as_it_is(event):
    assert injected(event)[0] == event


@given(st.lists(st.sampled_from([*WITH[:4], *((event, event) for event in WITHOUT)])), st.data())
def test_a_stream_is_the_same_at_any_split_and_all_of_it_is_read(events, data):
    sent = b"".join(event for event, _ in events)
    out, read = injected(*data.draw(splits(sent)))
    whole = injected(sent)
    assert out == whole[0]
    assert b"".join(read) == sent
    assert injected(sent, price=None)[0] == sent


@given(st.binary(max_size=300).flatmap(splits))
def test_any_bytes_come_out_if_there_is_no_cost(pieces):
    assert injected(*pieces, price=None)[0] == b"".join(pieces)


def test_an_event_that_is_too_long_passes_as_it_came_and_holds_up_nothing():
    # STR-7
    long = b'data: {"usageMetadata": {"a": 1}, "x": "' + b"x" * LARGEST_EVENT
    injection = CostInjection(lambda data: None, lambda: Decimal(1))
    assert len(injection.feed(long)) >= len(long) - 3
    assert injection.feed(b'"}\n\n' + WITH[0][0]).endswith(b'{"a": 1,"cost":1}}\n\n')
    assert len(injection._held) == 0


# --- on the wire -----------------------------------------------------------------------------------------------------

EVENTS = [
    b'data: {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}\r\n\r\n',
    b": a comment\r\n\r\n",
    b"data: " + json.dumps({"candidates": [{}], "usageMetadata": usage(10, 2)}).encode() + b"\r\n\r\n",
    b"data: "
    + json.dumps({"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage(10, 7)}).encode()
    + b"\r\n\r\n",
]


def injecting(url: str, **more: object):
    return featured(url, litellm={"include_cost_in_streaming_usage": True}, **more)  # pyright: ignore


@pytest.mark.parametrize("framing", ["chunked", "sized"])
async def test_frames_with_usage_get_the_cost_so_far_and_others_stay_byte_for_byte(framing):
    body = b"".join(EVENTS)
    sized = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(body)) + body
    answer = sized if framing == "sized" else CHUNKED + b"".join(map(chunk, EVENTS)) + b"0\r\n\r\n"
    async with double(answering(answer)) as up, gateway("", config=injecting(up.url)) as running:
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
    assert reply.is_whole
    found = reply.body.split(b"\r\n\r\n")
    assert [piece + b"\r\n\r\n" for piece in found[:2]] == EVENTS[:2]
    for piece, sent, answered in zip(found[2:4], EVENTS[2:], (2, 7), strict=True):
        told = b',"cost":' + plain(cost(10, answered)).encode()
        assert told in piece
        assert piece.replace(told, b"") + b"\r\n\r\n" == sent
    assert (record.cost, record.outcome) == (cost(10, 7), "ok")
    assert reply.value(b"content-length") is None


@pytest.mark.parametrize(
    ("target", "kind", "coding"),
    [
        (STREAM, b"text/event-stream", b"gzip"),
        (STREAM.partition("?")[0], b"application/json", None),
        (STREAM, b"application/json", None),
    ],
)
async def test_other_streams_are_left_alone(target, kind, coding):
    body = (
        b"".join(EVENTS)
        if kind != b"application/json"
        else b"[" + json.dumps({"usageMetadata": usage(1, 1)}).encode() + b"]"
    )
    body = gzip.compress(body) if coding else body
    fields = b"Content-Encoding: gzip\r\n" if coding else b""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%bTransfer-Encoding: chunked\r\n\r\n" % (kind, fields)
    async with (
        double(answering(head + chunk(body) + b"0\r\n\r\n")) as up,
        gateway("", config=injecting(up.url)) as running,
    ):
        assert (await asked(running, request(target))).body == body


async def test_it_is_off_by_default():
    answer = CHUNKED + b"".join(map(chunk, EVENTS)) + b"0\r\n\r\n"
    async with double(answering(answer)) as up, gateway(up.url) as running:
        assert (await asked(running, request(STREAM))).body == b"".join(EVENTS)


async def test_a_cost_that_is_unknown_is_not_told():
    target = STREAM.replace("gemini-2.5-flash", "gemini-of-tomorrow")
    answer = CHUNKED + b"".join(map(chunk, EVENTS)) + b"0\r\n\r\n"
    async with double(answering(answer)) as up, gateway("", config=injecting(up.url)) as running:
        assert (await asked(running, request(target))).body == b"".join(EVENTS)
        (record,) = await recorded(running)
    assert record.known == "unknown"


async def test_a_guardrail_beside_it_reads_what_came():
    config_of = {"top": {"guardrails": [words("never said", mode="post_call")]}}
    answer = CHUNKED + b"".join(map(chunk, EVENTS)) + b"0\r\n\r\n"
    async with double(answering(answer)) as up, gateway("", config=injecting(up.url, **config_of)) as running:
        reply = await asked(running, request(STREAM))
    assert reply.is_whole
    assert reply.body.count(b'"cost":') == 2


# --- pings -----------------------------------------------------------------------------------------------------------


async def test_pings_come_between_events_while_nothing_else_does_and_only_where_configured():
    pinged = asyncio.Event()
    half = EVENTS[0][:20]

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(EVENTS[0]) + (chunk(half) if b"half" in seen.body else b""))
        await pinged.wait()
        await talk.send(b"0\r\n\r\n")

    async with double(script) as up, gateway("", config=featured(up.url, sse_ping_s=1)) as running:
        async with client(running) as talk, asyncio.timeout(20):
            await talk.send(request(STREAM))
            await talk.head()
            assert [await talk.chunk() for _ in range(3)] == [EVENTS[0], b": ping\n\n", b": ping\n\n"]
            pinged.set()
            while await talk.chunk():
                pass
        pinged.clear()
        async with client(running) as talk:
            await talk.send(request(STREAM, body=b"half"))
            await talk.head()
            got = b""
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    while True:
                        got += await talk.chunk()
            assert got == EVENTS[0] + half  # never in the middle of an event


async def test_other_answers_get_no_pings():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED.replace(b"text/event-stream", b"application/json") + chunk(b"[{},"))
        await asyncio.sleep(1.3)
        await talk.send(chunk(b"{}]") + b"0\r\n\r\n")

    async with double(script) as up, gateway("", config=featured(up.url, sse_ping_s=1)) as running:
        assert (await asked(running, request(STREAM.partition("?")[0]))).body == b"[{},{}]"


# --- the last event --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 20])
async def test_a_stream_that_breaks_off_may_end_with_an_error_event_and_still_shows_its_break(cut):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(EVENTS[0]) + (chunk(EVENTS[2][:cut]) if cut else b""))
        talk.reset()

    for is_on in (True, False):
        async with double(script) as up, gateway("", config=featured(up.url, stream_error_event=is_on)) as running:
            reply = await asked(running, request(STREAM))
            (record,) = await recorded(running)
        assert not reply.is_whole  # STR-4 stands
        assert record.outcome == "upstream_abort"
        sent = EVENTS[0] + EVENTS[2][:cut]
        assert reply.body.startswith(sent)
        added = reply.body.removeprefix(sent)
        if not is_on:
            assert added == b""
            continue
        assert added.startswith(b"\n\nevent: error\ndata: " if cut else b"event: error\ndata: ")
        error = json.loads(added.partition(b"data: ")[2])["error"]
        assert (error["code"], error["details"][0]["reason"]) == (502, "UPSTREAM_BROKE")
        assert b"127.0.0.1" not in added


async def test_an_answer_that_is_no_stream_gets_no_event():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[{}\r\n"
        )
        talk.reset()

    async with double(script) as up, gateway("", config=featured(up.url, stream_error_event=True)) as running:
        reply = await asked(running, request(STREAM))
    assert (reply.body, reply.is_whole) == (b"[{}", False)


def test_the_error_event_ends_what_was_under_way():
    boundaries = Boundaries()
    for data, is_open in ((b"data: a\r\n", True), (b"\r", True), (b"\n", False), (b"x", True), (b"\n\n", False)):
        boundaries.passed(data)
        assert boundaries.is_open is is_open
    assert error_event(boundaries, Reason.UPSTREAM_BROKE).startswith(b"event: error\n")
