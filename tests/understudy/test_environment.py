"""Which variables and which code point a client at us."""

import ast
import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.environment import (
    DEVELOPMENT_KEY,
    GATEWAY_VARIABLES,
    Client,
    Endpoint,
    applied,
    client_variables,
    env_file_lines,
    no_proxy_variables,
    server_environment,
    shell_lines,
    snippet,
    traps,
    variables_for,
)

GATEWAY = Endpoint("https://127.0.0.1:4443", True, "/home/bundle.pem", "/home/service-account.json")
SIMULATOR = Endpoint("https://127.0.0.1:8943", False, "/home/bundle.pem", "/home/service-account.json")

values = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)


def test_a_program_that_is_run_gets_all_that_variables_can_say() -> None:
    assert client_variables(GATEWAY, {}) == {
        "GOOGLE_GEMINI_BASE_URL": "https://127.0.0.1:4443/gemini",
        "GOOGLE_VERTEX_BASE_URL": "https://127.0.0.1:4443/vertex_ai",
        "GEMINI_API_KEY": DEVELOPMENT_KEY,
        "GOOGLE_API_KEY": None,
        "SSL_CERT_FILE": "/home/bundle.pem",
        "REQUESTS_CA_BUNDLE": "/home/bundle.pem",
        "NODE_EXTRA_CA_CERTS": "/home/bundle.pem",
        "GOOGLE_APPLICATION_CREDENTIALS": "/home/service-account.json",
        "GOOGLE_CLOUD_PROJECT": "understudy-project",
        "GOOGLE_CLOUD_LOCATION": "us-central1",
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
    }


def test_a_simulator_is_reached_without_prefix() -> None:
    variables = client_variables(SIMULATOR, {})
    assert variables["GOOGLE_GEMINI_BASE_URL"] == variables["GOOGLE_VERTEX_BASE_URL"] == "https://127.0.0.1:8943"


@pytest.mark.parametrize(
    ("users", "kept"),
    [
        ({}, "GEMINI_API_KEY"),
        ({"GEMINI_API_KEY": "a"}, "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": "a"}, "GOOGLE_API_KEY"),
        ({"GOOGLE_API_KEY": "a", "GEMINI_API_KEY": "b"}, "GEMINI_API_KEY"),
    ],
)
def test_exactly_one_key_is_set_and_never_the_users_own(users: dict[str, str], kept: str) -> None:
    environ = applied(client_variables(GATEWAY, users), users)
    assert {name: environ[name] for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY") if name in environ} == {
        kept: DEVELOPMENT_KEY
    }


def test_loopback_is_added_to_the_users_proxy_exceptions() -> None:
    environ = {"NO_PROXY": "corp.test, localhost", "no_proxy": "other.test"}
    hosts = "other.test,corp.test,localhost,127.0.0.1,::1"
    assert no_proxy_variables(environ) == {"NO_PROXY": hosts, "no_proxy": hosts}


def test_curls_own_variable_follows_where_the_user_has_it() -> None:
    assert "CURL_CA_BUNDLE" not in client_variables(GATEWAY, {})
    assert client_variables(GATEWAY, {"CURL_CA_BUNDLE": "/etc/roots"})["CURL_CA_BUNDLE"] == "/home/bundle.pem"


def test_a_wired_gateway_does_not_see_the_users_keys_and_addresses() -> None:
    environ = dict.fromkeys(GATEWAY_VARIABLES, "x") | {"PATH": "/bin"}
    assert server_environment(environ) == {"PATH": "/bin"}


@pytest.mark.parametrize("client", list(Client))
@pytest.mark.parametrize("endpoint", [GATEWAY, SIMULATOR])
def test_every_client_gets_a_base_url_and_the_bundle(client: Client, endpoint: Endpoint) -> None:
    variables = variables_for(client, endpoint, {})
    assert any(name.endswith("_BASE_URL") for name in variables)
    assert variables["SSL_CERT_FILE"] == variables["NODE_EXTRA_CA_CERTS"] == "/home/bundle.pem"
    assert set(variables) <= set(client_variables(endpoint, {}))


@pytest.mark.parametrize("client", [Client.PYTHON, Client.JS])
def test_where_variables_are_enough_there_is_no_code(client: Client) -> None:
    assert snippet(client, GATEWAY) == []


