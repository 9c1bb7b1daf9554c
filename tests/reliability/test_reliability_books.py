"""The gateway's books in trouble, R-26, R-27 and R-29: a store that is locked, full or slow; clocks that jump."""

import asyncio
import contextlib
import resource
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from gateway_process import Running, ask, get, process
from gateway_stand import KEY, asked, config_of, recorded, request
from prometheus_client.parser import text_string_to_metric_families
from reliability_rig import ANSWER, Clocks, of_clocks, own_error, soon, until
from upstream_double import Seen, Talk, double

from understudy_gateway.spend.queries import Wanted, all_records

linux = pytest.mark.skipif(sys.platform != "linux", reason="sets limits of another process")


def kept(folder: Path) -> list[dict]:
    return list(all_records(folder / "spend.db", Wanted()))


async def answers(talk: Talk, seen: Seen) -> None:
    await talk.send(ANSWER)


async def gauge(running: Running, name: str) -> float:
    reply = await ask(running.admin, get("/metrics"))
    families = text_string_to_metric_families(reply.body.decode())
    return sum(one.value for family in families for one in family.samples if one.name == f"understudy_gateway_{name}")


def named(number: int) -> bytes:
    return request(headers={"x-litellm-call-id": f"id-{number}"})


async def served(running: Running, numbers: range) -> None:
    """Requests, one after the other, each of which is answered."""
    for number in numbers:
        assert (await ask(running.http, named(number))).status == 200


def all_once(folder: Path, count: int) -> None:
    assert sorted(record["id"] for record in kept(folder)) == sorted(f"id-{number}" for number in range(count))


# --- R-26, R-27 ------------------------------------------------------------------------------------------------------


