"""Stands in the place of a guarded session's client: a message goes upstream once it is whole and was judged (WS-14).

Pings and pongs do not wait. A close goes behind the messages that came before it. While a judgement takes its time,
what comes is held; when that is more than a side may hold, the client is not read.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .cutting import FrameCutter
from .frames import Closed, FrameReader, Step, Violation
from .guardrails.judging import Blocked
from .guardrails.taps import MessageJudge
from .splice import Splice


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Whole frames that wait: a message with what it says, None where that cannot be read, or a close."""

    data: bytes
    message: bytes | None
    is_close: bool = False


class MessageGate(asyncio.Protocol):
    """Takes what a session's client sends. `blocked` ends the session; `heard` is told that something came."""

    def __init__(
        self, session: Splice, judge: MessageJudge, blocked: Callable[[Blocked], None], heard: Callable[[], None]
    ) -> None:
        limits = session.limits
        self._session = session
        self._side = session.client
        self._judge = judge
        self._blocked = blocked
        self._heard = heard
        self._reader = FrameReader(
            masked=True,
            max_message=limits.message_bytes,
            max_fragments=limits.fragments,
            max_copy=limits.copy_bytes,
            inflater=session.inflater("client"),
        )
        self._cutter = FrameCutter()
        self._unread = 0
        self._message = bytearray()  # the frames of a message that is not whole
        self._control = bytearray()  # a control frame that is not whole
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._task: asyncio.Task[None] | None = None
        self._is_paused = False
        self._is_over = False

    def data_received(self, data: bytes) -> None:
        """Hold what is to be judged, and pass on what may pass."""
        self._heard()
        at = 0
        while at < len(data) and not self._is_over and not self._reader.ended:
            size, is_whole = self._cutter.take(data, at)
            self._took(data[at : at + size], is_whole=is_whole)
            at += size
        if self._is_over:
            self._side.data_received(data[at:])
        elif self._queued > self._session.limits.buffer_bytes:
            self._is_paused = True
            self._side.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client leaves."""
        return self._side.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left; what it had said and was not judged is not passed on."""
        self.stop()
        self._side.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes no more."""
        self._side.pause_writing()

    def resume_writing(self) -> None:
        """The client takes data again."""
        self._side.resume_writing()

    def stop(self) -> None:
        """The session is over: a judgement that is under way is let go."""
        self._is_over = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    def _took(self, piece: bytes, *, is_whole: bool) -> None:
        """A piece of one frame, its last one if `is_whole`."""
        step = self._reader.feed(piece)
        if isinstance(step.end, Violation):
            self._is_over = True
            self._queue.clear()
            self._side.reader.stop()
            self._session.passed(self._side, Step(b"", (), step.end))
        elif self._cutter.is_control:
            self._control += piece
            if is_whole:
                frame, self._control = bytes(self._control), bytearray()
                self._controlled(frame, is_close=isinstance(step.end, Closed))
        else:
            self._message += piece
            is_unread = self._reader.unread != self._unread
            if is_whole and (step.messages or is_unread):
                self._unread = self._reader.unread
                frames, self._message = bytes(self._message), bytearray()
                self._wait(_Waiting(frames, None if is_unread else step.messages[0]))

    def _controlled(self, frame: bytes, *, is_close: bool) -> None:
        if not is_close:
            self._side.data_received(frame)
            return
        self._message.clear()  # it will never be whole
        self._wait(_Waiting(frame, None, is_close=True))

    def _wait(self, one: _Waiting) -> None:
        self._queue.append(one)
        self._queued += len(one.data)
        if self._task is None or self._task.done():
            while self._queue and not self._is_over:
                verdict = self._at_once(self._queue[0])
                if isinstance(verdict, _Undecided):
                    self._task = asyncio.create_task(self._judge_queue())
                    return
                self._decide(verdict)

    async def _judge_queue(self) -> None:
        while self._queue and not self._is_over:
            one = self._queue[0]
            verdict = self._at_once(one)
            if isinstance(verdict, _Undecided):
                verdict = await self._judge.slowly(one.message or b"")
            if not self._is_over:
                self._decide(verdict)

    def _at_once(self, one: _Waiting) -> "Blocked | _Undecided | None":
        if one.is_close:
            return None
        if one.message is None:
            return self._judge.unread()
        return self._judge.at_once(one.message) if self._judge.is_quick(one.message) else _UNDECIDED

    def _decide(self, blocked: Blocked | None) -> None:
        """The first that waits goes on, or the session ends."""
        if blocked is not None:
            self._end(blocked)
            return
        one = self._queue.popleft()
        self._queued -= len(one.data)
        self._side.data_received(one.data)
        if self._is_paused and self._queued <= self._session.limits.buffer_bytes:
            self._is_paused = False
            if not (self._session.upstream.full or self._side.lost):
                self._side.transport.resume_reading()

    def _end(self, blocked: Blocked) -> None:
        """Nothing more passes; what came and what comes is only read for the client's close."""
        self._is_over = True
        self._side.reader.stop()
        self._blocked(blocked)
        rest = b"".join((*(one.data for one in self._queue), self._message, self._control))
        self._queue.clear()
        self._side.data_received(rest)


class _Undecided:
    """A judgement that takes its time."""


_UNDECIDED: Final = _Undecided()
