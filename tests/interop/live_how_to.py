"""The programs that the page on Live clients shows, run as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "hold-live-conversations.md"
SHOWN = re.compile(r"<!-- runs with (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
LIMIT_S = 150


def shown() -> dict[str, str]:
    """The programs by the package that they run with."""
    return dict(SHOWN.findall(PAGE.read_text("utf-8")))


def printed(package: str, interpreter: Path, program: Path, home: Path) -> str:
    """What the program for a package prints below `understudy run`; it is put into the file `program`."""
    program.write_text(shown()[package], "utf-8")
    environ = {"PATH": os.environ["PATH"], "HOME": str(program.parent), "UNDERSTUDY_HOME": str(home)}
    if "PYTHONPATH" in os.environ:
        environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "understudy", "run", "--", str(interpreter), str(program)],
        cwd=program.parent,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout
