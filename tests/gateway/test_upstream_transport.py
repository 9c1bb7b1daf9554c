"""Exchanges over real sockets: what is kept, what is given up, who waits for whom."""

import asyncio
import dataclasses
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from msgspec.structs import replace
from upstream_double import Double, Seen, Talk, answering, double, response

from understudy_gateway.destinations import Destinations
from understudy_gateway.refusals import Reason
from understudy_gateway.routes import Upstream
from understudy_gateway.upstream.dialling import taking_turns
from understudy_gateway.upstream.exchanges import RequestHead, UpstreamError, UpstreamSilent
from understudy_gateway.upstream.transport import HttpUpstream

pytestmark = pytest.mark.usefixtures("each_loop")

WAIT_S = 10.0
GET = RequestHead("GET", Upstream("gemini", "http", "127.0.0.1", 0, ""), b"/", ())
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def to(provider: Double | int, method: str = "GET", length: int | None = None, **more) -> RequestHead:
    port = provider if isinstance(provider, int) else provider.port
    return replace(GET, method=method, length=length, upstream=dataclasses.replace(GET.upstream, port=port, **more))


@asynccontextmanager
async def upstream(tls: ssl.SSLContext | None = None, **settings: Any) -> AsyncIterator[HttpUpstream]:
    anywhere = Destinations(("example", "invalid", "test"), is_plain_allowed=True)
    connect_s = settings.pop("connect_s", WAIT_S)
    made = HttpUpstream(tls or ssl.create_default_context(), connect_s, destinations=anywhere, **settings)
    try:
        async with asyncio.timeout(3 * WAIT_S):
            yield made
    finally:
        await made.close()


async def answer(made: HttpUpstream, request: RequestHead, body: bytes = b"") -> tuple[int, bytes]:
    """One exchange, whole."""
    exchange = await made.open(request)
    try:
        if request.has_body:
            await exchange.send(body, WAIT_S)
            exchange.end()
        head = await exchange.head(WAIT_S)
        found = b""
        while data := await exchange.receive(WAIT_S):
            found += data
        exchange.release()
        return head.status, found
    finally:
        exchange.abort()


async def until(condition) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the double knows no events
            await asyncio.sleep(0.001)


# --- reuse -----------------------------------------------------------------------------------------------------------


async def test_one_connection_carries_one_exchange_after_the_other():
    answers = iter([response(b"{}"), STREAM_HEAD + b"1\r\na\r\n0\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n", response(b"")])

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + next(answers))

    async with double(script) as up, upstream() as made:
        found = [await answer(made, to(up)) for _ in range(3)] + [await answer(made, to(up, "POST", 3), b"abc")]
    assert found == [(200, b"{}"), (200, b"a"), (204, b""), (200, b"")]
    assert (up.connections, up.requests[-1].body) == (1, b"abc")


async def test_head_and_small_body_leave_in_one_piece():
    pieces: list[bytes] = []

    class Provider(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            pieces.append(data)
            self.transport.write(response(b"{}"))

    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    async with server:
        async with upstream() as made:
            await answer(made, to(server.sockets[0].getsockname()[1], "POST", 4), b"body")
        await asyncio.sleep(0.01)
    assert len(pieces) == 1
    assert pieces[0].endswith(b"\r\n\r\nbody")


async def test_parallel_exchanges_have_connections_of_their_own():
    everybody = asyncio.Barrier(5)

    async def script(talk: Talk, seen: Seen) -> None:
        await everybody.wait()
        await talk.send(response(b"{}"))

    async with double(script) as up, upstream() as made:
        assert await asyncio.gather(*(answer(made, to(up)) for _ in range(5))) == [(200, b"{}")] * 5
        assert up.connections == 5


async def test_bytes_that_lie_unread_in_the_kernel_spend_a_waiting_connection():
    said = asyncio.Event()
    go = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b"first"))
        await go.wait()
        # Past the loop, so that the gateway's side cannot have seen them when it takes the connection.
        os.write(talk.writer.get_extra_info("socket").fileno(), response(b"for nobody"))
        said.set()

    async with double(script) as up, upstream() as made:
        await answer(made, to(up))
        kept = made._kept(("http", "127.0.0.1", up.port))
        assert kept is not None
        assert kept.is_fresh
        go.set()
        await said.wait()
        assert not kept.is_fresh
        kept.abort()


