"""Servers as child processes: ready by their first line, ended gracefully, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from command_line import ANY_PORTS, LIMIT_S, environment
from understudy.errors import ConfigError, TargetError
from understudy.processes import Ready, running


def test_the_ready_line_is_read_as_it_was_written() -> None:
    ready = Ready("http://127.0.0.1:1", None, None, "/ca.pem", 7)
    assert Ready.of_line(ready.line() + "\n") == ready


@pytest.mark.parametrize("line", ["hello\n", "{}", "[]", "1", '{"http": 1}', ""])
def test_another_first_line_is_a_target_error(line: str) -> None:
    with pytest.raises(TargetError, match="in place of its addresses"):
        Ready.of_line(line)


def test_a_server_is_ready_in_the_block_and_gone_after_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running("simulator", ANY_PORTS, environment(tmp_path), log) as server:
        ready = server.ready
        assert server.status is None
        assert requests.get(f"{ready.admin}/__understudy__/v1/health", timeout=30).json()["status"] == "ok"
        assert ready.https is not None
        assert requests.get(f"{ready.https}/v1beta/models?key=any", timeout=30, verify=str(ready.ca)).status_code == 200
    assert server.status == 0
    assert not psutil.pid_exists(ready.pid)
    assert "GET /v1beta/models" in log.read_text("utf-8")


def test_a_server_that_is_stopped_early_ends_with_0(tmp_path: Path) -> None:
    with running("simulator", ANY_PORTS, environment(tmp_path), tmp_path / "log") as server:
        assert server.stop() == 0
        assert server.stop() == 0


def test_a_port_in_use_is_a_config_error_in_the_servers_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ("--port", port, "--tls-port", "0", "--admin-port", "0")
        with (
            pytest.raises(ConfigError, match="--port") as caught,
            running("simulator", options, environment(tmp_path), tmp_path / "log"),
        ):
            pass
    assert port in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_what_the_users_folder_holds_does_not_stand_in_for_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asyncio.py").write_text("raise SystemExit(9)\n")
    (tmp_path / "understudy_simulator.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    with running("simulator", ANY_PORTS, environment(tmp_path), tmp_path / "log") as server:
        assert server.status is None


def test_servers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from understudy.processes import running; import os\n"
        f"with running('simulator', {ANY_PORTS!r}, dict(os.environ), Path('log')) as server:\n"
        "    print(server.ready.pid, flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None and parent.stdin is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    child.wait(LIMIT_S)
    parent.stdin.close()
    parent.stdout.close()
    assert parent.wait(LIMIT_S) == -signal.SIGKILL
