"""What clients do wrong, R-17 to R-21 and R-23: what the provider sees, and what the books say. R-22 is in `many`."""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from gateway_process import ask, process
from gateway_stand import GENERATE, asked, client, gateway, recorded, request
from live_doubles import Peer, RawServer, close, frame
from reliability_rig import (
    ANSWER,
    BREAKS,
    SSE_HEAD,
    STREAM,
    chunk,
    event,
    healthy,
    session,
    soon,
    takes_session,
    until,
    usage_frame,
)
from upstream_double import Seen, Talk, double

both_ends = pytest.mark.parametrize("how", ["end", "reset"])
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MIB = 2**20


# --- leaves ----------------------------------------------------------------------------------------------


@both_ends
@pytest.mark.parametrize("framing", ["sized", "chunked"])
async def test_r17_who_leaves_in_an_upload_never_makes_a_whole_request_and_owes_nothing(how, framing):
    got = bytearray()

    async def script(talk: Talk, seen: Seen) -> None:
        with suppress(ConnectionError):
            while data := await talk.reader.read(65536):
                got.extend(data)

    if framing == "sized":
        data = request(body=None, headers={"Content-Length": "1000"}) + b"x" * 500
    else:
        data = request(body=None, headers={"Transfer-Encoding": "chunked"}) + chunk(b"x" * 500)
    async with double(script, reads_body=False) as up, gateway(up.url) as running, client(running) as talk, soon():
        await talk.send(data)
        await until(lambda: b"x" * 500 in got)
        BREAKS[how](talk)  # pyright: ignore[reportArgumentType] - a client has the same two ends
        await up.gone.wait()
        (record,) = await recorded(running)
        assert b"0\r\n\r\n" not in got
        assert len(got) < 600
        assert (record.outcome, record.status, record.known, record.cost) == ("client_abort", 499, "exact", 0)
        up.reads_body = True
        await healthy(running, up)


STATES = {
    "nothing answered": b"",
    "the head sent": SSE_HEAD,
    "the stream running": SSE_HEAD + chunk(event(1)),
    "the stream silent": SSE_HEAD + chunk(b": a comment\n\n"),
}


@both_ends
@pytest.mark.parametrize("state", STATES)
async def test_r18_who_leaves_an_answer_ends_the_providers_work(how, state):
    begun, runs = asyncio.Event(), state == "the stream running"

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(STATES[state])
        begun.set()
        if not runs:
            await talk.left()
            return
        with suppress(ConnectionError):
            while not talk.writer.is_closing():
                await talk.send(chunk(event(2)))
                await asyncio.sleep(0.01)

    async with double(script) as up, gateway(up.url) as running, client(running) as talk, soon():
        await talk.send(request(STREAM))
        await begun.wait()
        if STATES[state]:
            await talk.head()
        if b"data:" in STATES[state]:
            await talk.chunk()
        BREAKS[how](talk)  # pyright: ignore[reportArgumentType]
        await up.gone.wait()
        (record,) = await recorded(running)
        assert (record.outcome, record.status) == ("client_abort", 200 if STATES[state] else 499)
        assert (record.known, record.cost is None) == (("estimated", False) if runs else ("unknown", True))
        await healthy(running, up)


# --- half-close ------------------------------------------------------------------------------------------------


async def test_r19_a_half_close_counts_as_leaving_and_that_is_documented():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.left()

    async with double(script) as up, gateway(up.url) as running, client(running) as talk, soon():
        await talk.send(request())
        await until(lambda: up.requests)
        talk.writer.write_eof()
        await up.gone.wait()
        (record,) = await recorded(running)
        assert (record.outcome, record.known) == ("client_abort", "unknown")
        await healthy(running, up)
    page = (Path(__file__).parents[2] / "docs/how-to/run-the-gateway.md").read_text("utf-8")
    assert "closes only its sending half" in page


# --- does not read ---------------------------------------------------------------------------------------------


async def pushed(talk: Talk, piece: bytes, most: int, sent: list[int]) -> None:
    """Send until the gateway takes no more, or all is sent."""
    with suppress(ConnectionError):
        while sum(sent) < most:
            await talk.send(piece)
            sent.append(len(piece))


async def test_r20_a_client_that_does_not_read_stops_the_provider_and_loses_nothing():
    size, piece, sent = 96 * MIB, b"x" * 65536, list[int]()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        await pushed(talk, piece, size, sent)

    async with double(script) as up, gateway(up.url) as running, client(running) as talk, soon(40):
        await talk.send(request())
        last = -1
        while len(sent) != last:
            last = len(sent)
            await asyncio.sleep(0.3)
        assert sum(sent) < 40 * MIB
        reply = await talk.reply()
        assert (len(reply.body), reply.is_whole) == (size, True)
        (record,) = await recorded(running)
        assert (record.outcome, record.status) == ("ok", 200)


async def test_r20_a_client_that_reads_nothing_for_too_long_is_given_up_and_owes_what_came():
    sent: list[int] = []

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(SSE_HEAD + chunk(event(1)))
        await pushed(talk, chunk(b": " + b"x" * 65000 + b"\n\n"), 96 * MIB, sent)

    timeouts = {"write_s": 0.3}
    async with double(script) as up, gateway(up.url, timeouts=timeouts) as running, client(running) as talk, soon(40):
        await talk.send(request(STREAM))
        await up.gone.wait()
        assert sum(sent) < 40 * MIB
        (record,) = await recorded(running)
        assert (record.outcome, record.known, str(record.cost)) == ("client_abort", "estimated", "0.0005500")