async def test_bytes_that_nobody_asked_for_close_a_waiting_connection_at_once():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b"first"))
        await asyncio.sleep(0.02)
        await talk.send(b"x")

    async with double(script) as up, upstream() as made:
        await answer(made, to(up))
        await asyncio.wait_for(up.gone.wait(), WAIT_S)
        assert len(made._pool) == 0


async def test_a_connection_that_waited_long_enough_is_closed():
    async with double() as up, upstream(pool_idle_s=0.02) as made:
        await answer(made, to(up))
        await asyncio.wait_for(up.gone.wait(), WAIT_S)
        await answer(made, to(up))
        assert up.connections == 2


async def test_an_exchange_that_is_left_before_its_end_closes_the_connection():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"1\r\na\r\n")

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        await exchange.head(WAIT_S)
        exchange.release()
        await asyncio.wait_for(up.gone.wait(), WAIT_S)


async def test_closing_closes_what_waits_and_what_is_in_use():
    async def script(talk: Talk, seen: Seen) -> None:
        if len(up.requests) == 1:
            await talk.send(response(b"{}"))

    async with double(script) as up:
        made = HttpUpstream(ssl.create_default_context(), WAIT_S)
        await answer(made, to(up))
        exchange = await made.open(to(up))
        other = await made.open(to(up))
        await made.close()
        # The first one's request may be repeated, but not any more; the other's connection ended.
        for broken, reason in ((exchange, Reason.UNREACHABLE), (other, Reason.UPSTREAM_BROKE)):
            with pytest.raises(UpstreamError) as caught:
                await broken.head(WAIT_S)
            assert caught.value.reason is reason
        with pytest.raises(UpstreamError) as caught:
            await made.open(to(up))
        assert caught.value.reason is Reason.UNREACHABLE


# --- what ends badly -------------------------------------------------------------------------------------------------


async def test_who_cannot_be_reached_was_not_sent_anything():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with upstream() as made:
        for request in (to(port), to(port, host="nowhere.invalid")):
            with pytest.raises(UpstreamError) as caught:
                await made.open(request)
            assert (caught.value.reason, caught.value.was_sent) == (Reason.UNREACHABLE, False)


async def test_a_handshake_that_never_ends_is_a_timeout_in_connecting():
    async with double() as up, upstream(connect_s=0.05) as made:
        with pytest.raises(UpstreamError) as caught:
            await made.open(to(up, scheme="https"))
        assert (caught.value.reason, caught.value.was_sent) == (Reason.CONNECT_TIMEOUT, False)


@asynccontextmanager
async def secure(name: str) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """A provider with a certificate for `name`, and what trusts it."""
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(theirs)
    authority.configure_trust(ours)
    async with double(tls=theirs) as provider:
        yield provider.port, ours
    while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - asyncio's server still has a failed handshake in hand
        await asyncio.sleep(0.001)


async def test_tls_is_spoken_with_whom_the_certificate_names():
    async with secure("localhost") as (port, trust), upstream(trust) as made:
        for _ in range(2):
            assert await answer(made, to(port, scheme="https", host="localhost")) == (200, b"{}")


async def test_a_certificate_for_somebody_else_is_refused():
    async with secure("other.example") as (port, trust), upstream(trust) as made:
        with pytest.raises(UpstreamError) as caught:
            await made.open(to(port, scheme="https", host="localhost"))
        assert (caught.value.reason, caught.value.was_sent) == (Reason.UNREACHABLE, False)


