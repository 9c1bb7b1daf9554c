"""The arithmetic of a budget: reserve before, settle after, release what never was; exact totals (S-71, S-74, COST-12).

Each call is one step without a wait in it, so that a check and its reservation cannot be torn apart. A budget knows
no clock and no store: whoever keeps it resets it and writes it down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from .cost import ARITHMETIC, ZERO


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands, in US dollars: `held` is what is reserved."""

    limit: Decimal | None
    spent: Decimal
    held: Decimal

    @property
    def left(self) -> Decimal | None:
        """What may still be reserved, never negative; None without a limit."""
        if self.limit is None:
            return None
        return max(ZERO, ARITHMETIC.subtract(self.limit, ARITHMETIC.add(self.spent, self.held)))

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more may begin (COST-12)."""
        return self.left is not None and self.left <= ZERO


class Budget:
    """What one key or group may spend: amounts by the id of what they are for.

    What was charged as it went (turns of a session) counts toward the final cost of its id, and is not counted twice.
    """

    def __init__(self, limit: Decimal | None = None, spent: Decimal = ZERO) -> None:
        """`limit` None means no limit. Raises ValueError for a negative amount."""
        self._limit = None if limit is None else _amount(limit)
        self._spent = _amount(spent)
        self._reserved: Final[dict[str, Decimal]] = {}
        self._charged: Final[dict[str, Decimal]] = {}
        self._held = ZERO

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        return Standing(self._limit, self._spent, self._held)

    @property
    def reserved(self) -> Mapping[str, Decimal]:
        """What is reserved, by id."""
        return MappingProxyType(self._reserved)

    def allow(self, limit: Decimal | None) -> None:
        """Another limit from now on; what is spent and held stays."""
        self._limit = None if limit is None else _amount(limit)

    def reserve(self, id: str, estimate: Decimal) -> bool:
        """Hold an estimate for `id`, in place of one that was held before. False, and nothing changes, if it is over.

        While nothing else is held whatever is left suffices: an estimate may be too high, and a budget could otherwise
        not be spent to its end. Beside others only what fits is let through: of many at once on a budget for one, one.
        """
        mine = self._reserved.get(id, ZERO)
        wanted, left = ARITHMETIC.subtract(_amount(estimate), mine), self.standing.left
        if left is not None:
            if left <= ZERO and id not in self._reserved:
                return False
            if wanted > max(left, ZERO) and self._held > mine:
                return False
        self.hold(id, estimate)
        return True

    def hold(self, id: str, amount: Decimal) -> None:
        """Hold an amount for `id` without a question: a job that was accepted costs what it costs."""
        self._hold(id, _amount(amount))

    def charge(self, id: str, amount: Decimal) -> Standing:
        """Book a part of the cost of `id` as it becomes known; it is taken out of what `id` holds."""
        part = _amount(amount)
        self._spent = ARITHMETIC.add(self._spent, part)
        self._charged[id] = ARITHMETIC.add(self._charged.get(id, ZERO), part)
        if id in self._reserved:
            self._hold(id, max(ZERO, ARITHMETIC.subtract(self._reserved[id], part)))
        return self.standing

    def settle(self, id: str, cost: Decimal | None) -> Standing:
        """Book the final cost of `id`, whatever it held, and be done with it; parts charged before are in it.

        An unknown cost (None) leaves its reservation charged: leaving early must not be a free ride (S-74).
        """
        if cost is None:
            self._charged.pop(id, None)
            self._spent = ARITHMETIC.add(self._spent, self._drop(id))
            return self.standing
        more = ARITHMETIC.subtract(_amount(cost), self._charged.pop(id, ZERO))
        self._drop(id)
        self._spent = max(ZERO, ARITHMETIC.add(self._spent, more))
        return self.standing

    def release(self, id: str) -> Standing:
        """Let go of what `id` holds: it was refused, never sent, or turned out free. Parts charged stay."""
        self._charged.pop(id, None)
        self._drop(id)
        return self.standing

    def reset(self) -> Standing:
        """Begin a new period: nothing is spent, and what is under way still holds its reservation."""
        self._spent = ZERO
        self._charged.clear()
        return self.standing

    def _hold(self, id: str, amount: Decimal) -> None:
        self._held = ARITHMETIC.add(ARITHMETIC.subtract(self._held, self._reserved.get(id, ZERO)), amount)
        self._reserved[id] = amount

    def _drop(self, id: str) -> Decimal:
        amount = self._reserved.pop(id, ZERO)
        self._held = ARITHMETIC.subtract(self._held, amount)
        return amount


def _amount(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"an amount of money is not negative: {amount}")
    return amount
