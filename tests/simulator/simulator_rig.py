"""A simulator for a test, and a raw HTTP client that hides nothing: header order, chunks, broken ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from understudy.scenario.model import Scenario
from understudy.scenario.parse import parse_scenario
from understudy_simulator.app import Simulator
from understudy_simulator.clock import Clock
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

KEY = ("x-goog-api-key", "AIza-a-test-key")
BEARER = ("Authorization", "Bearer ya29.a-test-token")
HELLO = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
FLASH = "/v1beta/models/gemini-2.5-flash"
VERTEX_FLASH = "/v1beta1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash"
EXPRESS_FLASH = "/v1beta1/publishers/google/models/gemini-2.5-flash"


@cache
def account() -> ServiceAccount:
    """One key for all tests: making one takes a while."""
    return ServiceAccount.generate()


@asynccontextmanager
async def simulator(
    *, clock: Clock | None = None, tls=None, scenarios=(), load=None, load_latency=None, **settings
) -> AsyncIterator[Simulator]:
    """A simulator on free ports, without pauses."""
    known = SimulatorSettings(**({"port": 0, "admin_port": 0, "speed": 0.0} | settings))
    async with Simulator(
        known,
        service_account=account(),
        clock=clock,
        tls=tls,
        scenarios=scenarios,
        load=load,
        load_latency=load_latency,
    ) as running:
        yield running


def scenario(server: Sequence[Any], **words: Any) -> Scenario:
    """A scenario with these server steps."""
    document = {"id": "test/one", "title": "A test", "surface": "gemini", "model": "gemini-2.5-flash"} | words
    return parse_scenario(document | {"server": list(server)})


async def until(holds: Callable[[], Any]) -> Any:
    """Wait until `holds()` is true; gives its value."""
    async with asyncio.timeout(20):
        while not (value := holds()):  # noqa: ASYNC110 - what is waited for cannot notify
            await asyncio.sleep(0.001)
        return value


@dataclass(frozen=True)
class Answer:
    """A response as it stood on the wire. `body` is without chunking, `chunks` are as the server cut them."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    chunks: list[bytes]
    complete: bool
    reset: bool = False

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(url: str, method: str, target: str, *headers: tuple[str, str], body: Any = None) -> Answer:
    """Send one request on a connection of its own. `body` is bytes, or a JSON value."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    place = urlsplit(url)
    fields = [("Host", place.netloc), *headers]
    if data or method == "POST":
        fields.append(("Content-Length", str(len(data))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(head.encode("latin-1") + data)
            return await read_answer(reader, method)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader, method: str = "") -> Answer:
    status, headers, chunks = 0, [], []
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:-2])]
        by_name = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"", [], complete=not await _more(reader))
        if "content-length" in by_name:
            chunks.append(await reader.readexactly(int(by_name["content-length"])))
        else:
            while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                chunks.append((await reader.readexactly(size + 2))[:-2])
            await reader.readexactly(2)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            chunks.append(error.partial)
        return Answer(status, headers, b"".join(chunks), chunks, complete=False)
    except ConnectionResetError:
        return Answer(status, headers, b"".join(chunks), chunks, complete=False, reset=True)
    return Answer(status, headers, b"".join(chunks), chunks, complete=True)


async def _more(reader: asyncio.StreamReader) -> bytes:
    """What comes after an answer that has no body: there should be nothing."""
    try:
        async with asyncio.timeout(0.05):
            return await reader.read(1)
    except TimeoutError:
        return b""
