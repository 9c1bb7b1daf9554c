"""The Live relay over real sockets: `websockets` and raw bytes at both ends."""

import asyncio
import contextlib
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

import pytest
import trustme
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from live_doubles import (
    ACCEPT,
    Gateway,
    Peer,
    RawServer,
    Recorder,
    close,
    connect,
    coupled,
    dial_to,
    frame,
    handshake,
    switching,
    value_of,
)
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from understudy_gateway.splice import LiveLimits, LiveOutcome, Splice

CODES = [*range(1000, 1004), *range(1007, 1015), 3000, 4000, 4999]
QUICK = LiveLimits(close_s=0.05, flush_s=0.05)
PATIENT = LiveLimits(close_s=3600, flush_s=3600)
"""With these a session must end by what the two sides do; a test that waits for the clock hangs."""
MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def held(limits: LiveLimits = PATIENT, meter=None) -> AsyncIterator[tuple[Peer, Peer, Gateway]]:
    """A session whose both ends are raw; afterwards aiohttp must know of no connection."""
    async with RawServer() as upstream, Gateway(upstream.dial(), limits, meter) as gateway:
        client, provider = await coupled(gateway, upstream)
        try:
            yield client, provider, gateway
            await gateway.drained()
        finally:
            await client.leave()


@contextlib.asynccontextmanager
async def two_connections() -> AsyncIterator[tuple[Peer, Peer, asyncio.Transport, asyncio.Transport]]:
    """Client and provider without handshakes, and the near ends of both, for a splice that the test makes itself."""
    async with RawServer() as clients, RawServer() as providers:
        loop = asyncio.get_running_loop()
        to_client, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", clients.port)
        to_provider, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", providers.port)
        yield await clients.accept(), await providers.accept(), to_client, to_provider


async def finish(client: Peer, provider: Peer) -> None:
    """A clean end, to leave a session with."""
    client.send(close(1000, masked=True))
    provider.send(close(1000, masked=False))
    await provider.rest()
    await client.rest()


Runner = Callable[[Awaitable], None]


def runner(run: Callable[[Coroutine], None]) -> Runner:
    async def in_time(test: Awaitable) -> None:
        async with asyncio.timeout(60 * float(os.environ.get("UNDERSTUDY_TEST_UNIT", "1"))):
            await test

    return lambda test: run(in_time(test))


LOOPS = pytest.mark.parametrize("run", [runner(asyncio.run), runner(uvloop.run)], ids=["asyncio", "uvloop"])


# what passes


MESSAGES = [
    "text",
    "",
    b"",
    b'{"serverContent":{}}',
    '{"a": "\\u00e9\\/", "n": 1.0e-5, "a": 2}',
    b"\xff" * 300,
    "not json \N{PILE OF POO}",
    b"x" * 125,
    b"x" * 126,
    "y" * 65_535,
    b"y" * 65_536,
    random.Random(1).randbytes(5 * MIB),
    ["frag", "", "mented"],
    [b"frag", b"mented", b""],
]


@contextlib.asynccontextmanager
async def echoing(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list]]:
    """A `websockets` server that sends back what it gets, fragmented if it was; and all that it got."""
    got: list = []

    async def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                fragments = [piece async for piece in connection.recv_streaming()]
                got.append(joined(fragments))
                await connection.send(fragments if len(fragments) > 1 else fragments[0])

    async with serve(echo, "127.0.0.1", 0, max_size=None, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1], got


def joined(message):
    """A message in one piece; `websockets` ends one that it sends in fragments with an empty one."""
    return message[0][:0].join(message) if isinstance(message, list) else message


async def echo_all(client: ClientConnection) -> None:
    for message in MESSAGES:
        await client.send(message)
        pieces = [piece async for piece in client.recv_streaming()]
        assert joined(pieces) == joined(message)
        assert (len(pieces) > 1) == isinstance(message, list)


@LOOPS
def test_every_message_comes_out_as_it_went_in_both_ways(run: Runner):
    async def scenario() -> None:
        async with echoing() as (port, got), Gateway(dial_to(port)) as gateway:
            async with ws_connect(f"ws://127.0.0.1:{gateway.port}/live", max_size=None) as client:
                await echo_all(client)
            assert got == [joined(message) for message in MESSAGES]
            assert await gateway.outcomes.get() == LiveOutcome(101, "client", 1000, "", "ok", unread=2)
            await gateway.drained()

    run(scenario())


