"""How answers end: what is an end, what is a break, what is still read when writing fails. Raw sockets, both loops."""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
import trustme
from gateway_stand import asked, gateway, recorded, request
from test_upstream_transport import WAIT_S, answer, to, until, upstream
from upstream_double import Seen, Talk, double, response

from understudy_gateway.refusals import Reason
from understudy_gateway.upstream.exchanges import UpstreamError

pytestmark = pytest.mark.usefixtures("each_loop")

OPEN_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def reset(talk: Talk) -> None:
    """Break the connection off with a TCP reset."""
    connection = cast("socket.socket", talk.writer.get_extra_info("socket"))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    talk.writer.transport.abort()


def authority(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, str]:
    """The provider's side of TLS, the gateway's, and the path of the roots."""
    ca = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(serving)
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    return serving, trusting, str(folder / "ca.pem")


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["end", "reset"])
async def test_an_answer_that_ends_with_the_connection_is_whole_only_by_a_clean_end(how, is_tls, tmp_path):
    """R-5, R-6, STR-4: a reset is no end (RFC 9112 8)."""
    may_end = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(OPEN_END + b"data: 1\n\n")
        await may_end.wait()
        if how == "reset":
            reset(talk)
        talk.writer.close()
        await talk.writer.wait_closed()
        raise ConnectionResetError

    serving, _, roots = authority(tmp_path)
    async with double(script, tls=serving if is_tls else None) as up:
        url = up.url.replace("http", "https") if is_tls else up.url
        async with gateway(url, upstream_ca=roots) as running:
            asking = asyncio.create_task(asked(running, request()))
            await until(lambda: up.requests)
            await asyncio.sleep(0.05)
            may_end.set()
            reply = await asyncio.wait_for(asking, WAIT_S)
            (record,) = await recorded(running)
    assert (reply.status, reply.body) == (200, b"data: 1\n\n")
    assert reply.is_whole == (how == "end")
    assert record.outcome == ("ok" if how == "end" else "upstream_abort")


async def test_a_tls_answer_whose_connection_ends_without_goodbye_is_broken_off(tmp_path):
    """RFC 9112 9.8: without its closure alert such an answer is incomplete."""
    serving, trusting, _ = authority(tmp_path)

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(OPEN_END + b"data: 1\n\n")
        talk.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await talk.left()

    async with double(script, tls=serving) as up, upstream(trusting) as made:
        exchange = await made.open(to(up, scheme="https"))
        await exchange.head(WAIT_S)
        assert await exchange.receive(WAIT_S) == b"data: 1\n\n"
        with pytest.raises(UpstreamError) as failed:
            await exchange.receive(WAIT_S)
        assert failed.value.reason is Reason.UPSTREAM_BROKE
        exchange.abort()


async def test_an_early_answer_over_tls_is_kept_when_further_bytes_cannot_be_sent(tmp_path):
    """R-11: the answer lies in the kernel when the next write fails."""
    serving, trusting, _ = authority(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with upstream(trusting) as made:
            opening = asyncio.create_task(made.open(to(listener.getsockname()[1], "POST", 10**6, scheme="https")))
            provider = await asyncio.to_thread(_accepted, listener, serving)
            exchange = await opening
            await exchange.send(b"x" * 1000, WAIT_S)
            await asyncio.sleep(0.05)
            # Past the loop, so that the next bytes are sent before the answer has been read.
            provider.sendall(response(b"no", status=b"413 Too Large"))
            socket.socket(fileno=provider.detach()).close()  # with the body unread, so that it is a reset
            await exchange.send(b"x" * 1000, WAIT_S)
            assert (await exchange.head(WAIT_S)).status == 413
            assert await exchange.receive(WAIT_S) == b"no"
            exchange.release()


def _accepted(listener: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection, _ = listener.accept()
    return context.wrap_socket(connection, server_side=True)


async def test_an_early_answer_without_length_is_whole_when_its_end_came_before_the_reset():
    """R-11 and R-5 together: the end came, then the reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with upstream() as made:
            exchange = await made.open(to(listener.getsockname()[1], "POST", 10**6))
            await exchange.send(b"x" * 1000, WAIT_S)
            await asyncio.sleep(0.01)
            provider, _ = listener.accept()
            provider.sendall(b"HTTP/1.1 413 Too Large\r\n\r\nno")
            provider.shutdown(socket.SHUT_WR)
            provider.recv(10)
            provider.close()  # with some of the body unread
            await exchange.send(b"x" * 1000, WAIT_S)
            assert (await exchange.head(WAIT_S)).status == 413
            assert await exchange.receive(WAIT_S) == b"no"
            assert await exchange.receive(WAIT_S) == b""
            exchange.release()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_a_connection_that_ends_before_anything_was_sent_on_it_is_replaced_by_another(method, said, tmp_path):
    """R-3, S-39: the provider's last word of the handshake and its end come in one piece. Nothing was sent before."""
    serving, trusting, _ = authority(tmp_path)
    serving.maximum_version = ssl.TLSVersion.TLSv1_2  # where the last word is the provider's
    asked_on: list[int] = []

    def provide(listener: socket.socket) -> None:
        for number in (0, 1):
            with listener.accept()[0] as connection:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = serving.wrap_bio(incoming, outgoing, server_side=True)
                while True:
                    incoming.write(connection.recv(65536))
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        connection.sendall(outgoing.read())
                if number:
                    connection.sendall(outgoing.read())
                    while True:
                        incoming.write(connection.recv(65536))
                        with suppress(ssl.SSLWantReadError):
                            asked_on.append(len(tls.read(65536)))
                            break
                    tls.write(response(b"{}"))
                elif said:
                    tls.write(said)
                else:
                    with suppress(ssl.SSLError):
                        tls.unwrap()
                connection.sendall(outgoing.read())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)
        providing = asyncio.create_task(asyncio.to_thread(provide, listener))
        async with upstream(trusting) as made:
            assert await answer(made, to(listener.getsockname()[1], method, scheme="https")) == (200, b"{}")
        await providing
    assert len(asked_on) == 1


async def test_a_provider_that_ends_every_connection_at_once_is_a_502():
    """ERR-3: never a 400, which would blame the client."""

    async def script(reader, writer) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(script, "127.0.0.1", 0)
    async with server, gateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as running:
        for _ in range(20):
            reply = await asked(running, request())
            assert reply.status in (400, 502)
            if reply.status == 502:
                assert reply.reason in ("UPSTREAM_BROKE", "UNREACHABLE")
            else:
                assert reply.value(b"x-understudy-error") is None, "the provider's words, not ours"
