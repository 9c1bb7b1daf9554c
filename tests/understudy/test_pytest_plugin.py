"""The pytest plugin in projects of its own, each in a process of its own: fixtures, marker, strictness, reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from understudy import scenarios
from understudy.errors import ScenarioError
from understudy.library import scenario_ids

pytest_plugins = ["pytester"]

ASK = '''
import asyncio, inspect, json, os, urllib.error, urllib.request
import pytest

PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
HELLO = b'{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'


def ask(url, path=PATH, body=HELLO, key="AIza-a-secret-key", method="POST", **headers):
    """Status and body of one request."""
    fields = {"x-goog-api-key": key, "content-type": "application/json"} | headers
    request = urllib.request.Request(url + path, body, fields, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True
'''

REPLY = {
    "id": "mine/reply",
    "title": "One answer",
    "surface": "gemini",
    "model": "gemini-2.5-flash",
    "server": [{"reply": {"json": {"said": "by the scenario"}}}],
}


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """One state folder for all, so that certificate and key are made once."""
    return tmp_path_factory.mktemp("understudy-home")


@pytest.fixture
def project(pytester, monkeypatch, home):
    """Runs a test module in a project of its own: `project(source, *options)`."""
    for name in ("UNDERSTUDY_KEY", "UNDERSTUDY_CONTROL_KEY", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNDERSTUDY_HOME", str(home))
    pytester.makepyfile(conftest=ASK)
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider\n")

    def run(source, *options):
        pytester.makepyfile(test_it=f"import pytest\nfrom conftest import *\nREPLY = {REPLY!r}\n{source}")
        return pytester.runpytest_subprocess("-q", *options, timeout=120)

    return run


# ---- what it costs to have it installed


def test_the_plugin_imports_pytest_and_nothing_else():
    code = (
        "import pytest, sys; before = set(sys.modules); import understudy.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.strip() == "['understudy', 'understudy.pytest_plugin']"


def test_a_project_that_uses_no_fixture_loads_nothing_of_ours(project):
    found = project(
        """
import sys

def test_nothing_is_loaded(request):
    assert request.config.pluginmanager.has_plugin("understudy")
    ours = {name for name in sys.modules if name.split(".")[0] in ("understudy", "understudy_simulator")}
    assert ours == {"understudy", "understudy.pytest_plugin"}
    assert not {"aiohttp", "pydantic", "requests", "yaml", "websockets"} & sys.modules.keys()
"""
    )
    found.assert_outcomes(passed=1)


def test_every_name_bears_the_prefix(project):
    found = project("", "--fixtures", "--help")
    ours = [line.split()[0] for line in found.outlines if line.strip().startswith("--understudy")]
    assert len(ours) >= 7
    found = project("def test_x(): pass", "--fixtures", "-v")
    listed = [line for line in found.outlines if "pytest_plugin.py" in line]
    assert listed and all(line.startswith("understudy_") for line in listed)


# ---- the handle


def test_a_test_plays_a_scenario_and_sees_what_came(project):
    found = project(
        """
def test_an_id(understudy_simulator):
    assert understudy_simulator.play("gemini/generate") == "gemini/generate"
    status, body = ask(understudy_simulator.url, PATH + "?x=%2F")
    assert status == 200 and b"candidates" in body
    [seen] = understudy_simulator.requests
    assert seen.target == PATH + "?x=%2F" and seen.body == HELLO
    assert b"AIza-a-secret-key" in seen.head
    [exchange] = understudy_simulator.transcript.exchanges
    assert exchange.response.body == body
    assert understudy_simulator.sessions == ()

def test_a_document_answers_as_often_as_it_is_told_to(understudy_simulator):
    assert understudy_simulator.requests == ()
    understudy_simulator.play(REPLY, times=2)
    assert [ask(understudy_simulator.url)[0] for _ in range(2)] == [200, 200]
    understudy_simulator.play(REPLY | {"id": "mine/for-ever"}, times=None)
    assert b"by the scenario" in ask(understudy_simulator.url)[1]

