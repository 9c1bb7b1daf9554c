"""What the simulator does with odd heads, framings and ends, on raw sockets: the suite's probes rely on all of it."""

import asyncio
import json
import socket
import struct
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from simulator_rig import ask, scenario, simulator, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from understudy.messages import BINARY, TEXT, Close, header_values

LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
KEY = (b"x-goog-api-key", b"AIza-a-test-key")
WAIT_S = 20
MANY = 16 * 1024 * 1024


def anywhere(*server, **words):
    return scenario([*server], **({"match": {"path": "*", "model": "*"}} | words))


@asynccontextmanager
async def played(*server, **settings):
    """A simulator in which these steps answer whatever comes."""
    async with simulator(**settings) as running:
        running.stage.arm(anywhere(*server))
        yield running


@asynccontextmanager
async def dialled(running):
    place = urlsplit(running.http_url)
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


def head(method="POST", target="/x", *fields):
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: provider", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def head_of_answer(reader):
    """Status line and fields, as they stand on the wire."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    return lines[0], lines[1:]


async def whole(running, request):
    """All that comes until the server closes; the request should say `Connection: close`."""
    async with dialled(running) as (reader, writer):
        writer.write(request)
        return await reader.read()


async def the_exchange(running):
    """The one exchange, once it has ended."""

    def ended():
        seen = running.stage.recorder.transcript().exchanges
        return seen and seen[0].failure != "not ended yet" and seen[0]

    return await until(ended)


# ---- answers


async def test_header_fields_of_a_scenario_replace_the_usual_ones_and_keep_order_case_and_repeats():
    fields = {
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "Date": "Mon, 01 Jan 1990 00:00:00 GMT",
        "Server": "another",
        "Set-Cookie": ["a=1; Path=/", "b=2"],
        "x-lower": ["", "2", "1"],
    }
    async with played({"reply": {"text": "hello", "headers": fields}}) as running:
        answer = await ask(running.http_url, "GET", "/x")
    for name, value in fields.items():
        assert answer.values(name) == (value if isinstance(value, list) else [value])
    names = [name for name, _ in answer.headers if name in fields]
    assert names == ["Connection", "X-Hop", "Date", "Server", "Set-Cookie", "Set-Cookie", *["x-lower"] * 3]


@pytest.mark.parametrize("fields", [{}, {"Content-Length": "5"}])
async def test_head_is_answered_by_a_head_alone(fields):
    async with played({"reply": {"text": "hello", "headers": fields}, "times": 2}) as running:
        data = await whole(running, head("HEAD", "/x", b"Connection: close"))
        exchange = await the_exchange(running)
    assert data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1
    assert (b"Content-Length: 5\r\n" in data) == bool(fields)
    assert exchange.response is not None
    assert (exchange.response.body, exchange.response.complete, exchange.failure) == (b"", True, None)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body_end_with_their_head(status):
    reply = {"reply": {"status": status, "text": "not to be sent", "headers": {"ETag": '"e"'}}}
    async with played(reply) as running:
        data = await whole(running, head("GET", "/x", b"Connection: close"))
        exchange = await the_exchange(running)
    assert data.startswith(f"HTTP/1.1 {status} ".encode()) and data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1 and b'ETag: "e"\r\n' in data
    assert b"transfer-encoding" not in data.lower()
    assert exchange.response is not None and exchange.response.body == b""


async def test_a_part_of_a_file_with_its_length():
    fields = {"Content-Range": "bytes 1-3/5", "Content-Length": "3", "Content-Type": "video/mp4"}
    async with played({"reply": {"status": 206, "text": "ell", "headers": fields}}) as running:
        answer = await ask(running.http_url, "GET", "/x")
    assert (answer.status, answer.body, answer.complete) == (206, b"ell", True)
    assert answer.values("content-length") == ["3"] and not answer.values("transfer-encoding")


async def test_a_body_cut_short_of_its_length_ends_with_the_connection():
    step = {"reply": {"text": "0123456789", "headers": {"Content-Length": "10"}}, "fault": {"truncate": 4}}
    async with played(step) as running:
        data = await whole(running, head("GET"))
        exchange = await the_exchange(running)
    assert data.endswith(b"\r\n\r\n0123") and b"Content-Length: 10\r\n" in data
    assert exchange.response is not None and not exchange.response.complete
    assert exchange.failure == "fault injected: truncate"


async def test_a_length_beyond_the_body_ends_with_the_connection_too():
    async with played({"reply": {"text": "0123", "headers": {"Content-Length": "10"}}}) as running:
        data = await whole(running, head("GET"))
        exchange = await the_exchange(running)
    assert data.endswith(b"\r\n\r\n0123")
    assert exchange.origin.faults == ("truncate 4",)


@pytest.mark.parametrize("fault", [{}, {"fault": {"slice": 3}}])
async def test_a_body_beyond_its_length_is_not_taken_for_the_next_answer(fault):
    async with played({"reply": {"text": "0123456789", "headers": {"Content-Length": "4"}}} | fault) as running:
        data = await whole(running, head("GET") + head("GET"))
    assert data.count(b"HTTP/1.1 200") == 1 and data.endswith(b"\r\n\r\n0123456789")


async def test_a_scenario_that_says_close_closes():
    async with played({"reply": {"text": "last", "headers": {"Connection": "X-Hop, Close"}}}) as running:
        data = await whole(running, head("GET"))
    assert b"\r\nConnection: X-Hop, Close\r\n" in data and data.endswith(b"4\r\nlast\r\n0\r\n\r\n")


async def test_a_reset_before_the_head_is_nothing_but_a_reset():
    async with played({"fault": {"reset_peer": True}}) as running, dialled(running) as (reader, writer):
        writer.write(head("GET"))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        exchange = await the_exchange(running)
    assert (exchange.response, exchange.failure) == (None, "fault injected: reset_peer")


async def test_a_stream_that_begins_with_a_pause_sends_its_head_first():
    chunks = [{"pause": "60s"}, {"raw": {"text": "late"}}]
    async with (
        played({"stream": {"framing": "none", "chunks": chunks}}, speed=1.0) as running,
        dialled(running) as (reader, writer),
    ):
        writer.write(head("GET"))
        status, fields = await head_of_answer(reader)
        assert status == b"HTTP/1.1 200 OK" and b"Transfer-Encoding: chunked" in fields
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)


# ---- requests


async def test_heads_are_recorded_as_they_came():
    fields = [b"x-Zeta: 1", b"X-alpha:2", b"X-ZETA: 3", b"Cookie: a=1; b=2", b"X-Empty:", b"x-utf: \xc3\xa9"]
    async with played({"reply": {"text": "x"}}) as running:
        await whole(running, head("GET", "/~some/a//b?%2F=&&b=1&b=", *fields, b"Connection: close"))
        assert not running.stage.recorder.transcript("").exchanges
        [exchange] = running.stage.recorder.transcript("some").exchanges
    assert exchange.request.target == "/a//b?%2F=&&b=1&b="
    assert exchange.request.headers[1:-1] == (
        (b"x-Zeta", b"1"),
        (b"X-alpha", b"2"),
        (b"X-ZETA", b"3"),
        (b"Cookie", b"a=1; b=2"),
        (b"X-Empty", b""),
        (b"x-utf", b"\xc3\xa9"),
    )


@pytest.mark.parametrize(
    ("method", "target"),
    [("OPTIONS", "*"), ("TRACE", "/v1/x"), ("OPTIONS", "/v1/x"), ("DELETE", "http://provider/v1/x?a")],
)
async def test_rare_methods_and_targets_are_recorded(method, target):
    async with played({"reply": {"text": "x"}}) as running:
        await whole(running, head(method, target, b"Connection: close"))
        exchange = await the_exchange(running)
    assert (exchange.request.method, exchange.request.target) == (method, target)


async def test_a_chunked_body_is_recorded_without_its_framing():
    async with played({"reply": {"text": "x"}}) as running:
        chunked = head("PUT", "/x", b"Transfer-Encoding: chunked", b"Connection: close")
        await whole(running, chunked + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: t\r\n\r\n")
        exchange = await the_exchange(running)
    assert (exchange.request.body, exchange.failure) == (b"hello!", None)


BROKEN_BODIES = {
    "chunks": (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n5\r\nhel"),
    "length": (b"Content-Length: 10", b"hello"),
}


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("sort", BROKEN_BODIES)
async def test_a_body_that_breaks_off_is_recorded_as_broken(sort, ending):
    field, part = BROKEN_BODIES[sort]
    async with played({"reply": {"text": "x"}}) as running:
        async with dialled(running) as (_, writer):
            writer.write(head("POST", "/x", field) + part)
            await until(lambda: running.stage.recorder.transcript().exchanges)
            await asyncio.sleep(0.05)
            if ending == "reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
        exchange = await the_exchange(running)
    assert exchange.response is None
    assert exchange.failure in ("client left", "the request broke off")
    assert exchange.request.body.startswith(b"hello")


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("place", ["before the head", "in the body"])
async def test_a_client_that_leaves_while_the_answer_stalls_ends_the_exchange(place, ending):
    if place == "before the head":
        steps = [{"pause": "60s"}, {"reply": {"text": "x"}}]
    else:
        steps = [{"stream": {"framing": "none", "chunks": [{"raw": {"text": "x"}}, {"pause": "60s"}]}}]
    async with played(*steps, speed=1.0) as running, dialled(running) as (reader, writer):
        writer.write(head("GET"))
        if place == "in the body":
            await reader.readuntil(b"1\r\nx\r\n")
        else:
            await until(lambda: running.stage.recorder.transcript().exchanges)
            await asyncio.sleep(0.05)
        if ending == "reset":
            writer.transport.abort()
        else:
            writer.close()
        left = running.stage.clock.monotonic()
        exchange = await the_exchange(running)
    assert exchange.failure == "client left"
    assert exchange.ended - left < WAIT_S / 2


# ---- Live


def live(*server, **words):
    kind = {"surface": "gemini-live", "match": {"model": "*"}, "id": "test/live"}
    return scenario([*server], **(kind | words))


@asynccontextmanager
async def session(running, *fields, **options):
    url = running.http_url.replace("http", "ws", 1) + LIVE
    given: Any = {"compression": None, "proxy": None, "max_size": None} | options
    headers = [("x-goog-api-key", "AIza-a-test-key"), *fields]
    async with asyncio.timeout(WAIT_S), connect(url, additional_headers=headers, **given) as client:
        yield client


async def the_session(running):
    def ended():
        seen = running.stage.recorder.transcript().sessions
        return seen and seen[0].ended is not None and seen[0]

    return await until(ended)


async def end_of(client):
    """Code and reason of the server's close frame; code None: there was no such frame, 1005: it had no code."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await client.recv()
    received = caught.value.rcvd
    return (received.code, received.reason) if received else (None, "")


