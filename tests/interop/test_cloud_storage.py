"""The official Cloud Storage client finds what VEO wrote to the stand-in for Cloud Storage."""

import asyncio
import hashlib
import json
import os
from pathlib import Path

import aiohttp
import pytest

from understudy.clients import client_environment
from understudy.home import prepared_home
from understudy_simulator.app import Simulator
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

PROGRAM = Path(__file__).parent / "cloud_storage.py"
LIMIT_S = 120
VEO = "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-generate-001"

pytestmark = pytest.mark.interop


async def stored(url: str) -> tuple[str, bytes]:
    """A new video in storage: where, and its bytes."""
    body = {"instances": [{"prompt": "x"}], "parameters": {"storageUri": "gs://films/new", "durationSeconds": 4}}
    headers = {"Authorization": "Bearer ya29.a-token"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        async with session.post(f"{VEO}:predictLongRunning", json=body) as answer:
            name = (await answer.json())["name"]
        for _ in range(2):
            async with session.post(f"{VEO}:fetchPredictOperation", json={"operationName": name}) as answer:
                operation = await answer.json()
        uri = operation["response"]["videos"][0]["gcsUri"]
        place = uri.removeprefix("gs://films/").replace("/", "%2F")
        async with session.get(f"{url}/storage/v1/b/films/o/{place}?alt=media") as answer:
            return uri, await answer.read()


async def played(python: Path) -> tuple[str, bytes, list[dict]]:
    settings = SimulatorSettings(port=0, admin_port=0, speed=0.0)
    async with Simulator(settings, service_account=ServiceAccount.generate()) as simulator:
        uri, film = await stored(simulator.http_url)
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "STORAGE_EMULATOR_HOST": simulator.http_url},
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate(json.dumps({"uri": uri}).encode())
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, err.decode()
    return uri, film, [json.loads(line) for line in out.splitlines()]


def test_the_storage_client_reads_lists_writes_and_deletes():
    python = client_environment("google-cloud-storage", None, prepared_home(os.environ), print).python
    uri, film, [told, after] = asyncio.run(played(python))
    name = uri.removeprefix("gs://films/")
    assert told == {
        "sha256": hashlib.sha256(film).hexdigest(),
        "part": "ftyp",
        "type": "video/mp4",
        "size": len(film),
        "listed": [name, "pictures/one two.png"],
        "below": ["pictures/one two.png"],
        "picture": "89504e47",
        "missing": True,
        "exists": [True, False, True],
    }
    assert after == {"left": ["pictures/one two.png"]}
