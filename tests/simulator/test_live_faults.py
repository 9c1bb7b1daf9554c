"""Each fault of a Live session as a raw socket sees it: frames to the bit, close codes, RST, FIN, silence."""

import asyncio
import json
import struct
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_rig import Raw, opened
from simulator_rig import scenario, simulator, until
from test_layers import over

from understudy_simulator.clock import ManualClock
from understudy_simulator.live import session as driving
from understudy_simulator.live.wire_faults import masked_frame, wire_frame

pytestmark = pytest.mark.usefixtures("each_loop")

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k"
SETUP = {"setup": {"model": "models/gemini-live-2.5-flash", "generationConfig": {"responseModalities": ["TEXT"]}}}
HELLO = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hello there"}]}], "turnComplete": True}}
READY = b'{"setupComplete":{}}'
BODY = '{"a":"aé","b":[1,2]}'
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Frame(tuple):
    """First byte, whether it is masked, payload as it stands on the wire."""

    first = property(lambda self: self[0])
    payload = property(lambda self: self[2])


class Client(Raw):
    """A WebSocket client that takes frames apart and judges none."""

    status = 0

    async def shake(self, path=PATH):
        key = b64encode(b"0123456789abcdef").decode()
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.writer.write((head + f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        self.status = int(answer.split(b" ")[1])

    def send(self, value, opcode=TEXT):
        data = json.dumps(value).encode() if isinstance(value, dict) else value
        mask = bytes(4)
        size = len(data)
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else b""
        self.writer.write((head or struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)) + mask + data)

    async def frame(self):
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        if second & 0x80:
            key = await self.reader.readexactly(4)
            data = await self.reader.readexactly(size)
            return Frame((first, True, bytes(byte ^ key[at % 4] for at, byte in enumerate(data))))
        return Frame((first, False, await self.reader.readexactly(size)))


@asynccontextmanager
async def session(running, path=PATH, *, setup=True):
    async with asyncio.timeout(20):
        reader, writer = await opened(running)
        client = Client(reader, writer)
        try:
            await client.shake(path)
            if setup:
                client.send(SETUP)
            yield client
        finally:
            writer.transport.abort()


def live(*steps, **words):
    first = [{"receive": {"json": {"setup": {"model": "*"}}}}]
    return scenario([*first, *steps], **({"id": "test/l", "surface": "gemini-live", "model": "*"} | words))


def send(text=BODY, **fault: Any):
    return {"send": {"text": text}, **({"fault": fault} if fault else {})}


HOLD = {"receive": "close"}


def faults_of(running):
    [found] = running.stage.recorder.transcript().sessions
    return list(found.origin.faults)


async def first_frames(step, count=1):
    """The frames that a step gives, and the faults that the transcript names."""
    async with simulator() as running:
        running.stage.arm(live(step, HOLD))
        async with session(running) as client:
            found = [await client.frame() for _ in range(count)]
            await until(lambda: faults_of(running))
            return found, faults_of(running)


# ---- frames


@pytest.mark.parametrize(
    ("fault", "first", "payload"),
    [
        ({"opcode": 3}, 0x83, BODY.encode()),
        ({"opcode": 0xB}, 0x8B, BODY.encode()),
        ({"opcode": 0}, 0x80, BODY.encode()),
        ({"reserved_bit": 1}, 0xC2, BODY.encode()),
        ({"reserved_bit": 2}, 0xA2, BODY.encode()),
        ({"reserved_bit": 3}, 0x92, BODY.encode()),
        ({"shorten": 3}, 0x82, b'{"a'),
        ({"malformed": True}, 0x82, BODY.replace(":", ";", 1).encode()),
        ({"invalid_utf8": True}, 0x81, BODY.encode()[:10] + b"\xff" + BODY.encode()[10:]),
        ({"without": "a"}, 0x82, b'{"b":[1,2]}'),
        ({"duplicate_field": "b"}, 0x82, '{"a":"aé","b":[1,2], "b":[1,2]}'.encode()),
        ({"pad": 70_000}, 0x82, b"{" + b" " * 70_000 + BODY[1:].encode()),
    ],
)
async def test_a_frame_is_as_the_fault_says(fault, first, payload):
    [found], faults = await first_frames(send(**fault))
    assert found == (first, False, payload)
    [(kind, value)] = fault.items()
    assert faults == [kind if value is True else f"{kind} {value}"]


async def test_a_frame_is_masked_as_no_server_may():
    [found], _ = await first_frames(send(masked=True))
    assert found == (0x82, True, BODY.encode())


async def test_corrupt_changes_so_many_bytes():
    [found], _ = await first_frames(send(corrupt=2))
    assert sum(a != b for a, b in zip(found.payload, BODY.encode(), strict=True)) == 2


async def test_slices_are_fragments():
    found, faults = await first_frames(send(slice=9), 3)
    assert [frame.first for frame in found] == [0x02, 0x00, 0x80]
    assert [frame.payload for frame in found] == [BODY.encode()[:9], BODY.encode()[9:18], BODY.encode()[18:]]
    assert faults == ["slice 9"]


async def test_fragments_end_inside_of_characters():
    found, _ = await first_frames(send(slice="utf8"), 2)
    assert [frame.payload for frame in found] == [b'{"a":"a\xc3', '\xa9","b":[1,2]}'.encode("latin-1")]


@pytest.mark.parametrize(("fault", "numbers"), [("drop", [1, 3]), ("duplicate", [1, 2, 2, 3]), ("reorder", [1, 3, 2])])
async def test_a_message_is_left_out_doubled_or_moved(fault, numbers):
    async with simulator() as running:
        running.stage.arm(live(send('{"n":1}'), send('{"n":2}', **{fault: True}), send('{"n":3}'), {"close": {}}))
        async with session(running) as client:
            found = [json.loads((await client.frame()).payload)["n"] for _ in numbers]
            assert (await client.frame()).first == 0x88
        assert found == numbers
        [recorded] = running.stage.recorder.transcript().sessions
        assert [json.loads(frame.payload)["n"] for frame in recorded.sent_by("server")] == numbers
        assert recorded.origin.faults == (fault,)


async def test_what_was_moved_behind_nothing_comes_before_the_close():
    async with simulator() as running:
        running.stage.arm(live(send('{"n":1}', reorder=True), {"close": {"code": 1011}}))
        async with session(running) as client:
            assert [(await client.frame()).first for _ in range(2)] == [0x82, 0x88]


async def test_a_message_is_put_before():
    found, faults = await first_frames(send(insert={"json": {"goAway": {"timeLeft": "5s"}}}), 2)
    assert [frame.payload for frame in found] == [b'{"goAway":{"timeLeft":"5s"}}', BODY.encode()]
    assert faults == ["insert"]


# ---- ends


async def test_truncate_is_so_many_bytes_and_a_fin():
    async with simulator() as running:
        running.stage.arm(live(send(truncate=5)))
        async with session(running) as client:
            assert await client.rest() == (wire_frame(0x82, BODY.encode())[:7], "fin")


@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize(("fault", "end"), [("reset_peer", "reset"), ("hang_up", "fin")])
async def test_an_end_without_a_close_frame(fault, end, is_alone):
    steps = [send("{}"), {"fault": {fault: True}} if is_alone else send(BODY, **{fault: True})]
    async with simulator() as running:
        running.stage.arm(live(*steps))
        async with session(running) as client:
            assert (await client.frame()).payload == b"{}"
            assert await client.rest() == (b"", end)
        [found] = running.stage.recorder.transcript().sessions
        assert found.close is not None
        assert (found.close.sender, found.close.code) == ("server", None)
        assert found.origin.faults == (fault,)


@pytest.mark.parametrize("is_alone", [True, False])
async def test_half_close_is_a_fin_and_the_client_may_go_on(is_alone):
    steps = [{"fault": {"half_close": True}} if is_alone else send(half_close=True)]
    async with simulator() as running:
        running.stage.arm(live(*steps, send("never")))
        async with session(running) as client:
            assert await client.rest() == (b"", "fin")
            for number in range(20):
                client.send({"n": number})
                await client.writer.drain()
                await asyncio.sleep(0.002)
            [found] = running.stage.recorder.transcript().sessions
            assert len(found.sent_by("client")) == 21 and found.ended is None


@pytest.mark.parametrize("is_alone", [True, False])
async def test_stop_is_silence_to_which_neither_pings_nor_closes_are_answered(is_alone):
    steps = [{"fault": {"stop": True}} if is_alone else send(stop=True)]
    async with simulator() as running:
        running.stage.arm(live(*steps, send("never"), {"close": {}}))
        async with session(running) as client:
            await until(lambda: faults_of(running))
            client.send(b"p", PING)
            assert await client.is_silent()
            client.send(struct.pack("!H", 1000), CLOSE)
            data, _ = await client.rest()
            assert data == b""
        assert faults_of(running) == ["stop"]


async def test_pings_are_answered_until_they_are_ignored():
    async with simulator() as running:
        running.stage.arm(live(send("{}"), {"receive": "any"}, {"fault": {"ignore_pings": True}}, send("[]"), HOLD))
        async with session(running) as client:
            await client.frame()
            client.send(b"one", PING)
            assert await client.frame() == (0x8A, False, b"one")
            client.send({"go": 1})
            assert (await client.frame()).payload == b"[]"
            client.send(b"two", PING)
            assert await client.is_silent()


async def test_pings_are_not_answered_in_a_session_that_ignores_them():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"ignore_pings": True}}, surface="gemini-live"))
        async with session(running) as client:
            assert (await client.frame()).payload == READY
            client.send(b"one", PING)
            assert await client.is_silent()
            client.send(HELLO)
            assert (await client.frame()).first == 0x82
        assert faults_of(running) == ["ignore_pings (test/over: always)"]


