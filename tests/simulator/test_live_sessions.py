"""Live sessions over real sockets: free conversations, scenarios, refusals, ends of every kind, the transcript."""

import asyncio
import json
import logging
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from simulator_rig import BEARER, KEY, ask, scenario, simulator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from understudy.library import load
from understudy.messages import BINARY, TEXT, Close, header_value
from understudy.provider_errors.live import cut_reason
from understudy.secret import Secret
from understudy.surfaces import Place, Surface
from understudy_simulator.audio import speech
from understudy_simulator.clock import ManualClock, RealClock
from understudy_simulator.live import connection as connecting
from understudy_simulator.live import refusals
from understudy_simulator.live import session as driving
from understudy_simulator.live.session import CHOSEN_TOO_LATE
from understudy_simulator.live.settings import LiveSettings
from understudy_simulator.live.wire_faults import wire_frame
from understudy_simulator.quotas import QuotaRule

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
MODEL = "models/gemini-live-2.5-flash"
VERTEX_MODEL = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash"
SETUP = {"setup": {"model": MODEL, "generationConfig": {"responseModalities": ["TEXT"]}}}
VERTEX_SETUP = {"setup": {"model": VERTEX_MODEL, "generationConfig": {"responseModalities": ["TEXT"]}}}
HELLO = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hello there"}]}], "turnComplete": True}}
PLACE = Place(Surface.GEMINI_LIVE, "bidiGenerateContent", "v1beta", "")
WAIT_S = 20


@asynccontextmanager
async def session(running, target=GEMINI, *headers, **options):
    """A client's connection; everything it waits for is bounded by the caller."""
    options.setdefault("compression", None)
    url = running.http_url.replace("http", "ws", 1) + target
    async with asyncio.timeout(WAIT_S), connect(url, additional_headers=list(headers), proxy=None, **options) as client:
        yield client


async def say(client, message):
    await client.send(json.dumps(message))


async def hear(client):
    """The next message: it must be a binary frame."""
    frame = await client.recv()
    assert isinstance(frame, bytes)
    return json.loads(frame)


async def hear_turn(client):
    found = [await hear(client)]
    while "turnComplete" not in found[-1].get("serverContent", {}):
        found.append(await hear(client))
    return found


async def closed(client):
    """Code and reason of the server's close; code None if there was no close frame."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await client.recv()
    received = caught.value.rcvd
    return (received.code, received.reason) if received else (None, "")


async def until(holds):
    """Wait until something holds, in small steps."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def recorded(running, number=1):
    """The session as the transcript has it, once it has ended."""

    def ended():
        sessions = running.stage.recorder.transcript().sessions
        return len(sessions) >= number and sessions[number - 1].ended is not None

    await until(ended)
    return running.stage.recorder.transcript().sessions[number - 1]


def live(server, **words):
    return scenario(server, **({"id": "test/live", "surface": "gemini-live", "model": "gemini-live-2.5-flash"} | words))


SETUP_STEPS = [{"receive": {"json": {"setup": {"model": "*"}}}}, {"send": {"json": {"setupComplete": {}}}}]


# ---- free conversation


async def test_a_text_turn_without_a_scenario_and_its_transcript():
    async with simulator() as running:
        async with session(running, GEMINI + "?key=AIza-a-test-key") as client:
            await say(client, SETUP)
            first = await client.recv()
            await say(client, HELLO)
            answer = await hear_turn(client)
        assert first == b'{"setupComplete":{}}'
        assert answer[-1]["usageMetadata"]["totalTokenCount"] == 23
        found = await recorded(running)
    assert found.status == 101
    assert found.request.target == GEMINI + "?key=AIza-a-test-key"
    assert [frame.payload for frame in found.sent_by("client")] == [
        json.dumps(SETUP).encode(),
        json.dumps(HELLO).encode(),
    ]
    assert {frame.opcode for frame in found.sent_by("client")} == {TEXT}
    assert {frame.opcode for frame in found.sent_by("server")} == {BINARY}
    assert found.sent_by("server")[0].payload == first
    assert len(found.sent_by("server")) == 1 + len(answer)
    assert (found.close.sender, found.close.code) == ("client", 1000)
    assert (found.origin.surface, found.origin.scenario) == ("gemini-live", None)


