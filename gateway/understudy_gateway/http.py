"""Unary and streamed passthrough: one loop. Each chunk is written to the client, and only then shown to the meter.

What ends an exchange (security-reliability 5): the answer's end; the provider breaking off, which breaks the client's
connection too; the client leaving, which cancels the handler and with it the provider's request; or a wait that took
too long. A client that closes only its sending half counts as gone: asyncio's server cannot tell it from leaving.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from understudy.messages import RawHeaders, header_value
from understudy.pricing.cost import plain

from .answers import Answer, refusal_answer
from .credentials import Credentials, CredentialsFailed
from .headers import for_client, shows_google, with_via
from .keys import Caller
from .known_heads import KnownHead
from .metering import Ending, ExchangeMeter, utc_now
from .outgoing import Outgoing, without_fields
from .refusals import Reason, Refusal
from .refusals import Refused as _Refused
from .rewriting import UriRewriter, Way
from .routes import Route
from .settings import GatewayConfig, Provider
from .upstream.exchanges import RequestHead, ResponseHead, UpstreamError, UpstreamSilent
from .upstream.transport import Exchange, HttpUpstream
from .ways import Ways

HELD_BYTES: Final = 64 * 1024
"""Longest answer that may be held back until its cost is known (OBS-3)."""

_STREAMING: Final = frozenset({"streamGenerateContent", "streamRawPredict", "serverStreamingPredict"})
"""Methods whose answers come piece by piece, in whatever content type."""

_CREDENTIAL_SETTING: Final[Mapping[Provider, str]] = {
    "gemini": "GEMINI_API_KEY",
    "pass_through": "headers",
    "vertex_ai": "DEFAULT_GOOGLE_APPLICATION_CREDENTIALS or default_vertex_config.vertex_credentials",
}


_CLOSING: Final = frozenset({Reason.BAD_REQUEST, Reason.REQUEST_TIMEOUT, Reason.BODY_TOO_LARGE})
"""Refusals after which nothing more on the connection can be trusted to be a request (S-36)."""


_UNSENT: Final = Ending(499, "client_abort", was_sent=False)
_SENT: Final = Ending(499, "client_abort")
"""A client that leaves before the answer: what was not sent whole can have been executed by nobody (R-17)."""


@dataclass(slots=True)
class Progress:
    """How far an exchange has come. `ending` is at every moment what it was if the handler is cancelled now."""

    ending: Ending = _UNSENT


class HttpPassthrough:
    """Serves routes that are not Live."""

    def __init__(
        self,
        config: GatewayConfig,
        upstream: HttpUpstream,
        credentials: Mapping[str, Credentials],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._config = config
        self._upstream = upstream
        self._credentials = credentials
        self._is_unbuffered = config.network.unbuffered_sse
        self._via = (config.network.via or "").encode("ascii")
        self._outgoing = Outgoing(config)
        self._ways = Ways(config, now)
        self.is_draining = False

    async def serve(
        self,
        request: web.BaseRequest,
        known: KnownHead,
        meter: ExchangeMeter,
        ids: RawHeaders,
        progress: Progress,
    ) -> Answer:
        """Pass one exchange on. What is returned has been written whole or broken off, or is a refusal to be written.

        `progress` tells how it ended, also when this is cancelled because the client left.
        """
        try:
            head = await self._request_head(request, known)
            await self._continue(request, known)
            way = self._ways.of(request, known.route, known.caller)
            return await self._exchange(request, known.route, head, meter, ids, progress, way)
        except _Refused as refused:
            return self._refusal(refused, ids, progress)

    def _refusal(self, refused: _Refused, ids: RawHeaders, progress: Progress) -> Answer:
        progress.ending = _refused_ending(refused)
        answer = refusal_answer(refused.refusal, ids)
        if refused.refusal.reason in _CLOSING:
            answer.force_close()
        return answer

    async def _request_head(self, request: web.BaseRequest, known: KnownHead) -> RequestHead:
        route = known.route
        if known.coding is not None and known.coding != b"chunked":  # taken off here, it would be lost (S-36)
            raise _Refused(Refusal(Reason.BAD_REQUEST))
        credential = await self._credential(route, request.raw_headers, known.caller)
        headers = known.sent(credential)
        if headers is None:
            headers = self._outgoing.fields(route, request.raw_headers, credential, known.caller)
            if self._via and not isinstance(headers, Refusal):
                headers = with_via(headers, self._via)
            known.send(credential, headers)
        if isinstance(headers, Refusal):
            raise _Refused(headers)
        length = header_value(request.raw_headers, b"content-length")
        if length is not None and int(length) > self._config.limits.request_body_bytes:
            raise _Refused(Refusal(Reason.BODY_TOO_LARGE))
        is_chunked = length is None and known.coding is not None
        return RequestHead(
            request.method, route.upstream, route.target, headers, None if length is None else int(length), is_chunked
        )

    async def _credential(self, route: Route, received: RawHeaders, caller: Caller) -> RawHeaders:
        """The provider credential's field; empty where the client's own passes (AUTH-7)."""
        try:
            return await credential_of(self._config, self._credentials, route, received, caller)
        except CredentialsMissing as missing:
            raise _Refused(Refusal(Reason.NO_CREDENTIALS, missing.setting)) from None
        except CredentialsFailed as failed:
            raise _Refused(Refusal(Reason.CREDENTIALS_FAILED, retry_after_s=failed.retry_after_s)) from None

    async def _continue(self, request: web.BaseRequest, known: KnownHead) -> None:
        """Answer `Expect: 100-continue` now that the key is accepted (HDR-12)."""
        if known.expect == b"100-continue" and request.version >= (1, 1):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0

    async def _exchange(
        self,
        request: web.BaseRequest,
        route: Route,
        head: RequestHead,
        meter: ExchangeMeter,
        ids: RawHeaders,
        progress: Progress,
        way: Way | None,
    ) -> Answer:
        meter.asking()
        exchange = await self._opened(head)
        upload: asyncio.Task[None] | None = None
        try:
            if head.has_body:
                upload = await self._begin_upload(request, exchange, meter, progress)
            else:
                progress.ending = _SENT
            answered = await self._answered(exchange, upload, self._patience(route))
            if answered.status == 401 and (credentials := self._credentials.get(route.credential.id)):
                credentials.rejected()
            meter.answered(answered.status, answered.headers)
            answer = await self._relay(request, route, exchange, answered, meter, ids, progress, way)
            if progress.ending.outcome == "ok" and (upload is None or upload.done()):
                exchange.release()
            return answer
        finally:
            if upload is not None:
                upload.cancel()
                await asyncio.gather(upload, return_exceptions=True)
            exchange.abort()

    async def _opened(self, head: RequestHead) -> Exchange:
        try:
            return await self._upstream.open(head)
        except UpstreamError as error:
            again_s = 1 if error.reason is Reason.OVERLOADED else None
            raise _Refused(Refusal(error.reason, retry_after_s=again_s), was_sent=error.was_sent) from None

    async def _begin_upload(
        self, request: web.BaseRequest, exchange: Exchange, meter: ExchangeMeter, progress: Progress
    ) -> asyncio.Task[None] | None:
        """Send a body that is here already; otherwise a task that sends it while the answer may come."""
        content = request.content
        if content.is_eof() and content.exception() is None:
            data = content.read_nowait(-1)
            await self._sent(exchange, data)
            progress.ending = _SENT
            exchange.end()
            meter.request_body(data)
            return None
        return asyncio.create_task(self._upload(request, exchange, meter, progress))

    async def _sent(self, exchange: Exchange, data: bytes) -> bool:
        """Send bytes of the body; false if the provider listens no more: its answer, or its absence, says why."""
        try:
            await exchange.send(data, self._config.timeouts.write_s)
        except UpstreamSilent as silent:
            raise _Refused(Refusal(silent.reason), was_sent=True) from None
        except UpstreamError:
            return False
        return True

    async def _upload(
        self, request: web.BaseRequest, exchange: Exchange, meter: ExchangeMeter, progress: Progress, already: int = 0
    ) -> None:
        """Send the body as it comes, `already` bytes of which were sent."""
        left = self._config.limits.request_body_bytes - already
        while True:
            try:
                async with asyncio.timeout(self._config.timeouts.request_idle_s):
                    data = await request.content.readany()
            except TimeoutError:
                raise _Refused(Refusal(Reason.REQUEST_TIMEOUT), was_sent=True) from None
            except (web.RequestPayloadError, HttpProcessingError):
                raise _Refused(Refusal(Reason.BAD_REQUEST), was_sent=True) from None
            if not data:
                if progress.ending is _UNSENT:  # else the answer has come before
                    progress.ending = _SENT
                exchange.end()
                return
            left -= len(data)
            if left < 0:
                raise _Refused(Refusal(Reason.BODY_TOO_LARGE), was_sent=True)
            if not await self._sent(exchange, data):
                return
            meter.request_body(data)

    def _patience(self, route: Route) -> float:
        """How long the head of an answer may take, in seconds."""
        own = route.endpoint.timeout_s if route.endpoint is not None else None
        return own or self._config.timeouts.first_byte_s

    async def _answered(self, exchange: Exchange, upload: asyncio.Task[None] | None, limit_s: float) -> ResponseHead:
        """The answer's head. The limit for it starts when the body has been sent; the head may come before (R-11)."""
        try:
            if upload is not None:
                waiting = asyncio.create_task(exchange.head(None))
                try:
                    await asyncio.wait({upload, waiting}, return_when=asyncio.FIRST_COMPLETED)
                    if waiting.done():
                        return waiting.result()
                    upload.result()
                finally:
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
            return await exchange.head(limit_s)
        except UpstreamError as error:
            raise _Refused(Refusal(error.reason), was_sent=error.was_sent) from None

    async def _relay(
        self,
        request: web.BaseRequest,
        route: Route,
        exchange: Exchange,
        head: ResponseHead,
        meter: ExchangeMeter,
        ids: RawHeaders,
        progress: Progress,
        way: Way | None,
    ) -> Answer:
        status = head.status
        progress.ending = Ending(status, "client_abort")
        change = None if way is None else way.body(head.headers)
        is_held = self._config.response_cost_header and change is None
        held = await self._held(exchange, route, head) if is_held else _Held()
        own = ids
        if self._is_unbuffered and _kind(head) == b"text/event-stream":
            own = (*own, (b"X-Accel-Buffering", b"no"))
        if held.is_whole:
            meter.feed(held.body)
            own = (*own, *cost_field(meter))
        fields = for_client(head.headers if way is None else way.head(head.headers), own)
        answer = Answer(status, head.phrase, fields if change is None else without_fields(fields, (b"content-length",)))
        if self.is_draining:
            answer.force_close()
        try:
            if change is None:
                await self._passed(request, exchange, answer, held, meter)
            else:
                await self._changed(request, exchange, answer, change, meter)
            answer.finish()
            progress.ending = Ending(status, "ok")
        except UpstreamSilent:
            progress.ending = Ending(status, "timeout", reason="the provider stopped in the middle of its answer")
            await answer.break_off(request)
        except UpstreamError:
            progress.ending = Ending(status, "upstream_abort", reason="the provider broke off in its answer")
            await answer.break_off(request)
        except (ConnectionError, TimeoutError):  # the client is gone, or reads nothing any more
            await answer.break_off(request)
        return answer

    async def _passed(
        self, request: web.BaseRequest, exchange: Exchange, answer: Answer, held: "_Held", meter: ExchangeMeter
    ) -> None:
        """The answer as it comes: each piece is written, and only then shown to the meter."""
        idle_s = self._config.timeouts.idle_s
        whole = b"" if held.is_whole else exchange.whole()
        data = held.body + (whole or b"")
        answer.begin(request, data, is_whole=whole is not None)
        meter.passed_on()
        if not held.is_whole and data:
            meter.feed(data)
        if answer.is_choked:
            await self._drained(answer)
        if held.failure is not None:
            raise held.failure
        if whole is not None:
            return

        def take(data: bytes) -> bool:
            answer.put(data)
            meter.feed(data)
            return not answer.is_choked

        while not await exchange.pour(take, idle_s):
            await self._drained(answer)

    async def _changed(
        self, request: web.BaseRequest, exchange: Exchange, answer: Answer, change: UriRewriter, meter: ExchangeMeter
    ) -> None:
        """The same with the provider's URLs led back to the gateway; the length is then not known beforehand."""
        answer.begin(request)
        meter.passed_on()
        while data := await exchange.receive(self._config.timeouts.idle_s):
            answer.put(change.feed(data))
            meter.feed(data)
            if answer.is_choked:
                await self._drained(answer)
        answer.put(change.finish())

    async def _drained(self, answer: Answer) -> None:
        async with asyncio.timeout(self._config.timeouts.write_s):
            await answer.drain()

    async def _held(self, exchange: Exchange, route: Route, head: ResponseHead) -> "_Held":
        """The body of a small unary JSON answer, so that its cost can stand in the head (OBS-3); else nothing.

        Google sends unary answers in chunks, so the length is seldom known. An answer that turns out long, or that
        breaks off, is passed on from there as every other.
        """
        if route.method in _STREAMING or _kind(head) != b"application/json" or head.status != 200:
            return _Held()
        if head.length is not None and head.length > HELD_BYTES:
            return _Held()
        body = bytearray()
        try:
            while len(body) <= HELD_BYTES:
                chunk = await exchange.receive(self._config.timeouts.idle_s)
                if not chunk:
                    return _Held(bytes(body), is_whole=True)
                body += chunk
        except UpstreamError as error:
            return _Held(bytes(body), failure=error)
        return _Held(bytes(body))


