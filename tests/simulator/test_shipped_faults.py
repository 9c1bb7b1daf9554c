"""Every shipped fault, laid over what the simulator answers by itself: it takes effect, and looks as its title says."""

import asyncio
import json
import struct

import pytest
from simulator_rig import BEARER, FLASH, HELLO, KEY, VERTEX_FLASH, ask, simulator, until
from test_faults_on_sockets import raw
from test_live_faults import HELLO as LIVE_HELLO
from test_live_faults import READY, session

from understudy.library import load, load_all
from understudy_simulator.clock import ManualClock

SSE = f"{FLASH}:streamGenerateContent?alt=sse"
ARRAY = f"{FLASH}:streamGenerateContent"
VEO = "/v1beta/models/veo-3.0-generate-preview"
FILM = {"instances": [{"prompt": "x"}]}
SCENARIOS = {scenario.id.removeprefix("faults/"): scenario for scenario in load_all(["faults"])}
OVER_HTTP = [
    name for name, one in SCENARIOS.items() if "gemini" in (one.match.surface or ("gemini",)) and not one.server
]
OVER_LIVE = [
    name
    for name, one in SCENARIOS.items()
    if one.faults and one.match.path is None and "gemini-live" in (one.match.surface or ("gemini-live",))
]
NOT_ON_LIVE = {
    "wrong-content-type",
    "slow-head",
    "ends-early",
    "no-finish-reason",
    "split-characters",
    "handle-rejected",
}
"""They have nothing to change in a plain session."""

NOT_ON_HTTP = {"quota-then-room"}
HANDSHAKES = {"handshake-reset", "handshake-unanswered"}
CHANCE = {"flaky", "reset-now-and-then"}
PLACED = {name for name, one in SCENARIOS.items() if one.match.path is not None}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_shipped_fault_has_a_title_and_is_one_of_the_tables(name):
    scenario = SCENARIOS[name]
    assert scenario.title and (scenario.faults or scenario.server)


@pytest.mark.parametrize("name", sorted(set(OVER_HTTP) - NOT_ON_HTTP - CHANCE - PLACED))
@pytest.mark.parametrize("target", [SSE, ARRAY])
async def test_a_fault_befalls_streams_in_both_framings(name, target):
    body = {"contents": [{"role": "user", "parts": [{"text": "Grüße, was gibt es Neues in der schönen Übersicht?"}]}]}
    async with simulator() as running, raw(running) as client:
        running.stage.arm(load(f"faults/{name}"))
        client.post(target, body)
        try:
            async with asyncio.timeout(0.5 if name in ("no-answer", "silent-stop", "half-close") else 10):
                await client.reader.readuntil(b"\r\n0\r\n\r\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        [exchange] = running.stage.recorder.transcript().exchanges
        assert exchange.origin.faults, exchange
        assert all(f"faults/{name}" in fault for fault in exchange.origin.faults)


@pytest.mark.parametrize("name", sorted(set(OVER_LIVE) - NOT_ON_LIVE - CHANCE - HANDSHAKES))
async def test_a_fault_befalls_a_session(name):
    async with simulator() as running:
        running.stage.arm(load(f"faults/{name}"))
        async with session(running, setup=name != "upgrade-refused") as client:
            if client.status == 101:
                client.send(LIVE_HELLO)
                client.send(b"", 0x9)
            try:
                async with asyncio.timeout(0.3):
                    while await client.reader.read(1 << 20):
                        pass
            except (TimeoutError, ConnectionError):
                pass
        await until(lambda: running.stage.recorder.transcript().sessions)
        [found] = running.stage.recorder.transcript().sessions
        # Two of them are seen by what does not come, or only when all is over.
        assert found.origin.faults or name in ("pings-unanswered", "slow-close"), found


async def test_what_is_left_to_chance_comes_as_often_as_it_says():
    async with simulator() as running:
        running.stage.arm(load("faults/reset-now-and-then"))
        answers = [await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, body=HELLO) for _ in range(300)]
    assert 10 <= sum(answer.reset for answer in answers) <= 55
    assert {answer.status for answer in answers if not answer.reset} == {200}


