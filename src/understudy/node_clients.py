"""Client environments for Node: official JavaScript clients, each in a folder of its own that npm fills on first use.

They live beside the Python ones below the home folder, `clients/npm-<package>-<version>/`.
"""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .clients import finished, locked
from .errors import TargetError

SESSION_PROGRAM: Final = Path(__file__).parent / "_clients" / "google_genai_session.mjs"
"""The conversation program that Node runs, from a copy in the environment's folder."""

OLDEST_NODE: Final = 20
"""What @google/genai 2.32 asks for in its `engines`."""


@dataclass(frozen=True, slots=True)
class NodeEnvironment:
    """One ready environment: its folder, which holds `node_modules`, the version of its client, and the Node to use."""

    package: str
    version: str
    folder: Path
    node: Path

    @property
    def session_command(self) -> tuple[str, ...]:
        """The command that plays a plan with this client."""
        return str(self.node), str(self.folder / SESSION_PROGRAM.name)


def node_environment(
    package: str, version: str | None, home: Path, say: Callable[[str], None] = lambda line: None
) -> NodeEnvironment:
    """The environment with `package` in `version` (None: the newest that npm finds), made if it is not there yet.

    `say` is called with one line before anything slow. Safe when several processes ask at once; what is there is
    whole, since it is built elsewhere and then renamed. Raises TargetError if Node or npm is missing, if Node is older
    than OLDEST_NODE, or if something cannot be installed.
    """
    node, npm = found_node(), _found("npm")
    folder = home / "clients" / f"npm-{package.replace('/', '+')}-{version or 'newest'}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(folder.name + ".lock")):
        if not folder.exists():
            say(f"installing {package} {version or '(newest)'} into {folder}")
            _install(npm, f"{package}@{version or 'latest'}", folder)
        _put_program(folder)
        return NodeEnvironment(package, _installed_version(folder, package), folder, node)


def found_node() -> Path:
    """Where Node is. Raises TargetError if there is none, or only one older than OLDEST_NODE."""
    node = _found("node")
    done = finished(str(node), "--version")
    said = done.stdout.strip()
    number = re.match(r"v(\d+)\.", said)
    if done.returncode or number is None:
        raise TargetError(f"{node} --version: exit status {done.returncode}, and it says {said!r}, not a version")
    if int(number[1]) < OLDEST_NODE:
        raise TargetError(f"{node} is {said}; JavaScript clients need Node {OLDEST_NODE} or newer")
    return node


def _found(program: str) -> Path:
    path = shutil.which(program)
    if path is None:
        raise TargetError(f"no '{program}' on PATH; JavaScript clients need Node {OLDEST_NODE} or newer, with npm")
    return Path(path)


def _install(npm: Path, requirement: str, folder: Path) -> None:
    """Let npm fill a temporary folder beside `folder`, then rename it. Raises TargetError in npm's words."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    # Without a package.json of its own, npm would look for one in the folders above.
    (part / "package.json").write_text('{"private": true}\n', "utf-8")
    # Nothing that is downloaded runs during the installation; the clients need no build.
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--json")
    done = finished(str(npm), "install", "--prefix", str(part), *quiet, requirement)
    if done.returncode:
        shutil.rmtree(part)
        said = done.stderr.strip() or done.stdout.strip() or "no output"
        why = _npm_summary(done.stdout) or said.splitlines()[-1]
        raise TargetError(f"npm install {requirement}: exit status {done.returncode}: {why}")
    part.rename(folder)


def _npm_summary(output: str) -> str | None:
    """The one line in which npm says why it failed; its standard error ends with advice and the name of a log."""
    try:
        said: Any = json.loads(output)
    except ValueError:
        return None
    match said:
        case {"error": {"summary": str(summary)}} if summary.strip():
            return summary.strip().splitlines()[0]
        case _:
            return None


def _put_program(folder: Path) -> None:
    """Put today's program into the folder: Node looks for a module's packages from where the module lies."""
    fresh = folder / f".{SESSION_PROGRAM.name}"
    shutil.copyfile(SESSION_PROGRAM, fresh)
    fresh.replace(folder / SESSION_PROGRAM.name)


def _installed_version(folder: Path, package: str) -> str:
    manifest = folder / "node_modules" / package / "package.json"
    try:
        return str(json.loads(manifest.read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError) as error:
        raise TargetError(f"{manifest}: {error!r}; remove {folder} to have it made anew") from error
