"""The asyncio skin of a Connection: it carries the machine's bytes, holds what came until it is asked for, and waits.

Backpressure: no more is read while a whole buffer of the answer waits to be taken; a body is not taken while the
provider does not read it. Each of the two waits has one waiter at most.
"""

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from ..refusals import Reason
from .connection import Broken, Connection, End
from .exchanges import RequestHead, ResponseHead, UpstreamError, UpstreamSilent
from .patience import Patience

BUFFER_BYTES: Final = 64 * 1024
"""Bytes of an answer that may wait before reading stops (S-52); one more read may come on top."""

_UNUSED_S: Final = 30.0


@dataclass(slots=True)
class _Pouring:
    """Who takes an answer's body as it comes, how long it may pause, and what became of the last piece."""

    take: Callable[[bytes], bool]
    within_s: float
    is_choked: bool = False
    error: Exception | None = None


class Wire(asyncio.Protocol):
    """One connection to a provider, in use for one exchange at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: socket.socket, lost: Callable[["Wire"], None]
    ) -> None:
        """`connection` is the loop's own; `lost` is told when it ends, or is closed while it waits."""
        self.machine: Final = Connection()
        self._loop = loop
        self._socket = connection
        self._lost = lost
        self._patience = Patience(loop, self._ran_out)
        self._transport: asyncio.Transport | None = None
        self._readiness: select.poll | None = None
        self._is_waiting = True
        self._corked = b""
        self._head: ResponseHead | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_over = False
        self._failure: Reason | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._pouring: _Pouring | None = None
        self._is_full = False
        self._is_deaf = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected. Who dialled may have been cancelled in this very moment: then nobody will use it."""
        self._patience.within(_UNUSED_S)
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        if hasattr(select, "poll"):
            self._readiness = select.poll()
            self._readiness.register(self._socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Bytes came. Those that mean nothing yet wake nobody: who trickles a head gains no time by it."""
        events = self.machine.receive(data)
        for event in events:
            if type(event) is bytes:
                self._pieces.append(event)
                self._size += len(event)
            elif type(event) is ResponseHead:
                self._head = event
            elif type(event) is End:
                self._is_over = True
            elif type(event) is Broken:
                self._failure = event.reason
        if self._is_waiting:
            self.abort()  # bytes that nobody asked for (S-39)
            return
        if not events:
            return
        if self._pouring is not None and self._pieces and self._poured(self._pouring):
            return
        if self._size > BUFFER_BYTES and not self._is_deaf and self._transport is not None:
            self._is_deaf = True
            self._transport.pause_reading()
        self._wake(self._reader)

    def eof_received(self) -> bool:
        """The provider sends no more; the connection is closed by that."""
        self._ended(is_clean=True)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        transport, self._transport = self._transport, None
        if exc is not None and transport is not None and not self._is_waiting:
            self._read_the_rest(transport, exc)
        self._ended(is_clean=False)
        self._readiness = None
        self._patience.stop()
        self._wake(self._writer)
        self._lost(self)

    def pause_writing(self) -> None:
        """The provider reads slower than is written."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The provider has caught up."""
        self._is_full = False
        self._wake(self._writer)

    def _ended(self, *, is_clean: bool) -> None:
        for event in self.machine.receive_end(is_clean=is_clean):
            if type(event) is End:
                self._is_over = True
            elif type(event) is Broken:
                self._failure = event.reason
        self._wake(self._reader)

    def _read_the_rest(self, transport: asyncio.Transport, why: Exception) -> None:
        """Take what came before the connection broke, and was not read.

        A provider that answers early and closes makes the next write fail, and the loop's transport then reads no more,
        with the answer in hand (R-11). It closes the socket only after this. TLS has read the rest itself.
        """
        if transport.get_extra_info("ssl_object") is not None:
            return
        try:
            while not self._is_over and (data := self._socket.recv(BUFFER_BYTES)):
                self.data_received(data)
        except OSError:  # nothing more, or the reset itself
            return
        # A broken pipe is a reset behind the provider's end, any other error one before it.
        self._ended(is_clean=isinstance(why, BrokenPipeError))

    def _wake(self, waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _ran_out(self) -> None:
        if self._is_waiting:
            self.abort()
        elif self._reader is not None and not self._reader.done():
            self._reader.set_exception(UpstreamSilent())

    # -- between exchanges

    @property
    def is_open(self) -> bool:
        """Whether the connection is there and nothing has come on it that an exchange would not expect."""
        return self._transport is not None and not self._transport.is_closing() and not self.machine.is_spent

    @property
    def is_fresh(self) -> bool:
        """Whether another exchange may begin: the connection is open, and nothing has come on it, its end neither.

        What came may still be unread in the kernel. To ask costs a system call, and spares a request on a dead
        connection, or the answer to somebody else's (S-39).
        """
        if not self.is_open:
            return False
        return self._readiness is None or not self._readiness.poll(0)

    def release(self, idle_s: float) -> bool:
        """The exchange is over: wait for the next, `idle_s` at most. False if there can be none; then it is closed."""
        transport = self._transport
        if (
            transport is None
            or transport.is_closing()
            or not self.machine.is_reusable
            or self._pieces
            or self._corked
            or transport.get_write_buffer_size()
        ):
            self.abort()
            return False
        self.machine.rest()
        self._listen()
        self._head, self._is_over, self._is_waiting = None, False, True
        self._patience.within(idle_s)
        return True

    def abort(self) -> None:
        """Close the connection at once."""
        self._corked = b""
        if self._transport is not None:
            self._transport.abort()
        self._lost(self)

    # -- one exchange

    def begin(self, request: RequestHead) -> None:
        """Send the head of a request. With a body it waits for its first bytes, or for who waits for the answer."""
        head = self.machine.begin(request)
        self._patience.lift()
        self._is_waiting = False
        if request.has_body:
            self._corked = head
        else:
            self._write(head)

    def flush(self) -> None:
        """Let nothing wait that was sent."""
        if self._corked:
            corked, self._corked = self._corked, b""
            self._write(corked)

    @property
    def is_full(self) -> bool:
        """Whether the provider has not read enough of what was sent before, so that more has to wait."""
        return self._is_full and self._transport is not None

    async def emptied(self, within_s: float) -> None:
        """Wait until it has, `within_s` at most, or is gone."""
        if self.is_full:
            await self._emptied(within_s)

    def send(self, data: bytes) -> None:
        """Send bytes of the body."""
        if self._transport is None or self._transport.is_closing():
            raise UpstreamError(Reason.UPSTREAM_BROKE, was_sent=True)
        corked, self._corked = self._corked, b""
        data = self.machine.body(data)
        self._write(corked + data if corked else data)

    def end(self) -> None:
        """The body is complete."""
        last = self._corked + self.machine.end()
        self._corked = b""
        if last:
            self._write(last)

    async def head(self, within_s: float | None) -> ResponseHead:
        """The answer's head. Raises UpstreamError if there will be none, UpstreamSilent if none comes in time."""
        self.flush()
        while self._head is None:
            if self._failure is not None:
                raise UpstreamError(self._failure, was_sent=True)
            await self._come(within_s)
        return self._head

    async def receive(self, within_s: float) -> bytes:
        """What has come of the body, all of it; empty at its end. Raises as `head`; what came before that is given."""
        while not self._pieces:
            if self._is_over:
                return b""
            if self._failure is not None:
                raise UpstreamError(self._failure, was_sent=True)
            await self._come(within_s)
        return self._take()

    async def pour(self, take: Callable[[bytes], bool], within_s: float) -> bool:
        """Give `take` what comes of the body, in the moment in which it comes: no task is woken for it.

        True at the end of the body; False when `take` gave back false, which means: no more for now. Raises what `take`
        raises, and as `receive` does.
        """
        self._pouring = pouring = _Pouring(take, within_s)
        try:
            while True:
                if self._pieces and not take(self._take()):
                    return False
                if self._is_over:
                    return True
                if self._failure is not None:
                    raise UpstreamError(self._failure, was_sent=True)
                await self._come(within_s)
                if pouring.error is not None:
                    raise pouring.error
                if pouring.is_choked:
                    return False
        finally:
            self._pouring = None

    def _poured(self, pouring: "_Pouring") -> bool:
        """Hand over what came; whether who waits need not know."""
        if pouring.is_choked or pouring.error is not None:  # uvloop reads again and again before a task has its turn
            return False
        try:
            pouring.is_choked = not pouring.take(self._take())
        except Exception as error:  # it is not the loop's: who pours has it
            pouring.error = error
        if pouring.is_choked or pouring.error is not None or self._is_over or self._failure is not None:
            return False
        self._patience.within(pouring.within_s)
        return True

    def whole(self) -> bytes | None:
        """The rest of the body if its end is here too, None otherwise."""
        return self._take() if self._is_over else None

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        self._listen()
        return data

    def _listen(self) -> None:
        if self._is_deaf:
            self._is_deaf = False
            if self._transport is not None:
                self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    async def _come(self, within_s: float | None) -> None:
        """Wait until something came."""
        self._reader = reader = self._loop.create_future()
        if within_s is not None:
            self._patience.within(within_s)
        try:
            await reader
        finally:
            self._patience.lift()
            self._reader = None

    async def _emptied(self, within_s: float) -> None:
        """Wait until the provider has read, or is gone."""
        self._writer = self._loop.create_future()
        try:
            async with asyncio.timeout(within_s):
                await self._writer
        except TimeoutError:
            raise UpstreamSilent from None
        finally:
            self._writer = None
