"""What befalls a WebSocket handshake, and sessions that are refused before anybody answers, as a raw socket sees it."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest
from simulator_rig import simulator, until
from test_fault_matrix import CLOSE, Wire, client_frame, request_of
from test_layers import over
from test_live_faults import HELLO, READY, SETUP, session

from understudy.errors import ScenarioError
from understudy.library import load
from understudy_simulator.clock import ManualClock

pytestmark = pytest.mark.usefixtures("each_loop")
LIVE = {"surface": "gemini-live"}
SETUP_FRAME = client_frame(b'{"setup":{"model":"models/gemini-live-2.5-flash"}}', 0x1)


def at_handshake(**fault):
    return over({"fault": fault, "at": "handshake", "first": 1}, **LIVE)


@asynccontextmanager
async def dialled(running):
    host, _, port = running.http_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.setblocking(False)
        wire = Wire(sock)
        yield wire
        await wire.leave()


def seen(running):
    return running.stage.recorder.transcript().sessions[0]


@pytest.mark.parametrize(("kind", "end"), [("reset_peer", "reset"), ("hang_up", "fin"), ("half_close", "fin")])
async def test_a_handshake_ends_without_an_answer(kind, end):
    async with simulator() as running:
        running.stage.arm(at_handshake(**{kind: True}))
        async with dialled(running) as wire:
            await wire.say(request_of("session"))
            await wire.more()
            assert (wire.data, wire.end) == (b"", end)
            if kind == "half_close":
                await wire.say(b"still taken" * 1000)
                assert seen(running).ended is None
        session_seen = await until(lambda: seen(running) if seen(running).ended is not None else None)
        assert (session_seen.status, session_seen.origin.faults) == (0, (f"{kind} (test/over: first 1)",))
        if kind != "half_close":
            assert session_seen.close is not None and session_seen.close.sender == "server"
        async with session(running) as client:
            assert (await client.frame()).payload == READY


async def test_a_handshake_is_never_answered():
    async with simulator() as running:
        running.stage.arm(at_handshake(stop=True))
        async with dialled(running) as wire:
            await wire.say(request_of("session"))
            await until(lambda: running.stage.recorder.transcript().sessions)
            assert not await wire.more(0.03)
        await until(lambda: seen(running).ended is not None)
        assert seen(running).origin.faults == ("stop (test/over: first 1)",)


async def test_a_simulator_stops_while_a_handshake_is_held():
    async with asyncio.timeout(20), simulator() as running:
        running.stage.arm(at_handshake(stop=True))
        async with dialled(running) as wire:
            await wire.say(request_of("session"))
            await until(lambda: running.stage.recorder.transcript().sessions)
            await running._live.stop()
            await wire.more()
            assert (wire.data, wire.end) == (b"", "fin")


@pytest.mark.parametrize("kind", ["latency", "stall", "jitter"])
async def test_a_handshake_is_answered_late(kind):
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(at_handshake(**{kind: "30s"}))
        async with dialled(running) as wire:
            await wire.say(request_of("session"))
            await until(lambda: running.stage.recorder.transcript().sessions and seen(running).origin.faults)
            assert not await wire.more(0.02)
            if kind != "jitter":
                clock.advance(29.9)
                assert not await wire.more(0.02)
            clock.advance(30)
            await wire.more()
            assert wire.data.startswith(b"HTTP/1.1 101 ")
            await wire.say(SETUP_FRAME)
            while READY not in wire.data:
                await wire.more()
        assert seen(running).origin.faults == (f"{kind} 30s (test/over: first 1)",)


async def test_a_handshake_is_refused_late():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        refusal = {"reply": {"status": 503, "text": "no"}}
        running.stage.arm(over({"fault": {"latency": "30s"}, "at": "handshake"}, refusal, **LIVE))
        async with dialled(running) as wire:
            await wire.say(request_of("session"))
            assert not await wire.more(0.02)
            clock.advance(30)
            await wire.more()
            assert wire.data.startswith(b"HTTP/1.1 503 ")


async def test_what_is_over_messages_is_not_over_the_handshake():
    late = {"fault": {"jitter": "1ms"}, "at": "handshake"}
    async with simulator(speed=0.0) as running:
        running.stage.arm(over(late, {"fault": {"hang_up": True}, "at": 2}, {"fault": {"masked": True}}, **LIVE))
        async with session(running) as client:
            assert client.status == 101
            frame = await client.frame()
            assert frame[1] and frame.payload == READY
            client.send(HELLO)
            assert await client.rest() == (b"", "fin")
        kinds = [fault.split()[0] for fault in seen(running).origin.faults]
        assert kinds == ["jitter", "masked", "hang_up"]


@pytest.mark.parametrize(
    ("entry", "words", "why"),
    [
        ({"fault": {"stop": True}}, {"surface": "gemini"}, "does not fit surface"),
        ({"fault": {"drop": True}}, LIVE, "over a handshake come"),
        ({"fault": {"slice": 3}}, LIVE, "over a handshake come"),
        ({"close": {"code": 1011}}, LIVE, "no session to close"),
        ({"error": "overloaded"}, LIVE, "no session to close"),
        ({"reply": {"status": 500}}, LIVE, "in the place of the whole answer"),
        ({"fault": {"stop": True}}, LIVE | {"server": [{"close": {}}]}, "chosen after the handshake"),
    ],
)
def test_what_cannot_come_over_a_handshake(entry, words, why):
    with pytest.raises(ScenarioError, match=why):
        over(entry | {"at": "handshake"}, **words)


@pytest.mark.parametrize(("name", "end"), [("handshake-reset", "reset"), ("handshake-unanswered", "open")])
async def test_the_shipped_ones_give_no_answer(name, end):
    async with simulator() as running:
        running.stage.arm(load(f"faults/{name}"))
        async with dialled(running) as wire:
            await wire.say(request_of("session"))
            await until(lambda: running.stage.recorder.transcript().sessions and seen(running).origin.faults)
            await wire.more(0.05)
            assert (wire.data, wire.end) == (b"", end)


# ---- refused before anybody answers

REFUSED = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=invalid"


async def test_a_close_in_the_place_of_a_refused_credential():
    async with simulator() as running:
        running.stage.arm(over({"close": {"code": 1011, "reason": "Deadline"}, "first": 1}, **LIVE))
        codes = []
        for _ in range(2):
            async with session(running, REFUSED) as client:
                found = await client.frame()
                codes.append((found.first, struct.unpack("!H", found.payload[:2])[0]))
        assert codes == [(0x88, 1011), (0x88, 1007)]
        assert seen(running).origin.faults == ("close 1011 Deadline (test/over: first 1)",)


@pytest.mark.parametrize(("kind", "end"), [("reset_peer", "reset"), ("hang_up", "fin"), ("half_close", "fin")])
@pytest.mark.parametrize("is_strict", [True, False])
async def test_an_end_in_the_place_of_a_refusal(kind, end, is_strict):
    async with simulator(strict=is_strict) as running:
        running.stage.arm(over({"fault": {kind: True}}, **LIVE))
        path = REFUSED.replace("invalid", "k") if is_strict else REFUSED
        async with session(running, path) as client:
            assert await client.rest() == (b"", end)
        assert seen(running).origin.faults == (f"{kind} (test/over: always)",)


async def test_a_refused_session_is_left_in_silence():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"stop": True}}, **LIVE))
        async with session(running, REFUSED) as client:
            await until(lambda: seen(running).origin.faults)
            assert await client.is_silent()
        assert seen(running).origin.faults == ("stop (test/over: always)",)


async def test_a_slow_close_of_a_refused_session():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(over({"fault": {"slow_close": "30s"}}, **LIVE))
        async with session(running, REFUSED) as client:
            assert (await client.frame()).first == 0x88
            client.writer.write(client_frame(CLOSE[2:], 0x8))
            await until(lambda: seen(running).origin.faults)
            assert await client.is_silent(0.02)
            clock.advance(30)
            assert await client.rest() == (b"", "fin")


async def test_without_a_layer_a_refusal_is_what_it_was():
    async with simulator() as running:
        async with session(running, REFUSED) as client:
            assert struct.unpack("!H", (await client.frame()).payload[:2]) == (1007,)
            client.send(SETUP)
        assert seen(running).origin.faults == ()
