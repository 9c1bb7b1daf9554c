"""The commands that start servers: first lines, signals, exit statuses, and what `run` gives to its command."""

import json
import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import psutil
import pytest
import requests

from command_line import ANY_PORTS, LIMIT_S, command, environment, first_line, started, understudy

UP_PORTS = tuple(
    word
    for name in ("port", "tls-port", "admin-port", "simulator-port", "simulator-tls-port", "simulator-admin-port")
    for word in (f"--{name}", "0")
)
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
GENERATE = "v1beta/models/gemini-2.5-flash:generateContent"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_line_says_where_and_a_signal_ends_it_with_0(number: signal.Signals, tmp_path: Path) -> None:
    with started("simulator", *ANY_PORTS, home=tmp_path) as process:
        line = first_line(process)
        assert line.startswith("listening http://127.0.0.1:")
        answer = requests.post(f"{line.split()[1]}/{GENERATE}?key=any", json=CONTENTS, timeout=30)
        assert answer.status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, out) == (0, "")
        assert "Traceback" not in err


def test_a_hangup_that_is_switched_off_ends_nothing(tmp_path: Path) -> None:
    words = ["nohup", *command("simulator", *ANY_PORTS)]
    with subprocess.Popen(
        words,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        base = first_line(process).split()[1]
        process.send_signal(signal.SIGHUP)
        assert requests.get(f"{base}/v1beta/models?key=any", timeout=30).ok
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def test_the_json_line_says_everything(tmp_path: Path) -> None:
    with started("simulator", *ANY_PORTS, "--json", home=tmp_path) as process:
        said = json.loads(first_line(process))
        assert set(said) == {"http", "https", "admin", "ca", "pid"}
        assert said["pid"] == process.pid
        assert requests.get(f"{said['https']}/v1beta/models?key=any", verify=said["ca"], timeout=30).ok


def test_the_key_file_names_this_simulator_and_its_key_is_kept(tmp_path: Path) -> None:
    keys: list[str] = []
    for path in (tmp_path / "service-account.json", tmp_path / "mine.json"):
        more = [] if not keys else ["--service-account", str(path)]
        with started("simulator", *ANY_PORTS, "--json", *more, home=tmp_path) as process:
            said = json.loads(first_line(process))
            key_file = json.loads(path.read_text("utf-8"))
            assert key_file["token_uri"] == f"{said['http']}/token"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            keys.append(key_file["private_key"])
    assert keys[0] == keys[1]


def test_a_second_simulator_leaves_the_key_file_of_the_first_alone(tmp_path: Path) -> None:
    key_file = tmp_path / "service-account.json"
    with started("simulator", *ANY_PORTS, "--json", home=tmp_path) as process:
        first = json.loads(first_line(process))
        with started("simulator", *ANY_PORTS, "--json", home=tmp_path) as other:
            second = json.loads(first_line(other))
        own = tmp_path / f"service-account-{second['http'].rpartition(':')[2]}.json"
        assert json.loads(key_file.read_text("utf-8"))["token_uri"] == f"{first['http']}/token"
        assert json.loads(own.read_text("utf-8"))["token_uri"] == f"{second['http']}/token"
        with started("up", *UP_PORTS, "--json", "--env-file", "clients.env", home=tmp_path) as up:
            said = json.loads(first_line(up))
            variables = dict(line.split("=", 1) for line in (tmp_path / "clients.env").read_text("utf-8").splitlines())
            named = json.loads(Path(variables["GOOGLE_APPLICATION_CREDENTIALS"]).read_text("utf-8"))
            assert named["token_uri"] == f"{said['simulator']['http']}/token"
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=LIMIT_S)
        assert json.loads(key_file.read_text("utf-8"))["token_uri"] == f"{first['http']}/token"
    with started("simulator", *ANY_PORTS, "--json", home=tmp_path) as process:
        third = json.loads(first_line(process))
        assert json.loads(key_file.read_text("utf-8"))["token_uri"] == f"{third['http']}/token"


def test_a_scenario_that_an_earlier_one_hides_is_named_at_the_start(tmp_path: Path) -> None:
    ids = ("vertex/quota-burst-then-success", "vertex/quota-exceeded", "gemini/generate")
    options = [word for name in ids for word in ("--scenario", name)]
    with started("simulator", *ANY_PORTS, *options, home=tmp_path) as process:
        first_line(process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT_S)
    assert [line for line in said.splitlines() if line.startswith("note: ")] == [
        "note: vertex/quota-exceeded never answers: vertex/quota-burst-then-success before it takes all its requests"
    ]