AUTHORITY = trustme.CA()


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@LOOPS
def test_every_message_comes_out_as_it_went_in_over_tls_on_both_legs(run: Runner):
    async def scenario() -> None:
        tls = client_tls()
        async with echoing(server_tls()) as (port, got):
            dial = dial_to(port, scheme="wss", ssl=tls)
            async with Gateway(dial, tls=server_tls()) as gateway:
                async with ws_connect(f"wss://127.0.0.1:{gateway.port}/", max_size=None, ssl=tls) as client:
                    await echo_all(client)
                assert len(got) == len(MESSAGES)
                assert (await gateway.outcomes.get()).outcome == "ok"
                await gateway.drained()

    run(scenario())


def wire_of(masked: bool) -> bytes:
    """Many legal frames: pings and pongs between fragments, empty ones, all length forms."""
    pieces = [
        *(frame(1, b"text", masked=masked), frame(2, b"", masked=masked), frame(9, b"ping", masked=masked)),
        *(frame(2, b"a", masked=masked, fin=False), frame(10, b"", masked=masked), frame(0, b"", masked=masked)),
        *(frame(1, b"\xff\xfe", masked=masked), frame(2, bytes(126), masked=masked)),
        *(frame(2, bytes(70_000), masked=masked), frame(9, bytes(125), masked=masked)),
    ]
    return b"".join(pieces)


async def test_wire_bytes_are_identical_and_in_order_both_ways():
    async with held() as (client, provider, _):
        sent, answered = wire_of(True) * 5, wire_of(False) * 5
        client.send(sent)
        provider.send(answered)
        assert await provider.exactly(len(sent)) == sent
        assert await client.exactly(len(answered)) == answered
        await finish(client, provider)


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 9, 10]), st.binary(max_size=120)), max_size=8),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.booleans(),
)
def test_any_frames_in_any_pieces_arrive_unchanged(frames, sizes, upwards):
    async def scenario() -> None:
        async with held() as (client, provider, _):
            source, sink = (client, provider) if upwards else (provider, client)
            sent = b"".join(frame(opcode, payload, masked=upwards) for opcode, payload in frames)
            at = 0
            for size in sizes:
                source.send(sent[at : at + size])
                await asyncio.sleep(0.0005)
                at += size
            source.send(sent[at:])
            assert await sink.exactly(len(sent)) == sent
            await finish(client, provider)

    runner(asyncio.run)(scenario())


async def test_each_byte_of_payload_passes_before_the_next_one_comes():
    async with held() as (client, provider, _):
        sent = frame(2, b"slow", masked=True)
        client.send(sent[:6])
        assert await provider.exactly(6) == sent[:6]
        for at in range(6, len(sent)):
            client.send(sent[at : at + 1])
            assert await provider.exactly(1) == sent[at : at + 1]
        await finish(client, provider)


async def test_bytes_glued_to_both_handshakes_are_forwarded():
    async with RawServer() as upstream, Gateway(upstream.dial()) as gateway:
        client = await connect(gateway.port)
        early, late = frame(1, b"early", masked=True), frame(1, b"late", masked=True)
        client.send(handshake() + early[:3])
        provider = await upstream.accept()
        head = await provider.head()
        client.send(early[3:] + late)  # still before the answer
        await asyncio.sleep(0.01)
        greeting = frame(2, b"greeting", masked=False)
        provider.send(switching(head) + greeting)
        assert await provider.exactly(len(early + late)) == early + late
        await client.head()
        assert await client.exactly(len(greeting)) == greeting
        await finish(client, provider)
        await client.leave()


async def test_a_close_glued_to_the_upstreams_handshake_reaches_the_client():
    async with RawServer() as upstream, Gateway(upstream.dial()) as gateway:
        client = await connect(gateway.port)
        client.send(handshake())
        provider = await upstream.accept()
        provider.send(switching(await provider.head()) + close(1008, b"bad key", masked=False))
        provider.writer.close()
        await client.head()
        assert await client.close_frame() == (1008, "bad key")
        client.send(close(1008, masked=True))
        assert await client.rest() == b""
        assert await gateway.outcomes.get() == LiveOutcome(101, "upstream", 1008, "bad key", "ok")
        await client.leave()


