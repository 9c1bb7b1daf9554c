"""`understudy transcript`: what a running simulator has seen, redacted."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..messages import Exchange, Session, Transcript
from ..redaction import redacted, redacted_reason, redacted_target
from ..secret import Secret
from .options import DEFAULT_CONTROL, AsJson, ControlUrl

ScopeName = Annotated[str | None, typer.Option(metavar="NAME", help="Only what belongs to this scope.")]


def group() -> typer.Typer:
    """The commands `show` and `export`."""
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What a running simulator has seen.")
    commands.command()(show)
    commands.command()(export)
    return commands


def show(simulator: ControlUrl = DEFAULT_CONTROL, scope: ScopeName = None, as_json: AsJson = False) -> None:
    """Show what the simulator has seen: exchanges and sessions in order, who answered, how it ended.

    Credentials are shown as numbers, bodies as digests.

    \b
    Examples:
      understudy transcript show
      understudy transcript show --scope my-test --json
      understudy transcript show --simulator http://127.0.0.1:8901
    """
    transcript, _ = _seen(simulator, scope)
    if as_json:
        print(json.dumps(redacted(transcript), indent=2))
        return
    from .tables import print_rows

    if not (transcript.exchanges or transcript.sessions):
        print("nothing was seen" + (f" in scope '{scope}'" if scope else ""), file=sys.stderr)
    print_rows(_rows(transcript), ("scope", "status", "ms", "answered by", "end", "request"))


def export(
    har: Annotated[Path, typer.Option(metavar="FILE", help="Write an HTTP Archive here; - is standard output.")],
    simulator: ControlUrl = DEFAULT_CONTROL,
    scope: ScopeName = None,
) -> None:
    """Write what the simulator has seen as an HTTP Archive, redacted.

    \b
    Examples:
      understudy transcript export --har transcript.har
      understudy transcript export --har - --scope my-test | jq '.log.entries | length'
    """
    from ..har import har_of
    from ..home import write_private

    transcript, epoch = _seen(simulator, scope)
    text = json.dumps(har_of(transcript, version=__version__, epoch=epoch), indent=2) + "\n"
    if str(har) == "-":
        print(text, end="")
        return
    write_private(har.absolute(), text.encode())


def _seen(simulator: str, scope: str | None) -> tuple[Transcript, datetime]:
    """The transcript, and the time of day at which its clock read 0."""
    from ..control import Control  # brings requests, which takes its time

    key = os.environ.get("UNDERSTUDY_CONTROL_KEY")
    with Control(simulator, Secret(key) if key else None) as control:
        return control.transcript(scope), control.clock().epoch


def _by_itself(misses: tuple[str, ...]) -> str:
    """Who answered where no scenario did: which came nearest, and why not that one."""
    return f"not: {redacted_reason(misses[0])}" if misses else "itself"


def _rows(transcript: Transcript) -> Iterator[tuple[str, ...]]:
    """One row per exchange or session, by the time it started."""
    entries = sorted((*transcript.exchanges, *transcript.sessions), key=lambda entry: entry.started)
    for entry in entries:
        target = redacted_target(entry.request.target)
        answered = entry.origin.scenario or _by_itself(entry.origin.misses)
        took = "" if entry.ended is None else f"{(entry.ended - entry.started) * 1000:.1f}"
        match entry:
            case Exchange():
                status = str(entry.response.status) if entry.response else "-"
                end = entry.failure or ("" if entry.response and entry.response.complete else "broken off")
                request = f"{entry.request.method} {target}"
            case Session():
                status, request = str(entry.status), f"WS {target}"
                end = (
                    "open"
                    if entry.close is None
                    else f"{entry.close.sender} closed {entry.close.code or 'without code'}"
                )
                end += f", {len(entry.frames)} frames"
        yield (entry.origin.scope, status, took, answered, end, request)
