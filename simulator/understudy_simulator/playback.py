"""A scenario's server side being played, as a machine: an event in, actions out; no socket, no clock.

Rules of the machine:

* At most one timer runs. A `Wait` or `Stall` starts it; when its time is over the driver says `Elapsed` with its id.
  A newer timer replaces it, and an `Elapsed` that is no longer waited for changes nothing, so that a driver may let
  old timers run out.
* Messages that arrive while the script does something else are kept, in order, for the steps that take messages.
* One event gives a bounded number of actions. A script that has more to do at once asks for a wait of 0 seconds.
* `Unexpected` and `Abort` of a session are followed by `Finished`; after `Finished` nothing comes any more.

A Live session is driven event by event with `on`. For HTTP, `answer` takes one request and gives all that is to be
done up to its answer, so that requests at the same time do not mix.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from understudy.messages import Sender
from understudy.scenario.audio import audio_message, frame_count, frame_pcm
from understudy.scenario.json_subset import LazyJson, fits, json_mismatch
from understudy.scenario.model import (
    ALONE,
    Branch,
    Call,
    CloseSession,
    Download,
    Fault,
    Pause,
    Poll,
    Receive,
    ReceiveUntil,
    Repeat,
    Reply,
    Send,
    SendAudio,
    Start,
    StartOperation,
    Step,
    Stream,
)

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
from .script import has_answers, size_of, sort_of, wish

_BATCH: Final = 64
"""Steps played and messages sent in answer to one event, before the script lets the driver breathe."""

_QUEUE_LIMIT: Final = 10_000
"""Messages that may wait for the script."""


@dataclass(slots=True)
class _Run:
    """Steps under way: which is next, how often they are still to be played (None: without end), and their place."""

    steps: Sequence[Step]
    place: str
    left: int | None = 1
    at: int = 0


@dataclass(slots=True)
class _Progress:
    """How far the step under way is."""

    timer: int | None = None
    waited: bool = False
    received: int = 0
    done: int = 0


@dataclass(slots=True)
class _Inbox:
    """What came and was not taken yet."""

    messages: deque[LazyJson] = field(default_factory=deque[LazyJson])
    gone: Gone | None = None
    in_hand: bool = False
    """An HTTP request was taken and has no answer yet."""


class Playback:
    """One performance of a script. `values` fill the slots of what is sent on a session."""

    def __init__(self, steps: Sequence[Step], values: Mapping[str, str] | None = None, side: Sender = "server") -> None:
        self._runs = [_Run(steps, "")]
        self._values: Mapping[str, str] = values or {}
        self._side: Sender = side
        self._answers = has_answers(steps)
        self._inbox = _Inbox()
        self._progress = _Progress()
        self._last_id = 0
        self._breaths = 0
        self._closing = False
        self._left_repeat = False
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether the script is over; then it answers nothing any more."""
        return self._finished

    @property
    def is_behind(self) -> bool:
        """Whether the client has to wait: never, a script says what it says."""
        return False

    def on(self, event: Event) -> tuple[Action, ...]:
        """What is to be done now that `event` happened, in order."""
        if self._finished:
            return ()
        match event:
            case Opened():
                pass
            case Arrived(message):
                if self._closing:
                    return ()
                if len(self._inbox.messages) >= _QUEUE_LIMIT:
                    return self._end(Unexpected(self._place(), f"at most {_QUEUE_LIMIT} unread messages", "one more"))
                self._inbox.messages.append(message)
            case Elapsed(id):
                self._progress.waited = self._progress.waited or id == self._progress.timer
            case Gone():
                self._inbox.gone = event
            case _:
                assert_never(event)
        return self._play()

    def answer(self, request: LazyJson) -> tuple[Action, ...]:
        """All that is to be done for one HTTP request: waits and stalls, then its answer, in order.

        The waits count as taken: no `Elapsed` is to be said. Ends with Answer, AnswerStream, BeginOperation, Abort or
        Unexpected, followed by Finished if that was the last; is empty or Finished alone if the script is over.
        """
        actions = list(self.on(Arrived(request)))
        while self._inbox.in_hand and isinstance(actions[-1], Wait | Stall):
            actions.extend(self.on(Elapsed(actions[-1].id)))
        if actions and isinstance(actions[-1], Wait):
            # The script is past the answer and waits for the next request.
            actions.pop()
        return tuple(actions)

    # -- stepping

    def _play(self) -> tuple[Action, ...]:
        actions: list[Action] = []
        for _ in range(_BATCH):
            step = self._current()
            if step is None:
                self._finished = True
                actions.append(Finished())
                return tuple(actions)
            if not self._step(step, actions) and not self._left_repeat:
                return tuple(actions)
            self._left_repeat = False
        # Ids of their own, below zero: the waits of the script keep their numbers wherever a breath falls.
        self._breaths += 1
        actions.append(Wait(0.0, -self._breaths))
        return tuple(actions)

    def _current(self) -> Step | None:
        """The step under way, after leaving runs that are played out; None at the end of the script."""
        while self._runs:
            run = self._runs[-1]
            if run.at < len(run.steps):
                return run.steps[run.at]
            if run.left is not None:
                run.left -= 1
            if run.steps and run.left != 0:
                run.at = 0
                # Back to `_play` by way of a step: an endless run of nothing cannot arise, its steps are not empty.
                return run.steps[0]
            self._runs.pop()
        return None

    def _step(self, step: Step, actions: list[Action]) -> bool:
        """Play what can be played of `step`; whether the machine can go on at once."""
        match step:
            case Receive():
                return self._receive(step, actions)
            case ReceiveUntil():
                return self._receive_until(step, actions)
            case Send():
                return self._send(step, actions)
            case SendAudio():
                return self._send_audio(step, actions)
            case Pause(seconds):
                return self._ready(step, actions) and self._waited(seconds, actions) and self._next()
            case Fault():
                return self._ready(step, actions) and self._fault(step, actions)
            case CloseSession(code, reason):
                if self._inbox.gone is None and not self._closing:
                    actions.append(CloseWith(code, reason))
                self._closing = True
                self._inbox.messages.clear()
                return self._next()
            case Repeat(steps, times):
                place = f"{self._place()}.repeat"
                self._next()
                if steps and times != 0:
                    self._runs.append(_Run(steps, place, times))
                return True
            case Branch():
                return self._branch(step, actions)
            case Reply() | Stream() | StartOperation():
                return self._answer(step, actions)
            case Call() | Start() | Poll() | Download():
                return self._fail(actions, "a step of a server or of a session", "a client's HTTP step")
            case _:
                assert_never(step)

    def _next(self) -> bool:
        self._runs[-1].at += 1
        self._progress = _Progress()
        return True

    def _place(self) -> str:
        run = self._runs[-1]
        return f"{run.place}[{run.at}]"

    # -- waiting

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _waited(
        self, seconds: float, actions: list[Action], *, fault: Fault | None = None, deadline: bool = False
    ) -> bool:
        """Whether the wait of this step is over; starts it the first time. `fault`: what makes it wait."""
        progress = self._progress
        if seconds <= 0 or progress.waited or (self._inbox.gone is not None and not self._answers):
            return True
        if progress.timer is None:
            progress.timer = self._new_id()
            wait = Wait(seconds, progress.timer, is_deadline=deadline, is_fault=fault is not None)
            is_stall = fault is not None and fault.kind == "stall"
            actions.append(Stall(seconds, progress.timer) if is_stall else wait)
        return False

    def _ready(self, step: Step, actions: list[Action]) -> bool:
        """Whether the step may run: in an HTTP script only once there is a request to be answered."""
        if not self._answers or self._inbox.in_hand:
            return True
        return self._take(step, actions) is not None

    def _take(self, step: Step, actions: list[Action]) -> LazyJson | None:
        """The next message; None if there is none yet, or if none can come any more."""
        inbox = self._inbox
        if inbox.messages:
            inbox.in_hand = self._answers
            return inbox.messages.popleft()
        if inbox.gone is not None:
            self._left_by_peer(step, actions)
        return None

    # -- ends

    def _end(self, *actions: Action) -> tuple[Action, ...]:
        self._finished = True
        self._runs.clear()
        self._inbox.messages.clear()
        return (*actions, Finished())

    def _fail(self, actions: list[Action], wanted: str, found: str) -> bool:
        actions.extend(self._end(Unexpected(self._place(), wanted, found)))
        return False

    def _left_by_peer(self, step: Step, actions: list[Action]) -> bool:
        """The other side closed where the script wanted to go on. Out of repeats without end this is the way."""
        for depth in range(1, len(self._runs)):
            if self._runs[depth].left is None:
                del self._runs[depth:]
                self._progress = _Progress()
                self._left_repeat = True
                return False
        code = self._inbox.gone.code if self._inbox.gone else None
        return self._fail(actions, wish(step), "the close" if code is None else f"the close {code}")

    # -- messages

    def _receive(self, step: Receive, actions: list[Action]) -> bool:
        if step.close:
            return self._receive_close(step, actions)
        if self._inbox.in_hand:
            return self._fail(actions, "an answer to the request in hand", "another receive")
        while (message := self._take(step, actions)) is not None:
            if step.pattern is not None:
                mismatch = json_mismatch(step.pattern, message.value)
                if mismatch is not None:
                    return self._fail(actions, wish(step), f"{sort_of(message)} ({mismatch})")
            self._progress.received += size_of(message, step)
            if self._progress.received >= step.min_bytes:
                return self._next()
        return self._deadline(step, step.within_s, actions)

    def _receive_until(self, step: ReceiveUntil, actions: list[Action]) -> bool:
        if step.close:
            self._inbox.messages.clear()
            return self._next() if self._inbox.gone is not None else self._deadline(step, step.within_s, actions)
        while (message := self._take(step, actions)) is not None:
            if fits(step.pattern, message.value):
                return self._next()
        return self._deadline(step, step.within_s, actions)

    def _receive_close(self, step: Receive, actions: list[Action]) -> bool:
        if self._inbox.messages:
            return self._fail(actions, wish(step), sort_of(self._inbox.messages[0]))
        if self._inbox.gone is not None:
            return self._next()
        return self._deadline(step, step.within_s, actions)

    def _deadline(self, step: Step, within_s: float | None, actions: list[Action]) -> bool:
        """No message is there: wait on, at most until the step's deadline."""
        if within_s is None or self._finished or self._inbox.gone is not None:
            return False
        if self._waited(within_s, actions, deadline=True):
            return self._fail(actions, wish(step), f"nothing within {within_s:g}s")
        return False

    def _send(self, step: Send, actions: list[Action]) -> bool:
        if self._inbox.gone is not None:
            return self._left_by_peer(step, actions)
        fault = step.fault
        if fault is not None and fault.kind in ("latency", "stall", "reset_peer", "hang_up"):
            if fault.kind in ("reset_peer", "hang_up"):
                actions.extend(self._end(Abort(fault)))
                return False
            if not self._waited(fault.seconds, actions, fault=fault):
                return False
            fault = None
        message = SendMessage(step.opcode, step.payload.fill(self._values), fault)
        if fault is not None and fault.kind == "truncate":
            actions.extend(self._end(message))
            return False
        actions.append(message)
        return self._next()

    def _send_audio(self, step: SendAudio, actions: list[Action]) -> bool:
        while step.interrupt_on is not None and self._inbox.messages:
            # What does not interrupt is let pass: a microphone goes on while the answer is spoken.
            if fits(step.interrupt_on, self._inbox.messages.popleft().value):
                return self._next()
        if self._inbox.gone is not None:
            return self._left_by_peer(step, actions)
        progress = self._progress
        if progress.timer is not None and not progress.waited:
            return False
        if progress.done >= frame_count(step):
            return self._next()
        payload = audio_message(frame_pcm(step, progress.done), step.rate_hz, self._side)
        actions.append(SendMessage(step.opcode, payload))
        progress.done += 1
        if step.pace <= 0 or progress.done == frame_count(step):
            progress.timer = None
            return True
        paced = progress.timer is not None
        progress.timer, progress.waited = self._new_id(), False
        actions.append(Wait(step.frame_s / step.pace, progress.timer, paced))
        return False

    def _branch(self, step: Branch, actions: list[Action]) -> bool:
        if self._inbox.in_hand:
            return self._fail(actions, "an answer to the request in hand", "a branch on the next one")
        message = self._take(step, actions)
        if message is None:
            return False
        for index, case in enumerate(step.cases):
            if fits(case.pattern, message.value):
                return self._enter(case.steps, f"{self._place()}.branch[{index}]")
        if step.otherwise:
            return self._enter(step.otherwise, f"{self._place()}.otherwise")
        return self._fail(actions, wish(step), sort_of(message))

    def _enter(self, steps: Sequence[Step], place: str) -> bool:
        self._next()
        self._runs.append(_Run(steps, place))
        return True

    # -- answers and faults

    def _answer(self, step: Reply | Stream | StartOperation, actions: list[Action]) -> bool:
        if not self._ready(step, actions):
            return False
        self._inbox.in_hand = False
        self._progress.done += 1
        match step:
            case Reply():
                actions.append(Answer(step))
            case Stream():
                actions.append(AnswerStream(step))
            case StartOperation():
                actions.append(BeginOperation(step))
                return self._next()
            case _:
                assert_never(step)
        return self._next() if self._progress.done >= step.times else True

    def _fault(self, step: Fault, actions: list[Action]) -> bool:
        """A fault that stands by itself: a wait, or what is done to the connection. Others need something beside."""
        if step.kind in ("latency", "stall"):
            return self._waited(step.seconds, actions, fault=step) and self._next()
        if step.kind not in ALONE:
            return self._next()
        if self._answers:
            self._inbox.in_hand = False
            actions.append(Abort(step))
            return self._next()
        if step.kind in ("reset_peer", "hang_up"):
            actions.extend(self._end(Abort(step)))
            return False
        if step.kind not in ("stop", "half_close"):
            actions.append(Abort(step))
            return self._next()
        # Nothing is said any more, but the session lasts until the other side ends it.
        if self._inbox.gone is not None:
            actions.extend(self._end())
            return False
        self._inbox.messages.clear()
        if self._progress.done == 0:
            self._progress.done = 1
            actions.append(Abort(step))
        return False