# the handshakes


async def test_the_client_gets_its_accept_value_the_chosen_subprotocol_and_our_fields():
    async with RawServer() as upstream, Gateway(upstream.dial(subprotocols=("a", "b"))) as gateway:
        client = await connect(gateway.port)
        offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        client.send(handshake(b"/x", b"Sec-WebSocket-Protocol: a, b", offer))
        provider = await upstream.accept()
        head = await provider.head()
        assert value_of(head, b"sec-websocket-protocol") == b"a, b"
        assert value_of(head, b"sec-websocket-extensions") is None
        provider.send(switching(head, b"Sec-WebSocket-Protocol: b"))
        answer = await client.head()
        assert value_of(answer, b"sec-websocket-accept") == ACCEPT
        assert value_of(answer, b"sec-websocket-protocol") == b"b"
        assert value_of(answer, b"sec-websocket-extensions") is None
        assert value_of(answer, b"x-understudy-request-id") == b"id-1"
        await finish(client, provider)
        await client.leave()


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        (b"openai-insecure-api-key.sk-1, realtime", b"realtime"),
        (b"openai-insecure-api-key.sk-1", None),
        (b"realtime", None),
    ],
)
async def test_beside_a_key_the_other_subprotocol_is_selected_and_never_the_key(offered, selected):
    names = tuple(offered.decode().split(", "))
    async with RawServer() as upstream, Gateway(upstream.dial(subprotocols=names)) as gateway:
        client = await connect(gateway.port)
        client.send(handshake(b"/x", b"Sec-WebSocket-Protocol: " + offered))
        provider = await upstream.accept()
        head = await provider.head()
        assert b"insecure" not in head
        provider.send(switching(head))
        assert value_of(await client.head(), b"sec-websocket-protocol") == selected
        await finish(client, provider)
        await client.leave()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refusal_of_the_provider_reaches_the_client_as_that_status(status):
    async with RawServer() as upstream, Gateway(upstream.dial()) as gateway:
        task = asyncio.create_task(_status_of(gateway.port))
        provider = await upstream.accept()
        await provider.head()
        provider.send(b"HTTP/1.1 %d No\r\nContent-Length: 4\r\n\r\nbody" % status)
        assert await task == (status, b"body")
        outcome = await gateway.outcomes.get()
        assert (outcome.status, outcome.ended_by, outcome.outcome) == (status, "upstream", "rejected")


async def _status_of(port: int) -> tuple[int, bytes]:
    with pytest.raises(InvalidStatus) as refused:
        async with ws_connect(f"ws://127.0.0.1:{port}/"):
            pass
    return refused.value.response.status_code, bytes(refused.value.response.body or b"")


async def test_a_provider_that_cannot_be_reached_is_502_and_one_that_is_silent_504():
    async with RawServer() as upstream:
        async with Gateway(upstream.dial(answer_timeout_s=0.05)) as gateway:
            assert (await _status_of(gateway.port))[0] == 504
        dial = upstream.dial()
    async with Gateway(dial) as gateway:
        assert (await _status_of(gateway.port))[0] == 502


async def test_a_plain_get_is_told_to_upgrade():
    async with RawServer() as upstream, Gateway(upstream.dial()) as gateway:
        client = await connect(gateway.port)
        client.send(b"GET /live HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 426 ")
        await client.leave()


async def test_a_client_that_leaves_before_it_is_accepted_cancels_the_dial():
    async with RawServer() as upstream, Gateway(upstream.dial()) as gateway:
        client = await connect(gateway.port)
        client.send(handshake())
        provider = await upstream.accept()
        await provider.head()
        await client.leave()
        assert await provider.rest() == b""
        await gateway.drained()


async def test_a_client_that_has_left_when_the_provider_answers_is_not_accepted():
    async with RawServer() as upstream, Gateway(upstream.dial(), handler_cancellation=False) as gateway:
        client = await connect(gateway.port)
        client.send(handshake())
        provider = await upstream.accept()
        head = await provider.head()
        await client.leave()
        await gateway.noticed_a_loss()
        provider.send(switching(head))
        assert await provider.rest() == b""
        outcome = await gateway.outcomes.get()
        assert (outcome.status, outcome.outcome) == (499, "client_abort")
        await gateway.drained()


