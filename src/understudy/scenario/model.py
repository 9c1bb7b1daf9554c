"""A scenario as the machines use it: one scripted conversation, both sides, and what must hold.

Everything here is ready to be played: durations are seconds, bodies are bytes, money is Decimal. What people write
is read by `parse.py`; the format is described in docs/reference/scenario-format.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import Any, Literal

from ..messages import BINARY, RawHeaders
from ..surfaces import Surface
from .criteria import ALWAYS, Match, Trigger

JsonPattern = Any
"""A JSON value that names what must be there: `"*"` fits anything, an object is a subset, a list goes by position."""

FaultKind = Literal[
    "latency",
    "jitter",
    "stall",
    "slow_head",
    "slow_close",
    "bandwidth",
    "slice",
    "truncate",
    "reset_peer",
    "hang_up",
    "half_close",
    "stop",
    "end",
    "drop",
    "duplicate",
    "reorder",
    "insert",
    "corrupt",
    "shorten",
    "pad",
    "malformed",
    "invalid_utf8",
    "duplicate_field",
    "without",
    "content_type",
    "opcode",
    "reserved_bit",
    "masked",
    "ignore_pings",
]
Framing = Literal["auto", "sse", "array", "none"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a payload that is filled when it is sent: `{{model}}`, `{{model_path}}`, `{{scope}}`, ..."""

    name: str


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of a body or message. `json` payloads were compacted when the scenario was read.

    `pieces` alternates bytes and slots; nearly always it is one run of bytes. `html` is escaped where it is filled.
    """

    pieces: tuple[bytes | Slot, ...]
    kind: Literal["json", "text", "html", "bytes"]

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The bytes to send. A slot that `values` does not know stays empty; in JSON and HTML a value is escaped."""
        if len(self.pieces) == 1 and isinstance(self.pieces[0], bytes):
            return self.pieces[0]
        return b"".join(
            piece if isinstance(piece, bytes) else self._filled(values.get(piece.name, "")) for piece in self.pieces
        )

    def _filled(self, value: str) -> bytes:
        if self.kind == "json":
            value = json.dumps(value, ensure_ascii=False)[1:-1]
        elif self.kind == "html":
            value = escape(value)
        return value.encode("utf-8", "replace")


EMPTY = Payload((), "bytes")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something bad done on purpose; `docs/reference/scenario-format.md` says what each kind is.

    `seconds`, `size` (bytes, bytes a second, an opcode, ...), `text` and `payload` are what the kind's word was given.
    `cause` says which scenario and trigger brought it about; empty where it stands in the script itself.
    """

    kind: FaultKind
    seconds: float = 0.0
    size: int = 0
    text: str = ""
    payload: Payload = EMPTY
    cause: str = ""

    def __str__(self) -> str:
        """As it stands in a transcript."""
        what = f"{self.seconds:g}s" if self.seconds else self.text or (str(self.size) if self.kind in _SIZED else "")
        return " ".join(part for part in (self.kind, what, f"({self.cause})" if self.cause else "") if part)


ALONE: frozenset[FaultKind] = frozenset(
    {"latency", "stall", "reset_peer", "hang_up", "half_close", "stop", "ignore_pings", "bandwidth", "slow_close"}
)
"""The kinds that may stand by themselves, with nothing beside them that they befall."""

_SIZED = frozenset({"bandwidth", "slice", "truncate", "corrupt", "shorten", "pad", "opcode", "reserved_bit"})


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for a message of the other side. `pattern` None accepts any message; `close` waits for its close.

    Several messages may be taken until `min_bytes` of payload have come; `within_s` is the deadline of the whole wait.
    """

    pattern: JsonPattern | None = None
    close: bool = False
    min_bytes: int = 0
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send one WebSocket message."""

    payload: Payload
    opcode: int = BINARY
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send audio as a run of messages, PCM16 little-endian mono, in the side's own message shape.

    `tone_hz` 0 is silence; `pcm` set is recorded speech instead. `pace` is the factor on real time: 1 real time,
    0 at once. A message that fits `interrupt_on` ends the run early.
    """

    duration_s: float
    frame_s: float = 0.04
    rate_hz: int = 24000
    tone_hz: float = 440.0
    pcm: bytes | None = None
    pace: float = 0.0
    opcode: int = BINARY
    interrupt_on: JsonPattern | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait that many seconds of scenario time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Close the session; code None sends a close frame without a code."""

    code: int | None = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole HTTP answer, or on a Live surface the refusal of the handshake.

    `is_error`: the payload is one of Google's errors, which stands in a one-element array where the request calls for
    that (wire-http 5.1).
    """

    status: int = 200
    headers: RawHeaders = ()
    payload: Payload = EMPTY
    times: int = 1
    fault: Fault | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """One part of a streamed body. `framed` parts are put into the stream's framing, others go out as they stand."""

    payload: Payload
    framed: bool = True


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed HTTP answer. `framing` auto follows the request: SSE with `alt=sse`, else Google's JSON array."""

    parts: tuple["StreamChunk | Pause | Fault", ...]
    status: int = 200
    headers: RawHeaders = ()
    framing: Framing = "auto"
    times: int = 1
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class FilmWords:
    """What a delivered video is, in place of what the request asks for; None leaves that as it is.

    `size` is width and height in pixels, `rate` pictures a second.
    """

    size: tuple[int, int] | None = None
    seconds: float | None = None
    rate: int | None = None
    has_sound: bool | None = None


