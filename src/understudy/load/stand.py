"""What is loaded: somebody's gateway with a simulator as its upstream, or simulator and gateway of our own."""

import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from ..conformance.target import Target
from ..control import Control
from ..environment import LOCATION, PROJECT
from ..errors import TargetError
from ..secret import Secret
from ..wiring import Ports, alone, wired

OWN_KEY_VARIABLE: Final = "UNDERSTUDY_LOAD_KEY"
SETTINGS: Final[Mapping[str, object]] = MappingProxyType(
    {"keys": [{"id": "load", "key": f"os.environ/{OWN_KEY_VARIABLE}"}]}
)
"""Our own gateway under load does all that it does in service: it checks the key and writes what each request cost."""

_OPTIONS: Final = ("--lenient", "--auth", "any")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where everything is: `simulator` takes HTTP, `control` orders; `pids` are the known processes by role."""

    url: str
    target: Target
    simulator: str
    control: str
    pids: Mapping[str, int]


@contextmanager
def own_stand(target: Target, home: Path) -> Generator[Stand, None, None]:
    """Simulator and reference gateway on free ports, with a key of their own. Raises ConfigError or TargetError."""
    with TemporaryDirectory(prefix="understudy-load-") as name:
        folder = Path(name)
        key = "sk-load-" + secrets.token_urlsafe(24)
        environ = {**os.environ, "UNDERSTUDY_HOME": str(home), OWN_KEY_VARIABLE: key}
        play = (*Ports().options(), *_OPTIONS)
        pass_on = (*Ports().options(), "--spend", str(folder / "spend.jsonl"))
        key_file = folder / "service-account.json"
        with wired(folder, environ, play, pass_on, key_file, quiet=True, settings=SETTINGS) as pair:
            simulator, gateway = pair.simulator.ready, pair.gateway.ready
            known = replace(target, key=Secret(key), project=PROJECT, location=LOCATION)
            pids = {"gateway": gateway.pid, "simulator": simulator.pid}
            yield Stand(gateway.http, known, simulator.http, simulator.admin or "", pids)


@contextmanager
def stand_for(
    url: str, target: Target, home: Path, control: str | None, control_key: Secret | None, port: int
) -> Generator[Stand, None, None]:
    """The gateway at `url`, with the simulator at the admin address `control` or, if None, one started on `port`.

    Raises TargetError if a simulator does not answer or does not say where it takes requests.
    """
    if control is not None:
        with Control(control, control_key) as running:
            http = str(running.health().get("http") or "")
        if not http:
            raise TargetError(f"{control}: the simulator does not say where it takes requests")
        yield Stand(url, target, http, control, {})
        return
    with TemporaryDirectory(prefix="understudy-load-") as name:
        environ = {**os.environ, "UNDERSTUDY_HOME": str(home)}
        options = (*Ports(http=port).options(), *_OPTIONS)
        with alone(Path(name), environ, options, Path(name) / "service-account.json", quiet=True) as server:
            yield Stand(url, target, server.ready.http, server.ready.admin or "", {"simulator": server.ready.pid})
