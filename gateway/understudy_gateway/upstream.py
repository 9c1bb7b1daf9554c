"""The provider's side of an HTTP exchange behind one small interface, and its first implementation, by aiohttp.

An exchange: `open` sends the head, `send` and `end` the body, `head` waits for the answer's head, `receive` gives its
body; then `release` keeps the connection for the next one, or `abort` closes it. Nothing is sent twice (S-75) but a
request without a body, of an idempotent method, whose pooled connection turned out to be closed.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, cast

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.payload import Payload
from multidict import CIMultiDict, istr
from yarl import URL

from understudy.messages import RawHeaders

from .refusals import Reason
from .routes import Upstream

_HEAD_LIMIT: Final = 256 * 1024
_FIELD_LIMIT: Final = 1000
_POOL_IDLE_S: Final = 30.0
_NO_AUTO: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class UpstreamError(Exception):
    """The exchange failed. `reason` is the refusal to answer with if no head came yet; `was_sent`: maybe executed."""

    def __init__(self, reason: Reason, *, was_sent: bool) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request to be sent. `headers` have neither Host nor framing.

    `length` is the body's length in bytes if it is known; `is_chunked`: there is a body of unknown length; else none.
    """

    method: str
    upstream: Upstream
    target: bytes
    headers: RawHeaders
    length: int | None = None
    is_chunked: bool = False


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """An answer's head, as it came."""

    status: int
    reason: str
    headers: RawHeaders


class UpstreamExchange(Protocol):
    """One request under way. Every method but `release` and `abort` raises UpstreamError."""

    async def send(self, data: bytes) -> None:
        """Send the next bytes of the body; waits while the connection is full."""
        ...

    async def end(self) -> None:
        """The body is complete."""
        ...

    async def head(self) -> ResponseHead:
        """The answer's head, once it is there; it may come before the body was sent."""
        ...

    async def receive(self) -> bytes:
        """The next bytes of the answer's body as they came; empty at its end."""
        ...

    async def release(self) -> None:
        """The exchange is over; keep the connection if nothing is left on it."""
        ...

    async def abort(self) -> None:
        """Close the connection at once."""
        ...