@pytest.mark.parametrize("code", [1000, 1008, 1011, 1012, 3000, 4999])
async def test_one_message_and_a_close_with_that_code(code):
    async with simulator() as running:
        running.stage.arm(live({"receive": "any"}, {"close": {"code": code, "reason": "for this reason"}}))
        async with session(running) as client:
            await client.send(b"\x00anything")
            assert await end_of(client) == (code, "for this reason")
        found = await the_session(running)
    assert found.close is not None and (found.close.sender, found.close.code) == ("server", code)


async def test_a_close_without_a_code():
    async with simulator() as running:
        running.stage.arm(live({"receive": "any"}, {"close": {"code": None}}))
        async with session(running) as client:
            await client.send("x")
            assert await end_of(client) == (1005, "")


async def test_a_reset_in_the_middle():
    async with simulator() as running:
        running.stage.arm(live({"receive": "any"}, {"send": {"text": "a"}}, {"fault": {"reset_peer": True}}))
        async with session(running) as client:
            await client.send("x")
            assert await end_of(client) == (None, "")
        found = await the_session(running)
    assert found.origin.faults == ("reset_peer",)


@pytest.mark.parametrize("code", [1000, 1001, 3999, None])
async def test_the_client_s_close_is_recorded_and_answered(code):
    async with simulator() as running:
        running.stage.arm(live({"receive": "any"}, {"receive": "close"}))
        async with session(running) as client:
            await client.send("x")
            if code is None:
                client.protocol.send_close()
                client.transport.write(b"".join(client.protocol.data_to_send()))
            else:
                await client.close(code, "bye")
        found = await the_session(running)
    expected = Close("client", code, "" if code is None else "bye", 0.0)
    assert found.close is not None
    assert (found.close.sender, found.close.code, found.close.reason) == ("client", expected.code, expected.reason)


