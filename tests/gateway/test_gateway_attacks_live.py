"""Live handshakes and frames attacked on a running gateway (S-57 to S-60).

Pages of browsers (S-58) are in test_gateway_pages.py, frames against the rules in test_gateway_rfc6455.py.
"""

import asyncio

import pytest
from attack_stand import LIVE, WAIT_S, field
from gateway_stand import KEY, UPSTREAM_KEY, gateway
from live_doubles import RawServer, connect, handshake, switching, value_of

KEY_FIELD = b"x-goog-api-key: " + KEY.encode()
CARRIED = b"openai-insecure-api-key." + KEY.encode()

UNAUTHORISED = {
    "no key": (LIVE.encode(), ()),
    "a wrong key": (LIVE.encode(), (b"x-goog-api-key: sk-wrong-0123456789",)),
    "a cookie": (LIVE.encode(), (b"Cookie: x-goog-api-key=" + KEY.encode() + b"; key=" + KEY.encode(),)),
    "a wrong key in the subprotocols": (
        LIVE.encode(),
        (b"Sec-WebSocket-Protocol: openai-insecure-api-key.sk-wrong-0123456789",),
    ),
    "the key as a fragment": (LIVE.encode() + b"?#key=" + KEY.encode(), ()),
    "the key twice in the query": (LIVE.encode() + b"?key=" + KEY.encode() + b"&key=sk-x-0123456789abcd", ()),
    "the key in another subprotocol": (LIVE.encode(), (b"Sec-WebSocket-Protocol: bearer." + KEY.encode(),)),
    "a short route": (b"/vertex_ai/live?project_id=p", ()),
}


@pytest.mark.parametrize(("target", "fields"), UNAUTHORISED.values(), ids=UNAUTHORISED)
async def test_nobody_is_dialled_before_the_key_is_known(target, fields):
    """S-57, S-58: an HTTP answer, no 101, no connection upstream; frames sent ahead are never a session's."""
    async with field() as attack:
        answers = await attack.hit(handshake(target, *fields) + b"\x81\x85maskhello")
        assert answers.statuses[0] in (400, 401)
        assert 101 not in answers.statuses
        assert attack.up.connections == 0


@pytest.mark.parametrize(
    ("offered", "chosen", "given"),
    [
        (b"%b", None, None),
        (b"%b, chat", None, b"chat"),
        (b"chat, %b", b"chat", b"chat"),
        (b"a, b, %b", b"b", b"b"),
    ],
)
async def test_the_key_subprotocol_goes_neither_up_nor_back(offered, chosen, given):
    """S-59, WS-3, AUTH-5."""
    async with RawServer() as provider, gateway(f"http://127.0.0.1:{provider.port}") as running:
        client = await connect(int(running.http_url.rpartition(":")[2]))
        client.send(handshake(LIVE.encode(), b"Sec-WebSocket-Protocol: " + offered % CARRIED))
        peer = await asyncio.wait_for(provider.accept(), WAIT_S)
        head = await peer.head()
        assert KEY.encode() not in head
        assert b"insecure" not in head
        peer.send(switching(head, *([b"Sec-WebSocket-Protocol: " + chosen] if chosen else [])))
        answer = await client.head()
        assert value_of(answer, b"sec-websocket-protocol") == given
        assert KEY.encode() not in answer
        await client.leave()
        await provider.let_go()


async def test_a_provider_that_chooses_the_key_subprotocol_is_none():
    """S-59, S-60: it was not offered."""
    async with RawServer() as provider, gateway(f"http://127.0.0.1:{provider.port}") as running:
        client = await connect(int(running.http_url.rpartition(":")[2]))
        client.send(handshake(LIVE.encode(), b"Sec-WebSocket-Protocol: chat, " + CARRIED))
        peer = await asyncio.wait_for(provider.accept(), WAIT_S)
        peer.send(switching(await peer.head(), b"Sec-WebSocket-Protocol: " + CARRIED))
        answer = await client.head()
        assert b" 502 " in answer
        assert KEY.encode() not in answer
        await client.leave()


async def test_the_gateways_own_frames_upstream_are_masked_with_fresh_bytes():
    """S-60: close frames of two sessions have two masks, and the handshakes two nonces."""
    masks, nonces = set(), set()
    async with RawServer() as provider, gateway(f"http://127.0.0.1:{provider.port}") as running:
        for _ in range(4):
            client = await connect(int(running.http_url.rpartition(":")[2]))
            client.send(handshake(LIVE.encode(), KEY_FIELD))
            peer = await asyncio.wait_for(provider.accept(), WAIT_S)
            head = await peer.head()
            nonces.add(value_of(head, b"sec-websocket-key"))
            peer.send(switching(head))
            await client.head()
            client.send(b"\x81\x05hello")  # unmasked
            assert (await asyncio.wait_for(client.close_frame(), WAIT_S))[0] == 1002
            first, second = await asyncio.wait_for(peer.exactly(2), WAIT_S)
            assert (first, second & 0x80) == (0x88, 0x80)
            mask = await peer.exactly(4)
            code = bytes(byte ^ key for byte, key in zip(await peer.exactly(2), mask, strict=False))
            assert code == (1002).to_bytes(2)
            masks.add(mask)
            await client.leave()
    assert len(masks) == len(nonces) == 4


@pytest.mark.parametrize(
    "fields",
    [
        (b"Sec-WebSocket-Key: x",),
        (b"Content-Length: 5",),
        (b"Transfer-Encoding: chunked",),
        (b"Sec-WebSocket-Version: 12",),
    ],
)
async def test_a_handshake_that_is_none_dials_nobody(fields):
    """S-40, S-57: two nonces, a body, two versions."""
    async with field() as attack:
        answers = await attack.hit(handshake(LIVE.encode(), KEY_FIELD, *fields) + b"hello")
        assert answers.statuses[0] in (400, 426)
        assert attack.up.connections == 0


async def test_only_the_dialled_host_sees_a_session_and_it_sees_no_gateway_key():
    """S-57, S-4, AUTH-5, WS-16."""
    async with RawServer() as provider, RawServer() as canary:
        async with gateway(f"http://127.0.0.1:{provider.port}") as running:
            address = b"127.0.0.1:%d" % canary.port
            client = await connect(int(running.http_url.rpartition(":")[2]))
            target = LIVE.encode() + b"?host=%b&upstream=ws://%b/" % (address, address)
            more = (b"Forwarded: host=" + address, b"X-Forwarded-Host: " + address, b"Sec-WebSocket-Origin: " + address)
            client.send(handshake(target, KEY_FIELD, *more))
            peer = await asyncio.wait_for(provider.accept(), WAIT_S)
            head = await peer.head()
            peer.send(switching(head))
            await client.head()
            assert KEY.encode() not in head
            assert head.count(UPSTREAM_KEY.encode()) == 1
            assert value_of(head, b"host") == b"127.0.0.1:%d" % provider.port
            assert b"sec-websocket-origin" not in head.lower()
            await client.leave()
        assert canary._all == []
