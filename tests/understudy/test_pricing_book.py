"""Price books: layers, look-up, dates, and what is refused."""

import hashlib
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import PriceError
from understudy.pricing.book import Layer, PriceBook, price_of

ROOT = Path(__file__).parents[2]
PRICES = ROOT / "src/understudy/_prices"


def book(*layers, strict=True):
    return PriceBook.from_layers(Layer(f"layer {n}", entries, strict) for n, entries in enumerate(layers, 1))


@pytest.fixture(scope="module")
def shipped():
    names = ("retired", "current", "corrections")
    texts = [(PRICES / f"{name}.json").read_text("utf-8") for name in names]
    return PriceBook.from_layers(
        Layer(name, json.loads(text, parse_float=Decimal), strict=True) for name, text in zip(names, texts, strict=True)
    )


def test_later_layers_win_key_by_key_and_null_removes():
    first = {"m": {"litellm_provider": "gemini", "input_cost_per_token": "1e-6", "output_cost_per_token": 2}}
    second = {"m": {"input_cost_per_token": "3e-6", "output_cost_per_token": None, "input_cost_per_image": 0}}
    entry = book(first, second).entry("gemini", "m")
    assert entry is not None
    assert entry.price("input_cost_per_token") == Decimal("0.000003")
    assert entry.price("output_cost_per_token") is None
    assert entry.price("input_cost_per_image") == 0
    assert entry.layers["input_cost_per_token"] == "layer 2"
    assert entry.layers["litellm_provider"] == "layer 1"
    assert "output_cost_per_token" not in entry.layers


def test_a_null_entry_removes_the_model():
    assert book({"gemini/m": {"input_cost_per_token": 1}}, {"gemini/m": None}).entry("gemini", "m") is None


LOOK_UP = {
    "gemini/m": {"mode": "prefixed gemini"},
    "m": {"litellm_provider": "vertex_ai-language-models", "mode": "bare vertex"},
    "g": {"litellm_provider": "gemini", "mode": "bare gemini"},
    "vertex_ai/n-1": {"mode": "n"},
    "vertex_ai/old@001": {"mode": "with version"},
}


@pytest.mark.parametrize(
    ("provider", "model", "version", "found"),
    [
        ("gemini", "m", None, "prefixed gemini"),
        ("vertex_ai", "m", None, "bare vertex"),
        ("gemini", "g", None, "bare gemini"),
        ("vertex_ai", "g", None, None),
        ("gemini", "n-latest", "m", "prefixed gemini"),
        ("vertex_ai", "n-1@default", None, "n"),
        ("vertex_ai", "n-1-001", None, "n"),
        ("vertex_ai", "n-1-002", "m", "bare vertex"),
        ("vertex_ai", "old@001", None, "with version"),
        ("vertex_ai", "old@002", None, None),
        ("vertex_ai", "n-1-preview", None, None),
        ("gemini", "", None, None),
    ],
)
def test_the_entry_of_a_model(provider, model, version, found):
    entry = book(LOOK_UP).entry(provider, model, version)
    assert (entry and entry.word("mode")) == found


