"""The verdict names everything that did not hold, as text and as JSON; the plan cuts the time into lives."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.scenario.parse import parse_scenario
from understudy_soak.ledger import BooksFinding
from understudy_soak.plan import SHARES, Plan, faults
from understudy_soak.slopes import Growth
from understudy_soak.verdict import Verdict

GOOD = Verdict(
    Plan(),
    {"unary": 5},
    BooksFinding(5, (), ()),
    (Growth("descriptors", 0, 3.0, 30.0),),
    0,
    (),
    (),
    (),
    (80.0, 81.0, 82.0),
)


def test_a_good_one_holds_and_says_so():
    assert GOOD.holds
    assert GOOD.as_text().splitlines()[-1] == "all held"
    assert json.loads(GOOD.as_json())["holds"] is True


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (replace(GOOD, books=BooksFinding(5, ("exchange a",), ())), "missing from spend: exchange a"),
        (replace(GOOD, books=BooksFinding(5, (), ("operation b",))), "more than once in spend: operation b"),
        (replace(GOOD, growth=(Growth("tasks", 1, 99.0, 30.0),)), "tasks grew by 99.0 in life 2, at most 30.0 may be"),
        (replace(GOOD, not_given_back=("40 descriptors are open",)), "40 descriptors are open"),
        (replace(GOOD, secrets=("the master key stands in the log",)), "the master key stands in the log"),
        (replace(GOOD, troubles=("the gateway ended with status 1",)), "the gateway ended with status 1"),
    ],
)
def test_each_fault_is_a_sentence(verdict, sentence):
    assert not verdict.holds
    assert verdict.failures == (sentence,)
    assert f"FAILED: {sentence}" in verdict.as_text()
    assert json.loads(verdict.as_json())["failures"] == [sentence]


def test_many_faults_are_counted():
    text = replace(GOOD, troubles=tuple(f"fault {number}" for number in range(9))).as_text()
    assert text.count("FAILED") == 6
    assert text.endswith("9 did not hold")


@given(st.integers(0, 10**6), st.integers(0, 5), st.floats(10, 3600))
def test_the_lives_fill_the_time(seed, kills, seconds):
    lives = Plan(seconds, seed=seed, kills=kills).lives
    assert len(lives) == kills + 1
    assert sum(lives) == pytest.approx(seconds)
    assert all(life > seconds / (kills + 1) / 2 for life in lives)


def test_the_faults_are_a_scenario_and_the_shares_a_whole():
    assert len(parse_scenario(faults(7)).faults) == 7
    assert sum(SHARES.values()) == pytest.approx(1)
