"""Heads that never come, come slowly or are too long, and connections that send none. Raw sockets, both loops."""

import asyncio
import gc
import json
import logging
import socket
import ssl
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
import trustme
import uvloop
from gateway_stand import BOOK, KEY, asked, client, config_of, gateway, request
from test_upstream_transport import WAIT_S, until
from upstream_double import Seen, Talk, double, response

from understudy_gateway.app import Gateway
from understudy_gateway.heads import WatchedConnection
from understudy_gateway.listeners import Listen
from understudy_gateway.upstream.wire import Wire

pytestmark = pytest.mark.usefixtures("each_loop")

PARTS = {
    "nothing": b"",
    "half a line": b"GET /gemini/v1",
    "half a head": b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nA: ",
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
async def test_a_head_that_is_not_there_in_time_is_a_408_and_the_connection_is_closed(part):
    """S-44, S-45, ERR-3. That bytes trickle in gains no time."""
    async with double() as up, gateway(up.url, timeouts={"head_s": 0.3}) as running, client(running) as talk:
        await talk.send(part)
        trickling = asyncio.create_task(_trickle(talk)) if part else None
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        rest = await asyncio.wait_for(_rest(talk), WAIT_S)
        if trickling is not None:
            trickling.cancel()
            await asyncio.gather(trickling, return_exceptions=True)
        assert (reply.status, reply.reason, rest) == (408, "HEAD_TIMEOUT", b"")
        assert reply.value(b"connection") == b"close"
        assert json.loads(reply.body)["error"]["code"] == 408
        assert up.connections == 0
        assert (await asked(running, request())).status == 200


async def _trickle(talk) -> None:
    while True:
        await talk.send(b"a")
        await asyncio.sleep(0.02)


async def _rest(talk) -> bytes:
    try:
        return await talk.reader.read()
    except ConnectionError:
        return b""


async def test_the_time_for_a_head_is_over_behind_a_request_too_but_not_for_an_idle_connection():
    """S-44: each head has its time from its first byte; keepalive_s is for connections without one."""
    async with double() as up, gateway(up.url, timeouts={"head_s": 0.2}) as running, client(running) as talk:
        await talk.send(request())
        assert (await talk.reply()).status == 200
        await asyncio.sleep(0.5)  # idle, and no head has begun
        await talk.send(request())
        assert (await talk.reply()).status == 200
        await talk.send(request()[:40])
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).reason == "HEAD_TIMEOUT"


async def test_a_request_that_takes_long_is_no_head_that_takes_long():
    async def script(talk: Talk, seen: Seen) -> None:
        await asyncio.sleep(0.5)
        await talk.send(response(b"late"))

    async with double(script) as up, gateway(up.url, timeouts={"head_s": 0.1}) as running:
        assert (await asked(running, request())).body == b"late"
        async with client(running) as talk:
            whole = request(body=b"x" * 10)
            await talk.send(whole[:-10])
            for byte in b"x" * 10:
                await asyncio.sleep(0.03)
                await talk.send(bytes([byte]))
            assert (await talk.reply()).body == b"late"


def long_head(size: int) -> bytes:
    """A request whose fields are `size` bytes and more, none of them long."""
    fields = [(f"a{number}", "b" * 1000) for number in range(size // 1010 + 1)]
    return request(headers=fields)


@pytest.mark.parametrize("pause", [0, 0.02], ids=["at once", "in pieces"])
@pytest.mark.parametrize("behind", [False, True], ids=["first", "behind a request"])
async def test_a_head_over_64_kib_is_a_431_however_it_comes(pause, behind):
    """S-44, HDR-14: each field is short, their sum is not."""
    data = long_head(70_000)
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        if behind:
            await talk.send(request())
            assert (await talk.reply()).status == 200
        for at in range(0, len(data), 16_384 if pause else len(data)):
            await talk.send(data[at : at + (16_384 if pause else len(data))])
            await asyncio.sleep(pause)
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        assert (reply.status, reply.reason) == (431, "HEAD_TOO_LARGE")
        assert await asyncio.wait_for(_rest(talk), WAIT_S) == b""
        assert len(up.requests) == behind


async def test_a_head_without_end_is_a_431_before_its_end():
    """S-44: nothing waits for the end of what is too long already."""
    async with double() as up, gateway(up.url, timeouts={"head_s": 60}) as running, client(running) as talk:
        await talk.send(long_head(70_000)[:68_000])
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 431
        assert up.connections == 0


async def test_a_head_just_below_the_limit_passes_and_so_do_long_bodies():
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(long_head(60_000))
        assert (await talk.reply()).status == 200
        await talk.send(request(body=b"x" * 1_000_000))
        assert (await talk.reply()).status == 200
        await talk.send(request(body=b"x" * 100) * 3)
        assert [(await talk.reply()).status for _ in range(3)] == [200, 200, 200]
        assert [len(seen.body) for seen in up.requests] == [2, 1_000_000, 100, 100, 100]


async def test_of_too_many_connections_without_a_head_the_oldest_has_to_go():
    """S-45, SEC-6: who comes with a request is let in all the same."""
    limits = {"waiting_connections": 5}
    async with double() as up, gateway(up.url, limits=limits) as running, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(client(running)) for _ in range(8)]
        for talk in silent:
            await talk.send(b"GET /gemini/v1 HTTP/1.1\r\n")
        for talk in silent[:3]:
            assert await asyncio.wait_for(_rest(talk), WAIT_S) == b""
        assert (await asked(running, request())).status == 200
        assert len(running._listeners._heads) <= 5
        for talk in silent[-4:]:  # they may still end their heads
            await talk.send(b"Host: x\r\nx-goog-api-key: " + KEY.encode() + b"\r\n\r\n")
            assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 200
        assert len(running._listeners._heads) == 0


async def test_a_connection_that_was_refused_for_its_head_leaves_one_line(caplog):
    """S-55."""
    caplog.set_level(logging.INFO)
    async with double() as up, gateway(up.url, timeouts={"head_s": 0.05}) as running, client(running) as talk:
        await talk.send(b"GET / HT")
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 408
        await talk.send(b"TP/1.1\r\n" * 10)
        await asyncio.wait_for(_rest(talk), WAIT_S)
    assert sum("HEAD_TIMEOUT" in record.getMessage() for record in caplog.records) == 1


async def test_clients_are_kept_an_eye_on_by_tcp_keep_alive():
    """R-21: set where the gateway listens, inherited by what it accepts."""
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(headers={"connection": "keep-alive"}))
        await talk.reply()
        server = running._listeners._runners[0].server
        assert server is not None
        (served,) = server.connections
        assert served.transport is not None
        connection = served.transport.get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, every, count = (
            connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{what}"))
            for what in ("IDLE", "INTVL", "CNT")
        )
        assert idle + every * count <= 60


