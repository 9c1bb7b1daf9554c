"""The setup of a Live session is held until it was judged: raw sockets at both ends (S-61, WS-6, AUTH-10, S-53)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from gateway_stand import KEY, UPSTREAM_KEY, Gateway, gateway, recorded
from live_doubles import Peer, RawServer, close, connect, frame, handshake, switching, value_of

from understudy_gateway.config import parse_config
from understudy_gateway.holding import TOO_LATE
from understudy_gateway.settings import GatewayConfig
from understudy_gateway.setup_message import REFUSED, UNREADABLE

TEXT, BINARY, PING, PONG, CONTINUATION = 1, 2, 9, 10, 0
GEMINI = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/vertex_ai/live"
GOOD = b'{ "setup" : {"model":"models/live-2.5" } }'
BAD = b'{"setup":{"model":"models/live-pro"}}'
FAST = {"model_name": "fast", "litellm_params": {"model": "gemini/live-2.5"}}
ON_VERTEX = {"model_name": "fast", "litellm_params": {"model": "vertex_ai/live-2.5"}}
LIMIT_S = 20


def config(port: int, *, models=("live-2.5",), entries=(), **ours: object) -> GatewayConfig:
    base = f"http://127.0.0.1:{port}"
    environ = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": base, "VERTEXAI_API_BASE": base}
    environ |= {"VERTEX_API_KEY": UPSTREAM_KEY, "DEFAULT_VERTEXAI_PROJECT": "proj"}
    keys = [{"id": "team", "key": KEY, "models": list(models)}]
    return parse_config({"model_list": list(entries), "understudy_settings": {"keys": keys, **ours}}, environ)


@asynccontextmanager
async def session(target: str = GEMINI, *fields: bytes, **settings) -> AsyncIterator[tuple[Peer, Peer, Gateway, bytes]]:
    """A session whose both ends the test holds; the last is the head that came to the provider."""
    async with (
        asyncio.timeout(LIMIT_S),
        RawServer() as upstream,
        gateway("", config=config(upstream.port, **settings)) as running,
    ):
        client = await connect(int(running.http_url.rpartition(":")[2]))
        try:
            client.send(handshake(target.encode(), b"x-goog-api-key: " + KEY.encode(), *fields))
            provider = await upstream.accept()
            head = await provider.head()
            provider.send(switching(head))
            assert (await client.head()).startswith(b"HTTP/1.1 101 ")
            yield client, provider, running, head
        finally:
            await client.leave()
            await upstream.let_go()  # else the gateway waits a second for its answer to the close


async def ended(client: Peer, provider: Peer, reason: str, code: int = 1008) -> None:
    """Both sides got the close frame, and the provider nothing before it."""
    assert await client.close_frame() == (code, reason)
    assert await provider.close_frame() == (code, reason)
    client.send(close(code, masked=True))
    provider.send(close(code, masked=False))
    assert (await provider.rest(), await client.rest()) == (b"", b"")


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_a_model_on_the_list_passes_byte_for_byte(opcode):
    first, later = frame(opcode, GOOD, masked=True), frame(TEXT, b"later", masked=True)
    async with session() as (client, provider, running, _):
        client.send(first + later)
        assert await provider.exactly(len(first + later)) == first + later
        client.send(later)
        assert await provider.exactly(len(later)) == later
        provider.send(frame(BINARY, b"{}", masked=False))
        assert await client.frame() == (BINARY, b"{}")
        client.send(close(1000, masked=True))
        assert await provider.close_frame() == (1000, "")
        provider.send(close(1000, masked=False))
        (record,) = await recorded(running)
    assert (record.model, record.outcome) == ("live-2.5", "ok")


@pytest.mark.parametrize(
    "message", [BAD, b'{"setup":{"model":"live-2.5","model":"live-pro"}}', b'{"clientContent":{}}']
)
async def test_a_refused_setup_closes_both_and_nothing_of_it_went_on(message):
    reason = REFUSED if message is BAD else UNREADABLE
    async with session() as (client, provider, running, _):
        client.send(frame(TEXT, message, masked=True) + frame(TEXT, GOOD, masked=True))
        await ended(client, provider, reason)
        (record,) = await recorded(running)
    assert (record.outcome, record.cost, record.known, record.status) == ("rejected", 0, "exact", 101)
    assert (record.usage, record.reason) == (None, reason)  # there was no session at the provider's


async def test_nothing_goes_on_before_the_last_byte_of_the_setup():
    whole = frame(TEXT, GOOD, masked=True)
    async with session() as (client, provider, _, _):
        for byte in whole[:-1]:
            client.send(bytes((byte,)))
            await asyncio.sleep(0)
        provider.send(frame(TEXT, b"hello", masked=False))  # the other direction is not held
        assert await client.frame() == (TEXT, b"hello")
        assert provider.reader._buffer == b""  # type: ignore[attr-defined]
        client.send(whole[-1:])
        assert await provider.exactly(len(whole)) == whole


async def test_a_setup_in_fragments_with_pings_between_passes_as_it_came():
    pieces = [
        frame(PING, b"a", masked=True),
        frame(TEXT, GOOD[:7], masked=True, fin=False),
        frame(PING, b"b", masked=True),
        frame(CONTINUATION, b"", masked=True, fin=False),
        frame(CONTINUATION, GOOD[7:], masked=True),
        frame(PONG, b"c", masked=True),
    ]
    async with session() as (client, provider, _, _):
        for piece in pieces:
            client.send(piece)
            await asyncio.sleep(0.001)
        assert await provider.exactly(len(b"".join(pieces))) == b"".join(pieces)


async def test_a_client_that_closes_before_its_setup_is_told_to_the_provider():
    async with session() as (client, provider, _, _):
        client.send(frame(TEXT, GOOD[:7], masked=True, fin=False) + close(3001, b"bye", masked=True))
        assert await provider.close_frame() == (3001, "bye")  # and no piece of the setup
        provider.send(close(3001, masked=False))
        assert await client.close_frame() == (3001, "")
        assert await provider.rest() == b""


async def test_a_provider_that_closes_during_the_setup_is_told_to_the_client():
    async with session() as (client, provider, _, _):
        client.send(frame(TEXT, GOOD, masked=True)[:9])
        provider.send(close(1013, b"busy", masked=False))
        assert await client.close_frame() == (1013, "busy")
        client.send(frame(TEXT, GOOD, masked=True)[9:] + close(1013, masked=True))
        assert (await provider.rest())[:1] in (b"", b"\x88", b"\x81")  # whatever came later is no concern of its


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, GOOD, masked=False), 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (frame(CONTINUATION, b"x", masked=True), 1002),
        (b"\x81\xff" + (17 * 1024 * 1024).to_bytes(8) + b"\0\0\0\0", 1009),
    ],
    ids=["unmasked", "reserved bit", "continuation", "too big"],
)
async def test_frames_that_may_not_pass_end_the_session_during_the_setup_too(data, code):
    async with session() as (client, provider, _, _):
        client.send(frame(PING, b"x", masked=True) + data)
        assert (await client.close_frame())[0] == code
        assert (await provider.close_frame())[0] == code


async def test_what_is_held_is_bounded():
    # S-56: control frames are held too
    async with session(limits={"message_bytes": 1000}) as (client, provider, _, _):
        for _ in range(600):
            client.send(frame(PING, b"x" * 125, masked=True))
        assert (await client.close_frame())[0] == 1009
        assert (await provider.close_frame())[0] == 1009


@pytest.mark.parametrize("started", [False, True])
async def test_a_setup_that_does_not_come_in_time_ends_the_session(started):
    # S-53
    async with session(timeouts={"setup_s": 0.05}) as (client, provider, _, _):
        client.send(frame(TEXT, GOOD, masked=True)[:9] if started else b"")
        await ended(client, provider, TOO_LATE)


async def test_an_alias_alone_sets_no_limit_of_time():
    asked = b'{"setup":{"model":"fast"}}'
    async with session(models=(), entries=[FAST], timeouts={"setup_s": 0.01}) as (client, provider, _, _):
        client.send(frame(TEXT, asked, masked=True)[:9])
        await asyncio.sleep(0.1)
        provider.send(frame(TEXT, b"still there", masked=False))
        assert await client.frame() == (TEXT, b"still there")


async def test_the_client_that_vanishes_during_the_setup_is_a_client_lost():
    async with session() as (client, provider, running, _):
        client.send(frame(TEXT, GOOD, masked=True)[:9])
        client.reset()
        assert (await provider.close_frame())[0] == 1001
        (record,) = await recorded(running)
    assert record.outcome == "client_abort"


async def test_the_drain_ends_a_session_whose_setup_is_held():
    async with session() as (client, provider, running, _):
        client.send(frame(TEXT, GOOD, masked=True)[:9])
        await asyncio.sleep(0.01)
        ending = asyncio.create_task(running._sessions.close_all())
        assert (await client.close_frame())[0] == 1001
        assert (await provider.close_frame())[0] == 1001
        client.send(frame(TEXT, GOOD, masked=True)[9:])
        await ending
        assert await provider.rest() == b""


# --- aliases ---------------------------------------------------------------------------------------------------------


async def test_the_alias_goes_out_as_one_frame_of_the_gateways_own():
    asked = b'{ "setup" : {"a":"\\u00e9 1.0","model" :"models/fast" } }'
    real = asked.replace(b"fast", b"live-2.5")
    async with session(models=(), entries=[FAST]) as (client, provider, running, _):
        for piece in (
            frame(BINARY, asked[:9], masked=True, fin=False),
            frame(PING, b"p", masked=True),
            frame(CONTINUATION, asked[9:], masked=True) + frame(TEXT, b'{"models/fast":1}', masked=True),
        ):
            client.send(piece)
            await asyncio.sleep(0.001)
        assert await provider.frame() == (PING, b"p")
        first, second = await provider.exactly(2)
        assert (first, second) == (0x80 | BINARY, 0x80 | len(real))  # whole, masked (S-60), its opcode kept (WS-5)
        mask, payload = await provider.exactly(4), await provider.exactly(len(real))
        assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) == real
        assert await provider.frame() == (TEXT, b'{"models/fast":1}')
        provider.send(frame(TEXT, b'{"usageMetadata":{"promptTokenCount":1}}', masked=False))
        await client.frame()
        client.send(close(1000, masked=True))
        provider.send(close(1000, masked=False))
        (record,) = await recorded(running)
    assert record.model == "live-2.5"  # COST-4: by the real model


@pytest.mark.parametrize("size", [100, 200, 70_000])
async def test_a_changed_setup_of_any_size_is_framed_right(size):
    asked = json.dumps({"setup": {"model": "fast", "text": "x" * size}}).encode()
    async with session(models=(), entries=[FAST]) as (client, provider, _, _):
        client.send(frame(TEXT, asked, masked=True))
        assert await provider.frame() == (TEXT, asked.replace(b"fast", b"live-2.5"))


async def test_on_vertex_the_alias_becomes_a_full_name():
    asked = b'{"setup":{"model":"fast"}}'
    whole = b"projects/proj/locations/us-central1/publishers/google/models/live-2.5"
    async with session(VERTEX, models=(), entries=[ON_VERTEX]) as (client, provider, _, _):
        client.send(frame(TEXT, asked, masked=True))
        assert await provider.frame() == (TEXT, asked.replace(b"fast", whole))


async def test_short_names_are_completed_where_that_is_asked_for():
    asked = b'{"setup":{"model":"other"}}'
    whole = b"projects/q/locations/europe-west4/publishers/google/models/other"
    target = VERTEX + "?vertex_project=q&vertex_location=europe-west4"
    async with session(target, models=(), complete_live_models=True) as (client, provider, _, _):
        client.send(frame(TEXT, asked, masked=True))
        assert await provider.frame() == (TEXT, asked.replace(b"other", whole))


async def test_compression_is_not_offered_where_the_setup_may_change():
    offer = b"Sec-WebSocket-Extensions: permessage-deflate"
    async with session(GEMINI, offer, models=(), entries=[FAST]) as (_, _, _, head):
        assert value_of(head, b"sec-websocket-extensions") is None


@pytest.mark.parametrize("models", [(), ("gemini/*",), ("*",)])
async def test_without_a_rule_nothing_is_held(models):
    async with session(models=models) as (client, provider, _, _):
        start = frame(TEXT, BAD, masked=True)[:9]
        client.send(start)
        assert await provider.exactly(9) == start  # not whole, and there already