def test_a_file(understudy_simulator, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("title: t\\nsurface: gemini\\nmodel: gemini-2.5-flash\\nserver: [{reply: {text: own}}]\\n")
    assert understudy_simulator.play(path) == "own"
    assert ask(understudy_simulator.url) == (200, b"own")

async def test_a_session_in_an_async_test(understudy_simulator):
    from websockets.asyncio.client import connect

    live = {"id": "mine/live", "title": "t", "surface": "gemini-live", "model": "m", "match": {"model": "*"}}
    understudy_simulator.play(live | {"server": [{"receive": "any"}, {"send": {"text": "hi", "opcode": "text"}}]})
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k"
    async with connect(understudy_simulator.url.replace("http", "ws", 1) + path, proxy=None) as client:
        await client.send("hello")
        assert await client.recv() == "hi"
    [session] = understudy_simulator.sessions
    assert [frame.payload for frame in session.frames] == [b"hello", b"hi"]

def test_tokens_are_no_requests(understudy_simulator):
    assert ask(understudy_simulator.url, "/token", b"grant_type=x")[0] == 400
    assert understudy_simulator.requests == ()
    assert len(understudy_simulator.transcript.exchanges) == 1

def test_time_can_be_moved(understudy_simulator):
    import threading, time
    understudy_simulator.play(REPLY | {"server": [{"pause": "10m"}, REPLY["server"][0]]}, speed=1)
    asker = threading.Thread(target=ask, args=(understudy_simulator.url,))
    asker.start()
    while not understudy_simulator.requests:
        time.sleep(0.01)
    time.sleep(0.05)
    understudy_simulator.advance(600)
    asker.join(20)
    assert not asker.is_alive()
"""
    )
    found.assert_outcomes(passed=6)


# ---- strictness


def test_what_was_not_meant_fails_at_the_end(project):
    found = project(
        """
def test_nobody_answers(understudy_simulator):
    understudy_simulator.play(REPLY | {"match": {"last_text": "goodbye"}})
    assert ask(understudy_simulator.url, PATH + "?key=AIza-a-secret-key")[0] == 501

def test_nothing_is_played(understudy_simulator):
    understudy_simulator.play("gemini/generate")

def test_no_such_path(understudy_simulator):
    assert ask(understudy_simulator.url, "/nowhere")[0] == 404

def test_another_request_than_the_scenario_s(understudy_simulator):
    understudy_simulator.play(REPLY | {"server": [{"receive": {"json": {"a": 1}}}, REPLY["server"][0]]})
    assert ask(understudy_simulator.url)[0] == 501

async def test_a_session_that_nobody_answers(understudy_simulator):
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=AIza-a-secret-key"
    async with connect(understudy_simulator.url.replace("http", "ws", 1) + path, proxy=None) as client:
        await client.send('{"setup": {"model": "models/gemini-live-2.5-flash"}}')
        with pytest.raises(ConnectionClosed):
            await client.recv()

async def test_a_client_that_leaves_too_early(understudy_simulator):
    from websockets.asyncio.client import connect

    live = {"id": "mine/live", "title": "t", "surface": "gemini-live", "model": "m", "match": {"model": "*"}}
    understudy_simulator.play(live | {"server": [{"receive": "any"}, {"receive": "any"}]})
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=AIza-a-secret-key"
    async with connect(understudy_simulator.url.replace("http", "ws", 1) + path, proxy=None) as client:
        await client.send("hello")

def test_what_the_one_before_did_is_forgotten(understudy_simulator):
    understudy_simulator.play(REPLY)
    assert ask(understudy_simulator.url)[0] == 200
"""
    )
    found.assert_outcomes(passed=7, errors=6)
    said = found.stdout.str()
    for line in (
        f"POST {PATH}?key=*** was answered 501 by no scenario",
        "    nearest miss: mine/reply: last_text: wanted 'goodbye', found another text",
        "mine/reply was not played to its end",
        "gemini/generate was not played to its end",
        "POST /nowhere was answered 404 by no scenario",
        f"POST {PATH} was answered 501: mine/reply expects something else",
        "GenerativeService.BidiGenerateContent?key=*** was closed by the server with 1008",
        "?key=*** was closed by the client with 1000: mine/live expects something else",
    ):
        assert line in said, line
    assert "AIza-a-secret-key" not in said.replace('"?key=AIza-a-secret-key"', "").replace(
        "?key=AIza-a-secret-key'", ""
    )


PATH = "/v1beta/models/gemini-2.5-flash:generateContent"


def test_the_marker_arms_scenarios_and_changes_settings(project):
    found = project(
        """
import time

@pytest.mark.understudy("gemini/generate")
def test_it_arms(understudy_simulator):
    ask(understudy_simulator.url)
    assert understudy_simulator.transcript.exchanges[0].origin.scenario == "gemini/generate"

@pytest.mark.understudy("gemini/generate")
def test_it_arms_though_nobody_asks_for_the_simulator():
    pass

@pytest.mark.understudy(strict=False)
def test_not_strict(understudy_simulator):
    understudy_simulator.play("gemini/quota-exceeded")
    assert ask(understudy_simulator.url, "/v1beta/models/gemini-2.5-pro:generateContent")[0] == 200

@pytest.mark.understudy(strict=False)
class TestNested:
    @pytest.mark.understudy(strict=True)
    def test_the_nearest_counts(self, understudy_simulator):
        assert ask(understudy_simulator.url)[0] == 501

def test_strict_again(understudy_simulator):
    understudy_simulator.play(REPLY)
    assert ask(understudy_simulator.url)[0] == 200
    assert understudy_simulator.is_strict

@pytest.mark.understudy(speed=1)
def test_speed(understudy_simulator):
    understudy_simulator.play(REPLY | {"server": [{"pause": "300ms"}, REPLY["server"][0]]})
    began = time.monotonic()
    ask(understudy_simulator.url)
    assert time.monotonic() - began >= 0.3

@pytest.mark.understudy(sped=1)
def test_an_unknown_word(understudy_simulator):
    pass

@pytest.mark.understudy("gemini/genrate")
def test_an_unknown_id():
    pass
"""
    )
    found.assert_outcomes(passed=6, errors=4)
    said = found.stdout.str()
    assert "marker understudy: unknown word 'sped'; it knows speed, strict, verdicts" in said
    assert "did you mean 'gemini/generate'" in said
    assert said.count("gemini/generate was not played to its end") >= 1


def test_what_answers_for_ever_need_not_end(project):
    found = project(
        """
def test_endless(understudy_simulator):
    understudy_simulator.play(REPLY | {"server": [{"repeat": {"steps": REPLY["server"]}}]})
    assert ask(understudy_simulator.url)[0] == 200
"""
    )
    found.assert_outcomes(passed=1)


# ---- reports


def test_a_failed_test_shows_transcript_misses_and_seed_without_secrets(project):
    found = project(
        """
def test_it_fails(understudy_simulator):
    understudy_simulator.play(REPLY | {"match": {"last_text": "goodbye"}})
    url, query = understudy_simulator.url, "?key=" + "AIza-" + "in-the-query"
    ask(url, PATH + query, key="AIza-" + "in-the-header", authorization="Bearer ya29." + "in-the-header")
    assert 1 == 2
""",
        "--understudy-seed",
        "7",
    )
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(
        [
            "*- understudy transcript -*",
            f"POST {PATH}[?]key=<credential 1> -> 501, no scenario",
            "*X-Goog-Api-Key: <credential 2>",
            "*- understudy nearest misses -*",
            "mine/reply: last_text: wanted 'goodbye', found another text",
            "*- understudy seed -*",
            "7 (--understudy-seed 7)",
        ]
    )
    assert "AIza-in-the" not in found.stdout.str() and "ya29.in-the" not in found.stdout.str()
    assert "was not played to its end" not in found.stdout.str(), "one failure is enough"


def test_the_seed_decides_over_ids(project):
    source = """
@pytest.mark.understudy(strict=False)
def test_id(understudy_simulator):
    print("ID", json.loads(ask(understudy_simulator.url)[1])["responseId"])
"""

    def id_with(seed):
        found = project(source, "-s", "--understudy-seed", seed)
        return next(line.split("ID ")[1] for line in found.outlines if "ID " in line)

    assert id_with("1") == id_with("1") != id_with("2")


# ---- environment


def test_sdks_find_the_simulator_by_their_variables_for_one_test_only(project):
    found = project(
        """
import ssl

def test_set(understudy_env, understudy_server, understudy_simulator):
    assert os.environ["GOOGLE_GEMINI_BASE_URL"] == understudy_server.https_url
    assert understudy_env["GOOGLE_GEMINI_BASE_URL"] == understudy_server.https_url
    assert os.environ["GEMINI_API_KEY"] and "GOOGLE_API_KEY" not in os.environ
    with open(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]) as file:
        assert json.load(file)["token_uri"] == understudy_server.url + "/token"
    understudy_simulator.play(REPLY)
    trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    request = urllib.request.Request(os.environ["GOOGLE_GEMINI_BASE_URL"] + PATH, HELLO, {"x-goog-api-key": "k"})
    with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
        assert b"by the scenario" in answer.read()

