"""Prices in the gateway's configuration: `model_info`, and the price words of `litellm_params`."""

from datetime import date
from decimal import Decimal

import pytest

from understudy.errors import ConfigError, PriceError
from understudy.price_books import price_book
from understudy_gateway.config import load_config

HEAD = "general_settings: {master_key: sk-0123456789abcdef}\n"


def load(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(HEAD + text)
    path.chmod(0o600)
    return load_config(path, {})


def book(tmp_path, text):
    return price_book("shipped", [load(tmp_path, text).model_prices])


MODELS = """\
model_list:
  - model_name: mine
    litellm_params:
      model: gemini/gemini-2.5-flash
      api_key: AIza-not-real
      input_cost_per_token: 4.0e-7
      output_cost_per_token: 5e-6
    model_info:
      output_cost_per_token: "6e-6"
      input_cost_per_audio_token: 0.0000012
      mode: chat
      supports_vision: true
      id: some-id
  - model_name: ours
    litellm_params: {model: vertex_ai/tuned-flash, vertex_project: my-project, vertex_location: us-central1}
    model_info: {base_model: gemini-3.8-flash, output_cost_per_token: 1.0e-5}
"""


def test_model_info_lies_over_the_price_book_and_over_litellm_params(tmp_path):
    entry = book(tmp_path, MODELS).demanded("gemini", "gemini-2.5-flash")
    prices = {key: str(entry.price(key)) for key in entry.values if entry.layers[key] == "config" and entry.price(key)}
    assert prices == {
        "input_cost_per_token": "4E-7",
        "output_cost_per_token": "0.000006",
        "input_cost_per_audio_token": "0.0000012",
    }
    assert entry.price("cache_read_input_token_cost") == Decimal("3e-8")  # of the shipped files
    assert load(tmp_path, MODELS).notices == ()


def test_a_base_model_lends_its_prices_with_its_changes(tmp_path):
    entry = book(tmp_path, MODELS).demanded("vertex_ai", "tuned-flash")
    days = (date(2026, 12, 31), date(2027, 1, 1))
    assert [entry.on(day).price("input_cost_per_token") for day in days] == [Decimal("7.5e-7"), Decimal("1.5e-6")]
    assert [entry.on(day).price("output_cost_per_token") for day in days] == [Decimal("1e-5")] * 2


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ("input_cost_per_token: -1", "7: model_list[0].model_info.input_cost_per_token: a price is a number from 0"),
        ("input_cost_per_tokn: 1", "7: model_list[0].model_info.input_cost_per_tokn: unknown price (did you mean"),
        ("price_changes: [{effective_from: soon}]", "7: model_list[0].model_info.price_changes: price_changes[0]"),
    ],
)
def test_a_wrong_price_is_told_with_its_line(tmp_path, info, told):
    text = f"""\
model_list:
  - model_name: mine
    litellm_params:
      model: gemini/gemini-2.5-flash
    model_info:
      {info}
"""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert told in str(caught.value)


def test_other_words_and_other_providers_have_no_effect(tmp_path):
    text = """\
model_list:
  - litellm_params: {model: gemini/gemini-2.5-flash}
    model_info: {team_rank: 3}
  - litellm_params: {model: openai/gpt, input_cost_per_token: 1}
    model_info: {input_cost_per_token: 2}
"""
    config = load(tmp_path, text)
    assert config.model_prices.entries == {}
    assert any("model_info.team_rank: has no effect here" in notice for notice in config.notices)


def test_a_base_model_that_is_not_there_is_refused(tmp_path):
    text = "model_list: [{litellm_params: {model: gemini/x}, model_info: {base_model: gemini-2.5-flahs}}]\n"
    with pytest.raises(PriceError, match=r"config: gemini/x: base_model: there is no entry 'gemini-2.5-flahs' \(did"):
        book(tmp_path, text)
