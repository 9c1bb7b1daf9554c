"""`understudy doctor`: is this machine ready, and what would lead a client astray."""

import json
import os
from typing import Annotated, Final

import typer

from .options import AsJson

STYLES: Final = {"ok": "green", "note": "yellow", "wrong": "bold red"}


def doctor(
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="A gateway, simulator or provider to reach.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what would go wrong on this machine.

    That is: local CA, ports, clock, client versions, variables that lead clients astray, and the URL if given.
    Exit status 1 if something is wrong.

    \b
    Examples:
      understudy doctor
      understudy doctor https://127.0.0.1:4443
      understudy doctor --json
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from .checks import checks

    found = list(checks(os.environ, datetime.now(UTC), url))
    if as_json:
        print(json.dumps([asdict(check) for check in found], indent=2))
    else:
        from .tables import print_rows

        print_rows([(check.state, check.name, check.detail) for check in found], styles=STYLES)
    raise SystemExit(1 if any(check.state == "wrong" for check in found) else 0)