def test_changes_count_from_their_day_on_in_order():
    changes = [
        {"effective_from": "2027-06-01", "input_cost_per_token": "4"},
        {"effective_from": "2027-01-01", "input_cost_per_token": "2", "output_cost_per_token": None},
    ]
    found = book({"gemini/m": {"input_cost_per_token": 1, "output_cost_per_token": 9, "price_changes": changes}})
    entry = found.entry("gemini", "m")
    assert entry is not None
    days = [date(2026, 12, 31), date(2027, 1, 1), date(2027, 5, 31), date(2027, 6, 1)]
    assert [entry.on(day).price("input_cost_per_token") for day in days] == [1, 2, 2, 4]
    assert [entry.on(day).price("output_cost_per_token") for day in days] == [9, None, None, None]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_cost_per_token": 0.1}, "layer 1: gemini/m: input_cost_per_token: 0.1 is a binary float"),
        ({"input_cost_per_token": "cheap"}, "input_cost_per_token: wanted a price, found 'cheap'"),
        ({"input_cost_per_token": True}, "wanted a price, found True"),
        ({"input_cost_per_token": "-1"}, "a price is a number from 0 to 1000000, found '-1'"),
        ({"input_cost_per_token": "NaN"}, "a price is a number"),
        ({"input_cost_per_token": "1e-400"}, "a price is a number"),
        ({"input_cost_per_tokn": 1}, "unknown price 'input_cost_per_tokn' (did you mean 'input_cost_per_token'?)"),
        ({"price_changes": {}}, "price_changes: wanted a list"),
        (
            {"price_changes": [{"effective_from": "soon"}]},
            "price_changes[0]: effective_from: wanted YYYY-MM-DD, found 'soon'",
        ),
        ([], "layer 1: gemini/m: wanted a mapping of prices, found []"),
    ],
)
def test_what_is_wrong_is_named_by_layer_model_and_key(values, message):
    with pytest.raises(PriceError) as error:
        book({"gemini/m": values})
    assert message in str(error.value)


def test_a_foreign_map_may_hold_keys_that_we_do_not_know():
    assert len(book({"m": {"input_cost_per_smell": {"x": 0.5}}}, strict=False)) == 1


def test_a_model_that_must_have_a_price_is_refused_with_the_nearest_one():
    with pytest.raises(PriceError, match=r"no price for gemini model 'mm1' \(did you mean 'mm'\?\)"):
        book({"gemini/mm": {}, "vertex_ai/mm1": {}}).demanded("gemini", "mm1")


@given(st.decimals(0, 10**6, allow_nan=False, places=12))
def test_a_price_is_the_same_as_text_and_as_number(value):
    assert price_of(str(value), "here") == price_of(value, "here") == value


def test_the_shipped_files_are_one_book(shipped):
    assert len(shipped) >= 402
    flash = shipped.demanded("vertex_ai", "gemini-3.8-flash")
    assert flash.name == "vertex_ai/gemini-3.8-flash"
    assert [flash.on(date(y, 1, 1)).price("input_cost_per_token") for y in (2026, 2027)] == [
        Decimal("7.5e-7"),
        Decimal("1.5e-6"),
    ]
    lite = shipped.demanded("vertex_ai", "gemini-2.5-flash-lite")
    assert lite.price("input_cost_per_audio_token_batches") == Decimal("1.5e-7")
    assert lite.layers["input_cost_per_audio_token_batches"] == "corrections"
    assert shipped.demanded("gemini", "gemini-3.1-flash-live-preview").price("input_cost_per_second") is None
    assert shipped.demanded("gemini", "gemini-2.5-flash").price("search_context_cost_per_query") == Decimal("0.035")


FROZEN = {
    ("gemini-2.5-flash", "input_cost_per_token"): "3e-7",
    ("gemini-2.5-flash", "input_cost_per_audio_token"): "1e-6",
    ("gemini-2.5-flash", "output_cost_per_token"): "2.5e-6",
    ("gemini-live-2.5-flash", "input_cost_per_token"): "5e-7",
    ("gemini-live-2.5-flash", "input_cost_per_audio_token"): "3e-6",
    ("gemini-live-2.5-flash", "output_cost_per_token"): "2e-6",
    ("gemini-2.0-flash-live-001", "output_cost_per_audio_token"): "1.2e-5",
    ("gemini-2.5-flash-native-audio-latest", "output_cost_per_audio_token"): "1.2e-5",
    ("gemini-2.5-flash-native-audio-preview-12-2025", "output_cost_per_audio_token"): "1.2e-5",
    ("gemini-2.5-pro", "input_cost_per_token"): "1e-6",
    ("gemini-2.5-pro", "input_cost_per_token_above_200k_tokens"): "2e-6",
    ("gemini-2.5-pro", "cache_read_input_token_cost"): "1e-7",
    ("gemini-2.5-pro", "cache_read_input_token_cost_above_200k_tokens"): "2e-7",
    ("gemini-2.5-pro", "output_cost_per_token"): "8e-6",
    ("gemini-2.5-pro", "output_cost_per_token_above_200k_tokens"): "1.2e-5",
    ("gemini-2.5-pro", "output_cost_per_reasoning_token"): "9e-6",
    ("veo-3.0-generate-001", "output_cost_per_second"): "0.40",
    ("veo-3.0-generate-preview", "output_cost_per_second"): "0.40",
    ("veo-3.1-generate-001", "output_cost_per_second"): "0.40",
}


