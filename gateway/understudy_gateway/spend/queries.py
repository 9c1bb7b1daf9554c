"""What the spend store says: records in their order, and sums by key, model, tag or day. Amounts are exact."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from understudy.errors import ConfigError
from understudy.pricing.cost import ARITHMETIC, plain

from .record import rfc3339
from .schema import open_for_reading

GROUPS: Final[Mapping[str, str]] = {
    "key": "key_id",
    "model": "model",
    "tag": "tag.value",
    "day": "substr(started, 1, 10)",
}
"""What sums can be made by, and the expression of each. A record counts under each of its tags; days are UTC."""

MOST_RECORDS: Final = 1000
_STOP_EVERY: Final = 10_000
"""Instructions of SQLite's machine between two questions whether to go on."""

_MOST_FOREIGN: Final = 20_000
FILTERS: Final = ("since", "until", "key_id", "model", "tag")

_COLUMNS: Final = (
    *("id", "kind", "key_id", "tags", "provider", "route", "model", "status", "outcome", "usage", "cost", "known"),
    *("reason", "lines", "started", "ended"),
)
_JSON: Final = frozenset({"tags", "usage", "lines"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: begun at `since` or later, before `until`; of this key id, model, tag. None: any."""

    since: datetime | None = None
    until: datetime | None = None
    key_id: str | None = None
    model: str | None = None
    tag: str | None = None

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> "Wanted":
        """From words of FILTERS. Raises ConfigError, naming the word, for a time that is none."""
        times = {word: _moment(word, texts[word]) for word in ("since", "until") if word in texts}
        return cls(times.get("since"), times.get("until"), texts.get("key_id"), texts.get("model"), texts.get("tag"))

    def clause(self) -> tuple[str, dict[str, str]]:
        """The SQL condition and its bound values (S-68)."""
        found = {
            "started >= :since": None if self.since is None else rfc3339(self.since),
            "started < :until": None if self.until is None else rfc3339(self.until),
            "key_id = :key_id": self.key_id,
            "model = :model": self.model,
            "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag)": self.tag,
        }
        given = {text: value for text, value in found.items() if value is not None}
        values = {text.partition(":")[2].rstrip(")"): value for text, value in given.items()}
        return " AND ".join(given) or "1", values


@dataclass(frozen=True, slots=True)
class Sum:
    """What a group of records cost. `name` None: those without a name; `cost` lacks those of unknown cost."""

    name: str | None
    records: int
    unknown: int
    estimated: int
    cost: Decimal

    def as_json(self, by: str) -> dict[str, Any]:
        """The sum as a JSON object; the group's name stands under `by`."""
        counts = {"records": self.records, "unknown": self.unknown, "estimated": self.estimated}
        return {by: self.name, **counts, "cost": plain(self.cost)}


def records(
    path: Path, wanted: Wanted, *, after: int = 0, limit: int = MOST_RECORDS, stop: Callable[[], bool] | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """At most `limit` records behind the place `after`, in the order they were written, and the place to go on from.

    The place is None at the end. `stop` is asked now and then whether to give up. Raises ConfigError if the store
    cannot be read, or it was given up.
    """
    clause, values = wanted.clause()
    text = f"SELECT seq, {', '.join(_COLUMNS)} FROM spend WHERE seq > :after AND {clause} ORDER BY seq LIMIT :limit"  # noqa: S608 - our own words alone; values are bound
    rows = _rows(path, text, {**values, "after": after, "limit": limit + 1}, stop)
    kept = rows[:limit]
    found = [{name: _value(name, value) for name, value in zip(_COLUMNS, row[1:], strict=True)} for row in kept]
    return found, kept[-1][0] if len(rows) > limit else None


def all_records(path: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Every record, page by page. Raises ConfigError if the store cannot be read."""
    after: int | None = 0
    while after is not None:
        page, after = records(path, wanted, after=after)
        yield from page


def summary(path: Path, by: str, wanted: Wanted, stop: Callable[[], bool] | None = None) -> tuple[list[Sum], Sum]:
    """The sums by a word of GROUPS, in the order of their names, and the sum of all that was wanted.

    `stop` and errors as with `records`.
    """
    clause, values = wanted.clause()
    sums = "count(*), sum(known = 'unknown'), sum(known = 'estimated'), exact_sum(cost)"
    source = "spend LEFT JOIN json_each(tags) AS tag" if by == "tag" else "spend"
    group = GROUPS[by]
    grouped = f"SELECT {group} AS name, {sums} FROM {source} WHERE {clause} GROUP BY 1 ORDER BY 1"  # noqa: S608 - as above
    whole = f"SELECT NULL, {sums} FROM spend WHERE {clause}"  # noqa: S608 - as above
    found = [_sum(row) for row in _rows(path, grouped, values, stop)]
    return found, _sum(_rows(path, whole, values, stop)[0])


def summary_json(path: Path, by: str, wanted: Wanted, stop: Callable[[], bool] | None = None) -> dict[str, Any]:
    """The same as a JSON object, as `/spend/summary` answers it."""
    groups, total = summary(path, by, wanted, stop)
    whole = total.as_json(by)
    del whole[by]
    return {"by": by, "groups": [group.as_json(by) for group in groups], "total": whole}


@dataclass(frozen=True, slots=True)
class Foreign:
    """What matters to a budget of a record that another process has written, and the record's place."""

    place: int
    id: str
    is_operation: bool
    key_id: str | None
    cost: Decimal | None
    started: datetime


def newest_place(path: Path) -> int:
    """The place of the newest record. Raises ConfigError if the store cannot be read."""
    return _rows(path, "SELECT coalesce(max(seq), 0) FROM spend", {})[0][0]


def spent_by(path: Path, key_id: str, since: datetime | None) -> tuple[Decimal, int]:
    """What a key's records that began since a time (None: all) cost, and the place up to which they were read.

    Raises ConfigError if the store cannot be read.
    """
    place = newest_place(path)
    clause, values = Wanted(since=since, key_id=key_id).clause()
    text = f"SELECT exact_sum(cost) FROM spend WHERE seq <= :place AND {clause}"  # noqa: S608 - as above
    return Decimal(_rows(path, text, {**values, "place": place})[0][0] or 0), place


def foreign_records(path: Path, origin: str, after: int) -> tuple[list[Foreign], int]:
    """The records behind a place that the process of that origin has not written, and the place to go on from.

    Operations are among them whoever settled them. Raises ConfigError if the store cannot be read.
    """
    place = min(newest_place(path), after + _MOST_FOREIGN)
    text = (
        "SELECT seq, id, kind, key_id, cost, started FROM spend WHERE seq > :after AND seq <= :place "
        "AND uid NOT GLOB :own ORDER BY seq"
    )
    found = [
        Foreign(
            *(seq, id, kind == "operation", key_id, None if cost is None else Decimal(cost)),
            datetime.fromisoformat(started),
        )
        for seq, id, kind, key_id, cost, started in _rows(
            path, text, {"after": after, "place": place, "own": f"{origin}-*"}
        )
    ]
    return found, max(place, after)


def pending_jobs(path: Path) -> int:
    """How many videos are under way. Raises ConfigError if the store cannot be read."""
    return _rows(path, "SELECT count(*) FROM job WHERE settled = 0", {})[0][0]


def _sum(row: tuple[Any, ...]) -> Sum:
    return Sum(row[0], row[1], row[2] or 0, row[3] or 0, Decimal(row[4] or 0))


def _rows(
    path: Path, text: str, values: Mapping[str, Any], stop: Callable[[], bool] | None = None
) -> list[tuple[Any, ...]]:
    with closing(open_for_reading(path)) as connection:
        connection.set_progress_handler(stop, _STOP_EVERY)
        connection.create_aggregate("exact_sum", 1, cast("Any", _ExactSum))
        try:
            return connection.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: the spend store cannot be read: {error}") from error


class _ExactSum:
    """SQLite's own sum would make floats of the amounts."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, value: str | None) -> None:
        """Add one amount; an unknown one adds nothing."""
        if value is not None:
            self._sum = ARITHMETIC.add(self._sum, Decimal(value))

    def finalize(self) -> str:
        """The sum as text."""
        return plain(self._sum)


def _value(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON and value is not None else value


def _moment(word: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the second: a time zone that leads out of all years
        raise ConfigError(f"{word}: a day or a time such as 2026-01-31 or 2026-01-31T12:00:00Z is wanted") from error
