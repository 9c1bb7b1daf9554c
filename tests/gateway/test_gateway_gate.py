"""Guardrails on what Live clients say: a message waits until it was judged, and a forbidden one never passes."""

import asyncio
import json
import os
import zlib
from contextlib import asynccontextmanager

import features_stand
import pytest
from features_stand import featured, guardrail, words
from gateway_stand import KEY, gateway, recorded
from hypothesis import given
from hypothesis import strategies as st
from live_doubles import RawServer, close, connect, frame, handshake, switching

from understudy_gateway.cutting import FrameCutter

LIVE = b"/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
WAIT_S = 10.0
BLOCKED = (1008, "the guardrail no-secrets")


def said(text: str, **more: object) -> bytes:
    return json.dumps({"realtimeInput": {"text": text}, **more}).encode()


@asynccontextmanager
async def guarded(rule, *fields: bytes, answer: tuple[bytes, ...] = ()):
    """A session through a gateway with a guardrail: client, provider, gateway."""
    async with RawServer() as upstream, asyncio.timeout(30):
        config = featured(f"http://127.0.0.1:{upstream.port}", top={"guardrails": [rule]})
        async with gateway("", config=config) as running:
            peer = await connect(int(running.http_url.rpartition(":")[2]))
            peer.send(handshake(LIVE, b"x-goog-api-key: " + KEY.encode(), *fields))
            provider = await upstream.accept()
            provider.send(switching(await provider.head(), *answer))
            await peer.head()
            yield peer, provider, running
            await peer.leave()
            await provider.leave()


async def closed_both(peer, provider, told=BLOCKED) -> None:
    """The next thing that either side hears is the end."""
    for end in (provider, peer):
        assert await asyncio.wait_for(end.close_frame(), WAIT_S) == told


FORMS = {
    "one frame": [frame(1, said("it is hunter2"), masked=True)],
    "fragments": [
        frame(1, said("it is hunter2")[:20], masked=True, fin=False),
        frame(0, said("it is hunter2")[20:28], masked=True, fin=False),
        frame(0, said("it is hunter2")[28:], masked=True),
    ],
    "bytes": [bytes((byte,)) for byte in frame(2, said("it is hunter2"), masked=True)],
    "a long one": [frame(2, said("x " * 35_000 + "hunter2"), masked=True)],
    "two at once": [frame(1, said("hunter2"), masked=True) + frame(1, said("more"), masked=True)],
}


@pytest.mark.parametrize("form", FORMS)
async def test_of_a_forbidden_message_not_a_byte_reaches_the_provider(form):
    async with guarded(words("hunter2")) as (peer, provider, running):
        peer.send(frame(1, said("good morning"), masked=True))
        assert await provider.frame() == (1, said("good morning"))
        for piece in FORMS[form]:
            peer.send(piece)
            await asyncio.sleep(0)
        await closed_both(peer, provider)
        peer.send(close(1008, masked=True))
        provider.send(close(1008, masked=False))
        (record,) = await recorded(running)
    assert (record.status, record.outcome) == (101, "rejected")


async def test_what_is_allowed_passes_byte_for_byte_and_in_order():
    pieces = [
        frame(1, said("one"), masked=True),
        frame(2, said("t")[:5], masked=True, fin=False),
        frame(0, said("t")[5:], masked=True),
        frame(1, b"", masked=True),
        frame(2, os.urandom(200_000), masked=True),
        frame(1, said("last"), masked=True),
    ]
    async with guarded(words("hunter2")) as (peer, provider, _):
        for piece in pieces:
            peer.send(piece)
        got = await asyncio.wait_for(provider.reader.readexactly(sum(map(len, pieces))), WAIT_S)
        assert got == b"".join(pieces)
        peer.send(close(1000, masked=True))
        assert await provider.close_frame() == (1000, "")


async def test_pings_do_not_wait_for_a_message_and_a_close_in_its_middle_ends_the_session():
    async with guarded(words("hunter2")) as (peer, provider, _):
        peer.send(frame(1, b'{"never', masked=True, fin=False))
        peer.send(frame(9, b"there?", masked=True))
        assert await provider.frame() == (9, b"there?")
        provider.send(frame(10, b"there?", masked=False))
        assert await peer.frame() == (10, b"there?")
        peer.send(close(1000, masked=True))
        assert await provider.close_frame() == (1000, "")


