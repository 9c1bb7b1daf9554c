"""The cost of every shipped scenario is a literal, and the sum that its comment writes out gives just that."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from understudy.documents import scenarios_folder
from understudy.library import load, scenario_ids
from understudy.price_books import price_book

NO_CLIENT = ("faults/", "latency/")
"""Scenarios that are laid over others and cost nothing of their own."""

NAMES = [name for name in scenario_ids() if not name.startswith(NO_CLIENT)]
BOOK = price_book("frozen")

FREE = {
    *("refusals are free", "counting is free", "no video, no charge", "nothing is delivered", "nothing was begun"),
    *("nothing was generated", "nothing was seen to be delivered", "trafficType PROVISIONED_THROUGHPUT"),
}
"""Why something costs 0."""

COST = re.compile(r"^(?: +# (?P<above>.+)\n)?  cost: \"(?P<cost>[0-9.]+)\"(?: +# (?P<beside>.+))?$", re.MULTILINE)
TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?\b|[()+]|\bx\b")


def written(name: str) -> tuple[str, str]:
    """The literal of a scenario's cost as it stands in its file, and the comment beside or above it."""
    text = Path(scenarios_folder() / f"{name}.yaml").read_text("utf-8")
    [found] = COST.finditer(text)
    return found["cost"], found["beside"] or found["above"]


def sum_in(comment: str) -> str:
    """The sum among the words of a comment: numbers, brackets, `+` and `x`; empty if there is none."""
    [sum, *more] = [part for part in re.split("[:;,]", comment) if " x " in part] or [""]
    assert not more
    return " ".join(TOKEN.findall(sum))


def value_of(sum: str) -> Decimal:
    code = re.sub(r"[0-9.]+", lambda number: f"Decimal('{number[0]}')", sum).replace("x", "*")
    return eval(code, {"Decimal": Decimal})


def test_all_that_has_a_client_has_a_sum():
    assert len(NAMES) >= 172
    assert {name.partition("/")[0] for name in NAMES} == {"gemini", "vertex", "live", "veo"}


@pytest.mark.parametrize("name", NAMES)
def test_the_sum_of_the_comment_is_the_literal(name: str):
    literal, comment = written(name)
    assert load(name).expect.cost == Decimal(literal)
    sum = sum_in(comment)
    if sum:
        assert value_of(sum) == Decimal(literal) > 0
    else:
        assert comment in FREE
        assert Decimal(literal) == 0


@pytest.mark.parametrize("name", [name for name in NAMES if sum_in(written(name)[1])])
def test_the_rates_of_the_sum_are_those_of_the_frozen_book(name: str):
    scenario = load(name)
    entry = BOOK.demanded(scenario.surface.provider, scenario.model)
    rates = {Decimal(rate) for rate in re.findall(r"x ([0-9]\.[0-9]+)", sum_in(written(name)[1]))}
    assert rates
    assert rates <= {value for value in entry.values.values() if isinstance(value, Decimal)}


@pytest.mark.parametrize(
    ("comment", "sum", "value"),
    [
        ("refusals are free: 8 x 0.0000003 + 20 x 0.0000025", "8 x 0.0000003 + 20 x 0.0000025", "0.0000524"),
        ("two turns: (40 + 60) x 0.5 + (1 + 2) x 2", "( 40 + 60 ) x 0.5 + ( 1 + 2 ) x 2", "56"),
        ("the 2 videos delivered x 6 seconds x 0.40, the price of 4k", "2 x 6 x 0.40", "4.80"),
        ("no video, no charge", "", None),
    ],
)
def test_a_sum_is_read_out_of_words(comment: str, sum: str, value: str | None):
    assert sum_in(comment) == sum
    assert value is None or value_of(sum) == Decimal(value)
