"""A cost: itemised lines and their exact sum, in US dollars, and how well it is known. Unknown is never zero."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Final

import msgspec

ARITHMETIC: Final = Context(prec=60)
"""Enough digits that nothing is rounded while computing (pricing 1); division by a tier's base rate may be."""

ZERO: Final = Decimal(0)
_add: Final = ARITHMETIC.add
_MICRO: Final = Decimal("0.000001")


class Part(StrEnum):
    """The parts of a bill that are kept apart (pricing 1)."""

    INPUT = "input"
    OUTPUT = "output"
    GROUNDING = "grounding"
    OTHER = "other"


class Known(StrEnum):
    """How well a cost is known."""

    EXACT = "exact"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


_UNKNOWN: Final = Known.UNKNOWN
"""Its own name: to look a member up in its class takes several times as long, and each response is summed."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One item: `amount` is `quantity` x `unit_price`, in USD. `what` is for people, `unit` is a meter's unit."""

    part: Part
    what: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What something cost. `reason` says why it is not exact; `remarks` are for people and change nothing."""

    lines: tuple[Line, ...] = ()
    known: Known = Known.EXACT
    reason: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal | None:
        """The exact sum of the lines; None if the cost is unknown, whatever lines there are."""
        if self.known is _UNKNOWN:
            return None
        total = ZERO
        for line in self.lines:
            total = _add(total, line.amount)
        return total

    def part(self, part: Part) -> Decimal:
        """The exact sum of one part's lines."""
        return added(line.amount for line in self.lines if line.part is part)


def line_of(part: Part, what: str, quantity: Decimal | int, unit: str, unit_price: Decimal) -> Line:
    """A line with its amount worked out."""
    count = Decimal(quantity)
    return Line(part, what, count, unit, unit_price, ARITHMETIC.multiply(count, unit_price))


def added(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = ZERO
    for amount in amounts:
        total = _add(total, amount)
    return total


def unknown(reason: str, remarks: tuple[str, ...] = ()) -> Cost:
    """A cost that nobody can tell."""
    return Cost(known=Known.UNKNOWN, reason=reason, remarks=remarks)


def estimated(cost: Cost, reason: str) -> Cost:
    """The same cost, no longer exact; an unknown one stays so."""
    if cost.known is not Known.EXACT:
        return cost
    return Cost(cost.lines, Known.ESTIMATED, reason, cost.remarks)


def combined(costs: Iterable[Cost]) -> Cost:
    """The cost of several together, known as well as the least known. Lines of one item at one price become one."""
    lines: dict[tuple[Part, str, str, Decimal], Line] = {}
    worst, reason = Known.EXACT, None
    remarks: dict[str, None] = {}
    order = list(Known)
    for cost in costs:
        remarks |= dict.fromkeys(cost.remarks)
        if order.index(cost.known) > order.index(worst):
            worst, reason = cost.known, cost.reason
        for line in cost.lines:
            key = (line.part, line.what, line.unit, line.unit_price)
            before = lines.get(key)
            quantity = line.quantity if before is None else ARITHMETIC.add(before.quantity, line.quantity)
            lines[key] = line_of(line.part, line.what, quantity, line.unit, line.unit_price)
    return Cost(tuple(lines.values()), worst, reason, tuple(remarks))


def plain(amount: Decimal) -> str:
    """The number without an exponent and without zeros at its end: `0.0000085`, `0`."""
    text = str(amount)
    if "E" in text:  # the exponent is written out; `str` is the faster where there is none
        text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def dollars(amount: Decimal) -> str:
    """The amount for people: six decimals, half up."""
    return format(amount.quantize(_MICRO, ROUND_HALF_UP, ARITHMETIC), "f")


def lines_json(lines: Iterable[Line]) -> list[dict[str, str]]:
    """Lines as JSON objects, numbers as plain decimal text."""
    return [
        {
            "part": line.part,
            "what": line.what,
            "quantity": plain(line.quantity),
            "unit": line.unit,
            "unit_price": plain(line.unit_price),
            "amount": plain(line.amount),
        }
        for line in lines
    ]
