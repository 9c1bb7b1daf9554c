"""Numbers that look random, derived by hash: the same seed, scope and request give the same, whatever runs beside."""

from typing import Final

from .ids import Identity

_BYTES: Final = 7
_BITS: Final = 53
"""Those of a float's fraction: every number drawn is one that a float has, and below 1."""


class Draws:
    """A run of numbers for one request and one purpose; different purposes give unrelated numbers."""

    __slots__ = ("_identity", "_left", "_purpose", "_rounds")

    def __init__(self, identity: Identity, purpose: str) -> None:
        self._identity = identity
        self._purpose = purpose
        self._rounds = 0
        self._left = b""

    def next(self) -> float:
        """The next number, from 0 up to but not including 1."""
        if len(self._left) < _BYTES:
            self._left = self._identity.digest(f"{self._purpose}\0{self._rounds}")
            self._rounds += 1
        taken, self._left = self._left[:_BYTES], self._left[_BYTES:]
        return (int.from_bytes(taken) >> (8 * _BYTES - _BITS)) / (1 << _BITS)

    def below(self, limit: int) -> int:
        """A whole number from 0 up to but not including `limit`."""
        return int(self.next() * limit)
