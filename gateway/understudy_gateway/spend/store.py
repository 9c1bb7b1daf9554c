"""The spend store: records and video jobs in SQLite, written in batches by one thread of each process.

Each record has a key of its own, so that a batch whose commit failed half-way is written again and nothing twice
(R-26); an operation's is made of its name and its start, so that it is settled once however many processes see it done.
"""

import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from understudy.errors import ConfigError
from understudy.pricing.cost import lines_json, plain
from understudy.usage.operations import VeoRequest

from .jobs import JOB_LIFE, NEVER_POLLED, Expire, Names, Settle, VideoJob
from .queries import pending_jobs
from .record import SpendRecord, rfc3339
from .schema import open_store
from .writing import BatchWriter, Habits, WriteFailed

_log = logging.getLogger(__name__)

HABITS: Final = Habits(gather_s=0.1, retry_s=0.5, close_s=5.0)
_BUSY_MS: Final = 1000
_PATIENCE_S: Final = 2.0
"""How long an operation nobody knows waits for its start, which another process may be about to write."""

_LOOK_FOR_OLD_S: Final = 3600.0

_INSERT: Final = (
    "INSERT OR IGNORE INTO spend (uid, id, kind, key_id, tags, provider, route, model, status, outcome, usage, cost, "
    "known, reason, lines, started, ended) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_JOB: Final = (
    "INSERT INTO job (name, call_id, job, started, settled) VALUES (?,?,?,?,0) ON CONFLICT (name) DO UPDATE SET "
    "call_id = excluded.call_id, job = excluded.job, started = excluded.started, settled = 0 "
    "WHERE call_id <> excluded.call_id"
)

Row = tuple[Any, ...]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A record, with its key in the store."""

    uid: str
    record: SpendRecord


@dataclass(frozen=True, slots=True)
class _Started:
    """A job that began; `uid` is the key of its start."""

    uid: str
    job: VideoJob


@dataclass(frozen=True, slots=True)
class _Finished:
    """An operation that was seen done; `patience` is when to stop waiting for its start (monotonic)."""

    name: str
    settle: Settle
    patience: float


_Item = _Kept | _Started | _Finished


class SpendStore:
    """The store at `path`. Opening it raises ConfigError if it is damaged or cannot be used.

    `settled` is told, in the store's thread, of each record of an operation that this process was the one to write.
    """

    def __init__(self, path: Path, habits: Habits = HABITS) -> None:
        self.path: Final = path
        self.settled: Callable[[SpendRecord], None] = lambda record: None
        self._connection = open_store(path)
        self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        self._writer: BatchWriter[_Item] = BatchWriter(path.name, self._write, habits)
        self.origin: Final = secrets.token_hex(8)
        self._count = 0
        self._expire: Expire | None = None
        self._now: Callable[[], datetime] | None = None
        self._late: list[_Finished] = []
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

    def add(self, record: SpendRecord) -> None:
        """Take a record; returns at once."""
        self._writer.put(_Kept(self._uid(), record))

    def jobs(self, expire: Expire, now: Callable[[], datetime]) -> "StoreJobs":
        """Jobs that are kept in the store; those that nobody polled in time are booked as `expire` says."""
        self._expire, self._now = expire, now
        self._writer.wake()  # old jobs of processes that have ended
        return StoreJobs(self)

    def open_jobs(self) -> list[VideoJob]:
        """The jobs that are not settled yet, oldest first. Before the first record is taken; raises ConfigError."""
        try:
            query = "SELECT name, job FROM job WHERE settled = 0 ORDER BY started"
            return [_job(name, text) for name, text in self._connection.execute(query).fetchall()]
        except sqlite3.Error as error:
            raise ConfigError(f"{self.path}: the spend store cannot be read: {error}") from error

    def started(self, job: VideoJob) -> None:
        """Note a job."""
        self._writer.put(_Started(self._uid(), job))

    def finished(self, name: str, settle: Settle) -> None:
        """Settle an operation, unless that was done before."""
        self._writer.put(_Finished(name, settle, time.monotonic() + _PATIENCE_S))

    def flush(self, limit_s: float) -> bool:
        """Wait until what was taken so far is on the disk; false if it took longer."""
        return self._writer.flush(limit_s)

    def close(self) -> None:
        """Write everything that waits and close the store; blocks for that, at most some seconds."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._late:
            self._writer.wake()
        self._writer.close()
        if self._late:  # nobody waits any longer for their starts
            late, self._late = self._late, []
            try:
                self._transact(late)
            except WriteFailed as failure:
                _log.error("%d operations are not in the spend store (%s)", len(late), failure)
        self._connection.close()

    def _uid(self) -> str:
        self._count += 1
        return f"{self.origin}-{self._count:x}"

    def _write(self, items: list[_Item]) -> float | None:
        """One batch in one transaction. Raises WriteFailed if nothing of it was written."""
        self._transact([*self._late, *items])
        return _PATIENCE_S / 4 if self._late else None

    def _transact(self, items: Iterable[_Item]) -> None:
        batch = _Batch(self._connection, self._is_closing)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                batch.write(items)
                if self._is_time_for_old_ones() and self._expire is not None and self._now is not None:
                    batch.expire(rfc3339(self._now() - JOB_LIFE), self._expire)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._looked_at = None
            raise WriteFailed(str(error)) from error
        self._late = batch.late
        for record in batch.settled:
            _guarded(lambda record=record: self.settled(record))

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

    def finished(self, name: str, settle: Settle) -> None:
        """Hand it to the store's thread, once for each name."""
        if name not in self._seen:
            self._seen.add(name)
            self._store.finished(name, settle)

    def pending(self) -> int:
        """How many are open, of all processes."""
        return pending_jobs(self._store.path)

    def close(self) -> None:
        """Nothing: what is open stays open, and the next process settles it."""


