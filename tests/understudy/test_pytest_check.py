"""`understudy_check` in projects of its own: our gateway passes, a gateway that changes bodies does not."""

from pathlib import Path

import pytest

from understudy.conformance.model import Check, Finding, Verdict
from understudy.conformance.target import Target
from understudy.pytesting.checking import outcome_of
from understudy.pytesting.gateway import Gateway
from understudy.secret import Secret

pytest_plugins = ["pytester"]

GATEWAY = '''
import json, os
import pytest

KEY = "sk-of-the-project"


@pytest.fixture(scope="session")
def understudy_target(understudy_server, tmp_path_factory):
    """Our reference gateway, as any user would start theirs: its upstream is the simulator of the session."""
    from understudy.environment import server_environment
    from understudy.processes import running
    from understudy.wiring import UPSTREAM_KEY, Ports, gateway_config

    folder = tmp_path_factory.mktemp("gateway")
    config, spend = folder / "gateway.yaml", folder / "spend.jsonl"
    settings = {"price_book": "frozen", "keys": [{"id": "project", "key": "os.environ/PROJECT_KEY"}]}
    config.write_text(json.dumps(gateway_config(understudy_server.url, understudy_server.key_file, settings)))
    upstream = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": understudy_server.url, "PROJECT_KEY": KEY}
    options = [*Ports().options(), "--config", str(config), "--spend", str(spend)]
    with running("gateway", options, server_environment(os.environ) | upstream, folder / "log") as process:
        yield {"url": process.ready.http, "key": KEY, "cost_file": spend}
'''

BROKEN = '''
import http.server, threading, urllib.error, urllib.request
import pytest


@pytest.fixture(scope="session")
def understudy_target(understudy_server):
    """A gateway that adds a space to each request's body, and claims to be as good as the simulator itself."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            fields = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            request = urllib.request.Request(understudy_server.url + self.path, body + b" ", fields, method="POST")
            try:
                answer = urllib.request.urlopen(request, timeout=20)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                data = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {"url": f"http://127.0.0.1:{server.server_port}", "target": "direct", "key": "sk-not-to-be-shown"}
        finally:
            server.shutdown()
            thread.join()
'''


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """One state folder for all, so that certificate and key are made once."""
    return tmp_path_factory.mktemp("understudy-home")


