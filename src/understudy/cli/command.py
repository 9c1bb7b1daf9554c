"""The `understudy` command put together. Each subcommand imports what it needs when it runs: help comes at once."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from .. import __version__
from ..errors import UnderstudyError
from . import check, demo, doctor, env, load, price, run, scenarios, servers, spend, transcript, up

_OVERVIEW = """Rehearse a Gemini or Vertex AI gateway without Google.

\b
Try it:
  understudy up
  curl -s localhost:4000/gemini/v1beta/models/gemini-2.5-flash:generateContent \\
       -H 'x-goog-api-key: sk-anything' -H 'content-type: application/json' \\
       -d '{"contents":[{"parts":[{"text":"hello"}]}]}'

`understudy COMMAND --help` has examples for each.

\b
Exit status: 0 all is well, 1 something did not hold, 2 wrong usage or
configuration, 3 a server cannot be reached.
"""


def _say_version(asked: bool) -> None:
    if asked:
        print(f"understudy {__version__}")
        raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Show the version and exit.")
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with `arguments` (default: the process's own) and end the process with its exit status.

    What a user can cause is told in its own words, without a traceback (house-style 12).
    """
    try:
        application()(args=arguments, prog_name="understudy")
    except UnderstudyError as error:
        print(f"understudy: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def application() -> typer.Typer:
    """The command with all its subcommands."""
    app = typer.Typer(
        help=_OVERVIEW,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    app.command()(up.up)
    # What follows the program's name belongs to the program.
    app.command(context_settings={"allow_interspersed_args": False})(run.run)
    for command in (
        check.check,
        load.load,
        demo.demo,
        servers.simulator,
        servers.gateway,
        spend.spend,
        env.env,
        doctor.doctor,
    ):
        app.command()(command)
    app.add_typer(transcript.group(), name="transcript")
    app.add_typer(scenarios.group(), name="scenarios")
    app.add_typer(price.group(), name="price")
    return app


def _root(version: _Version = False) -> None:
    pass
