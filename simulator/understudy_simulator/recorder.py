"""The transcript as it is being written: exact bytes, header order and case, frame opcodes, times; bounded in memory.

Entries are opened when a request's head is there, fed while it is answered, and ended once. When there are more than
the limits allow, the oldest are forgotten and counted; a forgotten entry that is still open stops collecting.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from understudy.messages import (
    Chunk,
    Close,
    Exchange,
    Frame,
    Origin,
    RawHeaders,
    Request,
    Response,
    Sender,
    Session,
    Transcript,
)

from .clock import Clock

_ENTRY_COST: Final = 512
"""Bytes that an entry is taken to cost beside what passed."""

_FIELD_COST: Final = 60
"""Bytes that a header field is taken to have."""


_UPLOAD_KEPT: Final = 1024 * 1024
"""Bytes of a body that is read piece by piece which the transcript keeps."""


class _Entry:
    """What exchanges and sessions under way have in common."""

    __slots__ = (
        "_faults",
        "_recorder",
        "ended",
        "id",
        "is_forgotten",
        "origin",
        "request",
        "size",
        "started",
    )

    def __init__(self, recorder: "Recorder", number: int, request: Request, origin: Origin) -> None:
        self._recorder = recorder
        self._faults: list[str] = []
        self.id = number
        self.request = request
        self.origin = origin
        self.started = recorder.clock.elapsed()
        self.ended: float | None = None
        self.is_forgotten = False
        self.size = 0

    def note_fault(self, fault: str) -> None:
        """Write down a fault that was injected on purpose, its kind first; count it."""
        self._recorder.count_fault(self.origin.scope, fault.partition(" ")[0])
        if not self.is_forgotten:
            self._faults.append(fault)
            self._grow(len(fault))

    @property
    def _written_origin(self) -> Origin:
        """Where it came from, with the faults so far."""
        faults = (*self.origin.faults, *self._faults)
        return replace(self.origin, faults=faults) if self._faults else self.origin

    def _grow(self, size: int) -> None:
        self.size += size
        self._recorder.grown(self, size)


class ExchangeEntry(_Entry):
    """One HTTP exchange under way."""

    __slots__ = (
        "_chunks",
        "_failure",
        "_headers",
        "_pieces",
        "_status",
        "connection",
    )

    def __init__(self, recorder: "Recorder", number: int, request: Request, origin: Origin) -> None:
        super().__init__(recorder, number, request, origin)
        self._status: int | None = None
        self._headers: RawHeaders = ()
        self._chunks: list[Chunk] = []
        self._failure: str | None = None
        self._pieces = bytearray()
        self.connection = 0

    def took_body(self, body: bytes) -> None:
        """The request's body came, or as much of it as came before it broke off."""
        if body:
            head = self.request
            self.request = Request(head.method, head.target, head.headers, body)
            self._grow(len(body))

    def took_piece(self, piece: bytes) -> None:
        """A piece of an upload's body came; only the first of it is kept."""
        room = _UPLOAD_KEPT - len(self._pieces)
        if room > 0 and not self.is_forgotten:
            self._pieces += piece[:room]
            self._grow(min(room, len(piece)))

    def respond(self, status: int, headers: RawHeaders) -> None:
        """The head of the response went out."""
        self._status, self._headers = status, headers

    def chunk(self, data: bytes) -> None:
        """A part of the response body was handed to the connection."""
        if not self.is_forgotten:
            self._chunks.append(Chunk(data, self._recorder.clock.elapsed()))
            self._grow(len(data))

    def end(self, failure: str | None = None) -> None:
        """The exchange is over; `failure` says how if not by a complete response. Only the first end counts."""
        if self.ended is None:
            self.ended, self._failure = self._recorder.clock.elapsed(), failure

    def written(self) -> Exchange:
        """The exchange as it stands."""
        response = None
        if self._status is not None:
            complete = self.ended is not None and self._failure is None
            response = Response(self._status, self._headers, tuple(self._chunks), complete)
        ended = self.started if self.ended is None else self.ended
        failure = self._failure if self.ended is not None else "not ended yet"
        request = replace(self.request, body=bytes(self._pieces)) if self._pieces else self.request
        return Exchange(self.id, request, response, self.started, ended, failure, self._written_origin, self.connection)


