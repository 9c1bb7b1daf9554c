"""Google's own clients for Python and JavaScript, two releases each, hold every kind of Live conversation, over TLS."""

import asyncio
import json
import os
import ssl
from collections.abc import Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trustme

from interop import live_how_to
from understudy.clients import client_environment
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.node_clients import node_environment
from understudy_simulator.app import Simulator
from understudy_simulator.audio import speech
from understudy_simulator.live.settings import LiveSettings
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

SERVICES = ("gemini", "vertex")
FOLDER = Path(__file__).parent
LIMIT_S = 180
TALKS = (
    *("text_turn", "five_turns", "audio_automatic", "audio_manual", "stream_end", "ten_seconds", "interruption"),
    *("tool", "tool_not_blocking", "cancellation", "go_away", "ignored_go_away", "refused_setup"),
)
HURRIED = LiveSettings(connection_s=6.0, warning_s=3.0, waits_for_playback=False)
"""Short connections, so that `goAway` comes soon."""
BYE = "This answer comes from the simulator, not from a model."

pytestmark = pytest.mark.interop

Results = dict[str, Any]


@dataclass(frozen=True)
class Client:
    """A release of one of Google's clients."""

    language: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.language}-{self.version or 'newest'}"

    def command(self, home: Path) -> tuple[tuple[str, ...], dict[str, str]]:
        """The command that runs its program, and what its plan says of itself."""
        if self.language == "python":
            python = client_environment(CLIENT, self.version, home, print).python
            return (str(python), str(FOLDER / "live_program.py")), {}
        node = node_environment("@google/genai", self.version, home, print)
        return (str(node.node), str(FOLDER / "live_program.mjs")), {"client": str(node.folder)}


CLIENTS = (Client("python", None), Client("python", "2.34.0"), Client("js", None), Client("js", "2.32.0"))


async def held(client: Client, service: str, talks: tuple[str, ...], folder: Path, *, tls: bool = True) -> Results:
    """What came of the talks, by name."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    command, plan = client.command(prepared_home(os.environ))
    async with AsyncExitStack() as stack:
        urls: list[str] = []
        for live in (LiveSettings(), HURRIED):
            settings = SimulatorSettings(port=0, tls_port=0, admin_port=0, speed=4.0, live=live)
            simulator = Simulator(settings, service_account=ServiceAccount.generate(), tls=context)
            await stack.enter_async_context(simulator)
            urls.append((simulator.https_url if tls else simulator.http_url) or "")
        plan |= {"base_url": urls[0], "hurried_url": urls[1], "service": service, "talks": talks}
        out = await printed(command, plan, {"SSL_CERT_FILE": str(bundle), "NODE_EXTRA_CA_CERTS": str(bundle)})
    lines = [json.loads(line) for line in out.splitlines()]
    return {line["talk"]: line["result"] for line in lines}


async def printed(command: tuple[str, ...], plan: Results, trust: dict[str, str]) -> bytes:
    """What a program prints that is given the plan."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **trust},
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            out, err = await process.communicate(json.dumps(plan).encode())
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()[-3000:]
    return out


@pytest.fixture(scope="module", params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> Client:
    return request.param


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def talks(client: Client, service: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Results]:
    wanted = (*TALKS, "music") if service == "gemini" else TALKS
    found = asyncio.run(held(client, service, wanted, tmp_path_factory.mktemp("talks")))
    assert sorted(found) == sorted(wanted)
    yield found


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
    assert turn["sha256"] == sha256(speech(turn["said"])).hexdigest()


def test_an_interruption(talks):
    found = talks["interruption"]
    assert found["interrupted"]
    assert found["ends"] == 1
    assert 0 < found["bytes"] < 300 * 3200
    assert found["next"]["bytes"] > 0
    assert not found["next"]["interrupted"]


def test_a_call_that_blocks(talks):
    found = talks["tool"]
    assert [call["name"] for call in found["calls"]] == ["switch_lamp"]
    assert found["answer"]["text"] == f'I asked, and switch_lamp returned {{"result": "ok"}}. {BYE}'


def test_a_call_that_does_not_block(talks):
    found = talks["tool_not_blocking"]
    assert found["calling"]["said"] == "I am calling switch_lamp; meanwhile we can go on."
    assert found["meanwhile"]["said"] == f'You said: "And what else?". {BYE}'
    assert found["answer"]["said"].startswith("I asked, and switch_lamp returned")


def test_a_cancelled_call(talks):
    found = talks["cancellation"]
    assert found["asked"] and found["cancelled"] == found["asked"]


def test_music(talks, service):
    assert talks.get("music") == ([48_000] * 3 if service == "gemini" else None)


def test_refused_setups(talks):
    refusals = talks["refused_setup"]
    codes = {name: refusal[0] for name, refusal in refusals.items()}
    assert codes == {"modality": 1007, "model": 1008, "voice": 1007, "handle": 1008}
    assert "requested combination of response modalities (TEXT)" in refusals["modality"][1]
    assert "BidiGenerateContent session not found" in refusals["handle"][1]


def test_a_session_goes_on_after_go_away(talks):
    assert talks["go_away"]["time_left"] == "3s"
    first, second = talks["go_away"]["usage"]
    assert second[0] == first[0] + first[1] + 3


def test_a_go_away_that_is_ignored(talks):
    code, reason = talks["ignored_go_away"]
    assert code == 1008
    assert "client failed to close the connection after receiving a GoAway" in reason


def test_javascript_needs_no_tls(service, tmp_path):
    found = asyncio.run(held(Client("js", None), service, ("text_turn",), tmp_path, tls=False))
    assert found["text_turn"]["text"] == f'You said: "Hello there". {BYE}'


@pytest.mark.parametrize("package", ["google-genai", "@google/genai"])
def test_the_program_of_the_how_to_page_runs(package: str, tmp_path: Path):
    home = prepared_home(os.environ)
    if package == "google-genai":
        interpreter, program = client_environment(CLIENT, None, home, print).python, tmp_path / "hello.py"
    else:
        node = node_environment(package, None, home, print)
        (tmp_path / "node_modules").symlink_to(node.folder / "node_modules")
        interpreter, program = node.node, tmp_path / "hello.mjs"
    assert f'You said: "Say hello". {BYE}' in live_how_to.printed(package, interpreter, program, home)
