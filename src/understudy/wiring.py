"""Simulator and gateway wired together, as child processes on this machine."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .environment import LOCATION, PROJECT, Endpoint, Variables, server_environment
from .errors import TargetError
from .processes import ServerProcess, running

UPSTREAM_KEY: Final = "upstream-understudy"
"""The API key that the wired gateway shows the simulator: not the clients' one, so that a leak would be seen."""

DEVELOPMENT: Final[Mapping[str, object]] = MappingProxyType({"development": True})
"""Settings of a gateway that takes any key, on loopback only."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens: plain, TLS and admin; 0 picks a free one."""

    http: int = 0
    tls: int = 0
    admin: int = 0

    def options(self) -> list[str]:
        """The same as options of `understudy simulator` and `understudy gateway`."""
        return ["--port", str(self.http), "--tls-port", str(self.tls), "--admin-port", str(self.admin)]


@dataclass(frozen=True, slots=True)
class Pair:
    """A simulator and a gateway that has it as its upstream; both are ready."""

    simulator: ServerProcess
    gateway: ServerProcess

    def variables(self) -> Variables:
        """Where they are, for programs that want to know."""
        return whereabouts(self.simulator) | {"UNDERSTUDY_GATEWAY": self.gateway.ready.http}

    def endpoint(self, key_file: Path) -> Endpoint:
        """Where clients are pointed: the gateway, by TLS, since the Python Live client can do no other.

        Raises TargetError if it listens without TLS.
        """
        ready = self.gateway.ready
        if ready.https is None or ready.ca is None:
            raise TargetError("the gateway listens without TLS by the local CA")
        return Endpoint(ready.https, True, ready.ca, str(key_file))


@contextmanager
def wired(
    folder: Path,
    environ: Mapping[str, str],
    simulator_options: Sequence[str],
    gateway_options: Sequence[str],
    key_file: Path,
    *,
    quiet: bool,
    settings: Mapping[str, object] = DEVELOPMENT,
) -> Generator[Pair, None, None]:
    """Both servers, started in order and ended in the other one.

    `folder` takes the gateway's configuration and, if `quiet`, what the servers say; `key_file` is where the simulator
    puts the key file of its service account; `settings` are the gateway's `understudy_settings`.
    Raises ConfigError or TargetError if a server cannot start.
    """
    with alone(folder, environ, simulator_options, key_file, quiet=quiet) as simulator:
        config = folder / "gateway.yaml"
        config.write_text(json.dumps(gateway_config(simulator.ready.http, key_file, settings), indent=2), "utf-8")
        upstream = {"GEMINI_API_KEY": UPSTREAM_KEY, "GEMINI_API_BASE": simulator.ready.http}
        store = [] if settings.get("development") else ["--store", str(folder / "spend.db")]
        options = [*gateway_options, *store, "--config", str(config)]
        with running(
            "gateway", options, {**server_environment(environ), **upstream}, _log(folder, "gateway", quiet)
        ) as gateway:
            yield Pair(simulator, gateway)


@contextmanager
def alone(
    folder: Path, environ: Mapping[str, str], options: Sequence[str], key_file: Path, *, quiet: bool
) -> Generator[ServerProcess, None, None]:
    """The simulator without a gateway; arguments and errors as of `wired`."""
    play = [*options, "--service-account", str(key_file)]
    with running("simulator", play, server_environment(environ), _log(folder, "simulator", quiet)) as simulator:
        yield simulator


def _log(folder: Path, name: str, quiet: bool) -> Path | None:
    return folder / f"{name}.log" if quiet else None


def gateway_config(simulator: str, key_file: Path, settings: Mapping[str, object] = DEVELOPMENT) -> dict[str, object]:
    """The configuration of a gateway whose providers are the simulator at the URL `simulator`."""
    return {
        "understudy_settings": dict(settings),
        "default_vertex_config": {
            "vertex_project": PROJECT,
            "vertex_location": LOCATION,
            "vertex_credentials": str(key_file),
            "api_base": simulator,
        },
    }


def whereabouts(simulator: ServerProcess) -> Variables:
    """The simulator's addresses, as variables."""
    variables: Variables = {"UNDERSTUDY_SIMULATOR": simulator.ready.http}
    return variables | {"UNDERSTUDY_CONTROL": simulator.ready.admin}
