"""The client's side of the suite, over real sockets, against small servers that answer exactly as told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import CloseCode

from understudy.conformance.driver import Aim, Driver, ScopeCarrier, address_of
from understudy.conformance.http_client import exchange
from understudy.conformance.model import NO_KEY, Ask, Asked, Converse, Conversed, Drop, Key, Ping
from understudy.conformance.probes import http_probe, live_probe
from understudy.conformance.target import Target
from understudy.errors import ConfigError
from understudy.messages import BINARY, TEXT
from understudy.scenario.model import CloseSession, Payload, Receive, Send
from understudy.secret import Secret
from understudy.surfaces import Surface

KEY = "sk-client"
TARGET = Target(
    "double",
    frozenset({"gemini", "vertex", "gemini-live", "vertex-live"}),
    prefixes={Surface.GEMINI: "/gemini", Surface.VERTEX_LIVE: "/vertex_ai"},
    key=Secret(KEY),
    project="p1",
    location="l1",
)

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answering) -> AsyncIterator[str]:
    """A server that is left only when all its answers are over."""
    busy: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        yield f"http://{host}:{port}"
        async with asyncio.timeout(5):
            await asyncio.gather(*busy)


def saying(*parts: bytes, heads: list[bytes] | None = None) -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)

    return answer


async def never() -> None:
    await asyncio.Event().wait()


async def asked(url: str, ask: Ask, *, carrier: ScopeCarrier = "header", seen=never) -> Asked:
    aim = Aim(address_of(url, None), "", TARGET, "s1", carrier, "http://up:1")
    driver = Driver(aim, seen)
    await driver.play(http_probe("x", "x", ask))
    [one] = driver.asked
    return one


async def test_the_head_is_sent_as_written():
    heads: list[bytes] = []
    async with server(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heads=heads)) as url:
        ask = Ask("/v1/%2F//x", "PUT", "a=1&a=2", ((b"X-One", b"1"), (b"x-one", b"{{project}}")), b"abc")
        one = await asked(url, ask)
    lines = heads[0].split(b"\r\n")
    assert lines[0] == b"PUT /gemini/v1/%2F//x?a=1&a=2 HTTP/1.1"
    assert lines[2:-2] == [
        b"x-goog-api-key: sk-client",
        b"X-Understudy-Scope: s1",
        b"X-One: 1",
        b"x-one: p1",
        b"Content-Length: 3",
    ]
    assert one.provider_target == "/v1/%2F//x?a=1&a=2"
    assert one.exchange.response is not None and one.exchange.response.status == 204


@pytest.mark.parametrize(
    "key, line",
    [
        (Key("bearer"), b"Authorization: Bearer sk-client"),
        (Key("x-litellm-api-key"), b"x-litellm-api-key: sk-client"),
        (Key("x-goog-api-key", "other"), b"x-goog-api-key: other"),
    ],
)
async def test_a_key_is_shown_where_the_ask_says(key: Key, line: bytes):
    heads: list[bytes] = []
    async with server(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heads=heads)) as url:
        await asked(url, Ask("/x", key=key))
    assert line in heads[0].split(b"\r\n")


async def test_a_key_in_the_query_comes_last_and_is_not_the_providers():
    heads: list[bytes] = []
    async with server(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heads=heads)) as url:
        one = await asked(url, Ask("/x", query="alt=sse", key=Key("query")))
        without = await asked(url, Ask("/x", key=NO_KEY))
    assert heads[0].startswith(b"POST /gemini/x?alt=sse&key=sk-client HTTP/1.1")
    assert one.provider_target == "/x?alt=sse"
    assert b"sk-client" not in heads[1] and without.provider_target == "/x"


async def test_a_scope_in_the_path_stands_behind_the_prefix():
    heads: list[bytes] = []
    async with server(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heads=heads)) as url:
        one = await asked(url, Ask("/v1/x"), carrier="path")
    assert heads[0].startswith(b"POST /gemini/~s1/v1/x HTTP/1.1")
    assert b"Understudy" not in heads[0] and one.provider_target == "/v1/x"


async def test_a_chunked_answer_is_read_with_its_times_and_end():
    parts = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nx-a: 2\r\n\r\n",
        b"3\r\nabc\r\n",
        b"2\r\nde\r\n0\r\n\r\n",
    )
    async with server(saying(*parts)) as url:
        one = await asked(url, Ask("/x"))
    response = one.exchange.response
    assert response is not None and response.complete and response.body == b"abcde"
    assert response.headers == ((b"Transfer-Encoding", b"chunked"), (b"X-A", b"1"), (b"x-a", b"2"))
    assert len(response.chunks) == 2 and one.head_at is not None and one.head_at < response.chunks[0].at
    assert one.problem is None


@pytest.mark.parametrize(
    "answer, complete",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", True),
    ],
)
async def test_an_answer_that_breaks_off_is_not_complete(answer: bytes, complete: bool):
    async with server(saying(answer)) as url:
        one = await asked(url, Ask("/x"))
    response = one.exchange.response
    assert response is not None and response.body == b"abc" and response.complete is complete


async def test_a_second_answer_behind_the_first_is_told_and_changes_nothing():
    both = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nokHTTP/1.1 500 Bad\r\nContent-Length: 3\r\n\r\nbad"
    async with server(saying(both)) as url:
        one = await asked(url, Ask("/x"))
    response = one.exchange.response
    assert response is not None and (response.status, response.body) == (200, b"ok")
    assert (b"X-A", b"1") in response.headers
    assert one.problem == "a second answer came behind the first"


async def test_interim_answers_are_not_the_answer():
    async with server(
        saying(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n")
    ) as url:
        one = await asked(url, Ask("/x"))
    response = one.exchange.response
    assert one.interim == (103,) and response is not None and (response.status, response.headers) == (204, ())


async def test_a_body_waits_for_the_interim_answer_that_it_asked_for():
    order: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        order.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        order.append(await reader.readexactly(3))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with server(answer) as url:
        one = await asked(url, Ask("/x", body=b"abc", expects_continue=True))
    assert b"Expect: 100-continue" in order[0] and order[1] == b"abc" and one.interim == (100,)


async def test_no_answer_is_said_in_words():
    async with server(saying()) as url:
        one = await asked(url, Ask("/x"))
        assert one.exchange.response is None and one.problem == "the connection ended without an answer"
    one = await asked(url, Ask("/x"))
    assert one.problem is not None and one.problem.startswith("no connection")


async def test_an_answer_that_does_not_end_is_a_problem_in_the_end():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(answer) as url:
        one = await asked(url, Ask("/x", limit_s=0.05))
    assert one.problem == "no whole answer in 0.05 s"


async def test_an_answer_to_head_has_no_body_whatever_its_length_says():
    async with server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as url:
        one = await asked(url, Ask("/x", "HEAD", headers=(), framing="none"))
    assert one.exchange.response is not None and one.exchange.response.complete
    async with server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"abc")) as url:
        one = await asked(url, Ask("/x", "HEAD", headers=(), framing="none"))
    assert one.exchange.response is not None and one.exchange.response.body == b"abc"


async def test_a_client_leaves_once_the_provider_has_seen_the_request():
    left = asyncio.Event()
    seen = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        seen.set()
        await reader.read()
        left.set()

    async def until_seen() -> None:
        await seen.wait()

    async with server(answer) as url:
        one = await asked(url, Ask("/x", leaves="unanswered"), seen=until_seen)
        async with asyncio.timeout(5):
            await left.wait()
    assert one.exchange.response is None and one.problem is None


async def test_a_client_leaves_in_the_middle_of_an_answer():
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await reader.read()
        left.set()

    async with server(answer) as url:
        one = await asked(url, Ask("/x", leaves="mid-answer", leaves_after=3))
        async with asyncio.timeout(5):
            await left.wait()
    assert one.exchange.response is not None and not one.exchange.response.complete


async def test_a_client_leaves_in_the_middle_of_its_upload():
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.append(await reader.read(-1))

    async with server(answer) as url:
        await asked(url, Ask("/x", body=b"abcdef", pieces=2, leaves="mid-upload"))
    assert got == [b"abc"]


async def test_a_chunked_upload_is_framed():
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with server(answer) as url:
        await asked(url, Ask("/x", body=b"abcd", pieces=2, framing="chunked"))
    assert got == [b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"]


@pytest.mark.parametrize(
    "url", ["localhost:4000", "ftp://x", "http://", "http://x:99999", "http://[::1", "http://u:p@h", "http://h/?x=1"]
)
def test_what_is_no_gateways_url_is_refused(url: str):
    with pytest.raises(ConfigError):
        address_of(url, None)


async def test_garbage_is_no_http():
    async with server(saying(b"SSH-2.0-x\r\n\r\n")) as url:
        heard = await exchange(address_of(url, None), b"GET / HTTP/1.1\r\n\r\n", Ask("/", "GET"), never)
    assert heard.response is None and heard.problem is not None and heard.problem.startswith("the answer is no HTTP")


# ---- Live


@asynccontextmanager
async def live_server(handle: Callable[[ServerConnection], Awaitable[None]], **options) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0, compression=None, **options) as listening:
        host, port = next(iter(listening.sockets)).getsockname()
        yield f"http://{host}:{port}"


async def conversed(url: str, move: Converse) -> Conversed:
    aim = Aim(address_of(url, None), "", TARGET, "s1", "header", "http://up:1")
    driver = Driver(aim, never)
    await driver.play(live_probe("x", "x", move, [{"receive": "any"}], surface=Surface.VERTEX_LIVE))
    [one] = driver.conversed
    return one


def sent(data: bytes, opcode: int = BINARY) -> Send:
    return Send(Payload((data,), "bytes"), opcode)


async def test_a_session_is_written_down_frame_by_frame():
    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == "/vertex_ai/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
        assert socket.request.headers["x-goog-api-key"] == KEY
        async for message in socket:
            await socket.send(message)

    async with live_server(handle) as url:
        steps = (sent(b"\xff\x00"), Receive(), sent(b"{}", TEXT), Receive(), sent(b""), Receive(), Ping(b"p"))
        one = await conversed(url, Converse((*steps, CloseSession(4001, "enough"))))
    mine = [(frame.opcode, frame.payload) for frame in one.session.sent_by("client")]
    theirs = [(frame.opcode, frame.payload) for frame in one.session.sent_by("server")]
    assert mine == theirs == [(BINARY, b"\xff\x00"), (TEXT, b"{}"), (BINARY, b"")]
    assert one.session.close is not None
    assert (one.session.close.sender, one.session.close.code, one.session.close.reason) == ("client", 4001, "enough")
    assert one.problem is None and one.pongs == (b"p",) and not one.was_lost


@pytest.mark.parametrize("code, reason", [(1000, ""), (1008, "no"), (4999, "x" * 123)])
async def test_the_close_of_the_gateway_is_kept(code: int, reason: str):
    async def handle(socket: ServerConnection) -> None:
        await socket.close(code, reason)

    async with live_server(handle) as url:
        one = await conversed(url, Converse((Receive(close=True),)))
    close = one.session.close
    assert close is not None and (close.sender, close.code, close.reason) == ("server", code, reason)


async def test_a_close_without_a_code_and_a_lost_connection_are_told_apart():
    async def without_code(socket: ServerConnection) -> None:
        socket.protocol.send_close()
        socket.transport.write(b"".join(socket.protocol.data_to_send()))
        await socket.wait_closed()

    async def lost(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with live_server(without_code) as url:
        one = await conversed(url, Converse((Receive(close=True),)))
    assert one.session.close is not None and one.session.close.code is None and not one.was_lost
    async with live_server(lost) as url:
        one = await conversed(url, Converse((Receive(close=True),)))
    assert one.session.close is not None and one.session.close.code is None and one.was_lost


async def test_a_client_can_close_without_a_code_and_can_vanish():
    codes: list[int | None] = []

    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()
        codes.append(socket.close_code)

    async with live_server(handle) as url:
        await conversed(url, Converse((CloseSession(None),)))
        await conversed(url, Converse((Drop(),)))
    assert codes == [CloseCode.NO_STATUS_RCVD, CloseCode.ABNORMAL_CLOSURE]


async def test_a_refused_handshake_keeps_status_and_body():
    async with server(saying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nno")) as url:
        one = await conversed(url, Converse(()))
    assert one.refusal is not None and (one.refusal.status, one.refusal.body) == (403, b"no")
    assert (b"X-A", b"1") in one.refusal.headers and one.session.status == 403


async def test_a_redirect_of_a_handshake_is_not_followed():
    async with server(saying(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")) as url:
        one = await conversed(url, Converse(()))
    assert one.refusal is not None and one.refusal.status == 302


async def test_a_message_that_does_not_come_is_a_problem():
    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with live_server(handle) as url:
        one = await conversed(url, Converse((Receive(within_s=0.05),)))
    assert one.problem == "receive: no message in 0.05 s"


async def test_a_key_as_a_subprotocol():
    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.headers["Sec-WebSocket-Protocol"] == f"live, openai-insecure-api-key.{KEY}"

    async with live_server(handle, subprotocols=["live"]) as url:
        one = await conversed(url, Converse((Receive(close=True),), subprotocols=("live",), key=Key("subprotocol")))
    assert one.subprotocol == "live"
