"""Cron schedules: when a trigger runs next. Pure but for the time zones that the system knows.

Five fields (minute, hour, day of month, month, day of week), each `*`, a number, a range, a list, with `/step`; months
and days have names too. As in cron, a day fits if either of its two fields does, where both are given.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FURTHEST_DAYS: Final = 366 * 8 + 1
"""Far enough for the 29th of February."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression, read. `any_day` and `any_weekday`: the field is `*`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def fits(self, day: date) -> bool:
        """Whether the schedule has runs on that day."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday


def schedule_of(text: str) -> Schedule:
    """Read a cron expression. Raises ValueError if it is none."""
    fields = text.lower().split()
    if len(fields) != len(_BOUNDS):
        raise ValueError(f"a schedule has five fields, not {len(fields)}")
    minutes, hours, days, months, weekdays = (_field(field, number) for number, field in enumerate(fields))
    weekdays = frozenset(day % 7 for day in weekdays)
    return Schedule(minutes, hours, days, months, weekdays, fields[2] == "*", fields[4] == "*")


def next_run(schedule: Schedule, zone: tzinfo, after: datetime) -> datetime | None:
    """The first moment of the schedule after `after`, in UTC; None if it never comes (the 30th of February).

    A time that a change of clocks leaves out is passed over to the hour that follows.
    """
    day = after.astimezone(zone).date()
    for _ in range(_FURTHEST_DAYS):
        if schedule.fits(day):
            for hour in sorted(schedule.hours):
                for minute in sorted(schedule.minutes):
                    moment = datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
                    if moment > after:
                        return moment
        day += timedelta(days=1)
    return None


def _field(text: str, number: int) -> frozenset[int]:
    low, high = _BOUNDS[number]
    found: set[int] = set()
    for entry in text.split(","):
        span, _, step = entry.partition("/")
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, number)
            last = _number(end, number) if dash else (high if step else first)
        every = int(step) if step.isascii() and step.isdigit() else 1
        if ("/" in entry and (not step.isdigit() or every < 1)) or not low <= first <= last <= high:
            raise ValueError(f"{text!r} is no field of a schedule")
        found.update(range(first, last + 1, every))
    return frozenset(found)


def _number(text: str, number: int) -> int:
    names = _MONTHS if number == 3 else _DAYS if number == 4 else ()
    if text in names:
        return names.index(text) + (1 if number == 3 else 0)
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise ValueError(f"{text!r} is no field of a schedule")
    return int(text)
