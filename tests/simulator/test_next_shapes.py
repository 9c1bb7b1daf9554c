"""Request descriptions of the interactions family: what is captured fits, and each single mutation is named."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from next_shape_strategies import DATA, MESSAGES, REQUESTS, alternatives

from strategies import dear
from understudy_simulator.next_generation.shapes import mistake_in, request_names

CAPTURED: tuple[tuple[str, Any], ...] = (
    ("CreateModelInteraction", {"model": "gemini-3-flash", "input": "hi"}),
    ("CreateModelInteraction", {"model": "gemini-3-flash", "input": "hi", "stream": True}),
    ("CreateAgent", {"base_agent": "antigravity", "id": "a1"}),
    ("CreateCredential", {"id": "c", "token": "x", "type": "bearer_token"}),
    ("UpdateCredential", {"token": "x", "type": "bearer_token"}),
    (
        "CreateDecision",
        {
            "input": "x",
            "model": "m",
            "questions": {"q": {"criteria": {"a": "x", "b": "y"}, "instructions": "pick", "type": "choice"}},
        },
    ),
    ("CreateEnvironment", {}),
    ("CreateTrigger", {"interaction": {"agent": "m", "input": "x"}, "schedule": "0 0 * * *", "time_zone": "UTC"}),
    ("UpdateTrigger", {"display_name": "d"}),
    ("CreateVoice", {"voice": {"type": "replicated", "id": "v"}}),
    ("CreateWebhook", {"subscribed_events": ["batch.completed"], "uri": "https://x.test/h"}),
    ("UpdateWebhook", {"name": "n"}),
    ("RotateSigningSecret", {}),
)
"""sdk-surface, the captured JSON bodies of these families."""


@pytest.mark.parametrize(("name", "body"), CAPTURED)
def test_what_was_captured_fits(name: str, body: Any) -> None:
    assert mistake_in(name, body) is None


def test_every_request_is_described() -> None:
    assert {name for name, _ in CAPTURED} | {"CreateAgentInteraction", "PingWebhook"} == set(request_names())


@dear(2)
@given(REQUESTS)
def test_what_fits_its_description_is_accepted(request: tuple[str, Any]) -> None:
    name, body = request

    assert mistake_in(name, body) is None


@dear(2)
@given(REQUESTS)
def test_an_unknown_member_is_named(request: tuple[str, dict[str, Any]]) -> None:
    name, body = request

    mistake = mistake_in(name, {**body, "frobnicate": 1})

    assert mistake is not None
    assert (mistake.code, mistake.text) == ("parameter_unknown", "Unknown parameter 'frobnicate'.")


@dear(2)
@given(REQUESTS, st.data())
def test_a_missing_member_is_named(request: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    name, body = request
    kinds = [kind for kind in alternatives(DATA["requests"][name]) if len(list(alternatives(kind))) == 1]
    required = [key[:-1] for key in MESSAGES[kinds[0]] if key.endswith("!")] if len(kinds) == 1 else ["type"]
    if not required:
        return
    missing = data.draw(st.sampled_from(required))

    mistake = mistake_in(name, {key: value for key, value in body.items() if key != missing})

    assert mistake is not None
    assert (mistake.code, mistake.text) == ("invalid_request", f"Missing required parameter '{missing}'.")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"stream": "yes"}, "Invalid value at 'stream': \"yes\" is not a boolean."),
        ({"labels": {"a": 1}}, "Invalid value at 'labels.a': 1 is not a string."),
        ({"tools": {}}, "Invalid value at 'tools': {} is not a list."),
        ({"tools": [None]}, "Invalid value at 'tools[0]': \"\" is not an object."),
        ({"tools": [{"name": "f"}]}, "Missing required parameter 'tools[0].type'."),
        ({"store": 1}, "Invalid value at 'store': 1 is not a boolean."),
        ({"generation_config": {"seed": 1.5}}, "Invalid value at 'generation_config.seed': 1.5 is not an integer."),
        ({"generation_config": {"seed": True}}, "Invalid value at 'generation_config.seed': true is not an integer."),
        (
            {"service_tier": "gold"},
            "Invalid value at 'service_tier': \"gold\". "
            "Supported values are: 'flex', 'standard', 'priority', 'deferred'.",
        ),
        ({"input": [{"type": "function_result", "call_id": "x"}]}, "Missing required parameter 'input[0].result'."),
        ({"generation_config": {"speech_config": [{"pitch": 1}]}}, "Unknown parameter"),
        ({"response_format": {"type": "text", "format": 1}}, "Unknown parameter 'response_format.format'."),
        ({"environment": {"type": "remote", "disk": 1}}, "Unknown parameter 'environment.disk'."),
        ({"model!": "x"}, "Unknown parameter 'model!'."),
    ],
)
def test_mistakes_are_told_with_their_path(members: dict[str, Any], text: str) -> None:
    mistake = mistake_in("CreateModelInteraction", {"model": "m", "input": "x"} | members)

    assert mistake is not None
    assert mistake.text.startswith(text)


def test_null_is_as_good_as_absent_but_for_what_is_required() -> None:
    assert mistake_in("CreateModelInteraction", {"model": "m", "input": "x", "tools": None}) is None
    mistake = mistake_in("CreateModelInteraction", {"model": None, "input": "x"})
    assert mistake is not None
    assert "'model'" in mistake.text


def below(kind: Any) -> Iterator[str]:
    """The messages that a kind leads to at once."""
    for each in alternatives(kind):
        if isinstance(each, dict):
            for inner in cast("dict[str, Any]", each).values():
                yield from below(inner)
        elif each in MESSAGES:
            yield each


def test_no_message_contains_itself() -> None:
    heights: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in heights:
            heights[name] = 1_000
            found = [height(inner) for kind in MESSAGES[name].values() for inner in below(kind)]
            heights[name] = 1 + max(found, default=0)
        return heights[name]

    assert max(height(name) for name in MESSAGES) < 10