async def test_slow_close_holds_the_connection_after_the_close(monkeypatch):
    """However long; the time that a client has to answer a close is over when it has answered."""
    monkeypatch.setattr(driving, "CLOSE_WITHIN_S", 0.02)
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(live({"fault": {"slow_close": "30s"}}, {"close": {"code": 1000}}))
        async with session(running) as client:
            assert (await client.frame()).first == 0x88
            client.send(struct.pack("!H", 1000), CLOSE)
            await until(lambda: "slow_close 30s" in faults_of(running))
            assert await client.is_silent(0.1)
            clock.advance(30)
            assert await client.rest() == (b"", "fin")
        assert faults_of(running) == ["slow_close 30s"]


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_latency_of_the_script_is_waited_for_and_written_down(is_alone):
    steps = [{"fault": {"latency": "30s"}}, send()] if is_alone else [send(latency="30s")]
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(live({"pause": "1s"}, *steps, HOLD))
        async with session(running) as client:
            assert await client.is_silent(0.01)
            clock.advance(1)
            await until(lambda: faults_of(running))
            clock.advance(29)
            assert await client.is_silent(0.01)
            clock.advance(1)
            assert (await client.frame()).payload == BODY.encode()
        assert faults_of(running) == ["latency 30s"]


async def test_bandwidth_paces_the_bytes_of_frames():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(live(send("x" * 98, bandwidth=200), HOLD))
        async with session(running) as client:
            assert await client.reader.readexactly(10) == wire_frame(0x82, b"x" * 98)[:10]
            for _ in range(3):
                assert await client.is_silent(0.01)
                clock.advance(0.05)
                assert await client.reader.readexactly(10) == b"x" * 10


