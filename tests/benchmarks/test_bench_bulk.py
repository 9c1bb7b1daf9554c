"""Large bodies and workers: what is sent is what it seems, faults are seen, and a tiny run gives the rows."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from bench_stand import TINY, standing
from test_bench_wire import LIMIT_S, canned, engine_and_upstream

from understudy.errors import TargetError
from understudy_bench.bulk import BulkClient, bulk_rows, inline_rows, large_answer, large_request
from understudy_bench.engine import Engine
from understudy_bench.figures import Sample
from understudy_bench.load import Aim, Tally
from understudy_bench.machine import Cores, forget_peak, peak_bytes
from understudy_bench.memory import growth_rows
from understudy_bench.payloads import unary_answer, unary_request
from understudy_bench.plan import Plan
from understudy_bench.upstream import TAIL, Script
from understudy_bench.workers import wall_us, worker_cores, workers_rows

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")
END = unary_answer()[-TAIL:]


def parted(pieces: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
    return head, body


@pytest.mark.parametrize("size", [0, 1000, 2_500_000])
def test_large_bodies_are_json_with_that_much_media_and_end_like_the_small_ones(size):
    _, body = parted(large_request(Aim("x", 1), size))
    media, small = json.loads(body)["contents"]
    assert len(media["parts"][0]["inlineData"]["data"]) == size
    assert small == json.loads(unary_request())["contents"][0]
    assert body.endswith(unary_request()[-TAIL:])
    _, answer = parted(large_answer(size))
    value, expected = json.loads(answer), json.loads(unary_answer())
    picture, *rest = value["candidates"][0]["content"]["parts"]
    assert len(picture["inlineData"]["data"]) == size
    assert rest == expected["candidates"][0]["content"]["parts"]
    assert value["usageMetadata"] == expected["usageMetadata"]
    assert answer.endswith(END)


def test_large_bodies_go_up_and_come_down_again_and_again():
    answer = large_answer(3_000_000)
    with engine_and_upstream(Script(unary_request()[-TAIL:], answer)) as (engine, upstream):
        aim, tally = Aim("direct", upstream.port), Tally()
        client = BulkClient(engine, aim, tally, large_request(aim, 3_000_000), END)
        for number in range(3):
            assert tally.done == number
            client.ask()
            engine.run_until(lambda number=number: tally.done > number, LIMIT_S, "the answer")
        client.close()


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n", "not answered with 200"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxxx", "another body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxxxx", "another body"),
    ],
)
def test_an_answer_to_a_large_request_that_is_none_is_seen(says, fault):
    engine = Engine()
    with canned(engine, says) as port:
        aim = Aim("the gateway", port)
        client = BulkClient(engine, aim, Tally(), large_request(aim, 10), END)
        client.ask()
        with pytest.raises(TargetError, match=f"the gateway: {fault}"):
            engine.run_for(LIMIT_S)
        client.close()
        engine.run_for(0.02)
    engine.close()


@linux_only
def test_the_peak_of_another_process_is_that_since_it_was_forgotten():
    code = "import sys\n(b'x' * (60 << 20)).count(1)\nprint(flush=True)\nsys.stdin.readline()\n"
    code += "(b'x' * (30 << 20)).count(1)\nprint(flush=True)\nsys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        first = peak_bytes(child.pid)
        try:
            forget_peak(child.pid)
        except OSError:
            pytest.skip("this kernel cannot forget a peak")
        idle = peak_bytes(child.pid)
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()
        assert first - idle > 40 << 20
        assert 20 << 20 < peak_bytes(child.pid) - idle < 45 << 20
        child.stdin.write(b"\n")


@linux_only
def test_where_a_peak_cannot_be_taken_the_row_says_so(tmp_path, monkeypatch):
    def refuse(pid: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("understudy_bench.bulk.forget_peak", refuse)
    with standing(tmp_path) as stand:
        (row,) = bulk_rows(stand)
    assert row.skipped == "the peak of a process cannot be taken here: Permission denied"


@linux_only
def test_a_tiny_run_of_large_bodies_and_growth(tmp_path):
    with standing(tmp_path) as stand:
        rows = {row.name: row for row in (*bulk_rows(stand), *growth_rows(stand), *inline_rows(stand))}
    assert rows.keys() == {
        *(f"{name}/gateway" for name in ("memory-100mb", "memory-growth", "inline-8m-added", "inline-8m-pause")),
        "inline-8m-pause/direct",
    }
    # The limits of sizes are those of the usual ones.
    assert [rows[f"{name}/gateway"].must for name in ("memory-100mb", "memory-growth")] == [None, None]
    assert "2 MB each way, not 100" in (rows["memory-100mb/gateway"].note or "")
    assert [rows[f"inline-8m-{what}/gateway"].must for what in ("added", "pause")] == [15, 50]
    pause = rows["inline-8m-pause/gateway"].value
    assert pause is not None and pause > 0


# ---- workers


def test_two_workers_have_cores_of_their_own_where_there_are_three():
    assert worker_cores((0, 1, 2, 3), Cores(0, 3)) == ((3, 2), True)
    assert worker_cores((0, 1, 2), Cores(0, 2)) == ((2, 1), True)
    assert worker_cores((0, 1), Cores(0, 1)) == ((0, 1), False)
    assert worker_cores((0,), Cores(0, 0)) == ((0,), False)


def test_time_by_the_clock_is_what_two_workers_halve():
    assert wall_us(Sample(2000, 0.5, 1.0, 0.1)) == pytest.approx(250)


@linux_only
def test_two_workers_are_set_beside_one_and_say_what_they_shared(tmp_path):
    with standing(tmp_path, replace(TINY, window_s=0.2)) as stand:
        here = stand.cores
        two, one = workers_rows(replace(stand, cores=replace(here, available=(here.load, here.program))))
    assert (two.name, two.reference, one.name, one.reference) == ("workers-2/gateway", "one", "workers-2/one", None)
    assert two.ratio is not None and two.ratio > 0 and (two.must, two.aim) == (0.625, 0.556)
    assert two.saturated is False
    assert "share them with the load tool" in (two.note or "")


def test_the_usual_plan_is_the_size_of_the_goals():
    plan = Plan()
    assert (plan.memory_requests, plan.growth_requests, plan.bulk_mb) == (10_000, 100_000, 100)
