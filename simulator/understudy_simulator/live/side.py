"""Live sessions of both services: accepts the handshake, finds out who answers, plays the session, writes it down.

Refusals come as the services give them: the handshake succeeds, the close frame refuses (wire-live 0.7, 5.1), once the
client's first message is there.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal, cast

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from understudy.messages import Origin, RawHeaders, Request, Session
from understudy.redaction import redacted_reason, redacted_target
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.match import Facts
from understudy.scenario.model import Reply
from understudy.surfaces import Place, model_id

from ..answers.reading import member, text_in
from ..arms import Performance
from ..auth.ephemeral import constrained
from ..auth.presented import presented_in
from ..draws import Draws
from ..google_errors import credentials_error, quota_error
from ..ids import Identity
from ..incoming import request_of
from ..layers import Injected
from ..pacing import LivePace, Pace
from ..playback import Playback
from ..recorder import SessionEntry
from ..replies import Manner, Outgoing
from ..scripted import outcome_of, reply_answer
from ..stage import Stage
from .connection import MESSAGE_LIMIT, LiveConnection
from .disturbing import Disturber
from .machine.conversation import Conversation
from .machine.music import MusicSession
from .reading import setup_model
from .refusals import (
    TOKEN_EXPIRED,
    UNAVAILABLE,
    Refusal,
    idle_refusal,
    own_refusal,
    query_refusal,
    refusal_of,
    too_many_sessions,
)
from .session import CLOSE_WITHIN_S, Cast, LiveSession, Machine
from .wire_faults import WireFaults

logger = logging.getLogger(__name__)

# aiohttp warns of subprotocols that it does not select, and repeats them: they may hold a key (wire-live 7.2).
logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)

_LONGEST_LINE: Final = 900
_CONSTRAINED: Final = "bidiGenerateContentConstrained"
"""What clients with an ephemeral token dial (wire-live 1)."""

_MUSIC: Final = "bidiGenerateMusic"

_POLICY_VIOLATION: Final = 1008
_TOKEN_REFUSALS: Final[Mapping[str, Refusal]] = {
    "unknown": Refusal(_POLICY_VIOLATION, "The ephemeral token is not known."),
    "expired": TOKEN_EXPIRED,
    "spent": UNAVAILABLE,
}
"""A token that was used up gets what the service gives when it is down (wire-live 5.1); the other words are assumed."""


class LiveSide:
    """The handler of Live paths, and of all sessions that are going on."""

    def __init__(self) -> None:
        self._sessions: set[asyncio.Task[None]] = set()

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
            casting = _Casting(place, stage, scoped.request, entry)
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

    async def _serve(self, request: web.BaseRequest, casting: "_Casting") -> web.StreamResponse:
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
        if outgoing is not None:
            return await _refusal_by_status(outgoing, entry, stage)
        try:
            await socket.prepare(request)
        except ConnectionError:
            entry.close("client", None)
            return socket
        entry.accepted(101, _raw_headers(socket))
        session = LiveSession(
            LiveConnection(request, socket, entry), stage.clock, stage.settings.speed, _note_on(entry)
        )
        await self._to_its_end(request, asyncio.create_task(session.run(casting.cast)))
        return socket

    async def _to_its_end(self, request: web.BaseRequest, session: asyncio.Task[None]) -> None:
        """Wait for a session. When aiohttp cancels because the client is gone, it still may write its end down."""
        self._sessions.add(session)
        try:
            await asyncio.wait({session})
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


class _Casting:
    """Finds out who answers a session, when its first message is there."""

    def __init__(self, place: Place, stage: Stage, request: Request, entry: SessionEntry) -> None:
        """`request` is the handshake without the path carrier of its scope."""
        self.stage = stage
        self.entry = entry
        self._place = place
        self._request = request
        self._values: dict[str, str] = {}
        self._chosen: Performance | None = None
        self._expires: datetime | None = None
        self._identity: Identity | None = None
        self._injected: tuple[Injected, ...] = ()
        self._opened: tuple[Literal["gemini", "vertex"], str, str] | None = None

    def cast(self, message: LazyJson) -> Cast | Refusal:
        """A scenario that fits; else, unless the simulator is strict, a free conversation; else why not."""
        locked = self._locked(message)
        if isinstance(locked, Refusal):
            return locked
        sent, message = message, locked
        model_path = setup_model(message) or ""
        refusal = self._refusal(model_path) or self._beyond_quota(model_path)
        if refusal is not None:
            return refusal
        scope = self.entry.origin.scope
        if not scope:
            scoped = self.stage.scope_of(self._request, message.raw)
            if scoped.mistake:
                return own_refusal(scoped.mistake)
            scope = scoped.scope
        self.entry.origin = replace(self.entry.origin, scope=scope)
        identity = self._identity or self.stage.next_identity(scope)
        model = model_id(model_path)
        self._values.update(self.stage.slot_values(scope, identity, replace(self._place, model=model, name=model_path)))
        misses: tuple[str, ...] = ()
        if self._chosen is None:
            choice = self.stage.choose(self._facts(message, model, scope), self._values)
            self._chosen, misses = choice.performance, choice.misses
        if self._chosen is not None and isinstance(self._chosen.playback, Playback):
            self.entry.origin = replace(self.entry.origin, scenario=self._chosen.scenario.id)
            disturber = self._disturber(message, model, scope, identity, self._chosen)
            return Cast(
                self._chosen.playback,
                self._chosen.speed,
                None if message is sent else message,
                disturber,
                *self._patience(model, identity),
            )
        self.entry.origin = replace(self.entry.origin, misses=misses)
        if self.stage.is_strict(scope):
            return own_refusal("no scenario: " + (misses[0] if misses else "none is armed in this scope"))
        disturber = self._disturber(message, model, scope, identity, None)
        machine = self._free(identity, scope)
        return Cast(machine, None, None if message is sent else message, disturber, *self._patience(model, identity))

    def _patience(self, model: str, identity: Identity) -> tuple[float, Refusal]:
        """How long nothing may happen, and what the session ends by then."""
        return self.stage.settings.live.idle_s, idle_refusal(model, identity.hex("trace", 16))

    def _free(self, identity: Identity, scope: str) -> Machine:
        """Who answers where no scenario does."""
        stage, live = self.stage, self.stage.settings.live
        if self._place.method == _MUSIC:
            return MusicSession(self._place, live)
        return Conversation(
            self._place,
            identity,
            live,
            stage.live_memory,
            now=stage.clock.now(),
            takes_any=stage.takes_any_body(scope),
            expires=self._expires,
        )

    def _disturber(
        self, message: LazyJson, model: str, scope: str, identity: Identity, chosen: Performance | None
    ) -> Disturber | None:
        """What befalls the session: faults laid over it, and those of its script; None if there can be none."""
        stage = self.stage
        profile = (chosen and chosen.latency) or stage.latency
        if chosen is None and not stage.has_layers and not self._injected and profile is None:
            return None
        facts = stage.coming_call(self._facts(message, model, scope))
        now = stage.clock.now()
        injected = list(self._injected)
        for layer in stage.layers(scope):
            if not layer.refuses_handshakes:
                injected.extend(layer.injected(facts, identity, now))
        if chosen is not None and chosen.layer is not None:
            injected.extend(chosen.layer.injected(facts, identity, now, own=True))
        laid = [(one.what, one.at or one.first_at, one.name) for one in injected if not isinstance(one.what, Reply)]
        faults = WireFaults(laid, Draws(identity, "faults"))
        pace = None if profile is None else LivePace(Pace(profile, identity, stage.under_way))
        return Disturber(faults, stage.clock, None if chosen is None else chosen.speed, pace, stage.under_way)

    def _laid_refusal(self, scope: str) -> Outgoing | None:
        """The refusal of the handshake that is laid over it; None if there is none."""
        stage = self.stage
        layers = [layer for layer in stage.layers(scope) if layer.refuses_handshakes] if stage.has_layers else []
        if not layers:
            return None
        # The number is taken here, so that what is drawn is this session's own.
        self._identity = stage.next_identity(scope)
        facts, now = stage.coming_call(self._facts(LazyJson(b""), "", scope)), stage.clock.now()
        self._injected = tuple(one for layer in layers for one in layer.injected(facts, self._identity, now))
        for one in self._injected:
            if isinstance(one.what, Reply):
                self.entry.origin = replace(self.entry.origin, scenario=one.scenario)
                self.entry.note_fault(one.name)
                manner = Manner(self._place.surface.is_vertex, self._identity.duration_ms)
                return reply_answer(one.what, self._values, manner)
        return None

    def refused_handshake(self) -> Outgoing | None:
        """The answer of a scenario that begins with a reply; None if there is none.

        It is chosen before there is a message: its match names the method or a path, has `model: "*"`, and neither
        `json`, `last_text` nor `call`. Another scenario that fits so far is kept for the session.
        """
        scope = self.entry.origin.scope
        # The values are filled in when the model is known.
        identity = Identity(self.stage.settings.seed, scope, 0)
        self._values.update(self.stage.slot_values(scope, identity, self._place))
        laid = self._laid_refusal(scope)
        if laid is not None:
            return laid
        facts = self._facts(LazyJson(b""), "", scope)
        performance = self.stage.choose(facts, self._values, "named").performance
        if performance is None:
            return None
        if not isinstance(performance.scenario.server[0], Reply):
            self._chosen = performance
            return None
        self.entry.origin = replace(self.entry.origin, scenario=performance.scenario.id)
        manner = Manner(self._place.surface.is_vertex, identity.duration_ms)
        outgoing = outcome_of(performance.playback.answer(LazyJson(b"")), self._values, manner)
        return replace(outgoing, speed=performance.speed) if isinstance(outgoing, Outgoing) else None

    def _refusal(self, model_path: str) -> Refusal | None:
        """Credentials, query, and methods that are not simulated."""
        gate, presented = self.stage.gate, presented_in(self._request)
        project = model_path.split("/")[1] if model_path.startswith("projects/") else None
        verdict = gate.judge(
            presented,
            is_vertex=self._place.surface.is_vertex,
            has_project=project is not None,
            project=project,
            takes_ephemeral=True,
        )
        error = credentials_error(verdict, self._place, gate.refused_project(project, presented.user_project))
        if error is not None:
            return refusal_of(error)
        if self._place.method not in ("bidiGenerateContent", _CONSTRAINED, _MUSIC):
            return own_refusal(f"{self._place.method} is not simulated.")
        return query_refusal(self._request.query)

    def _locked(self, message: LazyJson) -> LazyJson | Refusal:
        """The setup message with what the session's ephemeral token locks; the token's use is counted.

        Tokens that the simulator did not issue lock nothing, and are admitted as any other credential is.
        """
        presented = presented_in(self._request).ephemeral
        tokens = self.stage.gate.ephemeral
        token = None if presented is None else tokens.find(presented.reveal())
        if token is None:
            return message
        setup = member(message.value, "setup")
        resumes = bool(text_in(member(setup, "sessionResumption"), "handle"))
        admission = tokens.admit(token.name, self.stage.clock.now(), resumes=resumes)
        if admission != "admitted":
            return _TOKEN_REFUSALS[admission]
        self._expires = token.expires
        if token.setup is None or not isinstance(setup, dict):
            return message
        kept = constrained(token, cast("dict[str, Any]", setup))
        return LazyJson(msgspec.json.encode({"setup": kept}))

    def _beyond_quota(self, model_path: str) -> Refusal | None:
        """The refusal of a session for which there is no room, or None: then it counts until `release`."""
        quotas = self.stage.quotas
        if not quotas:
            return None
        presented = presented_in(self._request)
        secret = presented.token or presented.key or presented.ephemeral
        who = "" if secret is None else secret.digest().hex()
        wish = ("vertex" if self._place.surface.is_vertex else "gemini", who, model_id(model_path))
        if quotas.open(*wish) is not None:
            identity = Identity(self.stage.settings.seed, self.entry.origin.scope, 0)
            return too_many_sessions(identity.hex("trace", 16))
        self._opened = wish
        # A session counts as one request; its tokens are not counted.
        exceeded = quotas.take(*wish, 0, self.stage.clock.now())
        return None if exceeded is None else refusal_of(quota_error(exceeded))

    def release(self) -> None:
        """The session is over: it counts for its quota no more."""
        if self._opened is not None:
            self.stage.quotas.close(*self._opened)
            self._opened = None

    def _facts(self, message: LazyJson, model: str, scope: str) -> Facts:
        place, request = self._place, self._request
        return Facts(
            place.surface,
            place.method,
            request.path,
            model or None,
            request.headers,
            request.query,
            message,
            scope,
        )


async def _refusal_by_status(outgoing: Outgoing, entry: SessionEntry, stage: Stage) -> web.Response:
    """The answer to a handshake that a scenario refuses, after the pauses that it wants."""
    for wait in outgoing.before:
        await stage.clock.sleep(wait.seconds, outgoing.speed)
    entry.accepted(outgoing.status, outgoing.headers)
    body = b"".join(part for part in outgoing.parts if isinstance(part, bytes))
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in outgoing.headers]
    return web.Response(status=outgoing.status, headers=CIMultiDict(headers), body=body)


def _raw_headers(response: web.StreamResponse) -> RawHeaders:
    """The header fields of a response that has been sent."""
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items())


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
