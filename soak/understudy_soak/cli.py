"""`python -m understudy_soak`: the command behind `make soak`."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from understudy.errors import ConfigError, UnderstudyError

from .plan import Plan
from .running import soak

app: Final = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long there is load.")] = 10.0,
    clients: Annotated[int, typer.Option(min=1, help="How many at once.")] = 200,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    kills: Annotated[int, typer.Option(min=0, help="How often the gateway is killed and started again.")] = 2,
    keep: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep log, store and the rest there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Load, faults and kills, and what must hold all the same; progress goes to standard error.

    Status 1: something did not hold; 2: wrong usage; 3: a server did not start or ended by itself.
    """
    if sys.platform != "linux":
        raise ConfigError(f"the soak needs Linux: it looks at the gateway's process in /proc; this is {sys.platform}")
    plan = Plan(minutes * 60, clients, seed, kills)
    with tempfile.TemporaryDirectory(prefix="understudy-soak-") as made:
        folder = Path(made) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(soak(plan, folder, lambda line: print(line, file=sys.stderr, flush=True)))
    print(found.as_json() if as_json else found.as_text())
    if not found.holds:
        raise typer.Exit(1)


def main() -> None:
    """Run the command; an error that the user can cause is one line and an exit status."""
    try:
        app()
    except UnderstudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
