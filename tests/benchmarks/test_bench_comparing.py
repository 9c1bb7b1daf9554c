"""Comparing two runs: which ratios are judged, and when one is worse."""

import pytest
from bench_reports import report, row
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy_bench.comparing import compare


def words(base, now, tolerance=0.15):
    return {(c.name, c.reference): c.word for c in compare(report(*base), report(*now), tolerance).changes}


def word(before, after, tolerance=0.15):
    return words([row("unary/gateway", before)], [row("unary/gateway", after)], tolerance)["unary/gateway", "echo"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(2.0, 2.0, "same"), (2.0, 2.29, "same"), (2.0, 2.31, "worse"), (2.0, 1.71, "same"), (2.0, 1.69, "better")],
)
def test_a_ratio_may_grow_by_the_tolerance_and_no_more(before, after, expected):
    assert word(before, after) == expected


def test_the_tolerance_is_the_callers():
    assert word(2.0, 2.2, tolerance=0.05) == "worse"


def test_only_the_worse_ones_are_handed_out_as_such():
    base = [row("unary/gateway", 2.0), row("sse/gateway", 2.0)]
    now = [row("unary/gateway", 9.0), row("sse/gateway", 1.0)]
    assert [change.name for change in compare(report(*base), report(*now), 0.15).worse] == ["unary/gateway"]


def test_a_peer_that_got_worse_is_shown_and_not_judged():
    base = [row("unary/gateway", 2.0), row("unary/relay", 2.0)]
    now = [row("unary/gateway", 2.0), row("unary/relay", 9.0)]
    assert words(base, now)["unary/relay", "echo"] == "peer"
    assert not compare(report(*base), report(*now), 0.15).worse


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_a_ratio_that_was_not_taken_at_saturation_is_not_judged(before, after):
    base = [row("simulator/simulator", 2.0), row("unary/gateway", 2.0, saturated=before)]
    now = [row("simulator/simulator", 2.0), row("unary/gateway", 9.0, saturated=after)]
    assert words(base, now)["unary/gateway", "echo"] == "not saturated"


def test_memory_knows_no_saturation_and_is_judged():
    base, now = (row("memory-served/gateway", ratio, saturated=None) for ratio in (1.0, 2.0))
    assert words([base], [now])["memory-served/gateway", "echo"] == "worse"


def test_the_same_figure_beside_another_reference_is_another_ratio():
    base = [row("unary/gateway", 2.0), row("unary/gateway", 8.0, "nginx")]
    now = [row("unary/gateway", 2.0), row("unary/gateway", 80.0, "nginx")]
    assert words(base, now) == {("unary/gateway", "echo"): "same", ("unary/gateway", "nginx"): "worse"}


def test_rows_that_only_one_run_has_are_named_gone_and_new():
    base = [row("unary/gateway", 2.0), row("sse/gateway", 2.0)]
    now = [row("unary/gateway", 2.0), row("live-200/gateway", 2.0)]
    found = words(base, now)
    assert (found["sse/gateway", "echo"], found["live-200/gateway", "echo"]) == ("gone", "new")


@pytest.mark.parametrize(
    ("base", "now"),
    [
        ([], []),
        ([row("unary/gateway", 2.0)], [row("sse/gateway", 2.0)]),
        ([row("unary/relay", 2.0)], [row("unary/relay", 2.0)]),
        ([row("unary/gateway", 2.0)], [row("unary/gateway", 2.0, saturated=False)]),
        ([row("unary/gateway", None)], [row("unary/gateway", None)]),
    ],
)
def test_runs_with_nothing_to_judge_are_no_success(base, now):
    with pytest.raises(ConfigError, match="nothing to judge"):
        words(base, now)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0, 1))
def test_a_run_is_never_worse_than_itself(ratios, tolerance):
    same = report(*(row(f"w{number}/gateway", ratio) for number, ratio in enumerate(ratios)))
    assert {change.word for change in compare(same, same, tolerance).changes} == {"same"}


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 1))
def test_worse_one_way_is_never_worse_the_other_way(one, other, tolerance):
    assert (word(one, other, tolerance), word(other, one, tolerance)) != ("worse", "worse")
