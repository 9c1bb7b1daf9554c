"""`understudy_bench run`, `compare` and `markdown`: the commands behind `make bench` and `make bench-compare`."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from understudy.errors import ConfigError, UnderstudyError

from .comparing import compare
from .machine import require_linux
from .measuring import chosen, run
from .plan import QUICK, Plan
from .rows import Report, from_json, to_json
from .tables import CHANGE_HEADINGS, HEADINGS, change_cells, facts, markdown, report_cells

REPORT: Final = Path("bench.json")
_UNFOLDED: Final = 10_000

app: Final = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command("run")
def run_command(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the report goes.")] = REPORT,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A workload or its beginning.")] = None,
    quick: Annotated[bool, typer.Option(help="Show that it works; the figures are not to be trusted.")] = False,
    repetitions: Annotated[int | None, typer.Option(min=1, help="How often each program is measured.")] = None,
    window: Annotated[float | None, typer.Option(min=0.05, metavar="SECONDS", help="How long each time.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order inside each repetition.")] = 0,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Measure, write the report and print it as a table; progress goes to standard error."""
    require_linux()
    plan = QUICK if quick else Plan()
    plan = replace(plan, seed=seed, repetitions=repetitions or plan.repetitions, window_s=window or plan.window_s)
    names = chosen(only or [])
    with tempfile.TemporaryDirectory(prefix="understudy-bench-") as folder:
        report = run(plan, names, Path(folder), lambda line: print(line, file=sys.stderr, flush=True))
    out.write_bytes(to_json(report))
    _print_report(report, as_markdown)


@app.command("compare")
def compare_command(
    base: Annotated[Path, typer.Argument(help="The stored report.")],
    report: Annotated[Path, typer.Argument(help="The report to judge.")] = REPORT,
    tolerance: Annotated[float, typer.Option(min=0, metavar="PERCENT", help="How much worse a ratio may be.")] = 15,
) -> None:
    """Hold the ratios of a report against a stored one. Status 1: one of ours got worse; 2: a file is no report."""
    comparison = compare(_report(base), _report(report), tolerance / 100)
    _print_cells(CHANGE_HEADINGS, change_cells(comparison))
    for change in comparison.worse:
        print(f"worse: {change.name} beside {change.reference}: {change.before:.2f} -> {change.after:.2f}")
    if comparison.worse:
        raise typer.Exit(1)


@app.command("markdown")
def markdown_command(report: Annotated[Path, typer.Argument(help="The report.")] = REPORT) -> None:
    """Print a stored report as Markdown."""
    _print_report(_report(report), as_markdown=True)


def main() -> None:
    """Run the command; an error that the user can cause is one line and an exit status."""
    try:
        app()
    except UnderstudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _report(path: Path) -> Report:
    try:
        return from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _print_report(report: Report, as_markdown: bool) -> None:
    if as_markdown:
        print(markdown(HEADINGS, report_cells(report)))
    else:
        _print_cells(HEADINGS, report_cells(report))
    print(facts(report), end="")


def _print_cells(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _UNFOLDED
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left", no_wrap=True)
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
