"""Scripted Live sessions over real sockets: deadlines, warnings, lost connections, and every refusal of the library."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from simulator_rig import BEARER, KEY, scenario, simulator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from understudy.conformance.driver import Aim, Driver, address_of
from understudy.conformance.probes import library_probe
from understudy.conformance.target import Target
from understudy.library import load, scenario_ids
from understudy.secret import Secret
from understudy_simulator.clock import ManualClock

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
MODEL = "gemini-live-2.5-flash"
SETUP_STEPS = [{"receive": {"json": {"setup": {"model": "*"}}}}, {"send": {"json": {"setupComplete": {}}}}]


def live(*steps, **words):
    base = {"id": "test/live", "surface": "gemini-live", "model": MODEL}
    return scenario([*SETUP_STEPS, *steps], **(base | words))


@asynccontextmanager
async def session(running, *, is_vertex=False, model=MODEL):
    """A client behind its setup, and behind setupComplete if the script sends one."""
    target, key = (VERTEX, BEARER) if is_vertex else (GEMINI, KEY)
    owner = "projects/p/locations/l/publishers/google/" if is_vertex else ""
    url = running.http_url.replace("http", "ws", 1) + target
    async with asyncio.timeout(20), connect(url, additional_headers=[key], proxy=None, compression=None) as client:
        await say(client, {"setup": {"model": f"{owner}models/{model}"}})
        yield client


async def say(client, message):
    await client.send(json.dumps(message))


async def closed(client):
    """Code and reason of the server's close; code None if there was no close frame."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await client.recv()
    received = caught.value.rcvd
    return (received.code, received.reason) if received else (None, "")


# ---- steps


@pytest.mark.parametrize("speed", [0.0, 100.0])
async def test_no_speed_cuts_a_deadline_short(speed: float):
    clock = ManualClock()
    step = {"receive": {"json": {"clientContent": "*"}, "within": "30s"}}
    async with simulator(clock=clock, speed=speed) as running:
        running.stage.arm(live(step, {"close": {"code": 4000}}))
        async with session(running) as client:
            await client.recv()
            clock.advance(29.0)
            await (await client.ping())
            await say(client, {"clientContent": {}})
            assert await closed(client) == (4000, "")


async def test_a_deadline_that_is_over_ends_the_session():
    clock = ManualClock()
    async with simulator(clock=clock, speed=0.0) as running:
        running.stage.arm(live({"receive": {"json": {"clientContent": "*"}, "within": "30s"}}))
        async with session(running) as client:
            await client.recv()
            await (await client.ping())
            clock.advance(31.0)
            code, reason = await closed(client)
    assert code == 1008 and "nothing within 30s" in reason


async def test_a_warning_is_sent_as_the_service_does():
    async with simulator() as running:
        running.stage.arm(live({"go_away": {"time_left": "50s"}}, {"receive_until": "close"}))
        async with session(running) as client:
            await client.recv()
            assert await client.recv() == b'{"goAway":{"timeLeft":"50s"}}'


async def test_a_dropped_connection_has_no_close_frame():
    async with simulator() as running:
        running.stage.arm(live({"drop": True}))
        async with session(running) as client:
            assert await closed(client) == (None, "")


async def test_until_the_close_a_client_may_say_what_it_likes():
    async with simulator() as running:
        running.stage.arm(live({"receive_until": "close"}))
        async with session(running) as client:
            for number in range(50):
                await say(client, {"realtimeInput": {"text": str(number)}})
            await client.close(1000)
            assert client.close_code == 1000
        [seen] = running.stage.recorder.transcript().sessions
    assert seen.close is not None and (seen.close.sender, seen.close.code) == ("client", 1000)


# ---- the closes of the library