async def test_a_vertex_audio_turn_to_the_byte_from_a_client_that_sends_binary():
    async with simulator() as running, session(running, VERTEX, BEARER) as client:
        setup = {"setup": {"model": VERTEX_MODEL, "generation_config": {"response_modalities": ["AUDIO"]}}}
        await client.send(json.dumps(setup).encode())
        assert list((await hear(client))["setupComplete"]) == ["sessionId"]
        await client.send(json.dumps(HELLO).encode())
        answer = await hear_turn(client)
        audio = [m["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"] for m in answer[:-2]]
        text = 'You said: "Hello there". This answer comes from the simulator, not from a model.'
        assert sum(len(data) * 3 // 4 - data.count("=") for data in audio) == len(speech(text)) == 256_000
        assert answer[-1]["usageMetadata"]["candidatesTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 134}]


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha", "v1beta1"])
@pytest.mark.parametrize("path", [GEMINI, VERTEX, "/" + GEMINI, "/~one" + GEMINI])
async def test_every_version_and_a_double_slash(path, version):
    path = path.replace("v1beta1", "V").replace("v1beta", "V").replace("V", version)
    header, setup = (BEARER, VERTEX_SETUP) if "aiplatform" in path else (KEY, SETUP)
    async with simulator() as running, session(running, path, header) as client:
        await say(client, setup)
        assert "setupComplete" in await hear(client)


async def test_over_tls():
    authority = trustme.CA()
    server, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client_side)
    async with simulator(tls=server, tls_port=0) as running:
        url = str(running.https_url).replace("https", "wss") + GEMINI
        async with (
            asyncio.timeout(WAIT_S),
            connect(url, ssl=client_side, additional_headers=[KEY], proxy=None) as client,
        ):
            await say(client, SETUP)
            assert await hear(client) == {"setupComplete": {}}
        found = await recorded(running)
    assert found.close == Close("client", 1000, "", found.close.at)


async def test_no_compression_and_no_subprotocol_are_agreed_and_none_is_logged(caplog):
    protocol = "openai-insecure-api-key.sk-secret"
    offer = {"compression": "deflate", "subprotocols": [protocol]}
    async with simulator() as running, session(running, GEMINI, KEY, **offer) as client:
        assert client.subprotocol is None
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        await say(client, SETUP)
        assert await hear(client) == {"setupComplete": {}}
    assert "sk-secret" not in caplog.text


async def test_the_same_seed_gives_the_same_bytes():
    async def talk():
        async with simulator(seed=7) as running:
            async with session(running, VERTEX, BEARER) as client:
                await say(client, VERTEX_SETUP | {})
                await hear(client)
                await say(client, HELLO)
                await hear_turn(client)
            return [frame.payload for frame in (await recorded(running)).sent_by("server")]

    assert await talk() == await talk()


async def test_an_interruption_while_audio_is_being_sent():
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running, session(running, GEMINI, KEY) as client:
        await say(client, {"setup": {"model": "models/gemini-2.5-flash-native-audio-latest"}})
        await hear(client)
        await say(client, HELLO)
        assert "modelTurn" in (await hear(client))["serverContent"]
        await say(client, {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Stop"}]}]}})
        assert await hear(client) == {"serverContent": {"interrupted": True}}
        end = await hear(client)
        assert end["serverContent"] == {"turnComplete": True}
        assert end["usageMetadata"]["responseTokenCount"] == 1


async def test_pings_are_answered_while_an_answer_is_being_sent():
    async with simulator(clock=ManualClock(), speed=1.0) as running, session(running, GEMINI, KEY) as client:
        await say(client, SETUP)
        await hear(client)
        await say(client, HELLO)
        await hear(client)
        await (await client.ping())


# ---- refusals


async def refusal(running, target, setup, *headers):
    async with session(running, target, *headers) as client:
        await say(client, setup)
        return await closed(client)


async def test_refused_credentials():
    async with simulator(api_keys=(Secret("AIza-good"),), auth="issued") as running:
        good = ("x-goog-api-key", "AIza-good")
        bad_token = (
            1008,
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
            "valid authentication c",
        )
        unregistered = "Method doesn't allow unregistered callers (callers without established identity). Please use "
        assert await refusal(running, GEMINI, SETUP) == (1008, unregistered + "API Key or other form of API c")
        bad_key = (1007, "API key not valid. Please pass a valid API key.")
        assert await refusal(running, GEMINI + "?key=AIza-bad", SETUP) == bad_key
        assert await refusal(running, GEMINI, SETUP, ("x-goog-api-key", "AIza-bad")) == bad_key
        assert await refusal(running, VERTEX, VERTEX_SETUP, BEARER) == bad_token
        assert (await refusal(running, VERTEX, VERTEX_SETUP))[0] == 1008
        # A key is no credential for a project; it is for express mode.
        assert (await refusal(running, VERTEX, VERTEX_SETUP, good))[0] == 1008
        express = {"setup": {"model": "publishers/google/models/gemini-live-2.5-flash"}}
        async with session(running, VERTEX, good) as client:
            await say(client, express)
            assert "setupComplete" in await hear(client)
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("server", 1008)


async def test_refused_projects():
    project = VERTEX_SETUP["setup"]["model"].split("/")[1]
    async with simulator(denied_projects=(project,), disabled_projects=("off",)) as running:
        reason = f"Permission denied on resource project {project}."
        assert await refusal(running, VERTEX, VERTEX_SETUP, BEARER) == (1008, reason)
        code, reason = await refusal(running, GEMINI, SETUP, KEY, ("x-goog-user-project", "off"))
        assert (code, reason[:72]) == (1008, "Generative Language API has not been used in project off before or it is")


async def test_an_error_by_name_closes_the_session():
    async with simulator() as running:
        running.stage.arm(live([*SETUP_STEPS, {"error": "unavailable"}]))
        running.stage.arm(live([{"error": "unknown-model"}]))
        assert await refusal(running, GEMINI, SETUP, KEY) == (1011, "The service is currently unavailable.")
        code, reason = await refusal(running, GEMINI, SETUP, KEY)
    unknown = "models/gemini-live-2.5-flash is not found for API version v1beta, or is not supported for bidiGen"
    assert (code, reason[: len(unknown)]) == (1008, unknown)
    assert len(reason.encode()) == 123


async def test_other_refusals_in_band():
    async with simulator() as running:
        code, reason = await refusal(running, GEMINI + "?key=k&model=m", SETUP)
        assert (code, reason.startswith('Invalid JSON payload received. Unknown name "model"')) == (1007, True)
        assert await refusal(running, GEMINI, HELLO, KEY) == (1007, "Request contains an invalid argument.")
        assert (await refusal(running, GEMINI, {"setup": {"model": "models/nobody"}}, KEY))[0] == 1008
        video = GEMINI.replace("BidiGenerateContent", "BidiGenerateVideo")
        assert await refusal(running, video, SETUP, KEY) == (1008, "understudy: bidiGenerateVideo is not simulated.")


CONSTRAINED = GEMINI.replace("v1beta", "v1alpha") + "Constrained"


async def token(running, **wish):
    """The header of a new ephemeral token."""
    made = await ask(running.http_url, "POST", "/v1alpha/auth_tokens", KEY, body=wish)
    assert made.status == 200, made.body
    return "Authorization", f"Token {made.json['name']}"


async def test_an_ephemeral_token_opens_as_many_sessions_as_it_has_uses():
    async with simulator() as running:
        header = await token(running, uses=1)
        async with session(running, CONSTRAINED, header) as client:
            await say(client, SETUP)
            assert "setupComplete" in await hear(client)
        assert await refusal(running, CONSTRAINED, SETUP, header) == (1011, "The service is currently unavailable.")


async def test_an_ephemeral_token_is_too_old_for_a_new_session_after_a_minute():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        header = await token(running)
        clock.advance(61)
        assert await refusal(running, CONSTRAINED, SETUP, header) == (1008, "The ephemeral token has expired.")


async def test_messages_are_taken_for_half_an_hour_after_a_token_was_made():
    """However the session is put together: 30 minutes are longer than one connection may last by default."""
    clock = ManualClock()
    live_long = LiveSettings(connection_s=7200.0, audio_session_s=7200.0)
    async with simulator(clock=clock, live=live_long) as running:
        header = await token(running)
        clock.advance(30)
        async with session(running, CONSTRAINED, header) as client:
            await say(client, SETUP)
            assert "setupComplete" in await hear(client)
            clock.advance(1769)
            await say(client, HELLO)
            await hear_turn(client)
            clock.advance(1)
            await say(client, HELLO)
            assert await closed(client) == (1008, "The ephemeral token has expired.")


async def test_what_a_token_locks_stands_in_place_of_what_the_client_says():
    locked = {"model": "models/nobody"}
    async with simulator() as running:
        header = await token(running, bidiGenerateContentSetup=locked, fieldMask="model", uses=0)
        code, reason = await refusal(running, CONSTRAINED, SETUP, header)
        assert (code, "models/nobody is not found" in reason) == (1008, True)
        free = await token(running, uses=0)
        async with session(running, CONSTRAINED, free) as client:
            await say(client, SETUP)
            assert "setupComplete" in await hear(client)


async def test_only_so_many_sessions_are_open_at_a_time():
    async with simulator(quotas=(QuotaRule("sessions", 1),)) as running:
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            code, reason = await refusal(running, GEMINI, SETUP, KEY)
            assert (code, "RESOURCE_EXHAUSTED: Maximum concurrent se" in reason) == (1011, True)
            async with session(running, GEMINI, ("x-goog-api-key", "another")) as other:
                await say(other, SETUP)
                assert "setupComplete" in await hear(other)
        await until(lambda: not running.stage.quotas._sessions)
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            assert "setupComplete" in await hear(client)


async def test_a_message_beyond_the_limit_is_refused():
    async with simulator() as running:
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            with pytest.raises(ConnectionClosed):
                await client.send(b"x" * (64 * 1024 * 1024 + 1))
            assert (await closed(client))[0] == 1009
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("server", 1009)


async def test_strict_names_the_nearest_miss():
    armed = live(SETUP_STEPS, match={"model": "gemini-other"})
    async with simulator(strict=True) as running:
        empty = await refusal(running, GEMINI, SETUP, KEY)
        running.stage.arm(armed)
        code, reason = await refusal(running, GEMINI, SETUP, KEY)
        found = await recorded(running, 2)
    assert empty == (1008, "understudy: no scenario: none is armed in this scope")
    assert code == 1008
    assert reason == "understudy: no scenario: test/live: model: wanted 'gemini-other', found 'gemini-live-2.5-flash'"
    assert found.origin.misses == ("test/live: model: wanted 'gemini-other', found 'gemini-live-2.5-flash'",)


async def test_what_is_no_handshake_gets_400():
    async with simulator() as running:
        answer = await ask(running.http_url, "GET", GEMINI, KEY, ("Upgrade", "websocket"), ("Connection", "Upgrade"))
        assert answer.status == 400
        assert b"RFC 6455" in answer.body
        found = await recorded(running)
    assert (found.status, found.frames, found.close) == (400, (), None)


# ---- scenarios


@pytest.mark.parametrize("name", ["live/text-turn", "live/tool-call", "live/audio-turn"])
async def test_a_shipped_scenario_is_played_and_its_client_side_fits(name):
    played = load(name)
    async with simulator(strict=True) as running:
        running.stage.arm(played)
        async with session(running, VERTEX, BEARER) as client:
            await say(
                client,
                {"setup": VERTEX_SETUP["setup"] | {"tools": [{"functionDeclarations": [{"name": "get_weather"}]}]}},
            )
            await hear(client)
            await say(client, HELLO)
            turn = await hear_turn(client)
            if name == "live/tool-call":
                assert list(turn[0]) == ["toolCall"]
                responses = [{"id": "x", "name": "get_weather", "response": {"output": "sunny"}}]
                await say(client, {"toolResponse": {"functionResponses": responses}})
                turn = await hear_turn(client)
        found = await recorded(running)
    assert found.origin.scenario == name
    assert found.origin.misses == ()
    assert (found.close.sender, found.close.code) == ("client", 1000)


async def test_a_scenario_is_chosen_by_the_setup_message():
    first = live([*SETUP_STEPS, {"close": {"code": 4000}}], match={"json": {"setup": {"labels": {"a": "1"}}}})
    second = live([*SETUP_STEPS, {"close": {"code": 4001, "reason": "second"}}])
    async with simulator() as running:
        running.stage.arm(first, times=None)
        running.stage.arm(second, times=None)
        assert (await refusal(running, GEMINI, SETUP, KEY))[0] == 4001
        labelled = {"setup": SETUP["setup"] | {"labels": {"a": "1"}}}
        assert (await refusal(running, GEMINI, labelled, KEY))[0] == 4000


async def test_the_scope_by_path_header_and_marker():
    async with simulator(strict=True) as running:
        for name in ("path", "header", "marker"):
            steps = [*SETUP_STEPS, {"close": {"code": 4000, "reason": "{{scope}}"}}]
            steps[1] = {"send": {"json": {"setupComplete": {"sessionId": "{{scope}}"}}}}
            running.stage.arm(live(steps), scope=name, carrier=name)
        marked = {"setup": SETUP["setup"] | {"systemInstruction": {"parts": [{"text": "[[understudy-scope:marker]]"}]}}}
        ways = (
            ("path", "/~path" + GEMINI, SETUP, (KEY,)),
            ("header", GEMINI, SETUP, (KEY, ("x-understudy-scope", "header"))),
            ("marker", GEMINI, marked, (KEY,)),
        )
        for number, (name, target, setup, headers) in enumerate(ways, 1):
            async with session(running, target, *headers) as client:
                await say(client, setup)
                assert (await hear(client))["setupComplete"] == {"sessionId": name}
            assert (await recorded(running, number)).origin.scope == name


async def test_a_carrier_that_names_no_scope_is_refused():
    async with simulator() as running:
        running.stage.arm(live(SETUP_STEPS), scope="other", carrier="marker")
        upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("x-understudy-scope", "a b"))
        answer = await ask(running.http_url, "GET", GEMINI, KEY, *upgrade)
        assert (answer.status, answer.body) == (
            400,
            b"understudy: x-understudy-scope: 'a b' is no scope (1 to 80 of A-Z a-z 0-9 . _ -)\n",
        )
        marked = {"setup": SETUP["setup"] | {"systemInstruction": {"parts": [{"text": "[[understudy-scope:a b]]"}]}}}
        async with session(running, GEMINI, KEY) as client:
            await say(client, marked)
            await client.wait_closed()
        assert (client.close_code, client.close_reason) == (
            1008,
            "understudy: the marker: 'a b' is no scope (1 to 80 of A-Z a-z 0-9 . _ -)",
        )


async def test_a_client_that_does_not_follow_the_script():
    async with simulator() as running:
        running.stage.arm(live([*SETUP_STEPS, {"receive": {"json": {"toolResponse": "*"}}}]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            await say(client, HELLO)
            code, reason = await closed(client)
        found = await recorded(running)
    assert code == 1008
    assert reason.startswith("understudy: server[2]: expected ")
    assert len(reason.encode()) <= 123
    (why,) = found.origin.misses
    assert why.startswith("server[2]: expected ")
    assert "clientContent" in why


async def test_a_client_that_leaves_early_is_in_the_transcript():
    async with simulator() as running:
        running.stage.arm(live([*SETUP_STEPS, {"receive": {"json": {"toolResponse": "*"}}}]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            await client.close(4321, "enough")
        found = await recorded(running)
    assert (found.close.sender, found.close.code, found.close.reason) == ("client", 4321, "enough")
    assert found.origin.misses[0].endswith("got the close 4321")


async def test_a_script_that_ends_without_a_close_closes_cleanly():
    async with simulator() as running:
        running.stage.arm(live(SETUP_STEPS))
        assert await refusal(running, GEMINI, SETUP, KEY) == (1000, "")


async def test_text_frames_slots_and_a_close_without_a_code():
    steps = [
        SETUP_STEPS[0],
        {"send": {"text": '{"model":"{{model}}","path":"{{model_path}}"}', "opcode": "text"}},
        {"close": {"code": None}},
    ]
    async with simulator() as running:
        running.stage.arm(live(steps))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            assert await client.recv() == f'{{"model":"gemini-live-2.5-flash","path":"{MODEL}"}}'
            assert await closed(client) == (1005, "")
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("server", None)
    assert found.sent_by("server")[0].opcode == TEXT


async def test_a_pause_waits_on_the_clock():
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(live([*SETUP_STEPS, {"pause": "30s"}, {"close": {"code": 4000}}]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            # The pong shows that the simulator had its turn.
            await (await client.ping())
            assert client.state.name == "OPEN"
            clock.advance(29.0)
            await (await client.ping())
            assert client.state.name == "OPEN"
            clock.advance(1.0)
            assert (await closed(client))[0] == 4000


async def test_paced_audio_keeps_its_schedule():
    clock = ManualClock()
    audio = {"send_audio": {"silence": True, "duration": "1s", "frame": "250ms", "pace": "realtime"}}
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(live([*SETUP_STEPS, audio]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            for _ in range(3):
                await hear(client)
                await (await client.ping())
                clock.advance(0.25)
            await hear(client)
            assert await closed(client) == (1000, "")
        times = [frame.at for frame in (await recorded(running)).sent_by("server")]
    assert times == [0.0, 0.0, 0.25, 0.5, 0.75]


async def test_who_is_late_catches_up_with_the_schedule():
    clock = ManualClock()
    audio = {"send_audio": {"silence": True, "duration": "1s", "frame": "250ms", "pace": "realtime"}}
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(live([*SETUP_STEPS, audio]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            await hear(client)
            await (await client.ping())
            clock.advance(0.6)
            await hear(client)
            await hear(client)
            await (await client.ping())
            clock.advance(0.15)
            await hear(client)
        times = [frame.at for frame in (await recorded(running)).sent_by("server")]
    assert times == [0.0, 0.0, 0.6, 0.6, 0.75]


async def test_the_schedule_goes_on_from_where_time_was_moved_to():
    clock = RealClock()
    audio = {"send_audio": {"silence": True, "duration": "300s", "frame": "100s", "pace": "realtime", "rate_hz": 1000}}
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(live([*SETUP_STEPS, audio]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            await hear(client)
            for _ in range(2):
                await (await client.ping())
                clock.advance(100.0)
                await hear(client)
            assert await closed(client) == (1000, "")


async def test_a_deadline_that_was_met_does_not_hold_the_session():
    clock = ManualClock()
    steps = [{"receive": {"json": {"clientContent": "*"}, "within": "60s"}}, {"pause": "1s"}, {"close": {"code": 4000}}]
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(live([*SETUP_STEPS, *steps]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            await say(client, HELLO)
            await (await client.ping())
            clock.advance(1.0)
            assert (await closed(client))[0] == 4000
        async with asyncio.timeout(5):
            await recorded(running)


# ---- bad ends


async def test_a_reset_connection():
    async with simulator() as running:
        running.stage.arm(live([*SETUP_STEPS, {"fault": {"reset_peer": True}}]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            assert await closed(client) == (None, "")
            assert isinstance(client.protocol.parser_exc or client.protocol.close_exc, Exception)
        found = await recorded(running)
    assert found.origin.faults == ("reset_peer",)
    assert (found.close.sender, found.close.code) == ("server", None)


async def raw_session(running):
    """A handshake by hand; gives reader and writer behind it."""
    host, _, port = running.http_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"GET {GEMINI} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", ": ".join(KEY)]
    head += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""]
    writer.write("\r\n".join(head).encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(opcode, payload):
    """A client's frame, masked by zeros."""
    frame = wire_frame(0x80 | opcode, payload)
    size = len(frame) - len(payload)
    return bytes([frame[0], frame[1] | 0x80]) + frame[2:size] + bytes(4) + payload


@pytest.mark.parametrize(
    ("fault", "wire"),
    [
        ({"truncate": 5}, b'\x82\x14{"set'),
        (
            {"slice": 8},
            b'\x02\x08{"setupC\x00\x08omplete"\x80\x04:{}}' + b"\x88\x02\x03\xe8",
        ),
    ],
)
async def test_a_cut_and_a_sliced_message_on_the_wire(fault, wire):
    steps = [SETUP_STEPS[0], SETUP_STEPS[1] | {"fault": fault}]
    async with simulator() as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live(steps))
        reader, writer = await raw_session(running)
        writer.write(masked(TEXT, json.dumps(SETUP).encode()))
        if "slice" in fault:
            assert await reader.readexactly(len(wire)) == wire
            writer.write(masked(8, b"\x03\xe8"))
        else:
            assert await reader.read() == wire
        assert await reader.read() == b""
        writer.close()
        found = await recorded(running)
    assert found.origin.faults == (f"{next(iter(fault))} {next(iter(fault.values()))}",)


async def test_a_stall_answers_not_even_pings():
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live([*SETUP_STEPS, {"fault": {"stall": "5s"}}, {"receive": "any"}]))
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            await hear(client)
            await until(lambda: running.stage.recorder.transcript().sessions[0].origin.faults)
            pong = asyncio.ensure_future(await client.ping())
            await asyncio.sleep(0.05)
            assert not pong.done()
            clock.advance(5.0)
            await pong
            await say(client, HELLO)
            assert await closed(client) == (1000, "")
        assert (await recorded(running)).origin.faults == ("stall 5s",)


async def test_a_client_that_is_simply_gone():
    async with simulator() as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live([*SETUP_STEPS, {"receive": {"json": {"toolResponse": "*"}}}]))
        _, writer = await raw_session(running)
        writer.write(masked(TEXT, json.dumps(SETUP).encode()))
        await writer.drain()
        await until(lambda: running.stage.recorder.transcript().sessions[0].frames)
        writer.transport.abort()
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("client", None)
    assert found.origin.misses[0].endswith("got the close")


async def test_a_close_without_a_code_is_answered_in_kind():
    async with simulator() as running, asyncio.timeout(WAIT_S):
        reader, writer = await raw_session(running)
        writer.write(masked(8, b""))
        assert await reader.read() == b"\x88\x00"
        writer.close()
        found = await recorded(running)
    assert (found.close.sender, found.close.code, found.frames) == ("client", None, ())


async def test_a_client_that_says_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(driving, "FIRST_WITHIN_S", 0.05)
    async with simulator() as running, session(running, GEMINI, KEY) as client:
        assert await closed(client) == (1011, "Deadline expired before operation could complete.")


async def test_what_still_comes_after_the_close_is_in_the_transcript():
    async with simulator() as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live(SETUP_STEPS))
        reader, writer = await raw_session(running)
        writer.write(masked(TEXT, json.dumps(SETUP).encode()))
        await reader.readuntil(b"\x88\x02\x03\xe8")
        writer.write(masked(TEXT, b"{}") * 200 + masked(8, b"\x03\xe8"))
        assert await reader.read() == b""
        writer.close()
        found = await recorded(running)
    assert len(found.sent_by("client")) == 201


@pytest.mark.parametrize("steps", [[], [{"receive": "close"}]])
async def test_a_client_that_does_not_answer_a_close_is_let_go(monkeypatch, steps):
    monkeypatch.setattr(driving, "CLOSE_WITHIN_S", 0.05)
    async with simulator() as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live([*SETUP_STEPS, {"close": {"code": 4000}}, *steps]))
        reader, writer = await raw_session(running)
        writer.write(masked(TEXT, json.dumps(SETUP).encode()))
        assert (await reader.read()).endswith(b"\x88\x02\x0f\xa0")
        writer.close()
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("server", 4000)


@pytest.mark.parametrize("steps", [[], [{"receive": "close"}], [{"receive": "any"}, {"receive": "any"}]])
async def test_a_client_that_talks_on_after_a_close_is_let_go(monkeypatch, steps):
    monkeypatch.setattr(driving, "CLOSE_WITHIN_S", 0.2)
    async with simulator() as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live([*SETUP_STEPS, {"close": {"code": 4000}}, *steps]))
        reader, writer = await raw_session(running)
        writer.write(masked(TEXT, json.dumps(SETUP).encode()))
        await reader.readuntil(b"\x88\x02\x0f\xa0")
        while not writer.transport.is_closing():
            writer.write(masked(TEXT, b"{}"))
            await asyncio.sleep(0.01)
        writer.transport.abort()
        found = await recorded(running)
    assert (found.close.sender, found.close.code) == ("server", 4000)
    assert len(found.sent_by("client")) > 3


async def test_a_client_that_does_not_read_is_given_up(monkeypatch):
    monkeypatch.setattr(connecting, "SEND_WITHIN_S", 0.05)
    flood = {"repeat": {"times": 1000, "steps": [{"send": {"text": "x" * 100_000}}]}}
    async with simulator() as running, asyncio.timeout(WAIT_S):
        running.stage.arm(live([*SETUP_STEPS, flood]))
        _, writer = await raw_session(running)
        writer.write(masked(TEXT, json.dumps(SETUP).encode()))
        found = await recorded(running)
        writer.close()
    assert (found.close.sender, found.close.code) == ("server", None)
    assert found.close.reason == "the client did not read"
    assert len(found.frames) < 1000


async def test_when_the_simulator_stops_sessions_are_told():
    async with asyncio.timeout(WAIT_S), simulator() as running:
        client = await connect(running.http_url.replace("http", "ws") + GEMINI, additional_headers=[KEY], proxy=None)
        await say(client, SETUP)
        await hear(client)
        stage = running.stage
    assert (await closed(client))[0] == 1001
    (found,) = stage.recorder.transcript().sessions
    assert found.close == Close("server", 1001, "", found.close.at if found.close else 0)
    assert found.ended is not None


async def test_the_transcript_has_the_answer_to_the_handshake():
    async with simulator() as running:
        async with session(running, GEMINI, KEY) as client:
            accept = client.response.headers["Sec-WebSocket-Accept"].encode() if client.response else b""
            await say(client, SETUP)
        found = await recorded(running)
        assert header_value(found.answer_headers, b"sec-websocket-accept") == accept


NAMED = {"method": "bidiGenerateContent", "model": "*"}


async def test_a_scenario_that_begins_with_a_reply_refuses_the_handshake():
    reply = {"reply": {"status": 503, "headers": {"Retry-After": "7"}, "json": {"error": {"code": 503}}}}
    async with simulator() as running:
        running.stage.arm(live([reply], match=NAMED))
        with pytest.raises(InvalidStatus) as caught:
            async with session(running, GEMINI, KEY):
                pass
        answer = caught.value.response
        # It was played; the next session is free.
        async with session(running, GEMINI, KEY) as client:
            await say(client, SETUP)
            assert await hear(client) == {"setupComplete": {}}
        found = await recorded(running)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert json.loads(answer.body) == {"error": {"code": 503}}
    assert (found.status, found.frames, found.origin.scenario) == (503, (), "test/live")


async def test_a_session_that_is_chosen_before_its_model_is_known_still_knows_it():
    steps = [SETUP_STEPS[0], {"send": {"text": "{{model}} {{scope}}"}}]
    async with simulator() as running:
        running.stage.arm(live(steps, match=NAMED), scope="one")
        async with session(running, "/~one" + GEMINI, KEY) as client:
            await say(client, SETUP)
            assert await client.recv() == b"gemini-live-2.5-flash one"
            assert await closed(client) == (1000, "")
        assert (await recorded(running)).origin.scenario == "test/live"


async def test_a_reply_that_is_chosen_by_the_model_comes_too_late():
    async with simulator() as running:
        running.stage.arm(live([{"reply": {"status": 503}}]))
        code, reason = await refusal(running, GEMINI, SETUP, KEY)
    assert code == 1008
    assert reason == cut_reason("understudy: " + CHOSEN_TOO_LATE)


# ---- the terminal


async def test_one_line_for_a_session_without_its_key(caplog):
    caplog.set_level(logging.INFO, "understudy_simulator.live.side")
    async with simulator() as running:
        async with session(running, GEMINI + "?key=AIza-a-secret-key") as client:
            await say(client, SETUP)
            await hear(client)
            await client.close(4000, "a\nb")
        await recorded(running)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "understudy_simulator.live.side"]
    assert line.startswith("LIVE " + GEMINI)
    assert "AIza-a-secret-key" not in line
    assert " no scenario 101 1>1 client closed 4000 a?b " in line


def test_the_reference_has_every_reason_of_the_services_own_words():
    page = (Path(__file__).parents[2] / "docs/reference/close-codes-simulator.md").read_text("utf-8")
    constants = [value for value in vars(refusals).values() if isinstance(value, refusals.Refusal)]
    assert len(constants) == 11
    for refused in constants:
        assert f"| {refused.code} | `{refused.reason}` |" in page
