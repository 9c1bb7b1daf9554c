"""Clients that keep a server busy: they send prebuilt bytes and count answers by length or by their last bytes.

The first answer of every connection is read with care and compared byte for byte; the later ones must look like it.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from understudy.errors import TargetError

from .engine import Channel, Engine
from .payloads import CHUNKED_END, MASK, frame, setup_message, unchunked
from .upstream import accept_of

CONNECT_LIMIT_S: Final = 10.0
IN_FLIGHT: Final = 4
"""Frames of one Live session that are usually on their way at any time."""

NUMBER_DIGITS: Final = 16
_SHOWN: Final = 300
_KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="
_STATUS_OK: Final = b"HTTP/1.1 200"


class Tally:
    """What the clients of one measurement have seen: whole answers, `ready` clients with a good first answer.

    Once `is_ending` is set no client sends anything new; `idle` counts those that have all their answers.
    """

    def __init__(self) -> None:
        self.done = 0
        self.ready = 0
        self.idle = 0
        self.is_ending = False


@dataclass(frozen=True, slots=True)
class Aim:
    """Where clients connect: the name of the program for error texts, its port, and what stands before each path.

    `fields` are header lines for it, each with its end. `echoes`: on Live it sends back what it was sent.
    """

    name: str
    port: int
    prefix: bytes = b""
    fields: bytes = b""
    echoes: bool = False


class Client(Channel):
    """One connection that sends and counts."""

    def __init__(self, engine: Engine, aim: Aim, tally: Tally) -> None:
        super().__init__(engine, socket.create_connection(("127.0.0.1", aim.port), timeout=CONNECT_LIMIT_S))
        self._aim = aim
        self._tally = tally
        self._read: Callable[[int], None] = self._first
        self._first_bytes = b""

    def received(self, size: int) -> None:
        """Go on in the state of this connection."""
        self._read(size)

    def lost(self) -> None:
        """Nobody may close while we measure."""
        self.close()
        raise TargetError(f"{self._aim.name} closed a connection that it should have kept")

    def _first(self, size: int) -> None:
        raise NotImplementedError

    def _grown(self, size: int) -> bytes:
        self._first_bytes += self._engine.buffer[:size]
        return self._first_bytes

    def _wrong(self, what: str, seen: bytes) -> TargetError:
        return TargetError(f"{self._aim.name}: {what}: {seen[:_SHOWN]!r}")


class HttpClient(Client):
    """One request after the other on one connection; `expected` is the body of each answer, None: any, but always as
    long as the first."""

    def __init__(self, engine: Engine, aim: Aim, tally: Tally, request: bytes, expected: bytes | None) -> None:
        super().__init__(engine, aim, tally)
        self._request = request
        self._expected = expected
        self._length = 0
        self._got = 0
        self._tail = b""
        self.send(request)

    def _first(self, size: int) -> None:
        seen = self._grown(size)
        end = seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        if not seen.startswith(_STATUS_OK):
            raise self._wrong("not answered with 200", seen)
        body = seen[end:]
        if b"transfer-encoding: chunked" in seen[:end].lower():
            if not body.endswith(CHUNKED_END):
                return
            body, self._read = unchunked(body), self._chunked
        else:
            if len(body) < (length_in(seen[:end]) if self._expected is None else len(self._expected)):
                return
            self._length, self._read = len(seen), self._fixed
        if self._expected is not None and body != self._expected:
            raise self._wrong("another body than was sent", seen)
        self._first_bytes = b""
        self._tally.ready += 1
        self._next()

    def _fixed(self, size: int) -> None:
        self._got += size
        if self._got >= self._length:
            if self._got > self._length:
                raise self._wrong("more bytes than an answer has", bytes(self._engine.view[:size]))
            self._next()

    def _chunked(self, size: int) -> None:
        self._got += size
        if size >= len(CHUNKED_END):
            self._tail = bytes(self._engine.view[size - len(CHUNKED_END) : size])
        else:
            self._tail = (self._tail + self._engine.buffer[:size])[-len(CHUNKED_END) :]
        if self._tail == CHUNKED_END:
            if self._got < len(self._expected or b"") + len(CHUNKED_END):
                raise self._wrong("fewer bytes than an answer has", bytes(self._engine.view[:size]))
            self._next()

    def _next(self) -> None:
        self._tally.done += 1
        self._got = 0
        self._tail = b""
        if self._tally.is_ending:
            self._tally.idle += 1
        else:
            self.send(self._request)


class FreshClient(Client):
    """One request after the other on one connection, each with a body that was never sent before.

    `before` and `after` are what stands around the number in the request, which has NUMBER_DIGITS digits and begins
    with `serial`, a number of this connection. Answers may differ in length.
    """

    def __init__(self, engine: Engine, aim: Aim, tally: Tally, around: tuple[bytes, bytes], serial: int) -> None:
        super().__init__(engine, aim, tally)
        self._before, self._after = around
        self._number = serial * 10 ** (NUMBER_DIGITS // 2)
        self._is_ready = False
        self._ask()

    def _first(self, size: int) -> None:
        seen = self._grown(size)
        end = seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        if not seen.startswith(_STATUS_OK):
            raise self._wrong("not answered with 200", seen)
        is_chunked = b"transfer-encoding: chunked" in seen[:end].lower()
        if not (seen.endswith(CHUNKED_END) if is_chunked else len(seen) >= end + length_in(seen[:end])):
            return
        self._first_bytes = b""
        self._tally.ready += not self._is_ready
        self._is_ready = True
        self._tally.done += 1
        if self._tally.is_ending:
            self._tally.idle += 1
        else:
            self._ask()

    def _ask(self) -> None:
        self._number += 1
        self.send(b"%s%0*d%s" % (self._before, NUMBER_DIGITS, self._number, self._after))


class LiveClient(Client):
    """One Live session: handshake, setup, then `in_flight` frames on their way at any time.

    `frames` are sent in turn; all answers are as long as `expected`, the first one. Without frames it stays idle.
    """

    def __init__(
        self,
        engine: Engine,
        aim: Aim,
        tally: Tally,
        path: bytes,
        frames: tuple[bytes, ...],
        expected: bytes,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        super().__init__(engine, aim, tally)
        self._frames = frames
        self._expected = expected
        self._in_flight = in_flight
        self._got = 0
        self._sent = 0
        self._received = 0
        self._setup_left = len(frame(setup_message()))
        self.send(handshake(aim, path))

    def _first(self, size: int) -> None:
        seen = self._grown(size)
        end = seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        if not seen.startswith(b"HTTP/1.1 101") or accept_of(_KEY).lower() not in seen[:end].lower():
            raise self._wrong("no WebSocket", seen)
        self._read = self._setup
        self.send(frame(setup_message(), MASK))
        if len(seen) > end:
            raise self._wrong("something before the setup", seen[end:])

    def _setup(self, size: int) -> None:
        self._setup_left -= size
        if self._setup_left < 0:
            raise self._wrong("more than an answer to the setup", bytes(self._engine.view[:size]))
        if self._setup_left == 0:
            self._read = self._first_message
            self._first_bytes = b""
            if self._frames:
                self._send_frames(self._in_flight)
            else:
                self._tally.ready += 1

    def _first_message(self, size: int) -> None:
        seen = self._grown(size)
        if len(seen) >= len(self._expected):
            if not seen.startswith(self._expected):
                raise self._wrong("another message than was sent", seen)
            self._first_bytes = b""
            self._tally.ready += 1
            self._read = self._messages
            self._messages(len(seen))

    def _messages(self, size: int) -> None:
        self._got += size
        whole, self._got = divmod(self._got, len(self._expected))
        if whole:
            self._tally.done += whole
            self._received += whole
            if not self._tally.is_ending:
                self._send_frames(whole)
            elif self._received == self._sent:
                self._tally.idle += 1

    def _send_frames(self, count: int) -> None:
        frames, at = self._frames, self._sent
        self._sent += count
        if count:
            self.send(b"".join([frames[number % len(frames)] for number in range(at, at + count)]))


def length_in(head: bytes) -> int:
    """The Content-Length of a head."""
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


def request_of(aim: Aim, path: bytes, body: bytes) -> bytes:
    """A whole request with this JSON body."""
    return request_head(aim, path, len(body)) + body


def request_head(aim: Aim, path: bytes, length: int) -> bytes:
    """The head of a request with a JSON body of that length, with the headers that the Gemini clients send."""
    return (
        b"POST %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%sContent-Type: application/json\r\nAccept: */*\r\n"
        b"User-Agent: google-genai-sdk/2.0.0 gl-python/3.11\r\nx-goog-api-client: google-genai-sdk/2.0.0\r\n"
        b"Content-Length: %d\r\n\r\n"
    ) % (aim.prefix, path, aim.port, aim.fields, length)


def handshake(aim: Aim, path: bytes) -> bytes:
    """The opening of a WebSocket, without extensions (RFC 6455, 4.1)."""
    return (
        b"GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ) % (aim.prefix, path, aim.port, aim.fields, _KEY)
