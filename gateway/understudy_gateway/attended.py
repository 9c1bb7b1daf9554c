"""Exchanges of which more is asked than to be passed on: guardrails, attempts, costs in streams, spans. All opt-in.

A gateway with none of it never comes here, and neither does an exchange that none of it concerns. The order: the head
-> the body, held as far as is needed -> guardrails -> attempts, each a whole request -> the answer, passed on piece by
piece, with the taps beside it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from understudy.messages import RawHeaders, header_values

from .answers import Answer, refusal_answer
from .attempts import Again, Answered, Attempts, Elsewhere, Enough, Unsent, wait_of
from .credentials import Credentials
from .fallbacks import FallbackRoutes
from .features import REPEATABLE, Fallback
from .guardrails.judging import Blocked, Guards, Subject
from .guardrails.taps import AnswerTap
from .http import HttpPassthrough, Progress, cost_field
from .keys import Caller
from .known_heads import KnownHead
from .metering import Ending, ExchangeMeter
from .mocking import MOCK_PREFIX, mocked, without_mocks
from .passing import Passing
from .refusals import Reason, Refusal, Refused
from .routes import Route
from .settings import GatewayConfig
from .streams import is_plain_stream
from .tags import tags_of
from .tracing import SpanFile, trace_of
from .upstream.exchanges import RequestHead, ResponseHead, UpstreamError
from .upstream.transport import Exchange, HttpUpstream

REFUSAL_BYTES: Final = 64 * 1024
"""Longest answer that is read whole before the request is sent again; a longer one is the client's."""


@dataclass(slots=True)
class _Held:
    """What is held of a request's body. `is_whole`: that is all of it."""

    data: bytes = b""
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class _Taken:
    """The attempt that counts: its exchange, the answer's head, and what was read of the body (perhaps all of it)."""

    exchange: Exchange
    head: ResponseHead
    upload: asyncio.Task[None] | None
    early: bytes = b""
    is_early_whole: bool = False
    is_metered: bool = False


@dataclass(slots=True)
class _Call:
    """One exchange, and which way it takes now."""

    request: web.BaseRequest
    known: KnownHead
    meter: ExchangeMeter
    ids: RawHeaders
    progress: Progress
    head: RequestHead
    held: _Held
    label: str | None = None
    is_first: bool = True

    @property
    def route(self) -> Route:
        """Where it goes now."""
        return self.known.route

    @property
    def caller(self) -> Caller:
        """Who sends it."""
        return self.known.caller


