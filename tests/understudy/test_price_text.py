"""Price files as text: exact numbers, lines, double keys; what is read is written back the same."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import DocumentError
from understudy.price_books import price_book
from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.cost import plain
from understudy.pricing.price_text import entry_json, lines_of, read_json, write_json
from understudy.pricing.vocabulary import SEARCH, known_keys, priced_by

PRICE_KEYS = sorted(key for key in known_keys() if priced_by(key))


def test_numbers_are_exactly_what_is_written():
    # 1e-07 as a binary float is 9.99999999999999954748e-8.
    assert read_json('{"a": 1e-07, "b": 0.1, "c": 3}', "p") == {"a": Decimal("0.0000001"), "b": Decimal("0.1"), "c": 3}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n"a": {},\n"a": {}}', "p:3: the key 'a' stands here a second time"),
        ('{"m": {"k": 1,\n\n"k": 2}}', "p:3: m: the key 'k' stands here a second time"),
        ('{"m": [1, {"k": 1, "\\u006b": 2}]}', "p:1: m.1: the key 'k' stands here a second time"),
        ('{"a":\n 1,}', "p:2: no JSON: "),
        ('{"a": Infinity}', "p: Infinity is no price"),
        ('{"a": 1e999999999999999999999}', "p: no JSON that can be read"),
        ("[" * 100_000, "p: no JSON that can be read"),
    ],
)
def test_what_is_no_price_file_is_told_with_its_line(text, told):
    with pytest.raises(DocumentError) as caught:
        read_json(text, "p")
    assert told in str(caught.value)


def test_the_line_of_each_part():
    text = '{\n "a": {"k": 1,\n  "l": [\n   {"x": "}\\n{"},\n   2]\n },\n "b": {}\n}'
    lines = lines_of(text)
    assert lines == {
        (): 1, ("a",): 2, ("a", "k"): 2, ("a", "l"): 3, ("a", "l", 0): 4, ("a", "l", 0, "x"): 4, ("a", "l", 1): 5,
        ("b",): 7,
    }  # fmt: skip


plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), plain_json, max_size=4))
def test_a_price_file_round_trips_exactly(document):
    assert read_json(write_json(document), "p") == document


@pytest.mark.parametrize("name", ["retired", "current", "corrections"])
def test_the_shipped_files_round_trip_exactly(name):
    from understudy import library

    text = (library.Path(library.__file__).parent / "_prices" / f"{name}.json").read_text("utf-8")
    found = read_json(text, name)
    assert read_json(write_json(found), name) == found
    assert not any(isinstance(value, float) for entry in found.values() for value in entry.values())


def test_a_float_is_not_written():
    with pytest.raises(TypeError, match=r"0\.1 is a binary float"):
        write_json({"a": 0.1})


def all_paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from all_paths(inner, (*path, key))
    if isinstance(value, list):
        for at, inner in enumerate(value):
            yield from all_paths(inner, (*path, at))


@given(st.dictionaries(st.text(max_size=6), plain_json, max_size=4))
def test_each_part_has_a_line_whatever_the_text_holds(document):
    text = write_json(document)
    lines = lines_of(text)
    assert set(all_paths(document)) == set(lines)
    for path, line in lines.items():
        if path and isinstance(path[-1], str):
            assert text.splitlines()[line - 1].lstrip().startswith(json.dumps(path[-1]) + ":")


prices = st.decimals(0, 1000, places=12, allow_nan=False).filter(lambda price: not price or price.adjusted() > -24)
values = st.dictionaries(st.sampled_from([key for key in PRICE_KEYS if key != SEARCH]), prices, max_size=6)
changes = st.dictionaries(st.dates(), st.dictionaries(st.sampled_from(PRICE_KEYS[:9]), prices | st.none()), max_size=3)


@given(values, changes, st.booleans())
def test_an_entry_comes_back_the_same_as_text_or_as_number(drawn, dated, as_text):
    told = {key: plain(value) if as_text else value for key, value in drawn.items()}
    listed = [{"effective_from": day.isoformat(), **change} for day, change in dated.items()]
    source = {"gemini/m": {"mode": "chat", "price_changes": listed, **told}}
    one = PriceBook.from_layers([Layer("one", read_json(write_json(source), "one"))]).demanded("gemini", "m")
    again = {"gemini/m": json.loads(json.dumps(entry_json(one)))}
    two = PriceBook.from_layers([Layer("one", again)]).demanded("gemini", "m")
    assert (two.values, two.changes, two.layers) == (one.values, one.changes, one.layers)
    assert {key: one.price(key) for key in drawn} == drawn


def test_every_shipped_entry_can_be_copied_into_a_file_of_ones_own():
    book = price_book()
    entries = [book.demanded(*name.split("/", 1)) for name in book if name.startswith(("gemini/", "vertex_ai/"))]
    copied = PriceBook.from_layers([Layer("own", {entry.name: entry_json(entry) for entry in entries}, strict=True)])
    for entry in entries:
        own = copied.demanded(*entry.name.split("/", 1))
        assert own.values == entry.values
        for day in (date(2026, 11, 21), date(2027, 6, 1)):
            assert own.on(day).values == entry.on(day).values
