"""The gateway's own end, R-24, R-25 and R-28: told to end, killed, started on a damaged store."""

import asyncio
import json
import random
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gateway_process import ask, asked_admin, process, refused
from gateway_stand import KEY, Client, request
from live_doubles import Peer, close, switching
from reliability_rig import ANSWER, SSE_HEAD, STREAM, chunk, event, session, soon, until
from test_gateway_metering import ASKS, done
from upstream_double import Seen, Talk, double, response

from understudy_gateway.spend.queries import Wanted, all_records

VEO = "/gemini/v1beta/models/veo-3.1-generate-preview"
NAME = "models/veo-3.1-generate-preview/operations/abc"
LIVES = [3, pytest.param(50, marks=pytest.mark.reliability)]


def kept(folder: Path) -> list[dict]:
    return list(all_records(folder / "spend.db", Wanted()))


@asynccontextmanager
async def talking(http: str):
    """A raw client of a gateway in a process of its own."""
    host, _, port = http.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@dataclass
class Provider:
    """Answers nothing until `go`; what is under way is in `begun`, the two Live sessions in `sessions`."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: set[str] = field(default_factory=set)
    sessions: list[Peer] = field(default_factory=list)
    endings: list[tuple[int, str]] = field(default_factory=list)

    async def script(self, talk: Talk, seen: Seen) -> None:
        if seen.values(b"upgrade"):
            await talk.send(switching(b"\r\n".join((seen.head, b""))))
            peer = Peer(talk.reader, talk.writer)
            self.sessions.append(peer)
            code, reason = await peer.close_frame()
            self.endings.append((code, reason))
            peer.send(close(code, masked=False))
            await talk.left()
        elif b"stream" in seen.target:
            await talk.send(SSE_HEAD + chunk(event(1)))
            self.begun.add("stream")
            await self.go.wait()
            await talk.send(chunk(event(2)) + b"0\r\n\r\n")
        else:
            self.begun.add("upload" if seen.values(b"x-upload") else "unary")
            await self.go.wait()
            await talk.send(ANSWER)


@dataclass
class Under:
    """What is under way: a unary request that waits, a stream, an upload that lacks its end, two Live sessions."""

    unary: Client
    stream: Client
    upload: Client
    sessions: list[Peer]


UPLOAD = request(body=None, headers={"Content-Length": "10", "x-upload": "1", "x-litellm-call-id": "upload"})


async def all_under_way(stack: AsyncExitStack, http: str, provider: Provider, reads_uploads: list) -> Under:
    unary, stream, upload = [await stack.enter_async_context(talking(http)) for _ in range(3)]
    under = Under(unary, stream, upload, [await stack.enter_async_context(session(http)) for _ in range(2)])
    await under.unary.send(request(headers={"x-litellm-call-id": "unary"}))
    await under.stream.send(request(STREAM, headers={"x-litellm-call-id": "stream"}))
    await under.upload.send(UPLOAD + b"12345")
    for one in under.sessions:
        await one.head()
    await under.stream.head()
    assert await under.stream.chunk() == event(1)
    await until(lambda: provider.begun >= {"unary", "stream"} and len(provider.sessions) == 2)
    await until(lambda: any(b"x-upload" in seen.head for seen in reads_uploads))
    return under


async def test_r24_told_to_end_it_lets_all_come_to_its_end_and_writes_the_books(tmp_path):
    provider = Provider()
    async with double(provider.script) as up, process(tmp_path, up.url) as running, AsyncExitStack() as stack, soon(40):
        under = await all_under_way(stack, running.http, provider, up.requests)
        kept_alive = await stack.enter_async_context(talking(running.http))
        await kept_alive.send(b"GET /health/readiness HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await kept_alive.reply()).status == 200
        running.process.send_signal(signal.SIGTERM)
        for one in under.sessions:
            code, reason = await one.close_frame()
            assert (code, bool(reason)) == (1001, True)
            one.send(close(1001, masked=True))
        with pytest.raises(OSError, match=r".*"):
            async with talking(running.http) as late:
                await late.send(request())
                assert (await late.head()) == b""
        await kept_alive.send(request())
        late = await kept_alive.reply()
        assert (late.status, late.reason, late.value(b"connection")) == (503, "DRAINING", b"close")
        assert late.value(b"retry-after")
        assert running.process.returncode is None
        await under.upload.send(b"67890")
        await until(lambda: "upload" in provider.begun)
        provider.go.set()
        for one in (under.unary, under.upload):
            reply = await one.reply()
            assert (reply.status, reply.value(b"connection")) == (200, b"close")
        assert await under.stream.chunk() == event(2)
        assert await under.stream.chunk() == b""
        assert await asyncio.wait_for(running.process.wait(), 30) == 0
    assert [code for code, _ in provider.endings] == [1001, 1001]
    outcomes = Counter(
        (record["id"] if record["kind"] == "exchange" else "session", record["outcome"]) for record in kept(tmp_path)
    )
    assert outcomes == {("unary", "ok"): 1, ("stream", "ok"): 1, ("upload", "ok"): 1, ("session", "ok"): 2}


async def cut_off(folder: Path, second: bool) -> None:
    """A gateway that is told to end and does not wait for what runs: told twice, or its drain is over."""
    provider = Provider()
    timeouts = {"drain_s": 300 if second else 0.5}
    async with (
        double(provider.script) as up,
        process(folder, up.url, timeouts=timeouts) as running,
        AsyncExitStack() as stack,
        soon(40),
    ):
        under = await all_under_way(stack, running.http, provider, up.requests)
        running.process.send_signal(signal.SIGTERM)
        for one in under.sessions:
            await one.close_frame()
            one.send(close(1001, masked=True))
            await one.rest()
        if second:
            assert running.process.returncode is None
            running.process.send_signal(signal.SIGTERM)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await under.stream.chunk()
        for one in (under.unary, under.upload):
            with suppress(ConnectionError):
                assert await one.reader.read() == b""
        assert await asyncio.wait_for(running.process.wait(), 20) == 0
    found = {record["id"]: record for record in kept(folder) if record["kind"] == "exchange"}
    assert {name: record["outcome"] for name, record in found.items()} == dict.fromkeys(
        ("unary", "stream", "upload"), "timeout"
    )
    assert (found["stream"]["known"], found["stream"]["cost"]) == ("estimated", "0.00055")
    assert (found["unary"]["known"], found["upload"]["cost"]) == ("unknown", "0")
    assert "Traceback" not in running.said


async def test_r24_at_the_drains_end_it_breaks_off_and_still_writes_the_books(tmp_path):
    await cut_off(tmp_path, second=False)


async def test_r24_told_twice_it_breaks_off_at_once_and_still_writes_the_books(tmp_path):
    await cut_off(tmp_path, second=True)


async def test_r24_workers_that_are_told_twice_break_off_too(tmp_path):
    provider = Provider()
    async with (
        double(provider.script) as up,
        process(tmp_path, up.url, "--workers", "2", timeouts={"drain_s": 300}) as running,
        talking(running.http) as stream,
        soon(50),
    ):
        await stream.send(request(STREAM, headers={"x-litellm-call-id": "stream"}))
        await stream.head()
        assert await stream.chunk() == event(1)
        running.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert running.process.returncode is None
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await stream.chunk()
        assert await asyncio.wait_for(running.process.wait(), 20) == 0
    (record,) = kept(tmp_path)
    assert (record["id"], record["outcome"], record["cost"]) == ("stream", "timeout", "0.00055")


# --- killed ----------------------------------------------------------------------------------------------------


@dataclass
class Crowd:
    """Clients that ask without end, what they saw answered and when, and what the provider answered."""

    answered: dict[str, float] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)

    async def script(self, talk: Talk, seen: Seen) -> None:
        self.sent.add(seen.values(b"x-number")[0].decode())
        if b"stream" in seen.target:
            await talk.send(SSE_HEAD + chunk(event(1)) + chunk(event(2)) + b"0\r\n\r\n")
        else:
            await talk.send(ANSWER)

    async def client(self, http: str, name: str, draws: random.Random) -> None:
        loop = asyncio.get_running_loop()
        for number in range(100_000):
            id = f"{name}-{number}"
            headers = {"x-litellm-call-id": id, "x-number": id}
            data = request(STREAM, headers=headers) if draws.random() < 0.3 else request(headers=headers)
            try:
                reply = await ask(http, data)
            except (OSError, asyncio.IncompleteReadError):
                return
            if not (reply.status == 200 and reply.is_whole):
                return
            self.answered[id] = loop.time()
            await asyncio.sleep(draws.random() / 50)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lives", LIVES)
async def test_r25_killed_at_any_moment_the_books_hold_what_was_answered_a_second_before(tmp_path, lives):
    draws, crowd, due = random.Random(lives), Crowd(), set[str]()
    loop = asyncio.get_running_loop()
    async with double(crowd.script) as up:
        for life in range(lives):
            async with process(tmp_path, up.url) as running, asyncio.TaskGroup() as clients:
                for number in range(4):
                    clients.create_task(crowd.client(running.http, f"{life}.{number}", draws))
                await asyncio.sleep(1.1 + draws.random())
                killed_at = loop.time()
                await running.killed()
            due |= {name for name, at in crowd.answered.items() if at < killed_at - 1 and name.startswith(f"{life}.")}
    found = Counter(record["id"] for record in kept(tmp_path))
    assert len(due) > 5 * lives
    assert due - found.keys() == set()
    assert [name for name, times in found.items() if times > 1] == []
    assert found.keys() <= crowd.sent


async def test_r25_what_the_dead_had_reserved_is_free_again_and_open_videos_are_found(tmp_path):
    answers = asyncio.Event()
    waiting: list[Seen] = []

    async def script(talk: Talk, seen: Seen) -> None:
        if b":predictLongRunning" in seen.target:
            await talk.send(response(json.dumps({"name": NAME}).encode()))
        elif NAME.encode() in seen.target:
            await talk.send(response(json.dumps(done(1, NAME)).encode()))
        elif answers.is_set():
            await talk.send(ANSWER)
        else:
            waiting.append(seen)
            await talk.left()

    keys = [{"id": "team", "key": KEY}, {"id": "poor", "key": "sk-a-poor-key-0123456789", "max_budget": "0.005"}]
    async with double(script) as up, soon(50):
        poor = request(key="sk-a-poor-key-0123456789")
        async with process(tmp_path, up.url, keys=keys) as running, talking(running.http) as one:
            assert (await ask(running.http, request(f"{VEO}:predictLongRunning", body=ASKS))).status == 200
            await one.send(poor)
            await until(lambda: waiting)
            assert (await ask(running.http, poor)).reason == "BUDGET_EXCEEDED"
            while not (await asked_admin(running, "/spend/logs"))["records"]:  # noqa: ASYNC110 - written a moment later
                await asyncio.sleep(0.05)
            await running.killed()
        answers.set()
        async with process(tmp_path, up.url, keys=keys) as running:
            assert (await ask(running.http, poor)).status == 200
            poll = request(f"/gemini/v1beta/{NAME}", method="GET", body=None)
            for _ in range(3):
                assert (await ask(running.http, poll)).status == 200
            assert await running.ended() == 0
    (settled,) = [record for record in kept(tmp_path) if record["kind"] == "operation"]
    assert (settled["id"], settled["cost"], settled["known"]) == (NAME, "2.4", "exact")


# --- a damaged store -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut short", "overwritten", "empty"])
async def test_r28_on_a_damaged_store_it_does_not_start_and_begins_no_new_one(tmp_path, damage):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(ANSWER)

    store = tmp_path / "spend.db"
    async with double(script) as up, soon(40):
        async with process(tmp_path, up.url) as running:
            for _ in range(30):
                assert (await ask(running.http, request())).status == 200
            assert await running.ended() == 0
        whole = store.read_bytes()
        spoilt = {
            "cut short": whole[: len(whole) // 2],
            "overwritten": whole[:100] + b"\xff" * (len(whole) - 100),
            "empty": b"",
        }[damage]
        store.write_bytes(spoilt)
        status, said = await refused(tmp_path, up.url)
        assert (status, "spend.db: the spend store is damaged" in said, "Traceback" in said) == (2, True, False)
        assert store.read_bytes() == spoilt
        store.write_bytes(whole)
        async with process(tmp_path, up.url) as running:
            assert (await ask(running.http, request())).status == 200
            assert await running.ended() == 0
    assert len(kept(tmp_path)) == 31