def test_gone():
    assert not {"GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"} & os.environ.keys()
"""
    )
    found.assert_outcomes(passed=2)


# ---- several at once


def test_each_worker_has_a_simulator_of_its_own(project):
    found = project(
        """
@pytest.mark.parametrize("number", range(6))
def test_alone(understudy_simulator, number, worker_id):
    document = REPLY | {"server": [{"reply": {"text": f"answer {number}"}}]}
    understudy_simulator.play(document)
    assert ask(understudy_simulator.url)[1] == f"answer {number}".encode()
    assert len(understudy_simulator.requests) == 1
    print("URL", worker_id, understudy_simulator.url)
    assert number != 5
""",
        *("-n", "2", "-rA"),
    )
    found.assert_outcomes(passed=5, failed=1)
    urls = {tuple(line.split()[1:]) for line in found.outlines if line.startswith("URL ")}
    assert len(urls) == len({worker for worker, _ in urls}) == len({url for _, url in urls}) == 2
    found.stdout.fnmatch_lines(["*understudy transcript*", "*understudy seed*"])


def test_a_simulator_that_runs_already_is_shared_by_scopes(project):
    from understudy.wiring import Ports, alone

    source = """
@pytest.mark.parametrize("number", range(6))
def test_scoped(understudy_simulator, number, worker_id):
    understudy_simulator.play(REPLY | {"server": [{"reply": {"text": f"answer {number}"}}]})
    assert understudy_simulator.scope.startswith(f"pytest-{worker_id}-")
    assert ask(understudy_simulator.url)[1] == f"answer {number}".encode()
    [seen] = understudy_simulator.requests
    assert seen.target == PATH

