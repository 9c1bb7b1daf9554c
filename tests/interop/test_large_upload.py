"""200 MiB through google-genai in chunks of 8 MiB, with one chunk's answer lost on the way (wire-http 8.1)."""

import asyncio
import hashlib
import os
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from understudy.clients import client_environment
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.processes import running
from understudy.wiring import Ports

pytestmark = pytest.mark.interop

SIZE = 200 * 1024 * 1024
LIMIT_S = 120
LOST = 5
"""Which answer to a chunk loses the field by which the client knows that it came."""

PROGRAM = """
import json, sys
from google import genai
url, path = sys.argv[1:]
client = genai.Client(api_key="AIza-any", http_options={"base_url": url, "api_version": "v1beta"})
file = client.files.upload(file=path, config={"mime_type": "application/octet-stream"})
print(json.dumps({"name": file.name, "size": file.size_bytes, "sha256": file.sha256_hash}))
"""


class Lossy:
    """A relay in front of the simulator that strips `X-Goog-Upload-Status` from the answer to one chunk."""

    def __init__(self, target: str) -> None:
        place = urlsplit(target)
        self._target = place.hostname or "", place.port or 0
        self._own = ""
        self.chunks = 0
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, up = await asyncio.open_connection(*self._target)
        try:
            while head := await self._head(reader):
                await self._request(head, reader, up)
                await self._answer(head, upstream, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            up.close()
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async def _request(self, head: bytes, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        up.write(head)
        left = length_of(head)
        while left:
            piece = await reader.read(min(left, 1024 * 1024))
            if not piece:
                raise ConnectionResetError
            left -= len(piece)
            up.write(piece)
            await up.drain()

    async def _answer(self, request: bytes, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await upstream.readuntil(b"\r\n\r\n")
        is_chunked = b"transfer-encoding: chunked" in head.lower()
        if b"upload_id=" in request.split(b"\r\n", 1)[0]:
            self.chunks += 1
            if self.chunks == LOST:
                self.lost += 1
                lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"x-goog-upload-")]
                head = b"\r\n".join(lines)
        writer.write(head)
        if is_chunked:
            while (line := await upstream.readline()) != b"0\r\n":
                writer.write(line + await upstream.readexactly(int(line, 16) + 2))
            writer.write(line + await upstream.readexactly(2))
        else:
            writer.write(await upstream.readexactly(length_of(head)))
        await writer.drain()


def length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@contextmanager
def beside(relay: Lossy) -> Iterator[str]:
    """The relay in a thread of its own; gives its URL."""
    loop, ready, places = asyncio.new_event_loop(), threading.Event(), []

    async def run() -> None:
        server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, limit=1024 * 1024)
        places.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(LIMIT_S)
        yield f"http://127.0.0.1:{places[0]}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(LIMIT_S)
        loop.close()


@pytest.fixture
def big(tmp_path) -> tuple[Path, str]:
    """A file of SIZE bytes that never repeats, and its `sha256Hash`."""
    path, digest = tmp_path / "big.bin", hashlib.sha256()
    with path.open("wb") as file:
        for number in range(SIZE // (1024 * 1024)):
            piece = hashlib.shake_256(str(number).encode()).digest(1024 * 1024)
            digest.update(piece)
            file.write(piece)
    return path, b64encode(digest.hexdigest().encode()).decode()


def test_200_mib_arrive_whole_and_the_simulator_stays_small(big, tmp_path):
    path, wanted = big
    environment = client_environment(CLIENT, None, prepared_home(os.environ), print)
    spool = tmp_path / "spool"
    spool.mkdir()
    environ = {**os.environ, "UNDERSTUDY_HOME": str(tmp_path / "home"), "TMPDIR": str(spool)}
    options = (*Ports().options(), "--service-account", str(tmp_path / "key.json"))
    with running("simulator", options, environ, tmp_path / "log") as server:
        process = psutil.Process(server.ready.pid)
        before = process.memory_info().rss
        relay = Lossy(server.ready.http)
        with beside(relay) as url:
            command = [str(environment.python), "-c", PROGRAM, url, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 0, done.stderr
        assert f'"size": {SIZE}' in done.stdout and wanted in done.stdout
        assert (relay.lost, relay.chunks) == (1, SIZE // (8 * 1024 * 1024) + 1)
        assert process.memory_info().rss - before < 64 * 1024 * 1024
        assert list(spool.rglob("*"))
    assert not [left for left in spool.rglob("*") if left.is_file()]
