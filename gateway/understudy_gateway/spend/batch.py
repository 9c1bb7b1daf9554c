"""What one transaction of the spend store does: records written, jobs begun, operations settled once.

Whatever order start and polls of an operation come in, and through whichever process, its row in `job` decides under
the transaction's lock: a poll that comes first is kept there, and its start, when it comes, settles it.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from .jobs import JOB_LIFE, NEVER_POLLED, Done, Expire, Settle, VideoJob
from .record import SpendRecord, rfc3339
from .rows import COLUMNS, done_of, done_text, job_of, job_text, record_row, safe_text

_log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=30)
"""How long a poll waits for the start of its operation, which another process may be about to write."""

OPEN: Final = 0
SETTLED: Final = 1
SEEN: Final = 2
"""States of a row in `job`: under way; booked; seen done, and its start is not known."""

_ROWS_AT_ONCE: Final = (50, 5, 1)
"""Rows of one statement; the first with 850 values, since an older SQLite takes no more than 999."""


def _insert_of(rows: int) -> str:
    row = f"({','.join('?' * len(COLUMNS))})"
    return f"INSERT OR IGNORE INTO spend ({', '.join(COLUMNS)}) VALUES {','.join([row] * rows)}"  # noqa: S608 - our own words alone


_INSERTS: Final = {rows: _insert_of(rows) for rows in _ROWS_AT_ONCE}
_INSERT: Final = _INSERTS[1]
_INSERT_JOB: Final = "INSERT INTO job (name, call_id, job, started, settled) VALUES (?,?,?,?,?)"
_CHANGE_JOB: Final = "UPDATE job SET call_id = ?, job = ?, started = ?, settled = ? WHERE name = ?"
_JOB: Final = "SELECT call_id, job, started, settled FROM job WHERE name = ?"

_OF_THE_ITEM: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.InterfaceError)
"""What SQLite raises where an item is not as it should be; anything else is the store's trouble, and meets all."""

_T = TypeVar("_T")


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A record, and what makes its key in the store: the process and how many it had taken before."""

    origin: str
    number: int
    record: SpendRecord

    @property
    def uid(self) -> str:
        """The key. Those of a process ascend, so that the store's index of them grows at one place."""
        return f"{self.origin}-{self.number:012x}"


@dataclass(frozen=True, slots=True)
class Once:
    """A record of an operation of which there is to be one, whoever started it."""

    record: SpendRecord


@dataclass(frozen=True, slots=True)
class Started:
    """A job that began; `uid` is the key of its start."""

    uid: str
    job: VideoJob


Item = Kept | Once | Started | Done


@dataclass(frozen=True, slots=True)
class Rules:
    """How operations become records, and the wall clock."""

    settle: Settle
    expire: Expire
    now: Callable[[], datetime]


