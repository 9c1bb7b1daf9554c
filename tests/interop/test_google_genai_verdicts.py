"""Verdicts about google-genai's own retries: none where it waits, the right one where it is told to hurry."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from understudy.client_verdicts.catalogue import judge
from understudy.clients import client_environment
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.scenario.parse import parse_scenario
from understudy_simulator.app import Simulator
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

PROGRAM = Path(__file__).parent / "google_genai_retries.py"
VERSIONS = (None, "2.34.0")
LIMIT_S = 120
REPLY = {"reply": {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}}]}}}
CHUNK = {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}}]}}


def quota(delay: str, times: int) -> dict[str, Any]:
    return {"error": {"name": "quota-gemini", "retry_delay": delay}, "times": times}


def overloaded(times: int) -> dict[str, Any]:
    return {"error": "overloaded", "times": times}


CALLS: dict[str, tuple[dict[str, Any] | None, list[Any], str, list[str]]] = {
    "waits": ({"attempts": 4, "initial_delay": 0.4, "jitter": 0.1}, [quota("0.4s", 2), REPLY], "ok", []),
    "hurries": (
        {"attempts": 4, "initial_delay": 0.05, "jitter": 0.01},
        [quota("30s", 2), REPLY],
        "ok",
        ["retry_after_ignored"],
    ),
    "backs-off": ({"attempts": 5, "initial_delay": 0.1, "jitter": 0.1}, [overloaded(4), REPLY], "ok", []),
    "keeps-its-pace": (
        {"attempts": 5, "initial_delay": 1.5, "exp_base": 1, "jitter": 0},
        [overloaded(4), REPLY],
        "ok",
        ["no_backoff"],
    ),
    "hammers": (
        {"attempts": 12, "initial_delay": 0.001, "exp_base": 1, "jitter": 0},
        [overloaded(11), REPLY],
        "ok",
        ["retry_storm"],
    ),
    "gives-up": ({"attempts": 4, "initial_delay": 0.05}, [{"error": "bad-api-key", "times": 4}], "400", []),
    "does-not-give-up": (
        {"attempts": 3, "initial_delay": 0.05, "http_status_codes": [400]},
        [{"error": "bad-api-key", "times": 3}],
        "400",
        ["retried_non_retryable"],
    ),
    "no-retries": (None, [overloaded(1)], "503", []),
    "leaves": (
        None,
        [{"stream": {"chunks": [CHUNK, {"pause": "20s"}, CHUNK]}}],
        "ok",
        ["answer_abandoned"],
    ),
}
"""For each scope: retry options, what the server does, how the call ends, and the verdicts."""

pytestmark = pytest.mark.interop


async def played(python: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """How each call ended, and the rules that its client broke, by scope."""
    settings = SimulatorSettings(port=0, admin_port=0, speed=1.0)
    async with Simulator(settings, service_account=ServiceAccount.generate()) as simulator:
        for name, (_, steps, _, _) in CALLS.items():
            document = {"id": name, "title": "t", "surface": "gemini", "model": "gemini-2.5-flash", "server": steps}
            for way in ("sync", "async"):
                simulator.stage.arm(parse_scenario(document), scope=f"{name}.{way}")
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        calls = [{"scope": name, "retry": call[0], "leaves": name == "leaves"} for name, call in CALLS.items()]
        try:
            async with asyncio.timeout(LIMIT_S):
                sent = json.dumps({"base_url": simulator.http_url, "calls": calls}).encode()
                out, err = await process.communicate(sent)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, err.decode()
        verdicts = judge(simulator.stage.recorder.transcript())
    ended = {line["scope"]: line["ended"] for line in map(json.loads, out.splitlines())}
    return ended, {scope: [one.rule for one in verdicts if one.scope == scope] for scope in ended}


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version or "newest")
def seen(request) -> tuple[dict[str, str], dict[str, list[str]]]:
    python = client_environment(CLIENT, request.param, prepared_home(os.environ), print).python
    return asyncio.run(played(python))


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("name", CALLS)
def test_google_s_client_gets_the_verdicts_that_it_earns(name, way, seen):
    ended, rules = seen
    _, _, wanted, verdicts = CALLS[name]
    assert ended[f"{name}.{way}"] == wanted
    found = rules[f"{name}.{way}"]
    # How even the pauses of a hammering client are depends on the machine.
    assert [rule for rule in found if rule != "no_backoff" or name != "hammers"] == verdicts
