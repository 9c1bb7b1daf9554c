"""What passes the recorder arrives unchanged, and is read back as the client's transcript."""

import asyncio
import ssl

import aiohttp
import trustme
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from understudy.demo.reading import transcript_of
from understudy.demo.recorder import Recorder
from understudy.messages import BINARY, TEXT

CA = trustme.CA()


def contexts():
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    CA.issue_cert("127.0.0.1").configure_cert(server)
    CA.configure_trust(client)
    return server, client


async def answer_twice(reader, writer):
    """A raw server: two requests on one connection, the second answered in chunks."""
    for answer in (
        b"HTTP/1.1 200 OK\r\nX-Name: A\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(answer)
    writer.close()


async def test_two_exchanges_on_one_connection_are_read_apart():
    server_tls, client_tls = contexts()
    upstream = await asyncio.start_server(answer_twice, "127.0.0.1", 0)
    async with upstream, Recorder("127.0.0.1", upstream.sockets[0].getsockname()[1], server_tls) as recorder:
        url = f"https://127.0.0.1:{recorder.port}"
        connector = aiohttp.TCPConnector(ssl=client_tls, limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            for number in (1, 2):
                headers = {"x-understudy-scope": f"s{number}"}
                async with session.post(url + f"/p%2F{number}", data=b"x" * number, headers=headers) as got:
                    await got.read()
    first, second = transcript_of(recorder.connections).exchanges
    assert (first.request.target, first.request.body, first.origin.scope) == ("/p%2F1", b"x", "s1")
    assert first.response is not None and second.response is not None
    assert (first.response.status, first.response.body, first.response.complete) == (200, b"ok", True)
    assert (b"X-Name", b"A") in first.response.headers
    assert (second.response.status, second.response.body, second.request.body) == (404, b"abc", b"xx")


async def test_an_answer_that_breaks_off_is_not_complete():
    async def break_off(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        writer.close()

    server_tls, client_tls = contexts()
    upstream = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with upstream, Recorder("127.0.0.1", upstream.sockets[0].getsockname()[1], server_tls) as recorder:
        reader, writer = await asyncio.open_connection("127.0.0.1", recorder.port, ssl=client_tls)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.read()
        writer.close()
    [exchange] = transcript_of(recorder.connections).exchanges
    assert exchange.failure == "broken off"
    assert exchange.response is not None
    assert exchange.response.body == b"half"


async def test_a_session_is_read_with_opcodes_payloads_and_close():
    async def echo(websocket):
        async for message in websocket:
            await websocket.send(message)

    server_tls, client_tls = contexts()
    async with serve(echo, "127.0.0.1", 0) as upstream:
        port = next(iter(upstream.sockets)).getsockname()[1]
        async with Recorder("127.0.0.1", port, server_tls) as recorder:
            url = f"wss://127.0.0.1:{recorder.port}/live"
            async with connect(
                url, ssl=client_tls, compression=None, additional_headers={"x-understudy-scope": "s"}
            ) as client:
                for message in ("text", b"\xff" * 70000, b""):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["frag", "ment"])
                assert await client.recv() == "fragment"
                await client.close(1000, "done")
    [session] = transcript_of(recorder.connections).sessions
    payloads = [(TEXT, b"text"), (BINARY, b"\xff" * 70000), (BINARY, b""), (TEXT, b"fragment")]
    assert [(f.opcode, f.payload) for f in session.sent_by("client")] == payloads
    assert [(f.opcode, f.payload) for f in session.sent_by("server")] == payloads
    assert session.close is not None
    assert (session.close.sender, session.close.code, session.close.reason) == ("client", 1000, "done")
    assert (session.status, session.origin.scope) == (101, "s")
    assert any(name.lower() == b"upgrade" for name, _ in session.answer_headers)
