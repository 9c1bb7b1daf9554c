"""The complete Live machine over real sockets: resumption, goAway, switches of the wire, determinism in parallel."""

import asyncio
import json
from typing import Any

import pytest
from live_rig import silence, tone
from simulator_rig import BEARER, KEY, simulator
from test_live_sessions import (
    GEMINI,
    HELLO,
    MODEL,
    SETUP,
    VERTEX,
    closed,
    hear,
    hear_turn,
    masked,
    recorded,
    say,
    session,
    until,
)
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from understudy_simulator.clock import ManualClock, RealClock
from understudy_simulator.live.settings import LiveSettings

WAIT_S = 30
RESUMABLE = {"setup": SETUP["setup"] | {"sessionResumption": {}}}
GO_AWAY = "Connection aborted because the client failed to close the connection after receiving a GoAway signal"


def resuming(handle):
    return {"setup": SETUP["setup"] | {"sessionResumption": {"handle": handle}}}


async def hear_handle(client):
    """The handle of the next message that has one."""
    while True:
        update = (await hear(client)).get("sessionResumptionUpdate", {})
        if update.get("resumable"):
            return update["newHandle"]


async def test_a_session_goes_on_in_another_connection_after_go_away():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with session(running, GEMINI, KEY) as client:
            await say(client, RESUMABLE)
            await hear_handle(client)
            await say(client, HELLO)
            before = (await hear_turn(client))[-1]["usageMetadata"]
            handle = await hear_handle(client)
            clock.advance(540)
            assert await hear(client) == {"goAway": {"timeLeft": "50s"}}
            clock.advance(50)
            code, reason = await closed(client)
            assert (code, reason[: len(GO_AWAY)]) == (1008, GO_AWAY)
        async with session(running, GEMINI, KEY) as client:
            await say(client, resuming(handle))
            assert await hear(client) == {"setupComplete": {}}
            await hear_handle(client)
            await say(client, HELLO)
            after = (await hear_turn(client))[-1]["usageMetadata"]
        assert after["promptTokenCount"] == before["totalTokenCount"] + 3


async def test_a_handle_is_good_for_two_hours_of_the_clock():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with session(running, GEMINI, KEY) as client:
            await say(client, RESUMABLE)
            handle = await hear_handle(client)
        await recorded(running)
        clock.advance(7200)
        async with session(running, GEMINI, KEY) as client:
            await say(client, resuming(handle))
            assert await closed(client) == (1008, "BidiGenerateContent session not found")


async def test_a_reset_forgets_the_handles_of_its_scope():
    async with simulator() as running:
        handles = {}
        for scope in ("one", "two"):
            async with session(running, f"/~{scope}{GEMINI}", KEY) as client:
                await say(client, RESUMABLE)
                handles[scope] = await hear_handle(client)
        running.stage.reset("one")
        for scope, code in (("one", 1008), ("two", None)):
            async with session(running, f"/~{scope}{GEMINI}", KEY) as client:
                await say(client, resuming(handles[scope]))
                if code is None:
                    assert await hear(client) == {"setupComplete": {}}
                else:
                    assert (await closed(client))[0] == code


async def test_limits_run_in_real_time_whatever_the_speed_of_pauses():
    live = LiveSettings(connection_s=0.3, warning_s=0.2)
    async with simulator(live=live, speed=0.0) as running, session(running, GEMINI, KEY) as client:
        await say(client, SETUP)
        await hear(client)
        assert await hear(client) == {"goAway": {"timeLeft": "0.2s"}}
        assert (await closed(client))[0] == 1008


async def test_a_client_that_closes_in_time_is_not_aborted():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            clock.advance(540)
            await hear(client)
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("client", 1000)


@pytest.mark.parametrize("deflate", [False, True])
async def test_compression_is_a_switch(deflate):
    async with simulator(live=LiveSettings(deflate=deflate)) as running, asyncio.timeout(WAIT_S):
        url = running.http_url.replace("http", "ws", 1) + GEMINI
        factory = ClientPerMessageDeflateFactory()
        async with connect(url, additional_headers=[KEY], proxy=None, extensions=[factory]) as client:
            assert client.response is not None
            assert ("permessage-deflate" in client.response.headers.get("Sec-WebSocket-Extensions", "")) is deflate
            await say(client, SETUP)
            assert await hear(client) == {"setupComplete": {}}
            await say(client, HELLO)
            assert (await hear_turn(client))[-1]["usageMetadata"]["totalTokenCount"] == 23


