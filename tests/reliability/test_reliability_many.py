"""R-22: 8,000 idle Live sessions in one worker, two descriptors each; those beyond its limit are told."""

import asyncio
import random
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import psutil
import pytest
from gateway_process import ask, process
from gateway_stand import KEY, request
from live_doubles import close, frame, handshake
from reliability_rig import LIVE, own_error, soon

from understudy_gateway.spend.queries import Wanted, all_records

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="several loopback addresses, and memory of another process"),
]

SESSIONS, BEYOND, AT_ONCE = 8000, 50, 100
SOURCES = tuple(f"127.0.0.{last}" for last in range(2, 10))
HELLO = handshake(LIVE.encode(), b"x-goog-api-key: " + KEY.encode())


class Idle(asyncio.Protocol):
    """One client's session: what came, and whether the connection is still there."""

    __slots__ = ("came", "gone", "heard", "transport")

    def __init__(self) -> None:
        self.came, self.gone, self.heard = b"", False, asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.heard.set()

    async def hears(self) -> bytes:
        await self.heard.wait()
        self.heard.clear()
        came, self.came = self.came, b""
        return came


async def opened(http: str, count: int) -> list[Idle]:
    """That many sessions that have been answered, whatever the answer is."""
    loop, port, found = asyncio.get_running_loop(), int(http.rpartition(":")[2]), []
    while len(found) < count:
        some = range(len(found), min(count, len(found) + AT_ONCE))
        pairs = await asyncio.gather(
            *(
                loop.create_connection(Idle, "127.0.0.1", port, local_addr=(SOURCES[number % len(SOURCES)], 0))
                for number in some
            )
        )
        found += [one for _, one in pairs]
    return found


@asynccontextmanager
async def provider() -> AsyncIterator[int]:
    program = Path(__file__).with_name("idle_provider.py")
    child = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield int(await asyncio.to_thread(child.stdout.readline))
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()


async def test_r22_eight_thousand_idle_sessions_are_held_and_those_beyond_the_limit_are_told(tmp_path, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * (SESSIONS + BEYOND) + 1000
    if hard < needed:
        pytest.skip(f"this machine allows {hard} descriptors, {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed // 2), hard))
    limits = {"connections": SESSIONS + 10}
    async with provider() as port, process(tmp_path, f"http://127.0.0.1:{port}", limits=limits) as running, soon(600):
        watched = psutil.Process(running.process.pid)
        warm = await opened(running.http, 50)  # what all share is loaded with the first
        assert all([(await one.hears()).startswith(b"HTTP/1.1 101 ") for one in warm])
        files, before = watched.num_fds(), watched.memory_info().rss
        sessions = warm + await opened(running.http, SESSIONS - len(warm))
        for one in sessions[len(warm) :]:
            assert (await one.hears()).startswith(b"HTTP/1.1 101 ")
        assert watched.num_fds() - files >= 2 * (SESSIONS - len(warm))
        held = watched.memory_info().rss - before
        each = held / (SESSIONS - len(warm)) / 1024
        with capsys.disabled():
            total = watched.memory_info().rss / 2**20
            print(f"\nR-22: {SESSIONS} idle sessions, {each:.1f} KiB each, {total:.0f} MiB resident in all")
        assert each < 32

        for _ in range(20):  # ordinary requests pass, on connections of their own
            assert (await ask(running.http, request())).status == 200
        for one in random.Random(22).sample(sessions, 100):
            one.transport.write(frame(2, b"hello", masked=True))
            assert await one.hears() == b"\x82\x02ok"

        beyond = await opened(running.http, BEYOND)
        answers = [await one.hears() for one in beyond]
        assert sum(answer.startswith(b"HTTP/1.1 101 ") for answer in answers) == 10
        assert all(answer.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 503 ")) or not answer for answer in answers)
        assert any(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
        own_error(await ask(running.http, request()), 503, "OVERLOADED")
        assert not any(one.gone for one in sessions)

        for one in (*sessions, *beyond):
            if not one.gone:
                one.transport.write(close(1000, masked=True))
        while not all(one.gone for one in (*sessions, *beyond)):  # noqa: ASYNC110 - each closes by itself
            await asyncio.sleep(0.05)
        while watched.num_fds() > files - 2 * len(warm) + 8:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
        assert (await ask(running.http, request())).status == 200
        assert await running.ended() == 0
    kinds = [record["kind"] for record in all_records(tmp_path / "spend.db", Wanted())]
    assert kinds.count("session") == SESSIONS + 10
    assert running.said.count("no room for more connections") == 1