def test_by_header(understudy_simulator, understudy_server):
    understudy_simulator.play(REPLY)
    assert ask(understudy_server.url, **{"x-understudy-scope": understudy_simulator.scope})[0] == 200

def test_unanswered(understudy_simulator):
    assert ask(understudy_simulator.url)[0] == 501

@pytest.mark.understudy(strict=False)
def test_lenient(understudy_simulator):
    assert ask(understudy_simulator.url)[0] == 200
"""
    import os

    folder = Path.cwd()
    with alone(folder, os.environ, [*Ports().options(), "--strict"], folder / "key.json", quiet=True) as server:
        assert server.ready.admin is not None
        found = project(source, "-n", "2", "--understudy-simulator", server.ready.admin)
    found.assert_outcomes(passed=9, errors=1)


def test_a_simulator_that_cannot_be_reached_is_said(project):
    found = project("def test_x(understudy_simulator): pass", "--understudy-simulator", "http://127.0.0.1:9")
    found.assert_outcomes(errors=1)
    found.stdout.fnmatch_lines(["*http://127.0.0.1:9: the simulator cannot be reached*"])


# ---- ids for parametrize


def test_ids_of_scenarios():
    assert scenarios() == scenario_ids()
    live, veo = scenarios("live"), scenarios("veo/")
    assert scenarios("live", "veo", "live") == (*live, *veo)
    assert live and all(name.startswith("live/") for name in live)
    assert scenarios("live/text-turn") == ("live/text-turn",)
    with pytest.raises(ScenarioError, match="did you mean 'live'"):
        scenarios("lives")


def test_a_test_that_is_skipped_has_not_left_its_scenario_unplayed(project):
    result = project(
        """
