"""Log lines written by a thread of their own, many at once: who serves neither waits for the target nor pays for each.

A target that takes nothing (a full pipe) costs lines, not traffic: they are dropped and counted (R-37).
"""

import io
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TextIO, runtime_checkable

GATHER_S: Final = 0.1
"""How long lines are gathered before they are written; a crash by signal may lose as much."""

MOST_WAITING: Final = 10_000
_GOODBYE_S: Final = 1.0
"""How long the end of the process waits for a target that takes nothing."""


class Target(Protocol):
    """Where lines go. `write` may block for as long as it likes, and raises OSError or ValueError if it cannot."""

    def write(self, text: str, /) -> object:
        """Write a text."""
        ...

    def flush(self) -> object:
        """Write what was held back."""
        ...


@runtime_checkable
class Lines(Protocol):
    """A formatter that needs no record of `logging` for a line of level INFO that is one JSON object in ASCII."""

    def line(self, created: float, said: str) -> str:
        """What is written of a line that was said at `created`, in seconds since 1970."""
        ...


_Said = tuple[Lines, float, object]
"""A line whose text is made when it is written: who makes it, when it was said, and what was."""


class Descriptor:
    """A file descriptor as a target, without the lock of Python's streams.

    A thread that is held up in such a stream holds its lock, and the end of the process would wait for that (R-37).
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, text: str) -> None:
        """Write a text, however long it takes. Raises OSError."""
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(self._number, data) :]

    def flush(self) -> None:
        """Nothing is held back."""


def target_of(stream: TextIO) -> Target:
    """The target that a stream stands for: its descriptor, if it has one."""
    try:
        return Descriptor(stream.fileno())
    except (OSError, ValueError, io.UnsupportedOperation):  # one that is in memory, or closed
        return stream


class LogWriter(logging.Handler):
    """Writes records to a stream in batches. `dropped` counts those for which there was no room.

    `clean`, where it is set, changes what is about to be written: it takes out what must not stand there (S-13).
    """

    def __init__(self, stream: Target, most_waiting: int = MOST_WAITING) -> None:
        """The thread starts with the first record; `logging` flushes and closes its handlers at the process's end."""
        super().__init__()
        self.dropped: int = 0
        self.clean: Callable[[str], str] | None = None
        self._form: Lines | None = None
        self._said: int = 0
        self._stream = stream
        self._most_waiting = most_waiting
        self._waiting: deque[logging.LogRecord | _Said] = deque()
        self._came = threading.Event()
        self._written = threading.Condition()
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """Write records as `fmt` says, and lines too if it can."""
        super().setFormatter(fmt)
        self._form = fmt if isinstance(fmt, Lines) else None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; returns at once."""
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append(record)
        if not self._came.is_set():
            self._wake()

    def take_lines(self, created: float, lines: Sequence[object]) -> bool:
        """Take lines as they are, whose `str` is one JSON object in ASCII; returns at once.

        They are of level INFO and were said at `created`, in seconds since 1970. False, and nothing is taken, if the
        formatter is one that wants records.
        """
        form = self._form
        if form is None:
            return False
        room = max(0, self._most_waiting - len(self._waiting))
        self._waiting.extend([(form, created, line) for line in lines[:room]])
        over = max(0, len(lines) - room)
        if over or not self._came.is_set():
            self.acquire()  # as `handle` does around `emit`
            try:
                self.dropped += over
                self._wake()
            finally:
                self.release()
        return True

    def flush(self) -> None:
        """Wait until what waits is written; gives up on a target that takes nothing.

        Who flushes never writes: at the end of the process a full pipe would hold it up for ever (R-37).
        """
        if self._is_quiet():
            return
        self._wake()
        with self._written:
            self._written.wait_for(self._is_quiet, _GOODBYE_S)

    def _is_quiet(self) -> bool:
        is_idle = not (self._is_busy or self._came.is_set() or self._waiting)
        return is_idle and self.dropped == self._said

    def _wake(self) -> None:
        self._came.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
            self._thread.start()

    def _write_on(self) -> None:
        pause = threading.Event()
        while True:
            self._came.wait()
            self._is_busy = True
            pause.wait(GATHER_S)
            self._came.clear()
            self._write()
            with self._written:
                self._is_busy = False
                self._written.notify_all()

    def _text(self, said: logging.LogRecord | _Said) -> str:
        if isinstance(said, logging.LogRecord):
            return self.format(said)
        form, created, line = said
        return form.line(created, str(line))

    def _write(self) -> None:
        lines: list[str] = []
        while self._waiting:
            said = self._waiting.popleft()
            try:
                lines.append(self._text(said) + "\n")
            except (TypeError, ValueError):  # the words do not fit their places: a mistake of ours
                is_record = isinstance(said, logging.LogRecord)
                self.handleError(said if is_record else logging.makeLogRecord({"msg": type(said[2]).__name__}))
        if self.dropped != self._said:
            lines.append(f"{self.dropped - self._said} log lines were dropped: they could not be written in time\n")
            self._said = self.dropped
        if not lines:
            return
        try:
            text = "".join(lines)
            self._stream.write(text if self.clean is None else self.clean(text))
            self._stream.flush()
        except (OSError, ValueError):  # a target that is gone, or closed
            self.dropped += len(lines)
