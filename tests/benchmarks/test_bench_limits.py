"""Limits: which rows they are of, that each goal of the gateway has one, and for which sizes they hold."""

import pytest
from bench_reports import report, row

from understudy_bench.accounting import ACCOUNTING, pairs
from understudy_bench.bulk import BULK, INLINE
from understudy_bench.latencies import LATENCIES
from understudy_bench.limits import LIMITS, limited, sized
from understudy_bench.live_sessions import IDLE, PACED
from understudy_bench.memory import GROWTH, MEMORY
from understudy_bench.tables import report_cells
from understudy_bench.workers import WORKERS_2
from understudy_bench.workloads import workloads

GOALS = {
    "unary/gateway x echo": (4.5, 2.2),
    "unary-plain/gateway x plain": (1.4, 1.2),
    "added-p50/gateway x nginx": (2.2, 1.5),
    "sse-paced/gateway x nginx": (1.3, 1.1),
    "sse/gateway x nginx": (3, 2),
    "memory-100mb/gateway": (16, 4),
    "live-paced-gateway/gateway x nginx": (1.1, 1.02),
    "memory-idle-session/gateway": (40, 16),
    "memory-served/gateway": (80, 64),
    "memory-growth/gateway": (4, None),
    "inline-8m-added/gateway": (15, None),
    "inline-8m-pause/gateway": (50, None),
}
"""Of the goals, those that are numbers as they stand."""


def test_each_limit_belongs_to_a_row_that_there_is():
    names = {f"{name}-{what}/simulator" for name in PACED for what in ("p50", "p99", "cpu")} | {f"{IDLE}/simulator"}
    names |= {f"{ACCOUNTING}-{pair.name}/engine x {pair.reference}" for pair in pairs()}
    names |= {f"{MEMORY}-{what}/gateway" for what in ("served", "idle-session")}
    names |= {f"{name}/gateway" for name in (GROWTH, BULK, f"{INLINE}-added", f"{INLINE}-pause")}
    names |= {f"{name}/gateway x nginx" for name in LATENCIES} | {f"{WORKERS_2}/gateway x one"}
    for workload in workloads():
        for program in workload.programs:
            names |= {f"{workload.name}/{program} x {reference}" for reference in workload.beside(program)}
    assert LIMITS.keys() <= names
    assert all(limit.aim is None or limit.aim < limit.must for limit in LIMITS.values())


def test_every_goal_is_held_as_it_is_written():
    assert {name: (LIMITS[name].must, LIMITS[name].aim) for name in GOALS} == GOALS
    # Goals that are written the other way round: the more, the better.
    for name, must, aim in (("live-echo/gateway x nginx", 0.3, 0.65), ("workers-2/gateway x one", 1.6, 1.8)):
        limit = LIMITS[name]
        assert limit.aim is not None
        assert (1 / limit.must, 1 / limit.aim) == (pytest.approx(must, abs=0.01), pytest.approx(aim, abs=0.01))


def test_a_ratio_has_the_limit_that_names_its_reference():
    assert (limited(row("unary/gateway", 2.0)).must, limited(row("unary/gateway", 2.0)).aim) == (4.5, 2.2)
    assert limited(row("unary/gateway", 30.0, "nginx")).must is None
    assert limited(row("unary/relay", 30.0)).must is None
    assert limited(row("unary/gateway", 4.6)).is_over and not limited(row("unary/gateway", 4.4)).is_over


@pytest.mark.parametrize(("value", "is_over"), [(79.0, False), (81.0, True)])
def test_a_size_is_held_to_its_limit_although_it_has_a_ratio(value, is_over):
    found = limited(row("memory-served/gateway", 100.0, value=value, unit="MiB", saturated=None))
    assert (found.limits_value, found.is_over) == (True, is_over)
    (cells,) = report_cells(report(found))
    assert cells[-2:] == ("<= 80 MiB, aim 64", "over its limit" if is_over else "")


def test_a_limit_holds_for_the_usual_size_alone():
    made = row("live-idle/simulator", None, value=20.0)
    usual, small = sized(made, 5000, 5000, "sessions"), sized(made, 200, 5000, "sessions")
    assert (usual.must, usual.note) == (25.0, "5,000 sessions")
    assert (small.must, small.note) == (None, "200 sessions, not 5,000: no limit holds")
    assert sized(row("x/y", None, note="busy"), 1, 1, "sessions").note == "1 sessions; busy"
