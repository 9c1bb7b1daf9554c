"""Log lines written by a thread of their own, many at once: who serves neither waits for the target nor pays for each.

A target that takes nothing (a full pipe) costs lines, not traffic: they are dropped and counted (R-37).
"""

import logging
import os
import threading
from collections import deque
from typing import Final, Protocol

GATHER_S: Final = 0.1
"""How long lines are gathered before they are written; a crash by signal may lose as much."""

MOST_WAITING: Final = 10_000
_GOODBYE_S: Final = 1.0
"""How long the end of the process waits for a target that takes nothing."""


class Target(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take text."""
        ...

    def flush(self) -> object:
        """Let nothing wait."""
        ...


class Descriptor:
    """An open descriptor as a target. Python's streams have locks that the end of the process waits for: with a thread
    that stands in a full pipe it would never come."""

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, text: str, /) -> None:
        """Write text, all of it; raises OSError."""
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self._number, data) :]

    def flush(self) -> None:
        """Nothing waits here."""


class LogWriter(logging.Handler):
    """Writes records to a stream in batches. `dropped` counts those for which there was no room."""

    def __init__(self, stream: Target, most_waiting: int = MOST_WAITING) -> None:
        """The thread starts with the first record; `logging` flushes and closes its handlers at the process's end."""
        super().__init__()
        self.dropped: int = 0
        self._said: int = 0
        self._stream = stream
        self._most_waiting = most_waiting
        self._waiting: deque[logging.LogRecord] = deque()
        self._came = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; returns at once."""
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append(record)
        if not self._came.is_set():
            self._came.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what waits; gives up on a target that takes nothing."""
        if self._writing.acquire(timeout=_GOODBYE_S):
            try:
                self._write()
            finally:
                self._writing.release()

    def _write_on(self) -> None:
        pause = threading.Event()
        while True:
            self._came.wait()
            pause.wait(GATHER_S)
            self._came.clear()
            with self._writing:
                self._write()

    def _write(self) -> None:
        lines: list[str] = []
        while self._waiting:
            record = self._waiting.popleft()
            try:
                lines.append(self.format(record) + "\n")
            except (TypeError, ValueError):  # the words do not fit their places: a mistake of ours
                self.handleError(record)
        if self.dropped != self._said:
            lines.append(f"{self.dropped - self._said} log lines were dropped: they could not be written in time\n")
            self._said = self.dropped
        if not lines:
            return
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):  # a target that is gone, or closed
            self.dropped += len(lines)
