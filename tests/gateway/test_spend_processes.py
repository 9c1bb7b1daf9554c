"""Spend over real processes: killed at any moment, started again, a store that is locked, full or damaged."""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from gateway_process import ask, asked_admin, process, refused
from gateway_stand import GENERATE, request, usage
from test_gateway_metering import ASKS, done
from upstream_double import Seen, Talk, double, response

from command_line import understudy
from understudy_gateway.spend.queries import Wanted, all_records

VEO = "/gemini/v1beta/models/veo-3.1-generate-preview"  # the shipped price book has a price for it
NAME = "models/veo-3.1-generate-preview/operations/abc"
ANSWER = response(json.dumps({"usageMetadata": usage(1000, 100)}).encode())


def kept(folder: Path) -> list[dict]:
    return list(all_records(folder / "spend.db", Wanted()))


async def answers(talk: Talk, seen: Seen) -> None:
    await talk.send(ANSWER)


async def veo(talk: Talk, seen: Seen) -> None:
    is_start = b":predictLongRunning" in seen.target
    await talk.send(response(json.dumps({"name": NAME} if is_start else done(1, NAME)).encode()))


async def test_what_was_answered_a_second_before_a_kill_is_in_the_store_and_nothing_is_there_twice(tmp_path):
    draws = random.Random(7)
    answered: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    async def client(http: str, name: str) -> None:
        for number in range(10_000):
            data = request(headers={"x-litellm-call-id": f"{name}-{number}"})
            try:
                if (await ask(http, data)).status != 200:
                    return
            except (OSError, asyncio.IncompleteReadError):
                return
            answered[f"{name}-{number}"] = loop.time()
            await asyncio.sleep(0.01)

    due: set[str] = set()
    async with double(answers) as up:
        for life in range(3):
            async with process(tmp_path, up.url) as running, asyncio.TaskGroup() as clients:
                for number in range(4):
                    clients.create_task(client(running.http, f"{life}.{number}"))
                await asyncio.sleep(1.2 + draws.random() / 2)
                killed_at = loop.time()
                await running.killed()
            due |= {name for name, at in answered.items() if at < killed_at - 1 and name.startswith(f"{life}.")}
    found = Counter(record["id"] for record in kept(tmp_path))
    assert len(due) > 20
    assert due - found.keys() == set()
    assert [name for name, times in found.items() if times > 1] == []


async def test_a_video_is_settled_once_though_its_gateway_was_killed_and_many_poll_two_others(tmp_path):
    async with double(veo) as up:
        async with process(tmp_path, up.url) as running:
            assert (await ask(running.http, request(f"{VEO}:predictLongRunning", body=ASKS))).status == 200
            while not (await asked_admin(running, "/spend/logs"))["records"]:  # noqa: ASYNC110 - written a moment later
                await asyncio.sleep(0.05)
            await running.killed()
        poll = request(f"/gemini/v1beta/{NAME}", method="GET", body=None)
        for _ in range(2):
            async with process(tmp_path, up.url) as one, process(tmp_path, up.url) as other:
                async with asyncio.TaskGroup() as clients:
                    for running in (one, other) * 10:
                        clients.create_task(ask(running.http, poll))
                assert (await one.ended(), await other.ended()) == (0, 0)
    (settled,) = [record for record in kept(tmp_path) if record["id"] == NAME]
    # 1 video x 6 s x 0.40
    assert (settled["cost"], settled["known"], settled["kind"], settled["key_id"]) == (
        "2.4",
        "exact",
        "operation",
        "team",
    )
    assert sum(record["kind"] == "exchange" for record in kept(tmp_path)) == 41


@pytest.mark.parametrize("round", range(4))
async def test_a_video_is_settled_once_though_its_start_is_written_after_another_gateway_saw_it_done(tmp_path, round):
    # The gateway that started it stands still before it writes that; the other one is polled, and even ends meanwhile.
    poll = request(f"/gemini/v1beta/{NAME}", method="GET", body=None)
    async with double(veo) as up, process(tmp_path, up.url) as one, process(tmp_path, up.url) as other:
        assert (await ask(one.http, request(f"{VEO}:predictLongRunning", body=ASKS))).status == 200
        one.process.send_signal(signal.SIGSTOP)
        for _ in range(3):
            assert (await ask(other.http, poll)).status == 200
        if round % 2:
            assert await other.ended() == 0
        else:
            while len((await asked_admin(other, "/spend/logs"))["records"]) < 3:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        one.process.send_signal(signal.SIGCONT)
        for _ in range(3):
            assert (await ask(one.http, poll)).status == 200
        assert await one.ended() == 0
    (settled,) = [record for record in kept(tmp_path) if record["id"] == NAME]
    assert (settled["cost"], settled["known"], settled["key_id"]) == ("2.4", "exact", "team")


