"""Every error by name raises in google-genai what Google's own raises: class, code, status, message and details."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from understudy.clients import client_environment
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.provider_errors.catalogue import ERRORS, provider_error
from understudy.provider_errors.model import NamedError
from understudy.scenario.model import Scenario
from understudy.scenario.parse import parse_scenario
from understudy_simulator.app import Simulator
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

VERSIONS = (None, "2.34.0", "1.75.0")
PROGRAM = Path(__file__).parent / "google_genai_errors.py"
LIMIT_S = 180
MODEL = "gemini-2.5-flash"
GIVEN = {"model": MODEL, "project": "P", "location": "us-central1", "version": "v1", "method": "generateContent"}
GIVEN |= {"rpc_method": "google.x.Y", "operation": "models/m/operations/o", "path": "/x"}
CHUNK = {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}}]}}
FORMS = {"event": {"error": "overloaded"}, "tail": {"raw": {"error": "overloaded"}}}

pytestmark = pytest.mark.interop


def parameters_of(error: NamedError) -> dict[str, str]:
    """What a request would say, said by hand, so that it is the same with all clients."""
    return {name: value for name, value in GIVEN.items() if name in error.parameters}


def calls() -> Iterator[tuple[dict[str, str], list[Any]]]:
    """Each call, and the server's steps that answer it, twice: for the sync client and the async one."""
    for name, error in ERRORS.items():
        step = {"error": {"name": name, **parameters_of(error)}, "times": 2}
        for way in ("whole", "stream"):
            yield {"scope": f"{name}.{way}", "service": error.service or "gemini", "way": way}, [step]
    for form, part in FORMS.items():
        step = {"stream": {"chunks": [CHUNK, part]}, "times": 2}
        yield {"scope": f"inside.{form}", "service": "gemini", "way": "stream"}, [step]


def scenario(call: Mapping[str, str], steps: list[Any]) -> Scenario:
    return parse_scenario(
        {"id": call["scope"], "title": "t", "surface": call["service"], "model": MODEL, "server": steps}
    )


async def played(python: Path, plan: list[tuple[dict[str, str], list[Any]]]) -> list[dict[str, Any]]:
    """What the client says of all calls."""
    settings = SimulatorSettings(port=0, admin_port=0, speed=0.0)
    async with Simulator(settings, service_account=ServiceAccount.generate()) as simulator:
        for call, steps in plan:
            simulator.stage.arm(scenario(call, steps), scope=call["scope"])
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            sent = json.dumps({"base_url": simulator.http_url, "calls": [call for call, _ in plan]}).encode()
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate(sent)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


Results = dict[tuple[str, bool], dict[str, Any]]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version or "newest")
def raised(request) -> Results:
    """What each call raised, by scope and whether the client was the async one."""
    python = client_environment(CLIENT, request.param, prepared_home(os.environ), print).python
    results = asyncio.run(played(python, list(calls())))
    return {(result["scope"], result["async"]): result for result in results}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_by_name_is_raised_as_google_s(name, way, is_async, raised):
    found = raised[f"{name}.{way}", is_async]
    wanted = provider_error(name, parameters_of(ERRORS[name]), is_vertex=ERRORS[name].service == "vertex")
    assert found["type"] == ("ClientError" if wanted.status < 500 else "ServerError")
    assert (found["code"], found["chunks"]) == (wanted.status, 0)
    if wanted.page is not None:
        assert found["status"] == "Not Found"
        return
    assert (found["status"], found["message"]) == (wanted.rpc_name, wanted.message)
    assert found["details"] == wanted.value


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("form", FORMS)
def test_an_error_inside_of_a_stream_is_raised_after_the_chunks(form, is_async, raised):
    found = raised[f"inside.{form}", is_async]
    assert (found["type"], found["code"], found["status"]) == ("ServerError", 503, "UNAVAILABLE")
    assert found["chunks"] == 1
