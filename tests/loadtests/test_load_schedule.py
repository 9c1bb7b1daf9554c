"""The schedule: open loop, both arms alike in every block, the same for the same seed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy.load.schedule import WARM_UP, Pace, schedule
from understudy.load.seeded import Seeded

PACES = st.builds(
    Pace,
    rate=st.floats(0.5, 60),
    warmup_s=st.sampled_from([0.0, 0.5, 2.0]),
    duration_s=st.floats(0.5, 12),
    block_s=st.sampled_from([0.25, 0.5, 1.0, 5.0]),
)


@given(PACES, st.integers(1, 6), st.integers(0, 2**64))
def test_each_block_has_every_conversation_as_often_in_one_arm_as_in_the_other(pace: Pace, mix: int, seed: int) -> None:
    arrivals = schedule(pace, mix, seed)
    seen = {arm: Counter((a.block, a.index) for a in arrivals if a.arm == arm) for arm in ("direct", "through")}
    assert seen["direct"] == seen["through"]


@given(PACES, st.integers(1, 6), st.integers(0, 2**64))
def test_arrivals_are_in_order_within_the_run_and_as_many_as_the_rate_says(pace: Pace, mix: int, seed: int) -> None:
    arrivals = schedule(pace, mix, seed)
    times = [arrival.at_s for arrival in arrivals]
    assert times == sorted(times)
    assert all(0 <= at_s < pace.whole_s + 1e-6 for at_s in times)
    assert abs(len(arrivals) / 2 - pace.rate * pace.whole_s) < 1
    assert {arrival.block for arrival in arrivals} <= {WARM_UP, *range(pace.blocks)}


@given(PACES, st.integers(0, 2**64))
def test_in_each_round_every_conversation_comes_once(pace: Pace, seed: int) -> None:
    order = [arrival.index for arrival in schedule(pace, 3, seed)][::2]
    rounds = [order[start : start + 3] for start in range(0, len(order) - 2, 3)]
    assert all(sorted(one) == [0, 1, 2] for one in rounds)


def test_the_same_seed_gives_the_same_schedule_and_another_one_another() -> None:
    pace = Pace(20, 1, 5, 1)
    assert schedule(pace, 3, 7) == schedule(pace, 3, 7)
    assert schedule(pace, 3, 7) != schedule(pace, 3, 8)


def test_what_comes_before_the_warm_up_ends_is_in_no_block() -> None:
    arrivals = schedule(Pace(10, 2, 4, 1), 1, 1)
    assert Counter(arrival.block for arrival in arrivals) == {WARM_UP: 40, 0: 20, 1: 20, 2: 20, 3: 20}


def test_either_arm_comes_first_about_as_often_as_the_other() -> None:
    first = [arrival.arm for arrival in schedule(Pace(100, 0, 20, 1), 1, 3)][::2]
    assert 850 < first.count("direct") < 1150


@pytest.mark.parametrize("pace", [Pace(0, 0, 1, 1), Pace(1, -1, 1, 1), Pace(1, 0, 0, 1), Pace(1, 0, 1, 0)])
def test_a_pace_that_is_none_is_refused(pace: Pace) -> None:
    with pytest.raises(ConfigError):
        schedule(pace, 1, 1)


def test_a_schedule_too_large_to_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="too many"):
        schedule(Pace(100_000, 0, 3600, 1), 1, 1)


def test_the_numbers_are_those_of_splitmix64() -> None:
    # The first words for the seed 1234567, as published with the algorithm's reference code.
    draw = Seeded(1234567)
    assert [draw.word() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.lists(st.integers()), st.integers(0, 2**64))
def test_shuffling_loses_nothing(items: list[int], seed: int) -> None:
    assert sorted(Seeded(seed).shuffled(items)) == sorted(items)
