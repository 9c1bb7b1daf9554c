"""Client environments: official Python clients, each in a virtual environment of its own, made on first use.

They live below the home folder, `clients/<package>-<version>/`, and are used by the demo and by the interop tests, so
that several versions of one client can be tried side by side.
"""

import contextlib
import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from .errors import TargetError

SESSION_SCRIPT: Final = Path(__file__).parent / "_clients" / "google_genai_session.py"
"""The conversation program that a client environment's interpreter runs."""

INSTALL_LIMIT_S: Final = 600


@dataclass(frozen=True, slots=True)
class ClientEnvironment:
    """One ready environment: its interpreter, and the version of the client that is in it."""

    package: str
    version: str
    python: Path

    @property
    def session_command(self) -> tuple[str, ...]:
        """The command that plays a plan with this client."""
        return str(self.python), str(SESSION_SCRIPT)


def client_environment(
    package: str,
    version: str | None,
    home: Path,
    say: Callable[[str], None] = lambda line: None,
    also: Sequence[str] = (),
    pins: Path | None = None,
) -> ClientEnvironment:
    """The environment with `package` in `version` (None: the newest that pip finds), made if it is not there yet.

    `also` are further packages that it must have; `pins` is a file of constraints, which says the versions of all that
    comes along: another content is another environment. `say` is called with one line before anything slow. Safe when
    several processes ask at once. Raises TargetError if something cannot be installed.
    """
    pinned = () if pins is None else (f"pins-{sha256(pins.read_bytes()).hexdigest()[:12]}",)
    folder = home / "clients" / "+".join((f"{package}-{version or 'newest'}", *also, *pinned))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        python, ready = folder / "bin" / "python", folder / "ready"
        if not ready.exists():
            say(f"installing {package} {version or '(newest)'} into {folder}")
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            constraints = () if pins is None else ("--constraint", str(pins))
            _run(str(python), "-m", "pip", "install", "--quiet", *constraints, _requirement(package, version), *also)
            ready.write_text(_installed_version(python, package), "utf-8")
        return ClientEnvironment(package, ready.read_text("utf-8"), python)


def _requirement(package: str, version: str | None) -> str:
    return package if version is None else f"{package}=={version}"


def _installed_version(python: Path, package: str) -> str:
    return _run(str(python), "-c", f"import importlib.metadata as m; print(m.version({package!r}), end='')")


def _run(*command: str) -> str:
    done = finished(*command)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise TargetError(f"{' '.join(command)}: exit status {done.returncode}: {last}")
    return done.stdout


def finished(*command: str) -> "subprocess.CompletedProcess[str]":
    """An installer's command, ended in whatever way. Raises TargetError if it cannot be started or takes too long."""
    try:
        return subprocess.run(  # noqa: S603 - our own command lines
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError(f"{' '.join(command[:4])} ...: {error}") from error


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold an advisory lock on a file: one process at a time builds an environment."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
