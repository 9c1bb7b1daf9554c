"""What passes on the wire, as values: exact bytes, header order and case, frame opcodes, times.

All times (`at`, `started`, `ended`) are seconds of one monotonic clock of the place that wrote them down;
only their differences mean anything.
"""

from dataclasses import dataclass, field
from typing import Literal

RawHeaders = tuple[tuple[bytes, bytes], ...]
"""Header fields as pairs of name and value: order and repeats kept, names as sent."""

Sender = Literal["client", "server"]

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA


def header_values(headers: RawHeaders, name: bytes) -> tuple[bytes, ...]:
    """All values of the field `name` (any case), in order."""
    lowered, size = name.lower(), len(name)
    # Lengths differ nearly always: most names need not be made lower case to be told apart.
    return tuple([value for key, value in headers if len(key) == size and key.lower() == lowered])


def header_value(headers: RawHeaders, name: bytes) -> bytes | None:
    """The first value of the field `name` (any case), or None."""
    lowered, size = name.lower(), len(name)
    for key, value in headers:
        if len(key) == size and (key == lowered or key.lower() == lowered):
            return value
    return None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: method and raw target as in the request line, header fields, the body without its framing."""

    method: str
    target: str
    headers: RawHeaders
    body: bytes = b""

    @property
    def path(self) -> str:
        """The raw path of the target, percent-encoding untouched."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The raw query of the target, without the question mark; empty if there is none."""
        return self.target.partition("?")[2]

    @property
    def head(self) -> bytes:
        """Request line and header fields as HTTP/1.1 bytes: where a leaked key would be found."""
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers)
        return f"{self.method} {self.target} HTTP/1.1\r\n".encode("latin-1") + lines + b"\r\n"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a body as they happened to arrive or leave; its edges mean nothing."""

    data: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. `complete` is False when it broke off before its end."""

    status: int
    headers: RawHeaders
    chunks: tuple[Chunk, ...] = ()
    complete: bool = True

    @property
    def body(self) -> bytes:
        """All of the body that passed."""
        return b"".join(chunk.data for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket message: who sent it, its opcode (TEXT or BINARY) and its payload, unmasked and whole."""

    sender: Sender
    opcode: int
    payload: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Close:
    """How a session ended. `code` None: the connection ended without a close frame, or the frame had no code."""

    sender: Sender
    code: int | None
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Which scope an exchange or session belongs to, and who answered it.

    `scenario` is the id of the scenario that answered, or None: then the simulator answered by itself or refused, and
    `misses` says, nearest first, why no armed scenario fitted. `faults` are the faults injected on purpose.
    """

    scope: str = ""
    surface: str = ""
    scenario: str | None = None
    misses: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request and its response; `failure` says how it ended if not by a complete response.

    Requests that came on one connection have its number in `connection`; 0: not known.
    """

    id: int
    request: Request
    response: Response | None
    started: float
    ended: float
    failure: str | None = None
    origin: Origin = field(default_factory=Origin)
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One WebSocket connection: the handshake, its frames in order, its close.

    `answer_headers` are the fields of the handshake's answer; `ended` is None while the session goes on.
    """

    id: int
    request: Request
    status: int
    frames: tuple[Frame, ...]
    close: Close | None
    started: float
    ended: float | None
    origin: Origin = field(default_factory=Origin)
    answer_headers: RawHeaders = ()

    def sent_by(self, sender: Sender) -> tuple[Frame, ...]:
        """The frames of one side, in order."""
        return tuple(frame for frame in self.frames if frame.sender == sender)


@dataclass(frozen=True, slots=True)
class Transcript:
    """All exchanges and sessions seen from one place, in order of start; `dropped` counts what was forgotten."""

    exchanges: tuple[Exchange, ...] = ()
    sessions: tuple[Session, ...] = ()
    dropped: int = 0

    def of_scope(self, scope: str) -> "Transcript":
        """Only what belongs to one scope."""
        exchanges = tuple(exchange for exchange in self.exchanges if exchange.origin.scope == scope)
        sessions = tuple(session for session in self.sessions if session.origin.scope == scope)
        return Transcript(exchanges, sessions, self.dropped)