@LOOPS
@pytest.mark.parametrize("code", [4001, 4002, 1011])
def test_a_failure_of_our_own_is_accepted_and_closed_with_its_code(run: Runner, code):
    async def scenario() -> None:
        async with Gateway(dial_to(1), PATIENT, close_at_once=(code, "why " * 40)) as gateway:
            async with ws_connect(f"ws://127.0.0.1:{gateway.port}/live") as client:
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
            assert closed.value.rcvd.reason == ("why " * 40)[:123]
            assert client.response is not None
            assert client.response.headers["x-understudy-request-id"] == "id-1"
            await gateway.drained()

    run(scenario())


async def test_a_client_that_does_not_answer_our_close_is_left_after_its_time():
    async with RawServer() as upstream, Gateway(upstream.dial(), QUICK, close_at_once=(4001, "x")) as gateway:
        client = await connect(gateway.port)
        client.send(handshake())
        await client.head()
        assert await client.close_frame() == (4001, "x")
        client.send(frame(1, b"no answer", masked=True))
        assert await client.rest() == b""
        await gateway.drained()
        await client.leave()


# how sessions end


@pytest.mark.parametrize("code", [None, *CODES])
async def test_a_clients_close_passes_as_it_came_and_so_does_the_answer(code):
    async with held() as (client, provider, gateway):
        reason = b"" if code is None else "grüße".encode()
        sent, answer = close(code, reason, masked=True), close(code, reason, masked=False)
        client.send(sent)
        assert await provider.exactly(len(sent)) == sent
        provider.send(answer)
        assert await client.rest() == answer
        assert await provider.rest() == b""
        assert await gateway.outcomes.get() == LiveOutcome(101, "client", code, reason.decode(), "ok")


@pytest.mark.parametrize("code", [None, *CODES])
async def test_a_providers_close_passes_as_it_came_and_so_does_the_answer(code):
    async with held() as (client, provider, gateway):
        reason = b"" if code is None else b"Resource has been exhausted (e.g. check quota)."
        sent, answer = close(code, reason, masked=False), close(code, masked=True)
        provider.send(sent)
        assert await client.exactly(len(sent)) == sent
        client.send(answer)
        assert await provider.rest() == answer
        assert await client.rest() == b""
        assert await gateway.outcomes.get() == LiveOutcome(101, "upstream", code, reason.decode(), "ok")


async def test_what_comes_after_a_close_frame_does_not_pass():
    async with held(QUICK) as (client, provider, _):
        sent = close(1000, masked=True)
        client.send(sent + frame(1, b"too late", masked=True))
        assert await provider.rest() == sent


async def test_data_still_passes_to_a_side_that_has_closed():
    async with held() as (client, provider, _):
        client.send(close(1000, masked=True))
        await provider.frame()
        last = frame(1, b"usage", masked=False) + close(1000, masked=False)
        provider.send(last)
        assert await client.rest() == last


async def test_a_close_that_is_not_answered_ends_both_connections_in_time():
    async with held(QUICK) as (client, provider, gateway):
        sent = close(1000, b"bye", masked=True)
        client.send(sent)
        assert await provider.rest() == sent
        assert await client.rest() == b""
        assert (await gateway.outcomes.get()).code == 1000


async def test_a_side_whose_close_the_other_never_answers_gets_its_own_code_back():
    async with held() as (client, provider, gateway):
        client.send(close(3001, b"bye", masked=True))
        await provider.frame()
        provider.reset()
        assert await client.close_frame() == (3001, "")
        assert await client.rest() == b""
        assert await gateway.outcomes.get() == LiveOutcome(101, "client", 3001, "bye", "ok")


async def test_a_client_that_closes_and_ends_its_half_still_gets_the_answer():
    async with held() as (client, provider, _):
        client.send(close(1000, masked=True))
        client.writer.write_eof()
        await provider.frame()
        await asyncio.sleep(0.02)
        answer = frame(1, b"last", masked=False) + close(1000, masked=False)
        provider.send(answer)
        assert await client.rest() == answer


def end_by(peer: Peer, how: str) -> None:
    if how == "reset":
        peer.reset()
    else:
        peer.writer.close()


