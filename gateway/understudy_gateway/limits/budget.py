"""The budget of one key: an amount for each period, and who may still begin (COST-12). Pure.

A request reserves what its model's dearest one cost lately. What is spent beyond the budget is at most what the
requests that run cost more than they reserved (S-72).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from understudy.pricing import budgets

from .windows import Period


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one request may cost; `period` is the beginning of the period it belongs to."""

    id: str
    amount: Decimal
    period: datetime | None


class Budget:
    """What a key may spend in each period, in US dollars; `most` None: any amount. Not safe for several threads."""

    def __init__(self, most: Decimal | None, period: Period) -> None:
        self._money = budgets.Budget(most)
        self._period = period
        self._start: datetime | None = None
        self._last_id = 0

    @property
    def spent(self) -> Decimal:
        """What was spent in the period that was looked at last."""
        return self._money.standing.spent

    @property
    def reserved(self) -> Decimal:
        """What is reserved."""
        return self._money.standing.held

    def spent_at(self, now: datetime) -> Decimal:
        """What was spent in the period of `now`."""
        self._turn(now)
        return self.spent

    def allow(self, most: Decimal | None) -> None:
        """Another amount from now on; what is spent and reserved stays."""
        self._money.allow(most)

    def begin(self, spent: Decimal, now: datetime) -> None:
        """Take over what was spent in the period of `now` before this process."""
        self._start = self._period.start(now)
        self._money = budgets.Budget(self._money.standing.limit, spent)

    def reserve(self, amount: Decimal, now: datetime) -> Reserved | None:
        """Reserve `amount`; None if the budget is used up, or would be by what runs and this."""
        self._turn(now)
        reserved = self._reserved(amount)
        return reserved if self._money.reserve(reserved.id, amount) else None

    def hold(self, amount: Decimal, now: datetime) -> Reserved:
        """Reserve without a question: a job that the provider has accepted costs what it costs."""
        self._turn(now)
        reserved = self._reserved(amount)
        self._money.hold(reserved.id, amount)
        return reserved

    def settle(self, reserved: Reserved, cost: Decimal | None, now: datetime) -> None:
        """Put a cost in the place of a reservation; one of a period that is over is charged to no other.

        An unknown cost (None) leaves the reservation charged (S-74). What was charged by `use` is part of the cost.
        """
        self._turn(now)
        if reserved.period == self._start:
            self._money.settle(reserved.id, cost)
        else:
            self._money.release(reserved.id)

    def use(self, reserved: Reserved, cost: Decimal, now: datetime) -> bool:
        """Charge a part of the cost of what runs on; whether nothing is left after it (WS-17)."""
        self._turn(now)
        standing = self._money.charge(reserved.id, cost)
        return standing.limit is not None and standing.spent >= standing.limit

    def charge(self, cost: Decimal, started: datetime, now: datetime) -> None:
        """Add what was spent without a reservation here, by something that began at `started`."""
        self._turn(now)
        if self._start is None or started >= self._start:
            self._money.settle("", cost)

    def resets_s(self, now: datetime) -> int | None:
        """Whole seconds until the period is over; None if it has no end."""
        end = self._period.end(now)
        return None if end is None else max(1, int((end - now).total_seconds()) + 1)

    def _reserved(self, amount: Decimal) -> Reserved:
        self._last_id += 1
        return Reserved(str(self._last_id), amount, self._start)

    def _turn(self, now: datetime) -> None:
        start = self._period.start(now)
        if start is not None and (self._start is None or start > self._start):
            self._start = start
            self._money.reset()
