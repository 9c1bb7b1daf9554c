"""The official @google/genai client, two releases, against the simulator and through the gateway.

What it got is compared with the scenarios, what it sent with what the simulator saw. Without Node these tests fail.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from understudy.authority import Authority
from understudy.control import Control
from understudy.demo.judge import everything
from understudy.demo.plan import REFUSED_STEP, Session, Step, common_steps
from understudy.demo.reading import transcript_of
from understudy.demo.recorder import Recorder
from understudy.demo.run import client_plan, play_session
from understudy.environment import Client, Endpoint, applied, snippet, variables_for
from understudy.errors import TargetError
from understudy.home import prepared_home
from understudy.messages import Transcript, header_value
from understudy.node_clients import node_environment
from understudy.processes import Ready
from understudy.wiring import UPSTREAM_KEY, Ports, wired

CLIENT = "@google/genai"
VERSIONS = (None, "2.32.0")
SERVICES = ("gemini", "vertex", "express")
KEY = "sk-interop-0123456789abcdef"
SETTINGS = {"price_book": "frozen", "keys": [{"id": "interop", "key": "os.environ/INTEROP_KEY"}]}

HELLO = {"role": "user", "parts": [{"text": "Say good morning."}]}
QUESTION = {"role": "user", "parts": [{"text": "What is the weather in Paris?"}]}
SENT = {
    "generate": [{"contents": [HELLO]}],
    "stream": [{"contents": [HELLO]}],
    "count": [{"contents": [HELLO]}],
    "quota": [{"contents": [HELLO]}],
    "tools": [
        {"contents": [QUESTION]},
        {
            "contents": [
                QUESTION,
                {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "get_weather", "response": {"output": "sunny"}}}],
                },
            ]
        },
    ],
    "live-text": [{"clientContent": {"turns": [HELLO], "turnComplete": True}}],
    "live-audio": [{"clientContent": {"turns": [HELLO], "turnComplete": True}}],
    "live-tool": [
        {"clientContent": {"turns": [QUESTION], "turnComplete": True}},
        {
            "toolResponse": {
                "functionResponses": [
                    {
                        "id": "function-call-1234567890123456789",
                        "name": "get_weather",
                        "response": {"output": "sunny"},
                    }
                ]
            }
        },
    ],
    "refused": [],
}
"""What the simulator must see of each step: the `contents` of each request, each Live message but the setup."""

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Stand:
    simulator: Ready
    gateway: Ready
    bundle: Path
    key_file: Path

    @property
    def trust(self) -> dict[str, str]:
        return {"NODE_EXTRA_CA_CERTS": str(self.bundle)}


@pytest.fixture(scope="module")
def home() -> Path:
    return prepared_home(os.environ)


@pytest.fixture(scope="module")
def stand(home, tmp_path_factory):
    """A strict simulator that takes only tokens of its own, and a gateway in front of it; both real processes."""
    folder = tmp_path_factory.mktemp("stand")
    key_file = folder / "service-account.json"
    play = (*Ports().options(), "--strict", "--auth", "issued")
    environ = {**os.environ, "INTEROP_KEY": KEY}
    with wired(folder, environ, play, Ports().options(), key_file, quiet=True, settings=SETTINGS) as pair:
        bundle = Authority.of_home(home).write_bundle(os.environ, folder / "bundle.pem")
        yield Stand(pair.simulator.ready, pair.gateway.ready, bundle, key_file)


def armed(control: Control, session: Session) -> None:
    """Put the scenario of each step at its start."""
    for step in session.steps:
        control.reset(session.scope(step))
        if step.scenario:
            control.play(step.scenario, scope=session.scope(step))


def assert_outcome(step: Step, result) -> None:
    """The client got what the step says; its one class of errors is called ApiError."""
    wanted = dict(step.values) if step.error is None else {**step.error, "type": "ApiError"}
    got = result.get("values" if step.error is None else "error", {})
    assert result["ok"] is (step.error is None), (step.name, result)
    assert {name: got.get(name) for name in wanted} == wanted, step.name


def sent(seen: Transcript) -> list[Any]:
    """What the client sent, in the form of SENT."""
    bodies = [json.loads(exchange.request.body) for exchange in seen.exchanges]
    frames = [json.loads(frame.payload) for session in seen.sessions for frame in session.sent_by("client")]
    assert [next(iter(frame)) for frame in frames[:1]] in ([], ["setup"])
    return [{"contents": body["contents"]} for body in bodies] + frames[1:]


def key_and_token(request) -> tuple[str | None, str | None]:
    """The API key, of header or query, and the bearer token of a request that reached the simulator."""
    key = header_value(request.headers, b"x-goog-api-key")
    token = header_value(request.headers, b"authorization")
    in_query = parse_qs(request.query).get("key", [None])[0]
    return key.decode() if key else in_query, token.decode() if token else None


@pytest.mark.parametrize("way", ["straight", "through the gateway"])
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version or "newest")
def test_google_genai_for_javascript_gets_what_the_scenarios_say(version, service, way, home, stand):
    environment = node_environment(CLIENT, version, home, print)
    through = way == "through the gateway"
    steps = (*common_steps(service), REFUSED_STEP) if through else common_steps(service)
    session = Session(service, version, steps)
    plan = client_plan(session, KEY, (stand.gateway if through else stand.simulator).https, prefixes=through)
    if service == "vertex" and not through:
        plan["service_account"] = str(stand.key_file)
    with Control(stand.simulator.admin) as control:
        armed(control, session)
        results = asyncio.run(play_session(environment, plan, stand.trust))
        upstream = control.transcript()
    agent = f"google-genai-sdk/{environment.version} gl-node/".encode()
    for step, result in zip(steps, results, strict=True):
        assert_outcome(step, result)
        seen = upstream.of_scope(session.scope(step))
        assert sent(seen) == SENT[step.name], step.name
        assert len(seen.sessions) == int(step.name.startswith("live-")), step.name
        for entry in (*seen.exchanges, *seen.sessions):
            assert (header_value(entry.request.headers, b"x-goog-api-client") or b"").startswith(agent)
            key, token = key_and_token(entry.request)
            if service == "vertex" or (service == "express" and through):
                assert key is None and token is not None and token.startswith("Bearer ya29.")
            else:
                assert (key, token) == (UPSTREAM_KEY if through else KEY, None)
        for live in seen.sessions:
            # The client's close() sends a close frame without a code, and so the gateway does.
            assert live.close is not None and (live.close.sender, live.close.code) == ("client", None)
        assert not through or KEY.encode() not in everything(seen), step.name


@pytest.mark.parametrize("service", SERVICES)
def test_both_ends_of_the_gateway_saw_the_same_bytes(service, home, stand):
    environment = node_environment(CLIENT, None, home, print)
    session = Session(service, None, common_steps(service))
    gateway, tls = urlsplit(stand.gateway.http), Authority.of_home(home).server_context()

    async def recorded() -> Transcript:
        async with Recorder(gateway.hostname or "", gateway.port or 0, tls) as recorder:
            plan = client_plan(session, KEY, f"https://127.0.0.1:{recorder.port}")
            results = await play_session(environment, plan, stand.trust)
        assert [result["step"] for result in results if not result["ok"]] == ["quota"], results
        return transcript_of(recorder.connections)

    with Control(stand.simulator.admin) as control:
        armed(control, session)
        client = asyncio.run(recorded())
        upstream = control.transcript()
    for step in session.steps:
        mine, theirs = client.of_scope(session.scope(step)), upstream.of_scope(session.scope(step))
        assert bytes_of(mine) == bytes_of(theirs), step.name
        assert len(bytes_of(mine)) == (2 if step.name == "tools" else 1), step.name


def bytes_of(transcript: Transcript) -> list[object]:
    """Bodies both ways, frames both ways: all that a gateway must leave alone."""
    exchanges = [
        (entry.request.body, entry.response and (entry.response.status, entry.response.body))
        # Node uses more than one connection, and a recording is in the order of connections.
        for entry in sorted(transcript.exchanges, key=lambda entry: entry.started)
    ]
    sessions = [
        [(frame.opcode, frame.payload) for frame in entry.sent_by(sender)]
        for entry in transcript.sessions
        for sender in ("client", "server")
    ]
    return [*exchanges, *([sessions] if sessions else [])]


ASK = 'console.log((await ai.models.generateContent({model: "gemini-2.5-flash", contents: "Say good morning."})).text);'
BY_VARIABLES = 'import {GoogleGenAI} from "@google/genai";\nconst ai = new GoogleGenAI({});'


def programs(client: Client, endpoint: Endpoint) -> list[str]:
    """The code that `understudy env` prints, without the sentences between."""
    printed = "\n".join(snippet(client, endpoint)).split("\n\n")
    return [block for block in printed if block.startswith("import ")] or [BY_VARIABLES]


@pytest.mark.parametrize("to", ["gateway", "simulator"])
@pytest.mark.parametrize("client", [Client.JS, Client.JS_VERTEX])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version or "newest")
def test_what_env_prints_for_javascript_works(version, client, to, home, stand, tmp_path):
    environment = node_environment(CLIENT, version, home, print)
    (tmp_path / "node_modules").symlink_to(environment.folder / "node_modules")
    origin = stand.gateway.https if to == "gateway" else stand.simulator.https
    endpoint = Endpoint(origin, to == "gateway", str(stand.bundle), str(stand.key_file), KEY)
    found = programs(client, endpoint)
    assert len(found) == (2 if client is Client.JS_VERTEX and to == "simulator" else 1)
    # The simulator of this stand takes no token that it did not issue: there the key file is the way.
    program = tmp_path / "user.mjs"
    program.write_text(f"{found[-1]}\n{ASK}\n", "utf-8")
    environ = applied(variables_for(client, endpoint, {}), {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    with Control(stand.simulator.admin) as control:
        control.reset("")
        control.play("gemini/generate" if client is Client.JS else "vertex/generate")
        done = subprocess.run(
            [str(environment.node), str(program)], env=environ, capture_output=True, text=True, timeout=60
        )
    assert done.stdout == "Good morning. What a fine day for a rehearsal.\n", done.stderr


LIVE = """\
import {GoogleGenAI, Modality} from "@google/genai";
const ai = new GoogleGenAI({});
const config = {responseModalities: [Modality.TEXT]};
const done = {};
const turn = new Promise((resolve, reject) => Object.assign(done, {resolve, reject}));
let text = "";
const onmessage = (message) => {
  text += message.serverContent?.modelTurn?.parts?.[0]?.text ?? "";
  if (message.serverContent?.turnComplete) done.resolve();
};
const callbacks = {onmessage, onclose: (event) => done.reject(new Error(`closed: ${event.code} ${event.reason}`))};
const session = await ai.live.connect({model: "gemini-live-2.5-flash", config, callbacks});
session.sendClientContent({turns: "Say hello"});
await turn;
session.close();
console.log(text);
"""


@pytest.mark.parametrize("kind", ["the how-to's", "Live"])
def test_a_users_program_passes_under_run(kind, home, tmp_path):
    environment = node_environment(CLIENT, None, home, print)
    (tmp_path / "node_modules").symlink_to(environment.folder / "node_modules")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "develop-offline.md").read_text("utf-8")
    [shown] = re.findall(r"```js\n(.*?)```", page, re.DOTALL)
    program = tmp_path / "user.mjs"
    program.write_text(LIVE if kind == "Live" else shown, "utf-8")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UNDERSTUDY_HOME": str(home)}
    command = [sys.executable, "-m", "understudy", "run", "--", str(environment.node), str(program)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Say hello" in done.stdout, done.stdout + done.stderr


def test_a_client_that_npm_does_not_find_is_said_in_npms_words(tmp_path):
    with pytest.raises(TargetError, match=r"npm install @google/genai@0\.0\.99: .*No matching version found"):
        node_environment(CLIENT, "0.0.99", tmp_path)
    assert [path.name for path in (tmp_path / "clients").iterdir()] == ["npm-@google+genai-0.0.99.lock"]


def test_an_installed_client_is_found_again_without_npm(home, stand):
    said: list[str] = []
    made = node_environment(CLIENT, "2.32.0", home)
    assert node_environment(CLIENT, "2.32.0", home, said.append) == made
    assert (made.version, said) == ("2.32.0", [])


def test_a_failure_before_any_answer_is_told_with_its_cause(home, stand):
    """Without our CA the client trusts neither server: what it says of that must lead to the cause."""
    environment = node_environment(CLIENT, "2.32.0", home, print)
    session = Session("gemini", "2.32.0", common_steps("gemini")[:1])
    [result] = asyncio.run(play_session(environment, client_plan(session, KEY, stand.gateway.https), {}))
    assert not result["ok"] and "certificate" in result["error"]["message"], result
