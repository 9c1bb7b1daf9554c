"""Agreement, measured: our figures against pinned ones of others, and the section of the docs that says so."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from understudy.price_books import price_book
from understudy.pricing.book import PriceBook

from .causes import CAUSES, GENAI_PRICES, LITELLM, Cause, causes_of
from .grid import Case, cases, our_cost

PINNED: Final = Path(__file__).parent / "opinions.json"
PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "how-cost-is-computed.md"
HEADING: Final = "## What other calculators say"
NEAR: Final = Decimal("1e-9")
"""How far, in proportion, a figure may be off and still be the same: LiteLLM computes with binary floats."""


@dataclass(frozen=True)
class Opinion:
    """One calculator: its version, and its figures by case; None where it has none."""

    version: str
    figures: Mapping[str, Decimal | None]


@dataclass(frozen=True)
class Difference:
    case: Case
    ours: Decimal | None
    theirs: Decimal
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Agreement:
    """What came out for one calculator."""

    same: tuple[Case, ...]
    silent: tuple[Case, ...]
    different: tuple[Difference, ...]


def is_same(ours: Decimal | None, theirs: Decimal) -> bool:
    return ours is not None and abs(ours - theirs) <= abs(ours) * NEAR


def pinned() -> dict[str, Opinion]:
    """The opinions that are kept in the repository."""
    told = json.loads(PINNED.read_text("utf-8"))
    return {who: Opinion(one["version"], figures_of(one["figures"])) for who, one in told.items()}


def figures_of(told: Mapping[str, str | None]) -> dict[str, Decimal | None]:
    return {id: None if figure is None else Decimal(figure) for id, figure in told.items()}


def compared(who: str, opinion: Opinion, book: PriceBook) -> Agreement:
    """Every case of the grid, sorted by whether the figures are the same."""
    same, silent, different = [], [], []
    for case in cases():
        theirs = opinion.figures[case.id]
        ours = our_cost(book, case).total
        if theirs is None:
            silent.append(case)
        elif is_same(ours, theirs):
            same.append(case)
        else:
            different.append(Difference(case, ours, theirs, causes_of(who, case)))
    return Agreement(tuple(same), tuple(silent), tuple(different))


NAMES: Final = {GENAI_PRICES: "genai-prices", LITELLM: "LiteLLM"}
_WHERE: Final = {
    GENAI_PRICES: "It has no prices for pictures, films and predictions, nor for some Live models, Llama and DeepSeek, "
    "and refuses an answer whose cached tokens have no modality where audio has a rate of its own.",
    LITELLM: "It fails on pictures by `predict` (not in its map for Vertex AI, or a prediction is filtered or in a "
    "bucket) and on multimodal embeddings.",
}


def section() -> str:
    """The section of the page, as it should be."""
    book, opinions = price_book("shipped"), pinned()
    lines = [
        HEADING,
        "",
        "The figures of two other calculators, for a grid of models and answers, are kept beside the tests and",
        "compared with ours at every run. `make second-opinions` asks them anew and writes this section, and",
        "`make interop-clients` checks that they still say the same. LiteLLM was asked through the handlers behind its",
        "pass-through routes.",
        "",
        "Models that only `retired.json` knows are left out. Where a difference lies in how an answer is read, our",
        "engine gives the other's figure when it is fed with the answer read that way; a test holds that.",
        "",
        "| | cases | the same | different | no figure |",
        "|---|---|---|---|---|",
    ]
    agreements = {who: compared(who, opinions[who], book) for who in CAUSES}
    for who, found in agreements.items():
        counts = (len(cases()), len(found.same), len(found.different), len(found.silent))
        lines.append(f"| {NAMES[who]} {opinions[who].version} | {' | '.join(map(str, counts))} |")
    for who, found in agreements.items():
        lines += ["", f"### {NAMES[who]}", "", "| its difference | cases | who is right | why |", "|---|---|---|---|"]
        for cause in CAUSES[who]:
            count = sum(cause in one.causes for one in found.different)
            lines.append(f"| {cause.title} | {count} | {cause.right} | {cause.why} |")
        lines += ["", _WHERE[who]]
    return "\n".join(lines) + "\n"


def page_with(text: str, new: str) -> str:
    """The page with its last section replaced."""
    return text.partition(HEADING)[0] + new
