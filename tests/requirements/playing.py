"""Plays a mutant: a private copy of our packages, the fault in it, its tests in a process of their own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from .model import Mutant
from .sources import ROOT, mutated, node_of, problem_of, text_of
from .witness import REPORT, TREE

LIMIT_S: Final = 600.0
"""How long the tests of one mutant may take together."""

_COPIED: Final = ("gateway", "src")
_LINKED: Final = ("simulator", "scenarios", "loadtests", "benchmarks", "docs")
_BUILT: Final = shutil.ignore_patterns("__pycache__", "*.egg-info")
_TEST_FOLDERS: Final = ("tests", "tests/simulator")


@dataclass(frozen=True)
class Outcome:
    """What came of one mutant. `killed_by` are the tests that failed, `survived` those that should have and did not.

    `problem` is not empty where it could not be played.
    """

    name: str
    ids: tuple[str, ...]
    killed_by: tuple[str, ...]
    survived: tuple[str, ...]
    seconds: float
    problem: str = ""
    fingerprint: str = ""

    @property
    def is_killed(self) -> bool:
        """Whether every test that it names has failed."""
        return bool(self.killed_by) and not self.survived and not self.problem


@contextmanager
def private_tree() -> Generator[Path]:
    """A copy of our packages, beside links to what they read; removed with the context."""
    with TemporaryDirectory(prefix="mutant-") as name:
        tree = Path(name).resolve()
        for folder in _COPIED:
            shutil.copytree(ROOT / folder, tree / folder, ignore=_BUILT)
        for folder in _LINKED:
            (tree / folder).symlink_to(ROOT / folder)
        yield tree


def played(mutant: Mutant) -> Outcome:
    """Play one mutant, in a tree of its own."""
    began = time.monotonic()
    problem = problem_of(mutant)
    ran: Mapping[str, bool] = {}
    if problem is None:
        with private_tree() as tree:
            (tree / mutant.file).write_text(mutated(mutant), "utf-8")
            problem, ran = tested(tree, mutant.tests)
    return Outcome(
        mutant.name,
        mutant.ids,
        tuple(test for test in mutant.tests if ran.get(node_of(test) or "")),
        tuple(test for test in mutant.tests if ran and not ran.get(node_of(test) or "")),
        round(time.monotonic() - began, 1),
        problem or "",
        fingerprint(mutant),
    )


def control(tests: Sequence[str]) -> Outcome:
    """The same without a fault: `survived` are the tests that fail all the same, or did not run."""
    began = time.monotonic()
    with private_tree() as tree:
        problem, ran = tested(tree, tests)
    bad = tuple(test for test in tests if ran.get(node_of(test) or "", True))
    return Outcome("no fault", (), (), bad, round(time.monotonic() - began, 1), problem or "")


def tested(tree: Path, tests: Sequence[str]) -> tuple[str | None, Mapping[str, bool]]:
    """Run tests against the packages in `tree`: what went wrong with that, and whether each test function failed."""
    missing = [test for test in tests if node_of(test) is None]
    if missing:
        return f"no such tests: {', '.join(missing)}", {}
    report = tree / "report.json"
    paths = [tree / "gateway", tree / "src", tree / "simulator", tree / "benchmarks"]
    paths += [ROOT / folder for folder in _TEST_FOLDERS]
    joined = " ".join(map(str, paths))
    options = ["-q", "-p", "no:cacheprovider", "-p", "requirements.witness", "-o", f"pythonpath={joined}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "--timeout=120",
        "--tb=line",
        "-W",
        "ignore::pytest.PytestWarning",
    ]
    nodes = [node for test in tests if (node := node_of(test))]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "UNDERSTUDY_TEST_SOURCES": os.pathsep.join(map(str, paths[:3])),
        "UNDERSTUDY_TEST_UNIT": os.environ.get("UNDERSTUDY_TEST_UNIT", "0.4"),  # many mutants end in a wait
        "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / "hypothesis"),
        TREE: str(tree),
        REPORT: str(report),
    }
    try:
        done = subprocess.run(
            [*command, *nodes], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the tests took longer than {LIMIT_S:.0f} s", {}
    if not report.exists() or done.returncode not in (0, 1):
        return f"pytest ended with {done.returncode}: {_tail(done.stdout + done.stderr)}", {}
    ran: dict[str, bool] = json.loads(report.read_text("utf-8"))
    silent = [node for node in nodes if node not in ran]
    return (f"did not run: {', '.join(silent)}: {_tail(done.stdout)}" if silent else None), ran


def fingerprint(mutant: Mutant) -> str:
    """Changes with the mutant, the file that it is made of and the files of its tests."""
    files = [(node_of(test) or "").partition("::")[0] for test in mutant.tests]
    parts = [
        *(text for edit in mutant.edits for text in edit),
        *mutant.ids,
        *mutant.tests,
        *map(text_of, dict.fromkeys([mutant.file, *files])),
    ]
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


def _tail(text: str) -> str:
    return " | ".join(line for line in text.strip().splitlines()[-6:] if line.strip())
