"""Spend records: kept in memory (the newest), and written as JSON lines by a thread of their own, in batches.

A record that cannot be written is counted and said once a minute; traffic never waits for a disk (R-26, R-27, OBS-6).
"""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal

from understudy.errors import ConfigError
from understudy.pricing.cost import plain

_log = logging.getLogger(__name__)

Outcome = Literal["ok", "client_abort", "upstream_abort", "timeout", "rejected"]

MOST_IN_MEMORY: Final = 10_000
MOST_WAITING: Final = 100_000
_BATCH: Final = 1000
_SAY_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SpendRecord:
    """What one exchange, session or finished operation cost.

    `id` is the request id, or the operation's name. `key_id` None: let in without a key of its own. `usage` is what
    the wire said, as JSON; `lines` are the cost's items; `cost` is in US dollars, None where it is unknown, and then
    `reason` says why. Times are UTC.
    """

    id: str
    key_id: str | None
    route: str
    model: str | None
    status: int
    outcome: Outcome
    usage: Mapping[str, Any] | None
    cost: Decimal | None
    known: Literal["exact", "estimated", "unknown"]
    reason: str | None
    lines: tuple[Mapping[str, str], ...]
    started: datetime
    ended: datetime

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON object, in the documented order."""
        return {
            "id": self.id,
            "key_id": self.key_id,
            "route": self.route,
            "model": self.model,
            "status": self.status,
            "outcome": self.outcome,
            "usage": self.usage,
            "cost": None if self.cost is None else plain(self.cost),
            "known": self.known,
            "reason": self.reason,
            "lines": list(self.lines),
            "started": _rfc3339(self.started),
            "ended": _rfc3339(self.ended),
        }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SpendLog:
    """Where records go. `close` writes what is left; records that come later are lost and counted."""

    def __init__(self, path: Path | None = None) -> None:
        """Opens the file (0600, appended to). Raises ConfigError if it cannot be opened."""
        self.records: deque[SpendRecord] = deque(maxlen=MOST_IN_MEMORY)
        self.lost = 0
        self._waiting: SimpleQueue[SpendRecord | None] = SimpleQueue()
        self._file = _LineFile(path) if path is not None else None
        self._writer: threading.Thread | None = None
        self._is_closed = False

    def add(self, record: SpendRecord) -> None:
        """Take a record; returns at once."""
        self.records.append(record)
        if self._file is None:
            return
        if self._is_closed or self._waiting.qsize() >= MOST_WAITING:
            self.lost += 1
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, args=(self._file,), name="spend", daemon=True)
            self._writer.start()
        self._waiting.put(record)

    def close(self) -> None:
        """Write everything that waits and close the file; blocks until that is done."""
        if self._file is None or self._is_closed:
            return
        self._is_closed = True
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join()
        self._file.close()

    def _write_all(self, file: "_LineFile") -> None:
        is_open = True
        while is_open:
            batch = [self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            is_open = None not in batch
            records = [record for record in batch if record is not None]
            if records and not file.append(records):
                self.lost += len(records)
                file.say_lost(self.lost)


class _LineFile:
    """The file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._is_torn = False
        self._said_at: float | None = None
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"--spend {path}: cannot be written: {error.strerror}") from error

    def append(self, records: list[SpendRecord]) -> bool:
        """Write the records as lines; false if they could not be written whole."""
        lines = b"".join(json.dumps(record.as_json()).encode("ascii") + b"\n" for record in records)
        data = memoryview(b"\n" + lines if self._is_torn else lines)
        try:
            while data:
                data = data[os.write(self._handle, data) :]
        except OSError:
            self._is_torn = True  # the next line must not continue a torn one
            return False
        self._is_torn = False
        return True

    def say_lost(self, count: int) -> None:
        """One line in the log, at most once a minute."""
        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            _log.error("spend records cannot be written to %s: %d are lost", self._name, count)

    def close(self) -> None:
        os.close(self._handle)
