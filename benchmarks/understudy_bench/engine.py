"""The cheapest event loop that will do for load and upstream: epoll, plain sockets, nothing between."""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from understudy.errors import TargetError

RECEIVE_BYTES: Final = 512 * 1024
_POLL_S: Final = 0.05


class Handler(Protocol):
    """What the engine calls when a socket has something to say."""

    def on_event(self, mask: int) -> None:
        """The socket is ready for what the epoll `mask` says."""
        ...


class Engine:
    """Sockets and who handles them. `buffer` is shared: what was received is good until the handler returns."""

    def __init__(self) -> None:
        self.buffer: Final = bytearray(RECEIVE_BYTES)
        self.view: Final = memoryview(self.buffer)
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}

    def close(self) -> None:
        """Let go of the epoll object."""
        self._epoll.close()

    def add(self, number: int, handler: Handler) -> None:
        """Call `handler` when the file `number` can be read."""
        self._handlers[number] = handler
        self._epoll.register(number, select.EPOLLIN)

    def watch(self, number: int, *, writing: bool) -> None:
        """Also call its handler when the file can be written, or no longer."""
        self._epoll.modify(number, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def remove(self, number: int) -> None:
        """Forget a file, before it is closed."""
        del self._handlers[number]
        self._epoll.unregister(number)

    def run_for(self, seconds: float) -> None:
        """Handle events for that long."""
        self._run(time.monotonic() + seconds, lambda: False)

    def spin_for(self, seconds: float, tick: Callable[[], object]) -> None:
        """Handle events for that long without sleeping, and call `tick` all the time: what is due is on time."""

        def never() -> bool:
            tick()
            return False

        self._run(time.monotonic() + seconds, never, wait_s=0)

    def pace_for(self, seconds: float, tick: Callable[[], float]) -> None:
        """Handle events for that long; `tick` does what is due and says when (monotonic seconds) it is called next.

        Between, this process sleeps as clients and providers do: who wakes it pays for that, as everywhere.
        """
        poll, now, deadline = self._epoll.poll, time.monotonic, time.monotonic() + seconds
        while (moment := now()) < deadline:
            wait_s = min(tick(), deadline) - moment
            found = poll(0)
            if not found and wait_s > 0:
                # epoll's own timeout is in whole milliseconds, which is as much as what is measured here.
                select.select([self._epoll], [], [], wait_s)
            self._handle(found)

    def run_until(self, done: Callable[[], bool], limit_s: float, what: str) -> None:
        """Handle events until `done()`; raises TargetError that names `what` if that takes longer than `limit_s`."""
        if not self._run(time.monotonic() + limit_s, done):
            raise TargetError(f"{what}: nothing more after {limit_s:g} s")

    def _run(self, deadline: float, done: Callable[[], bool], wait_s: float = _POLL_S) -> bool:
        poll, handle, now = self._epoll.poll, self._handle, time.monotonic
        while not done():
            if now() >= deadline:
                return False
            handle(poll(wait_s))
        return True

    def _handle(self, events: list[tuple[int, int]]) -> None:
        handlers = self._handlers
        for number, mask in events:
            # One event of a batch may have closed the file of a later one.
            if number in handlers:
                handlers[number].on_event(mask)


class Channel:
    """One connection: writes are kept until the socket takes them."""

    def __init__(self, engine: Engine, sock: socket.socket) -> None:
        self._engine = engine
        self._socket = sock
        self._pending = deque[memoryview]()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        engine.add(sock.fileno(), self)

    @property
    def is_open(self) -> bool:
        """Whether the connection was not closed yet."""
        return self._socket.fileno() != -1

    def close(self) -> None:
        """Close the connection; nothing happens the second time."""
        if self.is_open:
            self._engine.remove(self._socket.fileno())
            self._socket.close()

    def send(self, data: bytes) -> None:
        """Write all of `data`, now or when there is room."""
        if self._pending:
            self._pending.append(memoryview(data))
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost()
            return
        if sent < len(data):
            self._pending.append(memoryview(data)[sent:])
            self._engine.watch(self._socket.fileno(), writing=True)

    def on_event(self, mask: int) -> None:
        """Write what waits, then read once."""
        if mask & select.EPOLLOUT:
            self._flush()
        if mask & ~select.EPOLLOUT and self.is_open:
            try:
                size = self._socket.recv_into(self._engine.buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                size = 0
            if size:
                self.received(size)
            else:
                self.lost()

    def received(self, size: int) -> None:
        """`size` bytes lie in the engine's buffer."""
        raise NotImplementedError

    def lost(self) -> None:
        """The other side closed the connection."""
        raise NotImplementedError

    def _flush(self) -> None:
        pending = self._pending
        while pending:
            try:
                sent = self._socket.send(pending[0])
            except BlockingIOError:
                return
            except OSError:
                self.lost()
                return
            if sent < len(pending[0]):
                pending[0] = pending[0][sent:]
                return
            pending.popleft()
        self._engine.watch(self._socket.fileno(), writing=False)
