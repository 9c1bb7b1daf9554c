"""The programs that are measured, started as real processes on their core and ended with the block."""

import json
import os
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from understudy.control import Control
from understudy.environment import server_environment
from understudy.errors import ConfigError, TargetError
from understudy.processes import ServerProcess, running

from .load import Aim
from .payloads import MODEL, unary_answer
from .workloads import DIRECT, ECHO, NGINX, PLAIN, RELAY, SIMULATOR, WORKERS

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 10.0
GATEWAY_KEY: Final = "sk-bench-gateway-key"
UPSTREAM_KEY: Final = "bench-upstream-key"
_FREE: Final = ("--port", "0", "--tls-port", "0", "--admin-port", "0")
_SOURCE_ROOT: Final = Path(__file__).parents[1]
_ATTEMPTS: Final = 3
_LOOK_S: Final = 0.05
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Program:
    """A program that runs: where clients connect, and its process; None for the load tool's own upstream."""

    aim: Aim
    pid: int | None

    @property
    def name(self) -> str:
        """Its name in the report."""
        return self.aim.name


class Absent(Exception):
    """A program cannot be measured here; the text says why."""


@contextmanager
def started(name: str, upstream_port: int, folder: Path) -> Generator[Program, None, None]:
    """The program `name` with the upstream on that port, ready; `folder` takes its files.

    Raises Absent if it is not installed, ConfigError or TargetError if it does not start.
    """
    match name:
        case "direct":
            yield Program(Aim(DIRECT, upstream_port), None)
        case "echo":
            with _peer(ECHO, (), folder) as (port, pid):
                yield Program(Aim(ECHO, port, echoes=True), pid)
        case "relay":
            with _peer(RELAY, (f"http://127.0.0.1:{upstream_port}",), folder) as (port, pid):
                yield Program(Aim(RELAY, port), pid)
        case "nginx":
            with _nginx(upstream_port, folder) as (port, pid):
                yield Program(Aim(NGINX, port), pid)
        case "gateway" | "plain" | "workers":
            with _gateway(name, upstream_port, folder) as server:
                fields = f"x-goog-api-key: {GATEWAY_KEY}\r\n".encode()
                yield Program(Aim(name, _port(server), b"/gemini", fields), server.ready.pid)
        case "simulator":
            with _simulator(folder) as server:
                yield Program(Aim(SIMULATOR, _port(server), fields=b"x-goog-api-key: any\r\n"), server.ready.pid)
        case _:
            raise ConfigError(f"{name}: no program of the bench")


FRAME_BYTES: Final = 960
"""20 ms of speech: 24,000 samples a second, two bytes each."""

SCENARIOS: Final = 200
"""How many are armed while the simulator is measured; one of them answers."""


def _port(server: ServerProcess) -> int:
    port = urlsplit(server.ready.http).port
    if port is None:
        raise TargetError(f"the {server.name} gave no port: {server.ready.http}")
    return port


def _environment(folder: Path) -> dict[str, str]:
    """For a server of ours: a state folder of its own, so that nothing of the user's is used or left behind."""
    return {**server_environment(os.environ), "UNDERSTUDY_HOME": str(folder / "home")}


@contextmanager
def _gateway(name: str, upstream_port: int, folder: Path) -> Generator[ServerProcess, None, None]:
    """The gateway as it is used: a key is checked, each exchange priced, kept in the store and logged to a file.

    As PLAIN it does nothing of that but for the key, as WORKERS it has two workers.
    """
    config, store = folder / f"{name}.yaml", folder / f"spend-{name}.db"
    settings = {"keys": [{"id": "bench", "key": GATEWAY_KEY}], "accounting": name != PLAIN}
    config.write_text(json.dumps({"understudy_settings": settings}), "utf-8")
    workers = ("--workers", "2") if name == WORKERS else ()
    options = ("--config", str(config), *_FREE, "--store", str(store), *workers)
    upstream = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": f"http://127.0.0.1:{upstream_port}"}
    environ = {**_environment(folder), **upstream}
    with running("gateway", options, environ, folder / f"{name}.log") as server:
        yield server
    if name == PLAIN:
        require_none(store)
    else:
        require_costs(store)


def require_none(store: Path) -> None:
    """Raise TargetError if there is a spend record: a gateway without accounts that has some is no reference."""
    with closing(sqlite3.connect(store)) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM spend").fetchone()
    if count:
        raise TargetError(f"the gateway without accounts: {count} records")


