"""Records on their way to a disk: a queue that costs the traffic one append, and one thread that empties it in batches.

Traffic never waits for a disk (R-26, R-27, OBS-6). What cannot be written is kept and tried again, or counted as lost;
either is said, at most once a minute.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_log = logging.getLogger(__name__)

MOST_WAITING: Final = 50_000
"""Items that wait at most; what comes beyond is lost and counted (S-56)."""

_BATCH: Final = 2000
_SAY_EVERY_S: Final = 60.0

Item = TypeVar("Item")


class WriteFailed(Exception):
    """Nothing of the batch was written; the text says why, without a path."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a writer works, in seconds: what it waits for a batch to gather, and for a failed one before the next try.

    `retry_s` None: a failed batch is lost. `close_s`: how long it tries at its end.
    """

    gather_s: float
    retry_s: float | None = None
    close_s: float = 5.0


class BatchWriter(Generic[Item]):
    """Hands items to `write` in order, in a thread of its own.

    `write` takes a batch, which is empty if the seconds have passed that it gave back the last time (None: none), and
    raises WriteFailed if nothing of it was written. `name` stands for it in the log. `lost` counts what was not
    written; `is_failing`: the last try failed.
    """

    def __init__(self, name: str, write: Callable[[list[Item]], float | None], habits: Habits) -> None:
        self.lost = 0
        self.is_failing = False
        self._name = name
        self._write = write
        self._habits = habits
        self._waiting: deque[Item] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._tried = threading.Condition()
        self._lock = threading.Lock()
        self._put = 0
        self._done = 0
        self._thread: threading.Thread | None = None
        self._said_at: float | None = None

    @property
    def waiting(self) -> int:
        """How many items are not written yet."""
        return max(0, self._put - self._done)

    def put(self, item: Item) -> None:
        """Take an item; returns at once. After the close, or where too many wait, it is lost and counted."""
        if self._closing.is_set() or len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        with self._lock:
            self._put += 1
            self._waiting.append(item)
        if not self._wake.is_set():
            self.wake()

    def wake(self) -> None:
        """See to it that a batch is written soon, an empty one if nothing waits."""
        self._wake.set()
        if self._thread is not None:
            return
        with self._lock:  # those who find none at the same time must not start two
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=f"spend-{self._name}", daemon=True)
                thread.start()
                self._thread = thread

    def flush(self, limit_s: float) -> bool:
        """Wait until all that was put before is written, or lost; false if that took longer than `limit_s`."""
        wanted = self._put
        with self._tried:
            return self._tried.wait_for(lambda: self._done >= wanted, limit_s)

    def close(self) -> None:
        """Write what waits and end the thread; blocks for that, up to the limit of the habits."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        again: float | None = None
        while not (self._closing.is_set() and not self._waiting):
            self._wake.wait(again)
            self._closing.wait(self._habits.gather_s)
            self._wake.clear()
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            if self._waiting:
                self._wake.set()
            again, written = self._written(batch), len(batch)
            batch.clear()  # now, while what it holds is still near at hand
            with self._tried:
                self._done += written
                self._tried.notify_all()

    def _written(self, batch: list[Item]) -> float | None:
        """Write one batch, again and again if the habits say so."""
        retry_s, give_up = self._habits.retry_s, None
        while True:
            try:
                again = self._write(batch)
                self.is_failing = False
                return again
            except WriteFailed as failure:
                self.is_failing = True
                if give_up is None and self._closing.is_set():
                    give_up = time.monotonic() + self._habits.close_s
                if retry_s is None or (give_up is not None and time.monotonic() >= give_up):
                    self._lose(len(batch), failure)
                    return retry_s
                self._say(f"spend cannot be written to {self._name} ({failure}): {self.waiting} wait, {self.lost} lost")
                if give_up is None:
                    self._closing.wait(retry_s)
                else:
                    time.sleep(min(retry_s, 0.1))
            except Exception:
                # A fault of ours in one batch must not end all accounting (OBS-6).
                _log.exception("spend records could not be written")
                self._lose(len(batch), WriteFailed("a fault of the gateway"))
                return None

    def _lose(self, count: int, failure: WriteFailed) -> None:
        self.lost += count
        self._say(f"spend records cannot be written to {self._name}: {self.lost} are lost ({failure})")

    def _say(self, text: str) -> None:
        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            _log.error("%s", text)
