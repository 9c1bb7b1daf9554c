"""Bodies that fit the descriptions of the interactions family, drawn from the shipped data."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, cast

from hypothesis import strategies as st

from understudy_simulator.next_generation.shapes import request_names

DATA: dict[str, Any] = json.loads(files("understudy_simulator.next_generation").joinpath("shapes.json").read_text())
MESSAGES: dict[str, dict[str, Any]] = DATA["messages"]
WORDS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5),
    "int": st.integers(-5, 5),
    "float": st.floats(-5, 5) | st.integers(-5, 5),
    "bool": st.booleans(),
    "object": st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    "any": st.none() | st.integers(),
}


def alternatives(kind: Any) -> Iterator[Any]:
    """The kinds that are no unions, told anew from the data."""
    for each in kind if isinstance(kind, list) else [kind]:
        if isinstance(each, str) and each in DATA["unions"]:
            yield from DATA["unions"][each]
        else:
            yield each


def values(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit a kind."""
    return st.one_of([value_of(each, depth) for each in alternatives(kind)])


def value_of(kind: Any, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(kind, dict):
        known = cast("dict[str, Any]", kind)
        if "[]" in known:
            return st.lists(values(known["[]"], depth + 1), max_size=2) if depth < 4 else st.just([])
        return st.dictionaries(st.text(max_size=3), values(known["{}"], depth + 1), max_size=2)
    if kind.startswith("="):
        return st.sampled_from(kind[1:].split("|"))
    return WORDS[kind] if kind in WORDS else st.deferred(lambda: message_of(kind, depth))


def message_of(name: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    members = MESSAGES[name]
    must = {key[:-1]: values(kind, depth + 1) for key, kind in members.items() if key.endswith("!")}
    may = {key: values(kind, depth + 1) for key, kind in members.items() if not key.endswith("!")}
    return st.fixed_dictionaries(must, optional=may if depth < 3 else {})


REQUESTS = st.sampled_from(request_names()).flatmap(
    lambda name: st.tuples(st.just(name), values(DATA["requests"][name]))
)
