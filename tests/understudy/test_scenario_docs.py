"""The reference of the format has every word, and what it shows is right."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from understudy.documents import document_of
from understudy.scenario import document, document_bodies, document_faults, document_match
from understudy.scenario.layout import SLOTS
from understudy.scenario.match import _ORDER as MATCH_WORDS  # pyright: ignore[reportPrivateUsage]
from understudy.scenario.parse import parse_scenario

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "scenario-format.md").read_text("utf-8")
MODELS = [
    model
    for module in (document, document_bodies, document_faults, document_match)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel)
]
WORDS = sorted({info.alias or name for model in MODELS for name, info in model.model_fields.items()})


@pytest.mark.parametrize("word", [*WORDS, *MATCH_WORDS])
def test_every_word_of_the_format_is_in_the_reference(word: str):
    assert re.search(rf"(?<![a-z_]){word}(?![a-z_])", REFERENCE)


@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot_is_in_the_reference(slot: str):
    assert f"{{{{{slot}}}}}" in REFERENCE


@pytest.mark.parametrize("page", ["reference/scenario-format.md", "tutorial/write-a-scenario.md"])
def test_every_scenario_that_is_shown_is_without_mistakes(page: str):
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for indent, block in blocks:
        text = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
        found, lines = document_of(text, page)
        assert parse_scenario(found, id=found.get("id", "shown"), source=page, lines=lines).title