async def test_a_ping_is_answered_behind_a_message_that_goes_out_slowly():
    """One pong for the last of the pings (RFC 6455 sections 5.4, 5.5.3)."""
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(live(send("x" * 98, bandwidth=1000), HOLD))
        async with session(running) as client:
            assert await client.reader.readexactly(50) == wire_frame(0x82, b"x" * 98)[:50]
            client.send(b"one", PING)
            client.send(b"two", PING)
            assert await client.is_silent()
            clock.advance(0.05)
            assert await client.reader.readexactly(50) == b"x" * 50
            assert await client.frame() == (0x8A, False, b"two")
            client.send(b"three", PING)
            assert await client.frame() == (0x8A, False, b"three")


@pytest.mark.parametrize("last", [HOLD, {"pause": "0s"}])
async def test_a_close_is_answered_behind_a_message_that_goes_out_slowly(last):
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(live(send("x" * 98, bandwidth=1000), last))
        async with session(running) as client:
            assert await client.reader.readexactly(50) == wire_frame(0x82, b"x" * 98)[:50]
            client.send(struct.pack("!H", 1000), CLOSE)
            assert await client.is_silent()
            clock.advance(0.05)
            assert await client.rest() == (b"x" * 50 + wire_frame(0x88, struct.pack("!H", 1000)), "fin")


