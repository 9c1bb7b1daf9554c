"""Growth is told from noise, from a step at the beginning, and from single outliers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_soak.slopes import Sample, growth, slope

MIB = 2**20


def life(files=lambda at: 100, tasks=lambda at: 50, memory=lambda at: 80.0, threads=lambda at: 8, seconds=200):
    noise = random.Random(5)
    return [
        Sample(1000.0 + at, files(at) + noise.randint(-9, 9), threads(at), tasks(at), int(memory(at) * MIB))
        for at in range(seconds)
    ]


def leaks(samples) -> list[str]:
    return [one.what for one in growth(samples, 0, 40.0) if one.is_leak]


def test_a_process_that_holds_what_it_holds_is_well():
    assert leaks(life()) == []


@pytest.mark.parametrize(
    ("what", "samples"),
    [
        ("descriptors", life(files=lambda at: 100 + at)),
        ("tasks", life(tasks=lambda at: 50 + at)),
        ("threads", life(threads=lambda at: 8 + at // 30)),
        ("memory (MiB)", life(memory=lambda at: 80 + at / 15)),
    ],
)
def test_what_grows_all_the_time_is_a_leak(what, samples):
    assert leaks(samples) == [what]


def test_growing_while_it_warms_up_is_none():
    assert leaks(life(memory=lambda at: 40 + min(at, 40), files=lambda at: min(at, 40) * 5)) == []


def test_a_short_peak_is_none():
    assert leaks(life(files=lambda at: 900 if 150 < at < 160 else 100, memory=lambda at: 300 if at > 190 else 80)) == []


def test_a_life_that_is_too_short_is_not_judged():
    assert growth(life(seconds=55), 0, 40.0) == ()
    assert growth([], 0, 40.0) == ()


@given(
    st.floats(-100, 100), st.floats(-1000, 1000), st.lists(st.integers(0, 1000), min_size=2, max_size=400, unique=True)
)
def test_the_slope_of_a_line_is_its_own(rise, start, times):
    points = [(float(at), start + rise * at) for at in sorted(times)]
    assert slope(points) == pytest.approx(rise, abs=1e-6)