@LOOPS
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_provider_that_is_lost_becomes_1011_at_the_client(run: Runner, how):
    async def scenario() -> None:
        async with held() as (client, provider, gateway):
            provider.send(frame(1, b"last", masked=False))
            assert await client.frame() == (1, b"last")
            end_by(provider, how)
            assert await client.close_frame() == (1011, "the provider's connection was lost")
            client.send(close(1011, masked=True))
            assert await client.rest() == b""
            why = "the provider's connection was lost"
            assert await gateway.outcomes.get() == LiveOutcome(101, "upstream", 1011, why, "upstream_abort")

    run(scenario())


@LOOPS
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_client_that_is_lost_becomes_1001_at_the_provider(run: Runner, how):
    async def scenario() -> None:
        async with held() as (client, provider, gateway):
            client.send(frame(1, b"last", masked=True))
            assert await provider.frame() == (1, b"last")
            end_by(client, how)
            first, second = await provider.exactly(2)
            assert (first, second & 0x80) == (0x88, 0x80)  # masked, as all that goes upstream
            mask, payload = await provider.exactly(4), await provider.exactly(second & 0x7F)
            plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
            assert plain == b"\x03\xe9the client's connection was lost"
            provider.send(close(1001, masked=False))
            assert await provider.rest() == b""
            why = "the client's connection was lost"
            assert await gateway.outcomes.get() == LiveOutcome(101, "client", 1001, why, "client_abort")

    run(scenario())


async def test_what_comes_for_a_client_that_is_lost_is_dropped_without_a_word(caplog):
    async with held() as (client, provider, gateway):
        client.reset()
        await provider.frame()
        for _ in range(20):
            provider.send(frame(1, b"usage", masked=False))
            await asyncio.sleep(0.001)
        provider.writer.close()
        await gateway.outcomes.get()
        assert gateway.meter.seen == [("server", b"usage")] * 20  # it is paid for all the same
    assert not caplog.records


async def test_a_provider_that_is_lost_before_the_two_are_coupled_is_lost_all_the_same():
    async with two_connections() as (client, provider, to_client, to_provider):
        provider.reset()
        while not to_provider.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        session = Splice(to_client, to_provider, Recorder(), PATIENT)
        session.couple(b"", b"")
        assert (await client.close_frame())[0] == 1011
        client.send(close(1011, masked=True))
        await session.over.wait()
        session.abort()


async def test_a_tls_client_that_does_not_say_goodbye_is_left_after_its_time():
    tls = client_tls()
    async with RawServer() as upstream, Gateway(upstream.dial(), QUICK, tls=server_tls()) as gateway:
        client, provider = await coupled(gateway, upstream, tls=tls)
        client.send(close(1000, masked=True))
        assert await provider.frame() == (8, b"\x03\xe8")
        client.transport.pause_reading()
        provider.send(close(1000, masked=False))
        assert (await gateway.outcomes.get()).code == 1000
        await gateway.drained()
        await client.leave()


async def test_masks_of_our_own_close_frames_differ():
    masks = set()
    for _ in range(3):
        async with held(QUICK) as (client, provider, _gateway):
            await client.leave()
            masks.add((await provider.exactly(6))[2:])
    assert len(masks) == 3


@pytest.mark.parametrize("lost", ["client", "provider"])
async def test_a_loss_inside_a_frame_ends_the_other_side_without_a_close_frame(lost):
    async with held() as (client, provider, gateway):
        source, sink = (client, provider) if lost == "client" else (provider, client)
        half = frame(2, b"half of it", masked=lost == "client")[:-4]
        source.send(half)
        assert await sink.exactly(len(half)) == half
        source.writer.close()
        assert await sink.rest() == b""
        assert (await gateway.outcomes.get()).outcome.endswith("abort")


async def test_a_loss_inside_a_head_is_at_a_boundary():
    async with held(QUICK) as (client, provider, _):
        provider.send(frame(2, bytes(1000), masked=False)[:3])
        provider.writer.close()
        assert (await client.close_frame())[0] == 1011


async def test_what_was_on_its_way_arrives_before_the_end():
    async with held() as (client, provider, _):
        sent = frame(2, bytes(MIB), masked=False)
        provider.send(sent * 3)
        provider.writer.close()
        assert await client.exactly(len(sent) * 3) == sent * 3
        assert (await client.close_frame())[0] == 1011
        client.writer.close()


