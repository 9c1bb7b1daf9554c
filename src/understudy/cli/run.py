"""`understudy run -- COMMAND`: a command whose Google clients talk to the simulator, through the gateway."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from ..environment import DEVELOPMENT_KEY, Endpoint, Variables, applied, checked_origin, client_variables
from ..home import prepared_home
from ..processes import ServerProcess
from ..wiring import Ports, alone, whereabouts, wired
from .options import FailOn, ScenarioNames, Speed, SpendFile, Strict, VerdictFile, play_options, port_option
from .signals import handled

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
SIGNALLED: Final = 128


def run(
    command: Annotated[list[str], typer.Argument(metavar="[--] COMMAND...", help="What to run, with its arguments.")],
    gateway: Annotated[
        str | None, typer.Option(metavar="URL", help="A gateway that runs already, in place of ours.")
    ] = None,
    key: Annotated[
        str,
        typer.Option(
            metavar="KEY", envvar="UNDERSTUDY_KEY", help="What clients show that gateway.", show_default=False
        ),
    ] = DEVELOPMENT_KEY,
    simulator_port: Annotated[
        int | None, port_option("The simulator's HTTP port (8900 with --gateway, else 0)")
    ] = None,
    scenario: ScenarioNames = None,
    strict: Strict = False,
    speed: Speed = 0.0,
    spend: SpendFile = None,
    report: VerdictFile = None,
    fail_on: FailOn = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the servers say.")] = False,
) -> None:
    """Run a command against the simulator, through the gateway.

    Both are started on free ports and ended afterwards; the exit status is the command's, or with --fail-on 1 if the
    command is content and its clients should not be. Its Google clients are
    reached by environment variables; in Vertex mode code must also say vertexai=True, project and location. A gateway
    of your own (--gateway) must have the simulator as its upstream, http://127.0.0.1:8900.

    \b
    Examples:
      understudy run -- pytest
      understudy run --scenario gemini/quota-burst-then-success --fail-on failed -- python my_script.py
      understudy run --gateway http://127.0.0.1:4000 -- pytest -q
    """
    from .verdicts import check_place, told_by

    _check(command[0])
    check_place(report)
    if gateway is not None:
        gateway = checked_origin("--gateway", gateway)
    prepared_home(os.environ)
    port = simulator_port if simulator_port is not None else (8900 if gateway else 0)
    play = [*Ports(port).options(), *play_options(scenario, strict, speed)]
    with TemporaryDirectory(prefix="understudy-run-") as name:
        folder = Path(name)
        if gateway is not None:
            around = _around_gateway(folder, play, gateway, key, quiet=not verbose)
        else:
            around = _around_pair(folder, play, spend, quiet=not verbose)
        with around as (variables, simulator):
            status = _status_of(command, applied(variables, os.environ))
            found = told_by(simulator.ready, os.environ, report, fail_on)
    raise SystemExit(status or found)


def _check(program: str) -> None:
    """End with a shell's status if there is no such program, before anything is started."""
    if shutil.which(program) is None:
        is_there = Path(program).exists()
        print(f"{program}: {'is not executable' if is_there else 'command not found'}", file=sys.stderr)
        raise SystemExit(NOT_EXECUTABLE if is_there else NOT_FOUND)


@contextmanager
def _around_pair(
    folder: Path, play: Sequence[str], spend: Path | None, *, quiet: bool
) -> Generator[tuple[Variables, ServerProcess], None, None]:
    key_file = folder / "service-account.json"
    pass_on = [*Ports().options(), *(["--spend", str(spend)] if spend else [])]
    with wired(folder, os.environ, play, pass_on, key_file, quiet=quiet) as pair:
        yield client_variables(pair.endpoint(key_file), os.environ) | pair.variables(), pair.simulator
        _tell_if_ended(pair.simulator, pair.gateway)


@contextmanager
def _around_gateway(
    folder: Path, play: Sequence[str], gateway: str, key: str, *, quiet: bool
) -> Generator[tuple[Variables, ServerProcess], None, None]:
    key_file = folder / "service-account.json"
    with alone(folder, os.environ, play, key_file, quiet=quiet) as simulator:
        endpoint = Endpoint(gateway, True, str(simulator.ready.ca), str(key_file), key)
        variables = client_variables(endpoint, os.environ) | whereabouts(simulator)
        yield variables | {"UNDERSTUDY_GATEWAY": gateway}, simulator
        _tell_if_ended(simulator)


def _tell_if_ended(*servers: ServerProcess) -> None:
    for server in servers:
        if server.status is not None:
            print(f"understudy: the {server.name} ended too early (status {server.status})", file=sys.stderr)


def _status_of(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command to its end; its exit status as a shell tells it, 128+N if signal N ended it."""
    try:
        process = subprocess.Popen(command, env=dict(environ))  # noqa: S603 - to run it is what we were asked for
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_EXECUTABLE

    def pass_on(number: int) -> None:
        # Ctrl-C on a terminal reaches the command without us.
        if number != signal.SIGINT or not os.isatty(0):
            process.send_signal(number)

    with handled(pass_on):
        status = process.wait()
    return status if status >= 0 else SIGNALLED - status
