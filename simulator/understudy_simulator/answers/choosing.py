"""Small choices derived from a seed by hash: the same seed always chooses the same."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeVar

Item = TypeVar("Item")


class Chooser:
    """A stream of choices that a seed determines; each question moves it on."""

    __slots__ = ("_asked", "_seed")

    def __init__(self, *seeds: Any) -> None:
        self._seed = "\0".join(map(str, seeds)).encode("utf-8", "surrogatepass")
        self._asked = 0

    def number(self, count: int) -> int:
        """A whole number from 0 up to, but not, `count` (at least 1)."""
        self._asked += 1
        digest = blake2b(self._seed, digest_size=8, salt=self._asked.to_bytes(8)).digest()
        return int.from_bytes(digest) % count

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of `items`, which is not empty."""
        return items[self.number(len(items))]
