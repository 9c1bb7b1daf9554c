"""Samples to rows: where the ratio is formed, what counts as saturated, what spread means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_bench.figures import Sample, cpu_row, disturbed, memory_row, saturated, skipped_row, spread

VERSIONS = {"python": "3"}


def sample(us, *, busy=1.0, load=0.5, units=1000):
    """A sample of `us` CPU microseconds a unit on a core that was busy for this share of the time."""
    used = us * units / 1e6
    return Sample(units, used / busy, used, load * used / busy)


def row(samples, others=()):
    return cpu_row("unary/gateway", "us/request", samples, VERSIONS, "echo" if others else None, others)


def test_cpu_per_unit_is_the_programs():
    assert Sample(1000, 1.0, 0.5, 0.2).us_per_unit == pytest.approx(500)


def test_without_a_program_it_is_the_load_tools():
    assert Sample(1000, 1.0, None, 0.2).us_per_unit == pytest.approx(200)


def test_the_ratio_is_formed_inside_each_repetition():
    # Whole machine three times slower in the second repetition: the ratio of the medians would be 1.5.
    made = row([sample(100), sample(300), sample(120)], [sample(50), sample(150), sample(80)])
    assert made.ratio == pytest.approx(2)
    assert made.value == pytest.approx(120)


def test_the_spread_of_a_ratio_is_that_of_the_ratios():
    made = row([sample(100), sample(300), sample(210)], [sample(50), sample(150), sample(100)])
    assert made.spread == pytest.approx((2.1 - 2) / 2)


def test_the_spread_without_a_reference_is_that_of_the_values():
    assert row([sample(100), sample(120), sample(90)]).spread == pytest.approx(0.3)


def test_repetitions_of_program_and_reference_must_match():
    with pytest.raises(ValueError):
        row([sample(1), sample(1)], [sample(1)])


@pytest.mark.parametrize(
    ("busy", "load", "expected"), [(0.96, 0.79, True), (0.94, 0.5, False), (1.0, 0.81, False), (0.5, 0.9, False)]
)
def test_saturated_means_the_program_was_busy_and_the_load_tool_was_not(busy, load, expected):
    assert saturated([sample(100, busy=busy, load=load)]) is expected


@pytest.mark.parametrize(
    ("busy", "load", "expected"), [(0.96, 0.3, False), (0.7, 0.96, False), (0.7, 0.7, True), (0.94, 0.94, True)]
)
def test_disturbed_means_that_neither_of_the_two_was_busy(busy, load, expected):
    assert disturbed(sample(100, busy=busy, load=load)) is expected


def test_the_load_tool_by_itself_is_disturbed_when_it_is_not_busy():
    assert disturbed(Sample(1000, 1.0, None, 0.9))
    assert not disturbed(Sample(1000, 1.0, None, 0.99))


def test_one_disturbed_repetition_of_three_does_not_make_a_row_unsaturated():
    assert row([sample(100), sample(100, busy=0.5), sample(100)]).saturated is True


def test_a_ratio_to_an_unsaturated_reference_is_not_saturated():
    assert row([sample(100)], [sample(10, load=0.95)]).saturated is False
    assert row([sample(100)]).saturated is True


def test_the_load_tool_by_itself_has_neither_saturation_nor_share():
    made = row([Sample(1000, 1.0, None, 1.0)])
    assert (made.saturated, made.program_share, made.load_share, made.rate) == (None, None, 1.0, 1000)


@given(
    st.lists(st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)), min_size=1, max_size=7),
    st.floats(0.1, 10),
)
def test_a_slower_machine_changes_no_ratio(pairs, factor):
    here = row([sample(a) for a, _ in pairs], [sample(b) for _, b in pairs])
    there = row([sample(a * factor) for a, _ in pairs], [sample(b * factor) for _, b in pairs])
    assert there.ratio == pytest.approx(here.ratio)
    assert there.spread == pytest.approx(here.spread, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=7))
def test_spread_is_never_negative_and_zero_for_equal_values(values):
    assert spread(values) >= 0
    assert spread([values[0]] * 3) == 0


def test_memory_is_set_beside_the_reference():
    made = memory_row("memory-served/gateway", "MiB", 60.0, VERSIONS, ("echo", 40.0))
    assert (made.value, made.reference, made.ratio) == (60.0, "echo", 1.5)


@pytest.mark.parametrize("beside", [None, ("echo", 0.0), ("echo", -1.0)])
def test_memory_beside_nothing_has_no_ratio(beside):
    made = memory_row("memory-served/echo", "MiB", 60.0, VERSIONS, beside)
    assert (made.reference, made.ratio) == (None, None)


def test_a_skipped_row_says_why_and_has_no_figure():
    made = skipped_row("unary/nginx", "us/request", VERSIONS, "nginx is not installed")
    assert (made.value, made.ratio, made.skipped) == (None, None, "nginx is not installed")
