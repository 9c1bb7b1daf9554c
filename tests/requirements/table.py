"""The whole table: every requirement in order, and every mutant."""

from dataclasses import replace
from typing import Final

from . import (
    admin_and_money,
    bodies,
    coming,
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
from .sources import is_here

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
_COME: Final = tuple(one for one in coming.MUTANTS if is_here(one))


def _with_coming(row: Row) -> Row:
    """A row that is open no longer, since what was to come is here."""
    is_open = row.held_by is not None and row.held_by.kind == "open"
    return replace(row, held_by=None) if is_open and any(row.id in one.ids for one in _COME) else row


ROWS: Final[tuple[Row, ...]] = tuple(_with_coming(row) for area in _AREAS for row in area.ROWS)
MUTANTS: Final[tuple[Mutant, ...]] = (
    *(one for area in _AREAS for one in area.MUTANTS if one.name not in {other.name for other in _COME}),
    *_COME,
)


def mutants_of(row: Row) -> tuple[Mutant, ...]:
    """The mutants that break a requirement."""
    return tuple(one for one in MUTANTS if row.id in one.ids)


def all_tests_of(row: Row) -> tuple[str, ...]:
    """The tests that hold a requirement: those that its mutants are killed by, and the row's own."""
    return tuple(dict.fromkeys((*(test for one in mutants_of(row) for test in one.tests), *row.tests)))
