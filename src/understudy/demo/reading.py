"""Recorded bytes to a transcript, by parsers that the gateway does not use for the same job: httptools and websockets.

The judge must not share logic with what it judges; the gateway reads heads with aiohttp and frames with its own reader.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httptools
from websockets.frames import Close as CloseFrame
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from ..errors import TargetError
from ..messages import (
    BINARY,
    TEXT,
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
    header_value,
)
from .recorder import Connection, Piece

SCOPE_HEADER = b"x-understudy-scope"


def transcript_of(connections: Iterable[Connection]) -> Transcript:
    """All exchanges and sessions of the recorded connections, seen from the client."""
    exchanges: list[Exchange] = []
    sessions: list[Session] = []
    for connection in connections:
        for entry in _entries(connection):
            (sessions if isinstance(entry, Session) else exchanges).append(entry)  # type: ignore[arg-type]
    return Transcript(tuple(exchanges), tuple(sessions))


@dataclass(slots=True)
class _Message:
    """One HTTP message while it is read."""

    started: float
    ended: float = 0.0
    method: str = ""
    target: bytes = b""
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    chunks: list[Chunk] = field(default_factory=list[Chunk])
    complete: bool = False

    @property
    def raw_headers(self) -> RawHeaders:
        return tuple(self.headers)


class _Side:
    """httptools' callbacks for one direction of one connection; after an upgrade the rest is kept as it came."""

    def __init__(self, sender: Sender) -> None:
        self.sender: Sender = sender
        self.messages: list[_Message] = []
        self.upgraded: list[Piece] | None = None
        self._at = 0.0
        self._parser: Any = (httptools.HttpRequestParser if sender == "client" else httptools.HttpResponseParser)(self)

    def feed(self, piece: Piece) -> None:
        """Take the next bytes of this direction."""
        self._at = piece.at
        if self.upgraded is not None:
            self.upgraded.append(piece)
            return
        try:
            self._parser.feed_data(piece.data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgraded = [Piece(piece.sender, piece.data[upgrade.args[0] :], piece.at)]

    def on_message_begin(self) -> None:
        self.messages.append(_Message(self._at))

    def on_url(self, url: bytes) -> None:
        self.messages[-1].target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.messages[-1].headers.append((name, value))

    def on_headers_complete(self) -> None:
        message = self.messages[-1]
        if self.sender == "client":
            message.method = self._parser.get_method().decode("ascii")
        else:
            message.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.messages[-1].chunks.append(Chunk(data, self._at))

    def on_message_complete(self) -> None:
        self.messages[-1].ended = self._at
        self.messages[-1].complete = True


def _entries(connection: Connection) -> Iterator[Exchange | Session]:
    client, server = _Side("client"), _Side("server")
    for piece in connection.pieces:
        (client if piece.sender == "client" else server).feed(piece)
    answers = iter(server.messages)
    for number, asked in enumerate(client.messages):
        request = Request(
            asked.method,
            asked.target.decode("latin-1"),
            asked.raw_headers,
            b"".join(chunk.data for chunk in asked.chunks),
        )
        scope = header_value(request.headers, SCOPE_HEADER) or b""
        origin = Origin(scope=scope.decode("latin-1"))
        answer = next(answers, None)
        if answer is not None and answer.status == 101:
            yield _session(number, request, answer, client, server, origin)
            return
        yield _exchange(number, request, asked, answer, origin)


def _exchange(number: int, request: Request, asked: _Message, answer: _Message | None, origin: Origin) -> Exchange:
    if answer is None:
        return Exchange(number, request, None, asked.started, asked.started, "no answer", origin)
    response = Response(answer.status, answer.raw_headers, tuple(answer.chunks), answer.complete)
    failure = None if answer.complete else "broken off"
    return Exchange(number, request, response, asked.started, answer.ended or answer.started, failure, origin)


def _session(number: int, request: Request, answer: _Message, client: _Side, server: _Side, origin: Origin) -> Session:
    if header_value(answer.raw_headers, b"sec-websocket-extensions"):
        raise TargetError("the session was compressed: its frames cannot be compared with the provider's")
    both = [*_frames(client.upgraded or [], "client"), *_frames(server.upgraded or [], "server")]
    both.sort(key=lambda entry: entry.at)
    frames = tuple(entry for entry in both if isinstance(entry, Frame))
    closes = [entry for entry in both if isinstance(entry, Close)]
    ended = both[-1].at if both else answer.started
    close = closes[0] if closes else None
    started = client.messages[-1].started
    return Session(
        number, request, answer.status, frames, close, started, ended, origin, answer_headers=answer.raw_headers
    )


def _frames(pieces: Iterable[Piece], sender: Sender) -> Iterator[Frame | Close]:
    """The messages of one direction, fragments joined; control frames but the close are left out."""
    reader = StreamReader()
    parsing = _parse(reader, sender)
    opcode, parts = 0, b""
    for piece in pieces:
        reader.feed_data(piece.data)
        while (wire := next(parsing)) is not None:
            if wire.opcode is Opcode.CLOSE:
                close = CloseFrame.parse(wire.data) if wire.data else None
                yield Close(sender, close.code if close else None, close.reason if close else "", piece.at)
            elif wire.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                opcode = {Opcode.TEXT: TEXT, Opcode.BINARY: BINARY}.get(wire.opcode, opcode)
                parts += bytes(wire.data)
                if wire.fin:
                    yield Frame(sender, opcode, parts, piece.at)
                    parts = b""


def _parse(reader: StreamReader, sender: Sender) -> Iterator[WireFrame | None]:
    """Whole frames as they become complete; None where more bytes are needed."""
    while True:
        waiting: Generator[None, None, WireFrame] = WireFrame.parse(
            reader.read_exact, mask=sender == "client", max_size=None
        )
        while True:
            try:
                next(waiting)
            except StopIteration as whole:
                yield whole.value
                break
            yield None
