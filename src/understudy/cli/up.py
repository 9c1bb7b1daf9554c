"""`understudy up`: the simulator and the gateway, wired together, until Ctrl-C or SIGTERM."""

import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer

from ..environment import client_variables, env_file_lines
from ..errors import ConfigError, TargetError
from ..home import prepared_home, write_private
from ..processes import Ready, start_in_background
from ..wiring import Pair, Ports, wired
from .options import (
    EnvFile,
    FailOn,
    JsonLine,
    ScenarioNames,
    Speed,
    SpendFile,
    Strict,
    VerdictFile,
    play_options,
    port_option,
)
from .servers import KEY_FILE, is_in_use
from .signals import handled

HOST: Final = "127.0.0.1"
_LOOK_EVERY_S: Final = 0.2


def up(
    port: Annotated[int, port_option("The gateway's HTTP port")] = 4000,
    tls_port: Annotated[int, port_option("The gateway's HTTPS port")] = 4443,
    admin_port: Annotated[int, port_option("The gateway's admin port")] = 4001,
    simulator_port: Annotated[int, port_option("The simulator's HTTP port")] = 8900,
    simulator_tls_port: Annotated[int, port_option("The simulator's HTTPS port")] = 8943,
    simulator_admin_port: Annotated[int, port_option("The simulator's control API")] = 8901,
    scenario: ScenarioNames = None,
    strict: Strict = False,
    speed: Speed = 1.0,
    spend: SpendFile = None,
    env_file: EnvFile = None,
    report: VerdictFile = None,
    fail_on: FailOn = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Come back when both are ready, and leave them running in the background.")
    ] = False,
    json_line: JsonLine = False,
) -> None:
    """Run the simulator and the reference gateway, wired together.

    The gateway runs in development mode: any key will do, on loopback only.

    \b
    Examples:
      understudy up
      eval "$(understudy env --for python)"
      understudy up --wait --env-file understudy.env
      curl -s localhost:4000/gemini/v1beta/models/gemini-2.5-flash:generateContent \\
           -H 'x-goog-api-key: sk-anything' -H 'content-type: application/json' \\
           -d '{"contents":[{"parts":[{"text":"hello"}]}]}'
    """
    from .verdicts import check_place, told_by

    check_place(report, has_terminal=not wait)
    home = prepared_home(os.environ)
    if wait:
        _go_to_background(home, json_line)
        return
    gateway = Ports(port, tls_port, admin_port)
    simulator = Ports(simulator_port, simulator_tls_port, simulator_admin_port)
    _check_free("--", gateway)
    _check_free("--simulator-", simulator)
    play = [*simulator.options(), *play_options(scenario, strict, speed)]
    pass_on = [*gateway.options(), *(["--spend", str(spend)] if spend else [])]
    ended = threading.Event()
    with (
        handled(lambda number: ended.set()),
        TemporaryDirectory(prefix="understudy-up-") as folder,
        wired(Path(folder), os.environ, play, pass_on, key_file := _key_file(home, folder), quiet=False) as pair,
    ):
        if env_file is not None:
            _write_env_file(env_file, pair, key_file)
        _announce(_whereabouts(pair), json_line)
        _watch(pair, ended)
        found = told_by(pair.simulator.ready, os.environ, report, fail_on, json_line)
    raise SystemExit(found)


def _check_free(start: str, ports: Ports) -> None:
    """Raise ConfigError that names our option, not the server's, for a port that is taken."""
    for name, port in (("port", ports.http), ("tls-port", ports.tls), ("admin-port", ports.admin)):
        try:
            socket.create_server((HOST, port)).close()
        except OSError as error:
            hint = "is `understudy up` running already? Else choose another"
            # Python adds the address to the system's text, in its own notation.
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise ConfigError(f"{start}{name} {port}: {reason}; {hint}") from error


def _key_file(home: Path, folder: str) -> Path:
    """Where the service account's key file goes: into the state folder, unless another simulator's lies there."""
    key_file = home / KEY_FILE
    return Path(folder) / KEY_FILE if is_in_use(key_file) else key_file


def _go_to_background(home: Path, json_line: bool) -> None:
    """Start the same command line again without `--wait`, in a session of its own, and say where it is."""
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--wait", "--json")]
    said = json.loads(start_in_background([*arguments, "--json"], os.environ, home / "up.log"))
    _announce(said, json_line)
    print(f"it runs in the background and writes to {home / 'up.log'}; end it by: kill {said['pid']}", file=sys.stderr)


def _write_env_file(path: Path, pair: Pair, key_file: Path) -> None:
    endpoint = pair.endpoint(key_file)
    lines = env_file_lines(client_variables(endpoint, os.environ) | pair.variables())
    write_private(path.absolute(), "".join(f"{line}\n" for line in lines).encode())


def _whereabouts(pair: Pair) -> dict[str, Any]:
    """Where everything is: the gateway's addresses as any server says them, and those of each."""
    gateway, simulator = pair.gateway.ready, pair.simulator.ready
    ours = Ready(gateway.http, gateway.https, gateway.admin, gateway.ca, os.getpid())
    others = {"simulator": json.loads(simulator.line()), "gateway": json.loads(gateway.line())}
    return {**json.loads(ours.line()), **others}


def _announce(said: Mapping[str, Any], json_line: bool) -> None:
    """Say what `_whereabouts` found: in one line, or the first address and the rest on standard error."""
    if json_line:
        print(json.dumps(said), flush=True)
        return
    gateway, simulator = said["gateway"], said["simulator"]
    print(f"listening {gateway['http']}", flush=True)
    lines = [
        f"gateway    {gateway['http']}  {gateway['https']}  admin {gateway['admin']}",
        f"simulator  {simulator['http']}  {simulator['https']}  control {simulator['admin']}",
        f"trust      {gateway['ca']}",
        f'clients    eval "$(understudy env --for python --url {gateway["https"]})"',
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _watch(pair: Pair, ended: threading.Event) -> None:
    """Return when we are to end. Raises TargetError if a server ends by itself."""
    while not ended.wait(_LOOK_EVERY_S):
        for server in (pair.gateway, pair.simulator):
            if server.status is not None:
                raise TargetError(f"the {server.name} ended by itself (exit status {server.status})")
