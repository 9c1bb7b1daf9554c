"""Bytes that clients upload, on disk: in a private folder that is gone when the simulator ends.

A file goes when nobody holds it any more: a document of a store may still need what was uploaded as a file.
"""

import hashlib
import shutil
import tempfile
import weakref
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

_PREFIX: Final = "understudy-files-"


class NoRoomError(Exception):
    """The disk took no more: it is full, a quota is used up, the file would be too large; or the file is gone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a spooled file was at some moment: its size and digest."""

    size: int
    digest: Any


class SpooledFile:
    """One file that grows while it is uploaded; its digest grows with it."""

    def __init__(self, path: Path) -> None:
        """Makes the file. Raises OSError if there is no room for it."""
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
        path.touch(mode=0o600, exist_ok=False)
        self._gone = weakref.finalize(self, path.unlink, missing_ok=True)

    def append(self, data: bytes) -> None:
        """Put bytes at the end. Raises NoRoomError; what was there before stays."""
        try:
            # Not "ab": a file that was discarded must not come back.
            with self.path.open("r+b", buffering=0) as file:
                file.seek(self.size)
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
        except OSError as error:
            if self._gone.alive:
                self.back_to(self.mark())
            raise NoRoomError(error.strerror or "no room") from error
        self.size += len(data)
        self._digest.update(data)

    def mark(self) -> Mark:
        """What `back_to` leads back to."""
        return Mark(self.size, self._digest.copy())

    def back_to(self, mark: Mark) -> None:
        """Take away what came since."""
        if self._gone.alive:
            with self.path.open("r+b") as file:
                file.truncate(mark.size)
        self.size, self._digest = mark.size, mark.digest.copy()

    def span(self, start: int, count: int) -> bytes:
        """At most `count` bytes from `start` on."""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def read(self) -> bytes:
        """All of its bytes, in memory."""
        return self.path.read_bytes()

    def sha256_hash(self) -> str:
        """Its `sha256Hash`: the hex digest in base64 (wire-http 8.2)."""
        return b64encode(self._digest.hexdigest().encode()).decode()

    def discard(self) -> None:
        """Remove it from the disk, whoever may hold it."""
        self._gone()


@runtime_checkable
class Discardable(Protocol):
    """What holds files that are to go with it."""

    def discard(self) -> None:
        """Remove them."""
        ...


def discard(hidden: object) -> None:
    """Remove what a forgotten resource has on disk, if it has anything there."""
    if isinstance(hidden, Discardable):
        hidden.discard()


class Spool:
    """The folder (mode 0700) of all files of a simulator; it is made when the first is."""

    def __init__(self, parent: Path | None = None) -> None:
        """`parent` is where the folder is made; None is the system's place for temporary files."""
        self._parent = parent
        self._folder: Path | None = None
        self._gone: weakref.finalize[..., Spool] | None = None
        self._count = 0

    @property
    def folder(self) -> Path | None:
        """The folder, if there is one now."""
        return self._folder

    def new(self) -> SpooledFile:
        """An empty file. Raises NoRoomError."""
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
                # At the latest at the end of the program, if nobody closes the spool.
                self._gone = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._count += 1
            return SpooledFile(self._folder / str(self._count))
        except OSError as error:
            raise NoRoomError(error.strerror or "no room") from error

    def close(self) -> None:
        """Remove the folder and all in it."""
        if self._gone is not None:
            self._gone()
        self._folder = self._gone = None