def require_costs(store: Path) -> None:
    """Raise TargetError unless there are spend records and each has its cost: else less was measured than is said."""
    with closing(sqlite3.connect(store)) as connection:
        count, unpriced = connection.execute("SELECT COUNT(*), COUNT(*) - COUNT(cost) FROM spend").fetchone()
        reason = connection.execute("SELECT model, reason FROM spend WHERE cost IS NULL LIMIT 1").fetchone()
    if unpriced or not count:
        example = f", such as that of {reason[0]}: {reason[1]}" if unpriced else ""
        raise TargetError(f"the gateway: {unpriced} of {count} records are without a cost{example}")


@contextmanager
def _simulator(folder: Path) -> Generator[ServerProcess, None, None]:
    """The simulator as it is used: bodies are checked, and SCENARIOS are armed, each played without end."""
    options = (*_FREE, "--speed", "0", "--service-account", str(folder / "service-account.json"))
    with running("simulator", options, _environment(folder), folder / "simulator.log") as server:
        if server.ready.admin is None:
            raise TargetError("the simulator has no admin port")
        with Control(server.ready.admin) as control:
            for number in range(SCENARIOS - 1):
                control.play(_scenario(f"another-{number}"), times=None)
            control.play(_scenario(MODEL), times=None)
        yield server


@contextmanager
def live_simulator(folder: Path) -> Generator[ServerProcess, None, None]:
    """The simulator for Live sessions: speech in messages of 20 ms, sent in the time that it takes to say it."""
    words = (f"chunk-bytes={FRAME_BYTES}", "audio-pace=1", "waits-for-playback=off")
    live = tuple(part for word in words for part in ("--live", word))
    options = (*_FREE, *live, "--service-account", str(folder / "service-account.json"))
    with running("simulator", options, _environment(folder), folder / "simulator-live.log") as server:
        yield server


def _scenario(model: str) -> dict[str, Any]:
    reply = {"text": unary_answer().decode(), "headers": {"content-type": "application/json; charset=UTF-8"}}
    return {
        "id": f"bench/{model}",
        "title": "The answer of the bench",
        "surface": "gemini",
        "model": model,
        "match": {"method": "generateContent"},
        "server": [{"reply": reply}],
    }


@contextmanager
def _peer(name: str, arguments: tuple[str, ...], folder: Path) -> Generator[tuple[int, int], None, None]:
    """A program of `peers/`: its port and process id; what it says goes to a file of the folder."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, "-P", "-m", f"understudy_bench.peers.{name}", *arguments]
    said = folder / f"{name}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environ
        )
    try:
        fields = json.loads(_first_line(name, process, said))
        yield int(fields["port"]), process.pid
    finally:
        _end(process)


def _first_line(name: str, process: "subprocess.Popen[bytes]", said: Path) -> bytes:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_LIMIT_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise TargetError(f"the {name} of the bench did not start: {_end_of(said)}")
    return line


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace").strip()[-_SHOWN:] or "it said nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a peer: by the end of its input, then by force."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_LIMIT_S)


@contextmanager
def _nginx(upstream_port: int, folder: Path) -> Generator[tuple[int, int], None, None]:
    """nginx of the system: its port and process id. Raises Absent if there is none."""
    path = nginx_path()
    if path is None:
        raise Absent("nginx is not installed")
    home = folder / "nginx"
    home.mkdir(exist_ok=True)
    port, process = _listening_nginx(path, upstream_port, home)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        _end(process)


def nginx_path() -> str | None:
    """Where nginx is; distributions keep it outside the PATH of ordinary users."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def nginx_version() -> str:
    """Its version, or `none`."""
    path = nginx_path()
    if path is None:
        return "none"
    said = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=START_LIMIT_S, check=False)  # noqa: S603
    return said.stderr.strip().rpartition("/")[2] or "unknown"


def _listening_nginx(path: str, upstream_port: int, home: Path) -> tuple[int, "subprocess.Popen[bytes]"]:
    """nginx cannot pick a port itself; if somebody takes the one we found, it ends and we look for another."""
    template = Path(__file__).with_name("nginx.conf.template").read_text("utf-8")
    config, said = home / "nginx.conf", home / "nginx.log"
    for _ in range(_ATTEMPTS):
        port = _free_port()
        text = template.replace("FOLDER", str(home)).replace("UPSTREAM", str(upstream_port)).replace("PORT", str(port))
        config.write_text(text, "utf-8")
        with said.open("wb") as log:
            process = subprocess.Popen([path, "-p", str(home), "-c", str(config)], stderr=log)  # noqa: S603 - the system's
        if _listens(process, port):
            return port, process
        _end(process)
    raise Absent(f"nginx did not start: {_end_of(said)}")


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_LOOK_S)
            continue
        return process.poll() is None
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
