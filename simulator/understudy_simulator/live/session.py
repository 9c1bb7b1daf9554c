"""Drives one Live session: what happens on the connection goes into a machine, what the machine wants is done.

The machine is a scenario's `Playback` or a free `Conversation`; both take the events and give the actions of `cues.py`.
A session is one task, which reads. What the machine wants is done where the event happened, in the reading task or in
the callback of a timer; only what has to wait (a client that does not read, a fault) is left to a worker, which then
does all that follows, in order. So 500 sessions can send a frame each every 20 ms.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, assert_never

from understudy.scenario.json_subset import LazyJson

from ..clock import Clock
from ..cues import (
    Abort,
    Action,
    Alarm,
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
from ..faults import HOLD_S
from ..timetable import Timer, Timetable
from .connection import LiveConnection
from .disturbing import Disturber
from .refusals import DEADLINE, Refusal, own_refusal

FIRST_WITHIN_S: Final = 60.0
"""How long a client may take to send its first message."""

CLOSE_WITHIN_S: Final = 10.0
"""How long a client may take to answer a close."""

_UNREAD_LIMIT: Final = 64
"""Events that may wait for the machine before the client has to wait, too."""

_ROOM_WITHIN_S: Final = 0.05
"""How long to wait for the machine's room before looking again."""

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

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be said that the client has to wait, too."""
        ...

    def on(self, event: Event) -> tuple[Action, ...]:
        """What is to be done now that `event` happened."""
        ...


@dataclass(frozen=True, slots=True)
class Cast:
    """The machine that was found for a session, and the speed of its waits (None: the clock's own).

    `message` is what it gets in place of the client's first message: a setup of which an ephemeral token has locked
    fields. None: the client's own. `disturber` is what befalls the session on purpose. After `idle_s` of real time
    without anything happening it ends by `idle`.
    """

    machine: Machine
    speed: float | None = None
    message: LazyJson | None = None
    disturber: Disturber | None = None
    idle_s: float = 3600.0
    idle: Refusal = DEADLINE


class LiveSession:
    """One session from the first client message to its end.

    `speed` is the clock's own; `note` is told what a script did not expect; `patience` counts in real time.
    """

    __slots__ = (
        "_actions",
        "_alarm",
        "_clock",
        "_connection",
        "_due",
        "_events",
        "_idle",
        "_latest",
        "_machine",
        "_note",
        "_opened",
        "_patience",
        "_rings",
        "_silence_s",
        "_speed",
        "_tasks",
        "_timer",
        "_usual_speed",
        "_wait",
        "_wait_due",
        "_watch",
        "_worker",
    )

    def __init__(
        self,
        connection: LiveConnection,
        clock: Clock,
        speed: float,
        note: Callable[[str], None],
        patience: Timetable,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._usual_speed = speed
        self._speed: float | None = None
        self._note = note
        self._machine: Machine | None = None
        self._tasks = asyncio.TaskGroup()
        # Small while nothing happens: an empty deque takes as much as all the rest of a session's state.
        self._events: list[Event] = []
        self._actions: tuple[Action, ...] = ()
        self._worker: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._alarm: Timer | None = None
        self._due: float | None = None
        self._wait = 0
        self._wait_due = 0.0
        self._opened = clock.elapsed()
        self._patience = patience
        self._silence_s = 0.0
        self._watch: Timer | None = None
        self._latest = 0.0
        self._idle = DEADLINE
        self._rings: asyncio.Event | None = None

    async def run(self, cast: Callable[[LazyJson], Cast | Refusal]) -> None:
        """Play the session; `cast` is asked with the first message for whoever answers. Ends with the connection."""
        async with self._tasks:
            self._be_patient(FIRST_WITHIN_S)
            try:
                await self._listen(cast)
                if self._watch is not None:
                    # The client has closed: what the simulator does on purpose from here on takes its time.
                    self._watch.cancel()
                await self._settle()
                await self._connection.linger()
            except asyncio.CancelledError:
                self._connection.close(GOING_AWAY, "")
                raise
            finally:
                self._connection.end()
                for waiting in (self._timer, self._alarm, self._watch, self._worker):
                    if waiting is not None:
                        waiting.cancel()

    # -- listening

    async def _listen(self, cast: Callable[[LazyJson], Cast | Refusal]) -> None:
        """Read until the client has closed or is gone."""
        connection = self._connection
        while True:
            if not self._take(await connection.receive(), cast):
                return
            while self._is_behind and connection.is_connected:
                if self._worker is None:
                    await asyncio.sleep(_ROOM_WITHIN_S)
                else:
                    await asyncio.wait({self._worker}, timeout=_ROOM_WITHIN_S)

    @property
    def _is_behind(self) -> bool:
        """Whether the client has to wait, until `_work` or time makes room."""
        machine = self._machine
        if machine is None or machine.finished:
            return False
        return machine.is_behind or (self._worker is not None and len(self._events) >= _UNREAD_LIMIT)

    def _take(self, event: Arrived | Gone, cast: Callable[[LazyJson], Cast | Refusal]) -> bool:
        """What came; whether there is more to come. (A function, so that nobody holds the message while waiting.)"""
        if isinstance(event, Gone):
            self._happened(event)
            return False
        if self._machine is not None:
            self._happened(Arrived(event.message, self._age_s))
        elif not self._connection.is_closing:
            self._open(event.message, cast)
        return True

    def _open(self, message: LazyJson, cast: Callable[[LazyJson], Cast | Refusal]) -> None:
        found = cast(message)
        if isinstance(found, Refusal):
            self._close(found.code, found.reason)
            return
        self._speed = found.speed
        self._connection.disturber = found.disturber
        self._machine = found.machine
        self._idle = found.idle
        self._be_patient(found.idle_s)
        self._happened(Opened())
        self._happened(Arrived(found.message or message, self._age_s))

    async def _settle(self) -> None:
        """The client is gone: the machine comes to its end, as far as it still waits for time or sends a message."""
        while not self._is_over or self._connection.is_in_frame:
            if self._worker is not None:
                await asyncio.wait({self._worker})
            elif self._timer is not None and self._timer.is_pending:
                self._rings = asyncio.Event()
                await self._rings.wait()
            else:
                return

    @property
    def _is_over(self) -> bool:
        return self._machine is None or self._machine.finished

    # -- what happens, and what is done about it

    def _happened(self, event: Event) -> None:
        """Tell the machine, and do what it wants."""
        if not self._connection.is_closing:
            # Who talks on after a close does not put off its end.
            self._latest = time.monotonic()
        self._events.append(event)
        if self._worker is None:
            action = self._go_on()
            if action is not None:
                self._worker = self._tasks.create_task(self._work(action))

    def _go_on(self) -> Action | None:
        """Do what can be done without waiting; gives the action that cannot, None if all is done."""
        actions, send = self._actions, self._connection.send_at_once
        while True:
            for place, action in enumerate(actions, 1):
                # Asked first for what each frame of speech is: a message and the wait for the next.
                if type(action) is SendMessage:
                    is_done = send(action)
                elif type(action) is Wait:
                    self._set_timer(action)
                    continue
                else:
                    is_done = self._is_done(action)
                if not is_done:
                    self._actions = actions[place:]
                    return action
            self._actions = ()
            machine = self._machine
            if machine is None or machine.finished:
                # What still comes is in the transcript; nobody is told.
                self._events.clear()
                if machine is not None:
                    self._close(1000, "")
                return None
            if not self._events:
                return None
            actions = machine.on(self._events.pop(0))

    async def _work(self, action: Action | None) -> None:
        """Do an action that has to wait, and all that follows."""
        while action is not None:
            match action:
                case SendMessage():
                    await self._connection.send(action)
                case Stall(seconds, id):
                    await self._connection.stall(seconds, self._clock, self._speed)
                    self._events.insert(0, Elapsed(id, self._age_s))
                case Abort(fault):
                    await self._connection.inject(fault)
                case _:
                    pass
            action = self._go_on()
        self._worker = None

    def _is_done(self, action: Action) -> bool:
        """Do what the machine wants, if that needs no waiting; whether it is done."""
        match action:
            case SendMessage():
                return self._connection.send_at_once(action)
            case Wait():
                self._set_timer(action)
            case Alarm(seconds, id):
                if self._alarm is not None:
                    self._alarm.cancel()
                # Time of the service, which the speed of pauses does not change.
                self._alarm = self._clock.call_later(seconds, 1.0, partial(self._rang, id))
            case Stall():
                return False
            case CloseWith(code, reason):
                self._close(code, reason)
            case Abort(fault):
                if fault.kind != "reset_peer":
                    return False
                self._connection.reset()
            case Unexpected():
                self._refuse(str(action))
            case Answer() | AnswerStream() | BeginOperation():
                self._refuse(CHOSEN_TOO_LATE)
            case Finished():
                pass
            case _:
                assert_never(action)
        return True

    def _refuse(self, why: str) -> None:
        self._note(why)
        refusal = own_refusal(why)
        self._close(refusal.code, refusal.reason)

    def _close(self, code: int | None, reason: str) -> None:
        """Close, if nobody did, and let the client answer the close."""
        if not self._connection.is_closing:
            self._connection.close(code, reason)
            self._be_patient(HOLD_S if self._connection.is_held else CLOSE_WITHIN_S)

    # -- time

    @property
    def _age_s(self) -> float:
        """How long the session has lasted, in time of the service."""
        return self._clock.elapsed() - self._opened

    def _set_timer(self, wait: Wait) -> None:
        """A paced wait counts from when the one before was due; who is late catches up."""
        if wait.is_fault:
            self._connection.note_latency(wait.seconds)
        if self._timer is not None:
            self._timer.cancel()
        speed = self._usual_speed if self._speed is None else self._speed
        if wait.is_deadline:
            # The client's time is never cut short.
            speed = min(speed, 1.0) or 1.0
        now = self._clock.monotonic()
        begin = self._due if wait.paced and self._due is not None else now
        due = begin + (wait.seconds / speed if speed > 0 else 0.0)
        self._wait, self._wait_due = wait.id, due
        self._timer = self._clock.call_later((due - now) * speed if due > now else 0.0, speed, self._is_due)

    def _is_due(self) -> None:
        """The wait is over. If time was moved forward meanwhile, the schedule goes on from here."""
        now = self._clock.monotonic()
        self._due = self._wait_due if self._wait_due < now else now
        self._rang(self._wait)

    def _rang(self, id: int) -> None:
        """A wait or the alarm is over."""
        is_told = False
        try:
            self._happened(Elapsed(id, self._age_s))
            is_told = True
        finally:
            if self._rings is not None:
                self._rings.set()
            if not is_told:
                # A fault of ours, which the event loop tells of: do not leave the client waiting.
                self._connection.cut()

    def _be_patient(self, seconds: float) -> None:
        """From now on so much time may pass without anything happening."""
        self._silence_s = seconds
        self._latest = time.monotonic()
        self._watch_for(seconds)

    def _watch_for(self, seconds: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._patience.add(time.monotonic() + seconds, 1.0, self._lose_patience)

    def _lose_patience(self) -> None:
        left_s = self._latest + self._silence_s - time.monotonic()
        is_waiting = self._timer is not None and self._timer.is_pending
        if left_s > 0 or is_waiting:
            self._watch_for(left_s if left_s > 0 else self._silence_s)
        elif not self._connection.is_closing and not self._connection.is_held:
            self._close(self._idle.code, self._idle.reason)
            self._happened(Gone(None))
        elif not self._connection.is_ended:
            self._connection.end()
            self._watch_for(self._silence_s)
        else:
            self._connection.cut()
