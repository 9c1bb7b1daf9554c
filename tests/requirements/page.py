"""Makes docs/reference/requirements.md: `python -m requirements.page > docs/reference/requirements.md`."""

from .model import Row
from .sources import node_of, place_of
from .table import MUTANTS, ROWS, all_tests_of, mutants_of

_HEAD = """\
# The gateway's requirements

What the gateway promises, by number: where it is in the code, and which tests hold it. Each test was seen to fail:
`make mutants` changes a line or two of a private copy of the gateway, {mutants} times, and wants the tests named for
that change to fail. (`make mutants MUTANTS='--only HDR'` plays those of one area.) The numbers are those that comments
and tests name: URL, AUTH, HDR, BODY, STR, WS (Live), LRO (long-running operations), MPT (multipart), COST, ERR, OBS,
SEC, PERF, and S for what an attacker tries.

Made by `python -m requirements.page` from `tests/requirements/`; do not edit. Modules are those of `understudy_gateway`
unless they begin with `understudy.`; test files lie below `tests/`, most in `tests/gateway/`.
"""

_TITLES = {
    "URL": "URL",
    "AUTH": "Gateway authentication and provider credentials",
    "HDR": "Header fields",
    "BODY": "Request bodies",
    "STR": "Streaming answers",
    "WS": "Live sessions",
    "LRO": "Long-running operations",
    "MPT": "Multipart",
    "COST": "Cost, budgets and limits",
    "ERR": "Errors",
    "OBS": "Observability",
    "SEC": "Security",
    "PERF": "Performance",
    "S": "Threats",
}


def page() -> str:
    """The whole page."""
    parts = [_HEAD.format(mutants=len(MUTANTS))]
    for area, title in _TITLES.items():
        rows = [row for row in ROWS if row.id.rpartition("-")[0] == area]
        parts.append(f"\n## {title}\n\n| id | level | what must hold | where | held by |\n|---|---|---|---|---|\n")
        parts += [_line(row) for row in rows]
    return "".join(parts)


def places_of(row: Row) -> tuple[str, ...]:
    """Where a requirement is in the code: the row's places, and what its mutants change."""
    return tuple(dict.fromkeys((*row.code, *(place_of(one) for one in mutants_of(row)))))


def _line(row: Row) -> str:
    where = "<br>".join(f"`{place}`" for place in places_of(row))
    tests = [f"`{_short(test)}`" for test in all_tests_of(row)]
    if row.held_by is not None:
        other = ", ".join(f"`{one}`" for one in row.held_by.where)
        tests.append(f"*{row.held_by.kind}*{': ' + other if other else ''}. {row.held_by.why}")
    return f"| **{row.id}** | {row.level} | {row.sentence} | {where} | {'<br>'.join(tests)} |\n"


def _short(test: str) -> str:
    file, _, function = (node_of(test) or test).partition("::")
    return f"{file.rpartition('/')[2]}::{function}"


if __name__ == "__main__":
    print(page(), end="")
