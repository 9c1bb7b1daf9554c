"""Bytes that belong to a resource and are kept in memory: results of batches, contents of documents."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Readable(Protocol):
    """What holds the bytes of a resource, in memory or on disk."""

    def read(self) -> bytes:
        """All of them."""
        ...


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.data)

    def read(self) -> bytes:
        """All of them."""
        return self.data


def bytes_of(hidden: Any) -> bytes | None:
    """The bytes that a resource's `hidden` holds, or None if it holds none."""
    if isinstance(hidden, bytes):
        return hidden
    return hidden.read() if isinstance(hidden, Readable) else None
