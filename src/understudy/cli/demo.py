"""`understudy demo`: the main job, shown."""

import json
import os
import sys

from ..home import prepared_home
from .options import AsJson


def demo(as_json: AsJson = False) -> None:
    """Show the main job, with Google's own client.

    It talks through the gateway to the simulator, and both sides are compared byte for byte.
    The clients are installed once, into the state folder; after that nothing needs the network. Exit status 1 if
    anything did not hold.

    \b
    Examples:
      understudy demo
      understudy demo --json > demo.json
    """
    from rich.console import Console

    from ..demo.report import as_json as report_of
    from ..demo.report import print_table
    from ..demo.run import run_demo

    rows = run_demo(prepared_home(os.environ), lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps(report_of(rows), indent=2))
    else:
        print_table(rows, Console())
    raise SystemExit(0 if rows and all(row.held for row in rows) else 1)
