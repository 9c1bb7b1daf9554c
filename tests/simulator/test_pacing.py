"""Answers that take as long as a profile says: over HTTP and Live, the same waits whatever runs beside."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import FLASH, HELLO, KEY, ask, scenario, simulator
from test_faults_on_sockets import raw
from test_live_faults import HELLO as LIVE_HELLO
from test_live_faults import session

from understudy.errors import ScenarioError
from understudy.scenario.latency import latency_profile
from understudy.scenario.model import Pause
from understudy_simulator.clock import ManualClock, RealClock
from understudy_simulator.ids import Identity
from understudy_simulator.pacing import LivePace, Pace, UnderWay, slowed, tokens_out
from understudy_simulator.replies import Outgoing
from understudy_simulator.settings import VideoRun

UNARY, SSE = f"{FLASH}:generateContent", f"{FLASH}:streamGenerateContent?alt=sse"
WAITS = {"connect": "1s", "first_token": "10s", "gap": "3s"}


def profile(**words):
    return latency_profile(words, name="test")


def pace(number: Any = 1, *, seed: Any = 0, scope="", under_way: Any = None, **words: Any):
    return Pace(profile(**words), Identity(seed, scope, number), under_way or UnderWay())


class Told(RealClock):
    """A clock that writes down what it was asked to wait for, and does not."""

    def __init__(self):
        super().__init__()
        self.waits = []

    async def sleep(self, seconds, speed=None):
        self.waits.append(round(seconds, 6))
        await asyncio.sleep(0)


# ---- pure


def waits_of(outgoing):
    return [wait.seconds for wait in (*outgoing.before, *outgoing.parts) if isinstance(wait, Pause)]


def test_waits_stand_before_the_head_and_between_chunks():
    chunks = Outgoing(parts=(b"a", b"b", b"c", b""))
    found = slowed(chunks, pace(**WAITS), tokens_in=0, is_new=True)
    assert found.before == (Pause(11.0),)
    assert found.parts == (b"a", Pause(3.0), b"b", Pause(3.0), b"c", b"")
    assert waits_of(slowed(chunks, pace(**WAITS), tokens_in=0, is_new=False)) == [10.0, 3.0, 3.0]
    assert waits_of(slowed(chunks, pace(**WAITS), tokens_in=None, is_new=True)) == [1.0]


def test_short_waits_are_waits_too():
    chunks = Outgoing(parts=(b"a", b"b"))
    assert waits_of(slowed(chunks, pace(connect="1ms"), tokens_in=None, is_new=True)) == [0.001]
    assert waits_of(slowed(chunks, pace(gap="1ms"), tokens_in=0, is_new=True)) == [0.001]
    assert waits_of(slowed(chunks, pace(first_token="1ms"), tokens_in=0, is_new=True)) == [0.001]


def test_tokens_take_their_time():
    words = {"per_token_in": "2s", "per_token_out": "1s"}
    body = b'{"text": "12345678", "x": 1}'
    assert waits_of(slowed(Outgoing(parts=(body, body)), pace(**words), tokens_in=5, is_new=False)) == [12.0, 2.0]


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (b'{"text": "12345"}', 2),
        (b'data: {"text": "1234"}\r\n\r\n{"text":"12"}', 2),
        (b'{"text": "a\\"bc"}', 2),
        (b'{"usageMetadata": {"candidatesTokenCount": 17}}', 17),
        (b"{}", 0),
    ],
)
def test_tokens_of_an_answer(data, tokens):
    assert tokens_out(data) == tokens


def test_load_makes_waits_longer():
    load = UnderWay()
    slow = pace(under_way=load, first_token="1s", load={"at": 3, "factor": 5})
    found = []
    for load.count in (1, 2, 3):
        found.append(slow.first(0))
    assert found == [1, 3, 5]


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.text("ab", max_size=3), st.integers(0, 50))
def test_a_wait_depends_on_seed_scope_number_and_place_alone(number, seed, scope, place):
    words = {"gap": {"uniform": {"low": "0s", "high": "1000s"}}, "first_token": {"gamma": {"shape": 2, "mean": "1s"}}}
    one, other = (pace(number, seed=seed, scope=scope, **words) for _ in range(2))
    other.drawn("first_token")
    other.drawn("gap", place + 1)
    assert one.drawn("gap", place) == other.drawn("gap", place)
    assert one.drawn("gap", place) != one.drawn("gap", place + 1)
    assert one.drawn("gap", place) != pace(number + 1, seed=seed, scope=scope, **words).drawn("gap", place)


def test_a_live_session_waits_for_setup_answers_and_gaps():
    live = LivePace(pace(**WAITS, setup="100s", per_token_in="1s"))
    live.heard(b'{"setup": {}}')
    found = [live.before(b"{}")]
    live.heard(b'{"text": "12345678"}')
    found += [live.before(b"{}"), live.before(b"{}"), live.before(b"{}")]
    assert found == [101, 12, 3, 3]


# ---- over sockets


async def test_the_simulators_own_answers_wait():
    clock = Told()
    async with simulator(clock=clock, latency=profile(**WAITS)) as running, raw(running) as client:
        client.post(UNARY)
        await client.reader.readuntil(b"0\r\n\r\n")
        assert clock.waits == [11]
        client.post(SSE)
        await client.reader.readuntil(b"0\r\n\r\n")
        assert clock.waits[1] == 10 and set(clock.waits[2:]) == {3}
        await ask(running.http_url, "GET", "/v1beta/models", KEY)
        assert clock.waits[-1] == 1
        assert running.stage.under_way.count == 0


async def test_scripted_answers_wait_on_top_of_their_pauses():
    clock = Told()
    async with simulator(clock=clock, latency=profile(**WAITS)) as running:
        chunks = [{"json": 1}, {"pause": "7s"}, {"json": 2}]
        running.stage.arm(scenario([{"stream": {"chunks": chunks}}]))
        await ask(running.http_url, "POST", SSE, KEY, body=HELLO)
    assert clock.waits == [11, 7, 3]


async def test_one_armed_scenario_has_a_profile_of_its_own():
    clock = Told()
    async with simulator(clock=clock) as running:
        running.stage.arm(scenario([{"reply": {"json": 1}}]), latency=profile(first_token="5s"))
        for _ in range(2):
            await ask(running.http_url, "POST", UNARY, KEY, body=HELLO)
    assert clock.waits == [5]


@pytest.mark.parametrize("is_scripted", [True, False])
async def test_a_video_takes_as_long_as_the_profile_says(is_scripted):
    clock = ManualClock()
    words = {"operation": "100s", "load": {"at": 2, "factor": 3}}
    async with simulator(clock=clock, speed=1.0, latency=profile(**words), video_run=VideoRun(0)) as running:
        if is_scripted:
            steps = [{"operation": {"running_for": "50s", "then": {"videos": 1}}}]
            running.stage.arm(scenario(steps, surface="gemini-veo", model="*"))
        operation = await begun(running)
        late = 150 if is_scripted else 100
        clock.advance(late - 1)
        assert "done" not in (await ask(running.http_url, "GET", operation, KEY)).json
        clock.advance(1)
        assert (await ask(running.http_url, "GET", operation, KEY)).json["done"]


async def test_videos_take_their_own_time_whatever_else_is_asked_for():
    async def run(before):
        clock = ManualClock()
        words = {"operation": {"uniform": {"low": "0s", "high": "1000s"}}}
        async with simulator(clock=clock, speed=1.0, latency=profile(**words), video_run=VideoRun(0)) as running:
            for _ in range(before):
                await ask(running.http_url, "GET", "/v1beta/models", KEY)
            operations = [await begun(running) for _ in range(2)]
            taken = dict.fromkeys(operations, 0)
            for _ in range(20):
                for operation in operations:
                    taken[operation] += "done" not in (await ask(running.http_url, "GET", operation, KEY)).json
                clock.advance(50)
            return list(taken.values())

    first, again = await run(0), await run(0)
    assert first == again and first[0] != first[1]
    assert await run(1) != first


async def begun(running):
    veo = "/v1beta/models/veo-3.0-generate-preview:predictLongRunning"
    answer = await ask(running.http_url, "POST", veo, KEY, body={"instances": [{"prompt": "x"}]})
    return f"/v1beta/{answer.json['name']}"


async def test_nothing_is_said_before_its_time():
    clock = ManualClock()
    async with simulator(clock=clock, latency=profile(**WAITS)) as running, raw(running) as client:
        client.post(UNARY)
        assert await client.is_silent()
        clock.advance(10.9)
        assert await client.is_silent()
        clock.advance(0.2)
        await client.reader.readuntil(b"0\r\n\r\n")


async def test_a_live_session_takes_its_time():
    clock = Told()
    async with simulator(clock=clock, latency=profile(**WAITS, setup="100s")) as running, session(running) as client:
        await client.frame()
        assert clock.waits == [101]
        client.send(LIVE_HELLO)
        while b"usageMetadata" not in (await client.frame()).payload:
            pass
        waits = [wait for wait in clock.waits[1:] if wait >= 1]
        assert waits[0] == 10 and set(waits[1:]) == {3}
        assert running.stage.under_way.count == 0


async def test_parallel_requests_wait_as_long_as_they_would_alone():
    async def run(together):
        clock = Told()
        words = {
            "first_token": {"gamma": {"shape": 2, "mean": "1s"}},
            "gap": {"log_normal": {"median": "1s", "sigma": 1}},
        }
        async with simulator(clock=clock, latency=profile(**words)) as running:
            if together:
                await asyncio.gather(*(ask(running.http_url, "POST", SSE, KEY, body=HELLO) for _ in range(20)))
            else:
                for _ in range(20):
                    await ask(running.http_url, "POST", SSE, KEY, body=HELLO)
        return sorted(clock.waits)

    assert await run(together=True) == await run(together=False)


async def test_the_control_api_takes_names_and_profiles():
    def load(name):
        if name != "known":
            raise ScenarioError([])
        return profile(first_token="5s")

    document = {"id": "x", "title": "t", "surface": "gemini", "model": "*", "server": [{"reply": {"json": 1}}]}
    clock = Told()
    async with simulator(clock=clock, load_latency=load) as running:
        for latency, status in (
            ("known", 200),
            ({"gap": "1s", "first_token": "2s"}, 200),
            ("other", 400),
            (3, 400),
            ({"a": 1}, 400),
        ):
            message = {"scenario": document, "latency": latency}
            answer = await ask(running.admin_url, "POST", "/__understudy__/v1/play", body=message)
            assert answer.status == status, latency
        for _ in range(2):
            await ask(running.http_url, "POST", UNARY, KEY, body=HELLO)
    assert clock.waits == [5, 2]
