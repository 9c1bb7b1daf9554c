"""`understudy env`: shell lines that point one kind of client at the gateway or the simulator."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from ..environment import (
    DEVELOPMENT_KEY,
    Client,
    Endpoint,
    checked_origin,
    shell_lines,
    snippet,
    variables_for,
)
from ..home import prepared_home
from .certificates import BUNDLE_FILE
from .options import AsJson
from .servers import KEY_FILE


class Goal(StrEnum):
    """Which of our servers clients are to talk to."""

    GATEWAY = "gateway"
    SIMULATOR = "simulator"


DEFAULT_URLS: Final = {Goal.GATEWAY: "https://127.0.0.1:4443", Goal.SIMULATOR: "https://127.0.0.1:8943"}


def env(
    client: Annotated[
        Client, typer.Option("--for", help="The client, and the form in which it is used.")
    ] = Client.PYTHON,
    to: Annotated[Goal, typer.Option(help="Whom clients talk to.")] = Goal.GATEWAY,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where it listens. [default: https://127.0.0.1:4443, the simulator :8943]"),
    ] = None,
    key: Annotated[
        str,
        typer.Option(metavar="KEY", envvar="UNDERSTUDY_KEY", help="The gateway key clients show.", show_default=False),
    ] = DEVELOPMENT_KEY,
    as_json: AsJson = False,
) -> None:
    """Print shell lines that point a client at us.

    They lead to the gateway, or with --to simulator straight to that. Where variables cannot reach a client, the code
    that does is added as comments.

    \b
    Examples:
      eval "$(understudy env --for python)"
      understudy env --for js-vertex
      understudy env --for live --to simulator
      understudy env --for python --url https://gateway.test:4443 --key "$GATEWAY_KEY"
    """
    from ..authority import Authority

    home = prepared_home(os.environ)
    bundle = Authority.of_home(home).write_bundle(os.environ, home / BUNDLE_FILE)
    origin = checked_origin("--url", url or DEFAULT_URLS[to])
    endpoint = Endpoint(origin, to is Goal.GATEWAY, str(bundle), str(home / KEY_FILE), key)
    variables, code = variables_for(client, endpoint, os.environ), snippet(client, endpoint)
    key_file = variables.get("GOOGLE_APPLICATION_CREDENTIALS")
    if key_file and not Path(key_file).exists():
        print(f"note: {key_file} is not there yet; the simulator writes it when it starts", file=sys.stderr)
    if as_json:
        print(json.dumps({"variables": variables, "snippet": code}, indent=2))
        return
    print("\n".join(shell_lines(variables)))
    if code:
        print("\n".join(f"# {line}".rstrip() for line in code))
