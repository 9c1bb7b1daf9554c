"""Several workers on the same ports: one metrics page, one store, started again when one dies, ended in order."""

import asyncio
import json
import signal
import socket
from contextlib import suppress

import psutil
import pytest
from gateway_process import MASTER, ask, asked_admin, get, process, refused, written_config
from gateway_stand import KEY, request
from prometheus_client.parser import text_string_to_metric_families
from test_gateway_limits import answers
from test_gateway_metering import ASKS, done
from test_gateway_reload import NEW
from test_spend_processes import NAME, VEO, kept
from upstream_double import Seen, Talk, double, response


async def counted(running, name: str) -> float:
    reply = await ask(running.admin, get("/metrics"))
    families = text_string_to_metric_families(reply.body.decode())
    return sum(one.value for family in families for one in family.samples if one.name == f"understudy_gateway_{name}")


async def test_workers_share_ports_one_page_and_one_store_and_outlive_one_of_them(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, "--workers", "2") as running:
        parent = psutil.Process(running.process.pid)
        workers = parent.children()
        assert len(workers) == 2
        for _ in range(40):
            assert (await ask(running.http, request())).status == 200
        async with asyncio.timeout(30):
            while await counted(running, "requests_total") < 40:  # noqa: ASYNC110 - others leave theirs twice a second
                await asyncio.sleep(0.1)
        for _ in range(10):
            assert await counted(running, "requests_total") == 40
        served = {worker.pid: worker.cpu_times().user for worker in workers}
        assert all(served.values())

        workers[0].kill()
        async with asyncio.timeout(60):
            while (  # noqa: ASYNC110 - another process
                len(alive(parent)) < 2 or "started again" not in running.said
            ):
                await asyncio.sleep(0.1)
        assert await counted(running, "requests_total") == 40
        assert (await ask(running.http, request())).status == 200
        written_config(tmp_path, up.url, keys=[{"id": "team", "key": KEY}, {"id": "new", "key": NEW}])
        running.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            statuses: list[int] = []
            while statuses[-20:] != [200] * 20:
                statuses.append((await ask(running.http, request(key=NEW))).status)
        assert await running.ended() == 0
        assert not any(one.is_running() and one.status() != "zombie" for one in workers)
    assert len(kept(tmp_path)) == 41 + statuses.count(200)


async def test_a_video_that_one_worker_started_is_settled_once_by_whichever_sees_it_done(tmp_path):
    async def script(talk: Talk, seen: Seen) -> None:
        is_start = b":predictLongRunning" in seen.target
        await talk.send(response(json.dumps({"name": NAME} if is_start else done(1, NAME)).encode()))

    async with double(script) as up, process(tmp_path, up.url, "--workers", "3") as running:
        assert (await ask(running.http, request(f"{VEO}:predictLongRunning", body=ASKS))).status == 200
        for _ in range(20):
            await ask(running.http, request(f"/gemini/v1beta/{NAME}", method="GET", body=None))
        assert await running.ended() == 0
    (settled,) = [record for record in kept(tmp_path) if record["id"] == NAME]
    assert (settled["cost"], settled["known"]) == ("2.4", "exact")


def alive(parent: psutil.Process) -> set[int]:
    found: set[int] = set()
    for one in parent.children():
        with suppress(psutil.NoSuchProcess):  # it ended just now
            if one.status() != psutil.STATUS_ZOMBIE:
                found.add(one.pid)
    return found


async def test_a_worker_that_cannot_be_started_again_is_tried_again_until_it_can(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, "--workers", "2") as running:
        parent = psutil.Process(running.process.pid)
        limits = parent.rlimit(psutil.RLIMIT_NOFILE)
        parent.rlimit(psutil.RLIMIT_NOFILE, (parent.num_fds(), limits[1]))  # no descriptor for its pipes
        psutil.Process(min(alive(parent))).kill()
        async with asyncio.timeout(60):
            while running.said.count("could not be started") < 2:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.1)
            assert (await ask(running.http, request())).status == 200
            parent.rlimit(psutil.RLIMIT_NOFILE, limits)
            while len(alive(parent)) < 2:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        assert await running.ended() == 0


async def test_a_hangup_while_a_worker_starts_does_not_end_it_and_is_not_lost(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, "--workers", "2") as running:
        parent = psutil.Process(running.process.pid)
        before = alive(parent)
        psutil.Process(min(before)).kill()
        async with asyncio.timeout(60):
            while not alive(parent) - before:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            written_config(tmp_path, up.url, keys=[{"id": "team", "key": KEY}, {"id": "new", "key": NEW}])
            running.process.send_signal(signal.SIGHUP)
            while running.said.count("the configuration was read anew") < 2:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.05)
            statuses = [(await ask(running.http, request(key=NEW))).status for _ in range(20)]
        assert statuses == [200] * 20
        assert running.said.count("started again") == 1
        assert await running.ended() == 0


async def test_workers_end_with_the_one_that_started_them(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, "--workers", "2") as running:
        workers = psutil.Process(running.process.pid).children()
        await running.killed()
        gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, 30)
        assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--workers", "2", "--store", "none"), "several need a store"), (("--workers", "0"), "workers")],
)
async def test_what_cannot_be_is_one_clear_line(tmp_path, options, said):
    status, words = await refused(tmp_path, "http://127.0.0.1:9", *options)
    assert (status, said in words) == (2, True)


async def test_a_port_that_is_taken_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = str(other.getsockname()[1])
        status, words = await refused(tmp_path, "http://127.0.0.1:9", "--workers", "2", "--admin-port", port)
    assert status == 2
    assert f"port {port}" in words
    assert "--admin-port" in words


async def test_spend_is_read_from_any_worker(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url, "--workers", "2") as running:
        for _ in range(6):
            assert (await ask(running.http, request())).status == 200
        async with asyncio.timeout(30):
            while (await asked_admin(running, "/spend/summary"))["total"]["records"] < 6:  # noqa: ASYNC110 - written soon
                await asyncio.sleep(0.05)
        assert (await ask(running.admin, get("/spend/logs", KEY))).status == 403
        assert MASTER not in running.said