@pytest.mark.parametrize(
    ("method", "length", "asked"), [("GET", None, 3), ("DELETE", 0, 3), ("POST", 2, 2), ("PUT", 2, 2)]
)
async def test_a_request_on_a_connection_that_died_is_repeated_once_if_that_is_safe(method, length, asked):
    async def script(talk: Talk, seen: Seen) -> None:
        if len(up.requests) == 1:
            await talk.send(response(b"{}"))
        else:
            talk.reset()

    async with double(script) as up, upstream() as made:
        await answer(made, to(up))
        with pytest.raises(UpstreamError) as caught:
            await answer(made, to(up, method, length), b"ab")
        assert (caught.value.reason, caught.value.was_sent) == (Reason.UPSTREAM_BROKE, True)
        assert len(up.requests) == asked


async def test_a_repeated_request_gets_its_answer():
    async def script(talk: Talk, seen: Seen) -> None:
        if len(up.requests) == 2:
            talk.reset()
        else:
            await talk.send(response(b"%d" % len(up.requests)))

    async with double(script) as up, upstream() as made:
        assert [await answer(made, to(up)) for _ in range(2)] == [(200, b"1"), (200, b"3")]


async def test_a_request_on_a_fresh_connection_is_not_repeated():
    async def script(talk: Talk, seen: Seen) -> None:
        talk.reset()

    async with double(script) as up, upstream() as made:
        with pytest.raises(UpstreamError):
            await answer(made, to(up))
        assert len(up.requests) == 1


async def test_what_had_come_before_a_break_is_given_first():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"1\r\na\r\n")
        talk.reset()

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        await exchange.head(WAIT_S)
        await asyncio.wait_for(up.gone.wait(), WAIT_S)
        assert await exchange.receive(WAIT_S) == b"a"
        with pytest.raises(UpstreamError) as caught:
            await exchange.receive(WAIT_S)
        assert caught.value.reason is Reason.UPSTREAM_BROKE


async def test_silence_is_told_apart_from_a_break():
    async def script(talk: Talk, seen: Seen) -> None:
        if seen.target == b"/":
            await talk.send(STREAM_HEAD + b"1\r\na\r\n")

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        await exchange.head(WAIT_S)
        assert await exchange.receive(WAIT_S) == b"a"
        with pytest.raises(UpstreamSilent):
            await exchange.receive(0.02)
        exchange.abort()
        exchange = await made.open(replace(to(up), target=b"/silent"))
        with pytest.raises(UpstreamSilent):
            await exchange.head(0.02)
        exchange.abort()


async def test_a_head_that_trickles_gains_no_time_by_it():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\n")
        for _ in range(40):
            await talk.send(b"a: b\r\n")
            await asyncio.sleep(0.01)
        await talk.send(b"\r\n")

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        with pytest.raises(UpstreamSilent):
            await exchange.head(0.1)
        exchange.abort()


async def test_a_name_of_which_no_address_answered_is_looked_up_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with double() as up, upstream() as made:
        made._dialler._names._known["127.0.0.1", up.port] = (float("inf"), ((2, ("127.0.0.1", port)),))
        with pytest.raises(UpstreamError):
            await made.open(to(up))
        assert await answer(made, to(up)) == (200, b"{}")


async def test_a_connection_that_was_dialled_when_the_end_came_is_not_used():
    async with double() as up:
        made = HttpUpstream(ssl.create_default_context(), WAIT_S)
        dialled = asyncio.create_task(made.open(to(up)))
        await asyncio.sleep(0)
        await made.close()
        with pytest.raises(UpstreamError) as caught:
            await dialled
        assert caught.value.reason is Reason.UNREACHABLE
        assert not up.requests


async def test_a_long_stream_with_short_pauses_is_no_silence():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD)
        for _ in range(20):
            await talk.send(b"1\r\na\r\n")
            await asyncio.sleep(0.01)
        await talk.send(b"0\r\n\r\n")

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        await exchange.head(0.1)
        found = b""
        while data := await exchange.receive(0.15):
            found += data
        assert found == b"a" * 20


# --- who waits for whom ----------------------------------------------------------------------------------------------