def raw(first: int, length: int, *, masked: bool) -> bytes:
    bit = 0x80 if masked else 0
    size = bytes((bit | length,)) if length < 126 else bytes((bit | 127,)) + length.to_bytes(8)
    return bytes((first,)) + size + (b"mask" if masked else b"")


VIOLATIONS = {
    "reserved-bit": (0xC1, 3, False, 1002),
    "reserved-opcode": (0x83, 0, False, 1002),
    "wrong-masking": (0x81, 3, True, 1002),
    "fragmented-ping": (0x09, 0, False, 1002),
    "long-ping": (0x89, 130, False, 1002),
    "continuation-of-nothing": (0x80, 3, False, 1002),
    "half-a-code": (0x88, 1, False, 1002),
    "too-big": (0x82, 16 * MIB + 1, False, 1009),
}


@pytest.mark.parametrize("by_client", [True, False], ids=["client", "provider"])
@pytest.mark.parametrize("name", VIOLATIONS)
async def test_a_frame_that_may_not_pass_closes_both_sides(name, by_client):
    first, length, flipped, code = VIOLATIONS[name]
    async with held() as (client, provider, gateway):
        source, sink = (client, provider) if by_client else (provider, client)
        fine = frame(1, b"fine", masked=by_client)
        source.send(fine + raw(first, length, masked=by_client is not flipped) + b"abc" * 10)
        assert await sink.exactly(len(fine)) == fine
        assert (await sink.close_frame())[0] == code
        assert (await source.close_frame())[0] == code
        assert await source.rest() == b""  # nothing more is heard from it, so nothing more is said
        source.writer.close()
        sink.send(close(code, masked=not by_client))
        assert await sink.rest() == b""
        outcome = await gateway.outcomes.get()
        assert (outcome.code, outcome.outcome) == (code, "client_abort" if by_client else "upstream_abort")


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
async def test_a_close_code_that_may_not_be_sent_becomes_1002_on_both_sides(code):
    async with held() as (client, provider, _):
        provider.send(close(code, b"hidden", masked=False))
        assert (await client.close_frame())[0] == 1002
        assert (await provider.close_frame())[0] == 1002
        client.writer.close()
        provider.writer.close()


async def test_a_sender_that_goes_on_after_its_violation_still_gets_the_close_frame():
    async with held() as (client, provider, _):
        client.send(raw(0x82, 17 * MIB, masked=True) + bytes(4 * MIB))
        assert (await client.close_frame())[0] == 1009
        assert (await provider.close_frame())[0] == 1009
        client.writer.close()
        provider.writer.close()


async def test_our_own_close_waits_for_the_end_of_the_frame_that_is_passing():
    async with held() as (client, provider, _):
        passing = frame(2, bytes(2000), masked=False)
        provider.send(passing[:1000])
        await client.exactly(1000)
        client.send(raw(0x83, 0, masked=True))
        assert (await provider.close_frame())[0] == 1002
        provider.send(passing[1000:] + frame(1, b"not any more", masked=False))
        assert await client.exactly(1004) == passing[1000:]
        assert (await client.close_frame())[0] == 1002
        provider.writer.close()
        assert await client.rest() == b""
        client.writer.close()


async def test_if_its_sender_is_lost_before_that_the_connection_ends():
    async with held() as (client, provider, _):
        half = frame(2, bytes(2000), masked=False)[:1000]
        provider.send(half)
        assert await client.exactly(1000) == half
        client.send(raw(0x83, 0, masked=True))
        assert (await provider.close_frame())[0] == 1002
        provider.writer.close()
        assert await client.rest() == b""
        client.writer.close()


async def test_if_the_frame_never_ends_the_connection_does():
    async with held(QUICK) as (client, provider, _):
        provider.send(frame(2, bytes(2000), masked=False)[:1000])
        await client.exactly(1000)
        client.send(raw(0x83, 0, masked=True))
        assert await client.rest() == b""
        await provider.rest()


# limits and backpressure


async def poured(source: Peer, sent: bytes, most: int) -> int:
    """Write `sent` again and again until the other end has taken nothing for a while; how many bytes were taken."""
    source.transport.set_write_buffer_limits(high=0)
    taken = 0
    while taken < most:
        source.send(sent)
        try:
            async with asyncio.timeout(0.4):
                await source.writer.drain()
        except (TimeoutError, ConnectionError):
            return taken + len(sent) - source.transport.get_write_buffer_size()
        taken += len(sent)
    return taken