def test_the_control_api_plays_ids_and_reads_no_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: t\nsurface: gemini\nmodel: m\nserver: [{reply: {json: {}}}]\n")
    with started("simulator", *ANY_PORTS, "--json", home=tmp_path) as process:
        play = f"{json.loads(first_line(process))['admin']}/__understudy__/v1/play"
        assert requests.post(play, json={"scenario": "gemini/generate"}, timeout=30).ok
        refused = requests.post(play, json={"scenario": str(tmp_path / "mine.yaml")}, timeout=30)
        assert (refused.status_code, "no scenario has this id" in refused.text) == (400, True)


def test_a_port_in_use_is_one_line_that_names_the_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = understudy("simulator", "--port", "0", "--tls-port", port, "--admin-port", "0", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--tls-port" in done.stderr and port in done.stderr


def test_a_port_of_the_gateway_in_use_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("understudy_settings: {development: true}\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ("--port", "0", "--tls-port", "0", "--admin-port", port)
        done = understudy("gateway", "--config", "config.yaml", *options, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"understudy: port {port} of 127.0.0.1 is in use already: choose another with --admin-port\n"


def test_an_address_of_another_machine_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("general_settings: {master_key: sk-a-long-enough-test-key-0123456789}\n")
    (tmp_path / "config.yaml").chmod(0o600)
    done = understudy("gateway", "--config", "config.yaml", "--host", "192.0.2.1", *ANY_PORTS, home=tmp_path)
    assert done.returncode == 2
    assert "is not an address of this machine" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--port", "--simulator-admin-port"])
def test_up_names_its_own_option_for_a_port_in_use(option: str, tmp_path: Path) -> None:
    ports = [word for pair in zip(UP_PORTS[::2], UP_PORTS[1::2], strict=True) if pair[0] != option for word in pair]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = understudy("up", *ports, option, port, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"understudy: {option} {port}: ") and done.stderr.count("\n") == 1


def test_a_scenario_answers_in_every_scope(tmp_path: Path) -> None:
    with started("simulator", *ANY_PORTS, "--scenario", "gemini/quota-exceeded", home=tmp_path) as process:
        base = first_line(process).split()[1]
        statuses = [
            requests.post(f"{base}{scope}/{GENERATE}?key=any", json=CONTENTS, timeout=30).status_code
            for scope in ("", "/~one", "/~two", "/~one")
        ]
        assert statuses == [429] * 4


def test_transcript_shows_and_exports_what_was_seen_without_its_secrets(tmp_path: Path) -> None:
    with started("simulator", *ANY_PORTS, "--json", home=tmp_path) as process:
        said = json.loads(first_line(process))
        requests.post(f"{said['http']}/~mine/{GENERATE}?key=hidden-value", json=CONTENTS, timeout=30)
        point = {"UNDERSTUDY_CONTROL": said["admin"]}
        shown = understudy("transcript", "show", home=tmp_path, more=point)
        parsed = json.loads(
            understudy("transcript", "show", "--scope", "mine", "--json", home=tmp_path, more=point).stdout
        )
        empty = json.loads(
            understudy("transcript", "show", "--scope", "other", "--json", home=tmp_path, more=point).stdout
        )
        exported = understudy("transcript", "export", "--har", "out.har", home=tmp_path, more=point)
    heading, line = shown.stdout.splitlines()
    assert heading.split()[:3] == ["scope", "status", "ms"]
    assert line.split()[:2] == ["mine", "200"] and line.endswith(f"POST /{GENERATE}?key=***")
    assert [exchange["scope"] for exchange in parsed["exchanges"]] == ["mine"]
    assert empty["exchanges"] == []
    assert (exported.returncode, exported.stdout) == (0, "")
    archive = (tmp_path / "out.har").read_text("utf-8")
    entry = json.loads(archive)["log"]["entries"][0]
    assert entry["response"]["status"] == 200
    assert not entry["startedDateTime"].startswith("1970")
    assert stat.S_IMODE((tmp_path / "out.har").stat().st_mode) == 0o600
    for text in (shown.stdout, json.dumps(parsed), archive):
        assert "hidden-value" not in text and "hello" not in text


def test_up_wires_both_and_ends_both(tmp_path: Path) -> None:
    with started("up", *UP_PORTS, "--json", "--env-file", "clients.env", "--speed", "0", home=tmp_path) as process:
        said = json.loads(first_line(process))
        variables = dict(line.split("=", 1) for line in (tmp_path / "clients.env").read_text("utf-8").splitlines())
        assert variables["GOOGLE_GEMINI_BASE_URL"] == f"{said['https']}/gemini"
        assert variables["UNDERSTUDY_CONTROL"] == said["simulator"]["admin"]
        answer = requests.post(
            f"{variables['GOOGLE_GEMINI_BASE_URL']}/{GENERATE}",
            json=CONTENTS,
            headers={"x-goog-api-key": variables["GEMINI_API_KEY"]},
            verify=variables["SSL_CERT_FILE"],
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        servers = [psutil.Process(said[name]["pid"]) for name in ("gateway", "simulator")]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0
        assert not any(server.is_running() for server in servers)


def test_up_says_which_server_ended_by_itself(tmp_path: Path) -> None:
    with started("up", *UP_PORTS, "--json", home=tmp_path) as process:
        said = json.loads(first_line(process))
        os.kill(said["simulator"]["pid"], signal.SIGKILL)
        _, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 3
        assert err.splitlines()[-1] == f"understudy: the simulator ended by itself (exit status {-signal.SIGKILL})"


def test_up_wait_comes_back_when_ready_and_leaves_it_running(tmp_path: Path) -> None:
    done = understudy("up", "--wait", "--json", *UP_PORTS, home=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    process = psutil.Process(int(done.stderr.split("kill ")[1]))
    try:
        assert process.pid == said["pid"]
        assert requests.get(f"{said['http']}/health/liveliness", timeout=30).status_code == 200
        control = f"{said['simulator']['admin']}/__understudy__/v1/health"
        assert requests.get(control, timeout=30).json()["status"] == "ok"
        requests.post(f"{said['http']}/gemini/{GENERATE}", json=CONTENTS, headers={"x-goog-api-key": "a"}, timeout=30)
        failed = understudy("up", "--wait", *UP_PORTS, "--scenario", "none", home=tmp_path)
        assert failed.returncode == 2
        assert GENERATE in (tmp_path / "up.log").read_text("utf-8")
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith("-up.log")] == []
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def test_up_wait_tells_why_it_did_not_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = understudy("up", "--wait", *UP_PORTS[2:], "--port", str(taken.getsockname()[1]), home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(": address already in use; is `understudy up` running already? Else choose another\n")


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15)])
def test_run_ends_with_the_status_of_its_command(script: str, status: int, tmp_path: Path) -> None:
    assert understudy("run", "--", "sh", "-c", script, home=tmp_path).returncode == status


ASK = """
import json, os, sys, requests
def ask(base, path):
    return requests.post(
        os.environ[base] + path + "/models/gemini-2.5-flash:generateContent",
        json={"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
        headers={"x-goog-api-key": os.environ["GEMINI_API_KEY"]}, timeout=30)
gemini = ask("GOOGLE_GEMINI_BASE_URL", "/v1beta")
vertex = ask("GOOGLE_VERTEX_BASE_URL", "/v1beta1/projects/p/locations/us-central1/publishers/google")
seen = requests.get(os.environ["UNDERSTUDY_CONTROL"] + "/__understudy__/v1/transcript", timeout=30).json()
said = json.dumps([one["request"]["headers"] for one in seen["exchanges"]])
print(json.dumps({"status": [gemini.status_code, vertex.status_code], "gateway": "x-litellm-call-id" in gemini.headers,
    "google_key": "GOOGLE_API_KEY" in os.environ, "arguments": sys.argv[1:],
    "keys_seen": [key for key in (os.environ["GEMINI_API_KEY"], "the-users-own", "the-users-other") if key in said]}))
"""


def test_run_leads_a_client_through_the_gateway_whatever_the_user_has_set(tmp_path: Path) -> None:
    more = {
        "GOOGLE_API_KEY": "the-users-own",
        "GEMINI_API_KEY": "the-users-other",
        "GEMINI_API_BASE": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    done = understudy("run", "--", command()[0], "-c", ASK, "-v", "--strict", home=tmp_path, more=more)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": [200, 200],
        "gateway": True,
        "google_key": False,
        "arguments": ["-v", "--strict"],
        "keys_seen": [],
    }


def test_run_with_a_gateway_of_the_users_starts_only_the_simulator(tmp_path: Path) -> None:
    show = 'echo "$GOOGLE_GEMINI_BASE_URL $GEMINI_API_KEY"; test -n "$UNDERSTUDY_SIMULATOR"'
    arguments = ["--gateway", "https://gw.test/", "--key", "mine", "--simulator-port", "0"]
    done = understudy("run", *arguments, "--", "sh", "-c", show, home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "https://gw.test/gemini mine\n")


def test_run_passes_a_signal_on_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    with started("run", "--", "sh", "-c", script, home=tmp_path) as process:
        assert first_line(process) == "ready\n"
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
        assert process.returncode == 5
        assert psutil.wait_procs(children, timeout=LIMIT_S)[1] == []


def test_a_gateway_names_setting_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("general_settings:\n  master_key: os.environ/NO_SUCH_KEY\n")
    done = understudy("gateway", "--config", "config.yaml", *ANY_PORTS, home=tmp_path)
    assert done.returncode == 2
    assert "config.yaml:2" in done.stderr and "NO_SUCH_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("understudy_settings: {development: true}\n")
    done = understudy("gateway", "--config", "config.yaml", "--tls-cert", "x.pem", *ANY_PORTS, home=tmp_path)
    assert (done.returncode, done.stderr) == (2, "understudy: --tls-cert and --tls-key belong together\n")
