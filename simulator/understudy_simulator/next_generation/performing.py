"""Runs an interaction: finds its model or agent and its context, lets the answers speak, keeps the result. Pure.

Rules: previous interactions must be there and done; what runs in the background must be stored; a function result must
answer a call. Source: https://ai.google.dev/gemini-api/docs/interactions and the types of google-genai 3.4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..answers.generate import Stamp, whole_answer
from ..answers.reading import flag_in, text_in
from ..call import Call, Json
from ..catalogue import Model, model_of
from ..clock import rfc3339
from ..snake_resources import found_in, full_name, refusal, to_seconds, unknown
from ..store import Resource
from .environments import environment_for
from .requests import Step, generate_request, input_steps, unanswered_calls
from .steps import outcome_of

COLLECTION: Final = "interactions"
_AGENTS: Final = frozenset({"antigravity", "code-mender", "dynamic"})
"""Agents that the SDK's agent configurations name; the versions of the others begin with `_AGENT_FAMILIES`."""
_AGENT_FAMILIES: Final = ("deep-research-", "antigravity-", "code-mender-")
_AGENT_MODELS: Final = ("gemini-3-flash", "gemini-3-flash-preview", "gemini-2.5-flash")
_POLLS_BEFORE_DONE: Final = 1
_RANGES: Final = {"temperature": (0, 2), "top_p": (0, 1)}


@dataclass(frozen=True, slots=True)
class Kept:
    """What belongs to an interaction but is not shown: all steps up to its end, its own input, and how it will end.

    `final` is the finished interaction; it is shown when `polls` more polls have been answered.
    """

    steps: tuple[Step, ...]
    input: tuple[Step, ...]
    final: Mapping[str, Any]
    polls: int = 0


@dataclass(frozen=True, slots=True)
class _Voice:
    """Who answers: a model, and where an agent was asked its name, instructions and tools."""

    model: Model
    agent: str = ""
    body: Mapping[str, Any] | None = None


def performed(call: Call, body: Mapping[str, Any]) -> Resource | Json:
    """The interaction that a request makes, with Kept as its hidden part; kept, unless `store` is false.

    Gives the refusal of a request that cannot be done. The body fits its description.
    """
    voice = _voice_of(call, body)
    context = _context(call, body)
    if isinstance(voice, Json):
        return voice
    if isinstance(context, Json):
        return context
    environment = environment_for(call, body.get("environment"))
    if isinstance(environment, Json):
        return environment
    given = input_steps(body.get("input"))
    steps = (*context, *given)
    value = _opening(call, body, voice)
    if environment is not None:
        value["environment_id"] = environment.value["id"]
    final, produced = _ended(call, voice.body or body, voice.model, steps, value)
    waits = flag_in(body, "background") and not flag_in(body, "stream")
    kept = Kept((*steps, *produced), given, final, _POLLS_BEFORE_DONE if waits else 0)
    name = full_name(call, COLLECTION, value["id"])
    resource = Resource(name, value if waits else final, call.now, hidden=kept)
    return resource if body.get("store") is False else call.shelf.put(resource)


def polled(call: Call, resource: Resource) -> Resource:
    """The interaction as the next poll finds it: what runs in the background comes nearer to its end."""
    kept: Kept = resource.hidden
    if resource.value["status"] != "in_progress":
        return resource
    if kept.polls > 0:
        return call.shelf.change(replace(resource, hidden=replace(kept, polls=kept.polls - 1))) and resource
    return finished(call, resource)


def finished(call: Call, resource: Resource) -> Resource:
    """The interaction at its end: who follows its events to the last one has waited for it."""
    kept: Kept = resource.hidden
    if resource.value["status"] != "in_progress":
        return resource
    return call.shelf.change(replace(resource, value={**kept.final, "updated": to_seconds(call)}))


