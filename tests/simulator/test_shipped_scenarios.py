"""Each shipped scenario, its client's side played against its server's: both end well, and it costs what it says."""

import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from both_sides import play_both

from understudy.library import load, scenario_ids
from understudy.price_books import price_book
from understudy.pricing.cost import Cost, combined
from understudy.pricing.explain import explain
from understudy.pricing.sessions import cost_of_session
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.match import Facts, Hit, Matcher
from understudy.scenario.model import (
    Call,
    Download,
    OperationError,
    OperationResponse,
    Poll,
    Scenario,
    Start,
    StartOperation,
    StreamChunk,
    Videos,
)
from understudy.surfaces import Surface
from understudy.usage.live import LiveReader
from understudy.usage.operations import veo_request
from understudy_simulator.cues import (
    Answer,
    AnswerStream,
    Arrived,
    BeginOperation,
    Elapsed,
    Event,
    Finished,
    Gone,
    Opened,
    Unexpected,
    Wait,
)
from understudy_simulator.operations import VideoSource, operation_answer
from understudy_simulator.operations import begun as begun_operation
from understudy_simulator.playback import Playback
from understudy_simulator.validation.rules import request_rules

BOOK = price_book("frozen")
VALUES = {"model": "m", "model_path": "models/m", "response_id": "id", "create_time": "2026-01-01T00:00:00Z"}
LIVE = [name for name in scenario_ids() if name.startswith("live/")]
VEO = [name for name in scenario_ids() if name.startswith("veo/")]
NOT_BEGUN = {"veo/gemini-daily-quota"}
"""Starts that are refused."""
HTTP = [name for name in scenario_ids() if name.startswith(("gemini/", "vertex/"))]
DAY = date(2026, 1, 1)


def cost_of_answer(scenario: Scenario, method: str, body: bytes, content_type: str) -> Cost:
    return explain(BOOK, scenario.surface.provider, scenario.model, method, body, content_type, date=DAY)


# ---- Live


def usage_of(scenario: Scenario, messages: Iterator[Any]) -> dict[str, dict[str, int]]:
    """The counts of all usage frames, by side and modality: thinking is text of the answer, tool use of the prompt."""
    output = "candidates" if scenario.surface.is_vertex else "response"
    found: dict[str, Counter[str]] = {"prompt": Counter(), "response": Counter()}
    for message in messages:
        usage = message.get("usageMetadata", {})
        assert not usage or usage.keys() - {f"{output}TokenCount"} <= USAGE_WORDS | {f"{output}TokensDetails"}
        for side, word in (("prompt", "prompt"), ("response", output), ("prompt", "toolUsePrompt")):
            found[side] += counted(usage.get(f"{word}TokenCount", 0), usage.get(f"{word}TokensDetails", []))
        found["response"]["text"] += usage.get("thoughtsTokenCount", 0)
    return {side: dict(+counts) for side, counts in found.items() if counts.total()}


def transcribed(messages: Iterator[Any]) -> str:
    """What was written down of both sides' speech."""
    contents = [message.get("serverContent", {}) for message in messages]
    names = ("inputTranscription", "outputTranscription")
    return "".join(content.get(name, {}).get("text", "") for content in contents for name in names)


USAGE_WORDS = {
    *("promptTokenCount", "promptTokensDetails", "toolUsePromptTokenCount", "toolUsePromptTokensDetails"),
    *("thoughtsTokenCount", "totalTokenCount", "trafficType"),
}


def counted(whole: int, details: list[dict[str, Any]]) -> Counter[str]:
    """One count by modality: what the details leave over is the one entry's without a count, else text."""
    counts: Counter[str] = Counter()
    for entry in details:
        counts[entry["modality"].lower()] += entry.get("tokenCount", 0)
    [owner] = [entry["modality"].lower() for entry in details if "tokenCount" not in entry] or ["text"]
    counts[owner] += whole - counts.total()
    assert min(counts.values(), default=0) >= 0
    return +counts