class HttpUpstream(Protocol):
    """Where exchanges are opened."""

    async def open(self, request: RequestHead) -> UpstreamExchange:
        """Connect (or take a connection that is open) and send the head. Raises UpstreamError."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class AiohttpUpstream:
    """Exchanges by aiohttp's client: no cookies, redirects, proxies, decompression or headers of its own."""

    def __init__(self, tls: ssl.SSLContext, connect_s: float) -> None:
        """`tls` verifies providers; `connect_s` is for name, TCP and TLS together. To be made on the loop."""
        self._session = aiohttp.ClientSession(
            connector=_Connector(tls),
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NO_AUTO,
            auto_decompress=False,
            trust_env=False,
            raise_for_status=False,
            requote_redirect_url=False,
            read_bufsize=64 * 1024,
            max_line_size=_HEAD_LIMIT,
            max_field_size=_HEAD_LIMIT,
            max_headers=_FIELD_LIMIT,
        )

    async def open(self, request: RequestHead) -> "AiohttpExchange":
        """Start the exchange; returns when the connection is there and takes the body."""
        exchange = AiohttpExchange(self._session, request)
        await exchange.started()
        return exchange

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class AiohttpExchange:
    """One exchange. aiohttp wants to pull the body and gives nothing before the head; this turns it round."""

    def __init__(self, session: aiohttp.ClientSession, request: RequestHead) -> None:
        has_body = request.is_chunked or bool(request.length)
        self._body = _PushedBody() if has_body else None
        self._is_ended = not has_body
        self._response: aiohttp.ClientResponse | None = None
        # Told to aiohttp too, which does not count the body otherwise.
        framing = {} if request.length is None else {"Content-Length": str(request.length)}
        upstream = request.upstream
        # The target goes in as the path, query included: so nothing of it is split, sorted or quoted.
        url = URL.build(
            scheme=upstream.scheme,
            host=upstream.host,
            port=upstream.port,
            path=request.target.decode("ascii"),
            encoded=True,
        )
        asking = session.request(
            request.method,
            url,
            data=self._body,
            headers=framing,
            middlewares=(_Head(request),),
            allow_redirects=False,
            chunked=True if request.is_chunked else None,
        )
        self._asking = asyncio.ensure_future(_ask(asking))

    async def started(self) -> None:
        """Wait until the body can be sent, or the head is there, or it is known that neither will be."""
        if self._body is not None:
            ready = asyncio.ensure_future(self._body.ready.wait())
            try:
                await asyncio.wait({ready, self._asking}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self.abort()
                raise
            finally:
                ready.cancel()
            if self._asking.done() and not self._body.ready.is_set():
                await self.head()

    async def send(self, data: bytes) -> None:
        """Send bytes of the body. Raises UpstreamError if the connection is gone."""
        if self._body is None or self._body.writer is None:
            raise UpstreamError(Reason.UPSTREAM_BROKE, was_sent=True)
        try:
            await self._body.writer.write(data)
        except (OSError, aiohttp.ClientError) as error:
            raise UpstreamError(Reason.UPSTREAM_BROKE, was_sent=True) from error

    async def end(self) -> None:
        """The body is complete."""
        self._is_ended = True
        if self._body is not None:
            self._body.ended.set()

    async def head(self) -> ResponseHead:
        """The answer's head. Raises UpstreamError with the reason that fits (ERR-3)."""
        try:
            response = await asyncio.shield(self._asking)
        except aiohttp.ConnectionTimeoutError as error:
            raise UpstreamError(Reason.CONNECT_TIMEOUT, was_sent=False) from error
        except aiohttp.ClientConnectorError as error:
            raise UpstreamError(Reason.UNREACHABLE, was_sent=False) from error
        except (aiohttp.ClientResponseError, HttpProcessingError) as error:
            raise UpstreamError(Reason.UPSTREAM_MALFORMED, was_sent=True) from error
        except (OSError, aiohttp.ClientError, ValueError) as error:
            raise UpstreamError(Reason.UPSTREAM_BROKE, was_sent=True) from error
        self._response = response
        if response.status < 200:  # a 101 that nobody asked for (S-41)
            await self.abort()
            raise UpstreamError(Reason.UPSTREAM_MALFORMED, was_sent=True)
        return ResponseHead(response.status, response.reason or "", response.raw_headers)

    async def receive(self) -> bytes:
        """The next bytes of the body. Raises UpstreamError if the connection broke before its end."""
        assert self._response is not None
        content = self._response.content
        try:
            return await content.readany()
        except (OSError, aiohttp.ClientError) as error:
            # aiohttp raises at once; what had come before the break belongs to the client. Seen in 3.14.
            left = content._read_nowait(-1)  # pyright: ignore[reportPrivateUsage]
            if left:
                return left
            raise UpstreamError(Reason.UPSTREAM_BROKE, was_sent=True) from error

    async def release(self) -> None:
        """Keep the connection, but only after a whole request and a whole answer (S-39)."""
        response = self._response
        if response is None or not self._is_ended or not response.content.is_eof():
            await self.abort()
            return
        response.release()

    async def abort(self) -> None:
        """Close the connection; what still waits for it ends."""
        self._asking.cancel()
        if self._response is not None:
            self._response.close()
        if self._body is not None:
            self._body.ended.set()
        (result,) = await asyncio.gather(self._asking, return_exceptions=True)
        if isinstance(result, aiohttp.ClientResponse):
            result.close()


async def _ask(asking: Any) -> aiohttp.ClientResponse:
    return cast("aiohttp.ClientResponse", await asking)


def _name(name: bytes) -> str:
    """The field's name; an istr spares aiohttp folding it, and keeps the case."""
    return istr(name.decode("ascii"))


class _PushedBody(Payload):
    """A request body that is pushed by its owner, in place of being pulled by aiohttp."""

    def __init__(self) -> None:
        super().__init__(None, headers=CIMultiDict[str]())
        self.ready: Final = asyncio.Event()
        self.ended: Final = asyncio.Event()
        self.writer: AbstractStreamWriter | None = None
        self._consumed = True  # so that aiohttp never sends it a second time

    @property
    def size(self) -> int | None:
        """Unknown here; the head says it."""
        return None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """There is nothing to show."""
        return ""

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Hand the writer out, and wait until the body has been pushed."""
        self.writer = writer
        self.ready.set()
        await self.ended.wait()

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """The same: the owner keeps to the length."""
        await self.write(writer)


class _Head:
    """Writes a request's head as it is to be, as a middleware, which sees the request last.

    aiohttp's session merges repeated fields of different case, and invents a Content-Length for a request that has no
    body (BODY-3); seen in 3.14.
    """

    def __init__(self, request: RequestHead) -> None:
        self._request = request

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Put the head right, and go on."""
        head = CIMultiDict[str]({"Host": self._request.upstream.authority})
        for name, value in self._request.headers:
            head.add(_name(name), value.decode("utf-8"))
        if self._request.is_chunked:
            head.add("Transfer-Encoding", "chunked")
        elif self._request.length is not None:
            head.add("Content-Length", str(self._request.length))
        request.headers = head
        return await handler(request)


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, which hands out an idle connection without looking whether bytes came on it meanwhile.

    Such bytes would be taken for the answer to the next request (S-39); a connection that has any is closed. Seen in
    aiohttp 3.14.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, ssl=tls, keepalive_timeout=_POOL_IDLE_S)  # pyright: ignore[reportUnknownMemberType]
        self._factory = partial(_Protocol, loop=self._loop)

    async def _get(self, key: ConnectionKey, traces: Iterable[Any]) -> Connection | None:  # type: ignore[override]
        while True:
            connection = await super()._get(key, cast("Any", traces))
            if connection is None or connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


class _Protocol(ResponseHandler):
    """aiohttp's connection, which forgets to tell the reader of a body that its chunks became malformed.

    The reader would wait for ever (R-7). Seen in aiohttp 3.14 with its compiled parser.
    """

    def connection_lost(self, exc: BaseException | None) -> None:
        """As in aiohttp; a body that has no end by then is broken."""
        body = self._payload
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("the connection ended in the middle of the body"))
