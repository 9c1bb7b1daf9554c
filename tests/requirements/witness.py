"""A pytest plugin for the runs against mutants: sees that the mutant is what is tested, and writes what failed."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

TREE: Final = "REQUIREMENTS_TREE"
REPORT: Final = "REQUIREMENTS_REPORT"

_ran: dict[str, bool] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop if the packages that are tested are not those of the private copy."""
    for name in ("understudy_gateway", "understudy"):
        spec = find_spec(name)
        if spec is None or not str(spec.origin).startswith(os.environ[TREE]):
            raise pytest.UsageError(f"{name} is not that of the private copy")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Of a test that has failed once its further cases say nothing new."""
    if _ran.get(item.nodeid.partition("[")[0]):
        pytest.skip("another case of it has failed")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note each test function that ran, and whether any of its cases failed."""
    if report.when == "call" and not report.skipped:
        node = report.nodeid.partition("[")[0]
        _ran[node] = _ran.get(node, False) or report.failed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what ran."""
    Path(os.environ[REPORT]).write_text(json.dumps(_ran), "utf-8")
