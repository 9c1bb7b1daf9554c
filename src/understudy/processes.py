"""Our servers as child processes: started with `--json`, known to be ready by their first line, ended gracefully.

A child reads its standard input and ends when that ends: so it does not outlive a parent that was killed.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Final, Literal

from .errors import ConfigError, TargetError

ServerName = Literal["simulator", "gateway"]

START_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 10.0
_LOG_TAIL: Final = 4096


@dataclass(frozen=True, slots=True)
class Ready:
    """What a server says in its first line: its addresses, the CA file that its certificate needs, its process."""

    http: str
    https: str | None
    admin: str | None
    ca: str | None
    pid: int

    def line(self) -> str:
        """The line that `--json` prints."""
        fields = {"http": self.http, "https": self.https, "admin": self.admin, "ca": self.ca, "pid": self.pid}
        return json.dumps(fields)

    @classmethod
    def of_line(cls, line: str) -> "Ready":
        """The value that `line()` wrote. Raises TargetError if the line is not such."""
        try:
            fields: dict[str, Any] = json.loads(line)
            return cls(fields["http"], fields["https"], fields["admin"], fields["ca"], int(fields["pid"]))
        except (ValueError, KeyError, TypeError) as error:
            raise TargetError(f"a server said {line.strip()!r} in place of its addresses") from error


class ServerProcess:
    """One server that runs in a process of its own and is ready."""

    def __init__(self, name: ServerName, process: "subprocess.Popen[str]", ready: Ready) -> None:
        self.name: ServerName = name
        self.ready = ready
        self._process = process

    @property
    def status(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def stop(self) -> int:
        """End it gracefully, by force after STOP_LIMIT_S; its exit status."""
        return _end(self._process)


@contextmanager
def running(
    name: ServerName, arguments: Sequence[str], environ: Mapping[str, str], log: Path | None = None
) -> Generator[ServerProcess, None, None]:
    """The server `understudy NAME ARGUMENTS`, started and ready; ended when the block is left.

    What it says goes to the file `log`, or with None to our own standard error. Raises ConfigError with its own words
    if it refused to start (exit status 2), TargetError if it failed in another way or was not ready in time.
    """
    process = _start([name, "--json", "--until-stdin-ends", *arguments], environ, log, lives_on=False)
    lines: SimpleQueue[str] = SimpleQueue()
    reader = threading.Thread(target=_read_lines, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield ServerProcess(name, process, _first_line(f"the {name}", process, lines, log))
    finally:
        _end(process)
        reader.join(STOP_LIMIT_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def start_in_background(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> str:
    """The first line of `understudy ARGUMENTS`, which must be as of `--json`; it goes on when we end.

    What it says besides goes to the file `log`, in place of an older one's, once it is ready. Raises ConfigError or
    TargetError if it did not start.
    """
    # Who does not start must not take the log away from one that runs.
    fresh = log.with_name(f".{os.getpid()}-{log.name}")
    process = _start(arguments, environ, fresh, lives_on=True)
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    try:
        line = _json_line(f"understudy {arguments[0]}", process, lines, fresh)
    except BaseException:
        _end(process)
        fresh.unlink(missing_ok=True)
        raise
    fresh.replace(log)
    return line


def _start(
    arguments: Sequence[str], environ: Mapping[str, str], log: Path | None, *, lives_on: bool
) -> "subprocess.Popen[str]":
    # -P: what lies in the user's folder must not stand in for a module of ours or of the standard library.
    command = [sys.executable, "-P", "-m", "understudy", *arguments]
    with _talk(log) as stderr:
        return subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL if lives_on else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=dict(environ),
            text=True,
            start_new_session=lives_on,
            # Ctrl-C on the terminal is for the parent, which then ends its servers in order.
            process_group=0 if os.name == "posix" and not lives_on else None,
        )


@contextmanager
def _talk(log: Path | None) -> Generator[IO[bytes] | None, None, None]:
    """Where a child's standard error goes; None: to ours."""
    if log is None:
        yield None
    else:
        with log.open("ab") as file:
            yield file


def _read_lines(process: "subprocess.Popen[str]", lines: "SimpleQueue[str]") -> None:
    """Hand on the first line, and read the rest so that the child never blocks on a full pipe; "" is the end."""
    assert process.stdout is not None
    lines.put(process.stdout.readline())
    for _ in process.stdout:
        pass


def _first_line(what: str, process: "subprocess.Popen[str]", lines: "SimpleQueue[str]", log: Path | None) -> Ready:
    return Ready.of_line(_json_line(what, process, lines, log))


def _json_line(what: str, process: "subprocess.Popen[str]", lines: "SimpleQueue[str]", log: Path | None) -> str:
    try:
        line = lines.get(timeout=START_LIMIT_S)
    except Empty:
        raise TargetError(f"{what} was not ready after {START_LIMIT_S:.0f} s{_tail(log)}") from None
    if line:
        return line
    status = process.wait(STOP_LIMIT_S)
    text = f"{what} did not start (exit status {status}){_tail(log)}"
    raise ConfigError(text) if status == ConfigError.exit_status else TargetError(text)


def _tail(log: Path | None) -> str:
    """The end of what the child said, for an error's text."""
    if log is None:
        return "; it says above why"
    said = log.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace").strip()
    return f":\n{said}" if said else "; it said nothing"


def _end(process: "subprocess.Popen[str]") -> int:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(STOP_LIMIT_S)
