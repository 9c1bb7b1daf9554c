"""Clients that are not google-genai for Python, unmodified, against the simulator: generate, stream, tools, embeddings.

Each program of `other_clients/` runs in an environment of its own. What they got is judged here, by value.
"""

import json
import math
import os
import subprocess
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from understudy.clients import client_environment
from understudy.environment import applied, no_proxy_variables
from understudy.home import prepared_home
from understudy.node_clients import node_environment
from understudy.processes import Ready, running

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

PROGRAMS = Path(__file__).parent / "other_clients"
SIMULATOR = ("--port", "0", "--tls-port", "0", "--admin-port", "0", "--speed", "0")
PLACE = {"project": "fake-proj", "location": "us-central1"}
RUN_LIMIT_S = 300

GENERATIVE = ("generate", "stream", "tools")


@dataclass(frozen=True)
class Client:
    """A client's package, its pinned version, what it needs beside it, and the steps of its program."""

    package: str
    version: str
    program: str
    steps: Mapping[str, tuple[str, ...]]
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.package

    @property
    def all_steps(self) -> list[str]:
        return [f"{service} {step}" for service, steps in self.steps.items() for step in steps]


GOOGLES = (
    Client(
        "google-cloud-aiplatform", "2.7.0", "aiplatform_program.py", {"vertex": (*GENERATIVE, "embeddings", "count")}
    ),
    Client(
        "@google/genai",
        "2.32.0",
        "genai_program.mjs",
        dict.fromkeys(("gemini", "vertex", "express"), (*GENERATIVE, "embeddings", "count")),
    ),
)
OTHERS = (
    Client(
        "openai",
        "3.52.0",
        "openai_program.py",
        {"gemini": (*GENERATIVE, "embeddings", "models"), "vertex": GENERATIVE},
    ),
    Client(
        "langchain-google-genai",
        "4.4.2",
        "langchain_program.py",
        dict.fromkeys(("gemini", "vertex"), (*GENERATIVE, "embeddings")),
    ),
    Client(
        "litellm",
        "1.106.2",
        "litellm_program.py",
        {**dict.fromkeys(("gemini", "vertex"), (*GENERATIVE, "embeddings")), "claude": GENERATIVE},
        ("google-auth", "requests", "mcp"),
    ),
    Client(
        "anthropic",
        "2.11.0",
        "anthropic_program.py",
        {"claude": (*GENERATIVE, "count")},
        ("google-auth", "requests"),
    ),
)
CASES = [
    *(pytest.param(client, step, id=f"{client}-{step}") for client in GOOGLES for step in client.all_steps),
    *(
        pytest.param(client, step, id=f"{client}-{step}", marks=pytest.mark.other_clients)
        for client in OTHERS
        for step in client.all_steps
    ),
]


@pytest.fixture(scope="module")
def home() -> Path:
    return prepared_home(os.environ)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Ready, Path]]:
    folder = tmp_path_factory.mktemp("clients")
    key_file = folder / "service-account.json"
    with running("simulator", (*SIMULATOR, "--service-account", str(key_file)), os.environ, folder / "log") as up:
        yield up.ready, key_file


@pytest.fixture(scope="module")
def answers(home: Path, stand: tuple[Ready, Path]) -> Callable[[Client], dict[str, Any]]:
    """What a client's program said, step by step; it runs once."""
    made: dict[str, dict[str, Any]] = {}

    def of(client: Client) -> dict[str, Any]:
        if client.package not in made:
            made[client.package] = said(client, home, *stand)
        return made[client.package]

    return of


def said(client: Client, home: Path, simulator: Ready, key_file: Path) -> dict[str, Any]:
    """Run a client's program."""
    plan = {"http": simulator.http, "key_file": str(key_file), **PLACE}
    if client.program.endswith(".mjs"):
        node = node_environment(client.package, client.version, home, print)
        command = [str(node.node), str(PROGRAMS / client.program)]
        plan["client"] = str(node.folder)
    else:
        python = client_environment(client.package, client.version, home, print, client.also).python
        command = [str(python), str(PROGRAMS / client.program)]
    # LiteLLM would fetch its table of prices, LangChain report to its makers.
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGCHAIN_TRACING_V2": "false"}
    variables = {**no_proxy_variables(os.environ), **quiet}
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GEMINI_", "OPENAI_"))}
    done = subprocess.run(
        command,
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        env=applied(variables, own),
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    return {line["step"]: line for line in lines}


def is_spoken(values: dict[str, Any]) -> None:
    assert values["text"]
    assert values["prompt"] > 0
    assert values["output"] > 0
    assert values["total"] == values["prompt"] + values["output"]


def is_streamed(values: dict[str, Any]) -> None:
    texts = [text for text in values["texts"] if text]
    assert len(texts) > 1
    assert values.get("final", "".join(texts)) == "".join(texts)


def is_called(values: dict[str, Any]) -> None:
    assert values["name"] == "get_weather"
    assert list(values["args"]) == ["city"]
    assert isinstance(values["args"]["city"], str)
    assert values["args"]["city"]
    assert values["text"]


def are_vectors(values: dict[str, Any]) -> None:
    vectors = values["vectors"]
    assert len(vectors) >= 2
    assert len({tuple(vector) for vector in vectors}) == len(vectors)
    assert {len(vector) for vector in vectors} <= {768, 3072}
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-3) for vector in vectors)


def is_counted(values: dict[str, Any]) -> None:
    assert values["tokens"] > 0


def are_models(values: dict[str, Any]) -> None:
    assert values["one"] in values["models"]
    assert len(values["models"]) > 10


JUDGES = {
    "generate": is_spoken,
    "stream": is_streamed,
    "tools": is_called,
    "embeddings": are_vectors,
    "count": is_counted,
    "models": are_models,
}


@pytest.mark.parametrize(("client", "step"), CASES)
def test_a_client_gets_what_it_asks_for(client: Client, step: str, answers: Callable[[Client], dict[str, Any]]) -> None:
    found = answers(client)
    assert step in found, found
    assert "error" not in found[step], found[step]
    JUDGES[step.rpartition(" ")[2]](found[step]["values"])
