"""The traffic ports' connections on raw sockets: pipelining, splits, limits, upgrades, bodies in pieces, the end."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_rig import until

from understudy_simulator.server.connection import HEAD_LIMIT
from understudy_simulator.server.framing import LAST_CHUNK, chunk_bytes, framing_of, head_bytes
from understudy_simulator.server.listening import TrafficServer
from understudy_simulator.server.pieces import ClientLeft

pytestmark = pytest.mark.usefixtures("each_loop")

OK = head_bytes(200, ((b"Content-Length", b"2"),))
WAIT_S = 20


class Echo:
    """Answers each request by what it was: method, target and body; `/later` after a turn, `/pieces` piece by piece."""

    def __init__(self, side, connection, request):
        self.side, self.connection, self.request = side, connection, request

    @property
    def wants_pieces(self):
        return self.request.target == "/pieces"

    async def take_pieces(self, body):
        sizes = []
        try:
            async for part in body:
                sizes.append(len(part))
                await asyncio.sleep(0)
        except ClientLeft:
            self.side.log.append(("left", sum(sizes)))
            return
        self._say(str(sum(sizes)).encode())

    def took_whole(self, body):
        if self.request.target == "/later":
            return self._later(body)
        return self._say(body)

    async def _later(self, body):
        try:
            await self.side.gate.wait()
        except asyncio.CancelledError:
            self.side.log.append(("cancelled", self.request.target))
            raise
        self._say(body)

    def _say(self, body):
        body += b"x" * int(self.request.target.partition("/long")[2] or 0)
        text = f"{self.request.method} {self.request.target} ".encode() + body
        connection = self.connection
        framing = framing_of(connection.method, connection.is_http_11, connection.keeps_alive, 200, ())
        if framing.closes or self.request.target == "/last":
            connection.end_after_this()
        connection.write(head_bytes(200, ((b"Content-Length", str(len(text)).encode()),)) + text)

    def broke_off(self, body, why):
        self.side.log.append((why, len(body)))

    def refuse_size(self):
        self.connection.end_after_this()
        self.connection.write(head_bytes(413, ((b"Content-Length", b"0"),)))


class Side:
    body_limit = 1000

    def __init__(self):
        self.log = []
        self.begun = []
        self.traffic: Any = None
        self.gate = asyncio.Event()

    def begin(self, connection, request, scheme):
        self.begun.append(request.target)
        return Echo(self, connection, request)

    def is_live(self, request):
        return request.target == "/live"

    def malformed(self):
        return head_bytes(400, ((b"Content-Length", b"0"),))


class Other(asyncio.Protocol):
    """The protocol that takes over: says what it was given."""

    def connection_made(self, transport):
        self.transport: Any = transport

    def data_received(self, data):
        self.transport.write(b"other:" + data)
        self.transport.close()


@asynccontextmanager
async def server():
    side = Side()
    traffic = TrafficServer(side, Other)
    sock = socket.create_server(("127.0.0.1", 0))
    await traffic.listen(sock, None)
    side.traffic = traffic
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        try:
            yield side, reader, writer
        finally:
            writer.transport.abort()
            await traffic.stop(0.1)


async def bodies(reader, count):
    """The bodies of so many answers, in order."""
    found = []
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append(await reader.readexactly(length))
    return found


def request(target, body=b"", method="POST", *fields):
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: h", *fields]
    if method == "POST":
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def test_pipelined_requests_are_answered_in_order_also_behind_a_slow_one():
    async with server() as (side, reader, writer):
        writer.write(request("/later", b"1") + request("/b", b"2") + request("/c", b"", "GET"))
        await asyncio.sleep(0.05)
        side.gate.set()
        assert await bodies(reader, 3) == [b"POST /later 1", b"POST /b 2", b"GET /c "]


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 30), min_size=1, max_size=12))
def test_requests_cut_anywhere_are_the_same_requests(cuts):
    data = request("/a", b"body") + request("/c", b"", "GET") + request("/pieces", b"12345") + request("/d", b"x")

    async def played():
        async with server() as (_, reader, writer):
            at = 0
            for cut in cuts:
                writer.write(data[at : at + cut])
                await writer.drain()
                await asyncio.sleep(0)
                at += cut
            writer.write(data[at:])
            return await bodies(reader, 4)

    assert asyncio.run(played()) == [b"POST /a body", b"GET /c ", b"POST /pieces 5", b"POST /d x"]


async def test_a_chunked_body_and_its_trailers():
    async with server() as (_, reader, writer):
        head = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + chunk_bytes(b"abc") + chunk_bytes(b"de") + b"0\r\nX-Trailer: 1\r\n\r\n" + request("/b"))
        assert await bodies(reader, 2) == [b"POST /a abcde", b"POST /b "]


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read_and_the_connection_ends():
    async with server() as (_, reader, writer):
        writer.write(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100)
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_body_beyond_the_limit_is_refused():
    async with server() as (_, reader, writer):
        head = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + chunk_bytes(b"x" * 600) * 2)
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")


async def test_who_reads_piece_by_piece_has_no_limit():
    async with server() as (_, reader, writer):
        writer.write(request("/pieces", b"x" * 3_000_000) + request("/b"))
        assert await bodies(reader, 2) == [b"POST /pieces 3000000", b"POST /b "]


async def test_an_upload_that_breaks_off_is_told_to_who_reads():
    async with server() as (side, _, writer):
        writer.write(request("/pieces", b"x" * 3000)[:-1000])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await until(lambda: side.log)
    assert side.log[0][0] == "left" and 0 < side.log[0][1] <= 2000


async def test_a_request_that_breaks_off_is_told_with_what_came():
    async with server() as (side, _, writer):
        writer.write(request("/a", b"x" * 100)[:-40])
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await until(lambda: side.log)
    assert side.log == [("client left", 60)]


async def test_a_client_that_leaves_cancels_its_answer():
    async with server() as (side, _, writer):
        writer.write(request("/later"))
        await asyncio.sleep(0.05)
        writer.close()
        await until(lambda: side.log)
    assert side.log == [("cancelled", "/later")]


async def test_the_client_is_told_to_go_on():
    async with server() as (_, reader, writer):
        writer.write(b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert await bodies(reader, 1) == [b"POST /a ok"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /a HTTP/1.1\r\nHost: h\r\nHost: i\r\nContent-Length: 0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: h\r\nX: " + b"x" * HEAD_LIMIT,
        b"POST /a HTTP/1.1\r\nHost: h\r\nX: " + b"x" * (HEAD_LIMIT + 1),
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_gets_400_and_the_end(sent):
    async with server() as (_, reader, writer):
        writer.write(sent)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("cut", [1, 3, 5, 30, None])
async def test_a_live_handshake_leaves_for_the_other_protocol_with_all_its_bytes(cut):
    head = b"GET /live HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\r\n"
    async with server() as (side, reader, writer):
        if cut is not None:
            writer.write(head[:cut])
            await asyncio.sleep(0.02)
            writer.write(head[cut:])
        else:
            writer.write(head + b"more")
        assert await reader.read() == b"other:" + head + (b"more" if cut is None else b"")
        assert not side.traffic.connections


async def test_an_upgrade_to_anything_else_is_a_plain_request():
    async with server() as (_, reader, writer):
        writer.write(request("/a", b"", "GET", b"Upgrade: h2c", b"Connection: upgrade") + request("/b", b"y"))
        assert await bodies(reader, 2) == [b"GET /a ", b"POST /b y"]


async def test_http_10_ends_with_its_answer():
    async with server() as (_, reader, writer):
        writer.write(b"GET /a HTTP/1.0\r\n\r\n")
        assert (await reader.read()).endswith(b"GET /a ")


async def test_stopping_closes_what_is_idle_and_ends_what_is_not():
    async with server() as (side, reader, writer):
        writer.write(request("/later"))
        await asyncio.sleep(0.05)
        await side.traffic.stop(0.05)
        assert await reader.read() == b""
    assert side.log == [("cancelled", "/later")]


@pytest.mark.parametrize(
    ("method", "is_11", "status", "headers", "expected"),
    [
        ("GET", True, 200, (), (True, True, None, False)),
        ("HEAD", True, 200, (), (False, False, None, False)),
        ("GET", True, 204, (), (False, False, None, False)),
        ("GET", True, 200, ((b"content-length", b"5"),), (True, False, 5, False)),
        ("GET", False, 200, (), (True, False, None, True)),
        ("GET", True, 200, ((b"Connection", b"x, Close"),), (True, True, None, True)),
    ],
)
def test_framing(method, is_11, status, headers, expected):
    framing = framing_of(method, is_11, True, status, headers)
    assert (framing.has_body, framing.is_chunked, framing.length, framing.closes) == expected


def test_chunks_are_as_rfc_9112_has_them():
    assert chunk_bytes(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert LAST_CHUNK == b"0\r\n\r\n"
    assert OK == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("end", [b"\n\n", b"\n\r\n"])
async def test_a_head_with_bare_line_ends_is_refused_at_once(end):
    async with server() as (_, reader, writer):
        writer.write(b"GET /a HTTP/1.1\r\nHost: h" + end)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_http_10_is_not_told_to_go_on():
    async with server() as (_, reader, writer):
        writer.write(b"POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")


async def test_a_mistake_of_ours_ends_the_connection_and_is_logged(caplog, monkeypatch):
    def fail(self, body):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Echo, "took_whole", fail)
    async with server() as (_, reader, writer):
        writer.write(request("/a"))
        with suppress(ConnectionError):
            assert await reader.read() == b""
    assert "a mistake" in caplog.text


async def test_very_many_pipelined_requests_are_all_answered():
    async with server() as (side, reader, writer):
        writer.write(request("/later", b"1") + request("/c", b"", "GET") * 3000)
        await asyncio.sleep(0.05)
        side.gate.set()
        assert len(await bodies(reader, 3001)) == 3001


async def test_very_many_ignored_upgrades_are_all_answered():
    async with server() as (_, reader, writer):
        writer.write(request("/a", b"", "GET", b"Upgrade: h2c", b"Connection: upgrade") * 1500)
        assert len(await bodies(reader, 1500)) == 1500


async def test_a_body_too_large_waits_for_its_turn_to_be_refused():
    async with server() as (side, reader, writer):
        writer.write(request("/later", b"1") + request("/b", b"x" * 5000))
        await asyncio.sleep(0.05)
        side.gate.set()
        assert await bodies(reader, 1) == [b"POST /later 1"]
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")


async def test_an_upload_waits_for_its_turn():
    async with server() as (side, reader, writer):
        writer.write(request("/later", b"1") + request("/pieces", b"x" * 500_000))
        await asyncio.sleep(0.05)
        side.gate.set()
        assert await bodies(reader, 2) == [b"POST /later 1", b"POST /pieces 500000"]


async def test_two_hosts_are_refused_whatever_follows():
    async with server() as (_, reader, writer):
        bad = b"POST /a HTTP/1.1\r\nHost: h\r\nHost: i\r\nContent-Length: 0\r\n\r\n"
        writer.write(bad + request("/b"))
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ") and b" 200 " not in answer


async def test_a_malformed_chunk_of_an_upload_ends_it():
    async with server() as (side, reader, writer):
        writer.write(b"POST /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
        await reader.read()
        assert side.log == [("left", 3)]


async def test_whole_requests_before_a_malformed_one_are_answered_first():
    async with server() as (side, reader, writer):
        writer.write(request("/later", b"1") + request("/b", b"2") + b"rubbish\r\n\r\n")
        await asyncio.sleep(0.05)
        side.gate.set()
        assert await bodies(reader, 2) == [b"POST /later 1", b"POST /b 2"]
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_what_follows_an_answer_that_closes_is_not_looked_at():
    async with server() as (side, reader, writer):
        writer.write(request("/last", b"1") + request("/b", b"2"))
        answer = await reader.read()
        assert answer.endswith(b"POST /last 1")
        assert side.begun == ["/last"]


async def test_who_sends_and_does_not_read_waits():
    """Answers of 20 kB each to 2000 pipelined requests: no more than the first few are made before they are read."""
    async with server() as (side, reader, writer):
        writer.write(request("/long20000", b"", "GET") * 2000)
        await asyncio.sleep(0.1)
        buffered = [connection.transport.get_write_buffer_size() for connection in side.traffic.connections]
        assert max(buffered) < 1_000_000
        assert len(await bodies(reader, 2000)) == 2000


async def test_who_never_reads_is_given_up(monkeypatch):
    monkeypatch.setattr("understudy_simulator.server.connection.IDLE_S", 0.1)
    async with server() as (side, _, writer):
        writer.write(request("/long20000", b"", "GET") * 2000)
        await until(lambda: side.traffic.connections)
        await until(lambda: not side.traffic.connections)
