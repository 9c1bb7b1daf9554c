"""One HTTP/1.1 request over a socket of its own, byte for byte as written, and what came back.

Answers are read by httptools, which no gateway of ours uses for the same job. Times are those of `time.monotonic`.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httptools

from ..messages import Chunk, RawHeaders, Response
from .model import Ask

CONNECT_LIMIT_S: Final = 5.0
_READ_SIZE: Final = 65536
_STRAY_S: Final = 0.15
"""How long bytes may come after the head of an answer to HEAD before there are taken to be none."""
_UPLOAD_PAUSE_S: Final = 0.2

SWITCHING: Final = 101


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway listens; `tls` None: without TLS. `authority` is what stands in Host."""

    host: str
    port: int
    authority: str
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back. `response` None: nothing that has a head; `problem` says in words what went wrong."""

    response: Response | None
    started: float
    ended: float
    head_at: float | None
    interim: tuple[int, ...]
    problem: str | None


@dataclass(slots=True)
class _Reading:
    """httptools' callbacks: the answer as far as it came."""

    is_head: bool
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    chunks: list[Chunk] = field(default_factory=list[Chunk])
    interim: list[int] = field(default_factory=list[int])
    head_at: float | None = None
    is_whole: bool = False
    now: float = 0.0
    size: int = 0
    has_more: bool = False
    """Whether bytes came behind the end of the answer."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    parser: Any = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises httptools.HttpParserError if they are no HTTP."""
        self.now = time.monotonic()
        if self.is_head and self.head_at is not None:
            self.on_body(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_whole = True

    def on_message_begin(self) -> None:
        if self.is_whole:
            self.has_more = True
        else:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_at is None:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.is_whole:
            return
        self.status = self.parser.get_status_code()
        if self.status >= 200 or self.status == SWITCHING:
            self.head_at = self.now

    def on_body(self, data: bytes) -> None:
        if self.is_whole:
            return
        self.chunks.append(Chunk(data, self.now))
        self.size += len(data)

    def on_message_complete(self) -> None:
        if self.head_at is None:
            self.interim.append(self.status)
        else:
            self.is_whole = True

    @property
    def has_framing(self) -> bool:
        """Whether the end of the body can be told without the end of the connection."""
        names = {name.lower() for name, _ in self.headers}
        return not names.isdisjoint((b"content-length", b"transfer-encoding"))

    def response(self, at_end: bool) -> Response | None:
        """The answer; `at_end`: the connection ended in order."""
        if self.head_at is None:
            return None
        complete = self.is_whole or self.is_head or (at_end and not self.has_framing)
        return Response(self.status, tuple(self.headers), tuple(self.chunks), complete)


async def exchange(address: Address, head: bytes, ask: Ask, seen_upstream: Callable[[], Awaitable[None]]) -> Heard:
    """Send one request and read its answer; never raises for what the gateway does.

    `head` is the whole head with its empty line. `seen_upstream` returns once the provider has seen the request.
    """
    started = time.monotonic()
    reading = _Reading(is_head=ask.method == "HEAD")
    reading.parser = httptools.HttpResponseParser(reading)
    problem: str | None = None
    at_end = False
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls)
    except (OSError, TimeoutError) as error:
        return Heard(None, started, time.monotonic(), None, (), f"no connection: {error or 'no answer in time'}")
    try:
        async with asyncio.timeout(ask.limit_s):
            at_end = await _converse(reader, writer, head, ask, reading, seen_upstream)
    except TimeoutError:
        problem = f"no whole answer in {ask.limit_s:g} s"
    except httptools.HttpParserError as error:
        problem = f"the answer is no HTTP: {error}"
    except OSError as error:
        problem = f"the connection broke: {error}"
    finally:
        await _closed(writer)
    response = reading.response(at_end)
    if reading.has_more:
        problem = "a second answer came behind the first"
    if problem is None and response is None and ask.leaves is None:
        problem = "the connection ended without an answer"
    return Heard(response, started, time.monotonic(), reading.head_at, tuple(reading.interim), problem)


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    head: bytes,
    ask: Ask,
    reading: _Reading,
    seen_upstream: Callable[[], Awaitable[None]],
) -> bool:
    """Write and read at once; whether the connection ended in order."""
    listening = asyncio.ensure_future(_listen(reader, reading, ask))
    try:
        writer.write(head)
        await _send_body(writer, ask, reading)
        if ask.leaves == "mid-upload":
            await asyncio.sleep(_UPLOAD_PAUSE_S)
            return False
        if ask.leaves == "unanswered":
            await seen_upstream()
            return False
        return await listening
    except ConnectionError:
        # The gateway may have answered before it closed: what it said counts.
        return await listening
    finally:
        if not listening.done():
            listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _send_body(writer: asyncio.StreamWriter, ask: Ask, reading: _Reading) -> None:
    if ask.expects_continue:
        await _until(lambda: bool(reading.interim) or reading.head_at is not None, reading, ask.continue_within_s)
        if reading.head_at is not None:
            return
    for index, piece in enumerate(_pieces(ask)):
        if index:
            await asyncio.sleep(ask.piece_gap_s)
        writer.write(_framed(piece, ask))
        await writer.drain()
        if ask.leaves == "mid-upload":
            return
    if ask.framing == "chunked":
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _framed(piece: bytes, ask: Ask) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if ask.framing == "chunked" else piece


def _pieces(ask: Ask) -> list[bytes]:
    if not ask.body:
        return []
    size = -(-len(ask.body) // max(ask.pieces, 1))
    return [ask.body[start : start + size] for start in range(0, len(ask.body), size)]


async def _listen(reader: asyncio.StreamReader, reading: _Reading, ask: Ask) -> bool:
    while not reading.is_whole:
        if ask.leaves == "mid-answer" and reading.size >= max(ask.leaves_after, 1):
            return False
        if reading.is_head and reading.head_at is not None:
            return await _no_stray(reader, reading)
        data = await reader.read(_READ_SIZE)
        if not data:
            return True
        reading.feed(data)
        reading.changed.set()
    return False


async def _no_stray(reader: asyncio.StreamReader, reading: _Reading) -> bool:
    try:
        async with asyncio.timeout(_STRAY_S):
            data = await reader.read(_READ_SIZE)
            if data:
                reading.feed(data)
            return not data
    except TimeoutError:
        return False


async def _until(holds: Callable[[], bool], reading: _Reading, within_s: float) -> None:
    """Return when `holds`, or after that time."""
    try:
        async with asyncio.timeout(within_s):
            while not holds():
                reading.changed.clear()
                await reading.changed.wait()
    except TimeoutError:
        return


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    except (OSError, TimeoutError, ssl.SSLError):
        writer.transport.abort()


def head_of(method: str, target: str, headers: RawHeaders, raw_lines: bytes) -> bytes:
    """A request head as HTTP/1.1 bytes."""
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n".encode("latin-1") + lines + raw_lines + b"\r\n"
