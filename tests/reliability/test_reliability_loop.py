"""R-36: nothing that passes holds up the event loop, neither by work nor by a wait for disk, names or another process.

Work is measured as CPU time of the loop's thread, which is the same on a busy machine; waits are seen by what Python
tells audit hooks of.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from features_stand import featured, words
from gateway_stand import BOOK, GENERATE, asked, config_of, recorded, request
from live_doubles import RawServer, close, frame
from reliability_rig import ANSWER, SSE_HEAD, STREAM, chunk, event, session, soon
from reliability_rig import takes_session as takes
from test_reliability_process import HEAVY
from upstream_double import Seen, Talk, double, response

from understudy_gateway.app import Gateway
from understudy_gateway.listeners import Listen
from understudy_gateway.settings import GatewayConfig
from understudy_gateway.spend.store import SpendStore

MIB = 2**20
LONGEST_S = 0.1
SLICED_S = 0.025
"""The same of what is judged in slices: in one piece a message of this length takes twice that."""

TRIES = 4
"""Of these the best counts: what the code does, it does each time."""

WAITS = ("open", "socket.getaddrinfo", "socket.gethostby", "sqlite3.", "os.", "time.sleep", "subprocess.", "import")
"""What audit hooks are told of that may wait, by the beginnings of their names."""


class MeasuredLoop(asyncio.SelectorEventLoop):
    """Knows how long its longest turn took, in CPU seconds."""

    longest_s = 0.0

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        self.longest_s = max(self.longest_s, time.thread_time() - began)


class Watch:
    """Notes what the thread `seen` does that may wait. A hook stays for ever; without a thread it looks at nothing."""

    def __init__(self) -> None:
        self.seen: int | None = None
        self.found: list[str] = []

    def __call__(self, name: str, arguments: tuple) -> None:
        if self.seen is not None and self.seen == threading.get_ident() and name.startswith(WAITS):
            self.found.append(f"{name} {arguments!r:.80}")


WATCH = Watch()


@contextmanager
def alone(config: GatewayConfig, store: SpendStore | None = None) -> Iterator[tuple[Gateway, MeasuredLoop, int]]:
    """A gateway on a loop and a thread of its own, and that thread."""
    loop, stop, ready = MeasuredLoop(), asyncio.Event(), threading.Event()
    found: list[Gateway] = []

    async def serve() -> None:
        async with Gateway(config, Listen(), book=BOOK, store=store) as running:
            found.append(running)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(20)
        yield found[0], loop, thread.ident or 0
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(20)


@pytest.mark.parametrize("content", HEAVY)
async def test_r36_no_answer_keeps_the_loop_busy_for_a_tenth_of_a_second(content):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(HEAVY[content]))

    async with double(script) as up:
        with alone(config_of(up.url)) as (running, loop, _):
            longest = []
            async with soon(50):
                await asked(running, request())
                for _ in range(TRIES):
                    loop.longest_s = 0.0
                    assert (await asked(running, request())).body == HEAVY[content]
                    longest.append(loop.longest_s)
    assert 0 < min(longest) < LONGEST_S


async def test_r36_no_long_request_keeps_the_loop_busy_beside_a_guardrail():
    body = json.dumps({"contents": [{"parts": [{"text": "an apple a day " * 60_000}]}]}).encode()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(ANSWER)

    async with double(script) as up:
        with alone(featured(up.url, top={"guardrails": [words("hunter2")]})) as (running, loop, _):
            longest = []
            async with soon(50):
                await asked(running, request())
                for _ in range(TRIES):
                    loop.longest_s = 0.0
                    assert (await asked(running, request(body=body))).status == 200
                    longest.append(loop.longest_s)
    assert 0 < min(longest) < LONGEST_S


@pytest.mark.parametrize("speaker", ["client", "provider"])
async def test_r36_no_long_live_message_keeps_the_loop_busy_beside_a_guardrail(speaker):
    rule = words("hunter2", mode=["pre_call", "post_call"])
    payload = json.dumps({"clientContent": {"parts": [{"text": "an apple a day " * 260_000}]}}).encode()
    async with RawServer() as upstream:
        config = featured(f"http://127.0.0.1:{upstream.port}", top={"guardrails": [rule]})
        with alone(config) as (running, loop, _):
            longest = []
            async with soon(50), session(running.http_url) as peer:
                provider = await upstream.accept()
                await takes(provider)
                await peer.head()
                sender, receiver = (peer, provider) if speaker == "client" else (provider, peer)
                for _ in range(TRIES):
                    loop.longest_s = 0.0
                    for data in (payload, b"{}"):  # the short one is judged when the long one has been
                        sender.send(frame(1, data, masked=speaker == "client"))
                        assert (await receiver.frame())[1] == data
                    await asyncio.sleep(0.3)
                    longest.append(loop.longest_s)
                peer.send(close(1000, masked=True))
                await provider.close_frame()
                await provider.leave()
    assert 0 < min(longest) < SLICED_S


async def test_r36_the_loop_waits_for_no_disk_no_name_and_no_store(tmp_path):
    """Unary answers, streams, refusals and a Live session, with a store and a provider that has a name."""

    async def script(talk: Talk, seen: Seen) -> None:
        if b"stream" in seen.target:
            await talk.send(SSE_HEAD + chunk(event(1)) + b"0\r\n\r\n")
        else:
            await talk.send(ANSWER)

    sys.addaudithook(WATCH)
    async with double(script) as up:
        base = up.url.replace("127.0.0.1", "localhost")
        with alone(config_of(base, upstream_hosts=["localhost"]), SpendStore(tmp_path / "s.db")) as (
            running,
            _,
            thread,
        ):
            async with soon(50):
                for is_watched in (False, True):  # the first time modules are imported
                    WATCH.seen = thread if is_watched else None
                    for target in (GENERATE, STREAM, GENERATE.replace("flash", "unheard-of"), "/nowhere"):
                        await asked(running, request(target))
                    assert (await asked(running, request(key="sk-wrong-0123456789"))).status == 401
                    await asked(running, request(headers={"Connection": "close"}))
                await recorded(running, 8)
                WATCH.seen = None
    assert WATCH.found == []
