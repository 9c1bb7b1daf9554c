"""The control API over sockets, held to its shipped JSON Schemas."""

import asyncio
import json
from base64 import b64decode
from pathlib import Path

import jsonschema
import pytest
from simulator_rig import FLASH, HELLO, KEY, ask, scenario, simulator

import understudy
from understudy.errors import ScenarioError
from understudy.secret import Secret
from understudy.transcript_json import from_json
from understudy_simulator.clock import ManualClock
from understudy_simulator.control import PREFIX

SCHEMAS = Path(understudy.__file__).with_name("control_schemas")
DOCUMENT = {
    "id": "my/own",
    "title": "An inline scenario",
    "surface": "gemini",
    "model": "gemini-2.5-flash",
    "server": [{"reply": {"json": {"n": 1}}}],
}


def schema(name):
    return json.loads((SCHEMAS / f"{name}.json").read_text())


async def control(running, method, word, body=None, *headers, query=""):
    """The answer to one control request, both held to their schemas."""
    answer = await ask(running.admin_url, method, PREFIX + word + query, *headers, body=body)
    assert answer.values("x-content-type-options") == ["nosniff"]
    name = word if answer.status == 200 else "error"
    jsonschema.validate(answer.json, schema(f"{name}.response"))
    if body is not None and answer.status == 200:
        jsonschema.validate(body, schema(f"{word}.request"))
    return answer