async def test_messages_are_compressed_where_that_was_agreed():
    async with simulator(live=LiveSettings(deflate=True)) as running, asyncio.timeout(WAIT_S):
        host, _, port = running.http_url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = [f"GET {GEMINI} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", ": ".join(KEY)]
        head += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        head += ["Sec-WebSocket-Extensions: permessage-deflate", "", ""]
        writer.write("\r\n".join(head).encode() + masked(1, json.dumps(SETUP).encode()))
        await reader.readuntil(b"\r\n\r\n")
        # FIN, the bit of RFC 7692 section 6, binary.
        assert (await reader.readexactly(1))[0] == 0x80 | 0x40 | 0x02
        writer.close()


async def test_the_kind_of_frames_is_a_switch():
    live = LiveSettings(frames="text")
    async with simulator(live=live) as running, session(running, GEMINI, KEY) as client:
        await say(client, SETUP)
        assert await client.recv() == '{"setupComplete":{}}'


async def test_speech_is_found_and_interrupts_over_the_wire():
    setup = {"setup": {"model": "models/gemini-2.5-flash-native-audio-latest", "inputAudioTranscription": {}}}
    async with simulator(clock=RealClock(1.0), speed=1.0) as running, session(running, GEMINI, KEY) as client:
        await say(client, setup)
        await hear(client)
        for sound in (tone(1.0), silence(0.6)):
            await say(client, {"realtimeInput": {"audio": sound}})
        heard = await hear(client)
        assert heard == {"serverContent": {"inputTranscription": {"text": "(1.0 seconds of audio)"}}}
        assert "modelTurn" in (await hear(client))["serverContent"]
        await say(client, {"realtimeInput": {"audio": tone(0.2)}})
        rest = await hear_turn(client)
        kinds = [next(iter(message["serverContent"])) for message in rest]
        assert kinds[-2:] == ["interrupted", "turnComplete"]
        assert set(kinds[:-2]) <= {"modelTurn"}
        await client.close()


LAMP = [{"functionDeclarations": [{"name": "switch_lamp", "parameters": {"type": "OBJECT", "properties": {}}}]}]
KINDS = (
    (GEMINI, KEY, {"model": "models/gemini-2.5-flash-native-audio-latest"}),
    (GEMINI, KEY, {"model": "models/gemini-3.1-flash-live-preview"}),
    (VERTEX, BEARER, {"model": "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash"}),
)
"""One model that ends a turn at a function call, one that holds it, and one on Vertex AI."""


class Behaviour:
    """A client that speaks, lets a function be called, answers, resumes elsewhere, and is told to go."""

    def __init__(self, running, number):
        self.running = running
        path, self.header, setup = KINDS[number % len(KINDS)]
        self.target = f"/~s{number}{path}"
        written = {"outputAudioTranscription": {}, "inputAudioTranscription": {}}
        self.setup = setup | written | {"tools": LAMP, "sessionResumption": {}}
        self.frames: list[Any] = []

    async def until(self, client, word):
        while word not in self.frames[-1]:
            self.frames.append(await client.recv())

    async def first(self):
        async with session(self.running, self.target, self.header) as client:
            await say(client, {"setup": self.setup})
            self.frames.append(await client.recv())
            await self.until(client, b"newHandle")
            for sound in (tone(0.5), silence(1.0)):
                await say(client, {"realtimeInput": {"audio": sound}})
            await self.until(client, b"turnComplete")
            await self.until(client, b"newHandle")
            handle = json.loads(self.frames[-1])["sessionResumptionUpdate"]["newHandle"]
            question = {"turns": [{"role": "user", "parts": [{"text": "switch lamp"}]}], "turnComplete": True}
            await say(client, {"clientContent": question})
            await self.until(client, b"toolCall")
            [call] = json.loads(self.frames[-1])["toolCall"]["functionCalls"]
            answer = {"id": call["id"], "name": call["name"], "response": {"output": "on"}}
            await say(client, {"toolResponse": {"functionResponses": [answer]}})
            await self.until(client, b"modelTurn")
            await self.until(client, b"turnComplete")
            await self.until(client, b"newHandle")
        return handle

    async def second(self, handle, all_are_there):
        async with session(self.running, self.target, self.header) as client:
            await say(client, {"setup": self.setup | {"sessionResumption": {"handle": handle}}})
            self.frames.append(await client.recv())
            await self.until(client, b"newHandle")
            await all_are_there.wait()
            await self.until(client, b"goAway")
            self.frames.append(await closed(client))

    async def live(self, all_are_there):
        await self.second(await self.first(), all_are_there)
        return self.frames


