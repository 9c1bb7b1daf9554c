"""Clients that ask when they are due, whether or not earlier answers have come, and note how long each answer took."""

import time
from collections import deque
from typing import Final

from .engine import Engine
from .load import Aim, Client, HttpClient, LiveClient, Tally
from .payloads import CHUNKED_END, STAMP, STAMP_DIGITS

_NANO: Final = 1e-9


class DueRequests(HttpClient):
    """Requests on one connection; one that is due while another runs is sent after it. `delays`: seconds from due."""

    def __init__(self, engine: Engine, aim: Aim, tally: Tally, request: bytes, expected: bytes) -> None:
        super().__init__(engine, aim, tally, request, expected)
        self.delays: list[float] = []
        self._dues = deque[float]()

    @property
    def is_idle(self) -> bool:
        """Whether no answer is missing."""
        return not self._dues

    def due(self, at: float) -> None:
        """Ask; it was due `at` (monotonic seconds)."""
        if not self._tally.is_ending:
            self._dues.append(at)
            if len(self._dues) == 1:
                self.send(self._request)

    def _next(self) -> None:
        self._tally.done += 1
        self._got = 0
        self._tail = b""
        if self._dues:  # the first answer was not asked for by `due`
            self.delays.append(time.monotonic() - self._dues.popleft())
            if self._dues:
                self.send(self._request)


class DueFrames(LiveClient):
    """A Live session that sends a frame whenever one is due; `delays` are seconds from then to the answering frame."""

    def __init__(
        self, engine: Engine, aim: Aim, tally: Tally, path: bytes, frames: tuple[bytes, ...], expected: bytes
    ) -> None:
        super().__init__(engine, aim, tally, path, frames, expected, in_flight=1)
        self.delays: list[float] = []
        self._dues = deque[float]()

    @property
    def is_idle(self) -> bool:
        """Whether no answer is missing."""
        return not self._dues

    def due(self, at: float) -> None:
        """Send a frame; it was due `at` (monotonic seconds)."""
        if not self._tally.is_ending:
            self._dues.append(at)
            self._send_frames(1)

    def _messages(self, size: int) -> None:
        self._got += size
        whole, self._got = divmod(self._got, len(self._expected))
        now = time.monotonic()
        for _ in range(whole):
            self._tally.done += 1
            if self._dues:  # the first answer was not asked for by `due`
                self.delays.append(now - self._dues.popleft())


class StampedStreams(Client):
    """One stream after the other; `delays` are seconds from the time that each chunk says to its arrival."""

    def __init__(self, engine: Engine, aim: Aim, tally: Tally, request: bytes, count: int) -> None:
        """A stream has `count` chunks."""
        super().__init__(engine, aim, tally)
        self.delays: list[float] = []
        self.is_idle = False
        self._request = request
        self._count = count
        self._seen = 0
        self._rest = b""
        self.send(request)

    def due(self, at: float) -> None:
        """Nothing: it is the upstream whose turn comes."""

    def _first(self, size: int) -> None:
        seen = self._grown(size)
        end = seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        if not seen.startswith(b"HTTP/1.1 200") or b"transfer-encoding: chunked" not in seen[:end].lower():
            raise self._wrong("no stream", seen)
        self._tally.ready += 1
        self._read, self._first_bytes = self._chunks, b""
        self._take(seen)

    def _chunks(self, size: int) -> None:
        self._take(self._rest + self._engine.buffer[:size])

    def _take(self, data: bytes) -> None:
        now, at = time.monotonic_ns(), 0
        while (found := data.find(STAMP, at)) >= 0 and len(data) >= found + len(STAMP) + STAMP_DIGITS:
            at = found + len(STAMP) + STAMP_DIGITS
            self.delays.append((now - int(data[at - STAMP_DIGITS : at])) * _NANO)
            self._seen += 1
        self._rest = data[at:]
        if self._rest.endswith(CHUNKED_END):
            self._ended(data)

    def _ended(self, data: bytes) -> None:
        if self._seen != self._count:
            raise self._wrong(f"a stream of {self._seen} chunks, not {self._count}", data)
        self._tally.done += 1
        self._seen, self._rest = 0, b""
        if self._tally.is_ending:
            self.is_idle = True
        else:
            self.send(self._request)
