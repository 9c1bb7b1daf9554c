"""Where spend records go: memory (the newest), and, as configured, a store and a file of JSON lines."""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from .jobs import Expire, Jobs, MemoryJobs, Settle
from .lines import LineFile
from .record import SpendRecord
from .store import SpendStore
from .writing import BatchWriter, Habits

MOST_IN_MEMORY: Final = 100
"""Few: who lets go of a record long after it was written pays for fetching it from slow memory again."""

_LINES: Final = Habits(gather_s=0.02)


class SpendLog:
    """Takes records. `close` writes what is left; records that come later are lost and counted.

    `on_operation` is told of each operation that is booked, in whatever thread that happens.
    """

    def __init__(self, path: Path | None = None, store: SpendStore | None = None) -> None:
        """Opens the file of JSON lines at `path`. Raises ConfigError if it cannot be opened."""
        self.records: deque[SpendRecord] = deque(maxlen=MOST_IN_MEMORY)
        self.store: Final = store
        self._file = LineFile(path) if path is not None else None
        self._lines: BatchWriter[SpendRecord] | None = None
        if self._file is not None and path is not None:
            self._lines = BatchWriter(path.name, self._file.write, _LINES)
        if store is not None:
            store.settled = self._note
        self.on_operation: Callable[[SpendRecord], None] = lambda record: None
        self._is_closed = False

    @property
    def lost(self) -> int:
        """How many records could not be written, in all places."""
        return (self._lines.lost if self._lines else 0) + (self.store.lost if self.store else 0)

    @property
    def waiting(self) -> int:
        """How many records wait to be written, in all places."""
        return (self._lines.waiting if self._lines else 0) + (self.store.waiting if self.store else 0)

    def add(self, record: SpendRecord) -> None:
        """Take a record; returns at once."""
        self._note(record)
        if self.store is not None:
            self.store.add(record)

    def jobs(self, settle: Settle, expire: Expire, now: Callable[[], datetime]) -> Jobs:
        """Where open video jobs are kept: in the store if there is one, else in memory."""
        return MemoryJobs(self.add, settle, expire, now) if self.store is None else self.store.jobs(settle, expire, now)

    def flush(self, limit_s: float = 10.0) -> bool:
        """Wait until all that was taken is written or lost; false if that took longer."""
        is_written = self.store is None or self.store.flush(limit_s)
        return (self._lines is None or self._lines.flush(limit_s)) and is_written

    def close(self) -> None:
        """Write everything that waits and close the files; blocks until that is done."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.store is not None:  # first: it may still settle operations, which become lines
            self.store.close()
        if self._lines is not None and self._file is not None:
            self._lines.close()
            self._file.close()

    def _note(self, record: SpendRecord) -> None:
        self.records.append(record)
        if record.kind == "operation":
            self.on_operation(record)
        if self._lines is not None:
            self._lines.put(record)