async def test_no_control_frame_comes_behind_a_message_that_is_cut_off():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(over({"fault": {"bandwidth": 1000}}, surface="gemini-live"))
        running.stage.arm(live(send("x" * 98, truncate=48), HOLD))
        async with session(running) as client:
            assert await client.reader.readexactly(50) == wire_frame(0x82, b"x" * 98)[:50]
            client.send(b"one", PING)
            assert await client.is_silent()
            clock.advance(0.05)
            assert await client.rest() == (b"", "fin")


# ---- laid over


async def test_a_free_conversation_without_its_turn_complete():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"without": "turnComplete"}}, surface="gemini-live"))
        async with session(running) as client:
            assert (await client.frame()).payload == READY
            client.send(HELLO)
            found = [json.loads((await client.frame()).payload)]
            while "usageMetadata" not in found[-1]:
                found.append(json.loads((await client.frame()).payload))
        assert "turnComplete" not in json.dumps(found)
        assert faults_of(running) == ["without turnComplete (test/over: always)"]


async def test_a_close_in_the_place_of_a_message():
    async with simulator() as running:
        running.stage.arm(
            over({"close": {"code": 1011, "reason": "Deadline expired."}, "at": 2}, surface="gemini-live")
        )
        async with session(running) as client:
            assert (await client.frame()).payload == READY
            client.send(HELLO)
            assert await client.frame() == (0x88, False, struct.pack("!H", 1011) + b"Deadline expired.")
        assert faults_of(running) == ["close 1011 Deadline expired. (test/over: always)"]


async def test_an_error_closes_at_setup_and_only_the_first_session():
    async with simulator() as running:
        running.stage.arm(over({"error": "overloaded", "first": 1}, surface="gemini-live"))
        async with session(running) as client:
            found = await client.frame()
            assert (found.first, found.payload[:2]) == (0x88, struct.pack("!H", 1011))
        async with session(running) as client:
            assert (await client.frame()).payload == READY


async def test_the_upgrade_is_refused_by_its_status():
    async with simulator() as running:
        running.stage.arm(over({"reply": {"status": 503, "text": "no"}, "first": 1}, surface="gemini-live"))
        async with session(running, setup=False) as client:
            assert client.status == 503
        async with session(running) as client:
            assert client.status == 101
            assert (await client.frame()).payload == READY
        [first, second] = running.stage.recorder.transcript().sessions
        assert (first.status, first.origin.faults) == (503, ("reply 503 (test/over: first 1)",))
        assert (second.status, second.origin.faults) == (101, ())


async def test_setup_is_never_answered():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"stop": True}}, surface="gemini-live"))
        async with session(running) as client:
            await until(lambda: faults_of(running))
            client.send(HELLO)
            assert await client.is_silent()


@pytest.mark.parametrize(("fault", "end"), [("reset_peer", "reset"), ("hang_up", "fin")])
async def test_the_connection_ends_at_the_third_message(fault, end):
    async with simulator() as running:
        running.stage.arm(over({"fault": {fault: True}, "at": 3}, surface="gemini-live"))
        async with session(running) as client:
            assert (await client.frame()).payload == READY
            client.send(HELLO)
            await client.frame()
            assert await client.rest() == (b"", end)


async def test_a_layer_befalls_a_scripted_session_too_and_its_own_faults_its_own():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"duplicate": True}, "at": 1}, surface="gemini-live"))
        running.stage.arm(live(send('{"n":1}'), send('{"n":2}'), HOLD, faults=[{"fault": {"masked": True}, "at": 2}]))
        async with session(running) as client:
            found = [await client.frame() for _ in range(3)]
        assert [(frame[1], frame.payload) for frame in found] == [
            (False, b'{"n":1}'),
            (False, b'{"n":1}'),
            (True, b'{"n":2}'),
        ]


def test_masked_frames_are_those_of_the_protocol():
    data = masked_frame(0x81, b"abc")
    assert data[:2] == b"\x81\x83"
    assert bytes(byte ^ data[2 + at] for at, byte in enumerate(data[6:])) == b"abc"
