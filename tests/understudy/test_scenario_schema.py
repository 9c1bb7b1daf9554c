"""The JSON Schema for editors: it takes what is right and sees the usual mistakes."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from understudy.documents import document_of, read_document
from understudy.library import find, scenario_ids
from understudy.scenario.schema import json_schema
from understudy.scenario.template import new_scenario
from understudy.surfaces import Surface

SCHEMA = Draft202012Validator(json_schema())
GOOD: dict[str, Any] = {"title": "t", "surface": "gemini", "model": "m", "server": [{"reply": {"json": {}}}]}


def test_the_schema_is_one_and_says_what_words_mean():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == "Understudy scenario"
    assert schema["properties"]["server"]["description"] == "What the simulator does."
    without = [name for name, part in schema["$defs"].items() if "description" not in part]
    assert without == []


@pytest.mark.parametrize("scenario_id", scenario_ids())
def test_every_shipped_scenario_is_valid(scenario_id: str):
    document, _ = read_document(find(scenario_id))
    assert [f"{error.json_path}: {error.message}" for error in SCHEMA.iter_errors(document)] == []


@pytest.mark.parametrize("surface", list(Surface))
def test_every_new_scenario_is_valid(surface: Surface):
    document, _ = document_of(new_scenario(surface, "x"), "f")
    assert SCHEMA.is_valid(document)


@pytest.mark.parametrize(
    "step",
    [
        {"receive": "close"},
        {"receive": "any"},
        {"receive_until": "close"},
        {"receive_until": {"json": {"a": 1}, "within": "1s"}},
        {"go_away": {"time_left": "50s"}},
        {"drop": True},
        {"fault": {"stall": "1s"}},
        {"send": {"json": None}, "fault": {"slice": 1}},
        {"send_audio": {"silence": True, "duration": "1s", "pace": 2.5}, "interrupt_on": {"json": 1}},
        {"close": {"code": None}},
        {"branch": {"cases": [{"match": {"json": 1}, "steps": [{"pause": "1s"}]}]}},
        {"reply": {"headers": {"a": "b", "c": ["d", "e"]}}, "times": 2},
    ],
)
def test_steps_that_are_right(step: dict[str, Any]):
    assert SCHEMA.is_valid({**GOOD, "server": [step]})


@pytest.mark.parametrize("words", [{"match": {"call": 3}}, {"match": {"call": {"from": 2}, "surface": "vertex"}},
                                   {"client": [{"download": {}}, {"download": True}]}])  # fmt: skip
def test_short_forms_that_are_right(words: dict[str, Any]):
    assert SCHEMA.is_valid({**GOOD, **words})


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"sned": {"json": 1}},
        {"send": {"jsn": 1}},
        {"send": {}},
        {"send": {"json": 1, "text": "x"}},
        {"pause": "1s", "close": {}},
        {"pause": 120},
        {"pause": "120"},
        {"receive": "cloes"},
        {"receive": {"within": "1s"}},
        {"receive_until": "any"},
        {"receive_until": {"within": "1s"}},
        {"go_away": {}},
        {"drop": False},
        {"fault": {}},
        {"reply": {"status": "200"}},
        {"reply": {"rpc_status": {"code": "NOT_A_CODE", "message": "m"}}},
        {"operation": {"then": {"videos": 1, "response": {}}}},
        {"call": {}},
    ],
)
def test_the_usual_mistakes_in_a_step_are_seen(step: dict[str, Any]):
    assert not SCHEMA.is_valid({**GOOD, "server": [step]})


@pytest.mark.parametrize("words", [{"surface": "gemnii"}, {"titel": "t"}, {"expect": {"cost": 0.1}}, {"server": []},
                                   {"match": {"surface": []}}, {"seed": "1"}])  # fmt: skip
def test_the_usual_mistakes_in_a_document_are_seen(words: dict[str, Any]):
    assert not SCHEMA.is_valid({**GOOD, **words})


@pytest.mark.parametrize("word", ["title", "surface", "model", "server"])
def test_what_must_be_there_is_missed(word: str):
    assert not SCHEMA.is_valid({name: value for name, value in GOOD.items() if name != word})