async def test_flaky_requests_fail_in_three_ways():
    async with simulator() as running:
        running.stage.arm(load("faults/flaky"))
        for _ in range(100):
            await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, body=HELLO)
        kinds = [
            fault.split()[0] for seen in running.stage.recorder.transcript().exchanges for fault in seen.origin.faults
        ]
    assert set(kinds) == {"reset_peer", "truncate", "latency"} and 8 <= len(kinds) <= 35


async def test_a_bad_start_ends():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(load("faults/bad-start"))
        early = [
            (await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, body=HELLO)).status for _ in range(40)
        ]
        clock.advance(31)
        late = (await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, body=HELLO)).status
    assert set(early) == {503, 500} and early.count(503) > early.count(500) and late == 200


async def test_quota_comes_back():
    async with simulator() as running:
        running.stage.arm(load("faults/quota-then-room"))
        answers = [await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO) for _ in range(4)]
    assert [answer.status for answer in answers] == [429, 429, 429, 200]
    assert "retryDelay" in json.dumps(answers[0].json)


@pytest.mark.parametrize("name", ["expired-token", "unauthorized-once", "project-refused", "no-capacity"])
async def test_refusals_of_vertex(name):
    target = f"{VERTEX_FLASH}:generateContent".replace("/p/", "/refused-project/")
    async with simulator() as running:
        running.stage.arm(load(f"faults/{name}"))
        statuses = [(await ask(running.http_url, "POST", target, BEARER, body=HELLO)).status for _ in range(20)]
    first = {"expired-token": 401, "unauthorized-once": 401, "project-refused": 403}.get(name)
    assert first is None or statuses[0] == first
    assert (statuses[1] == 200) == (name in ("unauthorized-once",)) or name == "no-capacity"
    assert name != "no-capacity" or set(statuses) == {200, 429}


@pytest.mark.parametrize("name", ["token-endpoint-down", "token-refused", "wrong-audience", "token-endpoint-late"])
async def test_the_token_endpoint_fails(name):
    async with simulator() as running:
        running.stage.arm(load(f"faults/{name}"))
        answer = await ask(running.http_url, "POST", "/token", body=b"grant_type=x")
        [exchange] = running.stage.recorder.transcript().exchanges
        assert answer.status == (503 if name == "token-endpoint-down" else 400)
        assert exchange.origin.faults
        other = await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, body=HELLO)
        assert other.status == 200


@pytest.mark.parametrize(
    ("name", "polls"),
    [
        ("polls-fail-twice", [503, 503, 200]),
        ("operation-gone", [404, 404, 404]),
        ("operation-never-done", ["running"] * 3),
        ("operation-fails", ["running", "error", "error"]),
        ("videos-filtered", ["running", "filtered", "filtered"]),
    ],
)
async def test_operations_fail(name, polls):
    async with simulator() as running:
        running.stage.arm(load(f"faults/{name}"))
        begun = await ask(running.http_url, "POST", f"{VEO}:predictLongRunning", KEY, body=FILM)
        answers = [await ask(running.http_url, "GET", f"/v1beta/{begun.json['name']}", KEY) for _ in range(3)]
    for answer, said in zip(answers, polls, strict=True):
        text = json.dumps(answer.json)
        found = {"running": '"done"' not in text, "error": '"code": 13' in text, "filtered": "raiMediaFiltered" in text}
        assert answer.status == said if isinstance(said, int) else found[said]


async def test_a_handle_is_rejected_and_a_new_session_is_not():
    setup = {"setup": {"model": "models/gemini-live-2.5-flash", "sessionResumption": {"handle": "h"}}}
    async with simulator() as running:
        running.stage.arm(load("faults/handle-rejected"))
        async with session(running) as client:
            assert (await client.frame()).payload == READY
        async with session(running, setup=False) as client:
            client.send(setup)
            found = await client.frame()
            assert found.payload == struct.pack("!H", 1008) + b"BidiGenerateContent session not found"
