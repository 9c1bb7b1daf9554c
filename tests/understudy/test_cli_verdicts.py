"""`--report` and `--fail-on`: what clients did wrong, told at the end, and the exit status."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from command_line import ANY_PORTS, LIMIT_S, first_line, started, understudy

UP_PORTS = tuple(
    word
    for name in ("port", "tls-port", "admin-port", "simulator-port", "simulator-tls-port", "simulator-admin-port")
    for word in (f"--{name}", "0")
)
LIST = "v1beta/models?key=AIza-secret"
FLASH = "v1beta/models/gemini-2.5-flash:generateContent"


def played(home: Path, *options: str, bad: bool = True) -> tuple[int, str, str]:
    """Exit status and output of a simulator that one client has used: badly (a refused request comes again, the key
    stands in the query), or well."""
    with started("simulator", *ANY_PORTS, *options, home=home) as process:
        line = first_line(process)
        url = json.loads(line)["http"] if "--json" in options else line.split()[1]
        with requests.Session() as client:
            for _ in range(2 if bad else 0):
                client.post(f"{url}/{FLASH}", data="{}", headers={"x-goog-api-key": "k"}, timeout=30)
                assert client.get(f"{url}/{LIST}", timeout=30).ok
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in err
    return process.returncode, out, err


def test_a_table_on_the_terminal(tmp_path: Path) -> None:
    status, out, _ = played(tmp_path, "--report", "-")
    head, *rows = out.splitlines()
    assert head.split() == ["level", "verdict", "scope", "seen", "in", "why"]
    assert [row.split()[:2] for row in rows] == [["failed", "retried_non_retryable"], ["warned", "key_in_query"]]
    assert "AIza-secret" not in out
    assert status == 0


def test_json_on_the_terminal_after_the_first_line(tmp_path: Path) -> None:
    status, out, _ = played(tmp_path, "--report", "-", "--json", "--fail-on", "failed")
    report = json.loads(out)
    assert [verdict["rule"] for verdict in report["verdicts"]] == ["retried_non_retryable", "key_in_query"]
    assert report["dropped"] == 0
    assert status == 1


@pytest.mark.parametrize("name", ["report.json", "report.txt"])
def test_a_file(tmp_path: Path, name: str) -> None:
    status, out, _ = played(tmp_path, "--report", name)
    assert (status, out) == (0, "")
    text = (tmp_path / name).read_text("utf-8")
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    if name.endswith(".json"):
        assert len(json.loads(text)["verdicts"]) == 2
    else:
        assert text.startswith("level   verdict                scope  seen in  why\nfailed  retried_non_retryable ")


def test_without_a_report_the_bad_ones_are_told(tmp_path: Path) -> None:
    status, out, _ = played(tmp_path, "--fail-on", "failed")
    assert status == 1
    assert [line.split(":")[0] for line in out.splitlines()] == ["failed retried_non_retryable"]


def test_a_good_client_ends_it_with_0(tmp_path: Path) -> None:
    status, out, _ = played(tmp_path, "--report", "-", "--fail-on", "warned", bad=False)
    assert (status, out) == (0, "nothing is to be said against the clients\n")


def test_a_report_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    done = understudy("simulator", *ANY_PORTS, "--report", "no/such/folder/x", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--report no/such/folder/x: nothing can be written there" in done.stderr


# ---- the commands that start a simulator of their own

BAD = """
import os, requests
for _ in range(2):
    url = os.environ["GOOGLE_GEMINI_BASE_URL"] + "/v1beta/models/gemini-2.5-flash:generateContent"
    requests.post(url, data="{}", headers={"x-goog-api-key": os.environ["GEMINI_API_KEY"]}, timeout=30)
"""


def run_it(home: Path, *options: str, script: str = BAD) -> "subprocess.CompletedProcess[str]":
    return understudy("run", *options, "--", sys.executable, "-c", script, home=home)


def test_run_tells_what_its_command_did_wrong(tmp_path: Path) -> None:
    done = run_it(tmp_path, "--report", "seen.json", "--fail-on", "failed")
    assert done.returncode == 1, done.stderr
    report = json.loads((tmp_path / "seen.json").read_text("utf-8"))
    assert [(verdict["rule"], verdict["level"]) for verdict in report["verdicts"]] == [
        ("retried_non_retryable", "failed")
    ]


def test_run_keeps_the_status_of_a_command_that_failed(tmp_path: Path) -> None:
    done = run_it(tmp_path, "--report", "-", "--fail-on", "failed", script=BAD + "raise SystemExit(7)")
    assert done.returncode == 7
    assert "retried_non_retryable" in done.stdout


def test_run_is_content_with_a_good_command(tmp_path: Path) -> None:
    done = run_it(tmp_path, "--report", "-", "--fail-on", "warned", script="")
    assert (done.returncode, done.stdout) == (0, "nothing is to be said against the clients\n")


@pytest.mark.parametrize("command_name", ["run", "up"])
def test_a_place_where_nothing_can_be_written_is_told_first(command_name: str, tmp_path: Path) -> None:
    rest = ["--", "true"] if command_name == "run" else []
    done = understudy(command_name, "--report", "no/such/folder/x", *rest, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--report no/such/folder/x: nothing can be written there" in done.stderr


def test_up_tells_at_its_end(tmp_path: Path) -> None:
    arguments = ("up", *UP_PORTS, "--json", "--report", "-", "--fail-on", "failed", "--speed", "0")
    with started(*arguments, home=tmp_path) as process:
        said = json.loads(first_line(process))
        for _ in range(2):
            url = f"{said['http']}/gemini/{FLASH}"
            requests.post(url, data="{}", headers={"x-goog-api-key": "k"}, timeout=30)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in err
    assert [verdict["rule"] for verdict in json.loads(out)["verdicts"]] == ["retried_non_retryable"]
    assert process.returncode == 1


def test_up_in_the_background_has_no_terminal(tmp_path: Path) -> None:
    done = understudy("up", "--wait", *UP_PORTS, "--report", "-", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--report -: with --wait nobody reads it in the end; name a file" in done.stderr