async def test_a_store_that_another_process_locks_does_not_stop_traffic_and_is_caught_up_with(tmp_path):
    async with double(answers) as up, process(tmp_path, up.url) as running:
        assert (await ask(running.http, request())).status == 200
        with closing(sqlite3.connect(tmp_path / "spend.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(20):
                assert (await ask(running.http, request())).status == 200
            async with asyncio.timeout(30):
                while "spend cannot be written to spend.db (database is locked)" not in running.said:  # noqa: ASYNC110 - a log
                    await asyncio.sleep(0.05)
            other.execute("ROLLBACK")
        assert await running.ended() == 0
    assert len(kept(tmp_path)) == 21


def mounted(folder: Path) -> bool:
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False)
    return made.returncode == 0


async def test_a_full_disk_does_not_stop_traffic_and_what_waited_is_written_when_there_is_room(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted(disk):
        pytest.skip("this machine lets us mount no small disk")
    try:
        ballast = disk / "ballast"
        async with double(answers) as up, process(tmp_path, up.url, "--store", str(disk / "spend.db")) as running:
            assert (await ask(running.http, request())).status == 200
            with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(b"x" * 4096)
            for _ in range(150):
                assert (await ask(running.http, request())).status == 200
            async with asyncio.timeout(30):
                while "spend cannot be written to spend.db" not in running.said:  # noqa: ASYNC110 - a log
                    await asyncio.sleep(0.05)
            ballast.unlink()
            assert await running.ended() == 0
        assert len(list(all_records(disk / "spend.db", Wanted()))) == 151
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("content", [b"", b"garbage" * 2000])
async def test_a_damaged_store_is_a_message_and_status_2(tmp_path, content):
    (tmp_path / "spend.db").write_bytes(content)
    status, said = await refused(tmp_path, "http://127.0.0.1:9")
    assert status == 2
    assert "spend.db: the spend store is damaged" in said
    assert "Traceback" not in said
    assert (tmp_path / "spend.db").read_bytes() == content


async def test_the_command_prints_from_the_store_what_the_admin_port_says(tmp_path):
    master = tmp_path / "master"
    async with double(answers) as up, process(tmp_path, up.url) as running:
        for number in range(3):
            assert (await ask(running.http, request(headers={"x-litellm-call-id": f"id-{number}"}))).status == 200
        assert (await ask(running.http, request(GENERATE.replace("gemini-2.5-flash", "=cmd")))).status == 200
        while len((await asked_admin(running, "/spend/logs"))["records"]) < 4:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        master.write_text("sk-master-key-0123456789\n")

        def spend(*words: str) -> str:
            told = understudy("spend", *words, home=tmp_path)
            assert (told.returncode, told.stderr) == (0, "")
            return told.stdout

        remote = ("--url", running.admin, "--key", f"@{master}")
        for words in (("--by", "model"), ("--logs", "--format", "json"), ("--by", "key", "--format", "csv")):
            assert await asyncio.to_thread(spend, *words) == await asyncio.to_thread(spend, *words, *remote)
        # 3 x (1000 x 0.0000003 + 100 x 0.0000025)
        table = await asyncio.to_thread(spend, "--by", "model", "--format", "csv")
        assert table.splitlines() == [
            "model,records,unknown,estimated,USD",
            "'=cmd,1,1,0,0",
            "gemini-2.5-flash,3,0,0,0.00165",
        ]
        rows = (await asyncio.to_thread(spend)).splitlines()
        assert [row.split() for row in rows[1:]] == [
            ["team", "4", "1", "0", "0.00165"],
            ["total", "4", "1", "0", "0.00165"],
        ]
        summed = json.loads(await asyncio.to_thread(spend, "--by", "day", "--format", "json"))
        assert summed["total"] == {"records": 4, "unknown": 1, "estimated": 0, "cost": "0.00165"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--store", "nowhere.db"), 2, "there is no spend store"),
        (("--since", "yesterday"), 2, "since: a day or a time"),
        (("--store", "x", "--url", "http://127.0.0.1:9"), 2, "do not go together"),
        (("--url", "http://127.0.0.1:9"), 3, "no gateway's admin port answers"),
        (("--url", "http://127.0.0.1:9", "--key", "@nofile"), 2, "the file cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, words, status, said):
    told = understudy("spend", *words, home=tmp_path)
    assert (told.returncode, said in told.stderr, "Traceback" in told.stderr) == (status, True, False)
