"""Verdicts about clients that misbehave on Live sessions, over real sockets; beside each its innocent twin."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from simulator_rig import KEY, simulator
from test_live_faults import Client
from test_live_sessions import GEMINI, closed, hear, hear_turn, recorded, say, session

from understudy.client_verdicts.catalogue import judge
from understudy_simulator.clock import ManualClock

MODEL = "models/gemini-live-2.5-flash"
TOOLS = [{"functionDeclarations": [{"name": "switch_lamp", "parameters": {"type": "OBJECT", "properties": {}}}]}]
REFUSED = (1008, "BidiGenerateContent session not found")


def setup(**members):
    return {"setup": {"model": MODEL, "generationConfig": {"responseModalities": ["TEXT"]}} | members}


def text(words):
    return {"clientContent": {"turns": [{"role": "user", "parts": [{"text": words}]}], "turnComplete": True}}


@asynccontextmanager
async def opened(running, **members):
    """A client behind its setup."""
    async with session(running, GEMINI, KEY) as client:
        await say(client, setup(**members))
        assert await hear(client) == {"setupComplete": {}}
        yield client


async def verdicts(running, sessions=1):
    """The rules that were broken, and in which sessions, once all sessions have ended."""
    for number in range(1, sessions + 1):
        await recorded(running, number)
    return [(verdict.rule, verdict.sessions) for verdict in judge(running.stage.recorder.transcript())]


# ---- function calls


async def called(client):
    """Let the model call a function; its id."""
    await say(client, text("switch lamp"))
    turn = await hear_turn(client)
    [call] = next(message["toolCall"]["functionCalls"] for message in turn if "toolCall" in message)
    return call["id"]


async def test_a_call_without_an_answer_holds_the_session_up():
    async with simulator() as running:
        async with opened(running, tools=TOOLS) as client:
            await called(client)
            await say(client, text("Well?"))
            await (await client.ping())
        assert await verdicts(running) == [("unanswered_tool_call", (1,))]
        [seen] = running.stage.recorder.transcript().sessions
    assert b"turnComplete" in seen.sent_by("server")[-1].payload, "the second question got no answer"
    assert sum(b"turnComplete" in frame.payload for frame in seen.sent_by("server")) == 1


async def test_a_call_that_is_left_alone_for_a_minute():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with opened(running, tools=TOOLS) as client:
            await called(client)
            clock.advance(61)
        assert await verdicts(running) == [("unanswered_tool_call", (1,))]


@pytest.mark.parametrize("names_it", [True, False])
async def test_a_call_that_is_answered(names_it):
    async with simulator() as running:
        async with opened(running, tools=TOOLS) as client:
            answer = {"id": await called(client), "name": "switch_lamp", "response": {"output": "on"}}
            if not names_it:
                del answer["id"]
            await say(client, {"toolResponse": {"functionResponses": [answer]}})
            await hear_turn(client)
            await say(client, text("Well?"))
            await hear_turn(client)
        assert await verdicts(running) == []


# ---- goAway


async def test_a_warning_that_is_ignored():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with opened(running) as client:
            clock.advance(540)
            assert "goAway" in await hear(client)
            await say(client, text("One more"))
            await hear_turn(client)
            clock.advance(50)
            assert (await closed(client))[0] == 1008
        assert await verdicts(running) == [("goaway_ignored", (1,))]


async def test_a_warning_that_is_heeded():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with opened(running) as client:
            clock.advance(540)
            assert "goAway" in await hear(client)
            clock.advance(45)
        assert await verdicts(running) == []


# ---- resumption


async def handles(client, count):
    """The first so many handles, one after the setup and one after each turn."""
    found = []
    while len(found) < count:
        message = await hear(client)
        update = message.get("sessionResumptionUpdate", {})
        if update.get("resumable"):
            found.append(update["newHandle"])
            if len(found) < count:
                await say(client, text("Go on"))
    return found


async def test_a_handle_that_newer_ones_have_taken_the_place_of():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with opened(running, sessionResumption={}) as client:
            first, *_ = await handles(client, 3)
            clock.advance(2)
        async with opened(running, sessionResumption={"handle": first}):
            pass
        assert await verdicts(running, 2) == [("stale_handle", (2,))]
        [verdict] = judge(running.stage.recorder.transcript())
    assert verdict.why == "a handle that 2 newer ones have taken the place of"


async def test_the_latest_handle_is_right():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with opened(running, sessionResumption={}) as client:
            *_, last = await handles(client, 3)
            clock.advance(2)
        async with opened(running, sessionResumption={"handle": last}):
            pass
        assert await verdicts(running, 2) == []


async def test_a_handle_that_was_refused_comes_again():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        async with opened(running, sessionResumption={}) as client:
            [handle] = await handles(client, 1)
        await recorded(running)
        clock.advance(7199)
        for number in (2, 3):
            clock.advance(61)
            async with session(running, GEMINI, KEY) as client:
                await client.send(json.dumps(setup(sessionResumption={"handle": handle})))
                assert await closed(client) == REFUSED
            await recorded(running, number)
        assert await verdicts(running, 3) == [("stale_handle", (2,)), ("stale_handle", (3,))]
        why = [verdict.why for verdict in judge(running.stage.recorder.transcript())]
    assert why == ["a handle 7260 s after the end of its session", "a handle that had been refused already"]


# ---- the end


async def left_open(running, clock, seconds):
    """A client that reads the server's close, and ends its connection so much later without an answer."""
    host, _, port = running.http_url.removeprefix("http://").partition(":")
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        client = Client(reader, writer)
        await client.shake(f"{GEMINI}?key=k")
        client.send(setup())
        client.send(setup())
        while (await client.frame()).first != 0x88:
            pass
        clock.advance(seconds)
        writer.close()


async def test_a_connection_that_is_left_open_after_the_close():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        await left_open(running, clock, 9.5)
        assert ("session_left_open", (1,)) in await verdicts(running)


async def test_a_connection_that_is_ended_after_the_close():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        await left_open(running, clock, 0.5)
        assert {rule for rule, _ in await verdicts(running)} <= {"setup_not_awaited", "second_setup"}
