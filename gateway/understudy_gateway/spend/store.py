"""The spend store: records and video jobs in SQLite, written in batches by one thread of each process.

Each record has a key of its own, so that a batch whose commit failed half-way is written again and nothing twice
(R-26); an operation's is made of its name and its start, so that it is settled once however many processes see it done.
"""

import itertools
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from understudy.errors import ConfigError

from .batch import Batch, Item, Kept, Once, Rules, Started, guarded
from .jobs import Done, Expire, Names, Settle, VideoJob
from .queries import pending_jobs
from .record import SpendRecord
from .rows import job_of
from .schema import open_store
from .writing import BatchWriter, Habits, WriteFailed

HABITS: Final = Habits(gather_s=0.1, retry_s=0.5, close_s=5.0)
_BUSY_MS: Final = 1000
_LOOK_FOR_STRANGERS_S: Final = 5.0
_LOOK_FOR_OLD_S: Final = 3600.0


class SpendStore:
    """The store at `path`. Opening it raises ConfigError if it is damaged or cannot be used.

    `settled` is told, in the store's thread, of each record of an operation that this process was the one to write.
    """

    def __init__(self, path: Path, habits: Habits = HABITS) -> None:
        self.path: Final = path
        self.settled: Callable[[SpendRecord], None] = lambda record: None
        self._connection = open_store(path)
        self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        self._writer: BatchWriter[Item] = BatchWriter(path.name, self._write, habits)
        self.origin: Final = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._rules: Rules | None = None
        self._has_seen = True  # of an earlier process, maybe
        self._looked_at: float | None = None
        self._is_closing = False

    @property
    def lost(self) -> int:
        """How many records could not be kept."""
        return self._writer.lost

    @property
    def waiting(self) -> int:
        """How many records wait for the disk."""
        return self._writer.waiting

    @property
    def is_down(self) -> bool:
        """Whether the last try to write failed, and what it should have written waits."""
        return self._writer.is_failing

    def add(self, record: SpendRecord) -> None:
        """Take a record; returns at once."""
        self._writer.put(Kept(self.origin, next(self._numbers), record))

    def jobs(self, settle: Settle, expire: Expire, now: Callable[[], datetime]) -> "StoreJobs":
        """Jobs that are kept in the store; those that nobody polled in time are booked as `expire` says."""
        self._rules = Rules(settle, expire, now)
        self._writer.wake()  # old jobs of processes that have ended
        return StoreJobs(self)

    def open_jobs(self) -> list[VideoJob]:
        """The jobs that are not settled yet, oldest first. Before the first record is taken; raises ConfigError."""
        try:
            query = "SELECT name, job FROM job WHERE settled = 0 ORDER BY started"
            return [job_of(name, text) for name, text in self._connection.execute(query).fetchall()]
        except sqlite3.Error as error:
            raise ConfigError(f"{self.path}: the spend store cannot be read: {error}") from error

    def started(self, job: VideoJob) -> None:
        """Note a job."""
        self._writer.put(Started(f"{self.origin}-{next(self._numbers):x}", job))

    def finished(self, done: Done) -> None:
        """Settle an operation, unless that was done before."""
        self._writer.put(done)

    def once(self, record: SpendRecord) -> None:
        """Book the one record of an operation, unless that was done before."""
        self._writer.put(Once(record))

    def flush(self, limit_s: float) -> bool:
        """Wait until what was taken so far is on the disk; false if it took longer."""
        return self._writer.flush(limit_s)

    def close(self) -> None:
        """Write everything that waits and close the store; blocks for that, at most some seconds."""
        if self._is_closing:
            return
        self._is_closing = True
        self._writer.close()
        self._connection.close()

    def _write(self, items: list[Item]) -> float | None:
        """One batch in one transaction. Raises WriteFailed if nothing of it was written."""
        self._transact(items)
        return _LOOK_FOR_STRANGERS_S if self._has_seen else None

    def _transact(self, items: Iterable[Item]) -> None:
        batch = Batch(self._connection, self._rules)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                batch.write(items)
                if self._rules is not None and self._has_seen:
                    batch.look_for_strangers()
                if self._rules is not None and self._is_time_for_old_ones():
                    batch.expire()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._looked_at = None
            raise WriteFailed(str(error)) from error
        self._has_seen = batch.has_seen or (self._has_seen and self._rules is None)
        for record in batch.settled:
            guarded(lambda record=record: self.settled(record))

    def _is_time_for_old_ones(self) -> bool:
        now = time.monotonic()
        if self._looked_at is not None and now - self._looked_at < _LOOK_FOR_OLD_S:
            return False
        self._looked_at = now
        return True


class StoreJobs:
    """Jobs in the store; what this process has seen settled it need not ask for again."""

    def __init__(self, store: SpendStore) -> None:
        self._store = store
        self._seen = Names()

    def started(self, job: VideoJob) -> None:
        """Note a job."""
        self._seen.forget(job.name)
        self._store.started(job)

    def finished(self, done: Done) -> None:
        """Hand it to the store's thread, once for each name."""
        if done.name not in self._seen:
            self._seen.add(done.name)
            self._store.finished(done)

    def once(self, record: SpendRecord) -> None:
        """Hand it to the store's thread, once for each id."""
        if record.id not in self._seen:
            self._seen.add(record.id)
            self._store.once(record)

    def pending(self) -> int:
        """How many are open, of all processes."""
        return pending_jobs(self._store.path)

    def close(self) -> None:
        """Nothing: what is open stays open, and the next process settles it."""
