"""A short soak, run as `make soak` runs it: it holds, and the same run says so when a record is lost or told twice."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from command_line import ROOT, environment
from understudy_soak.canaries import Canaries
from understudy_soak.plan import Plan
from understudy_soak.stand import Stand
from understudy_soak.wire import NoAnswer, Wire

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at the gateway's process in /proc")


@linux
@pytest.mark.reliability
def test_a_short_soak_holds_and_prints_what_was_done(tmp_path):
    path = environment(tmp_path)["PYTHONPATH"] + f":{ROOT / 'soak'}"
    words = (
        "--minutes",
        "0.15",
        "--clients",
        "12",
        "--seed",
        "5",
        "--kills",
        "1",
        "--keep",
        str(tmp_path / "kept"),
        "--json",
    )
    told = subprocess.run(
        [sys.executable, "-P", "-m", "understudy_soak", *words],
        env={**environment(tmp_path), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert (found["holds"], found["missing"], found["twice"], found["failures"]) == (True, [], [], [])
    assert found["due"] > 20
    assert {"unary", "stream", "live"} <= found["counts"].keys()
    assert len(found["memory_mib"]) == 2

    stand = Stand(tmp_path / "kept", Plan(), Canaries.of_seed(5))
    whole = stand.booked()
    assert sum(whole.values()) >= found["due"]
    with closing(sqlite3.connect(tmp_path / "kept" / "spend.db", isolation_level=None)) as store:
        store.execute("UPDATE spend SET id = 'somebody-elses' WHERE seq IN (SELECT seq FROM spend LIMIT 2)")
    assert sum(count for (_, id), count in stand.booked().items() if id == "somebody-elses") == 2
    assert {name for name in stand.left_behind() if "-" not in name} == {"gateway.log", "spend.db", "spend.jsonl"}


async def serving(answer: bytes):
    async def serve(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "body", "is_whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"abc", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    ],
)
async def test_a_client_knows_whether_an_answer_is_whole(answer, body, is_whole):
    server, port = await serving(answer)
    async with server:
        wire = Wire(port)
        found = await wire.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert (found.body, found.is_whole) == (body, is_whole)
        wire.leave()


async def test_no_head_is_no_answer():
    server, port = await serving(b"HTTP/1.1 200")
    async with server:
        with pytest.raises(NoAnswer):
            await Wire(port).ask(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(NoAnswer):
        await Wire(port).ask(b"GET / HTTP/1.1\r\n\r\n")
