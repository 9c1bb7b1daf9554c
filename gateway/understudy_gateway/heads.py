"""Connections that have not sent a whole head: how long each may take, how many there may be, how long a head may be.

aiohttp limits a line, a field and their number (S-44); what it does not limit is watched here, beside it (S-45).
"""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo  # pyright: ignore[reportPrivateUsage]

from .answers import refusal_answer, refusal_bytes
from .ids import new_ids
from .refusals import Reason, Refusal

_log = logging.getLogger(__name__)

LINGER_S: Final = 2.0
"""How long the rest of a request is read and thrown away after an early answer, so that the client sees the answer."""

_T = TypeVar("_T")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_BY_STATUS: Final = {400: Reason.BAD_REQUEST, 408: Reason.HEAD_TIMEOUT, 431: Reason.HEAD_TOO_LARGE}


class HeadWatch:
    """The connections that wait for a head, longest first. One timer for all of them."""

    def __init__(self, within_s: float, most: int) -> None:
        """A head has `within_s` to come; of `most` that wait the oldest has to go when another begins."""
        self._within_s = within_s
        self._most = most
        self._waiting: dict[WatchedConnection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def begins(self, connection: "WatchedConnection") -> None:
        """A head is awaited on a connection."""
        if len(self._waiting) >= self._most:
            oldest = next(iter(self._waiting))
            self.ends(oldest)
            oldest.drop()
        loop = asyncio.get_running_loop()
        self._waiting[connection] = deadline = loop.time() + self._within_s
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)

    def ends(self, connection: "WatchedConnection") -> None:
        """The head is there, or the connection is gone."""
        self._waiting.pop(connection, None)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._waiting:
            connection, deadline = next(iter(self._waiting.items()))
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._expire)
                return
            del self._waiting[connection]
            connection.refuse(Reason.HEAD_TIMEOUT)


class _InOneTask:
    """The loop as aiohttp's connection needs it, but that each handler runs in the task of its connection.

    aiohttp gives every handler a task, which starts at once from Python 3.12 on. Before, starting it and hearing of its
    end take a turn of the loop each: two system calls and 10 us, for context variables that nobody uses here.
    """

    __slots__ = ("call_at", "call_later", "create_future", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.call_at = loop.call_at
        self.call_later = loop.call_later
        self.create_future = loop.create_future
        self.time = loop.time

    def create_task(self, handler: Awaitable[_T]) -> Awaitable[_T]:
        """What the connection awaits at once."""
        return handler


class WatchedConnection(RequestHandler):
    """aiohttp's connection, with limits for its heads, and our own words for what cannot be read.

    aiohttp's page for that quotes the line, keys and all.
    """

    __slots__ = ("_body", "_head_bytes", "_is_awaited", "_is_refused", "_most_bytes", "_watch")

    def __init__(self, manager: web.Server, watch: HeadWatch, most_bytes: int, **options: Any) -> None:
        super().__init__(manager, **options)
        self._watch = watch
        self._most_bytes = most_bytes
        self._head_bytes = 0  # that came of a head which is not whole
        self._body: StreamReader | None = None  # of the request that came last
        self._is_awaited = False
        self._is_refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        super().connection_made(transport)
        if sys.version_info < (3, 12):
            self._loop = cast("asyncio.AbstractEventLoop", _InOneTask(self._loop))
        self._is_awaited = True
        self._watch.begins(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone."""
        self._watch.ends(self)
        super().connection_lost(exc)
        # They hold the connection, which would then wait for the collector.
        self._body = self._keepalive_handle = None

    def data_received(self, data: bytes) -> None:
        """Bytes came: heads that they completed, or part of one, or of a body."""
        if self._is_refused:
            return
        count, body = self._request_count, self._body
        is_between = body is None or body.is_eof()
        super().data_received(data)
        if self._request_count != count:
            if self._is_awaited:
                self._is_awaited = False
                self._watch.ends(self)
            if self._head_bytes + len(data) > self._most_bytes:
                self._refuse_long_heads(self._request_count - count)
            self._head_bytes = 0
            if not is_between and type(self._messages[-1][0]) is _ErrInfo and body is not None:
                # What came is no body: aiohttp queues the error behind the request that waits for the rest of it.
                body.set_exception(web.RequestPayloadError("malformed"))
                body.feed_eof()
            self._body = self._messages[-1][1]
        elif is_between and data and not self._upgraded:  # pyright: ignore[reportUnknownMemberType]
            self._part_of_head(len(data))

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Handler
    ) -> tuple[web.StreamResponse, bool]:
        """Serve one request; where more wait behind it, others have their turn first.

        What is answered without a wait would else answer a whole buffer of them in one turn of the loop (R-36).
        """
        if self._messages:
            await asyncio.sleep(0)
        return await super()._handle_request(request, start_time, request_handler)

    def refuse(self, reason: Reason) -> None:
        """Answer a head that was not there in time, or is too long; nothing more is read on the connection."""
        transport = self.transport
        if transport is None or self._is_refused:
            return
        self._is_refused = True
        if self._request_in_progress or self._messages:
            self._messages.append(_refused(reason))
            return
        _logged(reason)
        transport.write(refusal_bytes(Refusal(reason), new_ids()))
        if transport.can_write_eof():
            transport.write_eof()
        self._loop.call_later(LINGER_S, self.force_close)

    def drop(self) -> None:
        """Close at once: there are too many like this one."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that aiohttp could not read or serve; the connection is closed after it."""
        if request.writer.output_size:
            raise ConnectionAbortedError
        reason = _BY_STATUS.get(status, Reason.INTERNAL)
        if isinstance(exc, LineTooLong) or (exc is not None and "header" in str(exc).lower() and "many" in str(exc)):
            reason = Reason.HEAD_TOO_LARGE
        _logged(reason)
        answer = refusal_answer(Refusal(reason), new_ids())
        answer.force_close()
        return answer

    def _part_of_head(self, size: int) -> None:
        self._head_bytes += size
        if not self._is_awaited:
            self._is_awaited = True
            self._watch.begins(self)
        if self._head_bytes > self._most_bytes:
            self.refuse(Reason.HEAD_TOO_LARGE)

    def _refuse_long_heads(self, count: int) -> None:
        """Refuse the first of the `count` requests that came last whose head is over the limit, and what follows it.

        That there were many bytes says nothing alone: they may be a body's.
        """
        for place in range(len(self._messages) - count, len(self._messages)):
            fields: Sequence[tuple[bytes, bytes]] = getattr(self._messages[place][0], "raw_headers", ())
            if sum(len(name) + len(value) + 4 for name, value in fields) > self._most_bytes:
                self._is_refused = True
                while len(self._messages) > place:
                    self._messages.pop()
                self._messages.append(_refused(Reason.HEAD_TOO_LARGE))
                return


def _refused(reason: Reason) -> tuple[_ErrInfo, StreamReader]:
    """What stands in aiohttp's queue for a request that is answered so."""
    return _ErrInfo(reason.status, web.RequestPayloadError(reason.name), ""), EMPTY_PAYLOAD


def _logged(reason: Reason) -> None:
    _log.info("%s", json.dumps({"status": reason.status, "outcome": "rejected", "reason": reason.name}))