@LOOPS
@pytest.mark.parametrize("upwards", [True, False])
def test_a_side_that_does_not_read_stops_the_other_and_loses_nothing(run: Runner, upwards):
    async def scenario() -> None:
        async with held() as (client, provider, _):
            source, sink = (client, provider) if upwards else (provider, client)
            sink.transport.pause_reading()
            sent = frame(2, random.Random(2).randbytes(MIB), masked=upwards)
            taken = await poured(source, sent, 80 * MIB)
            assert taken < 40 * MIB  # two hops of kernel buffers, and at most two of ours
            whole = taken + source.transport.get_write_buffer_size()
            sink.transport.resume_reading()
            for _ in range(whole // len(sent)):
                assert await sink.exactly(len(sent)) == sent
            await finish(client, provider)

    run(scenario())


async def test_a_client_that_is_lost_while_it_does_not_read_ends_the_session():
    async with held() as (client, provider, gateway):
        client.transport.pause_reading()
        await poured(provider, frame(2, bytes(MIB), masked=False), 80 * MIB)
        client.reset()
        assert (await provider.close_frame())[0] == 1001
        provider.writer.close()
        assert (await gateway.outcomes.get()).outcome == "client_abort"


async def test_a_client_that_reads_again_in_time_goes_on():
    limits = LiveLimits(stall_s=1.0)
    async with held(limits) as (client, provider, _):
        client.transport.pause_reading()
        sent = frame(2, bytes(MIB), masked=False)
        source = provider.transport
        source.set_write_buffer_limits(high=0)
        provider.send(sent * 32)
        await asyncio.sleep(0.05)
        assert source.get_write_buffer_size() > 0  # the relay is full
        client.transport.resume_reading()
        assert await client.exactly(len(sent) * 32) == sent * 32
        await asyncio.sleep(1.2)
        provider.send(frame(1, b"still here", masked=False))
        assert await client.frame() == (1, b"still here")
        await finish(client, provider)


async def test_a_greeting_that_fills_the_client_is_followed_by_no_more():
    async with two_connections() as (client, provider, to_client, to_provider):
        client.transport.pause_reading()
        to_provider.pause_reading()  # as the dial hands it over
        greeting = frame(2, bytes(16 * MIB), masked=False)
        session = Splice(to_client, to_provider, Recorder(), PATIENT)
        session.couple(b"", greeting)
        assert not to_provider.is_reading()
        client.transport.resume_reading()
        assert await client.exactly(len(greeting)) == greeting
        await finish(client, provider)
        await session.over.wait()
        session.abort()


async def test_a_side_that_takes_nothing_for_too_long_is_left():
    limits = LiveLimits(stall_s=0.1, close_s=0.05, flush_s=0.05)
    async with held(limits) as (client, provider, gateway):
        client.transport.pause_reading()
        told = asyncio.create_task(provider.close_frame())
        await poured(provider, frame(2, bytes(MIB), masked=False), 80 * MIB)
        assert await told == (1001, "the client takes no data")
        outcome = await gateway.outcomes.get()
        assert (outcome.ended_by, outcome.outcome, outcome.reason) == ("gateway", "timeout", "the client takes no data")


async def test_the_size_limit_is_a_setting_and_holds_per_message():
    async with held(LiveLimits(message_bytes=1000, close_s=0.05)) as (client, provider, _):
        fine = frame(2, bytes(1000), masked=False)
        provider.send(fine * 3 + frame(2, bytes(1001), masked=False))
        assert await client.exactly(len(fine) * 3) == fine * 3
        assert (await client.close_frame())[0] == 1009


# the meter


async def test_the_meter_gets_each_message_unmasked_and_in_order():
    recorder = Recorder()
    async with held(meter=recorder) as (client, provider, _):
        client.send(frame(1, b"{setup}", masked=True))
        assert await provider.frame() == (1, b"{setup}")
        provider.send(frame(2, b"{a", masked=False, fin=False) + frame(9, masked=False) + frame(0, b"}", masked=False))
        provider.send(frame(2, b"{b}", masked=False))
        for _ in range(4):
            await client.frame()
        assert recorder.seen == [("client", b"{setup}"), ("server", b"{a}"), ("server", b"{b}")]
        await finish(client, provider)


async def test_a_message_has_been_forwarded_when_the_meter_sees_it():
    seen = []

    class Looking(Recorder):
        def server_message(self, payload: bytes) -> None:
            seen.append(plain.recv(100))  # in the middle of the relay: it must have been written already

    plain = socket.socket()
    plain.settimeout(5)
    async with RawServer() as upstream, Gateway(upstream.dial(), meter=Looking()) as gateway:
        plain.connect(("127.0.0.1", gateway.port))
        plain.sendall(handshake())
        provider = await upstream.accept()
        provider.send(switching(await provider.head()))
        assert (await asyncio.to_thread(plain.recv, 1000)).endswith(b"\r\n\r\n")
        sent = frame(2, b"{}", masked=False)
        provider.send(sent + close(1000, masked=False))
        plain.sendall(close(1000, masked=True))
        await provider.rest()
        plain.close()
        assert seen == [sent + close(1000, masked=False)]


async def test_a_meter_that_fails_does_not_hurt_the_relay(caplog):
    class Failing(Recorder):
        def server_message(self, payload: bytes) -> None:
            super().server_message(payload)
            raise RuntimeError(payload.decode())

    failing = Failing()
    async with held(meter=failing) as (client, provider, gateway):
        for text in (b"secret words", b"more", b"again"):
            provider.send(frame(1, text, masked=False))
            assert await client.frame() == (1, text)
        await finish(client, provider)
        assert (await gateway.outcomes.get()).unread == 3
    assert failing.seen == [("server", b"secret words")]
    assert "RuntimeError" in caplog.text
    assert "secret words" not in caplog.text


async def test_a_message_too_long_to_copy_passes_unread():
    recorder = Recorder()
    async with held(LiveLimits(copy_bytes=10), recorder) as (client, provider, gateway):
        sent = frame(1, bytes(11), masked=True) + frame(1, bytes(10), masked=True)
        client.send(sent)
        assert await provider.exactly(len(sent)) == sent
        await finish(client, provider)
        assert (await gateway.outcomes.get()).unread == 1
    assert recorder.seen == [("client", bytes(10))]


# shutdown, cancellation


async def test_shutdown_closes_every_session_with_1001_on_both_sides():
    async with RawServer() as upstream, Gateway(upstream.dial(), QUICK) as gateway:
        pairs = [await coupled(gateway, upstream) for _ in range(3)]
        assert len(gateway.sessions) == 3
        await gateway.sessions.close_all()
        for client, provider in pairs:
            assert await client.close_frame() == (1001, "the gateway is shutting down")
            assert await provider.close_frame() == (1001, "the gateway is shutting down")
            assert (await gateway.outcomes.get()).ended_by == "gateway"
        await gateway.drained()
        assert len(gateway.sessions) == 0
        for client, _ in pairs:
            await client.leave()


async def test_a_session_that_begins_during_shutdown_is_closed_too():
    async with RawServer() as upstream, Gateway(upstream.dial(), QUICK) as gateway:
        await gateway.sessions.close_all(1001, "later")
        client, provider = await coupled(gateway, upstream)
        assert await client.close_frame() == (1001, "later")
        assert await provider.close_frame() == (1001, "later")
        await client.leave()


@LOOPS
def test_a_relay_that_is_cancelled_leaves_no_connection(run: Runner):
    async def scenario() -> None:
        async with RawServer() as upstream, Gateway(upstream.dial()) as gateway:
            client, provider = await coupled(gateway, upstream)
            await gateway.stop()
            assert await client.rest() == b""
            assert await provider.rest() == b""
            await client.leave()

    run(scenario())


async def test_both_connections_have_keep_alive():
    seen = []

    class Looking(Recorder):
        def client_message(self, payload: bytes) -> None:
            for session in gateway.sessions._running:
                for side in (session.client, session.upstream):
                    found = side.transport.get_extra_info("socket")
                    seen.append(found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    async with held(meter=Looking()) as (client, provider, gateway):
        client.send(frame(1, b"x", masked=True))
        await provider.frame()
        await finish(client, provider)
    assert [bool(value) for value in seen] == [True, True]
