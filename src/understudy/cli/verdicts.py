"""The end of a command that plays the provider: what clients did wrong, as a table or in JSON.

See docs/reference/verdicts.md.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import typer

from ..client_verdicts.catalogue import judge
from ..client_verdicts.model import LEVELS, ClientVerdict, to_json
from ..control import Control, Judged
from ..errors import ConfigError
from ..home import write_private
from ..messages import Transcript
from ..processes import Ready
from ..secret import Secret
from .options import Verdicts
from .tables import print_rows

_HEADINGS: Final = ("level", "verdict", "scope", "seen in", "why")
_COLOURS: Final = {"failed": "red", "warned": "yellow"}


def check_place(report: Path | None, *, has_terminal: bool = True) -> None:
    """Raises ConfigError if a report could not be written there in the end."""
    if str(report) == "-" and not has_terminal:
        raise ConfigError("--report -: with --wait nobody reads it in the end; name a file")
    if report is not None and str(report) != "-" and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise ConfigError(f"--report {report}: nothing can be written there")


def tell(transcript: Transcript, report: Path | None, fail_on: Verdicts | None, as_json: bool) -> None:
    """Judge the clients of a transcript, and write the report if one is wanted.

    Raises typer.Exit with 1 if a verdict is as bad as `fail_on`, ConfigError if the report cannot be written.
    """
    if report is None and fail_on is None:
        return
    if _is_bad(Judged(judge(transcript), transcript.dropped), report, fail_on, as_json):
        raise typer.Exit(1)


def told_by(
    simulator: Ready, environ: Mapping[str, str], report: Path | None, fail_on: Verdicts | None, as_json: bool = False
) -> int:
    """The same of a simulator that still runs, and of clients that are done: 1 if a verdict is as bad as `fail_on`.

    Raises TargetError if the simulator does not answer, ConfigError if the report cannot be written.
    """
    if report is None and fail_on is None:
        return 0
    key = environ.get("UNDERSTUDY_CONTROL_KEY")
    with Control(simulator.admin or "", Secret(key) if key else None) as control:
        judged = control.judged(over=True)
    return 1 if _is_bad(judged, report, fail_on, as_json) else 0


def _is_bad(judged: Judged, report: Path | None, fail_on: Verdicts | None, as_json: bool) -> bool:
    if report is not None:
        _write(report, judged.verdicts, judged.dropped, as_json or report.suffix == ".json")
    fatal = LEVELS[: LEVELS.index(fail_on.value) + 1] if fail_on is not None else ()
    bad = [verdict for verdict in judged.verdicts if verdict.level in fatal]
    if report is None:
        for verdict in bad:
            print(verdict.line)
    return bool(bad)


def _write(report: Path, verdicts: Sequence[ClientVerdict], dropped: int, as_json: bool) -> None:
    if as_json:
        text = json.dumps({"dropped": dropped, "verdicts": [to_json(verdict) for verdict in verdicts]})
    else:
        text = "\n".join(_lines(verdicts, dropped))
    if str(report) != "-":
        write_private(report.absolute(), f"{text}\n".encode())
    elif as_json or not verdicts:
        print(text)
    else:
        print_rows([_row(verdict) for verdict in verdicts], _HEADINGS, _COLOURS)
        if dropped:
            print(_left_out(dropped))


def _lines(verdicts: Sequence[ClientVerdict], dropped: int) -> Iterator[str]:
    """The table of a file: columns of equal width."""
    rows = [_HEADINGS, *(_row(verdict) for verdict in verdicts)] if verdicts else []
    widths = [max((len(row[index]) for row in rows), default=0) for index in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if not verdicts:
        yield "nothing is to be said against the clients"
    if dropped:
        yield _left_out(dropped)


def _row(verdict: ClientVerdict) -> tuple[str, ...]:
    """One verdict; entries by their ids in the transcript."""
    seen = ",".join(str(number) for number in (*verdict.exchanges, *verdict.sessions)[:3])
    more = ",..." if len(verdict.exchanges) + len(verdict.sessions) > 3 else ""
    return (verdict.level, verdict.rule, verdict.scope, seen + more, verdict.why)


def _left_out(dropped: int) -> str:
    return f"({dropped} older entries were forgotten, and not judged)"
