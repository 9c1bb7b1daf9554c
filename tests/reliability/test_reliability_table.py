"""The fault table is complete: each row has its tests, each test its row, and the docs say the same."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from fault_table import CLIENT, GATEWAY, PROVIDER, ROWS, table

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/how-to/when-things-break.md"


@cache
def names_here() -> set[str]:
    trees = [ast.parse(path.read_text("utf-8")) for path in HERE.glob("test_*.py")]
    functions = [
        node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {function.name for function in functions if re.match(r"test_r\d", function.name)}


def test_no_row_is_missing():
    assert [row.id for row in ROWS] == [f"R-{number}" for number in range(1, 40)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_each_row_has_tests_that_bear_its_number(row):
    assert row.tests
    assert set(row.tests) <= names_here()
    number = row.id.partition("-")[2]
    assert all(f"r{number}" in name.split("_")[1:4] for name in row.tests)


def test_each_test_has_its_row():
    assert names_here() - {name for row in ROWS for name in row.tests} == set()


@pytest.mark.parametrize("rows", [PROVIDER, CLIENT, GATEWAY])
def test_the_docs_say_the_same(rows):
    assert table(rows) in PAGE.read_text("utf-8")