@dataclass(frozen=True, slots=True)
class _Held:
    """What was held back of an answer, and whether that is all of it; `failure` is why there will be no more."""

    body: bytes = b""
    is_whole: bool = False
    failure: UpstreamError | None = None


def _kind(head: ResponseHead) -> bytes:
    """The media type of an answer, in lower case."""
    return (header_value(head.headers, b"content-type") or b"").partition(b";")[0].strip().lower()


class CredentialsMissing(Exception):
    """Nothing is configured for the route's provider; `setting` names what would be."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        self.setting = setting


async def credential_of(
    config: GatewayConfig, credentials: Mapping[str, Credentials], route: Route, received: RawHeaders, caller: Caller
) -> RawHeaders:
    """The credential's field for a route; empty where the client's own in `received` passes (AUTH-7).

    Raises CredentialsMissing or CredentialsFailed.
    """
    found = credentials.get(route.credential.id)
    if found is not None:
        return await found.headers()
    setting = _CREDENTIAL_SETTING[route.upstream.kind]
    if not config.client_credentials:
        raise CredentialsMissing(setting)
    if not shows_google(received, caller.presented):
        raise CredentialsMissing(f"{setting}, or send your own in Authorization or x-goog-api-key")
    return ()


def _refused_ending(refused: _Refused) -> Ending:
    refusal = refused.refusal
    match refusal.reason:
        case (
            Reason.UNREACHABLE
            | Reason.UPSTREAM_BROKE
            | Reason.UPSTREAM_MALFORMED
            | Reason.HOST_NOT_ALLOWED
            | Reason.LOOP_DETECTED
        ):
            return Ending(refusal.status, "upstream_abort", refused.was_sent, refusal.message)
        case Reason.CONNECT_TIMEOUT | Reason.FIRST_BYTE_TIMEOUT:
            return Ending(refusal.status, "timeout", refused.was_sent, refusal.message)
        case _:
            return Ending(refusal.status, "rejected", False, refusal.message)


def cost_field(meter: ExchangeMeter) -> RawHeaders:
    """The field that tells the cost (OBS-3); none where that is unknown."""
    total = meter.cost().total
    return () if total is None else ((b"x-litellm-response-cost", plain(total).encode("ascii")),)
