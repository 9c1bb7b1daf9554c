"""Numbers that look random and follow from a seed: the same on every machine and in every version of Python. Pure."""

from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_MASK: Final = (1 << 64) - 1


class Seeded:
    """SplitMix64 (Steele, Lea and Flood, 2014): one 64-bit word of state."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def word(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def fraction(self) -> float:
        """The next number from 0 up to, but not, 1."""
        return (self.word() >> 11) / (1 << 53)

    def below(self, end: int) -> int:
        """The next whole number from 0 up to, but not, `end`; the bias of the remainder is below 2**-40 here."""
        return self.word() % end

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in another order (Fisher and Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order
