"""The command: a quick run with real programs gives a report in form; comparing has the exit status it promises."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from bench_reports import report, row
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError, TargetError
from understudy_bench.accounting import ACCOUNTING, accounting_rows
from understudy_bench.bulk import BULK, INLINE
from understudy_bench.cli import main
from understudy_bench.latencies import LATENCIES, LIVE_PACED
from understudy_bench.live_sessions import IDLE, PACED
from understudy_bench.measuring import GROUPS, chosen
from understudy_bench.memory import GROWTH, MEMORY
from understudy_bench.playing import order
from understudy_bench.programs import Absent, nginx_path, require_costs, require_none, started
from understudy_bench.rows import from_json, to_json
from understudy_bench.workers import WORKERS_2
from understudy_bench.workloads import workloads

ROOT = Path(__file__).parents[2]
SOURCES = os.pathsep.join(str(ROOT / name) for name in ("src", "gateway", "simulator", "benchmarks"))
LIMIT_S = 240
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")


def bench(*arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "PYTHONPATH": SOURCES, "PATH": os.environ["PATH"] if path is None else path}
    command = [sys.executable, "-P", "-m", "understudy_bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environ, check=False)


def measured(folder: Path, *arguments: str):
    out = folder / "bench.json"
    said = bench("run", "--quick", "--window", "0.1", "--out", str(out), *arguments)
    assert said.returncode == 0, said.stderr
    return from_json(out.read_bytes(), "bench.json"), said


@pytest.mark.slow
def test_a_quick_run_measures_every_program_beside_the_echo(tmp_path):
    found, said = measured(tmp_path, "--only", "unary")
    rows = {(row.name, row.reference): row for row in found.rows}
    expected = {f"unary/{name}" for name in ("direct", "echo", "gateway", "relay", "nginx")}
    assert expected | {"unary-plain/plain", "unary-plain/gateway"} == {name for name, _ in rows}
    gateway = rows["unary/gateway", "echo"]
    assert gateway.ratio is not None and gateway.ratio > 0
    assert gateway.value is not None and gateway.value > 0
    assert gateway.repetitions == 2
    assert (gateway.must, gateway.aim) == (4.5, 2.2)
    assert rows["unary-plain/gateway", "plain"].must == 1.4
    assert rows["unary-plain/plain", None].value
    assert gateway.saturated in (True, False)
    assert ("unary/gateway", "nginx") in rows or nginx_path() is None
    assert any(line.split()[:2] == ["unary", "gateway"] for line in said.stdout.splitlines())
    assert "unary 2/2 gateway: " in said.stderr


@pytest.mark.slow
def test_a_quick_run_of_the_other_workloads_and_of_memory(tmp_path):
    names = ("sse", "live-4k", "live-echo", "simulator", "memory", "inline", "workers")
    words = [word for name in names for word in ("--only", name)]
    found, said = measured(tmp_path, *words, "--repetitions", "1", "--markdown")
    ratios = {row.name for row in found.rows if row.reference == "echo" and row.ratio}
    assert {f"{name}/gateway" for name in ("sse", "live-4k", "memory-served")} <= ratios
    assert "simulator/simulator" in ratios
    there = {row.name for row in found.rows if row.value is not None}
    assert {f"{name}/gateway" for name in (GROWTH, BULK, f"{INLINE}-added", f"{INLINE}-pause", WORKERS_2)} <= there
    if nginx_path() is not None:
        ratios = {row.name for row in found.rows if row.reference == "nginx" and row.must}
        assert {"sse/gateway", "live-echo/gateway", "sse-paced/gateway"} <= ratios
    assert "| sse | gateway |" in said.stdout


@pytest.mark.slow
def test_a_quick_run_of_live_sessions_at_scale(tmp_path):
    found, said = measured(tmp_path, "--only", "live-paced", "--only", "live-idle")
    rows = {one.workload: one for one in found.rows if one.workload != LIVE_PACED}
    assert set(rows) == {f"{name}-{what}" for name in PACED for what in ("p50", "p99", "cpu")} | {IDLE}
    for one in rows.values():
        assert one.value is not None and one.value > 0
        # The limits are those of 500 and of 5,000 sessions.
        assert one.must is None
        assert "no limit holds" in (one.note or "")
    assert (rows["live-paced-p50"].value or 0) <= (rows["live-paced-p99"].value or 0)
    assert "40 sessions, not 500" in said.stdout


@given(st.lists(st.text(), unique=True), st.integers(), st.integers(0, 9))
def test_the_order_of_a_repetition_is_a_shuffle_that_follows_from_its_numbers(programs, seed, repetition):
    assert sorted(order(programs, seed, "sse", repetition)) == sorted(programs)
    assert order(programs, seed, "sse", repetition) == order(programs, seed, "sse", repetition)


def test_another_seed_workload_or_repetition_is_another_order():
    programs = list("abcdefgh")
    orders = [order(programs, *numbers) for numbers in ((0, "sse", 0), (1, "sse", 0), (0, "unary", 0), (0, "sse", 1))]
    assert len({tuple(found) for found in orders}) == 4


def store_with(path: Path, costs: Sequence[str | None]) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE spend (model TEXT, cost TEXT, reason TEXT)")
        connection.executemany("INSERT INTO spend VALUES ('m', ?, 'why')", [(cost,) for cost in costs])
        connection.commit()
    return path


@pytest.mark.parametrize("costs", [(), ("0.1", None)])
def test_a_gateway_that_did_not_do_its_accounts_is_no_candidate(tmp_path, costs):
    with pytest.raises(TargetError, match="without a cost"):
        require_costs(store_with(tmp_path / "spend.db", costs))


@pytest.mark.parametrize(("costs", "is_good"), [((), True), (("0.1",), False)])
def test_a_gateway_without_accounts_has_none(tmp_path, costs, is_good):
    store = store_with(tmp_path / "spend.db", costs)
    if is_good:
        require_none(store)
    else:
        with pytest.raises(TargetError, match="without accounts: 1 records"):
            require_none(store)


def test_a_gateway_that_priced_everything_is_one(tmp_path):
    require_costs(store_with(tmp_path / "spend.db", ("0.1", "0")))


def test_without_nginx_it_is_left_out_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(Absent, match="nginx is not installed"), started("nginx", 1, tmp_path):
        pass


def test_an_nginx_that_does_not_start_is_left_out_with_its_own_words(tmp_path, monkeypatch):
    broken = tmp_path / "broken-nginx"
    broken.write_text("#!/bin/sh\necho wrong configuration >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: str(broken))
    with pytest.raises(Absent, match="wrong configuration"), started("nginx", 1, tmp_path):
        pass


def test_all_workloads_are_chosen_by_default_and_beginnings_choose_several():
    assert chosen([]) == (*(workload.name for workload in workloads()), *GROUPS)
    assert chosen(["live"]) == ("live-echo", "live-200", "live-4k", "live-64k", LIVE_PACED, *PACED, IDLE)
    assert chosen(["live-paced"]) == (LIVE_PACED, *PACED)
    assert chosen(["sse"]) == ("sse", "sse-paced")
    assert chosen(["added"]) == LATENCIES[:1]
    assert chosen(["accounting"]) == (ACCOUNTING,)
    assert chosen(["memory", "unary"]) == ("unary", "unary-plain", MEMORY, GROWTH, BULK)


def test_a_word_that_chooses_nothing_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'unary'"):
        chosen(["unari"])


def run_main(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["understudy_bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def stored(path: Path, ratio: float) -> str:
    path.write_bytes(to_json(report(row("unary/gateway", ratio))))
    return str(path)


def test_comparing_ends_with_0_when_nothing_got_worse(monkeypatch, tmp_path, capsys):
    base, now = stored(tmp_path / "base.json", 2.0), stored(tmp_path / "now.json", 2.2)
    assert run_main(monkeypatch, "compare", base, now) == 0
    assert "+10%" in capsys.readouterr().out


def test_comparing_ends_with_1_and_names_what_got_worse(monkeypatch, tmp_path, capsys):
    base, now = stored(tmp_path / "base.json", 2.0), stored(tmp_path / "now.json", 2.2)
    assert run_main(monkeypatch, "compare", base, now, "--tolerance", "5") == 1
    assert "worse: unary/gateway beside echo: 2.00 -> 2.20" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 2, "machine": {}, "settings": {}, "rows": []}'])
def test_comparing_ends_with_2_for_a_file_that_is_no_report(monkeypatch, tmp_path, capsys, text):
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    assert run_main(monkeypatch, "compare", str(bad), stored(tmp_path / "now.json", 2.0)) == 2
    assert str(bad) in capsys.readouterr().err


def test_comparing_ends_with_2_for_a_file_that_is_not_there(monkeypatch, tmp_path, capsys):
    assert run_main(monkeypatch, "compare", stored(tmp_path / "b.json", 2.0), str(tmp_path / "none.json")) == 2
    assert "none.json: No such file" in capsys.readouterr().err


def test_the_engine_is_measured_beside_plain_work_with_its_limits():
    rows = accounting_rows(1, {"python": "3"}, round_s=0.001)
    assert [(row.name, row.reference, row.must) for row in rows] == [
        ("accounting-4k/engine", "json.loads", 6.0),
        ("accounting-10m/engine", "zlib.crc32", 2.0),
        ("accounting-live-64k/engine", "json.loads", 0.25),
    ]
    assert all(row.ratio is not None and row.ratio > 0 and row.is_ours for row in rows)


def test_an_unknown_workload_ends_with_2(monkeypatch, capsys):
    assert run_main(monkeypatch, "run", "--only", "nothing") == 2
    assert "there are unary, unary-plain, sse, live-echo" in capsys.readouterr().err


def test_the_stored_base_is_a_report_with_every_workload():
    base = from_json((ROOT / "benchmarks" / "base.json").read_bytes(), "base.json")
    judged = {row.workload for row in base.rows if row.is_ours and row.ratio}
    assert {workload.name for workload in workloads()} <= judged
