"""Faults laid over whatever is answered: which requests they befall, and what the transcript and the counts say."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import BEARER, FLASH, HELLO, KEY, VERTEX_FLASH, ask, scenario, simulator, until

from understudy.scenario.match import Facts
from understudy.scenario.parse import parse_scenario
from understudy.surfaces import Surface
from understudy_simulator.clock import ManualClock
from understudy_simulator.ids import Identity
from understudy_simulator.layers import Layer

UNARY = f"{FLASH}:generateContent"
SSE = f"{FLASH}:streamGenerateContent?alt=sse"
START = datetime(2026, 1, 1, tzinfo=UTC)
HERE = Facts(Surface.GEMINI, "generateContent", "/x", "gemini-2.5-flash")


def over(*faults, **words):
    """A scenario that only lays faults over what others answer."""
    document = {"id": "test/over", "title": "t", "surface": "gemini", "model": "*", "faults": list(faults)}
    return parse_scenario(document | words)


async def call(running, target=UNARY, **words):
    return await ask(running.http_url, "POST", target, KEY, body=words.get("body", HELLO))


def exchanges(running):
    return running.stage.recorder.transcript().exchanges


def come(layer, number, *, facts=HERE, seconds=0.0, seed=0):
    """The causes of what comes over request `number`."""
    now = START + timedelta(seconds=seconds)
    return [one.what.kind for one in layer.injected(facts, Identity(seed, facts.scope, number), now)]


# ---- triggers


@pytest.mark.parametrize(
    ("trigger", "befallen"),
    [({}, [1, 2, 3, 4]), ({"always": True}, [1, 2, 3, 4]), ({"nth": 3}, [3]), ({"first": 2}, [1, 2])],
)
def test_triggers_count_requests(trigger, befallen):
    layer = Layer(over({"fault": {"stop": True}, **trigger}), START)
    assert [number for number in range(1, 5) if come(layer, number)] == befallen


def test_only_requests_that_fit_are_counted():
    layer = Layer(over({"fault": {"stop": True}, "nth": 2}, model="gemini-2.5-*"), START)
    other = HERE._replace(model="gemini-3")
    assert [bool(come(layer, 1, facts=facts)) for facts in (HERE, other, HERE, HERE)] == [False, False, True, False]


def test_an_entry_may_have_a_match_of_its_own():
    entry = {"fault": {"stop": True}, "first": 1, "match": {"method": "stream*"}}
    layer = Layer(over(entry, {"fault": {"end": True}}), START)
    stream = HERE._replace(method="streamGenerateContent")
    assert [come(layer, 1, facts=facts) for facts in (HERE, stream, stream)] == [["end"], ["stop", "end"], ["end"]]


def test_until_is_scenario_time_since_it_was_armed_or_started_over():
    layer = Layer(over({"fault": {"stop": True}, "until": "10s"}), START)
    assert [bool(come(layer, 1, seconds=at)) for at in (0, 9.9, 10, 11)] == [True, True, False, False]
    layer.start_over("", START + timedelta(seconds=20))
    assert [bool(come(layer, 1, seconds=at)) for at in (20, 29, 30)] == [True, True, False]


def test_scopes_are_counted_apart_and_start_over_apart():
    layer = Layer(over({"fault": {"stop": True}, "first": 1}), START)
    a, b = HERE._replace(scope="a"), HERE._replace(scope="b")
    assert [bool(come(layer, 1, facts=facts)) for facts in (a, b, a, b)] == [True, True, False, False]
    layer.start_over("a", START)
    assert [bool(come(layer, 1, facts=facts)) for facts in (a, b)] == [True, False]


FLAKY = [
    {"fault": {"reset_peer": True}, "probability": 0.2},
    {"fault": {"stop": True}, "probability": 0.3},
    {"fault": {"hang_up": True}, "probability": 0.1},
]


def test_probabilities_are_one_choice_and_each_comes_as_often_as_it_says():
    layer = Layer(over(*FLAKY, seed=1), START)
    drawn = [come(layer, number) for number in range(1, 10_001)]
    assert max(map(len, drawn)) == 1
    counts = Counter(kind for kinds in drawn for kind in kinds)
    # Four standard deviations of a binomial count.
    for kind, share in (("reset_peer", 0.2), ("stop", 0.3), ("hang_up", 0.1)):
        assert abs(counts[kind] - 10_000 * share) < 4 * (10_000 * share * (1 - share)) ** 0.5


def test_chance_depends_on_both_seeds_the_scope_and_the_number_alone():
    numbers = range(1, 200)
    layer = Layer(over(*FLAKY, seed=1), START)
    drawn = [come(layer, number) for number in numbers]
    assert drawn == [come(Layer(over(*FLAKY, seed=1), START), number) for number in numbers]
    assert drawn == [come(layer, number) for number in reversed(numbers)][::-1]
    assert drawn != [come(layer, number, seed=9) for number in numbers]
    assert drawn != [come(Layer(over(*FLAKY, seed=2), START), number) for number in numbers]
    assert drawn != [come(layer, number, facts=HERE._replace(scope="s")) for number in numbers]


def test_of_those_with_a_weight_one_comes_in_proportion():
    entries = [
        {"fault": {"stop": True}, "weight": 3},
        {"fault": {"end": True}, "weight": 1},
        {"fault": {"jitter": "1s"}},
    ]
    layer = Layer(over(*entries, seed=1), START)
    drawn = Counter(tuple(sorted(come(layer, number))) for number in range(1, 4001))
    assert drawn.keys() == {("jitter", "stop"), ("end", "jitter")}
    assert abs(drawn["jitter", "stop"] - 3000) < 4 * 4000**0.5 * 0.44


@given(shares=st.lists(st.floats(0.01, 0.2), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_whatever_the_shares_at_most_one_comes(shares, seed):
    entries = [{"fault": {"stop": True}, "probability": share} for share in shares]
    layer = Layer(over(*entries, seed=seed), START)
    assert all(len(come(layer, number)) <= 1 for number in range(1, 30))


# ---- over real answers


async def test_what_the_simulator_answers_by_itself_is_befallen_too():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"truncate": 5}, "nth": 2}))
        answers = [await call(running) for _ in range(3)]
    assert [answer.complete for answer in answers] == [True, False, True]
    assert answers[1].body == answers[0].body[:5]


async def test_the_transcript_names_the_cause_and_the_scope_counts():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"hang_up": True}, "first": 2}))
        for _ in range(3):
            await call(running)
        assert [seen.origin.faults for seen in exchanges(running)] == [
            ("hang_up (test/over: first 2)",),
            ("hang_up (test/over: first 2)",),
            (),
        ]
        [state] = running.stage.scopes()
        assert (state.faults, state.armed) == ({"hang_up": 2}, ("test/over",))
        running.stage.reset("")
        assert running.stage.scopes()[0].faults == {}


async def test_it_ends_with_the_reset_of_its_scope():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"hang_up": True}}))
        assert (await call(running)).status == 0
        running.stage.reset("")
        assert (await call(running)).status == 200


async def test_an_error_in_the_place_of_answers_uses_no_scenario_up():
    async with simulator(strict=True) as running:
        running.stage.arm(over({"error": "unavailable", "first": 2}))
        running.stage.arm(scenario([{"reply": {"text": "one"}}]))
        answers = [await call(running) for _ in range(3)]
        assert [answer.status for answer in answers] == [503, 503, 200]
        assert answers[2].body == b"one"
        first = exchanges(running)[0].origin
        assert (first.scenario, first.faults) == ("test/over", ("reply 503 (test/over: first 2)",))


async def test_several_come_together():
    async with simulator() as running:
        running.stage.arm(over({"reply": {"status": 502, "text": "0123456789"}}, {"fault": {"slice": 4}}))
        answer = await call(running)
    assert (answer.status, answer.chunks) == (502, [b"0123", b"4567", b"89"])


@pytest.mark.parametrize("target", [SSE, f"{FLASH}:streamGenerateContent"])
async def test_a_chunk_by_its_number(target):
    async with simulator() as running:
        whole = await call(running, target)
        running.stage.arm(over({"fault": {"hang_up": True}, "at": 2}))
        answer = await call(running, target)
    assert len(whole.chunks) > 2 and not answer.complete and len(answer.chunks) == 1


async def test_faults_of_a_scenario_that_answers_befall_its_own_answers_alone():
    async with simulator() as running:
        steps = [{"reply": {"text": "one"}}, {"reply": {"text": "two"}}]
        running.stage.arm(scenario(steps, faults=[{"error": "overloaded", "nth": 1}, {"fault": {"shorten": 2}}]))
        answers = [await call(running) for _ in range(4)]
    assert [(answer.status, answer.body) for answer in answers[1:3]] == [(200, b"on"), (200, b"tw")]
    assert answers[0].status == 503
    assert answers[3].json["candidates"]


async def test_refusals_polls_and_any_path_are_befallen():
    everything = {"match": {"surface": "*", "path": "*"}}
    async with simulator() as running:
        running.stage.arm(over({"fault": {"content_type": "text/x"}}, **everything))
        for method, target in (("POST", UNARY), ("GET", "/v1beta/models"), ("GET", "/nowhere"), ("POST", "/token")):
            answer = await ask(running.http_url, method, target)
            assert answer.values("content-type") == ["text/x"], target


async def test_a_poll_fails_twice_and_recovers():
    veo = "/v1beta/models/veo-3.0-generate-preview"
    async with simulator() as running:
        running.stage.arm(over({"error": "unavailable", "first": 2}, match={"path": "*/operations/*"}))
        begun = await call(running, f"{veo}:predictLongRunning", body={"instances": [{"prompt": "x"}]})
        polls = [await ask(running.http_url, "GET", f"/v1beta/{begun.json['name']}", KEY) for _ in range(3)]
    assert [poll.status for poll in polls] == [503, 503, 200]


async def test_an_upload_is_refused_and_its_body_is_read():
    async with simulator() as running:
        running.stage.arm(over({"error": "unavailable", "first": 1}, match={"path": "/upload/*"}))
        head = ("X-Goog-Upload-Protocol", "raw")
        answers = [
            await ask(running.http_url, "POST", "/upload/v1beta/files", KEY, head, body=b"x" * 100) for _ in range(2)
        ]
    assert [answer.status for answer in answers] == [503, 200]


async def test_the_token_endpoint_fails_by_a_layer_and_by_a_scenario_that_names_it():
    refusal = {"reply": {"status": 400, "json": {"error": "invalid_grant", "error_description": "Invalid audience."}}}
    async with simulator() as running:
        running.stage.arm(over({"reply": {"status": 503}, "first": 1}, match={"path": "/token"}))
        running.stage.arm(scenario([{"reply": {"text": "not this"}}], match={"path": "*"}, model="*"))
        running.stage.arm(scenario([refusal], match={"path": "/token"}, model="*"))
        answers = [await ask(running.http_url, "POST", "/token", body=b"grant_type=x") for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 400, 400]
    assert answers[1].json["error_description"] == "Invalid audience."
    assert answers[2].json["error"] == "unsupported_grant_type"


async def test_one_project_is_refused():
    async with simulator() as running:
        layer = over({"error": "iam-denied"}, surface="vertex", match={"path": "/v1*/projects/q/*"})
        running.stage.arm(layer)
        targets = [f"{VERTEX_FLASH}:generateContent", f"{VERTEX_FLASH}:generateContent".replace("/p/", "/q/")]
        statuses = [(await ask(running.http_url, "POST", target, BEARER, body=HELLO)).status for target in targets]
    assert statuses == [200, 403]


async def test_a_layer_of_another_scope_does_nothing_here():
    async with simulator() as running:
        running.stage.arm(over({"fault": {"hang_up": True}}), scope="s")
        assert (await call(running)).status == 200
        answer = await ask(running.http_url, "POST", f"/~s{UNARY}", KEY, body=HELLO)
        assert answer.status == 0


async def test_parallel_requests_are_befallen_as_their_numbers_say():
    async def run(together):
        async with simulator() as running:
            running.stage.arm(over({"fault": {"jitter": "1s"}}, {"reply": {"status": 500}, "probability": 0.5}, seed=3))
            if together:
                await asyncio.gather(*(call(running) for _ in range(20)))
            else:
                for _ in range(20):
                    await call(running)
            await until(lambda: all(seen.failure != "not ended yet" for seen in exchanges(running)))
            answered = [(seen.id, seen.response, seen.origin.faults) for seen in exchanges(running)]
            return sorted((name, response and response.status, faults) for name, response, faults in answered)

    assert await run(together=True) == await run(together=False)


async def test_without_a_layer_an_answer_is_written_at_once():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        assert not running.stage.has_layers
        assert json.loads((await call(running)).body)["candidates"]