def test_the_frozen_prices_never_change():
    text = (ROOT / "scenarios/prices.yaml").read_text("utf-8")
    frozen = book(yaml.safe_load(text))
    for provider in ("gemini", "vertex_ai"):
        for (model, key), price in FROZEN.items():
            assert frozen.demanded(provider, model).price(key) == Decimal(price)
    fast = frozen.demanded("vertex_ai", "veo-3.1-fast-generate-001")
    assert fast.price("output_cost_per_second") == Decimal("0.15")
    assert fast.price("output_cost_per_second_without_audio") == Decimal("0.10")
    preview = frozen.demanded("gemini", "veo-3.1-generate-preview")
    assert preview.price("output_cost_per_second") == Decimal("0.40")
    assert preview.price("output_cost_per_second_4k") == Decimal("0.60")
    assert len(frozen) == 28


def test_what_a_later_layer_says_of_a_key_ends_the_changes_that_earlier_layers_announced():
    first = {"gemini/m": {"input_cost_per_token": 1, "output_cost_per_token": 1, "price_changes": [
        {"effective_from": "2027-01-01", "input_cost_per_token": 2, "output_cost_per_token": 2}]}}  # fmt: skip
    own = book(first, {"gemini/m": {"input_cost_per_token": "0.5"}}).demanded("gemini", "m").on(date(2027, 1, 1))
    assert (own.price("input_cost_per_token"), own.price("output_cost_per_token")) == (Decimal("0.5"), 2)
    assert dict(own.layers) == {"input_cost_per_token": "layer 2", "output_cost_per_token": "layer 1"}
    gone = book(first, {"gemini/m": {"input_cost_per_token": None}}).demanded("gemini", "m").on(date(2027, 1, 1))
    assert gone.price("input_cost_per_token") is None


def test_a_later_list_of_changes_replaces_the_earlier_one_and_null_ends_it():
    first = {"gemini/m": {"price_changes": [{"effective_from": "2027-01-01", "input_cost_per_token": 2}]}}
    second = {"gemini/m": {"price_changes": [{"effective_from": "2028-01-01", "output_cost_per_token": 3}]}}
    assert [c.effective_from for c in book(first, second).demanded("gemini", "m").changes] == [date(2028, 1, 1)]
    for nothing in (None, []):
        assert book(first, {"gemini/m": {"price_changes": nothing}}).demanded("gemini", "m").changes == ()


def test_the_layer_of_a_changed_value_is_the_one_that_announced_it():
    changes = [{"effective_from": "2027-01-01", "input_cost_per_token": 2}]
    found = book({"gemini/m": {"input_cost_per_token": 1, "mode": "chat"}}, {"gemini/m": {"price_changes": changes}})
    entry = found.demanded("gemini", "m")
    assert entry.on(date(2026, 12, 31)).layers["input_cost_per_token"] == "layer 1"
    assert dict(entry.on(date(2027, 1, 1)).layers) == {"input_cost_per_token": "layer 2", "mode": "layer 1"}


def test_entries_of_other_providers_are_left_out_whatever_they_hold():
    foreign = {"gpt": {"litellm_provider": "openai", "input_cost_per_token": 0.5, "cost_of_a_smile": []}, "spec": {
        "litellm_provider": "one of https://docs.example", "input_cost_per_token": "free"}}  # fmt: skip
    assert len(book(foreign | {"gemini/m": {"litellm_provider": "openai"}})) == 1


