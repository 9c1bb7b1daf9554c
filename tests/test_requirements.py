"""The table of requirements is whole and true, and so is its page; `make mutants` plays all mutants, this one three."""

import re
from pathlib import Path

import pytest

from requirements.model import Mutant, Row
from requirements.page import page, places_of
from requirements.playing import played
from requirements.sources import ROOT, file_of, modules, node_of, problem_of
from requirements.table import COUNTS, IDS, MUTANTS, ROWS, all_tests_of, mutants_of
from understudy_bench.limits import LIMITS
from understudy_bench.measuring import chosen

BY_ID = {row.id: row for row in ROWS}
PLAYED = ("one-step-above-the-base", "pools-mix-origins", "1015-may-be-sent")
"""Mutants that are played each time: one of a pure module, one over sockets, one of Live."""

NUMBERS = re.compile(rf"\b(?:{'|'.join(COUNTS)})-[0-9]+\b")


def named(items: tuple[Row, ...] | tuple[Mutant, ...]) -> list:
    return [pytest.param(one, id=getattr(one, "id", None) or one.name) for one in items]  # type: ignore[union-attr]


def test_every_requirement_stands_in_the_table_once_and_in_order():
    assert [row.id for row in sorted(ROWS, key=lambda row: IDS.index(row.id))] == list(IDS)


def test_the_page_is_what_the_table_says():
    path = ROOT / "docs" / "reference" / "requirements.md"
    assert path.read_text("utf-8") == page(), (
        "write it anew: PYTHONPATH=tests python -m requirements.page > docs/reference/requirements.md"
    )


@pytest.mark.parametrize("row", named(ROWS))
def test_a_row_names_what_there_is(row: Row):
    assert row.sentence.endswith(".")
    assert len(row.sentence) <= 140
    assert [place for place in row.code if file_of(place) is None] == []
    assert [test for test in all_tests_of(row) if node_of(test) is None] == []
    if row.held_by is None:
        assert mutants_of(row), "no mutant breaks it, and nothing else is said to hold it"
        assert places_of(row)
        return
    assert row.held_by.why.endswith(".")
    match row.held_by.kind:
        case "bench":
            assert all(chosen([name]) for name in row.held_by.where)
            assert [name for name in row.held_by.where if not any(one.startswith(name) for one in LIMITS)] == []
            assert row.held_by.where
        case "documentation":
            assert all((ROOT / file).is_file() for file in row.held_by.where)
            assert row.held_by.where
        case "open":
            assert row.held_by.where == ()


@pytest.mark.parametrize("mutant", named(MUTANTS))
def test_a_mutant_can_be_made_and_names_requirements_and_tests(mutant: Mutant):
    assert problem_of(mutant) is None
    assert [test for test in mutant.tests if node_of(test) is None] == []
    assert mutant.tests
    assert [id for id in mutant.ids if id not in BY_ID] == []


def test_mutants_have_names_of_their_own():
    names = [one.name for one in MUTANTS]
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


@pytest.mark.parametrize("name", PLAYED)
def test_a_mutant_is_killed_by_the_tests_it_names(name: str):
    outcome = played(next(one for one in MUTANTS if one.name == name))
    assert (outcome.problem, outcome.survived) == ("", ())
    assert outcome.killed_by


def test_numbers_in_code_and_tests_are_those_of_requirements():
    """A number that is none is a slip of the pen, and would be looked for in vain."""
    files = [*(ROOT / file for file in modules().values()), *(ROOT / "tests" / "gateway").rglob("*.py")]
    assert {path.name: found for path in files if (found := _unknown(path))} == {}


def _unknown(path: Path) -> list[str]:
    return sorted({word for word in NUMBERS.findall(path.read_text("utf-8")) if word not in BY_ID})
