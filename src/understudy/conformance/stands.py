"""What is started for a run: nothing but a simulator for somebody's gateway, or simulator and gateway of our own."""

import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from ..control import Control
from ..environment import LOCATION, PROJECT
from ..errors import ConfigError, TargetError
from ..secret import Secret
from ..wiring import Ports, alone, wired
from .target import Target

KEY_VARIABLE: Final = "UNDERSTUDY_CHECK_KEY"
SETTINGS: Final[Mapping[str, object]] = MappingProxyType(
    {"price_book": "frozen", "keys": [{"id": "check", "key": f"os.environ/{KEY_VARIABLE}"}]}
)
"""Our own gateway under test: one key, and the price book against which the scenarios' costs are worked out.

`understudy check --price-book` puts another in its place."""

_OPTIONS: Final = ("--strict", "--auth", "any")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where gateway and simulator are; `target` has what is only known once they run. `pid` is the gateway's."""

    url: str
    control: str
    target: Target
    simulator: str
    pid: int | None = None


@contextmanager
def own_stand(target: Target, home: Path) -> Generator[Stand, None, None]:
    """The shipped target `understudy` or `direct`, started on free ports. Raises ConfigError for any other."""
    with TemporaryDirectory(prefix="understudy-check-") as name:
        folder = Path(name)
        environ = {**os.environ, "UNDERSTUDY_HOME": str(home)}
        key_file = folder / "service-account.json"
        match target.name:
            case "understudy":
                key = "sk-check-" + secrets.token_urlsafe(24)
                spend = folder / "spend.jsonl"
                play, pass_on = (*Ports().options(), *_OPTIONS), (*Ports().options(), "--spend", str(spend))
                environ[KEY_VARIABLE] = key
                settings = {**SETTINGS, "price_book": target.price_book}
                with wired(folder, environ, play, pass_on, key_file, quiet=True, settings=settings) as pair:
                    simulator, gateway = pair.simulator.ready, pair.gateway.ready
                    known = replace(
                        target,
                        key=Secret(key),
                        project=PROJECT,
                        location=LOCATION,
                        cost=replace(target.cost, file=str(spend)),
                    )
                    yield Stand(gateway.http, simulator.admin or "", known, simulator.http, gateway.pid)
            case "direct":
                known = replace(target, key=target.key or Secret("upstream-key-of-the-check"))
                with alone(folder, environ, (*Ports().options(), *_OPTIONS), key_file, quiet=True) as server:
                    yield Stand(server.ready.http, server.ready.admin or "", known, server.ready.http, server.ready.pid)
            case _:
                raise ConfigError(f"target {target.name}: its gateway is not started here; give its URL")


@contextmanager
def simulator_for(
    url: str, target: Target, home: Path, control: str | None, control_key: Secret | None, port: int
) -> Generator[Stand, None, None]:
    """The gateway at `url`, with the simulator at the admin address `control` or, if None, one started on `port`."""
    if control is not None:
        with Control(control, control_key) as running:
            http = str(running.health().get("http") or "")
        yield Stand(url, control, target, http)
        return
    with TemporaryDirectory(prefix="understudy-check-") as name:
        environ = {**os.environ, "UNDERSTUDY_HOME": str(home)}
        options = (*Ports(http=port).options(), *_OPTIONS)
        with alone(Path(name), environ, options, Path(name) / "service-account.json", quiet=True) as server:
            yield Stand(url, server.ready.admin or "", target, server.ready.http)


def answers_at(control: str, control_key: Secret | None) -> bool:
    """Whether a simulator's control API answers at that address."""
    try:
        with Control(control, control_key, timeout_s=2.0) as running:
            running.health()
    except TargetError:
        return False
    return True
