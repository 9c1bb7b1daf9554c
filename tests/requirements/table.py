"""The whole table: every requirement in order, and every mutant."""

from typing import Final

from . import (
    admin_and_money,
    bodies,
    cost,
    destinations,
    errors,
    exhaustion,
    headers,
    keys,
    leaks,
    live,
    observation,
    operations,
    security,
    streams,
    urls,
)
from .model import Mutant, Row

_AREAS: Final = (
    *(urls, keys, headers, bodies, streams, live, operations, cost, errors, observation, security),
    *(leaks, destinations, exhaustion, admin_and_money),
)

COUNTS: Final = {
    "URL": 14,
    "AUTH": 11,
    "HDR": 14,
    "BODY": 9,
    "STR": 12,
    "WS": 18,
    "LRO": 8,
    "MPT": 3,
    "COST": 13,
    "ERR": 8,
    "OBS": 10,
    "SEC": 9,
    "PERF": 6,
    "S": 76,
}
"""How many requirements each area has, numbered from 1."""

IDS: Final = tuple(f"{area}-{number}" for area, count in COUNTS.items() for number in range(1, count + 1))

ROWS: Final[tuple[Row, ...]] = tuple(row for area in _AREAS for row in area.ROWS)
MUTANTS: Final[tuple[Mutant, ...]] = tuple(one for area in _AREAS for one in area.MUTANTS)


def mutants_of(row: Row) -> tuple[Mutant, ...]:
    """The mutants that break a requirement."""
    return tuple(one for one in MUTANTS if row.id in one.ids)


def all_tests_of(row: Row) -> tuple[str, ...]:
    """The tests that hold a requirement: those that its mutants are killed by, and the row's own."""
    return tuple(dict.fromkeys((*(test for one in mutants_of(row) for test in one.tests), *row.tests)))