def test_every_schema_is_a_schema():
    files = sorted(path.name for path in SCHEMAS.glob("*.json"))
    assert len(files) == 11
    for path in SCHEMAS.glob("*.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_every_route_is_described():
    text = (Path(understudy.__file__).parents[2] / "docs/reference/control-api.md").read_text()
    for path in SCHEMAS.glob("*.json"):
        assert path.name in text, path.name


async def test_health_says_how_it_was_started():
    async with simulator(seed=7, strict=True) as running:
        answer = await control(running, "GET", "health")
    assert answer.json["status"] == "ok"
    assert (answer.json["http"], answer.json["https"]) == (running.http_url, running.https_url)
    assert (answer.json["seed"], answer.json["strict"]) == (7, True)


async def test_an_inline_scenario_is_played():
    async with simulator(strict=True) as running:
        answer = await control(running, "POST", "play", {"scenario": DOCUMENT, "scope": "s"})
        assert answer.json == {"scenario": "my/own", "scope": "s", "carrier": "header", "times": 1, "speed": None}
        got = await ask(running.http_url, "POST", f"/~s{FLASH}:generateContent", KEY, body=HELLO)
        assert got.json == {"n": 1}
        [default, state] = (await control(running, "GET", "scopes")).json["scopes"]
        assert (default["name"], state["name"]) == ("", "s")
        assert (state["armed"], state["played_out"], state["requests"]) == ([], ["my/own"], 1)


async def test_a_scenario_is_found_by_its_id():
    def load(scenario_id):
        if scenario_id == "no/such":
            raise ScenarioError([])
        return scenario([{"reply": {"json": {}}}], id=scenario_id)

    async with simulator(load=load) as running:
        answer = await control(running, "POST", "play", {"scenario": "some/id", "times": None, "speed": 0.5})
        assert (answer.json["scenario"], answer.json["times"], answer.json["speed"]) == ("some/id", None, 0.5)
        assert (await control(running, "POST", "play", {"scenario": "no/such"})).status == 400


async def test_the_mistakes_of_an_inline_scenario_are_all_told():
    wrong = DOCUMENT | {"server": [{"reply": {"jsn": {}}}], "titel": "x"}
    async with simulator() as running:
        answer = await control(running, "POST", "play", {"scenario": wrong})
    assert answer.status == 400
    message = answer.json["error"]["message"]
    assert "jsn" in message and "titel" in message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "scenario: wanted"),
        ({"scenario": 3}, "scenario: wanted"),
        ({"scenario": "some/id"}, "no library"),
        ({"scenario": DOCUMENT, "scope": "a b"}, "scope must be"),
        ({"scenario": DOCUMENT, "scope": 1}, "scope: wanted text"),
        ({"scenario": DOCUMENT, "carrier": "mail"}, "carrier: wanted one of path, header, marker"),
        ({"scenario": DOCUMENT, "times": 0}, "times must be 1 or more"),
        ({"scenario": DOCUMENT, "times": "2"}, "times: wanted"),
        ({"scenario": DOCUMENT, "speed": -1}, "speed: wanted"),
        ({"scenario": DOCUMENT, "scpe": "a"}, "did you mean 'scope'?"),
        (b"nonsense", "is not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
async def test_a_play_that_cannot_be_is_refused(body, words):
    async with simulator() as running:
        answer = await control(running, "POST", "play", body)
    assert answer.status == 400
    assert words in answer.json["error"]["message"]


async def test_the_transcript_is_exact_and_by_scope():
    async with simulator() as running:
        odd = b'{"contents" : [{"parts":[{"text":"a"}]}]}'
        await ask(running.http_url, "POST", f"/~s{FLASH}:generateContent", KEY, body=odd)
        await ask(running.http_url, "GET", "/nowhere")
        whole = (await control(running, "GET", "transcript")).json
        assert len(whole["exchanges"]) == 2
        one = (await control(running, "GET", "transcript", query="?scope=s")).json
        [exchange] = one["exchanges"]
        assert b64decode(exchange["request"]["body"]) == odd
        assert ["x-goog-api-key", KEY[1]] in exchange["request"]["headers"]
        assert from_json(one) == running.stage.recorder.transcript("s")
        assert (await control(running, "GET", "transcript", query="?skope=s")).status == 400


async def test_reset_says_whether_what_no_scenario_answers_is_refused():
    async def statuses():
        answers = [
            await ask(running.http_url, "POST", f"{at}{FLASH}:generateContent", KEY, body=HELLO) for at in places
        ]
        return [answer.status for answer in answers]

    places = ("", "/~a")
    async with simulator(strict=True) as running:
        assert await statuses() == [501, 501]
        assert (await control(running, "POST", "reset", {"scope": "a", "strict": False})).status == 200
        assert await statuses() == [501, 200]
        assert (await control(running, "POST", "reset", {"scope": "a"})).status == 200
        assert await statuses() == [501, 501]
        assert (await control(running, "POST", "reset", {"strict": False})).status == 200
        assert await statuses() == [200, 200]
        assert (await control(running, "POST", "reset", {"scope": "a", "strict": True})).status == 200
        assert await statuses() == [200, 501]
        assert (await control(running, "POST", "reset", {"strict": "no"})).status == 400
        assert (await control(running, "POST", "reset", {})).status == 200
        assert await statuses() == [501, 501]


async def test_reset_forgets_one_scope_or_all():
    async with simulator() as running:
        for scope in ("a", "b"):
            await control(running, "POST", "play", {"scenario": DOCUMENT, "scope": scope})
        assert (await control(running, "POST", "reset", {"scope": "a"})).json == {}
        scopes = (await control(running, "GET", "scopes")).json["scopes"]
        assert [scope["name"] for scope in scopes] == ["", "b"]
        assert (await control(running, "POST", "reset", {"skope": "b"})).status == 400
        await control(running, "POST", "reset", {})
        scopes = (await control(running, "GET", "scopes")).json["scopes"]
        assert [scope["name"] for scope in scopes] == [""]


async def test_the_clock_is_moved_forward_only():
    async with simulator(clock=ManualClock()) as running:
        assert (await control(running, "GET", "clock")).json["now"] == "2026-01-01T00:00:00.000000Z"
        moved = await control(running, "POST", "clock", {"advance_s": 90.5})
        assert moved.json == {"now": "2026-01-01T00:01:30.500000Z", "monotonic_s": 90.5}
        for wrong in ({}, {"advance_s": -1}, {"advance_s": "1"}, {"advance_s": 1e12}, {"advance_s": True}):
            assert (await control(running, "POST", "clock", wrong)).status == 400


async def test_a_message_in_a_coding_is_no_json():
    async with simulator() as running:
        answer = await control(running, "POST", "play", b"xx", ("Content-Encoding", "gzip"))
    assert (answer.status, "the message is not JSON" in answer.json["error"]["message"]) == (400, True)


async def test_unknown_routes_and_methods_are_refused():
    async with simulator() as running:
        assert (await control(running, "GET", "helth")).status == 404
        assert "did you mean 'health'" in (await control(running, "GET", "helth")).json["error"]["message"]
        assert (await control(running, "DELETE", "transcript")).status == 405
        assert (await ask(running.admin_url, "GET", "/")).status == 404
        assert (await ask(running.http_url, "GET", f"{PREFIX}health")).status == 404


# ---- who may call


EVERY = [
    ("GET", "health"),
    ("POST", "play"),
    ("POST", "reset"),
    ("GET", "transcript"),
    ("GET", "verdicts"),
    ("GET", "clock"),
    ("POST", "clock"),
    ("GET", "scopes"),
]


async def test_the_list_of_routes_is_whole():
    async with simulator() as running:
        assert set(running._control.routes) == set(EVERY)


@pytest.mark.parametrize(("method", "word"), EVERY)
async def test_web_pages_and_strange_hosts_are_refused(method, word):
    async with simulator() as running:
        page = await control(running, method, word, None, ("Origin", "http://127.0.0.1:8901"))
        assert page.status == 403
        rebound = await ask(running.admin_url, method, PREFIX + word, ("Host", "evil.test"))
        # The first Host field is ours, so aiohttp refuses two of them, or we refuse the second.
        assert rebound.status in (400, 403)


async def test_a_strange_host_alone_is_refused():
    async with simulator() as running:
        port = running.admin_url.rpartition(":")[2]
        for host, status in (("evil.test", 403), (f"localhost:{port}", 200), ("[::1]", 200), ("", 403)):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(f"GET {PREFIX}health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            line = await reader.readline()
            assert line.split()[1] == str(status).encode(), host
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(("method", "word"), EVERY)
async def test_with_a_control_key_every_route_wants_it(method, word):
    async with simulator(control_key=Secret("k-1")) as running:
        for headers in ((), (("x-understudy-control-key", "k-2"),)):
            assert (await control(running, method, word, None, *headers)).status == 401
        right = await control(running, method, word, None, ("x-understudy-control-key", "k-1"))
        assert right.status in (200, 400)


async def test_a_reset_says_whether_any_body_passes():
    async with simulator() as running:
        wrong = {"contents": [{"parts": [{"text": "x"}]}], "colour": 1}
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=wrong)).status == 400
        await ask(running.admin_url, "POST", "/__understudy__/v1/reset", body={"any_body": True})
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=wrong)).status == 200
        refused = await ask(running.admin_url, "POST", "/__understudy__/v1/reset", body={"any_body": "yes"})
        assert refused.status == 400
        await ask(running.admin_url, "POST", "/__understudy__/v1/reset", body={})
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=wrong)).status == 400
