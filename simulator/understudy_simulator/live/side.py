"""Live sessions of both services: accepts the handshake, finds out who answers, plays the session, writes it down.

Refusals come as the services give them: the handshake succeeds, the close frame refuses (wire-live 0.7, 5.1), once the
client's first message is there.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from understudy.messages import Origin, RawHeaders, Session
from understudy.redaction import redacted_reason, redacted_target
from understudy.surfaces import Place

from ..incoming import request_of
from ..recorder import SessionEntry
from ..replies import Outgoing
from ..stage import Stage
from ..timetable import Timetable
from .casting import Casting
from .connection import MESSAGE_LIMIT, LiveConnection
from .session import CLOSE_WITHIN_S, LiveSession

logger = logging.getLogger(__name__)

# aiohttp warns of subprotocols that it does not select, and repeats them: they may hold a key (wire-live 7.2).
logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)

_LONGEST_LINE: Final = 900


class LiveSide:
    """The handler of Live paths, and of all sessions that are going on."""

    def __init__(self) -> None:
        self._sessions: set[asyncio.Task[None] | asyncio.Task[bool]] = set()
        self._patience = Timetable()

    async def serve(self, request: web.BaseRequest, place: Place, stage: Stage) -> web.StreamResponse:
        """Serve the WebSocket handshake at a Live place and the session that follows, to its end.

        `place` is that of the path without the path carrier of a scope. Returns the response that aiohttp is to
        finish: the session's, or a refusal: by a scenario, or 400 if the handshake is no WebSocket handshake.
        """
        whole = request_of(request)
        scoped = stage.scope_of(whole)
        entry = stage.recorder.begin_session(scoped.request, Origin(scoped.scope, place.surface.value))
        try:
            if scoped.mistake:
                entry.accepted(400, ())
                return web.Response(status=400, text=f"understudy: {scoped.mistake}\n")
            casting = Casting(place, stage, scoped.request, entry)
            try:
                return await self._serve(request, casting)
            finally:
                casting.release()
        finally:
            entry.end()
            logger.info("%s", session_line(entry.written()))

    async def stop(self) -> None:
        """End all sessions by close 1001; to be called before the server stops."""
        sessions = tuple(self._sessions)
        for session in sessions:
            session.cancel()
        if sessions:
            await asyncio.wait(sessions, timeout=CLOSE_WITHIN_S)

    async def _serve(self, request: web.BaseRequest, casting: Casting) -> web.StreamResponse:
        entry, stage = casting.entry, casting.stage
        # Uncompressed, no subprotocol: wire-live 1. Text stays bytes, so that the transcript has what was sent.
        socket = web.WebSocketResponse(
            compress=stage.settings.live.deflate,
            max_msg_size=MESSAGE_LIMIT,
            autoclose=False,
            autoping=False,
            decode_text=False,
        )
        if not socket.can_prepare(request):
            entry.accepted(400, ())
            return web.Response(status=400, text="This path takes WebSocket handshakes (RFC 6455, version 13) only.\n")
        outgoing = casting.refused_handshake()
        if casting.handshake_faults and not await self._befallen(request, casting):
            return web.Response(status=500)
        if outgoing is not None:
            return await _refusal_by_status(outgoing, entry, stage)
        try:
            await socket.prepare(request)
        except ConnectionError:
            entry.close("client", None)
            return socket
        entry.accepted(101, _raw_headers(socket))
        session = LiveSession(
            LiveConnection(request, socket, entry),
            stage.clock,
            stage.settings.speed,
            _note_on(entry),
            self._patience,
        )
        await self._to_its_end(request, asyncio.create_task(session.run(casting.cast)))
        return socket

    async def _befallen(self, request: web.BaseRequest, casting: Casting) -> bool:
        """Let the handshake be befallen; whether it may be answered."""
        befalling = asyncio.create_task(casting.befall(request))
        self._sessions.add(befalling)
        try:
            await asyncio.wait({befalling})
        finally:
            befalling.cancel()
            self._sessions.discard(befalling)
        if not befalling.cancelled():
            return befalling.result()
        if request.transport is not None:
            request.transport.close()
        return False

    async def _to_its_end(self, request: web.BaseRequest, session: asyncio.Task[None]) -> None:
        """Wait for a session. When aiohttp cancels because the client is gone, it still may write its end down."""
        self._sessions.add(session)
        ended = asyncio.get_running_loop().create_future()
        session.add_done_callback(partial(_tell_of_end, ended))
        try:
            # A third of what `asyncio.wait` keeps in memory for as long as it waits.
            await ended
        except asyncio.CancelledError:
            if request.transport is None:
                await asyncio.wait({session}, timeout=CLOSE_WITHIN_S)
            session.cancel()
            await asyncio.wait({session}, timeout=CLOSE_WITHIN_S)
            raise
        finally:
            self._sessions.discard(session)
        if not session.cancelled():
            session.result()


async def _refusal_by_status(outgoing: Outgoing, entry: SessionEntry, stage: Stage) -> web.Response:
    """The answer to a handshake that a scenario refuses, after the pauses that it wants."""
    for wait in outgoing.before:
        await stage.clock.sleep(wait.seconds, outgoing.speed)
    entry.accepted(outgoing.status, outgoing.headers)
    body = b"".join(part for part in outgoing.parts if isinstance(part, bytes))
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in outgoing.headers]
    return web.Response(status=outgoing.status, headers=CIMultiDict(headers), body=body)


def _tell_of_end(ended: asyncio.Future[None], session: asyncio.Task[None]) -> None:
    """The session is over: tell who waits for it, if somebody still does."""
    if not ended.done():
        ended.set_result(None)


def _raw_headers(response: web.StreamResponse) -> RawHeaders:
    """The header fields of a response that has been sent."""
    return tuple((_encoded(name), _encoded(value)) for name, value in response.headers.items())


@lru_cache(maxsize=64)
def _encoded(text: str) -> bytes:
    """Text of a header; what every session has is one object."""
    return text.encode("latin-1")


def _note_on(entry: SessionEntry) -> Callable[[str], None]:
    """Writes what a scenario did not expect into the session's entry and on the terminal."""

    def note(why: str) -> None:
        entry.origin = replace(entry.origin, misses=(*entry.origin.misses, why))
        logger.warning("%s: %s", entry.origin.scenario, _printable(redacted_reason(why)))

    return note


def session_line(session: Session) -> str:
    """The line on the terminal: redacted target, scenario or nearest miss, frames of each side, close, time."""
    origin = session.origin
    if origin.scenario is not None:
        who = origin.scenario
    else:
        who = f"no scenario (nearest: {redacted_reason(origin.misses[0])})" if origin.misses else "no scenario"
    scope = f"[{origin.scope}] " if origin.scope else ""
    faults = f" ({', '.join(origin.faults)})" if origin.faults else ""
    frames = f"{len(session.sent_by('client'))}>{len(session.sent_by('server'))}"
    close = session.close
    if close is None:
        end = "not closed"
    else:
        end = f"{close.sender} closed {close.code or 'without a code'}" + (
            f" {redacted_reason(close.reason)}" if close.reason else ""
        )
    took = ((session.ended if session.ended is not None else session.started) - session.started) * 1000
    line = f"LIVE {redacted_target(session.request.target)} {scope}{who} {session.status}{faults} {frames} {end}"
    return f"{_printable(line)} {took:.0f} ms"


def _printable(text: str) -> str:
    """Nothing in it can start a new line or steer a terminal (security-reliability S-67)."""
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST_LINE])