async def test_a_provider_is_not_read_while_nobody_takes_what_came():
    sent = 0

    async def script(talk: Talk, seen: Seen) -> None:
        nonlocal sent
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while sent < 100_000_000:
            await talk.send(b"x" * 100_000)
            sent += 100_000

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        await exchange.head(WAIT_S)
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.05)
        assert sent < 30_000_000
        assert exchange._wire._size < 1_000_000
        found = 0
        while data := await exchange.receive(WAIT_S):
            found += len(data)
        assert found == 100_000_000
        exchange.release()


async def test_a_body_waits_for_a_provider_that_does_not_read_and_gives_up():
    async with double(reads_body=False) as up, upstream() as made:
        up.script = lambda talk, seen: asyncio.sleep(WAIT_S)
        exchange = await made.open(to(up, "POST", 10**9))
        sent = 0
        with pytest.raises(UpstreamSilent):
            while True:
                await exchange.send(b"x" * 100_000, 0.1)
                sent += 100_000
        assert 0 < sent < 30_000_000
        exchange.abort()


async def test_an_answer_may_come_before_the_body_was_sent_and_ends_the_connection():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b"no", status=b"413 Too Large"))

    async with double(script, reads_body=False) as up, upstream() as made:
        exchange = await made.open(to(up, "POST", 1000))
        await exchange.send(b"x", WAIT_S)
        assert (await exchange.head(WAIT_S)).status == 413
        assert await exchange.receive(WAIT_S) == b"no"
        exchange.release()
        await asyncio.wait_for(up.gone.wait(), WAIT_S)


async def test_an_early_answer_is_kept_when_the_provider_closes_and_further_bytes_cannot_be_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with upstream() as made:
            exchange = await made.open(to(listener.getsockname()[1], "POST", 10**6))
            await exchange.send(b"x" * 1000, WAIT_S)
            await asyncio.sleep(0.01)
            # Past the loop, so that the next bytes are sent before the answer has been read.
            provider, _ = listener.accept()
            provider.sendall(response(b"no", status=b"413 Too Large"))
            provider.close()  # with the body unread, so that it is a reset
            await exchange.send(b"x" * 1000, WAIT_S)
            assert (await exchange.head(WAIT_S)).status == 413
            assert await exchange.receive(WAIT_S) == b"no"
            exchange.release()


async def test_the_head_does_not_wait_for_the_body_when_the_answer_is_waited_for():
    async with double(answering(response(b"{}")), reads_body=False) as up, upstream() as made:
        exchange = await made.open(to(up, "POST", 1000))
        assert (await exchange.head(WAIT_S)).status == 200
        exchange.abort()


async def test_who_is_cancelled_leaves_and_the_provider_sees_it():
    async with double(lambda talk, seen: asyncio.sleep(WAIT_S)) as up, upstream() as made:
        waiting = asyncio.create_task(answer(made, to(up)))
        await until(lambda: up.requests)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: not made._in_use)


async def test_a_connection_that_nobody_takes_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("understudy_gateway.upstream.wire._UNUSED_S", 0.02)
    async with double() as up, upstream() as made:
        await made._dialled(to(up).upstream)
        await asyncio.wait_for(up.gone.wait(), WAIT_S)


async def test_the_whole_body_is_given_at_once_only_when_it_is_there():
    go = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"1\r\na\r\n")
        await go.wait()
        await talk.send(b"1\r\nb\r\n0\r\n\r\n")

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        await exchange.head(WAIT_S)
        assert exchange.whole() is None
        go.set()
        await until(lambda: exchange._wire._is_over)
        assert exchange.whole() == b"ab"
        exchange.release()


def test_the_families_of_a_names_addresses_take_turns():
    six, four = (10, ("::1", 1, 0, 0)), (2, ("127.0.0.1", 1))
    assert taking_turns([six, six, four]) == (six, four, six)
    assert taking_turns([four, four]) == (four, four)
    assert taking_turns([]) == ()


