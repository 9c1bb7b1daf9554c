"""Bytes that belong to a resource: in memory, as results of batches are, or in a file, as contents of documents are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Readable(Protocol):
    """What holds the bytes of a resource, in memory or on disk."""

    def read(self) -> bytes:
        """All of them."""
        ...


@runtime_checkable
class Content(Readable, Protocol):
    """Bytes that are complete, so that their number is known."""

    @property
    def size(self) -> int:
        """How many there are."""
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


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Bytes in a file that is theirs alone."""

    path: Path
    size: int

    def read(self) -> bytes:
        """All of them, in memory."""
        return self.path.read_bytes()

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def twin_of(hidden: Any, mark: str) -> KeptBytes | KeptFile:
    """The same bytes once more, which stay when the first are removed; `mark` goes into the name of the second file.

    Nothing is copied on the disk where it has hard links.
    """
    path = getattr(hidden, "path", None)
    if not isinstance(path, Path):
        return KeptBytes(bytes_of(hidden) or b"")
    other = path.with_name(f"{path.name}-{mark}")
    try:
        other.hardlink_to(path)
    except OSError:
        return KeptBytes(bytes_of(hidden) or b"")
    return KeptFile(other, other.stat().st_size)


def bytes_of(hidden: Any) -> bytes | None:
    """The bytes that a resource's `hidden` holds, or None if it holds none (any more)."""
    if isinstance(hidden, bytes):
        return hidden
    try:
        return hidden.read() if isinstance(hidden, Readable) else None
    except FileNotFoundError:
        return None