@dataclass(frozen=True, slots=True)
class Videos:
    """The operation ends with that many videos delivered, and `filtered` that are not, for `reasons`.

    Without `reasons` those of the service are given.
    """

    count: int = 1
    filtered: int = 0
    reasons: tuple[str, ...] = ()
    film: FilmWords = FilmWords()


@dataclass(frozen=True, slots=True)
class OperationResponse:
    """The operation ends with this `response` member, literally."""

    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OperationError:
    """The operation ends with this google.rpc.Status (a gRPC code, not an HTTP status)."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class StartOperation:
    """A long-running operation: how many polls still say running and for how long, then the outcome.

    `gone_after_s`: so long after its start it is not found any more, nor are its files; None: as the service does.
    The first `failing_polls` polls are answered by `failure` and count for nothing else.
    """

    outcome: Videos | OperationResponse | OperationError
    running_polls: int = 0
    running_for_s: float = 0.0
    gone_after_s: float | None = None
    failing_polls: int = 0
    failure: Reply | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """Play `steps` that many times; None is without end."""

    steps: "tuple[Step, ...]"
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One way out of a branch."""

    pattern: JsonPattern
    steps: "tuple[Step, ...]"


@dataclass(frozen=True, slots=True)
class Branch:
    """Take the first case that the next message fits; `otherwise` if none does."""

    cases: tuple[Case, ...]
    otherwise: "tuple[Step, ...]" = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """When a client asks again. `wait_s` None waits as RetryInfo says."""

    on: tuple[int, ...]
    at_most: int
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A client's HTTP request; `method` is the verb after the colon, `http_method` and `path` serve plain routes."""

    method: str = "generateContent"
    payload: Payload = EMPTY
    headers: RawHeaders = ()
    query: str = ""
    http_method: str = "POST"
    path: str | None = None
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A client's start of a long-running operation."""

    payload: Payload


@dataclass(frozen=True, slots=True)
class Poll:
    """A client's polls of its operation until it is done, `every_s` apart, `at_most` of them."""

    every_s: float
    at_most: int


@dataclass(frozen=True, slots=True)
class Download:
    """A client's download of the videos that its operation delivered."""


@dataclass(frozen=True, slots=True)
class ReceiveUntil:
    """Take messages until one fits; with `close` all of them, until the other side closes."""

    pattern: JsonPattern = None
    within_s: float | None = None
    close: bool = False


ServerStep = (
    Receive
    | ReceiveUntil
    | Send
    | SendAudio
    | Pause
    | CloseSession
    | Fault
    | Repeat
    | Branch
    | Reply
    | Stream
    | StartOperation
)
ClientStep = (
    Receive
    | ReceiveUntil
    | Send
    | SendAudio
    | Pause
    | CloseSession
    | Fault
    | Repeat
    | Branch
    | Call
    | Start
    | Poll
    | Download
)
Step = ServerStep | ClientStep


@dataclass(frozen=True, slots=True)
class Injection:
    """What a scenario lays over answers: a fault, an answer in the place of theirs, or the close of a session.

    `at`: over the chunk or message of that number, counted from 1, 0: over a Live session's handshake; None: over the
    whole.
    """

    what: Fault | Reply | CloseSession
    trigger: Trigger = ALWAYS
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """What must hold after the conversation; None and empty mean: not said.

    `usage` maps side (prompt, response) to modality to count; `cost` is in US dollars by the frozen price book.
    """

    bodies: Literal["unchanged"] | None = None
    frames: Literal["unchanged"] | None = None
    operation_name: Literal["unchanged"] | None = None
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    cost: Decimal | None = None
    statuses: tuple[int, ...] = ()
    polls: tuple[str, ...] = ()
    upstream_requests: int | None = None
    close: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scripted conversation. `id` is the path of its file without the ending, like `live/text-turn`.

    `faults` befall its own answers; without `server` those of whoever answers what `match` fits.
    """

    id: str
    title: str
    surface: Surface
    model: str
    match: Match
    server: tuple[ServerStep, ...]
    client: tuple[ClientStep, ...] = ()
    expect: Expect = field(default_factory=Expect)
    seed: int = 0
    source: str = ""
    faults: tuple[Injection, ...] = ()
