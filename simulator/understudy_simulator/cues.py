"""What a performance is told (events) and what it asks for (actions); `playback.py` has the rules.

Those that are made for every frame of every session are msgspec's Structs: a frozen dataclass takes five times as long.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from understudy.scenario.json_subset import LazyJson
from understudy.scenario.model import Fault, Reply, StartOperation, Stream

# ---- events


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open; nothing has been sent yet."""


class Arrived(Struct, frozen=True):
    """A message or a request came, `at` seconds of the service's time after the session began."""

    message: LazyJson
    at: float = 0.0


class Elapsed(Struct, frozen=True):
    """The wait or alarm with this id is over, `at` seconds of the service's time after the session began."""

    id: int
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Gone:
    """The other side closed; `code` None: without a code, or without a close frame."""

    code: int | None = None


Event = Opened | Arrived | Elapsed | Gone


# ---- actions

RESET: Final = Fault("reset_peer")


class SendMessage(Struct, frozen=True):
    """Send one WebSocket message.

    `fault` is None, or what is done to the message or its frame on the way out.
    """

    opcode: int
    payload: bytes
    fault: Fault | None = None


class Wait(Struct, frozen=True):
    """Say `Elapsed(id)` after that many seconds of scenario time; messages that come meanwhile are told at once.

    `paced`: the time counts from the moment when the preceding wait was due, not from now, so that a run of frames
    keeps its schedule however long sending took. `is_deadline`: it is the other side's time, which is never cut short:
    no speed of the scenario makes a client faster. `is_fault`: it is a fault of the script, so the transcript names it.
    """

    seconds: float
    id: int
    paced: bool = False
    is_deadline: bool = False
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """Say `Elapsed(id)` after that many seconds of the service's time, whatever the speed of pauses.

    A session has one alarm: a new one takes the place of the one before. It runs beside a `Wait`.
    """

    seconds: float
    id: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Neither read nor write for that many seconds of scenario time, then say `Elapsed(id)`."""

    seconds: float
    id: int


@dataclass(frozen=True, slots=True)
class CloseWith:
    """Close the session; code None: a close frame without a code."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Do to the connection what a fault by itself is: reset it, or end it or hold it in another way."""

    fault: Fault = RESET


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the request in hand; slots in the payload are the driver's to fill."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class AnswerStream:
    """Answer the request in hand by a stream."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class BeginOperation:
    """Answer the request in hand by the name of a new operation."""

    operation: StartOperation


@dataclass(frozen=True, slots=True)
class Unexpected:
    """The other side did not do what the script says; `step` is the place in the script, like `[4].repeat[0]`."""

    step: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"server{self.step}: expected {self.wanted}, got {self.found}"


@dataclass(frozen=True, slots=True)
class Finished:
    """The script is over."""


Action = (
    SendMessage
    | Wait
    | Alarm
    | Stall
    | CloseWith
    | Abort
    | Answer
    | AnswerStream
    | BeginOperation
    | Unexpected
    | Finished
)