class Batch:
    """One transaction's work. `settled` are the operations it has booked; `has_seen`: polls of unknown starts wait."""

    def __init__(self, connection: sqlite3.Connection, rules: Rules | None) -> None:
        self._connection = connection
        self._rules = rules
        self._values: list[Any] = []  # of rows, one behind the other
        self.settled: list[SpendRecord] = []
        self.has_seen = False

    def write(self, items: Iterable[Item]) -> None:
        """Write items in order. Raises sqlite3.Error if the store cannot take them; an item that is none is left."""
        for item in items:
            match item:
                case Kept():
                    self._keep(item)
                case Once():
                    self._step(lambda once=item: self._once(once.record))
                case Started():
                    self._step(lambda started=item: self._start(started))
                case Done():
                    self._step(lambda done=item: self._finish(done))
        self._insert()

    def expire(self) -> None:
        """Book the jobs that nobody polled to their end in time."""
        if self._rules is None:
            return
        query, before = "SELECT name, job, call_id FROM job WHERE settled = 0 AND started < ?", JOB_LIFE
        for name, text, call_id in self._connection.execute(query, (self._ago(before),)).fetchall():
            self._step(lambda name=name, text=text, call_id=call_id: self._give_up(name, text, call_id))

    def look_for_strangers(self) -> None:
        """Book, as strangers', the polls whose start has not come in time."""
        query = "SELECT name, job, started FROM job WHERE settled = 2"
        late = self._ago(PATIENCE)
        for name, text, seen in self._connection.execute(query).fetchall():
            if seen < late:
                self._step(lambda name=name, text=text: self._book_stranger(name, text))
            else:
                self.has_seen = True

    def _ago(self, span: timedelta) -> str:
        return "" if self._rules is None else rfc3339(self._rules.now() - span)

    def _keep(self, item: Kept) -> None:
        try:
            self._values += record_row(item.uid, item.record)
        except Exception:
            _log.exception("a spend record could not be made")  # it must not hold up the others

    def _insert(self) -> None:
        """Insert the rows with few statements: for each one SQLite is left and the interpreter's lock is waited for."""
        at = 0
        for rows, statement in _INSERTS.items():
            size = rows * len(COLUMNS)
            while at + size <= len(self._values):
                self._insert_some(statement, self._values[at : at + size])
                at += size

    def _insert_some(self, statement: str, values: list[Any]) -> None:
        try:
            self._connection.execute(statement, values)
        except (*_OF_THE_ITEM, OverflowError, UnicodeError):
            # One of them is not as a record is; the others must not be held up by it.
            for at in range(0, len(values), len(COLUMNS)):
                self._step(lambda at=at: self._connection.execute(_INSERT, values[at : at + len(COLUMNS)]))

    def _step(self, act: Callable[[], object]) -> None:
        """Do one item's work whole or not at all; one that cannot be done must not hold up the others."""
        self._connection.execute("SAVEPOINT item")
        before = len(self.settled)
        try:
            act()
        except Exception as error:
            if isinstance(error, sqlite3.Error) and not isinstance(error, _OF_THE_ITEM):
                raise
            _log.exception("a spend record could not be made or written")
            self._connection.execute("ROLLBACK TO item")
            del self.settled[before:]
        self._connection.execute("RELEASE item")

    def _once(self, record: SpendRecord) -> None:
        name = safe_text(record.id)
        found = self._connection.execute(_JOB, (name,)).fetchone()
        if found is None:
            self._connection.execute(_INSERT_JOB, (name, "", "null", rfc3339(record.ended), SETTLED))
            self._book(name, "", record)

    def _start(self, item: Started) -> None:
        name, text, started = safe_text(item.job.name), job_text(item.job), rfc3339(item.job.started)
        found = self._connection.execute(_JOB, (name,)).fetchone()
        if found is None:
            self._connection.execute(_INSERT_JOB, (name, item.uid, text, started, OPEN))
            return
        call_id, other, since, state = found
        if call_id == item.uid:
            return  # written before, by a commit whose answer was lost
        # A row without a start is of polls; they were of this job, unless it began after them.
        if not call_id and started <= since:
            if state == SEEN:
                self._settle(name, item.uid, item.job, done_of(other))
            self._connection.execute(_CHANGE_JOB, (item.uid, text, started, SETTLED, name))
            return
        if state == SEEN:
            self._book_stranger(name, other)
        self._connection.execute(_CHANGE_JOB, (item.uid, text, started, OPEN, name))

    def _finish(self, done: Done) -> None:
        name = safe_text(done.name)
        found = self._connection.execute(_JOB, (name,)).fetchone()
        if found is None:
            self._connection.execute(_INSERT_JOB, (name, "", done_text(done), rfc3339(done.seen), SEEN))
            self.has_seen = True
            return
        call_id, text, started, state = found
        if state == OPEN:
            self._settle(name, call_id, job_of(done.name, text), done)
            self._connection.execute(_CHANGE_JOB, (call_id, text, started, SETTLED, name))

    def _settle(self, name: str, call_id: str, job: VideoJob, done: Done) -> None:
        if self._rules is not None:
            self._book(name, call_id, self._rules.settle(job, done))

    def _give_up(self, name: str, text: str, call_id: str) -> None:
        if self._rules is not None:
            self._book(name, call_id, self._rules.expire(job_of(name, text), NEVER_POLLED))
            self._connection.execute("UPDATE job SET settled = 1 WHERE name = ?", (name,))

    def _book_stranger(self, name: str, text: str) -> None:
        stranger = done_of(text).stranger
        if stranger is None:
            self._connection.execute("DELETE FROM job WHERE name = ?", (name,))
            return
        self._book(name, "", stranger)
        self._connection.execute("UPDATE job SET settled = 1 WHERE name = ?", (name,))

    def _book(self, name: str, call_id: str, record: SpendRecord) -> None:
        uid = f"operation {name} of {call_id}" if call_id else f"operation {name}"
        if self._connection.execute(_INSERT, record_row(uid, record)).rowcount:
            self.settled.append(record)


def guarded(make: Callable[[], _T]) -> _T | None:
    """What `make` gives; None, and a line in the log, if it fails: one bad record must not hold up the others."""
    try:
        return make()
    except Exception:
        _log.exception("a spend record could not be made or passed on")
        return None
