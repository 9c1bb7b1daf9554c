"""Starts simulator, gateway and recorder, lets the clients play the plan, and judges what came of it."""

import asyncio
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from ..authority import Authority
from ..clients import ClientEnvironment, client_environment
from ..control import Control
from ..environment import applied, no_proxy_variables, server_environment
from ..errors import TargetError
from ..library import load
from ..messages import Transcript
from ..node_clients import NodeEnvironment
from ..wiring import Pair, Ports, wired
from .judge import Evidence, Row, judged
from .plan import CLIENT, LOCATION, PROJECT, SESSIONS, Session, Step
from .reading import transcript_of
from .recorder import Recorder

Say = Callable[[str], None]

STEP_LIMIT_S: Final = 60.0

KEY_VARIABLE: Final = "UNDERSTUDY_DEMO_KEY"
SETTINGS: Final = MappingProxyType(
    {"price_book": "frozen", "keys": [{"id": "demo", "key": f"os.environ/{KEY_VARIABLE}"}]}
)
"""The demo's gateway: one key, and the frozen price book, against which the scenarios' costs are worked out."""


@dataclass(frozen=True, slots=True)
class Played:
    """What one session's client said, step by step, and what was recorded of it at both ends."""

    session: Session
    environment: ClientEnvironment
    results: tuple[Mapping[str, Any], ...]
    client: Transcript


def run_demo(home: Path, say: Say, sessions: Sequence[Session] = SESSIONS) -> list[Row]:
    """Play all sessions and give one row a step. `say` is called with a line of progress now and then.

    Raises TargetError if a client cannot be installed or a server fails, ConfigError if a server cannot start.
    """
    environments = {
        version: client_environment(CLIENT, version, home, say)
        for version in dict.fromkeys(session.version for session in sessions)
    }
    key = "sk-demo-" + secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="understudy-demo-") as name:
        folder = Path(name)
        bundle = Authority.of_home(home).write_bundle(os.environ, folder / "bundle.pem")
        say("starting simulator and gateway on free ports")
        spend = folder / "spend.jsonl"
        play = (*Ports().options(), "--strict", "--auth", "issued")
        pass_on = (*Ports().options(), "--spend", str(spend))
        environ = {**os.environ, "UNDERSTUDY_HOME": str(home), KEY_VARIABLE: key}
        key_file = folder / "service-account.json"
        with wired(folder, environ, play, pass_on, key_file, quiet=True, settings=SETTINGS) as pair:
            control = Control(pair.simulator.ready.admin or "")
            played = asyncio.run(_play_all(pair, control, key, sessions, environments, home, bundle, say))
            upstream = control.transcript()
            pair.gateway.stop()
            records = _records(spend)
        return [
            _row(result, step, one, upstream, records, key)
            for one in played
            for step, result in zip(one.session.steps, one.results, strict=True)
        ]


async def _play_all(
    pair: Pair,
    control: Control,
    key: str,
    sessions: Sequence[Session],
    environments: Mapping[str | None, ClientEnvironment],
    home: Path,
    bundle: Path,
    say: Say,
) -> list[Played]:
    gateway = urlsplit(pair.gateway.ready.http)
    tls = Authority.of_home(home).server_context()
    played: list[Played] = []
    for session in sessions:
        environment = environments[session.version]
        for step in session.steps:
            if step.scenario is not None:
                await asyncio.to_thread(control.play, step.scenario, scope=session.scope(step))
        say(f"{CLIENT} {environment.version}, {session.service}: {', '.join(step.name for step in session.steps)}")
        async with Recorder(gateway.hostname or "127.0.0.1", gateway.port or 80, tls) as recorder:
            plan = client_plan(session, key, f"https://127.0.0.1:{recorder.port}")
            results = await play_session(environment, plan, {"SSL_CERT_FILE": str(bundle)})
            played.append(Played(session, environment, results, transcript_of(recorder.connections)))
    return played


def client_plan(session: Session, key: str, origin: str, *, prefixes: bool = True) -> dict[str, Any]:
    """The plan that the client program reads (see `_clients/google_genai_session.py`).

    `prefixes` says that the server at `origin` is a gateway, which chooses the provider by a path prefix.
    """
    prefix = ("/gemini" if session.service == "gemini" else "/vertex_ai") if prefixes else ""
    return {
        "service": session.service,
        "base_url": origin + prefix,
        "key": key,
        "project": PROJECT,
        "location": LOCATION,
        "steps": [
            {"name": step.name, "scope": session.scope(step), "model": step.model}
            | ({"key": "sk-wrong-" + secrets.token_urlsafe(12)} if step.wrong_key else {})
            for step in session.steps
        ],
    }


async def play_session(
    environment: ClientEnvironment | NodeEnvironment, plan: Mapping[str, Any], variables: Mapping[str, str]
) -> tuple[Mapping[str, Any], ...]:
    """What the client program says of each step of its plan, in order.

    Raises TargetError if it ends early, with the last line that it wrote on standard error.
    """
    environ = applied(no_proxy_variables(os.environ), server_environment(os.environ)) | dict(variables)
    process = await asyncio.create_subprocess_exec(
        *environment.session_command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    try:
        async with asyncio.timeout(STEP_LIMIT_S * (1 + len(plan["steps"]))):
            out, err = await process.communicate(json.dumps(plan).encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise TargetError(f"{environment.package} {environment.version} did not end in time") from None
    results = tuple(json.loads(line) for line in out.splitlines())
    if process.returncode or len(results) != len(plan["steps"]):
        last = (err.decode("utf-8", "replace").strip() or "no word why").splitlines()[-1]
        raise TargetError(f"{environment.package} {environment.version} ended with status {process.returncode}: {last}")
    return results


def _records(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _row(
    result: Mapping[str, Any],
    step: Step,
    played: Played,
    upstream: Transcript,
    spend: Sequence[Mapping[str, Any]],
    key: str,
) -> Row:
    scope = played.session.scope(step)
    expected = load(step.scenario).expect.cost if step.scenario else None
    return judged(
        Evidence(
            f"{played.environment.version} {played.session.service}",
            step,
            result,
            played.client.of_scope(scope),
            upstream.of_scope(scope),
            upstream.of_scope(""),
            spend,
            key.encode(),
            Decimal(0) if expected is None else expected,
        )
    )
