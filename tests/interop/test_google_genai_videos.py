"""The official google-genai client makes, polls and downloads videos of every mode; three releases."""

import asyncio
import io
import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import av
import pytest

from understudy.clients import client_environment
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.scenario.parse import parse_scenario
from understudy_simulator.app import Simulator
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

PROGRAM = Path(__file__).parent / "google_genai_videos.py"
LIMIT_S = 180
GEMINI, VERTEX = "veo-3.1-generate-preview", "veo-3.1-generate-001"
WIDE, TALL = (1280, 720), (1080, 1920)

RELEASES = [
    pytest.param((None, "vertex"), id="newest-vertex"),
    *(
        pytest.param((version, service), id=f"{version}-{service}")
        for version in ("2.34.0", "1.75.0")
        for service in ("gemini", "vertex")
    ),
]
"""The newest makes videos on Vertex AI only (wire-http 6.1)."""

REASON = "Veo could not generate 1 videos."
SCRIPTS = {
    "partly": {"running_polls": 1, "then": {"videos": 1, "filtered": 1, "reasons": [REASON]}},
    "filtered": {"then": {"videos": 0, "filtered": 1, "reasons": [REASON]}},
    "error": {"running_polls": 2, "then": {"error": {"code": 3, "message": "against policy"}}},
}

pytestmark = pytest.mark.interop


def calls(service: str) -> list[dict[str, Any]]:
    """What is asked, in this order."""
    tall = {"duration_seconds": 8, "aspect_ratio": "9:16", "resolution": "1080p"}
    several = {"duration_seconds": 4, "number_of_videos": 2}
    modes: list[tuple[str, str, dict[str, Any]]] = [
        ("text", "text", tall),
        ("several", "text", several),
        ("image", "image", {"duration_seconds": 6}),
        ("frames", "frames", {"duration_seconds": 8}),
        ("references", "references", {"duration_seconds": 8}),
        *((name, "text", {}) for name in SCRIPTS),
        ("refused", "text", {"duration_seconds": 7}),
    ]
    if service == "vertex":
        modes += [
            ("silent", "text", {"generate_audio": False, "duration_seconds": 4}),
            ("stored", "text", {"duration_seconds": 4, "output_gcs_uri": "gs://films/new"}),
            ("extended", "extension", {"output_gcs_uri": "gs://films/longer"}),
        ]
    else:
        modes += [("earlier", "text", {"duration_seconds": 4}), ("extended", "extension", {})]
    model = GEMINI if service == "gemini" else VERTEX
    return [
        {"scope": scope, "service": service, "model": model, "mode": mode, "config": config}
        for scope, mode, config in modes
    ]


async def played(python: Path, service: str) -> list[dict[str, Any]]:
    """What the client says of all calls."""
    settings = SimulatorSettings(port=0, admin_port=0, speed=0.0)
    async with Simulator(settings, service_account=ServiceAccount.generate()) as simulator:
        for scope, operation in SCRIPTS.items():
            model = GEMINI if service == "gemini" else VERTEX
            document = {"id": scope, "title": "t", "surface": f"{service}-veo", "model": model}
            told = parse_scenario(document | {"server": [{"operation": operation}]})
            simulator.stage.arm(told, scope=scope, times=2)
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            sent = json.dumps({"base_url": simulator.http_url, "calls": calls(service)}).encode()
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate(sent)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


Shape = tuple[tuple[int, int], float, bool]


def shape(film: str) -> Shape:
    """Size, seconds and sound of a film in base64."""
    container: Any = av.open(io.BytesIO(b64decode(film)))
    with container:
        [picture] = container.streams.video
        return (picture.width, picture.height), container.duration / 1_000_000, bool(container.streams.audio)


@pytest.fixture(scope="module", params=RELEASES)
def made(request) -> tuple[str, dict[tuple[str, bool], dict[str, Any]]]:
    """The service, and what came of each call by scope and whether the client was the async one."""
    version, service = request.param
    python = client_environment(CLIENT, version, prepared_home(os.environ), print).python
    results = asyncio.run(played(python, service))
    assert len(results) == 2 * len(calls(service))
    return service, {(result["scope"], result["async"]): result for result in results}


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def told(request, made):
    """Gives what came of a call."""
    return made[0], lambda scope: made[1][scope, request.param]


@pytest.mark.parametrize(
    ("scope", "shapes"),
    [
        ("text", [(TALL, 8.0, True)]),
        ("several", [(WIDE, 4.0, True)] * 2),
        ("image", [(WIDE, 6.0, True)]),
        ("frames", [(WIDE, 8.0, True)]),
        ("references", [(WIDE, 8.0, True)]),
    ],
)
def test_films_of_each_mode_are_polled_and_downloaded(scope, shapes, told):
    _, result = told
    found = result(scope)
    assert found["raised"] is None and found["polls"] == 2
    assert [shape(film) for film in found["films"]] == shapes
    assert len(set(found["films"])) == len(shapes)


def test_a_film_is_extended(told):
    service, result = told
    found = result("extended")
    assert (found["raised"], found["error"]) == (None, None)
    if service == "gemini":
        assert [shape(film) for film in found["films"]] == [(WIDE, 11.0, True)]
    else:
        assert [uri.rpartition("/")[2] for uri in found["uris"]] == ["sample_0.mp4"]
        assert found["uris"][0].startswith("gs://films/longer/")


def test_vertex_films_may_be_silent_or_stored(told):
    service, result = told
    if service == "gemini":
        return
    assert [shape(film) for film in result("silent")["films"]] == [(WIDE, 4.0, False)]
    assert (result("stored")["films"], result("stored")["uris"][0][:15]) == ([], "gs://films/new/")


def test_what_is_filtered_is_told(told):
    _, result = told
    assert (len(result("partly")["films"]), result("partly")["filtered"]) == (1, 1)
    nothing = result("filtered")
    assert (nothing["films"], nothing["filtered"], nothing["reasons"]) == ([], 1, [REASON])


def test_an_error_is_told_in_the_operation(told):
    _, result = told
    assert result("error")["error"] == {"code": 3, "message": "against policy"}
    assert result("error")["polls"] == 3


def test_a_refusal_is_raised(told):
    _, result = told
    code, message = result("refused")["raised"]
    assert (code, "`durationSeconds` is out of bound" in message) == (400, True)
