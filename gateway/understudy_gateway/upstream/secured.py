"""TLS towards a provider, between a TCP connection and a Wire that takes it for its transport.

The loop's own TLS throws away what lies unread when a write fails, and with it an early answer (R-11); it also cannot
say whether the provider took leave, without which an answer that ends with the connection is cut off (RFC 9112 9.8).
"""

import asyncio
import socket
import ssl
from typing import Any, Final, cast

_READ_BYTES: Final = 256 * 1024


class Secured(asyncio.Transport, asyncio.Protocol):
    """The transport of `above`, and the protocol of a TCP connection. `shaken` is done when the handshake is.

    `shaken` raises ssl.SSLError for a certificate that is not trusted, ConnectionError for a connection that is lost.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: ssl.SSLContext,
        host: str,
        connection: socket.socket,
        above: asyncio.Protocol,
    ) -> None:
        super().__init__()
        self.shaken: Final[asyncio.Future[None]] = loop.create_future()
        self._socket = connection
        self._above = above
        self._below: asyncio.Transport | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._is_open = False
        self._is_over = False

    # -- the protocol of what lies below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: shake hands."""
        self._below = cast("asyncio.Transport", transport)
        self._shake()

    def data_received(self, data: bytes) -> None:
        """Records came."""
        self._incoming.write(data)
        if not self._is_open:
            self._shake()
        if self._is_open:
            self._decrypt()

    def eof_received(self) -> bool:
        """The connection ended; nobody took leave, or it would be over already."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what came before that is still given."""
        if exc is not None and self._is_open:
            self._read_the_rest()
        self._below = None
        if not self.shaken.done():
            self.shaken.set_exception(exc or ConnectionResetError("the connection ended in the TLS handshake"))
            self.shaken.exception()  # who waits is told; nobody may be waiting any more
        if self._is_open:
            self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """Too much waits below."""
        if self._is_open:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """It waits no more."""
        if self._is_open:
            self._above.resume_writing()

    # -- the transport of what lies above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self._below is None or self._below.is_closing():
            return
        try:
            sent = self._tls.write(data)
            if sent < len(data):  # a record at a time
                rest = memoryview(data)
                while sent < len(rest):
                    sent += self._tls.write(rest[sent:])
        except ssl.SSLError:
            self.abort()
            return
        self._flush()

    def abort(self) -> None:
        """Close at once; the provider needs no leave, since no answer of ours ends with the connection."""
        if self._below is not None:
            self._below.abort()

    def close(self) -> None:
        """Close once all is sent."""
        if self._below is not None:
            self._below.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._below is None or self._below.is_closing()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._below is not None:
            self._below.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait below."""
        return 0 if self._below is None else self._below.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        if name == "ssl_object":
            return self._tls
        return default if self._below is None else self._below.get_extra_info(name, default)

    # -- between the two

    def _flush(self) -> None:
        if self._outgoing.pending and self._below is not None:
            self._below.write(self._outgoing.read())

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()
            if not self.shaken.done():
                self.shaken.set_exception(error)
            self.close()
        else:
            self._flush()
            self._is_open = True
            self._above.connection_made(self)
            if not self.shaken.done():
                self.shaken.set_result(None)

    def _decrypt(self) -> None:
        pieces: list[bytes] = []
        has_left = has_failed = False
        try:
            while piece := self._tls.read(_READ_BYTES):
                pieces.append(piece)
            has_left = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            has_failed = True
        self._flush()
        if pieces and not self._is_over:
            self._above.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if has_left and not self._is_over:
            self._is_over = True
            self._above.eof_received()
        if has_left or has_failed:
            self.abort()

    def _read_the_rest(self) -> None:
        """Take what came before writing failed: the loop closes the socket only after this."""
        try:
            while not self._is_over and (data := self._socket.recv(_READ_BYTES)):
                self.data_received(data)
        except OSError:  # nothing more, or the reset itself
            return
