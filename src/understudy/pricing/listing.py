"""What the book says of a model on one day and at one place, row by row: `understudy price book`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .book import Entry, Value
from .cost import ARITHMETIC, plain
from .rates import uplift_of
from .vocabulary import BILLING_UNIT, Priced, priced_by, unit_of


@dataclass(frozen=True, slots=True)
class Row:
    """One value of an entry.

    `layer` is the file that it is from, `since` the day of the change that it is from, if any; `later` are changes to
    come: their days and values, None where the value ends. `here` is a token price with the region's uplift.
    """

    key: str
    value: str
    unit: str
    layer: str
    since: date | None
    later: tuple[tuple[date, str | None], ...]
    here: str | None


def rows(entry: Entry, day: date, location: str | None) -> Iterator[Row]:
    """All values of an entry that count on a UTC day, and those that will come, by the order of their keys."""
    current = entry.on(day)
    uplift = uplift_of(current, location)
    coming = {key for change in entry.changes if change.effective_from > day for key in change.values}
    billing_unit = current.word(BILLING_UNIT)
    for key in sorted(coming | current.values.keys()):
        value = current.values.get(key)
        here = None
        if uplift is not None and isinstance(value, Decimal) and priced_by(key) is Priced.TOKEN:
            here = plain(ARITHMETIC.multiply(value, uplift))
        yield Row(
            key,
            "" if value is None else _shown(value),
            unit_of(key, billing_unit),
            current.layers.get(key, ""),
            _since(entry, key, day),
            tuple(_later(entry, key, day)),
            here,
        )


def _since(entry: Entry, key: str, day: date) -> date | None:
    days = [change.effective_from for change in entry.changes if change.effective_from <= day and key in change.values]
    return days[-1] if days else None


def _later(entry: Entry, key: str, day: date) -> Iterator[tuple[date, str | None]]:
    for change in entry.changes:
        if change.effective_from > day and key in change.values:
            value = change.values[key]
            yield change.effective_from, None if value is None else _shown(value)


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else plain(value)
