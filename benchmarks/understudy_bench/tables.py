"""Reports and comparisons as rows of text, and those as Markdown. Pure."""

from collections.abc import Iterator, Sequence

from .comparing import Comparison
from .rows import Report, Row

HEADINGS = ("workload", "program", "value", "unit", "ratio", "spread", "per s", "busy", "load", "limit", "note")
CHANGE_HEADINGS = ("figure", "beside", "before", "now", "change", "")


def report_cells(report: Report) -> list[tuple[str, ...]]:
    """One line of cells for each row."""
    return [_cells(row) for row in report.rows]


def _cells(row: Row) -> tuple[str, ...]:
    if row.skipped is not None:
        return (row.workload, row.program, "", row.unit, "", "", "", "", "", _limit(row), f"skipped: {row.skipped}")
    return (
        row.workload,
        row.program,
        _figure(row.value),
        row.unit,
        f"{row.ratio:.2f} x {row.reference}" if row.ratio is not None else "",
        _percent(row.spread),
        f"{row.rate:,.0f}" if row.rate is not None else "",
        _percent(row.program_share),
        _percent(row.load_share),
        _limit(row),
        "; ".join(_notes(row)),
    )


def _limit(row: Row) -> str:
    if row.must is None:
        return ""
    unit = f" {row.unit.split()[0]}" if row.limits_value else ""
    return f"<= {row.must:g}{unit}" + (f", aim {row.aim:g}" if row.aim is not None else "")


def _notes(row: Row) -> Iterator[str]:
    if row.is_over:
        yield "over its limit"
    if row.saturated is False:
        yield "not saturated"
    if row.note is not None:
        yield row.note


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def change_cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One line of cells for each ratio."""
    return [
        (
            change.name,
            change.reference,
            f"{change.before:.2f}" if change.before is not None else "",
            f"{change.after:.2f}" if change.after is not None else "",
            f"{change.change:+.0%}" if change.change is not None else "",
            change.word,
        )
        for change in comparison.changes
    ]


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table for a document."""
    rule = ["---"] * len(headings)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headings, rule, *lines)) + "\n"


def facts(report: Report) -> str:
    """The machine and the versions, in one sentence for each."""
    words = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    installed = report.rows[0].versions.items() if report.rows else ()
    versions = ", ".join(f"{name} {value}" for name, value in installed)
    settings = report.settings
    return (
        f"Machine: {words}. Versions: {versions}. {settings['repetitions']} repetitions of {settings['window_s']} s, "
        f"seed {settings['seed']}.\n"
    )
