"""The demo's table for people, and the same as JSON for machines."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .judge import Row

TITLE: Final = "google-genai through the gateway against the simulator"
CAPTION: Final = "key leaked: was the client's key seen upstream; cost in USD; +ms: time added by the gateway, median"


def print_table(rows: Sequence[Row], console: Console) -> None:
    """One line a step, and below it what did not hold."""
    # 78 columns: a terminal of 80 shows it whole, and so does a log.
    table = Table(title=TITLE, caption=CAPTION, title_justify="left", caption_justify="left", box=None, padding=(0, 1))
    for heading in ("client", "step", "same bytes", "key leaked"):
        table.add_column(heading, no_wrap=True)
    for heading in ("cost", "expected", "+ms"):
        table.add_column(heading, no_wrap=True, justify="right")
    previous = rows[0].session if rows else ""
    for index, row in enumerate(rows):
        if row.session != previous:
            table.add_row()
        shown = "" if index and row.session == previous else row.session
        table.add_row(shown, row.step, *_cells(row), style=None if row.held else "red")
        previous = row.session
    console.print(table)
    for row in rows:
        for problem in row.problems:
            console.print(f"[red]{escape(row.session)}: {row.step}: {escape(problem)}[/red]", soft_wrap=True)
    console.print(f"{sum(row.held for row in rows)} of {len(rows)} steps held")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "yes" if row.is_same else "NO",
        "YES" if row.is_key_upstream else "no",
        "unknown" if row.cost is None else f"{row.cost.normalize():f}",
        f"{row.expected_cost.normalize():f}",
        "-" if row.added_ms is None else f"{row.added_ms:.1f}",
    )


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """The same rows as one JSON value; money as decimal strings."""
    return {
        "held": all(row.held for row in rows),
        "rows": [
            {
                "client": row.session,
                "step": row.step,
                "same_bytes": row.is_same,
                "client_key_upstream": row.is_key_upstream,
                "cost": None if row.cost is None else f"{row.cost:f}",
                "expected_cost": f"{row.expected_cost:f}",
                "added_ms": row.added_ms,
                "problems": list(row.problems),
            }
            for row in rows
        ],
    }