async def test_empty_and_large_messages_of_both_kinds_both_ways():
    sends = [{"text": "", "opcode": "text"}, {"text": "", "opcode": "binary"}, {"text": "é", "opcode": "text"}]
    async with simulator() as running:
        running.stage.arm(live(*[{"receive": "any"}] * 4, *({"send": send} for send in sends), {"receive": "close"}))
        async with session(running) as client:
            for message in ("", b"", "x" * MANY, b"\xff" * MANY):
                await client.send(message)
            assert [await client.recv() for _ in sends] == ["", b"", "é"]
        found = await the_session(running)
    sizes = [(frame.opcode, len(frame.payload)) for frame in found.sent_by("client")]
    assert sizes == [(TEXT, 0), (BINARY, 0), (TEXT, MANY), (BINARY, MANY)]


async def test_a_scenario_sent_to_the_control_api_may_have_a_message_of_megabytes():
    data = bytes(range(256)) * (6 * 4096)
    document = {
        "id": "test/large",
        "title": "Large",
        "surface": "gemini-live",
        "model": "m",
        "match": {"model": "*"},
        "server": [{"receive": "any"}, {"send": {"base64": b64encode(data).decode()}}, {"receive": "close"}],
    }
    async with simulator() as running:
        address = running.admin_url + "/__understudy__/v1/play"
        place = urlsplit(address)
        message = json.dumps({"scenario": document, "scope": ""}).encode()
        answer = await ask(running.admin_url, "POST", place.path, body=message)
        assert answer.status == 200, answer.body
        async with session(running) as client:
            await client.send("x")
            assert await client.recv() == data


async def test_pings_are_answered_while_the_scenario_waits():
    async with simulator(speed=1.0) as running:
        running.stage.arm(live({"receive": "any"}, {"pause": "60s"}, {"receive": "close"}))
        async with session(running) as client:
            await client.send("x")
            await asyncio.wait_for(await client.ping(b"are you there"), WAIT_S)


async def test_offers_of_the_client_are_neither_refused_nor_taken_and_its_head_is_recorded():
    fields = [("X-Goog-User-Project", "p"), ("x-mixed-Case", "1"), ("Cookie", "a=1"), ("Origin", "https://a.example")]
    offered = "openai-insecure-api-key.sk-1"
    async with simulator() as running:
        running.stage.arm(live({"receive": "any"}, {"receive": "close"}))
        async with session(running, *fields, compression="deflate", subprotocols=[offered]) as client:
            assert client.response is not None and client.subprotocol is None
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            await client.send("x")
        found = await the_session(running)
    assert set(fields) <= {(name.decode(), value.decode()) for name, value in found.request.headers}
    assert header_values(found.request.headers, b"sec-websocket-protocol") == (offered.encode(),)
    assert b"permessage-deflate" in header_values(found.request.headers, b"sec-websocket-extensions")[0]