@pytest.mark.parametrize("name", LIVE)
def test_a_live_scenario_is_played_to_its_end_and_costs_what_it_says(name: str):
    scenario = load(name)
    played = play_both(scenario, VALUES)
    assert played.mistakes == []
    reader = LiveReader(scenario.surface.provider)
    for sender, message in played.messages:
        (reader.client_message if sender == "client" else reader.server_message)(message)
    cost = cost_of_session(BOOK, scenario.surface.provider, replace(reader.finish(), model=scenario.model), date=DAY)
    assert cost.total == scenario.expect.cost
    assert usage_of(scenario, map(json.loads, played.said_by("server"))) == scenario.expect.usage
    # Transcriptions are paid as text of the answer (pricing 8).
    written = transcribed(map(json.loads, played.said_by("server")))
    assert scenario.expect.usage.get("response", {}).get("text", 0) >= len(written) // 4 or not scenario.expect.usage
    closed = played.closed_by == "server" and played.code is not None
    assert scenario.expect.close == (played.code if closed else None)


@pytest.mark.parametrize("name", ["live/text-turn", "live/tool-call", "live/gemini-text-turn", "live/gemini-tool-call"])
def test_the_spellings_of_googles_client_fit_too(name: str):
    playback = Playback(load(name).server, VALUES)
    setup: dict[str, Any] = {"model": "models/x", "generation_config": {"response_modalities": ["TEXT"]}}
    said: list[dict[str, Any]] = [
        {"setup": {**setup, "tools": [{"function_declarations": [{"name": "get_weather"}]}]}},
        {"client_content": {"turns": [{"parts": [{"text": "Hi"}], "role": "user"}], "turn_complete": True}},
    ]
    if "tool" in name:
        answer = {"id": "1", "name": "get_weather", "response": {"output": "sunny"}}
        said.append({"tool_response": {"function_responses": [answer]}})
    pending: deque[Event] = deque(
        [Opened(), *(Arrived(LazyJson(json.dumps(one).encode())) for one in said), Gone(1000)]
    )
    while pending:
        for action in playback.on(pending.popleft()):
            assert not isinstance(action, Unexpected)
            if isinstance(action, Wait):
                pending.appendleft(Elapsed(action.id))
    assert playback.finished


# ---- HTTP


def answers(scenario: Scenario) -> Iterator[tuple[Call, int, bytes, str]]:
    """Each call of the client (and its retries) with status, body and content type of its answer."""
    playback = Playback(scenario.server)
    matcher = Matcher([scenario])
    for call in scenario.client:
        assert isinstance(call, Call)
        for _ in range(1 + (call.retry.at_most if call.retry else 0)):
            body = LazyJson(call.payload.fill(VALUES))
            facts = Facts(scenario.surface, call.method, model=scenario.model, query=call.query, body=body)
            assert isinstance(matcher.find(facts), Hit)
            [action] = [one for one in playback.answer(body) if one != Finished()]
            match action:
                case Answer(reply):
                    yield call, reply.status, reply.payload.fill(VALUES), "application/json"
                    if not (call.retry and reply.status in call.retry.on):
                        break
                case AnswerStream(stream):
                    events = [part.payload.fill(VALUES) for part in stream.parts if isinstance(part, StreamChunk)]
                    yield (
                        call,
                        stream.status,
                        b"".join(b"data: " + event + b"\r\n\r\n" for event in events),
                        "text/event-stream",
                    )
                    break
                case _:
                    pytest.fail(str(action))
    assert playback.finished


@pytest.mark.parametrize("name", HTTP)
def test_an_http_scenario_is_played_to_its_end_and_costs_what_it_says(name: str):
    scenario = load(name)
    seen = list(answers(scenario))
    assert tuple(status for _, status, _, _ in seen) == scenario.expect.statuses
    assert scenario.expect.upstream_requests in (None, len(seen))
    costs = [cost_of_answer(scenario, call.method, body, kind) for call, status, body, kind in seen if status == 200]
    assert combined(costs).total == scenario.expect.cost