@pytest.mark.parametrize("name", ["refuses_secrets", "refuses_secrets_later"])
async def test_a_hook_is_waited_for_and_what_comes_behind_waits_too(name):
    rule = guardrail("no-secrets", guardrail=f"features_stand.{name}")
    async with guarded(rule) as (peer, provider, _):
        for text in ("one", "two"):
            peer.send(frame(1, said(text), masked=True))
        assert [await provider.frame() for _ in range(2)] == [(1, said("one")), (1, said("two"))]
        peer.send(frame(1, said("a secret"), masked=True) + frame(1, said("behind"), masked=True))
        await closed_both(peer, provider)


async def test_a_close_goes_behind_the_messages_that_are_judged():
    rule = guardrail("slow", guardrail="features_stand.sleeps", timeout_s=20)
    features_stand.RELEASE.clear()
    try:
        async with guarded(rule) as (peer, provider, _):
            peer.send(frame(1, said("last words"), masked=True) + close(1000, masked=True))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(provider.reader.read(1), 0.2)
            features_stand.RELEASE.set()
            assert await provider.frame() == (1, said("last words"))
            assert await provider.close_frame() == (1000, "")
    finally:
        features_stand.RELEASE.set()


async def test_a_client_is_not_read_while_too_much_waits_to_be_judged():
    """S-52."""
    rule = guardrail("slow", guardrail="features_stand.sleeps", timeout_s=20)
    features_stand.RELEASE.clear()
    piece = frame(1, said("x" * 100_000), masked=True)
    try:
        async with guarded(rule) as (peer, provider, _):
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 64 * 2**20:
                    peer.writer.write(piece)
                    sent += len(piece)
                    await asyncio.wait_for(peer.writer.drain(), 1.0)
            assert sent < 40 * 2**20
            features_stand.RELEASE.set()
            await asyncio.wait_for(provider.reader.readexactly(sent), WAIT_S)
    finally:
        features_stand.RELEASE.set()


@pytest.mark.parametrize(("outcome", "passes"), [("block", False), ("allow", True)])
async def test_a_message_too_long_to_be_judged_passes_only_where_that_is_configured(outcome, passes):
    payload = b"x" * (5 * 1024 * 1024)
    async with guarded(words("hunter2", on_large=outcome)) as (peer, provider, _):
        peer.send(frame(2, payload, masked=True))
        if passes:
            assert await asyncio.wait_for(provider.frame(), WAIT_S) == (2, payload)
        else:
            await closed_both(peer, provider)


async def test_a_compressed_message_is_judged_by_what_it_says():
    """WS-11."""
    offer = b"Sec-WebSocket-Extensions: permessage-deflate"
    squeeze = zlib.compressobj(wbits=-15)
    packed = (squeeze.compress(said("it is hunter2")) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
    async with guarded(words("hunter2"), offer, answer=(offer,)) as (peer, provider, _):
        plain = frame(1, packed, masked=True)
        peer.send(bytes((plain[0] | 0x40,)) + plain[1:])
        await closed_both(peer, provider)


async def test_a_frame_that_may_not_pass_ends_the_session_as_without_a_guardrail():
    """WS-9."""
    async with guarded(words("hunter2")) as (peer, provider, _):
        peer.send(frame(1, said("fine"), masked=True) + b"\x83\x81abcdx")  # a reserved opcode
        assert await provider.frame() == (1, said("fine"))
        for end in (provider, peer):
            assert (await end.close_frame())[0] == 1002


SIZES = st.one_of(st.integers(0, 200), st.sampled_from([125, 126, 65_535, 65_536]))
FRAMES = st.lists(st.tuples(st.sampled_from([0x81, 0x02, 0x80, 0x89, 0x88]), SIZES, st.booleans()), max_size=8)


@given(FRAMES, st.data())
def test_frames_are_cut_where_they_end_however_they_come(frames, data):
    wire, ends = b"", []
    for first, longest, masked in frames:
        size = min(longest, 125) if first & 0x08 else longest
        one = frame(first & 0x0F, b"p" * size, masked=masked, fin=bool(first & 0x80))
        wire += one
        ends.append((len(wire), bool(first & 0x08)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    cutter, found, at = FrameCutter(), [], 0
    for end in (*cuts, len(wire)):
        piece = wire[at:end]
        place = 0
        while place < len(piece):
            size, is_whole = cutter.take(piece, place)
            assert size > 0
            place += size
            if is_whole:
                found.append((at + place, cutter.is_control))
        at = end
    assert found == ends
