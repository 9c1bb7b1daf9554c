"""Spans of time for limits: the last minute, and the periods of a budget. Pure: the clocks are given."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_SLOTS: Final = 60
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|mo)")
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LastMinute:
    """A sum over the last minute, exact to a second, in sixty numbers. Times are of a monotonic clock (S-76)."""

    def __init__(self) -> None:
        self._slots = [0] * _SLOTS
        self._newest = 0
        self._sum = 0

    def total(self, now: float) -> int:
        """The sum of what was added in the last minute."""
        self._forget(int(now))
        return self._sum

    def add(self, now: float, amount: int) -> None:
        """Add an amount."""
        self._forget(int(now))
        self._slots[self._newest % _SLOTS] += amount
        self._sum += amount

    def wait_s(self, now: float, limit: int) -> int:
        """In how many seconds the sum will be below `limit`, if nothing is added: 0 to 60."""
        left = self.total(now)
        if left < limit:
            return 0
        for seconds in range(1, _SLOTS):
            left -= self._slots[(self._newest + seconds) % _SLOTS]
            if left < limit:
                return seconds
        return _SLOTS

    def _forget(self, second: int) -> None:
        for passed in range(self._newest + 1, min(second, self._newest + _SLOTS) + 1):
            self._sum -= self._slots[passed % _SLOTS]
            self._slots[passed % _SLOTS] = 0
        self._newest = max(self._newest, second)


class Period:
    """The periods of a budget, of a duration such as `30s`, `30m`, `12h`, `30d` or `1mo`; None: one without an end.

    They are laid out from the beginning of 1970 UTC, `mo` from the first of a month in steps from January of year 0:
    so that every process, at any time, finds the same. Raises ValueError for another text.
    """

    def __init__(self, duration: str | None) -> None:
        found = _DURATION.fullmatch(duration) if duration is not None else None
        if duration is not None and found is None:
            raise ValueError("a duration such as 30s, 30m, 12h, 30d or 1mo is wanted")
        self._months = int(found[1]) if found and found[2] == "mo" else None
        self._span = int(found[1]) * _UNITS[found[2]] if found and found[2] != "mo" else None

    def start(self, moment: datetime) -> datetime | None:
        """The beginning of the period that `moment` (UTC) is in; None where there is but one."""
        if self._span is not None:
            return _EPOCH + (moment - _EPOCH) // self._span * self._span
        if self._months is not None:
            return _month(_number(moment) // self._months * self._months)
        return None

    def end(self, moment: datetime) -> datetime | None:
        """The end of that period."""
        if self._span is not None:
            return _EPOCH + ((moment - _EPOCH) // self._span + 1) * self._span
        if self._months is not None:
            return _month((_number(moment) // self._months + 1) * self._months)
        return None


def _number(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
