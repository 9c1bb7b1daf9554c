"""What `price check` finds in a price file: every kind of mistake with its line, and nothing in good files."""

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.price_books import price_book, price_findings
from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.checking import findings
from understudy.pricing.cost import plain
from understudy.pricing.price_text import entry_json
from understudy.pricing.vocabulary import TIER_SUFFIXES, UNITS, known_keys, priced_by, sensible, unit_of

ROOT = Path(__file__).parents[2]
PRICES = ROOT / "src/understudy/_prices"
SHIPPED = PriceBook.from_layers(
    [
        Layer(
            "shipped",
            {
                "gemini/m": {"input_cost_per_token": "3e-7", "output_cost_per_token": "1.5e-4", "mode": "chat"},
                "gemini/d": {
                    "input_cost_per_token": "1e-6",
                    "mode": "chat",
                    "price_changes": [{"effective_from": "2027-01-01", "input_cost_per_token": "2e-6"}],
                },
                "n": {"litellm_provider": "vertex_ai-language-models", "input_cost_per_token": "1e-6"},
                "vertex_ai/o": {"input_cost_per_token": "1e-6"},
                "o": {"litellm_provider": "vertex_ai-language-models"},
            },
        )
    ]
)


def told(values, model="gemini/m", notes=False):
    found = findings("p.json", {model: values}, {}, SHIPPED)
    return [
        finding.problem.message
        if finding.problem.path == model
        else f"{finding.problem.path.removeprefix(f'{model}: ')}: {finding.problem.message}"
        for finding in found
        if finding.is_note == notes
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        # unknown keys
        ({"input_cost_per_tokn": 1}, "input_cost_per_tokn: unknown key (did you mean 'input_cost_per_token'?)"),
        (
            {"input_cost_per_token_batch": 1},
            "input_cost_per_token_batch: unknown key (did you mean 'input_cost_per_token_batches'?)",
        ),
        ({"max_input_token": 1}, "max_input_token: unknown key (did you mean 'max_input_tokens'?)"),
        ({"smile_cost": 1}, "smile_cost: unknown key"),
        (
            {"input_cost_per_million_tokens": 1},
            "input_cost_per_million_tokens: unknown key; prices are per one: per token, per second, per query",
        ),
        ({"price_change": []}, "price_change: unknown key (did you mean 'price_changes'?)"),
        # negative, no number, wrong type
        ({"input_cost_per_token": "-3e-7"}, "input_cost_per_token: -3e-7 is negative"),
        ({"input_cost_per_token": Decimal(-1)}, "input_cost_per_token: -1 is negative"),
        ({"input_cost_per_token": "cheap"}, "input_cost_per_token: wanted a price, found 'cheap'"),
        ({"input_cost_per_token": True}, "input_cost_per_token: wanted a price, found True"),
        ({"input_cost_per_token": ["3e-7"]}, "input_cost_per_token: wanted a price, found ['3e-7']"),
        ({"max_input_tokens": "many"}, "max_input_tokens: wanted a number, found 'many'"),
        ({"mode": 3}, "mode: wanted a text, found 3"),
        ({"web_search_billing_unit": "per_prmpt"},
         "web_search_billing_unit: wanted per_query or per_prompt, found 'per_prmpt' (did you mean 'per_prompt'?)"),
        ({"search_context_cost_per_query": {"search_context_size_medum": "0.01"}},
         "search_context_cost_per_query: search_context_size_medum: unknown key "
         "(did you mean 'search_context_size_medium'?)"),
        # the wrong unit
        ({"input_cost_per_token": "0.3"},
         'input_cost_per_token: 0.3 cannot be a price in USD per token; if it is one per million, write "0.0000003"'),
        ({"output_cost_per_token": "0.15"},  # nearer to the shipped 0.00015 as one per thousand
         'output_cost_per_token: 0.15 cannot be a price in USD per token; if it is one per thousand, write "0.00015"'),
        ({"output_cost_per_token": "150"},
         'output_cost_per_token: 150 cannot be a price in USD per token; if it is one per million, write "0.00015"'),
        ({"input_cost_per_character": "0.005"},
         "input_cost_per_character: 0.005 cannot be a price in USD per character; if it is one per thousand, "
         'write "0.000005"'),
        ({"cache_storage_cost_per_token_per_hour": "4.50"},
         "cache_storage_cost_per_token_per_hour: 4.5 cannot be a price in USD per token and hour; if it is one per "
         'million, write "0.0000045"'),
        ({"search_context_cost_per_query": "35"},
         "search_context_cost_per_query: 35 cannot be a price in USD per prompt; if it is one per thousand, "
         'write "0.035"'),
        ({"output_cost_per_image": "0.00012"},
         "output_cost_per_image: 0.00012 cannot be a price in USD per picture: it is too small"),
        ({"output_cost_per_second": "40"},
         "output_cost_per_second: 40 cannot be a price in USD per second: it is too large"),
        ({"regional_endpoint_uplift_multiplier": "0.1"},
         "regional_endpoint_uplift_multiplier: 0.1 cannot be a factor; ten percent more is 1.1"),
        ({"regional_endpoint_uplift_multiplier": "10"},
         "regional_endpoint_uplift_multiplier: 10 cannot be a factor; ten percent more is 1.1"),
        # dates
        ({"price_changes": {"effective_from": "2027-01-01"}},
         "price_changes: wanted a list of changes, found {'effective_from': '2027-01-01'}"),
        ({"price_changes": ["2027-01-01"]},
         "price_changes[0]: wanted a mapping with effective_from, found '2027-01-01'"),
        ({"price_changes": [{"input_cost_per_token": 0}]}, "price_changes[0]: effective_from is missing"),
        ({"price_changes": [{"effective_from": "2027-02-29", "input_cost_per_token": 0}]},
         "price_changes[0]: effective_from: wanted YYYY-MM-DD, found '2027-02-29'"),
        ({"price_changes": [{"effective_from": "20270101", "input_cost_per_token": 0}]},
         "price_changes[0]: effective_from: wanted YYYY-MM-DD, found '20270101'"),
        ({"price_changes": [{"effective_from": "2027-01-01", "input_cost_per_token": "0.3"}]},
         "price_changes[0]: input_cost_per_token: 0.3 cannot be a price in USD per token; if it is one per million, "
         'write "0.0000003"'),
        ({"price_changes": [{"effective_from": "2027-01-01", "price_changes": []}]},
         "price_changes[0]: price_changes: changes do not stand inside one another"),
        ({"price_changes": [{"effective_from": "2027-01-01", "mode": "a"}] * 2},
         "price_changes[1]: effective_from: 2027-01-01 stands here a second time"),
        ({"deprecation_date": "next year"}, "deprecation_date: wanted YYYY-MM-DD, found 'next year'"),
        # names
        ({"base_model": "n2"}, "base_model: there is no entry 'n2' (did you mean 'n'?)"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(values, message):
    assert told(values) == [message]


@pytest.mark.parametrize(
    ("model", "values", "note"),
    [
        ("gemini/m", {"colour_of_logo": "blue"}, "colour_of_logo: unknown key; it has no effect"),
        ("gemini/m", {"input_cost_per_token": "3e-5"},
         "input_cost_per_token: 0.00003 USD per token is 100 times the shipped price of 0.0000003"),
        ("gemini/m", {"input_cost_per_token": "3e-9"},
         "input_cost_per_token: 0.000000003 USD per token is 1/100 of the shipped price of 0.0000003"),
        ("gemini/m", {"price_changes": [{"effective_from": "2027-01-01"}]}, "price_changes[0]: changes nothing"),
        ("gemini/m", {"search_context_cost_per_query": {"search_context_size_low": "0.01"}},
         "search_context_cost_per_query: has no effect without search_context_size_medium"),
        ("gemini/d", {"input_cost_per_token": "1e-6"},
         "ends the changes announced for 2027-01-01; repeat them to keep them"),
        ("mm", {}, "without litellm_provider, or gemini/ or vertex_ai/ in front, it is never found"),
        ("m", {}, "has no effect, since 'gemini/m' is found first"),
        ("o", {"litellm_provider": "vertex_ai"}, "has no effect, since 'vertex_ai/o' is found first"),
    ],
)  # fmt: skip
def test_a_note_is_told_and_is_no_mistake(model, values, note):
    assert told(values, model) == []
    assert told(values, model, notes=True) == [note]


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("gemini/m", {"input_cost_per_token": "6e-7", "output_cost_per_token": None, "supports_vision": True}),
        ("gemini/m", {"input_cost_per_token": 0, "max_input_tokens": "1048576", "max_output_tokens": 1}),
        ("gemini/new", {"input_cost_per_token_above_200k_tokens_flex": Decimal("1e-6"), "source": "https://x.example"}),
        ("n", {"input_cost_per_token": "2e-6"}),
        ("mm", {"litellm_provider": "gemini"}),
        ("gemini/d", {"mode": "chat", "output_cost_per_token": "1e-6"}),
        (
            "gemini/d",
            {
                "input_cost_per_token": "1e-6",
                "price_changes": [{"effective_from": "2027-01-01", "input_cost_per_token": "3e-6"}],
            },
        ),
        ("gemini/mine", {"base_model": "m"}),
        ("gpt", {"litellm_provider": "openai", "input_cost_per_smile": 0.5}),
        ("gemini/m", None),
        (
            "gemini/m",
            {
                "price_changes": [
                    {"effective_from": "2027-01-01", "input_cost_per_token": None, "output_cost_per_token": "3e-6"}
                ],
                "deprecation_date": "2027-01-01",
            },
        ),
    ],
)
def test_nothing_is_said_of_what_is_good(model, values):
    assert told(values, model) == told(values, model, notes=True) == []