@pytest.mark.parametrize("name", [name for name in HTTP if not name.endswith("quota-burst-then-success")])
def test_an_answer_has_the_members_of_its_service(name: str):
    scenario = load(name)
    for call, status, body, kind in answers(scenario):
        if status != 200 or call.method == "countTokens":
            continue
        texts = (
            [line.removeprefix(b"data: ") for line in body.splitlines() if line] if kind.endswith("stream") else [body]
        )
        for text in texts:
            answer = json.loads(text)
            [candidate] = answer["candidates"]
            vertex = scenario.surface is Surface.VERTEX
            assert ("createTime" in answer, "index" in candidate) == (vertex, not vertex)
            assert list(candidate["content"]) == (["role", "parts"] if vertex else ["parts", "role"])
            assert ("trafficType" in answer["usageMetadata"]) == vertex


# ---- VEO


@pytest.mark.parametrize("name", [name for name in VEO if name not in NOT_BEGUN])
def test_a_veo_scenario_is_played_to_its_end_and_costs_what_it_says(name: str):
    scenario = load(name)
    start, *rest = scenario.client
    polls = [step for step in rest if isinstance(step, Poll)]
    assert isinstance(start, Start) and polls
    body = start.payload.fill(VALUES)
    [begun, finished] = Playback(scenario.server).answer(LazyJson(body))
    assert isinstance(begun, BeginOperation) and finished == Finished()
    service = "vertex" if scenario.surface.is_vertex else "gemini"
    assert request_rules(service, "predictLongRunning", scenario.model, json.loads(body)) is None
    outcome, running = begun.operation.outcome, begun.operation.running_polls
    last = "error" if isinstance(outcome, OperationError) else "done"
    is_over = running < polls[-1].at_most and begun.operation.gone_after_s is None
    failed = begun.operation.failing_polls
    if scenario.expect.polls:
        assert scenario.expect.polls == ("running",) * min(running, polls[-1].at_most) + (last,) * is_over
        seen = len(scenario.expect.polls)
    else:
        seen = len(scenario.expect.statuses) - 1 - sum(isinstance(step, Download) for step in rest)
    delivered = outcome.count if isinstance(outcome, Videos) and is_over else 0
    downloads = delivered * sum(isinstance(step, Download) for step in rest)
    assert scenario.expect.upstream_requests == 1 + seen + downloads
    assert failed < len(polls)
    if isinstance(outcome, OperationResponse):
        assert outcome.value["raiMediaFilteredCount"] == len(outcome.value["raiMediaFilteredReasons"]) == 1
    request = veo_request(body)
    wanted = outcome.count + outcome.filtered if isinstance(outcome, Videos) else request.sample_count
    assert request.sample_count == wanted
    seen_done = answer_of_the_last_poll(scenario, begun.operation, polls[-1].at_most if is_over else 0)
    cost = explain(
        *(BOOK, scenario.surface.provider, scenario.model, "fetchPredictOperation", seen_done, "application/json"),
        date=DAY,
        request=body,
    )
    assert cost.total == scenario.expect.cost


def answer_of_the_last_poll(scenario: Scenario, start: StartOperation, polls: int) -> bytes:
    """What the wire carries when the client has polled so often."""
    files = tuple(f"file{at}" for at in range(start.outcome.count if isinstance(start.outcome, Videos) else 0))
    is_vertex = scenario.surface.is_vertex
    now = datetime(2026, 1, 1, tzinfo=UTC)
    operation = begun_operation(
        start, name="models/m/operations/o", scope="", is_vertex=is_vertex, files=files, now=now, speed=0
    )
    for _ in range(polls + start.failing_polls):
        operation = operation.polled(now)
    return json.dumps(operation_answer(operation, VideoSource(lambda film, mark: b"film", "h", "v1"))).encode()
