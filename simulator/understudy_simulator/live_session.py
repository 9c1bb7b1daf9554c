"""Drives one Live session: what happens on the connection goes into a machine, what the machine wants is done.

The machine is a scenario's `Playback` or a free `Conversation`; both take the events and give the actions of `cues.py`.
One task listens, so that pings are answered and closes are seen while messages are being sent; one at most waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from understudy.scenario.json_subset import LazyJson

from .clock import Clock
from .cues import (
    Abort,
    Action,
    Answer,
    AnswerStream,
    Arrived,
    BeginOperation,
    CloseWith,
    Elapsed,
    Event,
    Finished,
    Gone,
    Opened,
    SendMessage,
    Stall,
    Unexpected,
    Wait,
)
from .live_connection import LiveConnection
from .live_refusals import DEADLINE, Refusal, own_refusal

FIRST_WITHIN_S: Final = 60.0
"""How long a client may take to send its first message."""

SILENCE_LIMIT_S: Final = 3600.0
"""How long a session may go on without anything happening."""

CLOSE_WITHIN_S: Final = 10.0
"""How long a client may take to answer a close."""

_UNREAD_LIMIT: Final = 64
"""Events that may wait for the machine before the client has to wait, too."""

GOING_AWAY: Final = 1001
"""Close code when the simulator stops (RFC 6455 section 7.4.1)."""

CHOSEN_TOO_LATE: Final = (
    'a reply refuses the handshake, but this was chosen after it; match needs a method or path, and model: "*"'
)


class Machine(Protocol):
    """What decides: an event in, actions out."""

    @property
    def finished(self) -> bool:
        """Whether it wants nothing any more."""
        ...

    def on(self, event: Event) -> tuple[Action, ...]:
        """What is to be done now that `event` happened."""
        ...


@dataclass(frozen=True, slots=True)
class Cast:
    """The machine that was found for a session, and the speed of its waits (None: the clock's own).

    `message` is what it gets in place of the client's first message: a setup of which an ephemeral token has locked
    fields. None: the client's own.
    """

    machine: Machine
    speed: float | None = None
    message: LazyJson | None = None


class LiveSession:
    """One session from the first client message to its end.

    `speed` is the clock's own; `note` is told what a script did not expect.
    """

    def __init__(self, connection: LiveConnection, clock: Clock, speed: float, note: Callable[[str], None]) -> None:
        self._connection = connection
        self._clock = clock
        self._usual_speed = speed
        self._speed: float | None = None
        self._note = note
        self._events: asyncio.Queue[Event] = asyncio.Queue(_UNREAD_LIMIT)
        self._timer: asyncio.Task[None] | None = None
        self._due: float | None = None
        self._is_deaf = False

    async def run(self, cast: Callable[[LazyJson], Cast | Refusal]) -> None:
        """Play the session; `cast` is asked with the first message for whoever answers. Ends with the connection."""
        async with asyncio.TaskGroup() as tasks:
            listener = tasks.create_task(self._listen())
            try:
                await self._open(cast, tasks)
                await self._part(listener)
            except asyncio.CancelledError:
                await self._connection.close(GOING_AWAY, "")
                raise
            finally:
                self._connection.end()
                listener.cancel()
                self._stop_timer()

    async def _listen(self) -> None:
        while True:
            event = await self._connection.receive()
            if not self._is_deaf:
                await self._events.put(event)
            if isinstance(event, Gone):
                return

    async def _open(self, cast: Callable[[LazyJson], Cast | Refusal], tasks: asyncio.TaskGroup) -> None:
        first = await self._next(FIRST_WITHIN_S)
        if first is None:
            await self._connection.close(DEADLINE.code, DEADLINE.reason)
        if not isinstance(first, Arrived):
            return
        found = cast(first.message)
        if isinstance(found, Refusal):
            await self._connection.close(found.code, found.reason)
            return
        self._speed = found.speed
        if found.message is not None:
            first = Arrived(found.message)
        await self._play(found.machine, first, tasks)

    async def _play(self, machine: Machine, first: Event, tasks: asyncio.TaskGroup) -> None:
        pending: deque[Event] = deque((Opened(), first))
        is_gone = False
        while not machine.finished:
            event = pending.popleft() if pending else await self._next(self._patience(is_gone))
            if event is None:
                if is_gone:
                    return
                if not self._connection.is_closing:
                    await self._connection.close(DEADLINE.code, DEADLINE.reason)
                event = Gone(None)
            is_gone = is_gone or isinstance(event, Gone)
            for action in machine.on(event):
                told = await self._do(action, tasks)
                if told is not None:
                    pending.append(told)

    def _patience(self, is_gone: bool) -> float:
        """How long to wait for the next event. After the end only timers can still speak."""
        is_timing = self._timer is not None and not self._timer.done()
        if is_gone and not is_timing:
            return 0.0
        return CLOSE_WITHIN_S if self._connection.is_closing and not is_timing else SILENCE_LIMIT_S

    async def _next(self, within_s: float) -> Event | None:
        """The next event, None if there is none within that time."""
        try:
            async with asyncio.timeout(within_s):
                return await self._events.get()
        except TimeoutError:
            return None

    async def _do(self, action: Action, tasks: asyncio.TaskGroup) -> Event | None:
        """Do what the machine wants; gives an event that happened by doing so."""
        connection = self._connection
        match action:
            case SendMessage():
                await connection.send(action)
            case Wait():
                self._stop_timer()
                self._timer = tasks.create_task(self._wait(action))
            case Stall(seconds, id):
                await connection.stall(seconds, self._clock, self._speed)
                return Elapsed(id)
            case CloseWith(code, reason):
                await connection.close(code, reason)
            case Abort():
                connection.reset()
            case Unexpected():
                self._note(str(action))
                refusal = own_refusal(str(action))
                await connection.close(refusal.code, refusal.reason)
            case Answer() | AnswerStream() | BeginOperation():
                self._note(CHOSEN_TOO_LATE)
                refusal = own_refusal(CHOSEN_TOO_LATE)
                await connection.close(refusal.code, refusal.reason)
            case Finished():
                pass
            case _:
                assert_never(action)
        return None

    async def _part(self, listener: asyncio.Task[None]) -> None:
        """The script is over: close if nobody did, and let the client answer the close."""
        await self._connection.close(1000, "")
        # What still comes is in the transcript; here it only must not block the listener.
        self._is_deaf = True
        while not self._events.empty():
            self._events.get_nowait()
        await asyncio.wait({listener}, timeout=CLOSE_WITHIN_S)

    # -- time

    async def _wait(self, wait: Wait) -> None:
        """A timer. A paced one counts from when the one before was due; who is late catches up."""
        clock, speed = self._clock, self._usual_speed if self._speed is None else self._speed
        if wait.is_deadline:
            speed = min(speed, 1.0) or 1.0
        now = clock.monotonic()
        begin = self._due if wait.paced and self._due is not None else now
        due = begin + (wait.seconds / speed if speed > 0 else 0.0)
        await clock.sleep(max(due - now, 0.0) * speed, speed)
        # If time was moved forward meanwhile, the schedule goes on from here.
        self._due = min(due, clock.monotonic())
        await self._events.put(Elapsed(wait.id))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
