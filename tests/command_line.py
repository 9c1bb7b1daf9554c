"""Runs the `understudy` command as a user does: in a process of its own, with a state folder of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = os.environ.get("UNDERSTUDY_TEST_SOURCES") or os.pathsep.join(
    str(ROOT / name) for name in ("src", "gateway", "simulator")
)
"""Where the packages are; a run against a mutant names others."""

LIMIT_S = 120 * float(os.environ.get("UNDERSTUDY_TEST_UNIT", "1"))
ANY_PORTS = ("--port", "0", "--tls-port", "0", "--admin-port", "0")


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A user's environment: nothing of ours but the state folder, and the sources in case they are not installed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "UNDERSTUDY_TEST_UNIT") if name in os.environ}
    return {**kept, "PYTHONPATH": SOURCES, "UNDERSTUDY_HOME": str(home), **(more or {})}


def command(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-P", "-m", "understudy", *arguments]


def understudy(
    *arguments: str, home: Path, more: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """The command, run to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(home, more),
        cwd=cwd or home,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@contextmanager
def started(*arguments: str, home: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command while it runs; killed at the end if it still does."""
    process = subprocess.Popen(
        command(*arguments),
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


def first_line(process: "subprocess.Popen[str]") -> str:
    """The first line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline()
