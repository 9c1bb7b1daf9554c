"""The HTTP side's skin: a request has its scope found, is answered, and leaves a transcript and a terminal line."""

import logging
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Final

from understudy.messages import Exchange, Origin, Request, header_value
from understudy.redaction import redacted_reason, redacted_target
from understudy.surfaces import place_of

from .encoding import pretty_json
from .faults import Delivery, http_date
from .google_errors import ERROR_HEADER, body_too_large, own_error
from .recorder import ExchangeEntry
from .replies import Manner, error_answer
from .routing import Matched, Router
from .server.connection import Connection
from .server.framing import Framing, completed, head_bytes
from .service import Decision, Service
from .stage import Scoped, Stage
from .surfaces.table import ROUTES

logger = logging.getLogger(__name__)

MALFORMED: Final = "MALFORMED_REQUEST"
"""The reason of the refusal of what is no HTTP, in its body and in `X-Understudy-Error`: by it a judge can tell that a
gateway passed a malformed request on."""

_MALFORMED_TEXT: Final = "understudy: the request is not HTTP/1.1 that can be read in one way only."
_LONGEST_NOTE: Final = 300
_OWN: Final = Manner(is_vertex=False, duration_ms=0)


class HttpSide:
    """What the traffic ports' server asks (`server.connection.Host`, but for the connections themselves)."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.body_limit = stage.settings.body_limit
        self.service = Service(stage, Router(ROUTES))

    def begin(self, connection: Connection, request: Request, scheme: str) -> "HttpExchange":
        """A request's head is there."""
        return HttpExchange(self, connection, request, scheme)

    def malformed(self) -> bytes:
        """The whole answer to what is no HTTP."""
        body = pretty_json(own_error(400, MALFORMED, _MALFORMED_TEXT).value)
        framing = Framing(has_body=True, is_chunked=False, length=len(body), closes=True)
        headers = (
            (ERROR_HEADER, MALFORMED.encode()),
            (b"Content-Type", b"application/json; charset=utf-8"),
            (b"Content-Length", str(len(body)).encode()),
        )
        return head_bytes(400, completed(headers, framing, http_date(self.stage.clock.now()), True)) + body

    def is_live(self, request: Request) -> bool:
        """Whether a request is a WebSocket handshake at a Live path."""
        if (header_value(request.headers, b"upgrade") or b"").lower() != b"websocket":
            return False
        place = place_of(self.stage.scope_of(request).request.path)
        return place is not None and place.surface.is_live


class HttpExchange:
    """One request, from its head to the end of its answer (`server.connection.Exchange`)."""

    def __init__(self, side: HttpSide, connection: Connection, head: Request, scheme: str) -> None:
        self._side = side
        self._connection = connection
        self._head = head
        self._scheme = scheme
        self._scoped = side.stage.scope_of(head)
        self._entry = side.stage.recorder.begin_exchange(self._scoped.request, Origin(self._scoped.scope))

    def takes_pieces(self, body: AsyncIterator[bytes]) -> Awaitable[None] | None:
        """An upload's body is read piece by piece."""
        if self._scoped.mistake:
            return None
        matched = self._side.service.find(self._scoped.request)
        return None if matched is None or matched.route.upload is None else self._upload(matched, body)

    async def _upload(self, matched: Matched, body: AsyncIterator[bytes]) -> None:
        scoped, seen = self._scoped, _Seen(body, self._entry)
        try:
            decision = await self._side.service.upload(matched, scoped.request, scoped.scope, self._origin(), seen)
            # What an early refusal left unread belongs to this request, not to the next.
            async for _ in seen:
                pass
        except ConnectionError:
            self._end("client left")
            return
        except TimeoutError:
            self._end("the request broke off")
            self._connection.end_after_this()
            return
        except Exception:
            logger.exception("a request could not be answered")
            decision = _failed(scoped)
        sending = self._deliver(decision)
        if sending is not None:
            await sending

    def took_whole(self, body: bytes) -> Awaitable[None] | None:
        """The body is there: answer."""
        entry, side = self._entry, self._side
        entry.took_body(body)
        scoped = self._scoped
        if body:
            scoped = (
                side.stage.scope_of(replace(self._head, body=body))
                if side.stage.reads_markers
                else replace(scoped, request=entry.request)
            )
        return self._deliver(_refused_scope(scoped.mistake) if scoped.mistake else self._decision(scoped))

    def broke_off(self, body: bytes, why: str) -> None:
        """The request did not come to its end."""
        self._entry.took_body(body)
        self._end(why)

    def refuse_size(self) -> Awaitable[None] | None:
        """The body is beyond the limit."""
        self._connection.end_after_this()
        refusal = body_too_large(self._side.stage.settings.body_limit)
        return self._deliver(Decision(error_answer(refusal, _OWN), self._entry.origin))

    def _decision(self, scoped: Scoped) -> Decision:
        try:
            return self._side.service.answer(scoped.request, scoped.scope, self._origin())
        except Exception:
            # The outermost handler: a mistake of ours is told as one, and the server goes on.
            logger.exception("a request could not be answered")
            return _failed(scoped)

    def _deliver(self, decision: Decision) -> Awaitable[None] | None:
        self._entry.origin = decision.origin
        return Delivery(self._connection, self._entry, self._side.stage.clock, self._log).send(decision.outgoing)

    def _end(self, why: str) -> None:
        self._entry.end(why)
        self._log()

    def _log(self) -> None:
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", exchange_line(self._entry.written()))

    def _origin(self) -> str:
        """What a URL that we hand out begins with: as the client called us, with the path carrier of its scope."""
        target = self._head.target
        carrier = "/" + target.split("/", 2)[1] if target.startswith("/~") else ""
        host = (header_value(self._head.headers, b"host") or b"").decode("latin-1")
        return f"{self._scheme}://{host}{carrier}"


class _Seen:
    """A body on its way to who reads it; the start of it goes into the transcript."""

    def __init__(self, body: AsyncIterator[bytes], entry: ExchangeEntry) -> None:
        self._body = body
        self._entry = entry

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await anext(self._body)
        self._entry.took_piece(part)
        return part


def _refused_scope(mistake: str) -> Decision:
    """The refusal of a request whose carrier names no scope: in the default scope it would be somebody else's."""
    return Decision(error_answer(own_error(400, "BAD_SCOPE", f"understudy: {mistake}"), _OWN), Origin(""))


def _failed(scoped: Scoped) -> Decision:
    error = own_error(500, "INTERNAL", "understudy: the simulator failed; its log has the details.")
    return Decision(error_answer(error, _OWN), Origin(scoped.scope))


def exchange_line(exchange: Exchange) -> str:
    """The line on the terminal: method, redacted target, scenario or nearest miss, status or how it failed, time.

    Nothing in it can start a new line or steer a terminal (security-reliability S-67).
    """
    request, response, origin = exchange.request, exchange.response, exchange.origin
    if origin.scenario is not None:
        who = origin.scenario
    elif origin.misses:
        who = f"no scenario (nearest: {redacted_reason(origin.misses[0])})"
    else:
        who = "no scenario"
    scope = f"[{origin.scope}] " if origin.scope else ""
    status = "-" if response is None else str(response.status)
    faults = f" ({', '.join(origin.faults)})" if origin.faults else ""
    failure = f" {exchange.failure}" if exchange.failure else ""
    took = f"{(exchange.ended - exchange.started) * 1000:.0f} ms"
    line = f"{request.method} {redacted_target(request.target)} {scope}{who} {status}{faults}{failure} {took}"
    return "".join(char if char.isprintable() else "?" for char in line[: _LONGEST_NOTE * 3])
