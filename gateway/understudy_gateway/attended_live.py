"""Live sessions of which more is asked than to be relayed: guardrails beside the messages, spans. All opt-in."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from understudy.messages import RawHeaders

from .credentials import Credentials
from .destinations import Destinations
from .frames import Step
from .gate import MessageGate
from .guardrails.judging import Blocked, Guards, Subject
from .guardrails.taps import MessageJudge, SessionTap
from .guardrails.values import Mode
from .http import Progress
from .inflating import Deflate
from .keys import Caller
from .live import LiveSessions, SpliceMaker
from .live_metering import LiveMeter
from .mocking import MOCK_PREFIX, without_mocks
from .refusals import Reason, Refusal
from .routes import Route
from .sessions import LivePassthrough
from .settings import GatewayConfig
from .setup_message import SetupRules
from .splice import LiveLimits, MeterProtocol, Side, Splice
from .tracing import SpanFile, trace_of
from .upgrade import Dial

POLICY: Final = 1008
"""Close code of a session that a guardrail ends (WS-14)."""

_MODES: Final[tuple[Mode, ...]] = ("pre_call", "post_call")


class AttendedLive(LivePassthrough):
    """Serves Live routes, with what the configuration's features ask for."""

    def __init__(
        self,
        config: GatewayConfig,
        credentials: Mapping[str, Credentials],
        tls: ssl.SSLContext,
        monotonic: Callable[[], float],
        sessions: LiveSessions,
        destinations: Destinations,
        guards: Guards,
        spans: SpanFile | None,
    ) -> None:
        super().__init__(config, credentials, tls, monotonic, sessions, destinations)
        self._guards = guards
        self._spans = spans

    async def serve(
        self,
        request: web.BaseRequest,
        route: Route,
        caller: Caller,
        meter: LiveMeter,
        ids: RawHeaders,
        progress: Progress,
    ) -> web.StreamResponse:
        """As the base's."""
        if self._spans is not None:
            meter.trace = trace_of(request.raw_headers, self._spans, route.method)
        return await super().serve(request, route, caller, meter, ids, progress)

    def _dial(self, received: RawHeaders, route: Route, caller: Caller, credential: RawHeaders) -> Dial | Refusal:
        dial = super()._dial(received, route, caller, credential)
        if isinstance(dial, Refusal) or not self._config.features.mock_testing:
            return dial
        left = without_mocks(received, dial.headers)
        if left is None:
            return Refusal(Reason.HEADER_DENIED, f"x-pass-{MOCK_PREFIX.decode()}...")
        return replace(dial, headers=left)

    async def _relay(
        self,
        request: web.BaseRequest,
        route: Route,
        dial: Dial,
        meter: LiveMeter,
        ids: RawHeaders,
        progress: Progress,
        rules: SetupRules | None,
    ) -> web.StreamResponse:
        if meter.trace is not None:
            dial = replace(dial, headers=meter.trace.onto(dial.headers))
        return await super()._relay(request, route, dial, meter, ids, progress, rules)

    def _splicing(self, meter: LiveMeter) -> SpliceMaker:
        call = meter.call
        key_id, route = call.key_id or "", call.route.name
        if not any(self._guards.applying(key_id, route, mode) for mode in _MODES):
            return super()._splicing(meter)
        subject = Subject(route, None, key_id, call.tags)

        def made(
            client: asyncio.Transport,
            upstream: asyncio.Transport,
            meter: MeterProtocol,
            limits: LiveLimits,
            deflate: Deflate | None,
        ) -> Splice:
            return _GuardedSplice(client, upstream, meter, limits, deflate, self._guards, subject)

        return made


class _GuardedSplice(Splice):
    """A session whose messages are judged: the client's before they pass, the provider's after.

    A block closes both sides with 1008.
    """

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: asyncio.Transport,
        meter: MeterProtocol,
        limits: LiveLimits,
        deflate: Deflate | None,
        guards: Guards,
        subject: Subject,
    ) -> None:
        super().__init__(client, upstream, meter, limits, deflate)
        asked, answered = MessageJudge(guards, subject, "pre_call"), MessageJudge(guards, subject, "post_call")
        self._gate = MessageGate(self, asked, self._blocked, self._heard) if asked.rules else None
        self._tap = SessionTap(answered, self._blocked) if answered.rules else None
        self.receiver = self._gate or self.client
        self._unseen = 0
        self._is_blocked = False

    def _show(self, side: Side, messages: tuple[bytes, ...]) -> None:
        if side is self.client and self._is_blocked:
            return  # they do not pass
        if side is self.upstream and self._tap is not None:
            for message in messages:
                self._tap.message(message)
        super()._show(side, messages)

    def passed(self, side: Side, step: Step) -> None:
        super().passed(side, step)
        if side is self.upstream and self._tap is not None and side.reader.unread != self._unseen:
            self._unseen = side.reader.unread
            self._tap.unread()  # too long to be copied

    def abort(self) -> None:
        super().abort()
        for one in (self._gate, self._tap):
            if one is not None:
                one.stop()

    def _heard(self) -> None:
        self._is_quiet = False

    def _blocked(self, blocked: Blocked) -> None:
        self._is_blocked = True
        self.end_with(POLICY, blocked.told, "rejected", shown=f"the guardrail {blocked.name}")
