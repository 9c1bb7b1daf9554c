"""Finds out who answers a Live session: a scenario, the free conversation, or a refusal; and what befalls it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal, cast

import msgspec
from aiohttp import web

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.match import Facts
from understudy.scenario.model import Fault, Reply
from understudy.surfaces import Place, model_id

from ..answers.reading import member, text_in
from ..arms import Performance
from ..auth.ephemeral import constrained
from ..auth.presented import presented_in
from ..draws import Draws
from ..google_errors import credentials_error, quota_error
from ..ids import Identity
from ..layers import Injected
from ..pacing import LivePace, Pace
from ..playback import Playback
from ..recorder import SessionEntry
from ..replies import Manner, Outgoing
from ..scripted import outcome_of, reply_answer
from ..stage import Stage
from .disturbing import Disturber
from .handshakes import HANDSHAKE, befall, of_handshake
from .machine.conversation import Conversation
from .machine.music import MusicSession
from .reading import setup_model
from .refusals import (
    TOKEN_EXPIRED,
    UNAVAILABLE,
    Refusal,
    Refusing,
    idle_refusal,
    own_refusal,
    query_refusal,
    refusal_of,
    too_many_sessions,
)
from .session import Cast, Machine
from .wire_faults import WireFaults

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


class Casting:
    """Finds out who answers a session, when its first message is there."""

    __slots__ = (
        "_chosen",
        "_expires",
        "_identity",
        "_injected",
        "_opened",
        "_place",
        "_request",
        "_values",
        "entry",
        "stage",
    )

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

    @property
    def handshake_faults(self) -> tuple[Fault, ...]:
        """What befalls the handshake, known after `refused_handshake`."""
        return of_handshake(self._injected)

    async def befall(self, request: web.BaseRequest) -> bool:
        """Let it befall the handshake; whether that may be answered."""
        identity = self._identity or Identity(self.stage.settings.seed, self.entry.origin.scope, 0)
        draws = Draws(identity, "handshake")
        return await befall(request, self.entry, self.handshake_faults, self.stage.clock, draws)

    def cast(self, message: LazyJson) -> Cast | Refusal:
        """A scenario that fits; else, unless the simulator is strict, a free conversation; else why not."""
        found = self._found(message)
        if not isinstance(found, Refusal) or not (self.stage.has_layers or self._injected):
            return found
        # What is laid over sessions befalls those, too, that are refused before anybody answers.
        scope = self.entry.origin.scope
        identity = self._identity or self.stage.next_identity(scope)
        model = model_id(setup_model(message) or "")
        return Cast(Refusing(found), disturber=self._disturber(message, model, scope, identity, None))

    def _found(self, message: LazyJson) -> Cast | Refusal:
        """Who answers the session, or why nobody does."""
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
                *self._idle(model, identity),
            )
        self.entry.origin = replace(self.entry.origin, misses=misses)
        if self.stage.is_strict(scope):
            return own_refusal("no scenario: " + (misses[0] if misses else "none is armed in this scope"))
        disturber = self._disturber(message, model, scope, identity, None)
        machine = self._free(identity, scope)
        # They are for scenarios, and this lives as long as the session.
        self._values = {}
        return Cast(machine, None, None if message is sent else message, disturber, *self._idle(model, identity))

    def _idle(self, model: str, identity: Identity) -> tuple[float, Refusal]:
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
        laid = [
            (one.what, one.at or one.first_at, one.name)
            for one in injected
            if not isinstance(one.what, Reply) and one.at != HANDSHAKE
        ]
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
