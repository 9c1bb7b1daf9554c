"""R-34: a process stays below the memory that is written down, also where it may have no more."""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from typing import cast

import psutil
import pytest
from gateway_process import Running, ask, process
from gateway_stand import Reply, request
from live_doubles import RawServer, frame
from reliability_rig import ANSWER, SSE_HEAD, STREAM, chunk, session, soon
from reliability_rig import takes_session as takes
from test_reliability_process import held
from upstream_double import Seen, Talk, double

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and looks at another process")
MIB = 2**20

BASE_MIB, STUCK_MIB = 120, 1.0
"""The written maximum (docs/how-to/when-things-break.md): a base, and for each exchange that is stuck at its worst."""


@linux
async def test_r34_memory_stays_below_the_written_maximum_when_all_are_stuck(tmp_path):
    async def script(talk: Talk, seen: Seen) -> None:
        if b"stream" in seen.target:
            await talk.send(SSE_HEAD)
            with suppress(ConnectionError):
                for _ in range(400):
                    await talk.send(chunk(b": " + b"x" * 65000 + b"\n\n"))
        await talk.left()

    async with double(script, reads_body=False) as up, process(tmp_path, up.url) as running, soon(50):
        watched = psutil.Process(running.process.pid)
        async with AsyncExitStack() as stack:
            readers = await held(stack, running.http, 40)
            writers = await held(stack, running.http, 40)
            for one in readers:  # they ask for a stream and read nothing of it
                cast("asyncio.Transport", one.writer.transport).pause_reading()
                await one.send(request(STREAM))
            for one in writers:  # their provider takes nothing; they send all that is taken
                one.writer.write(request(body=None, headers={"Content-Length": "100000000"}) + b"x" * 4 * MIB)
            await asyncio.sleep(2)
            highest = 0
            for _ in range(20):
                highest = max(highest, watched.memory_info().rss)
                await asyncio.sleep(0.05)
            assert highest / MIB < BASE_MIB + 80 * STUCK_MIB
        assert await running.ended() == 0


@linux
async def test_r34_a_gateway_that_may_have_no_more_memory_than_is_written_lives_when_all_are_stuck(tmp_path):
    """All its connections are stuck at their worst, and more come: it serves again when they have left."""
    each, limits = 25, {"connections": 80}
    most_kib = int((BASE_MIB + 80 * STUCK_MIB) * 1024)
    big = b"x" * 60_000

    async with RawServer() as upstream, AsyncExitStack() as stack:
        under = f"ulimit -s 1024; ulimit -d {most_kib}"  # all that a process can write to, touched or not
        base = f"http://127.0.0.1:{upstream.port}"
        running = await stack.enter_async_context(process(tmp_path, base, under=under, limits=limits))
        async with soon(50), AsyncExitStack() as crowd:
            for _ in range(each):  # both sides send, and neither reads
                peer = await crowd.enter_async_context(session(running.http))
                crowd.callback(peer.transport.abort)
                provider = await upstream.accept()
                crowd.callback(provider.transport.abort)
                await takes(provider)
                await peer.head()
                for end, is_client in ((peer, True), (provider, False)):
                    end.transport.pause_reading()
                    for _ in range(80):
                        end.send(frame(2, big, masked=is_client))
            for one in (readers := await held(crowd, running.http, each)):
                cast("asyncio.Transport", one.writer.transport).pause_reading()
                await one.send(request(STREAM))
                provider = await upstream.accept()
                crowd.callback(provider.transport.abort)
                await provider.head()
                provider.send(SSE_HEAD + chunk(b": " + big + b"\n\n") * 80)
            for one in (writers := await held(crowd, running.http, each)):
                one.writer.write(request(body=None, headers={"Content-Length": "100000000"}) + b"x" * 4 * MIB)
                provider = await upstream.accept()
                crowd.callback(provider.transport.abort)
                provider.transport.pause_reading()
            beyond = await held(crowd, running.http, 60)
            await asyncio.sleep(2)
            assert psutil.Process(running.process.pid).memory_info().rss / 1024 < most_kib
            assert running.process.returncode is None
            assert len(readers) == len(writers) == each and beyond
        async with soon(20):
            asking = asyncio.create_task(_until_served(running))
            provider = await upstream.accept()
            await provider.head()
            provider.send(ANSWER)
            assert (await asking).status == 200
            await provider.leave()
        assert await running.ended() == 0
        assert "MemoryError" not in running.said


async def _until_served(running: Running) -> Reply:
    while (reply := await ask(running.http, request())).status != 200:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    return reply