async def lives(running, clock, count):
    """What each of so many clients side by side hears; time moves when all of them wait for it."""
    all_are_there = asyncio.Barrier(count + 1)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(Behaviour(running, number).live(all_are_there)) for number in range(count)]
        await all_are_there.wait()
        for seconds in (540, 50):
            clock.advance(seconds)
            await asyncio.sleep(0)
    return [task.result() for task in tasks]


async def test_fifty_parallel_sessions_get_the_same_bytes_as_before_a_reset():
    """Each scope counts its own sessions, so the order in which they run does not matter."""
    clock = ManualClock()
    async with simulator(clock=clock, speed=0.0) as running, asyncio.timeout(180):
        first = await lives(running, clock, 50)
        running.stage.reset()
        assert await lives(running, clock, 50) == first
    assert len({frames[-1] for frames in first}) == 1
    handles = {frame for frames in first for frame in frames[:-1] if b"newHandle" in frame}
    assert len(handles) == 50 * 4, "each session has handles of its own"
    # One alone, in a simulator of its own, hears the same.
    clock = ManualClock()
    async with simulator(clock=clock, speed=0.0) as running, asyncio.timeout(60):
        assert await lives(running, clock, 1) == first[:1]


@pytest.mark.parametrize(("target", "credentials", "end"), [(GEMINI, KEY, "response"), (VERTEX, BEARER, "candidates")])
async def test_a_stream_is_interpreted_in_step(target, credentials, end):
    model = "gemini-3.5-live-translate-preview"
    name = f"models/{model}" if target is GEMINI else f"projects/p/locations/l/publishers/google/models/{model}"
    config = {"responseModalities": ["AUDIO"], "translationConfig": {"targetLanguageCode": "fr"}}
    async with simulator() as running, session(running, target, credentials) as client, asyncio.timeout(WAIT_S):
        await say(client, {"setup": {"model": name, "generationConfig": config, "sessionResumption": {}}})
        await hear(client)
        await hear_handle(client)
        for sound in [tone(0.1)] * 10 + [silence(0.1)] * 10:
            await say(client, {"realtimeInput": {"audio": sound}})
        await say(client, {"realtimeInput": {"audioStreamEnd": True}})
        found = await hear_turn(client)
        assert sum("modelTurn" in message.get("serverContent", {}) for message in found) == 8
        assert sum("newHandle" in message.get("sessionResumptionUpdate", {}) for message in found) == 1
        assert found[-1]["usageMetadata"][f"{end}TokenCount"] == 50


async def test_a_client_that_sends_faster_than_can_be_said_has_to_wait():
    """What waits to be said is bounded; a client that leaves meanwhile is noticed."""
    clock = ManualClock()
    model = "models/gemini-3.5-live-translate-preview"
    config = {"responseModalities": ["AUDIO"], "translationConfig": {"targetLanguageCode": "fr"}}
    async with simulator(clock=clock, speed=1.0) as running:
        recorder = running.stage.recorder

        async def stream(client):
            for _ in range(20):
                await say(client, {"realtimeInput": {"audio": silence(10.0)}})

        def taken():
            return len(recorder.transcript().sessions[-1].sent_by("client")) - 1

        for leaves in (False, True):
            async with session(running, GEMINI, KEY) as client:
                await say(client, {"setup": {"model": model, "generationConfig": config}})
                await hear(client)
                sending = asyncio.ensure_future(stream(client))
                await until(lambda: taken() >= 7)
                await asyncio.sleep(0.2)
                assert taken() == 7
                if leaves:
                    client.transport.abort()
                    await asyncio.gather(sending, return_exceptions=True)
                    break
                for heard in range(800):
                    clock.advance(0.25 if heard else 0.0)
                    assert "modelTurn" in (await hear(client))["serverContent"]
                await sending
                assert taken() == 20

        def is_over():
            # It is noticed when the next piece cannot be said.
            clock.advance(0.25)
            return recorder.transcript().sessions[1].ended is not None

        await until(is_over)
        assert (await recorded(running, 2)).close.sender == "client"


async def test_any_body_lets_unknown_fields_pass_in_live_messages():
    setup = {"setup": {"model": MODEL, "newest": True, "generationConfig": {"responseModalities": ["TEXT"]}}}
    async with simulator(any_body=True) as running, session(running, GEMINI, KEY) as client:
        await say(client, setup)
        assert await hear(client) == {"setupComplete": {}}
    async with simulator() as running, session(running, GEMINI, KEY) as client:
        await say(client, setup)
        code, reason = await closed(client)
    assert (code, reason) == (
        1007,
        "Invalid JSON payload received. Unknown name \"newest\" at 'setup': Cannot find field.",
    )
    assert json.dumps(reason)
