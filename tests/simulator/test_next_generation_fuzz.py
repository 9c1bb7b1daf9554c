"""Any body that fits its description, and any JSON at all, gets an answer of the family: never an exception."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from next_shape_strategies import REQUESTS
from snake_rig import World

from strategies import dear
from understudy_simulator.call import Events, Json
from understudy_simulator.next_generation.shapes import mistake_in
from understudy_simulator.surfaces import (
    agents,
    credentials,
    decisions,
    environments,
    interactions,
    triggers,
    voices,
    webhooks,
)

ROUTES = tuple(
    route
    for family in (agents, credentials, decisions, environments, interactions, triggers, voices, webhooks)
    for route in family.ROUTES
)
PATHS = {
    "CreateModelInteraction": ("POST", "interactions"),
    "CreateAgentInteraction": ("POST", "interactions"),
    "CreateAgent": ("POST", "agents"),
    "CreateCredential": ("POST", "credentials"),
    "UpdateCredential": ("PATCH", "credentials/c"),
    "CreateDecision": ("POST", "decisions"),
    "CreateEnvironment": ("POST", "environments"),
    "CreateTrigger": ("POST", "triggers"),
    "UpdateTrigger": ("PATCH", "triggers/{trigger}"),
    "CreateVoice": ("POST", "voices"),
    "CreateWebhook": ("POST", "webhooks"),
    "UpdateWebhook": ("PATCH", "webhooks/{webhook}"),
    "PingWebhook": ("POST", "webhooks/{webhook}:ping"),
    "RotateSigningSecret": ("POST", "webhooks/{webhook}:rotateSigningSecret"),
}
KNOWN = {
    "model": "gemini-3-flash",
    "agent": "antigravity-preview-09-2026",
    "input": "hi",
    "schedule": "0 0 * * *",
    "time_zone": "UTC",
    "uri": "https://x.test",
    "type": "bearer_token",
}
"""Members that must name something that is there, with values that do."""

ABSENT = (
    "previous_interaction_id",
    "environment",
    "from_environment",
    "environment_id",
    "sources",
    "continuation_token",
)
"""Members that may name what is not there."""


def peopled(any_body: bool = False) -> tuple[World, dict[str, str]]:
    """A world with one of each, and their ids."""
    world = World(ROUTES, any_body=any_body)
    world.ask("POST", "credentials", {"id": "c", "token": "x", "type": "bearer_token"})
    trigger = {"interaction": {"agent": "a", "input": "x"}, "schedule": "0 0 * * *", "time_zone": "UTC"}
    webhook = {"subscribed_events": ["batch.failed"], "uri": "https://x.test"}
    ids = {"trigger": world.ask("POST", "triggers", trigger)["id"]}
    return world, ids | {"webhook": world.ask("POST", "webhooks", webhook)["id"]}


def answered(name: str, body: Any, any_body: bool = False) -> tuple[int, Any]:
    """Status and value of the answer to a body; the value of a stream is None."""
    world, ids = peopled(any_body)
    method, path = PATHS[name]
    answer = world.answer(method, path.format(**ids), json.dumps(body).encode())
    if isinstance(answer, Events):
        return 200, None
    assert isinstance(answer, Json)
    json.dumps(answer.value, allow_nan=False)
    return answer.status, answer.value


@dear(2)
@given(REQUESTS)
def test_whatever_fits_is_answered(request: tuple[str, dict[str, Any]]) -> None:
    name, body = request

    status, value = answered(name, body)

    assert status in (200, 400, 404, 409)
    if status != 200:
        assert set(value["error"]) == {"message", "code"}
        assert value["error"]["code"] != "parameter_unknown"


@dear(4)
@given(REQUESTS)
def test_requests_about_what_is_there_are_done(request: tuple[str, dict[str, Any]]) -> None:
    name, body = request
    assume(name in ("CreateModelInteraction", "CreateAgentInteraction", "CreateEnvironment", "CreateAgent"))
    body = {key: KNOWN.get(key, value) for key, value in body.items() if key not in ABSENT}
    if "Interaction" in name:
        config: Any = body.get("generation_config") or {}
        body = {**body, "input": "hi", "store": True, "generation_config": _within(config)}
        if name == "CreateAgentInteraction":
            body.pop("generation_config")

    status, value = answered(name, body)

    assert status == 200, value


def _within(config: dict[str, Any]) -> dict[str, Any]:
    """Settings within the bounds of the service."""
    return {key: value for key, value in config.items() if key not in ("temperature", "top_p", "max_output_tokens")}


@given(
    st.sampled_from(sorted(PATHS)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["type", "input", "model", "voice", "questions", "id"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
)
def test_whatever_does_not_fit_is_refused(name: str, body: Any) -> None:
    # An interaction's body is told by its members to be for a model or an agent.
    assume(not name.endswith("Interaction") or not isinstance(body, dict) or "agent" not in body)
    name = "CreateModelInteraction" if name.endswith("Interaction") else name

    status, value = answered(name, body)

    if mistake_in(name, body) is not None:
        assert status == 400
        assert value["error"]["code"] in ("invalid_request", "parameter_unknown")


JUNK = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "text", "high"]) | st.just([{"type": "x"}])


@dear(2)
@given(REQUESTS, st.dictionaries(st.sampled_from(["input", "model", "tools", "generation_config", "store"]), JUNK))
def test_where_any_body_passes_what_does_not_fit_is_passed_over(
    request: tuple[str, dict[str, Any]], junk: dict[str, Any]
) -> None:
    name, body = request

    status, value = answered(name, {**body, **junk, "nobody_knows": 1}, any_body=True)

    assert status in (200, 400, 404, 409)
    if status == 400:
        assert value["error"]["code"] in ("invalid_request", "failed_precondition")
    assert answered(name, {**body, **junk, "nobody_knows": 1})[0] == 400


def test_any_body_makes_an_interaction_of_what_it_can() -> None:
    odd = {"model": "gemini-3-flash", "input": "hi", "nobody_knows": 1, "tools": [{"type": "telepathy"}, 3]}
    odd |= {"generation_config": {"temperature": "hot", "top_p": 9, "max_output_tokens": 0}, "stream": "yes"}

    assert answered("CreateModelInteraction", odd)[0] == 400
    status, value = answered("CreateModelInteraction", odd, any_body=True)

    assert (status, value["status"]) == (200, "completed")
