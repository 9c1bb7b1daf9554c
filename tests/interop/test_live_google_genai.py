"""Google's own Python client, two releases, holds every kind of Live conversation with the simulator, over TLS."""

import asyncio
import json
import os
import ssl
from pathlib import Path

import pytest
import trustme

from understudy.clients import client_environment
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy_simulator.app import Simulator
from understudy_simulator.live.settings import LiveSettings
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

VERSIONS = (None, "2.34.0")
SERVICES = ("gemini", "vertex")
PROGRAM = Path(__file__).parent / "live_program.py"
LIMIT_S = 180
TALKS = (
    *("text_turn", "five_turns", "audio_automatic", "audio_manual", "stream_end", "ten_seconds", "interruption"),
    *("tool", "tool_not_blocking", "cancellation", "refused_setup"),
)
BYE = "This answer comes from the simulator, not from a model."

pytestmark = pytest.mark.interop


async def held(python: Path, service: str, talks: tuple[str, ...], folder: Path, live: LiveSettings):
    """What came of the talks, by name."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    settings = SimulatorSettings(port=0, tls_port=0, admin_port=0, speed=2.0, live=live)
    async with Simulator(settings, service_account=ServiceAccount.generate(), tls=tls) as simulator:
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "SSL_CERT_FILE": str(bundle)},
        )
        plan = {"base_url": simulator.https_url, "service": service, "talks": talks}
        try:
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate(json.dumps(plan).encode())
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, err.decode()[-3000:]
    lines = [json.loads(line) for line in out.splitlines()]
    return {line["talk"]: line["result"] for line in lines}


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version or "newest")
def python(request) -> Path:
    return client_environment(CLIENT, request.param, prepared_home(os.environ), print).python


@pytest.fixture(scope="module", params=SERVICES)
def service(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def talks(python, service, tmp_path_factory):
    return asyncio.run(held(python, service, TALKS, tmp_path_factory.mktemp("talks"), LiveSettings()))


def test_a_text_turn(talks):
    assert talks["text_turn"]["text"] == f'You said: "Hello there". {BYE}'


def test_five_turns_each_with_a_longer_prompt(talks):
    assert talks["five_turns"]["texts"] == [f'You said: "Question {number}". {BYE}' for number in range(5)]
    assert talks["five_turns"]["prompts"] == [3, 26, 49, 72, 95]


def test_speech_that_the_service_finds(talks):
    turn = talks["audio_automatic"]
    assert turn["heard"] == "(1.0 seconds of audio)"
    assert turn["said"] == f'You said: "(1.0 seconds of audio)". {BYE}'
    assert turn["bytes"] == len(turn["said"]) * 3200
    assert turn["usage"][0] == 25


def test_speech_that_the_client_marks(talks):
    assert talks["audio_manual"]["text"] == f'You said: "(1.5 seconds of audio)". {BYE}'
    assert talks["stream_end"]["text"] == f'You said: "(1.0 seconds of audio)". {BYE}'


def test_ten_seconds_of_audio_arrive_whole(talks):
    turn = talks["ten_seconds"]
    assert turn["bytes"] == 10 * 48_000
    assert turn["said"] == f'You said: "{"x" * 81}". {BYE}'


def test_an_interruption(talks):
    found = talks["interruption"]
    assert found["interrupted"]
    assert found["ends"] == 1
    assert 0 < found["bytes"] < 50 * 3200
    assert found["next"]["bytes"] > 0
    assert not found["next"]["interrupted"]


def test_a_call_that_blocks(talks):
    found = talks["tool"]
    assert [call["name"] for call in found["calls"]] == ["switch_lamp"]
    assert found["answer"]["text"] == f'I asked, and switch_lamp returned {{"result": "ok"}}. {BYE}'


def test_a_call_that_does_not_block(talks):
    found = talks["tool_not_blocking"]
    assert found["calling"]["said"] == "I have called switch_lamp; meanwhile we can go on."
    assert found["meanwhile"]["said"] == f'You said: "And what else?". {BYE}'
    assert found["answer"]["said"].startswith("I asked, and switch_lamp returned")


def test_a_cancelled_call(talks):
    found = talks["cancellation"]
    assert found["cancelled"] == found["asked"]


def test_music(python, service, tmp_path):
    if service == "gemini":
        found = asyncio.run(held(python, service, ("music",), tmp_path, LiveSettings()))
        assert found["music"] == [48_000] * 3


def test_refused_setups(talks):
    refusals = talks["refused_setup"]
    codes = {name: refusal[0] for name, refusal in refusals.items()}
    assert codes == {"modality": 1007, "model": 1008, "voice": 1007, "handle": 1008}
    assert "requested combination of response modalities (TEXT)" in refusals["modality"][1]
    assert "BidiGenerateContent session not found" in refusals["handle"][1]


def test_a_session_goes_on_after_go_away(python, service, tmp_path):
    live = LiveSettings(connection_s=2.0, warning_s=1.0, waits_for_playback=False)
    found = asyncio.run(held(python, service, ("go_away", "ignored_go_away"), tmp_path, live))
    assert found["go_away"]["time_left"] == "1s"
    first, second = found["go_away"]["usage"]
    assert second[0] == first[0] + first[1] + 3
    code, reason = found["ignored_go_away"]
    assert code == 1008
    assert "client failed to close the connection after receiving a GoAway" in reason
