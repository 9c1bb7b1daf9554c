"""Runs locust in a process of its own by a plan, and reads what it hands back."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from ..errors import ConfigError, TargetError
from ..secret import STARS, Secret
from .files import loadtests_folder
from .plan import KEY_VARIABLE, PLAN_VARIABLE, Outcome, Plan

START_LIMIT_S: Final = 90.0
"""What a run may take beyond its schedule: locust starts, and the last conversations end."""

STOP_LIMIT_S: Final = 20.0
_TICK_S: Final = 0.1
_LOG_TAIL: Final = 2000


def require_locust() -> None:
    """Raise ConfigError if locust is not installed."""
    if importlib.util.find_spec("locust") is None:
        raise ConfigError("locust is not installed, and makes the load: pip install 'understudy[load]'")


def run(plan: Plan, key: Secret | None, tick: Callable[[float], None], is_ended: Callable[[], bool]) -> Outcome:
    """Play a plan.

    `tick` is called now and then with the seconds since the start; once `is_ended` is true the run is ended early, and
    what was seen until then is handed back as a part. Raises TargetError if locust fails.
    """
    with TemporaryDirectory(prefix="understudy-locust-") as name:
        folder = Path(name)
        out = folder / "outcome.json"
        plan_file = folder / "plan.json"
        plan_file.write_text(json.dumps(replace(plan, out=str(out)).as_json()), "utf-8")
        with (folder / "locust.log").open("wb") as log, _started(folder, plan_file, key, log) as process:
            _wait(process, plan.pace.whole_s + START_LIMIT_S, tick, is_ended)
        if not out.is_file():
            if is_ended():
                raise TargetError("the run was ended before it began")
            raise TargetError(f"locust ended with status {process.returncode}:\n{_tail(folder / 'locust.log', key)}")
        return Outcome.of_json(json.loads(out.read_text("utf-8")))


@contextmanager
def _started(
    folder: Path, plan_file: Path, key: Secret | None, log: IO[bytes]
) -> "Generator[subprocess.Popen[bytes], None, None]":
    command = [sys.executable, "-P", "-m", "locust", "-f", str(loadtests_folder() / "locustfile.py"), "--headless"]
    command += ["--users", "1", "--spawn-rate", "1", "--stop-timeout", "0", "--only-summary", "PlannedUser"]
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command,
        # Locust reads settings where it stands.
        cwd=folder,
        env=_environment(os.environ, plan_file, key),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # Ctrl-C on the terminal is for us, who then end it.
        process_group=0 if os.name == "posix" else None,
    )
    try:
        yield process
    finally:
        _end(process)


def _environment(environ: Mapping[str, str], plan_file: Path, key: Secret | None) -> dict[str, str]:
    """Ours, without locust's own variables, which would change the run; relative paths for imports made absolute."""
    kept = {name: value for name, value in environ.items() if not name.startswith("LOCUST_") and name != KEY_VARIABLE}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(
            str(Path(part).absolute()) for part in kept["PYTHONPATH"].split(os.pathsep)
        )
    if key is not None:
        kept[KEY_VARIABLE] = key.reveal()
    return {**kept, PLAN_VARIABLE: str(plan_file)}


def _wait(
    process: "subprocess.Popen[bytes]", limit_s: float, tick: Callable[[float], None], is_ended: Callable[[], bool]
) -> None:
    begin = time.monotonic()
    while process.poll() is None:
        passed = time.monotonic() - begin
        if is_ended():
            return
        if passed > limit_s:
            raise TargetError(f"locust did not end: {limit_s:.0f} s have passed")
        tick(passed)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TICK_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait(STOP_LIMIT_S)


def _tail(path: Path, key: Secret | None) -> str:
    said = path.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace").strip() or "it said nothing"
    return said.replace(key.reveal(), STARS) if key else said
