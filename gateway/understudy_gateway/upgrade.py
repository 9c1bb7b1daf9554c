"""The WebSocket opening handshake on both sides (RFC 6455 4): what a client must send, and dialling the upstream.

permessage-deflate is negotiated end to end (WS-11): the client's offers go up, the provider's answer comes back.
"""

import asyncio
import binascii
import hashlib
import os
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final, Literal, cast

import httptools

from understudy.messages import RawHeaders, header_value, header_values

from .inflating import Deflate, agreed
from .refusals import Reason
from .settings import UNIX
from .upstream.dialling import Dialler
from .upstream.exchanges import UpstreamError

KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""A subprotocol that begins so carries a gateway key: never offered upstream, never selected (WS-3, S-59)."""

MAX_ANSWER_HEAD: Final = 64 * 1024
MAX_REFUSAL_BODY: Final = 1024 * 1024

_ACCEPT_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DEFAULT_PORT: Final = {"ws": 80, "wss": 443}


class DialError(Exception):
    """No WebSocket and no answer either; the text is one of a few fixed ones and names no host. `reason`: ERR-3."""

    def __init__(self, why: str, reason: Reason = Reason.UNREACHABLE) -> None:
        super().__init__(why)
        self.reason = reason

    @property
    def status(self) -> int:
        """The HTTP status that fits."""
        return self.reason.status


class DialFailed(DialError):
    """The upstream could not be reached, refused TLS, broke off, or answered what is no answer: 502 or 508."""


class DialTimedOut(DialError):
    """The upstream took too long to connect or to answer: 504."""

    def __init__(self, why: str) -> None:
        super().__init__(why, Reason.CONNECT_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Dial:
    """One upstream WebSocket to open.

    `target` goes onto the request line as it is. `headers` are clean already: none of Host, Connection, Upgrade or
    Sec-WebSocket-*, which are written here. `extensions` are offers of permessage-deflate. `ssl` is needed for `wss`.
    `connect_timeout_s` holds for TCP and TLS together, `answer_timeout_s` for the answer with its body. `dialler` knows
    where to connections may go.
    """

    scheme: Literal["ws", "wss"]
    host: str
    port: int
    target: bytes
    headers: RawHeaders = ()
    subprotocols: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    ssl: SSLContext | None = None
    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 10.0
    dialler: Dialler | None = None

    @property
    def authority(self) -> str:
        """Host and port as the Host field has them."""
        if self.host.startswith(UNIX):
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Refused:
    """The upstream answered by HTTP instead: what the client is to get (WS-4). Hop-by-hop fields are still in it."""

    status: int
    reason: str
    headers: RawHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class Upgraded:
    """An open upstream WebSocket: reading is paused, `leftover` came with the answer. The taker sets the protocol."""

    transport: asyncio.Transport
    leftover: bytes
    headers: RawHeaders
    subprotocol: str | None
    deflate: Deflate | None = None

    @property
    def extension(self) -> bytes | None:
        """The provider's answer to the offers of extensions, as it came."""
        return header_value(self.headers, b"sec-websocket-extensions") if self.deflate is not None else None


@dataclass(frozen=True, slots=True)
class HandshakeFault:
    """Why a client's request opens no WebSocket: the HTTP status, a sentence, and fields that the answer must have."""

    status: int
    message: str
    headers: RawHeaders = ()


def handshake_fault(method: str, version: tuple[int, int], headers: RawHeaders) -> HandshakeFault | None:
    """What is wrong with a client's opening handshake, or None (RFC 6455 4.2.1)."""
    upgrade = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
    if method != "GET" or version < (1, 1):
        return HandshakeFault(400, "A WebSocket handshake is a GET request of HTTP/1.1.")
    if "websocket" not in _words(headers, b"upgrade") or "upgrade" not in _words(headers, b"connection"):
        return HandshakeFault(426, "This path speaks WebSocket only.", upgrade)
    if header_values(headers, b"sec-websocket-version") != (b"13",):
        return HandshakeFault(426, "WebSocket version 13 is needed.", (*upgrade, (b"Sec-WebSocket-Version", b"13")))
    if header_value(headers, b"transfer-encoding") or header_values(headers, b"content-length") not in ((), (b"0",)):
        return HandshakeFault(400, "A WebSocket handshake has no body.")
    keys = header_values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_nonce(keys[0]):
        return HandshakeFault(400, "Sec-WebSocket-Key must be there once, 16 bytes in base64.")
    if not all(name and _TOKEN.issuperset(name) for name in subprotocols_of(headers)):
        return HandshakeFault(400, "Sec-WebSocket-Protocol must be a list of names.")
    return None