async def test_r26_a_locked_store_stops_no_traffic_says_so_once_and_gets_all_later_once(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url) as running, soon(50):
        await served(running, range(5))
        with closing(sqlite3.connect(tmp_path / "spend.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await served(running, range(5, 60))
            await until(lambda: "spend cannot be written to spend.db" in running.said)
            await served(running, range(60, 100))
            assert await gauge(running, "spend_waiting") >= 40
            assert await gauge(running, "spend_lost_total") == 0
            await asyncio.sleep(1.5)  # it tries again meanwhile, and says nothing
            assert running.said.count("spend cannot be written") == 1
            other.execute("ROLLBACK")
        async with soon(20):
            while await gauge(running, "spend_waiting"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert len(kept(tmp_path)) == 100
        assert await running.ended() == 0
    all_once(tmp_path, 100)


async def test_r26_where_that_is_set_a_locked_store_stops_traffic_with_503_until_it_is_back(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, refuse_without_store=True) as running, soon(50):
        await served(running, range(5))
        await until(lambda: len(kept(tmp_path)) == 5)
        with closing(sqlite3.connect(tmp_path / "spend.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            reply = await ask(running.http, named(5))
            assert reply.status == 200  # nobody knows yet
            while (reply := await ask(running.http, request())).status == 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
            own_error(reply, 503, "STORE_DOWN")
            assert reply.value(b"retry-after")
            seen = len(up.requests)
            assert (await ask(running.http, request())).status == 503
            assert len(up.requests) == seen
            other.execute("ROLLBACK")
        async with soon(20):
            while (await ask(running.http, request())).status != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert await running.ended() == 0
    assert {"id-0", "id-4", "id-5"} <= {record["id"] for record in kept(tmp_path)}
    assert len(kept(tmp_path)) == len(up.requests)


@linux
async def test_r26_a_full_store_stops_no_traffic_and_gets_all_later_once(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url) as running, soon(50):
        await served(running, range(5))
        await until(lambda: len(kept(tmp_path)) == 5)
        pid, size = running.process.pid, max(file.stat().st_size for file in tmp_path.glob("spend.db*"))
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(size, 65536), hard))
        await served(running, range(5, 150))
        await until(lambda: "spend cannot be written to spend.db" in running.said)
        assert await gauge(running, "spend_waiting") > 0
        await served(running, range(150, 200))
        assert running.said.count("spend cannot be written") == 1
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        await until(lambda: len(kept(tmp_path)) == 200, 20)
        assert await gauge(running, "spend_lost_total") == 0
        assert await running.ended() == 0
    all_once(tmp_path, 200)


async def test_r26_killed_while_the_store_is_locked_only_what_waited_is_gone(tmp_path):
    async with double(answers) as up, soon(50):
        async with process(tmp_path, up.url) as running:
            await served(running, range(20))
            await until(lambda: len(kept(tmp_path)) == 20)
            with closing(sqlite3.connect(tmp_path / "spend.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                await served(running, range(20, 40))
                await running.killed()
        async with process(tmp_path, up.url) as running:
            await served(running, range(40, 41))
            assert await running.ended() == 0
    assert sorted(record["id"] for record in kept(tmp_path)) == sorted(f"id-{number}" for number in (*range(20), 40))


async def test_r27_a_slow_store_delays_nobody_and_loses_nothing(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url) as running, soon(50):
        with closing(sqlite3.connect(tmp_path / "spend.db", isolation_level=None, timeout=10)) as other:
            for turn in range(4):  # each write of the gateway waits for a lock that is given up after half a second
                other.execute("BEGIN IMMEDIATE")
                lock = asyncio.create_task(asyncio.sleep(0.5))
                await served(running, range(turn * 50, turn * 50 + 50))
                before = len(kept(tmp_path))
                await lock
                assert len(kept(tmp_path)) == before  # all fifty were answered while nothing could be written
                other.execute("ROLLBACK")
                await until(lambda before=before: len(kept(tmp_path)) > before)
        assert await gauge(running, "spend_lost_total") == 0
        assert await running.ended() == 0
    all_once(tmp_path, 200)


# --- R-29 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [timedelta(days=2), timedelta(days=-2), timedelta(hours=-14)], ids=str)
async def test_r29_a_clock_that_jumps_gives_no_budget_out_twice_and_moves_no_window(jump):
    clocks = Clocks()
    keys = [
        {"id": "team", "key": KEY, "max_budget": "0.0005", "budget_duration": "1d"},
        {"id": "fast", "key": "sk-a-fast-key-0123456789", "rpm_limit": 2},
    ]
    fast = request(key="sk-a-fast-key-0123456789")
    async with double(answers) as up, of_clocks(config_of(up.url, keys=keys), clocks) as running, soon():
        assert (await asked(running, request())).status == 200
        await recorded(running)
        assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"
        assert [(await asked(running, fast)).status for _ in range(3)] == [200, 200, 429]
        clocks.jumped += jump
        assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"
        assert (await asked(running, fast)).reason == "LIMIT_REACHED"
        clocks.passed += 61
        assert (await asked(running, fast)).status == 200
        assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"
        clocks.passed += 24 * 3600  # a day that has really passed
        assert (await asked(running, request())).status == 200
        await recorded(running, 5)
        assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"


async def test_r29_a_clock_that_jumps_back_in_an_exchange_leaves_its_record_in_order():
    clocks, go, begun = Clocks(), asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        begun.set()
        await go.wait()
        await talk.send(ANSWER)

    async with double(script) as up, of_clocks(config_of(up.url), clocks) as running, soon():
        first = asyncio.create_task(asked(running, request(headers={"x-litellm-call-id": "first"})))
        await begun.wait()
        clocks.jumped -= timedelta(hours=5)
        clocks.passed += 3
        go.set()
        assert (await first).status == 200
        await recorded(running)
        assert (await asked(running, request(headers={"x-litellm-call-id": "second"}))).status == 200
        one, two = await recorded(running, 2)
    assert [one.id, two.id] == ["first", "second"]  # in the order in which they ended, whatever the time of day was
    assert (one.ended - one.started, two.ended - two.started) == (timedelta(seconds=3), timedelta(0))


async def test_r29_a_jump_moves_no_deadline():
    clocks, begun = Clocks(), asyncio.Event()

    async def silent(talk: Talk, seen: Seen) -> None:
        begun.set()
        await talk.left()

    async with double(silent) as up, of_clocks(config_of(up.url), clocks) as running, soon():
        waiting = asyncio.create_task(asked(running, request()))
        await begun.wait()
        clocks.jumped += timedelta(days=365)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        (record,) = await recorded(running)
        assert record.outcome == "client_abort"