@pytest.mark.understudy("gemini/generate")
def test_later(understudy_simulator):
    pytest.skip("not today")
"""
    )
    result.assert_outcomes(skipped=1)


# ---- verdicts about the client

HASTY = """
HURRY = REPLY | {"server": [{"error": {"name": "quota-gemini", "retry_delay": "30s"}}, REPLY["server"][0]]}

@pytest.mark.understudy(verdicts="failed")
def test_asked(understudy_simulator):
    understudy_simulator.play(HURRY)
    assert [ask(understudy_simulator.url)[0] for _ in range(2)] == [429, 200]

@pytest.mark.understudy(verdicts="failed")
def test_warned_only(understudy_simulator):
    understudy_simulator.play(REPLY)
    ask(understudy_simulator.url, PATH + "?key=AIza-in-the-query")

@pytest.mark.understudy(verdicts="warned")
def test_warned(understudy_simulator):
    understudy_simulator.play(REPLY)
    ask(understudy_simulator.url, PATH + "?key=AIza-in-the-query")

def test_not_asked(understudy_simulator):
    understudy_simulator.play(HURRY)
    assert [ask(understudy_simulator.url)[0] for _ in range(2)] == [429, 200]
    assert [verdict.rule for verdict in understudy_simulator.verdicts] == ["retry_after_ignored"]

@pytest.mark.understudy(verdicts=None)
def test_asked_not_to(understudy_simulator):
    understudy_simulator.play(HURRY)
    assert [ask(understudy_simulator.url)[0] for _ in range(2)] == [429, 200]

@pytest.mark.understudy(verdicts="failed")
def test_waits(understudy_simulator):
    understudy_simulator.play(HURRY)
    ask(understudy_simulator.url)
    understudy_simulator.advance(31)
    assert ask(understudy_simulator.url)[0] == 200
"""


def test_a_client_that_behaves_badly_fails_its_test_where_that_is_asked_for(project):
    found = project(HASTY)
    found.assert_outcomes(passed=6, errors=2)
    said = found.stdout.str()
    assert "the client: failed retry_after_ignored: waited " in said
    assert "the client: warned key_in_query: 1 of 1 requests" in said
    assert "understudy verdicts" in said
    assert "AIza-in-the-query" not in "".join(line for line in said.splitlines() if "key_in_query" in line)


def test_all_tests_may_be_asked_for_verdicts(project):
    found = project(HASTY, "--understudy-verdicts", "warned", "--understudy-report")
    # Markers win over the option.
    found.assert_outcomes(passed=6, errors=3)
    lines = found.stdout.str().splitlines()
    told = [line for line in lines if line.startswith(("failed ", "warned "))]
    assert any(line.startswith("warned key_in_query") and line.endswith("::test_warned_only)") for line in told)
    assert any(line.startswith("failed retry_after_ignored") and "::test_asked_not_to" in line for line in told)


def test_an_unknown_level_is_told(project):
    found = project(
        """
@pytest.mark.understudy(verdicts="fatal", strict=False)
def test_it(understudy_simulator):
    pass
"""
    )
    found.assert_outcomes(passed=1, errors=1)
    found.stdout.fnmatch_lines(["*marker understudy: verdicts='fatal'; it knows 'failed', 'warned' and None*"])