@pytest.fixture
def project(pytester, monkeypatch, home):
    """Runs a test module in a project of its own: `project(conftest, source, *options)`."""
    for name in ("UNDERSTUDY_KEY", "UNDERSTUDY_CONTROL_KEY", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNDERSTUDY_HOME", str(home))
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider\n")

    def run(conftest, source, *options):
        pytester.makepyfile(conftest=conftest, test_it="import asyncio, os, pytest, understudy\n" + source)
        return pytester.runpytest_subprocess("-q", *options, timeout=120)

    return run


def test_our_gateway_passes_by_scenario_probe_check_and_requirement(project):
    found = project(
        GATEWAY,
        """
@pytest.mark.parametrize("scenario", ["gemini/generate", *understudy.scenarios("live/text-turn")], ids=str)
def test_scenarios(scenario, understudy_check):
    understudy_check(scenario)

def test_a_check(understudy_check):
    understudy_check("BODY-1/json-whitespace")

def test_a_requirement_in_an_async_manner(understudy_check):
    async def inside():
        understudy_check("hdr-4")
    asyncio.run(inside())

def test_a_scenario_by_one_check(understudy_check):
    understudy_check("gemini/generate", check="COST-1")

def test_its_books_are_judged(understudy_check, request):
    understudy_check("COST-1/unary")
    assert ("understudy", "passed COST-1/unary probe/cost/unary") in request.node.user_properties

def test_sdks_are_led_to_it(understudy_env, understudy_target):
    assert os.environ["GOOGLE_GEMINI_BASE_URL"] == understudy_target["url"] + "/gemini"
    assert os.environ["GOOGLE_VERTEX_BASE_URL"] == understudy_target["url"] + "/vertex_ai"
    assert os.environ["GEMINI_API_KEY"] == "sk-of-the-project"

def test_unknown(understudy_check):
    understudy_check("gemini/genrate")
""",
        "--understudy-report",
    )
    found.assert_outcomes(passed=7, failed=1)
    found.stdout.fnmatch_lines(["*gemini/genrate: no scenario of these checks is called so*"])
    found.stdout.fnmatch_lines(["*= understudy verdicts =*", "passed BODY-1/json-whitespace probe/*"])


def test_a_gateway_that_changes_bodies_fails_with_findings_and_the_command_that_repeats_it(project):
    found = project(
        BROKEN,
        """
def test_a_body(understudy_check):
    understudy_check("BODY-1/json-whitespace")

def test_what_it_does_not_claim(understudy_check):
    understudy_check("HDR-4/x-pass-authorization")
""",
        *("--understudy-seed", "3", "-rs"),
    )
    found.assert_outcomes(failed=1, skipped=1)
    said = found.stdout.str()
    found.stdout.fnmatch_lines(
        [
            "BODY-1/json-whitespace through http://127.0.0.1:*: 1 of 1 verdicts are failures",
            "FAILED BODY-1/json-whitespace on probe/*",
            "  - *",
            "repeat: pytest test_it.py::test_a_body --understudy-seed 3",
        ]
    )
    assert "undeclared: " in said
    assert "sk-not-to-be-shown" not in said.replace('"key": "sk-not-to-be-shown"', "")


def test_an_outcome_shows_no_key_and_nothing_that_steers_a_terminal():
    target = Target("t", frozenset(), key=Secret("sk-mine"))
    check = Check("HDR-1/x", "It holds.", lambda case: (), reference="RFC 9110 7.6")
    finding = Finding("a key was found", ("authorization: Bearer sk-mine", "raw: \x1b[2J"))
    verdicts = (
        Verdict(check, "probe/x", "passed"),
        Verdict(check, "probe/x", "failed", "timeout", (finding,)),
        Verdict(check, "probe/x", "errored", "KeyError: 1"),
        Verdict(check, "probe/x", "warned", "", (finding,)),
    )
    outcome = outcome_of("HDR", Gateway("http://gw", target), verdicts)
    assert outcome.failures == (
        "HDR through http://gw: 2 of 4 verdicts are failures",
        "",
        "FAILED HDR-1/x on probe/x",
        "  It holds. (RFC 9110 7.6)",
        "  timeout",
        "  - a key was found",
        "      authorization: Bearer <key>",
        "      raw: ?[2J",
        "",
        "ERRORED HDR-1/x on probe/x",
        "  It holds. (RFC 9110 7.6)",
        "  KeyError: 1",
        "",
    )
    assert outcome.lines[1:3] == ("failed HDR-1/x probe/x (timeout)", "errored HDR-1/x probe/x (KeyError: 1)")
    fine = outcome_of("HDR", Gateway("http://gw", target), verdicts[:1])
    assert (fine.failures, fine.skip_reason) == ((), "")
    skipped = Verdict(check, "probe/x", "skipped", "undeclared: keys")
    assert outcome_of("HDR", Gateway("http://gw", target), (skipped,)).skip_reason == "undeclared: keys"
    assert outcome_of("HDR", Gateway("http://gw", target), (skipped, verdicts[0])).skip_reason == ""


def test_a_gateway_may_be_given_by_options_and_there_must_be_one(project):
    found = project(
        "",
        """
def test_direct(understudy_check):
    understudy_check("STR-1/sse-bytes")

def test_no_key_in_the_command(understudy_check):
    understudy_check("no/such")
""",
        *("--understudy-target", "direct", "--understudy-key", "sk-not-to-be-shown"),
    )
    found.assert_outcomes(failed=2)
    found.stdout.fnmatch_lines(["*no gateway to judge: give --understudy-gateway URL*"])


def test_a_target_file_may_say_where_the_gateway_is(project, unused_port):
    path = Path("own.yaml")
    path.write_text(f"name: own\nurl: http://127.0.0.1:{unused_port}\nfeatures: [gemini]\nkey: {{env: OWN_KEY}}\n")
    found = project(
        "import os; os.environ['OWN_KEY'] = 'k'",
        'def test_direct(understudy_check):\n    understudy_check("STR-1/sse-bytes")\n',
        *("--understudy-target", str(path.absolute()), "--understudy-simulator-port", unused_port),
    )
    found.assert_outcomes(passed=1)


def test_the_simulator_itself_by_options(project, unused_port):
    found = project(
        "",
        """
def test_direct(understudy_check):
    understudy_check("STR-1/sse-bytes")

def test_live(understudy_check):
    understudy_check("live/text-turn")
""",
        *("--understudy-target", "direct", "--understudy-key", "k"),
        *("--understudy-simulator-port", unused_port, "--understudy-gateway", f"http://127.0.0.1:{unused_port}"),
    )
    found.assert_outcomes(passed=2)


@pytest.fixture
def unused_port() -> str:
    """A port that nobody listens on just now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{'uri': 'http://x'}", "understudy_target: unknown word 'uri' (did you mean 'url'?)"),
        ("{'key': 'k'}", "understudy_target: wanted the gateway's URL, found ''"),
        ("{'url': 4000}", "understudy_target: wanted the gateway's URL, found 4000"),
        ("'127.0.0.1:4000'", "no URL of a gateway"),
        ("{'url': 'http://127.0.0.1:9', 'target': 'litelm'}", "no shipped target is called so"),
        ("'http://127.0.0.1:9'", "the simulator"),
    ],
)
def test_mistakes_in_the_target_are_told(project, target, said):
    conftest = f"import pytest\n@pytest.fixture(scope='session')\ndef understudy_target():\n    return {target}\n"
    found = project(conftest, 'def test_x(understudy_check):\n    understudy_check("gemini/generate")\n')
    assert found.ret == 1
    assert said in found.stdout.str()