def _voice_of(call: Call, body: Mapping[str, Any]) -> _Voice | Json:
    agent = text_in(body, "agent")
    if agent is None:
        name = (text_in(body, "model") or "").removeprefix("models/").removeprefix("publishers/google/models/")
        model = model_of(name, call.is_vertex, now=call.now)
        if model is None or not model.can("generateContent"):
            return refusal("model_not_found", f"Model '{name}' was not found.")
        return _Voice(model)
    model = next((found for name in _AGENT_MODELS if (found := model_of(name, call.is_vertex))), None)
    own = found_in(call, "agents", agent)
    is_known = own is not None or agent in _AGENTS or agent.startswith(_AGENT_FAMILIES)
    if model is None or not is_known:
        return unknown("Agent", agent)
    settings: Mapping[str, Any] = {} if own is None else own.value
    # What the request says goes before what the agent says.
    inherited = {name: settings[name] for name in ("system_instruction", "tools") if name in settings}
    return _Voice(model, agent, {**inherited, **body})


def _context(call: Call, body: Mapping[str, Any]) -> tuple[Step, ...] | Json:
    """The steps of all that went before."""
    previous = text_in(body, "previous_interaction_id")
    if not previous:
        before: tuple[Step, ...] = ()
    else:
        found = found_in(call, COLLECTION, previous)
        if found is None:
            return unknown("Interaction", previous)
        if found.value["status"] == "in_progress":
            return refusal("failed_precondition", f"Interaction '{previous}' is still in progress.")
        kept: Kept = found.hidden
        before = kept.steps
    given = input_steps(body.get("input"))
    if not given:
        return refusal("invalid_request", "Missing required parameter 'input'.")
    for number, step in enumerate(given):
        last = step.get("call_id")
        if step.get("type") == "function_result" and last not in unanswered_calls((*before, *given[:number])):
            return refusal(
                "invalid_request", f"Invalid value at 'input[{number}].call_id': no function call has the id '{last}'."
            )
    return before


def mistake_in_values(body: Mapping[str, Any]) -> Json | None:
    """What is refused of the values of a body that fits its description, or None."""
    if flag_in(body, "background") and body.get("store") is False:
        return refusal("invalid_request", "Invalid value at 'store': an interaction in the background must be stored.")
    settings: Any = body.get("generation_config") or {}
    for name, (low, high) in _RANGES.items():
        value = settings.get(name)
        if value is not None and not low <= value <= high:
            place = f"generation_config.{name}"
            return refusal("invalid_request", f"Invalid value at '{place}': {value} is not in [{low}, {high}].")
    most = settings.get("max_output_tokens")
    if most is not None and most < 1:
        text = f"Invalid value at 'generation_config.max_output_tokens': {most} is not positive."
        return refusal("invalid_request", text)
    return None


def _opening(call: Call, body: Mapping[str, Any], voice: _Voice) -> dict[str, Any]:
    """The interaction as it begins."""
    now = to_seconds(call)
    last = "" if body.get("store") is False else "v1_" + call.identity.urlsafe("interaction", 72)
    value: dict[str, Any] = {"id": last, "object": "interaction", "status": "in_progress"}
    value |= {"agent": voice.agent} if voice.agent else {"model": voice.model.id}
    for name in ("previous_interaction_id", "service_tier", "labels"):
        if body.get(name):
            value[name] = body[name]
    return value | {"created": now, "updated": now}


def _ended(
    call: Call, body: Mapping[str, Any], model: Model, steps: tuple[Step, ...], opening: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Step, ...]]:
    """The interaction as it ends, and the steps it adds."""
    identity = call.identity
    stamp = Stamp(*(call.is_vertex, model.id, identity.response_id, rfc3339(call.now), identity.call_id), identity.seed)
    outcome = outcome_of(whole_answer(generate_request(body, steps), stamp), identity)
    value = {**opening, "status": outcome.status, "steps": list(outcome.steps), "usage": outcome.usage}
    if outcome.errors:
        value["errors"] = list(outcome.errors)
    return value, outcome.steps
