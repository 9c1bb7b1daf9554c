"""The cheapest provider: it answers prebuilt bytes to requests whose form is known, and speaks just enough WebSocket.

A request's end is told by its last bytes, a Live message's end by its length; each is parsed only the first time.
"""

import base64
import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .engine import Channel, Engine
from .feeding import Feed
from .payloads import CHUNKED_END, frame, setup_answer, setup_message

TAIL: Final = 16
"""How many bytes at the end of a request body tell that it has ended."""

HANDSHAKE_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MASKED_SETUP: Final = len(frame(setup_message(), b"mask"))


@dataclass(frozen=True, slots=True)
class Script:
    """What the upstream does: `body_end` ends each request, `answer` is sent piece by piece.

    With a `feed` that streams the answer instead. On Live it counts client frames of `frame_size` bytes and sends one
    of `frames` for each, in turn.
    """

    body_end: bytes = b""
    answer: tuple[bytes, ...] = ()
    frame_size: int = 0
    frames: tuple[bytes, ...] = ()
    feed: Feed | None = None


class Upstream:
    """The listening side. `script` may be changed between two measurements."""

    def __init__(self, engine: Engine) -> None:
        self.script = Script()
        self._engine = engine
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._socket.setblocking(False)
        self._connections: set[_Connection] = set()
        self.port: Final[int] = self._socket.getsockname()[1]
        engine.add(self._socket.fileno(), self)

    def on_event(self, mask: int) -> None:
        """Accept whoever waits."""
        del mask
        while True:
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                return
            self._connections.add(_Connection(self._engine, accepted, self))

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._engine.remove(self._socket.fileno())
        self._socket.close()
        for connection in tuple(self._connections):
            connection.lost()

    def forget(self, connection: "_Connection") -> None:
        """A connection is gone."""
        self._connections.discard(connection)


class _Connection(Channel):
    """One connection of the program under test."""

    def __init__(self, engine: Engine, sock: socket.socket, upstream: Upstream) -> None:
        super().__init__(engine, sock)
        self._upstream = upstream
        self._read: Callable[[int], None] = self._first_head
        self._head = b""
        self._tail = b""
        self._wanted = b""
        self._count = 0
        self._sent = 0

    def received(self, size: int) -> None:
        """Go on in the state of this connection."""
        self._read(size)

    def lost(self) -> None:
        """Close, and be forgotten."""
        self._upstream.forget(self)
        self.close()

    def _first_head(self, size: int) -> None:
        self._head += self._engine.buffer[:size]
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._head[:end].lower()
        if b"\r\nupgrade: websocket" in head:
            self._accept()
            return
        # Some relays send the body in chunks of their own: then its end looks different.
        self._wanted = CHUNKED_END if b"\r\ntransfer-encoding: chunked" in head else self._upstream.script.body_end
        self._read = self._request
        self._tail = self._head[-TAIL:]
        self._answer_if_whole()

    def _request(self, size: int) -> None:
        if size >= TAIL:
            self._tail = bytes(self._engine.view[size - TAIL : size])
        else:
            self._tail = (self._tail + self._engine.buffer[:size])[-TAIL:]
        if not self._answer_if_whole() and self._engine.buffer.startswith(b"GET "):
            # A connection that served requests is used again, for a handshake.
            self._read, self._head = self._first_head, b""
            self._first_head(size)

    def _answer_if_whole(self) -> bool:
        if not self._tail.endswith(self._wanted):
            return False
        self._tail = b""
        script = self._upstream.script
        for piece in script.answer:
            self.send(piece)
        if script.feed is not None:
            script.feed.begin(self)
        return True

    def _accept(self) -> None:
        self._read = self._setup
        self._count = 0
        self.send(switching_protocols(self._head))

    def _setup(self, size: int) -> None:
        self._count += size
        if self._count >= _MASKED_SETUP:
            self._read = self._messages
            self._count -= _MASKED_SETUP
            self.send(frame(setup_answer()))
            self._messages(0)

    def _messages(self, size: int) -> None:
        script = self._upstream.script
        if not script.frame_size:
            return
        self._count += size
        whole, self._count = divmod(self._count, script.frame_size)
        if whole:
            frames, at = script.frames, self._sent
            self._sent += whole
            self.send(b"".join([frames[number % len(frames)] for number in range(at, at + whole)]))


def switching_protocols(request_head: bytes) -> bytes:
    """The answer that accepts a WebSocket handshake (RFC 6455, 4.2.2)."""
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in request_head.split(b"\r\n")[1:])
    }
    accept = accept_of(fields.get(b"sec-websocket-key", b""))
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n\r\n" % (
        b"Sec-WebSocket-Accept: " + accept
    )


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + HANDSHAKE_GUID).digest())  # noqa: S324 - RFC 6455 wants it