async def test_r20_a_live_client_that_reads_nothing_stops_the_provider_and_is_given_up():
    timeouts = {"write_s": 3}
    async with RawServer() as up, gateway(f"http://127.0.0.1:{up.port}", timeouts=timeouts) as running, soon(40):
        async with session(running.http_url) as talk:
            provider = await up.accept()
            await takes_session(provider)
            await talk.head()
            message, sent = frame(2, b"x" * 60_000, masked=False), 0
            with suppress(TimeoutError):
                while sent < 96 * MIB:
                    provider.send(message)
                    sent += len(message)
                    async with asyncio.timeout(0.5):
                        await provider.writer.drain()
            assert sent < 40 * MIB
            code, why = await provider.close_frame()
            assert (code, why) == (1001, "the client takes no data")
            await provider.leave()
        (record,) = await recorded(running)
    assert (record.kind, record.outcome) == ("session", "timeout")


# --- a WebSocket vanishes --------------------------------------------------------------------------------------


async def a_session(running, up: RawServer, talk: Peer) -> Peer:
    """The provider of a session that has set up and used something."""
    provider = await up.accept()
    await takes_session(provider)
    await talk.head()
    talk.send(frame(1, b'{"setup":{"model":"models/gemini-2.5-flash"}}', masked=True))
    await provider.frame()
    provider.send(usage_frame(10, 4))
    await talk.frame()
    return provider


@both_ends
async def test_r21_a_live_client_that_vanishes_closes_the_provider_with_1001(how):
    async with RawServer() as up, gateway(f"http://127.0.0.1:{up.port}") as running, soon():
        async with session(running.http_url) as talk:
            provider = await a_session(running, up, talk)
            BREAKS[how](talk)  # pyright: ignore[reportArgumentType]
            code, why = await provider.close_frame()
            assert (code, why) == (1001, "the client's connection was lost")
            provider.send(close(1001, masked=False))
            await provider.rest()
        (record,) = await recorded(running)
        assert (record.outcome, record.status, record.known) == ("client_abort", 101, "estimated")
        assert str(record.cost) == "0.0000130"


def keep_alive_s(local: int, remote: int) -> float | None:
    """When the kernel will probe an idle connection, in seconds; None while another timer of it runs."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        ports = [int(part.rpartition(":")[2], 16) for part in fields[1:3]]
        if ports == [local, remote]:
            kind, ticks = fields[5].split(":")
            return int(ticks, 16) / 100 if kind == "02" else None
    raise AssertionError("no such connection")


@linux
async def test_r21_a_loss_that_nobody_is_told_of_is_found_by_keep_alive_on_both_legs():
    async with (
        RawServer() as up,
        gateway(f"http://127.0.0.1:{up.port}") as running,
        session(running.http_url) as talk,
        soon(20),
    ):
        provider = await a_session(running, up, talk)
        gateways = int(running.http_url.rpartition(":")[2])
        clients = talk.writer.get_extra_info("sockname")[1]
        leg = provider.writer.get_extra_info("peername")[1]
        for ends in ((gateways, clients), (leg, up.port)):
            await until(lambda ends=ends: keep_alive_s(*ends) is not None)
            assert (keep_alive_s(*ends) or 0) <= 30  # three probes of ten seconds each come on top
        provider.send(close(1000, masked=False))
        await talk.frame()
        talk.send(close(1000, masked=True))
        await talk.rest()


# --- all come back at once -------------------------------------------------------------------------------------


async def test_r23_when_all_reconnect_after_a_restart_each_is_answered(tmp_path):
    async def answers(talk: Talk, seen: Seen) -> None:
        await talk.send(ANSWER)

    async with double(answers) as up:
        async with process(tmp_path, up.url) as running, AsyncExitStack() as idle:
            port = running.http.rpartition(":")[2]
            for _ in range(100):
                _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                idle.callback(writer.close)
            await running.killed()
        async with process(tmp_path, up.url, "--port", port) as running:

            async def comes_back(number: int) -> int:
                try:
                    reply = await ask(running.http, request(GENERATE, headers={"x-litellm-call-id": f"storm-{number}"}))
                except ConnectionError:
                    return 0
                assert reply.status in (200, 503)
                return reply.status

            statuses = await asyncio.gather(*(comes_back(number) for number in range(500)))
            assert statuses.count(200) > 400
            assert (await ask(running.http, request())).status == 200
            assert await running.ended() == 0
    assert "Traceback" not in running.said


async def test_r18_a_crowd_that_leaves_takes_nothing_from_the_others():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(SSE_HEAD + chunk(event(1)))
        await talk.left()

    async with double(script) as up, gateway(up.url) as running, soon(30):
        async with AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(client(running)) for _ in range(50)]
            for number, talk in enumerate(crowd):
                await talk.send(request(STREAM))
                await talk.head()
                if number % 2:
                    BREAKS["reset"](talk)  # pyright: ignore[reportArgumentType]
            records = await recorded(running, 25)
            assert {record.outcome for record in records} == {"client_abort"}
            await healthy(running, up)
            assert len([one for one in records if one.status == 200]) == 25
        await recorded(running, 52)
        assert (await asked(running, request())).status == 200
