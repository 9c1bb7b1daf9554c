"""The table of rows and outcomes that is kept in docs/reference/client-coverage.md, and the program that writes it."""

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from understudy.home import prepared_home
from understudy.processes import running

from .rows import ABSENT, MODES, ROWS, Row, is_sent
from .runs import KINDS, SIMULATOR, VERSIONS, Kind, Played, Runs

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "reference" / "client-coverage.md"

HEAD: Final = """# What google-genai gets from the simulator

Each row is a network method of google-genai, or a shape of its arguments that changes the request. `make
client-coverage` writes this page: it plays every row with the real client, sync and async, over HTTP and HTTPS,
compares the request lines with those captured from the client against a recording server, and looks at the values of
the answer.

- **ok**: the request lines are the captured ones, and the answer holds what it should.
- client: the client itself refuses the call in this mode (`ValueError`), before any request.
- none: this release has no such method.
- **FAILED**: anything else.

Where a client's request cannot succeed at Google, a row is ok if the simulator refuses it as Google does: in express
mode `tunings.validate_reward` shows an API key for a project's resource, and in Vertex mode
`environments.files.download` shows no credentials at all.

G is the Gemini Developer API, V is Vertex AI with a project, X is Vertex AI in express mode.
"""


def verdict(row: Row, kind: Kind, found: Played) -> str:
    """Why a row did not end as it should; empty if it did."""
    wanted = row.lines(kind.version, kind.mode)
    if found.outcome == "absent":
        is_known = re.fullmatch(ABSENT.get(kind.version, "(?!)"), row.id)
        return "" if is_known else f"no such method: {found.detail}"
    if wanted is None:
        if found.outcome == "refused" and not found.lines:
            return ""
        return f"wanted the client's own refusal, it was {found.outcome}: {found.lines} {found.detail}"
    if found.outcome != "ok":
        return f"{found.outcome}: {found.detail} {found.lines}"
    if not is_sent(wanted, found.lines, found.names, kind.version, kind.mode):
        return f"sent {found.lines}, wanted {wanted}"
    return ""


def cell(row: Row, version: str, mode: str, runs: Runs) -> str:
    """One cell: all runs of a release in a mode must agree."""
    kinds = [kind for kind in KINDS if (kind.version, kind.mode) == (version, mode)]
    found = [(kind, runs.of(kind)[row.id]) for kind in kinds]
    if any(verdict(row, kind, each) for kind, each in found):
        return "**FAILED**"
    return {"ok": "ok", "refused": "client", "absent": "none"}[found[0][1].outcome]


def page(runs: Runs) -> str:
    """The whole page."""
    heads = [f"{version} {mode[0].upper() if mode != 'express' else 'X'}" for version in VERSIONS for mode in MODES]
    lines = ["| row | method | " + " | ".join(heads) + " |", "|---|---|" + "---|" * len(heads)]
    for row in ROWS:
        cells = [cell(row, version, mode, runs) for version in VERSIONS for mode in MODES]
        lines.append(f"| {row.id} | `{row.method}` | " + " | ".join(cells) + " |")
    return f"{HEAD}\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Play everything, print the table and write the page."""
    home = prepared_home(os.environ)
    with (
        tempfile.TemporaryDirectory() as folder,
        running("simulator", SIMULATOR, os.environ, Path(folder) / "log") as up,
    ):
        text = page(Runs(home, up.ready, Path(folder)))
    PAGE.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
