"""The prices that a configuration gives for its models: `model_info`, and the price words of `litellm_params`."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, cast

from understudy.errors import PriceError, did_you_mean
from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.vocabulary import BASE_MODEL, CHANGES, is_described, known_keys, looks_like_price, priced_by

from .document import Path
from .reading import Block, Reading

LAYER: Final = "config"
"""What `understudy price book` and errors call these prices."""


def is_price_word(word: str) -> bool:
    """Whether a word of `litellm_params` is a price."""
    return priced_by(word) is not None


def read_prices(reading: Reading, top: Block) -> Layer:
    """The prices of all models of `model_list`, a layer for above all files (pricing 2).

    What `model_info` says wins over `litellm_params`. Numbers are exact to 15 digits: YAML reads them as floats, which
    keep that many; more digits must be written as text. A wrong price is a problem at its line.
    """
    entries: dict[str, dict[str, object]] = {}
    models = top.get("model_list")
    for index, item in enumerate(cast("list[object]", models) if isinstance(models, list) else []):
        path: Path = ("model_list", index)
        entry = _mapping(item)
        params = _mapping(entry.get("litellm_params"))
        name = params.get("model")
        if not isinstance(name, str) or not name.startswith(("gemini/", "vertex_ai/")):
            continue
        prices = {key: _exact(value) for key, value in params.items() if is_price_word(key)}
        _check(reading, name, prices, (*path, "litellm_params"))
        info = reading.block(entry.get("model_info"), (*path, "model_info"))
        told = dict(_info(reading, info, (*path, "model_info")))
        _check(reading, name, told, (*path, "model_info"))
        if prices or told:
            entries.setdefault(name, {}).update(prices | told)
    return Layer(LAYER, entries)


def _mapping(value: object) -> Block:
    """The block that a value is; what is none is told by the reader of accounts."""
    return cast("Block", value) if isinstance(value, dict) else {}


def _info(reading: Reading, info: Block, path: Path) -> Iterator[tuple[str, object]]:
    """What counts in a `model_info`; an unknown word that reads like a price is a problem, others are LiteLLM's."""
    for word, value in info.items():
        if is_price_word(word) or word in (BASE_MODEL, CHANGES) or is_described(word):
            yield word, _exact(value)
        elif looks_like_price(word):
            reading.problem((*path, word), f"unknown price{did_you_mean(word, known_keys())}")
        else:
            reading.notice((*path, word), "has no effect here")


def _exact(value: object) -> object:
    """Floats as the decimals that they were written as."""
    match value:
        case float():
            return Decimal(repr(value))
        case dict():
            return {key: _exact(inner) for key, inner in cast("Block", value).items()}
        case list():
            return [_exact(inner) for inner in cast("list[object]", value)]
        case _:
            return value


def _check(reading: Reading, name: str, values: dict[str, object], path: Path) -> None:
    """Try each value by itself, so that each mistake is told with its line; wrong ones are left out."""
    for key in tuple(values):
        if key == BASE_MODEL:
            continue
        try:
            PriceBook.from_layers([Layer(LAYER, {name: {key: values[key]}})])
        except PriceError as error:
            reading.problem((*path, key), str(error).removeprefix(f"{LAYER}: {name}: ").removeprefix(f"{key}: "))
            del values[key]