class AttendedPassthrough(HttpPassthrough):
    """Serves routes that are not Live, with what the configuration's features ask for."""

    def __init__(
        self,
        config: GatewayConfig,
        upstream: HttpUpstream,
        credentials: Mapping[str, Credentials],
        now: Callable[[], datetime],
        guards: Guards,
        spans: SpanFile | None,
    ) -> None:
        super().__init__(config, upstream, credentials, now)
        self._guards = guards
        self._spans = spans
        self._features = config.features
        self._fallbacks = FallbackRoutes(config)

    async def serve(
        self,
        request: web.BaseRequest,
        known: KnownHead,
        meter: ExchangeMeter,
        ids: RawHeaders,
        progress: Progress,
    ) -> Answer:
        """As the base's: pass one exchange on, and what is asked of it beyond that."""
        try:
            if self._spans is not None:
                meter.trace = trace_of(request.raw_headers, self._spans, known.route.method)
            head = await self._head_of(request, known, meter)
            await self._continue(request, known)
            call = _Call(request, known, meter, ids, progress, head, _Held())
            blocked = await self._judged(call)
            if blocked is not None:
                return self._blocked(call, blocked)
            return await self._attended(call)
        except Refused as refused:
            return self._refusal(refused, ids, progress)

    async def _head_of(self, request: web.BaseRequest, known: KnownHead, meter: ExchangeMeter) -> RequestHead:
        head = await self._request_head(request, known)
        headers = head.headers
        if self._features.mock_testing:
            left = without_mocks(request.raw_headers, headers)
            if left is None:
                raise Refused(Refusal(Reason.HEADER_DENIED, f"x-pass-{MOCK_PREFIX.decode()}..."))
            headers = left
        if meter.trace is not None:
            headers = meter.trace.onto(headers)
        return head if headers is head.headers else msgspec.structs.replace(head, headers=headers)

    # -- the request

    async def _judged(self, call: _Call) -> Blocked | None:
        """Hold the body as far as it is needed, and judge it."""
        rules = self._guards.applying(call.caller.key_id, call.route.name, "pre_call")
        sizes = [rule.guardrail.max_bytes for rule in rules]
        if self._repeats(call):
            sizes.append(self._features.retries.body_bytes)
        call.held = await self._hold(call, max(sizes)) if sizes and call.head.has_body else _Held(b"", False)
        if not call.head.has_body:
            call.held = _Held()
        if not rules or not call.head.has_body:
            return None
        # As they go up: a coding may also have been set by x-pass-.
        codings = header_values(call.head.headers, b"content-encoding")
        is_readable = call.held.is_whole and all(coding.strip().lower() == b"identity" for coding in codings)
        subject = self._subject(call)
        return await self._guards.judge(rules, call.held.data, is_whole=is_readable, subject=subject)

    def _repeats(self, call: _Call) -> bool:
        return self._features.retries.most > 0 or bool(self._fallbacks.of(call.route))

    def _subject(self, call: _Call) -> Subject:
        route, caller = call.route, call.caller
        return Subject(route.name, route.model, caller.key_id, tags_of(call.request.raw_headers, caller))

    async def _hold(self, call: _Call, most: int) -> _Held:
        """The body up to a size; what is beyond it stays where it is."""
        if call.head.length is not None and call.head.length > most:
            return _Held(b"", False)
        held = bytearray()
        while len(held) <= most:
            data = await self._piece(call.request)
            if not data:
                return _Held(bytes(held))
            held += data
            if len(held) > self._config.limits.request_body_bytes:
                raise Refused(Refusal(Reason.BODY_TOO_LARGE))
        return _Held(bytes(held), False)

    async def _piece(self, request: web.BaseRequest) -> bytes:
        try:
            async with asyncio.timeout(self._config.timeouts.request_idle_s):
                return await request.content.readany()
        except TimeoutError:
            raise Refused(Refusal(Reason.REQUEST_TIMEOUT)) from None
        except (web.RequestPayloadError, HttpProcessingError):
            raise Refused(Refusal(Reason.BAD_REQUEST)) from None

    def _blocked(self, call: _Call, blocked: Blocked) -> Answer:
        """The refusal names the guardrail, and nothing of what it saw."""
        call.progress.ending = Ending(400, "rejected", False, blocked.told)
        answer = refusal_answer(Refusal(Reason.GUARDRAIL, blocked.name), call.ids)
        if not call.held.is_whole:
            answer.force_close()
        return answer

    # -- attempts

    async def _attended(self, call: _Call) -> Answer:
        fallbacks = self._fallbacks.of(call.route)
        attempts = self._attempts(call, len(fallbacks))
        while True:
            try:
                taken = await self._attempt(call, attempts, fallbacks)
            except Refused as refused:
                return self._refusal(refused, self._own_fields(call, attempts), call.progress)
            if taken is None:
                continue
            try:
                return await self._answer(call, attempts, taken)
            finally:
                await _abandoned(taken.exchange, taken.upload)

    def _attempts(self, call: _Call, fallbacks: int) -> Attempts:
        return Attempts(
            self._features.retries,
            fallbacks,
            http_method=call.request.method,
            method=call.route.method,
            replayable=call.held.is_whole,
            jitter=lambda: secrets.randbelow(100) / 400,
        )

    async def _attempt(self, call: _Call, attempts: Attempts, fallbacks: tuple[Fallback, ...]) -> _Taken | None:
        """One attempt; None if another one follows, for which `call` is then ready."""
        mock = mocked(call.request.raw_headers) if self._features.mock_testing and not attempts.fallen else None
        if mock is not None:
            if not await self._goes_on(call, attempts, Answered(mock.status, True), fallbacks):
                raise Refused(Refusal(mock))
            return None
        try:
            exchange = await self._opened(call.head)
        except Refused as refused:
            if not refused.was_sent and await self._goes_on(call, attempts, Unsent(), fallbacks):
                return None
            raise
        upload: asyncio.Task[None] | None = None
        try:
            upload = await self._sent_body(call, exchange)
            head = await self._answered(exchange, upload, self._patience(call.route))
            taken = _Taken(exchange, head, upload)
            if head.status == 401 and (credentials := self._credentials.get(call.route.credential.id)):
                credentials.rejected()
            if upload is not None or head.status not in REPEATABLE or not self._repeats(call):
                return taken
            taken = await self._read_early(taken)
            outcome = Answered(head.status, taken.is_early_whole, wait_of(head.headers))
            if not await self._goes_on(call, attempts, outcome, fallbacks):
                return taken
            exchange.release()
        except BaseException:
            await _abandoned(exchange, upload)
            raise
        return None

    async def _sent_body(self, call: _Call, exchange: Exchange) -> asyncio.Task[None] | None:
        call.progress.ending = Ending(499, "client_abort")
        if not call.head.has_body:
            return None
        is_first, call.is_first = call.is_first, False
        held = call.held
        if not held.data and not held.is_whole:
            return await self._begin_upload(call.request, exchange, call.meter, call.progress)
        if is_first:
            call.meter.request_body(held.data)
        await self._sent(exchange, held.data)
        if held.is_whole:
            exchange.end()
            return None
        return asyncio.create_task(self._upload(call.request, exchange, call.meter, call.progress, len(held.data)))

    async def _read_early(self, taken: _Taken) -> _Taken:
        """Read an answer that may be followed by another attempt, if it is short."""
        body = bytearray()
        try:
            while len(body) <= REFUSAL_BYTES:
                data = await taken.exchange.receive(self._config.timeouts.idle_s)
                if not data:
                    return replace(taken, early=bytes(body), is_early_whole=True)
                body += data
        except UpstreamError:
            pass  # met again, and told, when the answer is passed on
        return replace(taken, early=bytes(body))

    async def _goes_on(
        self, call: _Call, attempts: Attempts, outcome: Unsent | Answered, fallbacks: tuple[Fallback, ...]
    ) -> bool:
        """Whether another attempt follows; `call` is then made ready for it."""
        while True:
            match attempts.after(outcome):
                case Enough():
                    return False
                case Again(wait_s, renewed):
                    call.progress.ending = Ending(499, "client_abort", was_sent=False)
                    await asyncio.sleep(wait_s)
                    if await self._renewed(call, must_change=renewed):
                        return True
                    attempts.retried -= 1
                case Elsewhere(number):
                    if await self._turned(call, fallbacks[number]):
                        return True

    async def _renewed(self, call: _Call, *, must_change: bool) -> bool:
        """Whether the call has a head for another attempt; `must_change`: one with another credential."""
        before = call.head.headers
        try:
            call.head = await self._head_of(call.request, call.known, call.meter)
        except Refused:  # there are no credentials now: what was answered is the client's
            return False
        return not must_change or call.head.headers != before

    async def _turned(self, call: _Call, fallback: Fallback) -> bool:
        """Whether the call can go by a fallback, and does from now on."""
        target = call.request.raw_path.encode("utf-8", "surrogateescape")
        route = self._fallbacks.route(fallback, call.route, call.request.method, target)
        if route is None:
            return False
        known = replace(call.known, route=route)
        try:
            call.head = await self._head_of(call.request, known, call.meter)
        except Refused:  # it has no credentials just now
            return False
        call.known, call.label = known, fallback.label
        call.meter.rerouted(route)
        return True

    def _own_fields(self, call: _Call, attempts: Attempts) -> RawHeaders:
        """The client is told how many attempts there were, and which way the last one took, by the operator's label."""
        own = list(call.ids)
        if self._features.retries.most:
            own.append((b"x-litellm-attempted-retries", b"%d" % attempts.retried))
        if call.label is not None:
            own.append((b"x-litellm-attempted-fallbacks", b"%d" % attempts.fallen))
            own.append((b"x-understudy-fallback", call.label.encode("ascii")))
        return tuple(own)

    # -- the answer

    async def _answer(self, call: _Call, attempts: Attempts, taken: _Taken) -> Answer:
        head, own = taken.head, self._own_fields(call, attempts)
        call.meter.answered(head.status, head.headers)
        rules = self._guards.applying(call.caller.key_id, call.route.name, "post_call")
        way = self._ways.of(call.request, call.route, call.caller)
        is_stream = is_plain_stream(head.headers)
        features = self._features
        changes = is_stream and (features.cost_in_streams or features.stream_error_event or features.sse_ping_s)
        if rules or changes or taken.early or taken.is_early_whole:
            tap = AnswerTap(self._guards, rules, self._subject(call), head.headers) if rules else None
            taken, own = await self._with_cost(call, taken, own)
            passing = Passing(self._config, taken.exchange, head, call.meter, tap, way, is_stream=is_stream)
            answer = await passing.passed(
                call.request,
                own,
                call.progress,
                taken.early,
                is_whole=taken.is_early_whole,
                is_metered=taken.is_metered,
            )
        else:
            answer = await self._relay(
                call.request, call.route, taken.exchange, head, call.meter, own, call.progress, way
            )
        if call.progress.ending.outcome == "ok" and (taken.upload is None or taken.upload.done()):
            taken.exchange.release()
        return answer

    async def _with_cost(self, call: _Call, taken: _Taken, own: RawHeaders) -> tuple[_Taken, RawHeaders]:
        """The cost of a small answer for its head, where that is asked for (OBS-3)."""
        if not self._config.response_cost_header or taken.early or taken.is_early_whole:
            return taken, own
        held = await self._held(taken.exchange, call.route, taken.head)
        taken = replace(taken, early=held.body, is_early_whole=held.is_whole)
        if not held.is_whole:
            return taken, own
        call.meter.feed(held.body)
        return replace(taken, is_metered=True), (*own, *cost_field(call.meter))


async def _abandoned(exchange: Exchange, upload: asyncio.Task[None] | None) -> None:
    """End what of an attempt still runs; an exchange that is over stays as it is."""
    if upload is not None:
        upload.cancel()
        await asyncio.gather(upload, return_exceptions=True)
    exchange.abort()
