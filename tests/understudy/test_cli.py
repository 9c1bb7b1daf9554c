"""The command as a user meets it: help, errors, exit statuses, and that it starts fast."""

import json
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from command_line import ROOT, command, environment, understudy
from understudy import __version__
from understudy.cli.reference import reference
from understudy.environment import Client

COMMANDS = re.findall(r"^## understudy(.*)$", reference(), re.MULTILINE)
LEAVES = [words for words in COMMANDS if not any(other.startswith(words + " ") for other in COMMANDS)]


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    done = understudy("--version", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"understudy {__version__}\n")


def test_help_comes_without_what_servers_need(tmp_path: Path) -> None:
    done = subprocess.run(
        [command()[0], "-P", "-X", "importtime", "-m", "understudy", "--help"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    slow = {
        "aiohttp",
        "understudy_gateway",
        "understudy_simulator",
        "yaml",
        "requests",
        "trustme",
        "pydantic",
        "google",
    }
    assert loaded & slow == set()
    assert "typer" in loaded


def test_the_reference_page_is_what_the_help_says() -> None:
    page = ROOT / "docs" / "reference" / "cli.md"
    assert page.read_text("utf-8") == reference(), (
        "write it anew: python -m understudy.cli.reference > docs/reference/cli.md"
    )


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_has_examples_of_itself(words: str) -> None:
    section = reference().partition(f"## understudy{words}\n")[2].partition("\n## ")[0]
    examples = section.partition("Examples:\n")[2].partition("\n\n")[0]
    lines = [line.strip() for line in examples.splitlines()]
    assert any(line.startswith(f"understudy{words}") or f"(understudy{words}" in line for line in lines)


def test_examples_name_options_that_exist() -> None:
    page = reference()
    for words in LEAVES:
        section = page.partition(f"## understudy{words}\n")[2].partition("\n## ")[0]
        examples = section.partition("Examples:\n")[2].partition("\n\n")[0]
        own = [line for line in examples.splitlines() if line.strip().startswith(f"understudy{words}")]
        used = {option for line in own for option in re.findall(r" (--[a-z-]+)", line.split(" -- ")[0])}
        known = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", section, re.MULTILINE)) | {"--lenient"}
        assert used <= known, words


@pytest.mark.parametrize(
    "words", [["nosuch"], ["simulator", "--prot", "1"], ["simulator", "--port", "x"], ["transcript"]]
)
def test_wrong_usage_ends_with_2_and_without_a_traceback(words: list[str], tmp_path: Path) -> None:
    done = understudy(*words, home=tmp_path)
    assert done.returncode == 2
    assert "Usage: understudy" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["transcript", "show", "--simulator", "http://127.0.0.1:1"], 3, "nothing listens there"),
        (["transcript", "export", "--har", "-", "--simulator", "http://127.0.0.1:1"], 3, "nothing listens there"),
        (["scenarios", "show", "gemini/generat"], 2, "gemini/generat"),
        (["scenarios", "list", "nosuch"], 2, "nosuch"),
        (["simulator", "--scenario", "nosuch"], 2, "nosuch"),
        (["gateway", "--config", "nosuch.yaml"], 2, "nosuch.yaml"),
        (["run", "--", "no-such-program"], 127, "command not found"),
        (["run", "--gateway", "nonsense", "--", "true"], 2, "--gateway nonsense: not a URL"),
        (["env", "--url", "ftp://x"], 2, "--url ftp://x: not a URL; it must begin with https:// or http://"),
        (["env", "--url", "https://"], 2, "--url https://: not a URL"),
        (
            ["scenarios", "show", "veo"],
            2,
            "veo: 20 scenarios begin so; one is wanted, such as 'veo/extension'",
        ),
        (["run", "--", "./plain.txt"], 126, "not executable"),
    ],
)
def test_an_error_is_one_clear_line_on_standard_error(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("text")
    done = understudy(*words, home=tmp_path)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_state_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = understudy("env", home=tmp_path, more={"UNDERSTUDY_HOME": str(tmp_path / "file" / "home")})
    assert done.returncode == 2
    assert done.stderr.startswith("understudy: ") and done.stderr.count("\n") == 1
    assert "UNDERSTUDY_HOME" in done.stderr


def test_env_is_read_by_a_shell(tmp_path: Path) -> None:
    script = (
        f'eval "$({shlex.join(command("env", "--for", "python-vertex"))})"; python3 -c "import os; print(os.environ)"'
    )
    done = subprocess.run(
        ["sh", "-c", script], env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=True
    )
    assert f"'GOOGLE_APPLICATION_CREDENTIALS': '{tmp_path}/service-account.json'" in done.stdout
    assert "'GOOGLE_VERTEX_BASE_URL': 'https://127.0.0.1:4443/vertex_ai'" in done.stdout
    assert (tmp_path / "bundle.pem").is_file()


@pytest.mark.parametrize("client", list(Client))
def test_env_lines_are_exports_and_comments(client: Client, tmp_path: Path) -> None:
    done = understudy("env", "--for", client, "--to", "simulator", "--url", "https://sim.test:1/", home=tmp_path)
    assert done.returncode == 0
    assert "https://sim.test:1\n" in done.stdout
    assert all(line.startswith(("export ", "unset ", "#")) for line in done.stdout.splitlines())


def test_env_says_that_the_key_file_is_not_there_yet(tmp_path: Path) -> None:
    note = f"note: {tmp_path}/service-account.json is not there yet; the simulator writes it when it starts\n"
    assert understudy("env", "--for", "python-vertex", home=tmp_path).stderr == note
    assert understudy("env", "--for", "python", home=tmp_path).stderr == ""
    (tmp_path / "service-account.json").write_text("{}")
    assert understudy("env", "--for", "python-vertex", home=tmp_path).stderr == ""


def test_env_as_json_has_the_same(tmp_path: Path) -> None:
    found = json.loads(understudy("env", "--for", "js-vertex", "--json", home=tmp_path).stdout)
    assert found["variables"]["GOOGLE_VERTEX_BASE_URL"] == "https://127.0.0.1:4443/vertex_ai"
    assert any("authClient" in line for line in found["snippet"])


def test_doctor_is_content_with_a_clean_machine(tmp_path: Path) -> None:
    done = understudy("doctor", "--json", home=tmp_path)
    found = {check["name"]: check["state"] for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert found["local CA"] == found["environment"] == found["clock"] == "ok"
    assert (tmp_path / "authority" / "1" / "ca.pem").is_file()


def test_doctor_names_what_is_wrong_and_ends_with_1(tmp_path: Path) -> None:
    Path(tmp_path / "authority" / "1").mkdir(parents=True)
    more = {"HTTPS_PROXY": "http://proxy.test", "SSL_CERT_FILE": "/missing.pem"}
    done = understudy("doctor", "--json", home=tmp_path, more=more)
    wrong = {(check["name"], check["detail"][:12]) for check in json.loads(done.stdout) if check["state"] == "wrong"}
    assert done.returncode == 1
    assert {name for name, _ in wrong} == {"local CA", "environment"}
    assert len(wrong) == 3


def test_doctor_tells_of_a_url_that_does_not_answer_or_is_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    done = understudy("doctor", url, home=tmp_path)
    assert done.returncode == 1
    assert "nothing answers there" in done.stdout
    assert "not a URL" in understudy("doctor", "127.0.0.1", home=tmp_path).stdout


def test_no_colour_where_output_is_no_terminal_or_no_color_is_set(tmp_path: Path) -> None:
    assert "\x1b" not in understudy("doctor", home=tmp_path).stdout
    more = {"NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = r"\x1b\[[0-9;]*3[0-9]"
    assert not re.search(coloured, understudy("doctor", home=tmp_path, more=more).stdout)
    assert re.search(coloured, understudy("doctor", home=tmp_path, more=more | {"NO_COLOR": ""}).stdout)


def test_scenarios_are_listed_shown_and_linted(tmp_path: Path) -> None:
    listed = json.loads(understudy("scenarios", "list", "live", "--json", home=tmp_path).stdout)
    assert {"live/text-turn"} <= {one["id"] for one in listed}
    shown = understudy("scenarios", "show", "live/text-turn", home=tmp_path).stdout
    assert shown == (ROOT / "scenarios" / "live" / "text-turn.yaml").read_text("utf-8")
    linted = understudy("scenarios", "lint", home=tmp_path)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_a_mistake_in_a_scenario_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("id: bad\ntitle: Bad\nsurface: gemini\nmodel: m\nservr: []\nserver: []\n")
    done = understudy("scenarios", "lint", "bad.yaml", home=tmp_path)
    assert done.returncode == 2
    assert "bad.yaml:5: " in done.stdout
    assert "did you mean 'server'?" in done.stdout


@pytest.mark.parametrize("surface", ["gemini", "vertex", "gemini-live", "vertex-live", "gemini-veo", "vertex-veo"])
def test_a_new_scenario_is_without_mistakes_and_never_written_over(surface: str, tmp_path: Path) -> None:
    done = understudy("scenarios", "new", surface, "mine/first.yaml", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert understudy("scenarios", "lint", "mine", home=tmp_path).returncode == 0
    again = understudy("scenarios", "new", surface, "mine/first.yaml", home=tmp_path)
    assert again.returncode == 2 and "is there already" in again.stderr


@pytest.mark.parametrize("name", ["two words.yaml", ".hidden.yaml", "no-ending"])
def test_a_new_scenario_is_without_mistakes_whatever_its_file_is_called(name: str, tmp_path: Path) -> None:
    assert understudy("scenarios", "new", "gemini", name, home=tmp_path).returncode == 0
    done = understudy("scenarios", "lint", name, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "1 read, 0 mistakes, 0 notes\n"), done.stdout
    shown = understudy("scenarios", "show", name, home=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, (tmp_path / name).read_text())


def test_the_schema_is_json(tmp_path: Path) -> None:
    schema = json.loads(understudy("scenarios", "schema", home=tmp_path).stdout)
    assert "server" in json.dumps(schema)


def test_a_pipe_that_closes_early_is_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("scenarios", "schema"),
        env=environment(tmp_path),
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert b"Traceback" not in done.stderr
