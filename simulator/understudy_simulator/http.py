"""The HTTP side's skin: reads a request, has it answered, sends the answer, and writes transcript and terminal line."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiohttp import web

from understudy.messages import Exchange, Origin, Request
from understudy.redaction import redacted_reason, redacted_target
from understudy.surfaces import Place, place_of

from .faults import Delivery
from .google_errors import body_too_large, own_error
from .incoming import BodyTooLarge, read_body, request_of
from .recorder import ExchangeEntry
from .replies import Manner, error_answer
from .routing import Router
from .service import Decision, Service
from .stage import Scoped, Stage
from .surfaces.table import ROUTES

LiveHandler = Callable[[web.BaseRequest, Place, Stage], Awaitable[web.StreamResponse]]
"""Serves a WebSocket session at a Live place to its end, transcript included."""

logger = logging.getLogger(__name__)

_LONGEST_NOTE: Final = 300


class HttpSide:
    """The handler of the traffic ports."""

    def __init__(self, stage: Stage, live: LiveHandler) -> None:
        self._stage = stage
        self._service = Service(stage, Router(ROUTES))
        self._live = live

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request; a WebSocket handshake at a Live path is handed to the Live side."""
        bare = self._stage.scope_of(request_of(request)).request
        place = place_of(bare.path)
        if place is not None and place.surface.is_live and _is_websocket(request):
            return await self._live(request, place, self._stage)
        return await self._exchange(request)

    async def _exchange(self, request: web.BaseRequest) -> web.StreamResponse:
        head = request_of(request)
        scoped = self._stage.scope_of(head)
        entry = self._stage.recorder.begin_exchange(scoped.request, Origin(scoped.scope))
        try:
            return await self._answered(request, head, entry)
        except BaseException:
            # aiohttp cancels when the connection is gone; what it raises else means that the body made no sense.
            entry.end("client left" if request.transport is None else "the request broke off")
            raise
        finally:
            logger.info("%s", exchange_line(entry.written()))

    async def _answered(self, request: web.BaseRequest, head: Request, entry: ExchangeEntry) -> web.StreamResponse:
        stage = self._stage
        delivery = Delivery(request, entry, stage.clock)
        parts: list[bytes] = []
        try:
            await read_body(request, stage.settings.body_limit, parts)
        except BodyTooLarge:
            refusal = body_too_large(stage.settings.body_limit)
            response = await delivery.send(error_answer(refusal, Manner(is_vertex=False, duration_ms=0)))
            # What is left of the body is not read, so the connection cannot serve another request.
            response.force_close()
            return response
        finally:
            entry.took_body(b"".join(parts))
        scoped = stage.scope_of(replace(head, body=entry.request.body))
        decision = (
            _refused_scope(scoped.mistake)
            if scoped.mistake
            else self._decision(scoped, _origin_of(request, head.target))
        )
        entry.origin = decision.origin
        return await delivery.send(decision.outgoing)

    def _decision(self, scoped: Scoped, origin: str) -> Decision:
        try:
            return self._service.answer(scoped.request, scoped.scope, origin)
        except Exception:
            # The outermost handler: a mistake of ours is told as one, and the server goes on.
            logger.exception("a request could not be answered")
            error = own_error(500, "INTERNAL", "understudy: the simulator failed; its log has the details.")
            manner = Manner(is_vertex=False, duration_ms=0)
            return Decision(error_answer(error, manner), Origin(scoped.scope))


def _origin_of(request: web.BaseRequest, target: str) -> str:
    """What a URL that we hand out begins with: as the client called us, with the path carrier of its scope."""
    carrier = target.split("/", 2)[1] if target.startswith("/~") else ""
    return f"{request.scheme}://{request.host}" + (f"/{carrier}" if carrier else "")


def _refused_scope(mistake: str) -> Decision:
    """The refusal of a request whose carrier names no scope: in the default scope it would be somebody else's."""
    error = own_error(400, "BAD_SCOPE", f"understudy: {mistake}")
    return Decision(error_answer(error, Manner(is_vertex=False, duration_ms=0)), Origin(""))


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


def _is_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"