def test_vertex_in_python_says_project_and_location_in_code() -> None:
    code = "\n".join(line for line in snippet(Client.PYTHON_VERTEX, GATEWAY) if re.match(r"from |client|  +", line))
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    words = [{keyword.arg for keyword in call.keywords} for call in calls]
    assert words == [{"vertexai", "project", "location"}, {"vertexai", "project", "location", "credentials"}, {"token"}]


def test_vertex_in_javascript_brings_its_own_token() -> None:
    text = "\n".join(snippet(Client.JS_VERTEX, GATEWAY))
    assert "authClient" in text
    assert f'access_token: "{DEVELOPMENT_KEY}"' in text
    assert 'baseUrl: "https://127.0.0.1:4443/vertex_ai"' in text


def test_only_a_gateway_has_a_live_route_of_its_own() -> None:
    assert "wss://127.0.0.1:4443/vertex-ai/live" in "\n".join(snippet(Client.LIVE, GATEWAY))
    assert "vertex-ai/live" not in "\n".join(snippet(Client.LIVE, SIMULATOR))


@given(st.dictionaries(st.from_regex(r"US_[A-Z]{1,8}", fullmatch=True), st.none() | values, max_size=5))
def test_a_shell_reads_the_lines_as_they_were_meant(variables: dict[str, str | None]) -> None:
    for line, (name, value) in zip(
        shell_lines(variables), sorted(variables.items(), key=lambda item: item[1] is not None), strict=True
    ):
        assert shlex.split(line) == (["unset", name] if value is None else ["export", f"{name}={value}"])


def test_a_real_shell_sets_and_unsets() -> None:
    lines = shell_lines({"US_A": "it's $HOME `x`\nnext", "US_B": None})
    script = "\n".join([*lines, 'printf "%s|%s" "$US_A" "${US_B-unset}"'])
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={"US_B": "b"}, check=True, timeout=30
    )
    assert done.stdout == "it's $HOME `x`\nnext|unset"


def test_an_env_file_has_plain_lines_and_only_what_is_set() -> None:
    assert env_file_lines({"A": "one two", "B": None}) == ["A=one two"]


def test_a_clean_environment_has_no_traps() -> None:
    assert traps({"PATH": "/bin"}) == []
    assert traps(applied(variables_for(Client.PYTHON, GATEWAY, {}), {}), {"/home/bundle.pem"}.__contains__) == []


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"GOOGLE_GEMINI_BASE_URL": "127.0.0.1:8900"}, "https://"),
        ({"GOOGLE_GEMINI_BASE_URL": "https://127.0.0.1:4443/gemini/v1beta"}, "version"),
        ({"HTTPS_PROXY": "http://proxy.test"}, "NO_PROXY"),
        ({"all_proxy": "http://proxy.test", "NO_PROXY": "corp.test"}, "NO_PROXY"),
        ({"SSL_CERT_FILE": "/missing"}, "no such file"),
        ({"GOOGLE_APPLICATION_CREDENTIALS": "/missing.json"}, "no such file"),
    ],
)
def test_what_cannot_work_is_a_certain_trap(environ: dict[str, str], word: str) -> None:
    assert [(word in trap.sentence, trap.is_certain) for trap in traps(environ, lambda path: False)] == [(True, True)]


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:8900"}, "wss"),
        ({"GOOGLE_VERTEX_BASE_URL": "https://x"}, "vertexai=True"),
        ({"GOOGLE_API_KEY": "a", "GEMINI_API_KEY": "b"}, "both"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_GEMINI_BASE_URL": "https://x"}, "GOOGLE_VERTEX_BASE_URL"),
    ],
)
def test_what_may_lead_astray_is_a_trap_that_is_not_certain(environ: dict[str, str], word: str) -> None:
    assert [(word in trap.sentence, trap.is_certain) for trap in traps(environ)] == [(True, False)]


@pytest.mark.parametrize("exceptions", ["*", "127.0.0.1,localhost", "corp.test, 127.0.0.1"])
def test_a_proxy_with_loopback_excepted_is_no_trap(exceptions: str) -> None:
    assert traps({"HTTPS_PROXY": "http://proxy.test", "no_proxy": exceptions}) == []


def test_a_trap_does_not_repeat_a_key() -> None:
    found = traps({"GOOGLE_API_KEY": "value-of-one", "GEMINI_API_KEY": "value-of-two"})
    assert found and not any("value-of" in trap.sentence for trap in found)