@pytest.mark.parametrize(("document", "message"), [
    ([], "p.json: wanted a mapping of models to their prices"),
    ({"gemini/m": 3}, "p.json: gemini/m: wanted a mapping of prices, found 3"),
])  # fmt: skip
def test_a_document_of_the_wrong_shape_is_told(document, message):
    assert [str(finding) for finding in findings("p.json", document, {}, SHIPPED)] == [message]


JSON = """{
  "gemini/m": {
    "input_cost_per_token": "3e-7",
    "output_cost_per_token": -1
  },
  "gemini/n": {"price_changes": [
    {"effective_from": "2027-01-01",
     "input_cost_per_tokn": 1}
  ]}
}"""
YAML = """\
gemini/m:
  input_cost_per_token: "3e-7"

  output_cost_per_token: -1
gemini/n:
  price_changes:
    - effective_from: 2027-01-01
      input_cost_per_tokn: 1
"""


@pytest.mark.parametrize("name, text", [("p.json", JSON), ("p.yaml", YAML)])
def test_each_mistake_has_its_line_in_either_language(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = price_findings(tmp_path / name)
    assert [(f.problem.line, f.problem.path) for f in found] == [
        (4, "gemini/m: output_cost_per_token"),
        (8, "gemini/n: price_changes[0]: input_cost_per_tokn"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("p.json", '{"gemini/m": {"mode": "a",\n"mode": "b"}}', 2),
        ("p.yaml", "gemini/m:\n  mode: a\n  mode: b\n", 3),
    ],
)
def test_a_key_that_stands_twice_is_told(tmp_path, name, text, line):
    (tmp_path / name).write_text(text)
    (found,) = price_findings(tmp_path / name)
    assert (found.problem.line, found.is_note) == (line, False)
    assert "the key 'mode' stands here a second time" in str(found)


def test_the_known_fault_of_the_shipped_map_is_found_and_nothing_else():
    """A chat model's price for a picture is a figure per token in the wrong unit (pricing 20); corrections drop it."""
    names = ("retired", "current", "corrections")
    said = [finding for name in names for finding in price_findings(PRICES / f"{name}.json")]
    places = [finding.problem.path.split(": ") for finding in said if not finding.is_note]
    assert {(model.rpartition("/")[2], key) for model, key in places} == {
        ("gemini-3.1-pro-preview", "output_cost_per_image"),
        ("gemini-3.1-pro-preview-customtools", "output_cost_per_image"),
    }
    book = price_book()
    for model, key in places:
        assert book.demanded("vertex_ai", model.removeprefix("vertex_ai/")).price(key) is None


def test_names_that_stand_upon_each_other_are_told(tmp_path):
    (tmp_path / "p.yaml").write_text("gemini/x: {base_model: gemini/y}\ngemini/y: {base_model: gemini/x}\n")
    (found,) = price_findings(tmp_path / "p.yaml")
    assert "stands upon this very entry" in str(found) and not found.is_note


def test_the_invented_prices_are_a_good_file():
    assert price_findings(ROOT / "scenarios/prices.yaml") == ()


def test_all_shipped_prices_on_all_days_lie_in_the_range_of_their_unit():
    book = price_book()
    for name in book:
        provider, _, model = name.partition("/")
        entry = book.entry(provider, model) if provider in ("gemini", "vertex_ai") else book.entry("vertex_ai", name)
        for day in (date(2026, 1, 1), date(2030, 1, 1)):
            for key in entry.on(day).values if entry else ():
                allowed, price = sensible(key), entry.on(day).price(key) if entry else None
                assert allowed is None or not price or allowed.low <= price <= allowed.high, (name, key, price)


price_keys = st.sampled_from(sorted(key for key in known_keys() if priced_by(key)))


@given(price_keys, st.integers(1, 999), st.sampled_from([10**6, 10**3]))
def test_a_price_per_million_tokens_is_never_taken_for_one_per_token(key, digits, many):
    """Google's prices per million tokens are cents to hundreds of dollars."""
    listed = Decimal(digits) / 100 if many == 10**6 else Decimal(digits)
    found = told({key: plain(listed)}, "gemini/new")
    if unit_of(key) in ("USD per token", "USD per character", "USD per token and hour"):
        assert len(found) == 1 and "cannot be a price" in found[0]


@given(st.dictionaries(price_keys, st.integers(1, 99), max_size=5))
def test_what_the_check_passes_is_read_without_an_error(drawn):
    ranges = {key: sensible(key) for key in drawn}
    values = {key: plain(drawn[key] * allowed.low) for key, allowed in ranges.items() if allowed}
    if not told(values, "gemini/new"):
        entry = PriceBook.from_layers([Layer("own", {"gemini/new": values}, strict=True)]).demanded("gemini", "new")
        assert json.dumps(entry_json(entry))
        assert {key: entry.price(key) for key in values} == {key: Decimal(value) for key, value in values.items()}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
keys = price_keys | st.sampled_from(["price_changes", "mode", "base_model", "search_context_cost_per_query", "x"])


@given(
    st.dictionaries(st.sampled_from(["gemini/m", "m", "vertex_ai/n", "z"]), anything | st.dictionaries(keys, anything))
)
def test_the_check_never_fails_itself_and_passes_only_what_can_be_read(document):
    found = findings("p", document, {}, SHIPPED)
    if not any(not finding.is_note for finding in found):
        PriceBook.from_layers([Layer("own", document, strict=True)])


PAGE = (ROOT / "docs/reference/prices.md").read_text("utf-8")


def test_the_example_of_the_page_is_a_good_file(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "p.yaml").write_text(block)
    assert price_findings(tmp_path / "p.yaml") == ()
    mine = price_book(tmp_path / "p.yaml").demanded("gemini", "my-tuned-model")
    assert [mine.price(f"{way}_cost_per_token") for way in ("input", "output")] == [Decimal("3e-7"), Decimal("3e-6")]


def test_the_program_of_the_page_says_what_its_comment_says():
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    *lines, last = block.strip().splitlines()
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    call, _, said = last.partition("#")
    assert repr(eval(call, names)) == said.strip()


def test_every_tier_and_each_price_without_a_modality_stands_on_the_page():
    plainly = [
        key for key in UNITS if not re.search(r"_(audio|image|video)_|reasoning|_without_audio|_[0-9k]+p?$|_1hr", key)
    ]
    assert [key for key in plainly if key.replace("output_", "input_") not in PAGE and key not in PAGE] == []
    assert all(f"`{tier}`" in PAGE for tier in TIER_SUFFIXES)