_INVALID = "Request contains an invalid argument."
_MODALITY = "The requested combination of response modalities ({}) is not supported by the model. models/{}"
CLOSES = {
    "invalid-argument": (1007, _INVALID),
    "second-setup": (1007, _INVALID),
    "context-exhausted": (1007, _INVALID),
    "malformed-json": (1007, 'Invalid JSON payload received. Unexpected token.\n{"setup": {\n^'),
    "bad-api-key": (1007, "API key not valid. Please pass a valid API key."),
    "expired-api-key": (1007, "API key expired. Please renew the API key."),
    "location": (1007, "User location is not supported for the API use."),
    "voice-without-audio": (1007, "Cannot extract voices from a non-audio request."),
    "text-from-native-audio": (1007, _MODALITY.format("TEXT", "gemini-3.1-flash-live-preview")),
    "audio-from-transcriber": (1007, _MODALITY.format("AUDIO", "gemini-3.5-transcribe-live-p")),
    "language": (1007, "Unsupported language code 'fa-IR' for model models/gemini-live-2.5-flash"),
    "media-chunks": (1007, "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."),
    "explicit-activity": (
        1007,
        "Explicit activity control is not supported when automatic activity detection is enabled.",
    ),
    "invalid-session-handle": (1007, "Invalid session handle"),
    "unknown-query-field": (
        1007,
        'Invalid JSON payload received. Unknown name "model": Cannot bind query parameter. '
        "Field 'model' could not be found in reque",
    ),
    "unknown-field": (1007, 'Invalid JSON payload received. Unknown name "thinking": Cannot find field.'),
    "two-modalities": (
        1007,
        "Request trace id: a0bb7a2dd8834b47, [ORIGINAL ERROR] generic::invalid_argument: "
        "Error in program Instantiation for language",
    ),
    "unknown-model": (
        1008,
        "models/gemini-live-retired is not found for API version v1beta, or is not supported for bidiGenerateContent. "
        "Call ListModel",
    ),
    "vertex-unknown-model": (
        1008,
        "Publisher Model `projects/understudy-demo/locations/us-central1/publishers/google/models/gemini-live-retired` "
        "was not found",
    ),
    "session-not-found": (1008, "BidiGenerateContent session not found"),
    "entity-not-found": (1008, "Requested entity was not found."),
    "not-implemented": (1008, "Operation is not implemented, or supported, or enabled."),
    "aborted": (1008, "The operation was aborted"),
    "go-away-ignored": (
        1008,
        "Connection aborted because the client failed to close the connection after receiving a GoAway signal "
        "once the session durat",
    ),
    "bad-token": (
        1008,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
        "valid authentication c",
    ),
    "no-credentials": (
        1008,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
        "other form of API c",
    ),
    "internal": (1011, "Internal error encountered."),
    "internal-occurred": (1011, "Internal error occurred."),
    "unavailable": (1011, "The service is currently unavailable."),
    "deadline": (1011, "Deadline expired before operation could complete."),
    "concurrent-sessions": (
        1011,
        "Request trace id: 12770ad2c02bc69e, [ORIGINAL ERROR] generic::resource_exhausted: RESOURCE_EXHAUSTED: "
        "Maximum concurrent se",
    ),
    "rpc-deadline": (1011, "Request trace id: 5b1f0a7c4e9d2386, [ORIGINAL ERROR] RPC::DEADLINE_EXCEEDED: "),
    "quota": (
        1011,
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: h",
    ),
    "thread-cancelled": (1011, "Thread was cancelled"),
    "normal": (1000, ""),
    "lost": (None, ""),
}
"""What each scenario of `live/closes` ends with (wire-live 5.1); None: no close frame."""

DIRECT = Target(
    "direct", frozenset({"gemini-live", "vertex-live"}), key=Secret("AIza-a-test-key"), vertex_carrier="bearer"
)


async def never():
    """No session here waits for the provider."""
    raise AssertionError("nobody asks for that")


def test_every_close_of_the_library_is_in_the_table():
    assert {name.rpartition("/")[2] for name in scenario_ids() if name.startswith("live/closes/")} == CLOSES.keys()


@pytest.mark.parametrize("name", CLOSES)
async def test_a_client_sees_code_and_reason_as_the_service_sends_them(name: str):
    probe = library_probe(load(f"live/closes/{name}"))
    async with simulator() as running:
        running.stage.arm(probe.scenario)
        driver = Driver(Aim(address_of(running.http_url, None), "", DIRECT, "", None, running.http_url), never)
        async with asyncio.timeout(20):
            await driver.play(probe)
    [seen] = driver.conversed
    assert seen.problem is None and seen.session.status == 101
    assert seen.session.close is not None
    found = (seen.session.close.code, seen.session.close.reason)
    assert found == CLOSES[name] and seen.was_lost == (name == "lost") and seen.session.close.sender == "server"
    assert len(found[1].encode()) <= 123
