"""`understudy simulator --report`: what clients did wrong, told at the end, and the exit status."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
import requests

from command_line import ANY_PORTS, LIMIT_S, command, environment, understudy

LIST = "v1beta/models?key=AIza-secret"
FLASH = "v1beta/models/gemini-2.5-flash:generateContent"


def played(home: Path, *options: str, bad: bool = True) -> tuple[int, str, str]:
    """Exit status and output of a simulator that one client has used: badly (a refused request comes again, the key
    stands in the query), or well."""
    with subprocess.Popen(
        command("simulator", *ANY_PORTS, *options),
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = json.loads(line)["http"] if "--json" in options else line.split()[1]
            with requests.Session() as client:
                for _ in range(2 if bad else 0):
                    client.post(f"{url}/{FLASH}", data="{}", headers={"x-goog-api-key": "k"}, timeout=30)
                    assert client.get(f"{url}/{LIST}", timeout=30).ok
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
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
