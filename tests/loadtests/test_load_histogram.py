"""Histograms: how far a value may be off, that merging loses nothing, and that JSON gives back what it took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy.load.histogram import Histogram, bounds_of, bucket_of, merged, rank_of, value_of

MICROSECONDS = st.one_of(st.integers(0, 5000), st.integers(0, 10**10))
SAMPLES = st.lists(MICROSECONDS, max_size=60)


def histogram(samples: list[int]) -> Histogram:
    found = Histogram()
    for sample in samples:
        found.record(sample / 1_000_000)
    return found


@given(MICROSECONDS)
def test_a_bucket_holds_its_value_and_is_never_wider_than_a_thousandth_of_it(value: int) -> None:
    low, high = bounds_of(bucket_of(value))
    assert low <= value <= high
    assert (high - low) * 1024 <= max(value, 1)


@given(MICROSECONDS)
def test_the_next_value_is_in_the_same_bucket_or_in_the_next(value: int) -> None:
    assert bucket_of(value + 1) - bucket_of(value) in (0, 1)


@given(MICROSECONDS)
def test_buckets_lie_side_by_side(value: int) -> None:
    bucket = bucket_of(value)
    assert bounds_of(bucket)[1] + 1 == bounds_of(bucket + 1)[0]


@given(st.lists(MICROSECONDS, min_size=1, max_size=60), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_off_by_a_thousandth_at_most(samples: list[int], quantile: float) -> None:
    exact = sorted(samples)[rank_of(quantile, len(samples)) - 1]
    found = histogram(samples).quantile(quantile)
    assert found is not None and abs(found - exact) <= exact / 1000


@given(st.lists(SAMPLES, max_size=5))
def test_merging_is_as_if_all_had_been_recorded_in_one(parts: list[list[int]]) -> None:
    whole = histogram([sample for part in parts for sample in part])
    assert merged(histogram(part) for part in parts) == whole
    assert merged(histogram(part) for part in reversed(parts)).count == whole.count


@given(SAMPLES)
def test_json_gives_back_what_it_took(samples: list[int]) -> None:
    found = histogram(samples)
    assert Histogram.of_json(found.as_json()) == found
    assert found.count == len(samples)


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None


def test_a_duration_below_zero_counts_as_zero() -> None:
    found = Histogram()
    found.record(-0.001)
    assert found.buckets == ((0, 1),)


def test_small_values_are_exact() -> None:
    assert [value_of(bucket_of(value)) for value in range(2048)] == list(range(2048))


@pytest.mark.parametrize("value", [None, [[1]], [[1, -1]], [["a", 1]], [[1, 1], [1, 2]], [[True, 1]], 7])
def test_what_is_no_histogram_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="no histogram"):
        Histogram.of_json(value)
