"""The gateway's own process in trouble, R-33 to R-39: descriptors, memory, faults, log, configuration, names."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from gateway_process import Running, ask, get, process, written_config
from gateway_stand import BOOK, KEY, Client, asked, client, config_of, gateway, recorded, request, usage
from live_doubles import RawServer, close, frame, handshake
from prometheus_client.parser import text_string_to_metric_families
from reliability_rig import ANSWER, LIVE, Clocks, own_error, session, soon, until
from reliability_rig import takes_session as takes
from upstream_double import Double, Seen, Talk, double, response

from understudy_gateway.app import Gateway
from understudy_gateway.listeners import Listen
from understudy_gateway.room import room_for

TESTS = {"upstream_hosts": ["provider.test"], "plain_upstream": True}
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and looks at another process")
FEW = "ulimit -n 256"
MIB = 2**20


async def answers(talk: Talk, seen: Seen) -> None:
    await talk.send(ANSWER)


async def page(running: Running) -> dict[str, float]:
    reply = await ask(running.admin, get("/metrics"))
    families = text_string_to_metric_families(reply.body.decode())
    found: dict[str, float] = {}
    for family in families:
        for one in family.samples:
            name = one.name + "".join(f"|{value}" for value in one.labels.values())
            found[name.removeprefix("understudy_gateway_")] = one.value
    return found


# --- descriptors -----------------------------------------------------------------------------------------------


async def held(stack: AsyncExitStack, http: str, count: int) -> list[Client]:
    """That many connections that say nothing; some may be closed at once."""
    port, found = int(http.rpartition(":")[2]), []
    for _ in range(count):
        with suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
            stack.callback(writer.transport.abort)
            found.append(Client(reader, writer))
    return found


async def turned_away(http: str) -> bool:
    """Whether a new connection gets a 503 or is closed."""
    try:
        reply = await asyncio.wait_for(ask(http, request(key="sk-somebody-unknown-0123")), 20)
    except (ConnectionError, asyncio.IncompleteReadError):
        return True
    if reply.status != 503 or reply.reason != "OVERLOADED":
        return False
    own_error(reply, 503, "OVERLOADED")
    assert (reply.value(b"retry-after"), reply.value(b"connection")) == (b"1", b"close")
    return True


@linux
async def test_r33_out_of_descriptors_it_turns_new_ones_away_serves_the_old_and_recovers(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, under=FEW) as running, soon(50):
        watched = psutil.Process(running.process.pid)
        async with AsyncExitStack() as stack:
            (old,) = await held(stack, running.http, 1)
            await old.send(request())
            assert (await old.reply()).status == 200
            crowd = await held(stack, running.http, 400)
            await until(lambda: sum(one.reader.at_eof() for one in crowd) >= 400 - room_for(256) - 32)
            before = watched.cpu_times()
            await asyncio.sleep(2)
            after = watched.cpu_times()
            assert after.user + after.system - before.user - before.system < 0.4  # under 20 %: no busy loop
            for _ in range(3):
                await old.send(request())
                assert (await old.reply()).status == 200
            assert await turned_away(running.http)
            assert (await page(running))["refusals_total|OVERLOADED"] >= 1  # the admin port has room of its own
            assert running.said.count("no room for more connections") == 1
        async with soon():
            while await turned_away(running.http):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert await running.ended() == 0
    assert "Traceback" not in running.said


@linux
async def test_r22_r33_live_sessions_fill_the_room_others_are_told_and_the_room_is_given_back(tmp_path):
    most = room_for(256)
    async with RawServer() as up, process(tmp_path, f"http://127.0.0.1:{up.port}", under=FEW) as running, soon(50):
        async with AsyncExitStack() as stack:
            pairs = []
            for _ in range(most):
                talk = await stack.enter_async_context(session(running.http))
                provider = await up.accept()
                await takes(provider)
                assert (await talk.head()).startswith(b"HTTP/1.1 101 ")
                pairs.append((talk, provider))
            assert await turned_away(running.http)
            for talk, provider in (pairs[0], pairs[-1]):  # those that are in feel nothing
                provider.send(frame(2, b"hello", masked=False))
                assert await talk.frame() == (2, b"hello")
            for talk, provider in pairs[:10]:
                talk.send(close(1000, masked=True))
                assert (await provider.close_frame())[0] == 1000
                provider.send(close(1000, masked=False))
                assert (await talk.close_frame())[0] == 1000
            async with soon(20):
                while await turned_away(running.http):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        assert await running.ended() == 0
    assert "Traceback" not in running.said


async def test_r22_beyond_the_most_sessions_a_handshake_is_a_503_and_requests_are_served():
    limits = {"sessions": 2}
    async with (
        RawServer() as up,
        gateway(f"http://127.0.0.1:{up.port}", limits=limits) as running,
        soon(),
        AsyncExitStack() as stack,
    ):
        for _ in range(2):
            talk = await stack.enter_async_context(session(running.http_url))
            await takes(await up.accept())
            assert (await talk.head()).startswith(b"HTTP/1.1 101 ")
        async with session(running.http_url) as third:
            own_error(await Client(third.reader, third.writer).reply(), 503, "TOO_MANY_SESSIONS")
        asking = asyncio.create_task(asked(running, request()))
        provider = await up.accept()
        await provider.head()
        provider.send(ANSWER)
        assert (await asking).status == 200


async def test_r33_the_most_connections_are_a_setting():
    limits = {"connections": 2}
    async with double(answers) as up, gateway(up.url, limits=limits) as running, soon(), AsyncExitStack() as stack:
        two = [await stack.enter_async_context(client(running)) for _ in range(2)]
        for talk in two:
            await talk.send(request())
            assert (await talk.reply()).status == 200
        async with client(running) as third:
            await third.send(request())
            own_error(await third.reply(), 503, "OVERLOADED")
            assert await third.reader.read() == b""
        async with client(running) as asks_for_health:
            await asks_for_health.send(b"GET /health/liveliness HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asks_for_health.reply()).status == 200
        two[0].leave()
        async with soon():
            while (await asked(running, request())).status != 200:  # noqa: ASYNC110 - another side
                await asyncio.sleep(0.01)


@linux
async def test_r33_who_needs_a_descriptor_for_the_provider_and_gets_none_is_told_503(tmp_path):
    go = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await go.wait()
        await talk.send(ANSWER)

    limits = {"connections": 1000}  # more than there are descriptors for
    async with double(script) as up, process(tmp_path, up.url, under="ulimit -n 64", limits=limits) as running:
        watched = psutil.Process(running.process.pid)
        free = 64 - watched.num_fds()
        async with soon(40), AsyncExitStack() as stack:
            crowd = await held(stack, running.http, free * 2 // 3)
            await until(lambda: watched.num_fds() >= 64 - free + len(crowd))
            for one in crowd:
                await one.send(request())
            replies = [asyncio.create_task(one.reply()) for one in crowd]
            await until(lambda: any(one.done() for one in replies))
            await asyncio.sleep(0.3)
            refused = [one.result() for one in replies if one.done()]
            for reply in refused:
                own_error(reply, 503, "OVERLOADED")
                assert reply.value(b"retry-after") == b"1"
            reader = crowd[[one.done() for one in replies].index(True)]
            reader.writer.write(handshake(LIVE.encode(), b"x-goog-api-key: " + KEY.encode()))
            own_error(await reader.reply(), 503, "OVERLOADED")
            go.set()
            others = await asyncio.gather(*replies)
            assert [one.status for one in others].count(200) == len(crowd) - len(refused) > 5
        await until(lambda: watched.num_fds() <= 64 - len(refused))
        assert (await ask(running.http, request())).status == 200
        assert await running.ended() == 0


@pytest.mark.parametrize(("descriptors", "most"), [(256, 64), (1024, 400), (20_000, 9_696), (10, 8)])
def test_r33_the_room_follows_from_the_descriptors(descriptors, most):
    assert room_for(descriptors) == most


# --- a fault of our own ----------------------------------------------------------------------------------------


async def test_r35_a_fault_in_one_request_is_its_500_and_nobody_elses(caplog):
    clocks, faults = Clocks(), [ZeroDivisionError("secret detail")]

    def now():
        if len(running_requests) == 1 and faults:  # the second request to come meets it, once
            raise faults.pop()
        return clocks.now()

    running_requests: list[Seen] = []
    go = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        running_requests.append(seen)
        await go.wait()
        await talk.send(ANSWER)

    async with double(script) as up:
        made = Gateway(config_of(up.url), Listen(), book=BOOK, now=now, monotonic=clocks.monotonic)
        async with made as running, client(running) as other, client(running) as unlucky, soon():
            await other.send(request())
            await until(lambda: running_requests)
            await unlucky.send(request())
            reply = await unlucky.reply()
            own_error(reply, 500, "INTERNAL")
            assert (reply.value(b"connection"), b"secret" in reply.body) == (b"close", False)
            assert await unlucky.reader.read() == b""
            go.set()
            assert (await other.reply()).status == 200
            assert (await asked(running, request())).status == 200
    assert caplog.text.count("an exchange failed") == 1


# --- the event loop --------------------------------------------------------------------------------------------


async def lags(running: Running, beyond: str) -> float:
    """How often the loop was later than `beyond` seconds."""
    found = await page(running)
    return found.get("loop_lag_seconds_bucket|+Inf", 0) - found.get(f"loop_lag_seconds_bucket|{beyond}", 0)


@linux
async def test_r36_a_loop_that_stands_still_is_seen_in_the_metrics(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url) as running, soon(40):
        assert (await ask(running.http, request())).status == 200
        before = await lags(running, "0.25")
        running.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.6)
        running.process.send_signal(signal.SIGCONT)
        async with soon():
            while await lags(running, "0.25") <= before:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)


HEAVY = {
    "a long JSON answer": json.dumps(
        {
            "candidates": [{"content": {"parts": [{"inlineData": {"data": "x" * 6 * MIB}}]}}],
            "usageMetadata": usage(9, 9),
        }
    ).encode(),
    "many small values": json.dumps(
        {"candidates": [{"n": n} for n in range(60_000)], "usageMetadata": usage(9, 9)}
    ).encode(),
    "deep": b"[" * 200_000 + b"]" * 200_000,
}


@linux
@pytest.mark.parametrize("content", HEAVY)
async def test_r36_what_passes_blocks_the_loop_for_no_quarter_second(tmp_path, content):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(HEAVY[content]))

    async with double(script) as up, process(tmp_path, up.url) as running, soon(50):
        assert (await ask(running.http, request())).body == HEAVY[content]
        found = []
        for _ in range(4):  # others use the machine too: what blocks it, blocks it each time
            before = await lags(running, "0.25")
            for _ in range(3):
                assert (await ask(running.http, request())).status == 200
            await asyncio.sleep(0.3)
            found.append(await lags(running, "0.25") - before)
            if found[-1] == 0:
                break
        assert 0 in found


# --- the log ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [300, pytest.param(14_000, marks=pytest.mark.reliability)])
@pytest.mark.timeout(600)
async def test_r37_a_log_that_nobody_reads_stops_no_traffic_and_drops_are_told(tmp_path, count):
    ours, theirs = os.pipe()
    async with double(answers) as up:
        try:
            async with process(tmp_path, up.url, talk=theirs) as running, soon(500):
                await asyncio.gather(*(asks(running.http, count // 4) for _ in range(4)))
                os.set_blocking(ours, False)
                said = bytearray()
                if count > 10_000:  # more than wait for a writer that stands still
                    async with soon(30):
                        while b"log lines were dropped" not in said:
                            await asyncio.sleep(0.05)
                            with suppress(BlockingIOError):
                                said += os.read(ours, 2**20)
                assert await running.ended() == 0
        finally:
            os.close(ours)
            os.close(theirs)


async def asks(http: str, count: int) -> None:
    """So many requests on one connection."""
    host, _, port = http.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    talk = Client(reader, writer)
    for _ in range(count):
        await talk.send(request())
        assert (await talk.reply()).status == 200
    writer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
async def test_r37_a_log_on_a_full_disk_stops_no_traffic(tmp_path):
    with Path("/dev/full").open("wb") as full:
        async with double(answers) as up, process(tmp_path, up.url, talk=full.fileno()) as running, soon(40):
            await asks(running.http, 300)
            assert await running.ended() == 0


# --- a bad configuration ---------------------------------------------------------------------------------------


async def test_r38_a_reload_with_a_mistake_changes_nothing_and_names_line_and_key(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url) as running, soon(40):
        config = written_config(tmp_path, up.url)
        good = config.read_text("utf-8")
        text = f"general_settings: {{master_key: {json.loads(good)['general_settings']['master_key']}}}\n"
        text += (
            "understudy_settings:\n  keys:\n    - {id: team, key: sk-new-key-0123456789}\n  timeouts: {idle_ss: 3}\n"
        )
        config.write_text(text, "utf-8")
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: "the old one stays" in running.said)
        assert "config.yaml:5: understudy_settings.timeouts" in running.said
        assert "idle_s" in running.said
        assert (await ask(running.http, request())).status == 200
        config.write_text("understudy_settings: [", "utf-8")
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: running.said.count("the old one stays") == 2)
        assert (await ask(running.http, request())).status == 200
        assert await running.ended() == 0


# --- names -----------------------------------------------------------------------------------------------------


@contextmanager
def names(monkeypatch: pytest.MonkeyPatch, found: dict[str, list[str]], asked_for: list[str]):
    """A resolver whose answers can be changed."""
    real = socket.getaddrinfo

    def resolves(host, port, *more, **options):
        if host not in found:
            return real(host, port, *more, **options)
        asked_for.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in found[host]
        ]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolves)
        yield


async def at(address: str, port: int, body: bytes, made: AsyncExitStack) -> Double:
    """A provider at an address of its own."""

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(body)[: -0 or None])
        talk.writer.close()

    up = Double(script)
    server = await asyncio.start_server(up.serve, address, port, limit=2**20)
    made.callback(server.close)
    up.port = server.sockets[0].getsockname()[1]
    return up


@linux
async def test_r39_a_name_that_moves_is_followed_within_a_minute_and_asked_for_seldom(monkeypatch):
    found, asked_for = {"provider.test": ["127.0.0.2"]}, list[str]()
    loop = asyncio.get_running_loop()
    passed, real_time = [0.0], loop.time
    monkeypatch.setattr(loop, "time", lambda: real_time() + passed[0])
    async with AsyncExitStack() as made:
        old = await at("127.0.0.2", 0, b"old", made)
        await at("127.0.0.3", old.port, b"new", made)
        with names(monkeypatch, found, asked_for):
            async with gateway(f"http://provider.test:{old.port}", **TESTS) as running, soon(200):
                for _ in range(5):
                    assert (await asked(running, request())).body == b"old"
                assert len(asked_for) == 1
                found["provider.test"] = ["127.0.0.3"]
                passed[0] += 35  # the rule says a minute
                assert (await asked(running, request())).body == b"new"
                assert len(asked_for) == 2


@linux
@pytest.mark.parametrize("order", [["::1", "127.0.0.2"], ["127.0.0.2", "::1"]], ids=["IPv6 first", "IPv4 first"])
async def test_r39_where_one_family_cannot_be_reached_the_other_is_tried(monkeypatch, order):
    async with AsyncExitStack() as made:
        up = await at("127.0.0.2", 0, b"here", made)
        with names(monkeypatch, {"provider.test": order}, []):
            async with gateway(f"http://provider.test:{up.port}", **TESTS) as running, soon():
                assert (await asked(running, request())).body == b"here"
                (record,) = await recorded(running)
                assert record.outcome == "ok"
