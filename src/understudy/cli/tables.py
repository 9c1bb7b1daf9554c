"""Rows on standard output: folded to a terminal's width, one line each where a program reads them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNFOLDED: Final = 10_000


def print_rows(
    rows: Iterable[Sequence[str]], headings: Sequence[str] = (), styles: Mapping[str, str] | None = None
) -> None:
    """Print rows in aligned columns. `styles` colours cells whose whole text is one of its words.

    The last column is folded on a terminal; colours follow the terminal and NO_COLOR.
    """
    console = Console()
    if not console.is_terminal:
        console.width = _UNFOLDED
    entries = list(rows)
    width = len(headings) or max((len(row) for row in entries), default=0)
    table = Table(box=None, pad_edge=False, show_header=bool(headings))
    for index in range(width):
        table.add_column(headings[index] if headings else "", no_wrap=index < width - 1, overflow="fold")
    for row in entries:
        table.add_row(*(Text(cell, (styles or {}).get(cell, "")) for cell in row))
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
