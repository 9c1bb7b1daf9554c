"""An answer on its way to the client with taps beside it and, where asked for, something put into it.

Each piece is written, and judged then. The end is not: the last byte of a sized body, or the mark of the end of a
chunked one, waits for the judgement, so that a block always shows (STR-4).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal

from aiohttp import web

from understudy.messages import RawHeaders

from .answers import Answer
from .guardrails.judging import Blocked
from .guardrails.taps import AnswerTap
from .headers import for_client
from .http import Progress
from .metering import Ending, ExchangeMeter
from .refusals import Reason
from .rewriting import Way
from .settings import GatewayConfig
from .streams import PING, Boundaries, CostInjection, error_event
from .upstream.exchanges import ResponseHead, UpstreamError, UpstreamSilent
from .upstream.transport import Exchange


class _Block(Exception):
    """A guardrail ends the answer."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__(blocked.name)
        self.blocked = blocked


class Passing:
    """One answer of which copies are judged, or which is changed."""

    def __init__(
        self,
        config: GatewayConfig,
        exchange: Exchange,
        head: ResponseHead,
        meter: ExchangeMeter,
        tap: AnswerTap | None,
        way: Way | None,
        *,
        is_stream: bool,
    ) -> None:
        """`is_stream`: it is an event stream without a content coding, and may be changed. `way`: see `rewriting`."""
        self._timeouts = config.timeouts
        self._features = config.features
        self._exchange = exchange
        self._head = head
        self._meter = meter
        self._tap = tap
        self._is_stream = is_stream
        self._boundaries = Boundaries()
        injects = is_stream and config.features.cost_in_streams and head.status == 200
        self._injection = CostInjection(meter.feed, self._cost) if injects else None
        self._way = way
        self._rewriter = None if way is None else way.body(head.headers)
        self._left = head.length
        self._last = b""
        self._is_metered = False
        self._ping: asyncio.TimerHandle | None = None

    async def passed(
        self,
        request: web.BaseRequest,
        own: RawHeaders,
        progress: Progress,
        early: bytes,
        *,
        is_whole: bool,
        is_metered: bool = False,
    ) -> Answer:
        """Pass the answer on; `early` is what was read of its body, all of it if `is_whole`.

        `is_metered`: the meter has seen that.

        What is returned has been written whole or was broken off; `progress` tells which.
        """
        status = self._head.status
        progress.ending = Ending(status, "client_abort")
        self._is_metered = is_metered or self._injection is not None
        answer = Answer(status, self._head.phrase, self._fields(own))
        try:
            answer.begin(request)
            self._arm(answer)
            async for data in self._pieces(early, is_whole=is_whole):
                self._put(answer, data)
                if answer.is_choked:
                    async with asyncio.timeout(self._timeouts.write_s):
                        await answer.drain()
            await self._end(answer)
            progress.ending = Ending(status, "ok")
        except _Block as block:
            progress.ending = Ending(status, "rejected", reason=block.blocked.told)
            await answer.break_off(request)
        except UpstreamSilent:
            progress.ending = Ending(status, "timeout", reason="the provider stopped in the middle of its answer")
            await self._broken(answer, request, Reason.FIRST_BYTE_TIMEOUT)
        except UpstreamError:
            progress.ending = Ending(status, "upstream_abort", reason="the provider broke off in its answer")
            await self._broken(answer, request, Reason.UPSTREAM_BROKE)
        except (ConnectionError, TimeoutError):  # the client is gone, or reads nothing any more
            await answer.break_off(request)
        finally:
            self._disarm()
            if self._tap is not None:
                await self._tap.close()
        return answer

    def _fields(self, own: RawHeaders) -> RawHeaders:
        """The head; the length is not known of a stream into which something may be put, nor where URLs change."""
        fields = for_client(self._head.headers if self._way is None else self._way.head(self._head.headers), own)
        changes = self._injection is not None or self._rewriter is not None or (self._is_stream and self._adds)
        if not changes:
            return fields
        self._left = None
        return tuple(field for field in fields if field[0].lower() != b"content-length")

    @property
    def _adds(self) -> bool:
        return self._features.stream_error_event or self._features.sse_ping_s is not None

    async def _pieces(self, early: bytes, *, is_whole: bool) -> AsyncIterator[bytes]:
        if early:
            yield early
        while not is_whole and (data := await self._exchange.receive(self._timeouts.idle_s)):
            yield data

    def _put(self, answer: Answer, data: bytes) -> None:
        out = self._changed(data)
        keeps = self._tap is not None and self._left is not None and len(data) >= self._left
        if self._left is not None:
            self._left -= len(data)
        self._write(answer, out[:-1] if keeps else out)
        if not self._is_metered:
            self._meter.feed(data)
        if self._tap is not None:
            self._last = out[-1:] if keeps else b""
            blocked = self._tap.feed(data)
            if blocked is not None:
                raise _Block(blocked)

    def _changed(self, data: bytes) -> bytes:
        if self._rewriter is not None:
            return self._rewriter.feed(data)
        return data if self._injection is None else self._injection.feed(data)

    async def _end(self, answer: Answer) -> None:
        change = self._rewriter or self._injection  # JSON, or a stream
        if change is not None:
            self._write(answer, change.finish())
        if self._tap is not None:
            blocked = await self._tap.ended()
            if blocked is not None:
                raise _Block(blocked)
            self._write(answer, self._last)
        self._disarm()
        answer.finish()

    def _write(self, answer: Answer, data: bytes) -> None:
        answer.put(data)
        if self._is_stream:
            self._boundaries.passed(data)
            self._arm(answer)

    def _cost(self) -> Decimal | None:
        cost = self._meter.cost_so_far()
        return None if cost is None else cost.total

    # -- what the gateway says itself

    def _arm(self, answer: Answer) -> None:
        """From now on silence is counted."""
        pause = self._features.sse_ping_s if self._is_stream else None
        if pause is not None:
            self._disarm()
            self._ping = asyncio.get_running_loop().call_later(pause, self._pinged, answer)

    def _disarm(self) -> None:
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None

    def _pinged(self, answer: Answer) -> None:
        """Nothing came for a while: say so between two events, to a client that reads."""
        self._ping = None
        try:
            if not self._boundaries.is_open and not answer.is_choked:
                answer.put(PING)
        except ConnectionError:
            return  # it has left; the next piece, or aiohttp, finds out
        self._arm(answer)

    async def _broken(self, answer: Answer, request: web.BaseRequest, reason: Reason) -> None:
        """The provider broke off: a last event says so, if that is switched on; the end stays visible (ERR-7)."""
        if self._is_stream and self._features.stream_error_event:
            with suppress(ConnectionError):
                answer.put(error_event(self._boundaries, reason))
        await answer.break_off(request)
