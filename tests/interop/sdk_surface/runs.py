"""Runs of the driver: a process for each release, mode, way and transport, each with a simulator that was reset."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from understudy.authority import Authority
from understudy.clients import client_environment
from understudy.control import Control
from understudy.environment import applied, no_proxy_variables
from understudy.processes import Ready

from .rows import MODES

CLIENT: Final = "google-genai"
NEWEST: Final = "3.4.0"
VERSIONS: Final = (NEWEST, "2.34.0", "1.75.0")
DRIVER: Final = Path(__file__).parent / "driver.py"
RUN_LIMIT_S: Final = 600
SIMULATOR: Final = ("--port", "0", "--tls-port", "0", "--admin-port", "0", "--speed", "0")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a run is with."""

    version: str
    mode: str
    is_async: bool
    is_tls: bool

    def __str__(self) -> str:
        way = "async" if self.is_async else "sync"
        return f"{self.version}-{self.mode}-{way}-{'https' if self.is_tls else 'http'}"


KINDS: Final = tuple(
    Kind(version, mode, is_async, is_tls)
    for version in VERSIONS
    for mode in MODES
    for is_async in (False, True)
    for is_tls in (False, True)
    if version == NEWEST or is_async is is_tls
)
"""The newest release every way; of the others the sync way over HTTP and the async way over HTTPS."""


@dataclass(frozen=True, slots=True)
class Played:
    """How one row ended: "ok", "refused", "absent" or "failed", what it sent, and the names it knew."""

    outcome: str
    lines: tuple[str, ...]
    detail: str
    names: Mapping[str, str]


def played(kind: Kind, home: Path, http: str, simulator: Ready | None, bundle: Path | None) -> dict[str, Played]:
    """All rows, by id, with one client; where there is a simulator, it is reset first and tells what was sent."""
    admin = None
    if simulator is not None:
        admin = simulator.admin
        with Control(simulator.admin or "") as control:
            control.reset()
    trust = {} if bundle is None else {"SSL_CERT_FILE": str(bundle)}
    environment = client_environment(CLIENT, kind.version, home, print)
    plan: dict[str, Any] = {"mode": kind.mode, "is_async": kind.is_async, "base_url": http, "admin": admin}
    done = subprocess.run(
        [str(environment.python), str(DRIVER)],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        env=applied({**no_proxy_variables(os.environ), **trust}, clean(os.environ)),
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["row"]: Played(each["outcome"], tuple(each["lines"]), each["detail"], each["names"]) for each in found}


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would point a client elsewhere."""
    return {name: value for name, value in environ.items() if not name.startswith(("GOOGLE_", "GEMINI_"))}


class Runs:
    """The runs against one simulator, each made when it is first asked for."""

    def __init__(self, home: Path, simulator: Ready, folder: Path) -> None:
        self._home = home
        self._simulator = simulator
        self._bundle = Authority.of_home(home).write_bundle(os.environ, folder / "bundle.pem")
        self._made: dict[Kind, dict[str, Played]] = {}

    def of(self, kind: Kind) -> dict[str, Played]:
        """What the rows gave."""
        if kind not in self._made:
            address = self._simulator.https if kind.is_tls else self._simulator.http
            self._made[kind] = played(kind, self._home, address or "", self._simulator, self._bundle)
        return self._made[kind]
