"""Checks played over real sockets through the worst relay there is: it copies bytes and understands nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from understudy.conformance import malformed
from understudy.conformance.driver import Aim, Driver, address_of
from understudy.conformance.model import Case, Check
from understudy.conformance.target import FEATURES, Target
from understudy.secret import Secret
from understudy_simulator.app import Simulator
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

TARGET = Target("copier", frozenset(FEATURES), key=Secret("sk-any"))
ACCOUNT = ServiceAccount.generate()


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def copier(host: str | None, port: int | None) -> AsyncIterator[str]:
    """Copies what comes to `host:port`, and back."""
    busy: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        there, back = await asyncio.open_connection(host, port)
        async with asyncio.TaskGroup() as group:
            group.create_task(pumped(reader, back))
            group.create_task(pumped(there, writer))

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        bound = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{bound}"
        async with asyncio.timeout(10):
            await asyncio.gather(*busy)


async def never() -> None:
    await asyncio.Event().wait()


async def played(check: Check) -> list[str]:
    """What the check finds behind the copier."""
    settings = SimulatorSettings(port=0, admin_port=0, speed=0.0)
    async with Simulator(settings, service_account=ACCOUNT) as running, asyncio.timeout(30):
        place = urlsplit(running.http_url)
        [probe] = check.probes
        running.stage.arm(probe.scenario, scope="s1", times=None)
        async with copier(place.hostname, place.port) as url:
            driver = Driver(Aim(address_of(url, None), "", TARGET, "s1", "header", running.http_url), never)
            await driver.play(probe)
        upstream = running.stage.recorder.transcript("s1")
        case = Case(probe, TARGET, tuple(driver.asked), upstream=upstream, origin=place.netloc)
        return [finding.message for finding in check.judge(case)]


async def test_malformed_requests_that_were_passed_on_are_told_from_refused_ones():
    for check in malformed.CHECKS:
        assert await played(check) == ["The request reached the provider malformed."], check.id