BASE = {
    "vertex_ai/m": {"input_cost_per_token": 1, "output_cost_per_token": 2, "mode": "chat", "price_changes": [
        {"effective_from": "2027-01-01", "input_cost_per_token": 10, "output_cost_per_token": 20}]},
    "vertex_ai/mine": {"base_model": "m", "output_cost_per_token": 3},
    "vertex_ai/ours": {"base_model": "vertex_ai/mine", "mode": None},
}  # fmt: skip


def test_a_base_model_lends_what_the_entry_does_not_say_itself():
    found = book(BASE)
    mine, ours = found.demanded("vertex_ai", "mine"), found.demanded("vertex_ai", "ours")
    keys = ("input_cost_per_token", "output_cost_per_token")
    assert [mine.price(key) for key in keys] == [ours.price(key) for key in keys] == [1, 3]
    assert [ours.on(date(2027, 1, 1)).price(key) for key in keys] == [10, 3]
    assert (mine.word("mode"), ours.word("mode")) == ("chat", "")


def test_an_entry_may_stand_upon_the_bare_one_of_its_own_name():
    found = book({"m": {"input_cost_per_token": 5}, "vertex_ai/m": {"base_model": "m", "output_cost_per_token": 6}})
    entry = found.demanded("vertex_ai", "m")
    assert (entry.name, entry.price("input_cost_per_token")) == ("vertex_ai/m", 5)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("vertex_ai/mine", "layer 2: vertex_ai/mine: base_model: there is no entry 'vertex_ai/mine'"),
        ("vertex_ai/ours", "stands upon this very entry"),
        ("nn", "layer 2: vertex_ai/mine: base_model: there is no entry 'nn'"),
    ],
)
def test_a_base_model_that_leads_nowhere_is_refused(base, told):
    with pytest.raises(PriceError) as error:
        book(BASE, {"vertex_ai/mine": {"base_model": base}})
    assert told in str(error.value)


KEYS = ("input_cost_per_token", "output_cost_per_token", "input_cost_per_image")
some_values = st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers(0, 99).map(Decimal))


@given(st.lists(st.dictionaries(st.sampled_from(["gemini/a", "gemini/b"]), st.none() | some_values), max_size=5))
def test_the_later_layer_wins_key_by_key(layers):
    expected: dict[str, dict[str, tuple[Decimal, str]]] = {}
    for number, layer in enumerate(layers, 1):
        for model, values in layer.items():
            if values is None:
                expected.pop(model, None)
                continue
            entry = expected.setdefault(model, {})
            for key, value in values.items():
                entry.pop(key, None)
                if value is not None:
                    entry[key] = (value, f"layer {number}")
    found = book(*layers)
    assert {
        model: {key: (found.demanded(*model.split("/")).price(key), layer) for key, layer in entry.items()}
        for model, entry in ((model, found.demanded(*model.split("/")).layers) for model in found)
    } == expected


def test_the_nearest_models_are_told_best_first():
    found = book({f"gemini/{name}": {} for name in ("flash-2", "flash-3", "flash-4", "pro", "flash-2-lite")})
    assert found.nearest("gemini", "flash-22")[0] == "flash-2"
    with pytest.raises(PriceError, match=r"did you mean '[a-z0-9-]+', '[a-z0-9-]+' or '[a-z0-9-]+'\?\)"):
        found.demanded("gemini", "flash")
    with pytest.raises(PriceError, match=r"no price for gemini model 'qqqq'$"):
        found.demanded("gemini", "qqqq")


def test_the_files_are_the_ones_that_their_page_describes():
    page = (PRICES / "README.md").read_text("utf-8")
    for name in ("retired", "current", "corrections"):
        data = (PRICES / f"{name}.json").read_bytes()
        assert hashlib.sha256(data).hexdigest() in page, name
        assert f"{len(json.loads(data))}" in page
    licence = (PRICES / "LICENSE.litellm").read_text("utf-8")
    assert "Copyright (c) 2023 Berri AI" in licence and "Copyright (c) 2023 Berri AI" in page