async def test_an_address_that_does_not_answer_leaves_time_for_the_next():
    deaf = socket.socket()
    deaf.bind(("127.0.0.1", 0))  # bound and not listening: refused; the next address is tried
    with deaf:
        async with double() as up, upstream() as made:
            refused, good = (2, deaf.getsockname()), (2, ("127.0.0.1", up.port))
            made._dialler._names._known["two.example", 1] = (float("inf"), (refused, good))
            assert await answer(made, to(1, host="two.example")) == (200, b"{}")


# --- pouring ---------------------------------------------------------------------------------------------------------


async def poured(made: HttpUpstream, up: Double, take) -> list[bool]:
    """What `pour` gave back, time and again, until the body was over."""
    exchange = await made.open(to(up))
    try:
        await exchange.head(WAIT_S)
        ends: list[bool] = []
        while not ends or not ends[-1]:
            ends.append(await exchange.pour(take, WAIT_S))
        exchange.release()
        return ends
    finally:
        exchange.abort()


async def test_a_body_is_poured_piece_by_piece_as_it_comes():
    """STR-1: a piece is taken before the provider sends its next."""
    taken: list[bytes] = []

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD)
        for number in range(3):
            await talk.send(b"1\r\n%d\r\n" % number)
            await until(lambda number=number: len(taken) > number)
        await talk.send(b"0\r\n\r\n")

    async with double(script) as up, upstream() as made:
        assert await poured(made, up, lambda data: taken.append(data) is None) == [True]
        assert taken == [b"0", b"1", b"2"]
        assert await answer(made, to(up)) == (200, b"012")  # on the same connection
    assert up.connections == 1


async def test_who_wants_no_more_for_now_is_given_the_rest_later():
    taken: list[bytes] = []

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"1\r\na\r\n")
        await until(lambda: taken)
        await talk.send(b"1\r\nb\r\n")
        await until(lambda: len(taken) > 1)
        await talk.send(b"1\r\nc\r\n0\r\n\r\n")

    def take(data: bytes) -> bool:
        taken.append(data)
        return len(taken) == 3

    async with double(script) as up, upstream() as made:
        assert await poured(made, up, take) == [False, False, True]
    assert taken == [b"a", b"b", b"c"]


async def test_who_wants_no_more_for_now_is_given_no_more_until_it_asks(each_loop):
    """S-52: uvloop reads a connection many times before the task that pours has its turn."""
    whole, taken, since = bytes(8 * 1024 * 1024), bytearray(), [0]

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole))

    def take(data: bytes) -> bool:
        taken.extend(data)
        since[0] += 1
        return False

    async with double(script) as up, upstream() as made:
        exchange = await made.open(to(up))
        try:
            await exchange.head(WAIT_S)
            most = 0
            while not await exchange.pour(take, WAIT_S):
                most, since[0] = max(most, since[0]), 0
        finally:
            exchange.abort()
    assert (len(taken), most) == (len(whole), 1)


@pytest.mark.parametrize("at", [0, 1])
async def test_what_fails_in_taking_is_raised_to_who_pours(at: int):
    taken: list[bytes] = []

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"1\r\na\r\n")
        await until(lambda: taken)
        await talk.send(b"1\r\nb\r\n")
        await talk.left()

    def take(data: bytes) -> bool:
        taken.append(data)
        if len(taken) > at:
            raise ConnectionResetError("the client is gone")
        return True

    async with double(script) as up, upstream() as made:
        with pytest.raises(ConnectionResetError, match="the client is gone"):
            await poured(made, up, take)
    assert b"".join(taken) == b"ab"[: at + 1]


async def test_a_break_and_silence_end_the_pouring():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STREAM_HEAD + b"1\r\na\r\n")
        if seen.target == b"/broken":
            talk.reset()
        await talk.left()

    async with double(script) as up, upstream() as made:
        for target, error in ((b"/silent", UpstreamSilent), (b"/broken", UpstreamError)):
            taken: list[bytes] = []
            exchange = await made.open(replace(to(up), target=target))
            await exchange.head(WAIT_S)
            with pytest.raises(error):
                await exchange.pour(lambda data, taken=taken: taken.append(data) is None, 0.1)
            exchange.abort()
            assert taken == [b"a"] or target == b"/broken"