class _Batch:
    """What one transaction does, and what came of it."""

    def __init__(self, connection: sqlite3.Connection, is_last: bool) -> None:
        self._connection = connection
        self._is_last = is_last
        self._rows: list[Row] = []
        self.settled: list[SpendRecord] = []
        self.late: list[_Finished] = []

    def write(self, items: Iterable[_Item]) -> None:
        """Write items in order."""
        for item in items:
            match item:
                case _Kept():
                    row = _guarded(lambda kept=item: _row(kept.uid, kept.record))
                    self._rows += [] if row is None else [row]
                case _Started():
                    self._connection.execute(_INSERT_JOB, _job_row(item))
                case _Finished():
                    self._finish(item, False)
        early, self.late = self.late, []
        for item in early:  # their starts may have stood behind them
            self._finish(item, False)
        if self._is_last:
            early, self.late = self.late, []
            for item in early:
                self._finish(item, True)
        self._insert()

    def _insert(self) -> None:
        try:
            self._connection.executemany(_INSERT, self._rows)
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, OverflowError, UnicodeError):
            # One of them is not as a record is; the others must not be held up by it.
            for row in self._rows:
                _guarded(lambda row=row: self._connection.execute(_INSERT, row))

    def _finish(self, item: _Finished, is_last: bool) -> None:
        found = self._connection.execute(
            "SELECT call_id, job, settled FROM job WHERE name = ?", (item.name,)
        ).fetchone()
        if found is None and not is_last and time.monotonic() < item.patience:
            self.late.append(item)
            return
        if found is not None and found[2]:
            return
        job = None if found is None else _job(item.name, found[1])
        record = _guarded(lambda: item.settle(job))
        if record is not None:
            self._settle(item.name, None if found is None else found[0], record)

    def expire(self, before: str, expire: Expire) -> None:
        """Book the open jobs that began before that time."""
        query = "SELECT name, call_id, job FROM job WHERE settled = 0 AND started < ?"
        for name, call_id, text in self._connection.execute(query, (before,)).fetchall():
            job = _job(name, text)
            record = _guarded(lambda job=job: expire(job, NEVER_POLLED))
            if record is not None:
                self._settle(name, call_id, record)

    def _settle(self, name: str, call_id: str | None, record: SpendRecord) -> None:
        uid = f"operation {name}" if call_id is None else f"operation {name} of {call_id}"
        if self._connection.execute(_INSERT, _row(uid, record)).rowcount:
            self.settled.append(record)
        if call_id is None:
            row = (name, "", "null", rfc3339(record.started))
            self._connection.execute("INSERT INTO job (name, call_id, job, started, settled) VALUES (?,?,?,?,1)", row)
        else:
            self._connection.execute("UPDATE job SET settled = 1 WHERE name = ?", (name,))


def _guarded(make: Callable[[], _T]) -> _T | None:
    """What `make` gives; None, and a line in the log, if it fails: one bad record must not hold up the others."""
    try:
        return make()
    except Exception:
        _log.exception("a spend record could not be made or passed on")
        return None


def _row(uid: str, record: SpendRecord) -> Row:
    return (
        *(uid, _text(record.id), record.kind, _text(record.key_id), _json(record.tags), record.provider, record.route),
        *(_text(record.model), record.status, record.outcome, None if record.usage is None else _json(record.usage)),
        *(
            None if record.cost is None else plain(record.cost),
            record.known,
            _text(record.reason),
            _json(lines_json(record.lines)),
        ),
        *(rfc3339(record.started), rfc3339(record.ended)),
    )


def _text(value: str | None) -> str | None:
    """A text as SQLite can take it: what came as bytes that are no UTF-8 stands escaped."""
    return value if value is None or value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):  # a number beyond 64 bits, a lone surrogate
        return json.dumps(value)


def _job_row(item: _Started) -> Row:
    job, asked = item.job, item.job.request
    fields = {
        "call_id": job.call_id,
        "key_id": job.key_id,
        "tags": list(job.tags),
        "provider": job.provider,
        "route": job.route,
        "model": job.model,
        "started": job.started.isoformat(),
        "seconds": str(asked.seconds),
        "resolution": asked.resolution,
        "generate_audio": asked.generate_audio,
        "sample_count": asked.sample_count,
        "problem": asked.problem,
    }
    return (_text(job.name), item.uid, json.dumps(fields), rfc3339(job.started))


def _job(name: str, text: str) -> VideoJob:
    fields: dict[str, Any] = json.loads(text)
    request = VeoRequest(
        seconds=Decimal(fields["seconds"]),
        resolution=fields["resolution"],
        generate_audio=fields["generate_audio"],
        sample_count=fields["sample_count"],
        problem=fields["problem"],
    )
    return VideoJob(
        name=name,
        call_id=fields["call_id"],
        key_id=fields["key_id"],
        tags=tuple(fields["tags"]),
        provider=fields["provider"],
        route=fields["route"],
        model=fields["model"],
        request=request,
        started=datetime.fromisoformat(fields["started"]),
    )