async def test_a_tls_handshake_that_never_comes_is_given_up():
    """S-45: a handshake has as long as a head."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    config = config_of("http://127.0.0.1:9", timeouts={"head_s": 0.2})
    async with Gateway(config, Listen(tls_port=0), book=BOOK, tls=context) as running:
        assert running.https_url is not None
        port = int(running.https_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        writer.close()


# --- what kind of HTTP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0", "http/1.1", "HTTP/1.10"])
async def test_another_version_is_refused_and_the_connection_closed(version):
    """S-36: 2.0 on a request line is no HTTP/2."""
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request().replace(b"HTTP/1.1", version.encode()) + request())
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        assert (reply.status, reply.value(b"connection")) == (400, b"close")
        assert await asyncio.wait_for(_rest(talk), WAIT_S) == b""
        assert up.connections == 0


@pytest.mark.parametrize("key", [KEY, None, "sk-some-other-key-000"])
@pytest.mark.parametrize("target", ["/gemini/v1beta/models/m:countTokens", "/health/liveliness", "/nowhere"])
async def test_chunks_in_http_1_0_are_refused_and_the_connection_closed(key, target):
    """S-36: an HTTP/1.0 server before us would not know where the body ends."""
    head = request(target, headers={"transfer-encoding": "chunked", "connection": "keep-alive"}, body=None, key=key)
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n" + request())
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        assert (reply.status, reply.value(b"connection")) == (400, b"close")
        assert await asyncio.wait_for(_rest(talk), WAIT_S) == b""
        assert up.connections == 0


async def test_many_requests_in_one_read_are_not_answered_in_one_turn_of_the_loop():
    """R-36: what is answered without a wait holds up nobody else."""
    count, answered, is_over = 500, [0], False

    def turn() -> None:
        answered.append(sum(value for *_, value in running._metrics.snapshot()["counters"]["refusals"]))
        if not is_over:
            asyncio.get_running_loop().call_soon(turn)

    async with gateway("http://127.0.0.1:9") as running, client(running) as talk:
        turn()
        await talk.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * count)
        replies = [(await asyncio.wait_for(talk.reply(), 10)).status for _ in range(count)]
        is_over = True
    assert replies == [404] * count
    assert max(later - before for before, later in pairwise(answered)) <= 2


async def test_a_connection_that_is_over_leaves_nothing_to_the_collector():  # PERF-4
    def ours() -> list[object]:
        return [one for one in gc.get_objects() if type(one) in (WatchedConnection, Wire)]

    def left() -> list[object]:
        return [one for one in ours() if all(one is not other for other in before)]

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")
        await talk.left()

    if not isinstance(asyncio.get_running_loop(), uvloop.Loop):
        pytest.skip("asyncio's own transports may need the collector; the gateway runs on uvloop")
    async with double(script) as up, gateway(up.url) as running:
        gc.collect()
        before = ours()  # of other tests
        gc.disable()
        try:
            async with client(running) as talk:
                await talk.send(request())
                await until(lambda: up.requests)
                assert left()
            async with asyncio.timeout(WAIT_S):
                while left():  # noqa: ASYNC110 - its end is nobody's event
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()