def subprotocols_of(headers: RawHeaders) -> tuple[str, ...]:
    """The subprotocols that a client offers, in order, those that carry a key included."""
    values = header_values(headers, b"sec-websocket-protocol")
    return tuple(name.strip(" \t") for value in values for name in value.decode("latin-1").split(","))


def without_keys(subprotocols: tuple[str, ...]) -> tuple[str, ...]:
    """Those subprotocols that carry no gateway key."""
    return tuple(name for name in subprotocols if not name.lower().startswith(KEY_SUBPROTOCOL))


def accept_value(key: bytes) -> bytes:
    """The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 4.2.2)."""
    return b64encode(hashlib.sha1(key + _ACCEPT_SALT, usedforsecurity=False).digest())


def switching_head(
    headers: RawHeaders, subprotocol: str | None, more: RawHeaders, extension: bytes | None = None
) -> bytes:
    """The 101 that answers a client's faultless handshake `headers`; `more` are further fields of the answer."""
    fields: RawHeaders = (
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_value(header_value(headers, b"sec-websocket-key") or b"")),
        *(((b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1")),) if subprotocol else ()),
        *(((b"Sec-WebSocket-Extensions", extension),) if extension else ()),
        *more,
    )
    return _head(b"HTTP/1.1 101 Switching Protocols", fields)


def request_head(dial: Dial, key: bytes) -> bytes:
    """The handshake that opens `dial`; raises ValueError rather than let a line break out of its line (S-38)."""
    offered = ", ".join(without_keys(dial.subprotocols))
    fields: RawHeaders = (
        (b"Host", dial.authority.encode("ascii")),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", key),
        (b"Sec-WebSocket-Version", b"13"),
        *(((b"Sec-WebSocket-Protocol", offered.encode("latin-1")),) if offered else ()),
        *(((b"Sec-WebSocket-Extensions", ", ".join(dial.extensions).encode("latin-1")),) if dial.extensions else ()),
        *dial.headers,
    )
    return _head(b"GET " + dial.target + b" HTTP/1.1", fields)


async def open_upstream(dial: Dial, random_bytes: Callable[[int], bytes] = os.urandom) -> Upgraded | Refused:
    """Dial, shake hands, and hand over the open connection or the refusal; a `DialError` if there is neither.

    Nothing is tried twice. `random_bytes` makes the nonce of the handshake.
    """
    if dial.scheme == "wss" and dial.ssl is None:
        raise ValueError("wss needs an SSL context")
    key = b64encode(random_bytes(16))
    handshake = _Handshake(asyncio.get_running_loop(), request_head(dial, key))
    transport = await _connected(dial, handshake)
    try:
        try:
            async with asyncio.timeout(dial.answer_timeout_s):
                answer = await handshake.answer
        except TimeoutError:
            raise DialTimedOut("the upstream did not answer the handshake in time") from None
        if isinstance(answer, Refused):
            transport.close()
            return answer
        subprotocol = _judge_switch(answer, key, without_keys(dial.subprotocols))
        try:
            deflate = agreed(header_values(answer.headers, b"sec-websocket-extensions"), dial.extensions)
        except ValueError as error:
            raise DialFailed("the upstream chose an extension that was not offered") from error
        return Upgraded(transport, handshake.leftover, answer.headers, subprotocol, deflate)
    except BaseException:
        transport.abort()
        raise


async def _connected(dial: Dial, handshake: "_Handshake") -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    context = dial.ssl if dial.scheme == "wss" else None

    async def made(connection: socket.socket) -> asyncio.Transport:
        transport, _ = await loop.create_connection(
            lambda: handshake,
            sock=connection,
            ssl=context,
            server_hostname=dial.host if context else None,
            # Without it a peer that never says goodbye would hold a closing TLS connection for half a minute.
            ssl_shutdown_timeout=1.0 if context else None,
        )
        return transport

    dialler = dial.dialler or Dialler(dial.connect_timeout_s)
    try:
        return await dialler.dialled(dial.scheme, dial.host, dial.port, made)
    except UpstreamError as error:
        if error.reason is Reason.CONNECT_TIMEOUT:
            raise DialTimedOut("the upstream could not be connected in time") from None
        raise DialFailed("the upstream could not be connected", error.reason) from error


@dataclass(frozen=True, slots=True)
class _Switched:
    """The head of a 101."""

    headers: RawHeaders


class _Handshake(asyncio.Protocol):
    """Sends the head, then reads the answer: `answer` becomes a switch, a refusal or a `DialFailed`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, head: bytes) -> None:
        self.answer: asyncio.Future[_Switched | Refused] = loop.create_future()
        self.leftover = b""
        self._head = head
        self._reader = _AnswerReader()
        self.answer.add_done_callback(self._reader.close)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            self.leftover += data
            return
        reader = self._reader
        try:
            reader.feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.leftover = data[cast("int", upgrade.args[0]) :]
            if self._transport is not None:
                self._transport.pause_reading()
            self.answer.set_result(_Switched(tuple(reader.headers)))
            return
        except httptools.HttpParserError:
            # What comes behind a whole refusal is no concern of ours: the connection is not used again.
            if reader.refusal is None:
                self._fail("the upstream's answer to the handshake is no HTTP")
                return
        if reader.refusal is not None:
            self.answer.set_result(reader.refusal)
        elif reader.is_too_long(len(data)):
            self._fail("the upstream's answer to the handshake is too long")

    def eof_received(self) -> None:
        self._reader.end()
        if self.answer.done():
            return
        if self._reader.refusal is not None:
            self.answer.set_result(self._reader.refusal)
        else:
            self._fail("the upstream broke off during the handshake")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the upstream broke off during the handshake")

    def _fail(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(DialFailed(why))


class _AnswerReader:
    """What httptools calls while it reads the answer; interim answers (1xx but 101) are passed over (S-41)."""

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.refusal: Refused | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self._head_done = False
        self._status = 0
        self._reason = b""
        self._body = bytearray()
        self._received = 0

    def feed(self, data: bytes) -> None:
        """Read bytes of the answer. Raises what httptools raises."""
        if self._parser is not None:
            self._parser.feed_data(data)

    def close(self, answer: "asyncio.Future[_Switched | Refused]") -> None:
        """There is an answer: let go of httptools' parser, which holds this object, so that it needs no collector."""
        del answer
        self._parser = None

    def is_too_long(self, received: int) -> bool:
        """Whether the answer is over the limits once `received` bytes more have been read."""
        self._received += received
        in_body = self._head_done and self._status >= 200
        return self._received > MAX_ANSWER_HEAD + (MAX_REFUSAL_BODY if in_body else 0)

    def end(self) -> None:
        """The connection has ended: a body that has no length and no chunks is whole by that (RFC 9112 6.3)."""
        framed = header_value(tuple(self.headers), b"content-length") or _words(self.headers, b"transfer-encoding")
        if self._head_done and not framed:
            self.on_message_complete()

    def on_message_begin(self) -> None:
        if self.refusal is None:
            self.headers.clear()
            self._head_done, self._reason = False, b""

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:  # else it is a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_done = True
        assert self._parser is not None
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self.refusal is None and self._status >= 200:
            reason = self._reason.decode("latin-1")
            self.refusal = Refused(self._status, reason, tuple(self.headers), bytes(self._body))


def _judge_switch(answer: _Switched, key: bytes, offered: tuple[str, ...]) -> str | None:
    """The subprotocol that the upstream chose; `DialFailed` if its 101 is not the one we asked for (RFC 6455 4.1)."""
    headers = answer.headers
    if "websocket" not in _words(headers, b"upgrade") or "upgrade" not in _words(headers, b"connection"):
        raise DialFailed("the upstream switched to another protocol")
    if header_values(headers, b"sec-websocket-accept") != (accept_value(key),):
        raise DialFailed("the upstream's handshake has a wrong accept value")
    match subprotocols_of(headers):
        case ():
            return None
        case (one,) if one in offered:
            return one
        case _:
            raise DialFailed("the upstream chose a subprotocol that was not offered")


def _head(first_line: bytes, fields: RawHeaders) -> bytes:
    lines = (first_line, *(name + b": " + value for name, value in fields))
    if any(byte in line for line in lines for byte in (b"\r", b"\n", b"\0")):
        raise ValueError("a line break or NUL in a head")
    return b"\r\n".join((*lines, b"", b""))


def _words(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> tuple[str, ...]:
    """The comma-separated words of a field, in lower case."""
    values = header_values(tuple(headers), name)
    return tuple(word.strip(" \t").lower() for value in values for word in value.decode("latin-1").split(","))


def _is_nonce(key: bytes) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
