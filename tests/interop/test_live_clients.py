"""Frameworks that hold Live conversations, unmodified, over TLS: Google's ADK, pipecat and livekit.

Each program of `live_clients/` runs in an environment of its own, whose packages a list pins. Every conversation has a
typed turn, a spoken one, and one for which the framework calls a tool and the model answers with its result.
"""

import json
import os
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interop import live_how_to
from understudy.authority import Authority
from understudy.clients import client_environment
from understudy.control import Control
from understudy.environment import applied, no_proxy_variables
from understudy.home import prepared_home
from understudy.processes import Ready, running

pytestmark = [pytest.mark.interop, pytest.mark.other_clients, pytest.mark.timeout(900)]

FOLDER = Path(__file__).parent / "live_clients"
SIMULATOR = ("--port", "0", "--tls-port", "0", "--admin-port", "0", "--speed", "4", "--auth", "any")
PLACE = {"project": "fake-proj", "location": "us-central1"}
RUN_LIMIT_S = 400
BYE = "This answer comes from the simulator, not from a model."


@dataclass(frozen=True)
class Client:
    """A framework: its package, the program and pins with its name, how it wraps a result, and its conversations."""

    name: str
    package: str
    version: str
    wraps: str
    talks: tuple[str, ...] = ("gemini 2.5", "gemini 3.1", "gemini 3.8", "vertex")
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def python(self, home: Path) -> Path:
        """The interpreter of its environment."""
        pins = FOLDER / f"{self.name}.txt"
        return client_environment(self.package, self.version, home, print, self.also, pins).python


CLIENTS = (
    Client("adk", "google-adk", "2.13.0", "result"),
    Client(
        "pipecat",
        "pipecat-ai",
        "1.14.0",
        "value",
        ("gemini 2.5", "gemini 3.1", "gemini 3.8", "vertex", "vertex 3.8"),
        ("pipecat-ai[google]",),
    ),
    Client("livekit", "livekit-plugins-google", "1.8.9", "output"),
)
CASES = [pytest.param(client, talk, id=f"{client}-{talk}") for client in CLIENTS for talk in client.talks]


@dataclass(frozen=True)
class Stand:
    """A simulator, the bundle that its TLS is trusted by, and its key file."""

    simulator: Ready
    bundle: Path
    key_file: Path
    home: Path


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stand]:
    folder = tmp_path_factory.mktemp("live")
    home = prepared_home(os.environ)
    key_file = folder / "service-account.json"
    with running("simulator", (*SIMULATOR, "--service-account", str(key_file)), os.environ, folder / "log") as up:
        bundle = Authority.of_home(home).write_bundle(os.environ, folder / "bundle.pem")
        yield Stand(up.ready, bundle, key_file, home)


@pytest.fixture(scope="module")
def answers(stand: Stand) -> Callable[[Client], dict[str, Any]]:
    """What a client's program said, talk by talk; it runs once."""
    made: dict[str, dict[str, Any]] = {}

    def of(client: Client) -> dict[str, Any]:
        if client.name not in made:
            made[client.name] = said(client, stand)
        return made[client.name]

    return of


def said(client: Client, stand: Stand) -> dict[str, Any]:
    """Run a client's program."""
    python = client.python(stand.home)
    plan = {"base_url": stand.simulator.https, "key_file": str(stand.key_file), **PLACE}
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GEMINI_", "LIVEKIT_"))}
    done = subprocess.run(
        [str(python), str(FOLDER / f"{client.name}_program.py")],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        env=applied({**no_proxy_variables(os.environ), "SSL_CERT_FILE": str(stand.bundle)}, own),
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["talk"] for line in lines] == list(client.talks)
    return {line["talk"]: line for line in lines}


@pytest.mark.parametrize(("client", "talk"), CASES)
def test_a_framework_holds_a_conversation_with_a_tool_call(
    client: Client, talk: str, answers: Callable[[Client], dict[str, Any]]
) -> None:
    found = answers(client)[talk]
    assert "error" not in found, found
    talked = found["values"]
    assert talked["typed"]["said"] == f'You said: "Hello there". {BYE}'
    assert talked["spoken"]["said"] == f'You said: "(1.0 seconds of audio)". {BYE}'
    assert talked["spoken"]["heard"] == "(1.0 seconds of audio)"
    assert talked["calls"] == [{"name": "get_weather", "args": {"city": "Paris"}}]
    told = json.dumps({client.wraps: "sunny, 21 degrees"})
    assert talked["answer"]["said"].endswith(f"I asked, and get_weather returned {told}. {BYE}")
    for turn in (talked["typed"], talked["spoken"]):
        # livekit hands its audio on to a room only, and there is none here.
        assert turn.get("bytes", len(turn["said"]) * 3200) == len(turn["said"]) * 3200


def test_the_simulator_saw_whole_sessions(stand: Stand, answers: Callable[[Client], dict[str, Any]]) -> None:
    for client in CLIENTS:
        answers(client)
    assert stand.simulator.admin is not None
    with Control(stand.simulator.admin) as control:
        seen = control.transcript()
    assert len(seen.sessions) >= sum(len(client.talks) for client in CLIENTS)
    assert {session.close.sender for session in seen.sessions if session.close} == {"client"}


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_the_program_of_the_how_to_page_runs(client: Client, tmp_path: Path) -> None:
    home = prepared_home(os.environ)
    found = live_how_to.printed(client.package, client.python(home), tmp_path / "hello.py", home)
    assert f'You said: "Say hello". {BYE}' in found
