"""Quotas: how many requests, tokens and sessions a key or project may have of a model. Pure.

What is counted per minute is a token bucket that starts full and fills evenly; what is counted per day starts anew at
midnight Pacific time, as the Gemini API's daily quotas do (https://ai.google.dev/gemini-api/docs/rate-limits).
All counting is in whole numbers, so that the wait in a refusal is exact to the microsecond.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, Literal

Kind = Literal["requests", "tokens", "sessions"]
Service = Literal["gemini", "vertex"]

_MINUTE_US: Final = 60_000_000
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SWEEP_AT: Final = 4096
"""With that many buckets those that are as new are forgotten; then with twice as many as are left."""


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """At most `limit` of a kind, for each key or project and each model.

    `per` says nothing for sessions, which are those that are open at a time. `service` None: both; `model` is a glob.
    `metric` and `quota_id` are what the refusal calls it; empty: as Google does.
    """

    kind: Kind
    limit: int
    per: Literal["minute", "day"] = "minute"
    service: Service | None = None
    model: str = "*"
    metric: str = ""
    quota_id: str = ""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"the limit of a quota is 1 or more, not {self.limit}")


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A quota is used up: which rule, for which model, and the microseconds after which the same may be asked again.

    What is more than the whole quota waits until the quota is whole (and is refused again). Sessions wait for others to
    end, which nobody knows: 0.
    """

    rule: QuotaRule
    service: Service
    model: str
    wait_us: int

    @property
    def retry_delay(self) -> str:
        """The wait as a proto Duration: `12.5s`."""
        seconds, fraction = divmod(self.wait_us, 1_000_000)
        return f"{seconds}.{fraction:06d}".rstrip("0").rstrip(".") + "s"

    @property
    def retry_after(self) -> str:
        """The wait in whole seconds, rounded up (RFC 9110 section 10.2.3)."""
        return str(-(-self.wait_us // 1_000_000))


class _Bucket:
    """`limit` per minute. The level is in millionths of a sixtieth: a full bucket holds `limit * 60_000_000`."""

    __slots__ = ("level", "limit", "seen")

    def __init__(self, limit: int, now: int) -> None:
        self.limit = limit
        self.level = limit * _MINUTE_US
        self.seen = now

    def wait(self, amount: int, now: int) -> int:
        """Microseconds until `amount` may be taken; 0: now. Fills the bucket up to now."""
        limit = self.limit
        if now > self.seen:
            self.level = min(limit * _MINUTE_US, self.level + (now - self.seen) * limit)
            self.seen = now
        missing = min(amount, limit) * _MINUTE_US - self.level
        if amount > limit:
            return max(1, -(-missing // limit))
        return -(-missing // limit) if missing > 0 else 0

    def take(self, amount: int) -> None:
        self.level -= amount * _MINUTE_US

    def is_as_new(self, now: int) -> bool:
        """Whether a new bucket would be the same."""
        return self.level + (now - self.seen) * self.limit >= self.limit * _MINUTE_US


class _Day:
    """`limit` per day of Pacific time."""

    __slots__ = ("end", "limit", "used")

    def __init__(self, limit: int, now: int) -> None:
        self.limit = limit
        self.used = 0
        self.end = next_pacific_midnight_us(now)

    def wait(self, amount: int, now: int) -> int:
        if now >= self.end:
            self.used, self.end = 0, next_pacific_midnight_us(now)
        return self.end - now if self.used + amount > self.limit else 0

    def take(self, amount: int) -> None:
        self.used += amount

    def is_as_new(self, now: int) -> bool:
        return now >= self.end or not self.used


_Meter = _Bucket | _Day


class Quotas:
    """Counts what is asked of the services against the rules; without rules it costs nothing."""

    def __init__(self, rules: Iterable[QuotaRule] = ()) -> None:
        self._rules = tuple(rules)
        self._chosen: dict[tuple[Service, str], tuple[tuple[int, QuotaRule], ...]] = {}
        self._meters: dict[tuple[int, str, str], _Meter] = {}
        self._sessions: dict[tuple[int, str, str], int] = {}
        self._sweep_at = _SWEEP_AT

    def __bool__(self) -> bool:
        return bool(self._rules)

    def take(self, service: Service, who: str, model: str, tokens: int, now: datetime) -> Exceeded | None:
        """Count one request of `tokens` tokens. If any quota is used up nothing is counted; the refusal is that of the
        longest wait. `who` is a key or a project, in any form that tells them apart.
        """
        if not self._rules:
            return None
        moment = _microseconds(now)
        due: list[tuple[_Meter, int]] = []
        longest: tuple[int, QuotaRule] | None = None
        for index, rule in self._rules_of(service, model):
            if rule.kind == "sessions":
                continue
            amount = tokens if rule.kind == "tokens" else 1
            meter = self._meter(index, rule, who, model, moment)
            wait = meter.wait(amount, moment)
            if wait and (longest is None or wait > longest[0]):
                longest = wait, rule
            due.append((meter, amount))
        if longest is not None:
            return Exceeded(longest[1], service, model, longest[0])
        for meter, amount in due:
            meter.take(amount)
        return None

    def open(self, service: Service, who: str, model: str) -> Exceeded | None:
        """Count one more open session, or say why there is no room; what was opened is to be closed."""
        rules = [(index, rule) for index, rule in self._rules_of(service, model) if rule.kind == "sessions"]
        for index, rule in rules:
            if self._sessions.get((index, who, model), 0) >= rule.limit:
                return Exceeded(rule, service, model, 0)
        for index, _ in rules:
            self._sessions[index, who, model] = self._sessions.get((index, who, model), 0) + 1
        return None

    def close(self, service: Service, who: str, model: str) -> None:
        """One session that `open` counted has ended."""
        for index, _ in self._rules_of(service, model):
            left = self._sessions.get((index, who, model), 0) - 1
            if left > 0:
                self._sessions[index, who, model] = left
            else:
                self._sessions.pop((index, who, model), None)

    def reset(self) -> None:
        """All quotas are whole again; open sessions still count."""
        self._meters.clear()
        self._sweep_at = _SWEEP_AT

    def _rules_of(self, service: Service, model: str) -> tuple[tuple[int, QuotaRule], ...]:
        chosen = self._chosen.get((service, model))
        if chosen is None:
            if len(self._chosen) >= _SWEEP_AT:
                self._chosen.clear()
            chosen = tuple(
                (index, rule)
                for index, rule in enumerate(self._rules)
                if rule.service in (None, service) and fnmatchcase(model, rule.model)
            )
            self._chosen[service, model] = chosen
        return chosen

    def _meter(self, index: int, rule: QuotaRule, who: str, model: str, now: int) -> _Meter:
        key = (index, who, model)
        meter = self._meters.get(key)
        if meter is None:
            if len(self._meters) >= self._sweep_at:
                self._sweep(now)
            make: Callable[[int, int], _Meter] = _Bucket if rule.per == "minute" else _Day
            meter = self._meters[key] = make(rule.limit, now)
        return meter

    def _sweep(self, now: int) -> None:
        self._meters = {key: meter for key, meter in self._meters.items() if not meter.is_as_new(now)}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._meters))


def _microseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds


# ---- midnight on the Pacific coast


def next_pacific_midnight_us(now_us: int) -> int:
    """The next midnight of Los Angeles after a moment, both in microseconds since 1970.

    By the rule of the law (15 U.S.C. 260a, since 2007), since not every machine has a time-zone database: UTC-7 from
    the second Sunday of March to the first of November, at 2 o'clock; else UTC-8.
    """
    moment = _EPOCH + timedelta(microseconds=now_us)
    day = (moment - timedelta(hours=8)).date()
    for candidate in (day, day + timedelta(days=1), day + timedelta(days=2)):
        midnight = datetime(candidate.year, candidate.month, candidate.day, tzinfo=UTC) + _offset_at_midnight(candidate)
        if midnight > moment:
            return _microseconds(midnight)
    raise AssertionError("a day has no more than 25 hours")


def _offset_at_midnight(day: date) -> timedelta:
    starts, ends = _sunday(day.year, 3, 2), _sunday(day.year, 11, 1)
    return timedelta(hours=7 if starts < day <= ends else 8)


def _sunday(year: int, month: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (which - 1))