class SessionEntry(_Entry):
    """One WebSocket session under way."""

    __slots__ = (
        "_answer_headers",
        "_close",
        "_frames",
        "_status",
    )

    def __init__(self, recorder: "Recorder", number: int, request: Request, origin: Origin) -> None:
        super().__init__(recorder, number, request, origin)
        self._status = 0
        self._answer_headers: RawHeaders = ()
        # Tuples until somebody asks: a Frame for each of 25,000 frames a second takes time.
        self._frames: list[tuple[Sender, int, bytes, float]] = []
        self._close: Close | None = None

    def accepted(self, status: int, headers: RawHeaders) -> None:
        """The handshake was answered: 101, or the status of its refusal, with these header fields."""
        self._status, self._answer_headers = status, headers

    def frame(self, sender: Sender, opcode: int, payload: bytes) -> None:
        """A message passed, whole and unmasked."""
        if not self.is_forgotten:
            size = len(payload)
            self._frames.append((sender, opcode, payload, self._recorder.clock.elapsed()))
            self.size += size
            self._recorder.grown(self, size)

    def close(self, sender: Sender, code: int | None, reason: str = "") -> None:
        """How it ended: the first close counts. `code` None: no close frame, or one without a code."""
        if self._close is None:
            self._close = Close(sender, code, reason, self._recorder.clock.elapsed())

    def end(self) -> None:
        """The connection is gone."""
        if self.ended is None:
            self.ended = self._recorder.clock.elapsed()

    def written(self) -> Session:
        """The session as it stands."""
        return Session(
            self.id,
            self.request,
            self._status,
            tuple(Frame(*frame) for frame in self._frames),
            self._close,
            self.started,
            self.ended,
            self._written_origin,
            self._answer_headers,
        )


class Recorder:
    """All that was seen, in the order in which it started."""

    def __init__(self, clock: Clock, limit: int, limit_bytes: int) -> None:
        """Keep at most `limit` entries and about `limit_bytes` bytes."""
        self.clock = clock
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._entries: deque[ExchangeEntry | SessionEntry] = deque()
        self._size = 0
        self._last_id = 0
        self._faults: dict[str, dict[str, int]] = {}
        self.dropped = 0

    def begin_exchange(self, request: Request, origin: Origin, connection: int = 0) -> ExchangeEntry:
        """Open the entry of an HTTP exchange whose request has been read on the connection of that number."""
        self._last_id += 1
        entry = ExchangeEntry(self, self._last_id, request, origin)
        entry.connection = connection
        self._add(entry)
        return entry

    def begin_session(self, request: Request, origin: Origin) -> SessionEntry:
        """Open the entry of a WebSocket session whose handshake request has been read."""
        self._last_id += 1
        entry = SessionEntry(self, self._last_id, request, origin)
        self._add(entry)
        return entry

    def transcript(self, scope: str | None = None) -> Transcript:
        """What was seen so far, of one scope or (None) of all."""
        chosen = [entry for entry in self._entries if scope is None or entry.origin.scope == scope]
        exchanges = tuple(entry.written() for entry in chosen if isinstance(entry, ExchangeEntry))
        sessions = tuple(entry.written() for entry in chosen if isinstance(entry, SessionEntry))
        return Transcript(exchanges, sessions, self.dropped)

    def count_fault(self, scope: str, kind: str) -> None:
        """One more fault of a kind was injected in a scope; counted also when its entry is forgotten."""
        counts = self._faults.setdefault(scope, {})
        counts[kind] = counts.get(kind, 0) + 1

    def faults_in(self, scope: str) -> Mapping[str, int]:
        """How many faults of each kind were injected in a scope."""
        return dict(self._faults.get(scope, {}))

    def clear(self, scope: str | None = None) -> None:
        """Forget one scope, or (None) everything and the count of what was dropped."""
        kept = deque(entry for entry in self._entries if scope is not None and entry.origin.scope != scope)
        for entry in self._entries:
            if scope is None or entry.origin.scope == scope:
                entry.is_forgotten = True
        self._entries = kept
        self._size = sum(_ENTRY_COST + entry.size for entry in kept)
        if scope is None:
            self.dropped = 0
            self._faults.clear()
        else:
            self._faults.pop(scope, None)

    def grown(self, entry: _Entry, size: int) -> None:
        """An entry took `size` more bytes; makes room."""
        if not entry.is_forgotten:
            self._size += size
            if self._size > self._limit_bytes:
                self._make_room()

    def _add(self, entry: ExchangeEntry | SessionEntry) -> None:
        entry.size = len(entry.request.body) + _FIELD_COST * len(entry.request.headers)
        self._entries.append(entry)
        self._size += _ENTRY_COST + entry.size
        self._make_room()

    def _make_room(self) -> None:
        while self._entries and (len(self._entries) > self._limit or self._size > self._limit_bytes):
            oldest = self._entries.popleft()
            oldest.is_forgotten = True
            self._size -= _ENTRY_COST + oldest.size
            self.dropped += 1
