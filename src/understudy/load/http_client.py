"""A small blocking HTTP/1.1 client that says when each part of an answer came: connections are kept and used again.

It runs on the socket module alone, so that locust's green threads can use it unchanged.
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httptools

from ..messages import RawHeaders
from .failures import PlayFailure

LIMIT_S: Final = 30.0
"""How long one wait on the network may take."""

_READ: Final = 65536


@dataclass(frozen=True, slots=True)
class Address:
    """Where an arm is; `authority` is what stands in the Host header, `tls` the context for https."""

    host: str
    port: int
    authority: str
    tls: ssl.SSLContext | None = None

    def connected(self) -> socket.socket:
        """A new connection. Raises OSError."""
        raw = socket.create_connection((self.host, self.port), LIMIT_S)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return raw if self.tls is None else self.tls.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise


class _Answer:
    """What the parser calls back: the status, when parts of the body came, and whether it is whole."""

    def __init__(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.keeps = False
        self.is_whole = False
        self.size = 0
        self.parts = 0

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self.size += len(data)
        self.parts += 1

    def on_message_complete(self) -> None:
        """The end of the answer; afterwards the parser has forgotten whether the connection is kept."""
        self.is_whole = True
        self.keeps = bool(self.parser.should_keep_alive())


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: its status, the size of its body, and when body bytes came (seconds of `time.perf_counter`)."""

    status: int
    size: int
    arrivals: tuple[float, ...]
    ended: float


class Connections:
    """Kept connections to one address; each is used by one request at a time, the last used one first."""

    def __init__(self, address: Address, clock: Callable[[], float] = time.perf_counter) -> None:
        self._address = address
        self._clock = clock
        self._idle: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def ask(self, method: str, target: str, headers: RawHeaders, body: bytes) -> Heard:
        """One request and its answer, read to its end. Raises PlayFailure.

        A kept connection that the other side has closed meanwhile is exchanged for a new one before anything is sent.
        """
        head = _head(method, target, ((b"Host", self._address.authority.encode()), *headers), len(body))
        try:
            connection = self._kept() or self._address.connected()
        except OSError as error:
            raise PlayFailure.of(error, "connect") from error
        is_good = False
        try:
            connection.sendall(head + body)
            heard, is_good = self._read(connection)
            return heard
        except httptools.HttpParserError as error:
            raise PlayFailure("the answer is no HTTP") from error
        except OSError as error:
            raise PlayFailure.of(error, "answer") from error
        finally:
            if is_good:
                self._idle.append(connection)
            else:
                connection.close()

    def _kept(self) -> socket.socket | None:
        """An idle connection that is still open."""
        while self._idle:
            connection = self._idle.pop()
            if not _is_spent(connection):
                return connection
            connection.close()
        return None

    def _read(self, connection: socket.socket) -> tuple[Heard, bool]:
        answer = _Answer()
        arrivals: list[float] = []
        now = self._clock()
        while not answer.is_whole:
            data = connection.recv(_READ)
            now = self._clock()
            if not data:
                raise PlayFailure("broken off" if answer.parser.get_status_code() else "closed without an answer")
            before = answer.parts
            answer.parser.feed_data(data)
            if answer.parts > before:
                arrivals.append(now)
        status = answer.parser.get_status_code()
        return Heard(status, answer.size, tuple(arrivals), now), answer.keeps


def _is_spent(connection: socket.socket) -> bool:
    """Whether the other side has closed an idle connection, or has said something that nobody asked for."""
    timeout = connection.gettimeout()
    connection.settimeout(0.0)
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection.recv(1)
        else:
            connection.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout)
    return True


def _head(method: str, target: str, headers: Sequence[tuple[bytes, bytes]], length: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1".encode(), *(name + b": " + value for name, value in headers)]
    if length:
        lines.append(b"Content-Length: %d" % length)
    return b"\r\n".join([*lines, b"", b""])
