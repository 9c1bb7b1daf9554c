"""The scoreboard names checks that exist, each once; the page of targets documents every word."""

import re
from pathlib import Path

import pytest

from understudy.conformance.catalogue import CHECKS
from understudy.conformance.target import FEATURES
from understudy.conformance.target_file import COST_WORDS, WORDS, parse_target
from understudy.documents import document_of

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in (DOCS / "scoreboard").glob("*.md") if path.name != "README.md")
ROW = re.compile(r"^\| `([^`]+)`( \(SHOULD\))? \| .+ \| .+ \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_row_is_a_check_and_stands_once(page):
    levels = {check.id: check.level for check in CHECKS}
    rows = ROW.findall(page.read_text("utf-8"))
    assert rows
    ids = [id for id, _ in rows]
    assert len(set(ids)) == len(ids)
    for id, is_should in rows:
        assert levels[id] == ("should" if is_should else "must")


def test_every_page_is_in_the_list():
    listed = (DOCS / "scoreboard/README.md").read_text("utf-8")
    assert [page.name for page in PAGES if f"({page.name})" not in listed] == []


def test_every_word_of_a_target_file_is_documented():
    page = (DOCS / "reference/target-file.md").read_text("utf-8")
    words = {*WORDS, *FEATURES, *(word for words in COST_WORDS.values() for word in words)}
    assert [word for word in words if f"`{word}`" not in page] == []


def test_the_example_of_the_page_is_a_target():
    page = (DOCS / "reference/target-file.md").read_text("utf-8")
    whole, endpoint = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    document, lines = document_of(whole, "page")
    assert parse_target(document, "page", lines).name == "my-gateway"
    document, lines = document_of("name: g\nfeatures: [cost]\n" + endpoint, "page")
    assert parse_target(document, "page", lines).cost.kind == "endpoint"
