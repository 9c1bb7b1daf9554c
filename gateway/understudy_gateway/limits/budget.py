"""A budget of one key: what was spent in its period, what is reserved, and who may still begin (COST-12). Pure.

A request reserves what its model's dearest one cost lately. The first one that runs may begin while anything is left;
beside others only what fits, their reservations counted: so of many at once on a budget for one, one begins. What is
spent beyond the budget is at most what the requests that run cost more than they reserved (S-72).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from understudy.pricing.cost import ARITHMETIC, ZERO

from .windows import Period


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one request may cost; `period` is the beginning of the period it belongs to."""

    amount: Decimal
    period: datetime | None


class Budget:
    """Spent and reserved, in US dollars. Not safe by itself for several threads."""

    def __init__(self, most: Decimal, period: Period) -> None:
        self.most = most
        self._period = period
        self._start: datetime | None = None
        self.spent = ZERO
        self.reserved = ZERO

    def begin(self, spent: Decimal, now: datetime) -> None:
        """Take over what was spent in the period of `now` before this process."""
        self._start = self._period.start(now)
        self.spent = spent

    def reserve(self, amount: Decimal, now: datetime) -> Reserved | None:
        """Reserve `amount`; None if the budget is used up, or would be by what runs and this."""
        self._turn(now)
        taken = ARITHMETIC.add(self.spent, self.reserved)
        if taken >= self.most or (self.reserved > 0 and ARITHMETIC.add(taken, amount) > self.most):
            return None
        return self.hold(amount, now)

    def hold(self, amount: Decimal, now: datetime) -> Reserved:
        """Reserve without a question: a job that the provider has accepted costs what it costs."""
        self._turn(now)
        self.reserved = ARITHMETIC.add(self.reserved, amount)
        return Reserved(amount, self._start)

    def settle(self, reserved: Reserved, cost: Decimal, now: datetime) -> None:
        """Put a cost in the place of a reservation; one of a period that is over is charged to no other."""
        self._turn(now)
        self.reserved = ARITHMETIC.subtract(self.reserved, reserved.amount)
        if reserved.period == self._start:
            self.spent = ARITHMETIC.add(self.spent, cost)

    def charge(self, cost: Decimal, started: datetime, now: datetime) -> None:
        """Add what was spent without a reservation here, by something that began at `started`."""
        self._turn(now)
        if self._start is None or started >= self._start:
            self.spent = ARITHMETIC.add(self.spent, cost)

    def resets_s(self, now: datetime) -> int | None:
        """Whole seconds until the period is over; None if it has no end."""
        end = self._period.end(now)
        return None if end is None else max(1, int((end - now).total_seconds()) + 1)

    def _turn(self, now: datetime) -> None:
        start = self._period.start(now)
        if start is not None and (self._start is None or start > self._start):
            self._start, self.spent = start, ZERO
