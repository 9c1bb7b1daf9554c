"""Live sessions as the gateway sees them: checks, credentials, the dial, and what becomes of one that cannot begin."""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from aiohttp import web

from understudy.messages import RawHeaders, header_values
from understudy.rpc_status import error_info, rpc_status

from .answers import Answer, own_answer, refusal_answer
from .credentials import Credentials, CredentialsFailed
from .destinations import Destinations
from .headers import for_client, for_live_upstream, with_via
from .http import CredentialsMissing, Progress, credential_of
from .inflating import offers_of
from .keys import Caller
from .live import LiveSessions, Spliced, SpliceMaker, accept_and_close, fault_of, relay
from .live_metering import POLICY, LiveMeter
from .metering import Ending
from .outgoing import PAYERS, without_fields
from .refusals import DOMAIN, Reason, Refusal
from .routes import Route
from .settings import ApiKey, GatewayConfig
from .setup_message import SetupRules, judged_setup, setup_rules
from .splice import LiveLimits, LiveOutcome, Splice
from .upgrade import Dial, DialError, HandshakeFault, Refused, subprotocols_of, without_keys
from .upstream.dialling import Dialler

NO_CREDENTIALS: Final = 4001
NO_PROJECT: Final = 4002
"""Close codes of the gateway's own configuration faults (WS-14)."""


class LivePassthrough:
    """Serves Live routes."""

    def __init__(
        self,
        config: GatewayConfig,
        credentials: Mapping[str, Credentials],
        tls: ssl.SSLContext,
        monotonic: Callable[[], float],
        sessions: LiveSessions,
        destinations: Destinations,
    ) -> None:
        """`sessions` has those that run, also under an earlier configuration."""
        self._config = config
        self._credentials = credentials
        self._tls = tls
        self._monotonic = monotonic
        self._key_header = config.key_header.encode("latin-1") if config.key_header else None
        self._via = (config.network.via or "").encode("ascii")
        timeouts = config.timeouts
        self._limits = LiveLimits(
            message_bytes=config.limits.message_bytes,
            stall_s=timeouts.write_s,
            ping_s=timeouts.live_ping_s,
            idle_s=timeouts.live_idle_s,
            setup_s=timeouts.setup_s,
        )
        self._sessions = sessions
        self._dialler = Dialler(config.timeouts.connect_s, destinations)
        self._payer = config.reach.user_project.encode("ascii") if config.reach.user_project else None

    async def serve(
        self,
        request: web.BaseRequest,
        route: Route,
        caller: Caller,
        meter: LiveMeter,
        ids: RawHeaders,
        progress: Progress,
    ) -> web.StreamResponse:
        """Relay one session to its end, and book it; or answer why there is none."""
        fault = fault_of(request)
        if fault is not None:
            progress.ending = Ending(fault.status, "rejected", False, fault.message)
            return _fault_answer(fault, ids)
        try:
            credential = await credential_of(self._config, self._credentials, route, request.raw_headers, caller)
        except CredentialsMissing as missing:
            reason = f"no provider credentials: set {missing.setting}"
            return await self._accept_and_close(request, NO_CREDENTIALS, reason, ids, progress)
        except CredentialsFailed as failed:
            refusal = Refusal(Reason.CREDENTIALS_FAILED, retry_after_s=failed.retry_after_s)
            return _refused(refusal, ids, progress)
        if route.is_short_live and route.upstream.project is None and not isinstance(route.credential.source, ApiKey):
            reason = "no project: set DEFAULT_VERTEXAI_PROJECT or default_vertex_config.vertex_project"
            return await self._accept_and_close(request, NO_PROJECT, reason, ids, progress)
        upstream = route.upstream
        place = (upstream.project, upstream.location) if upstream.project and upstream.location else None
        rules = setup_rules(self._config, upstream.kind, caller.rule, place)
        dial = self._dial(request.raw_headers, route, caller, credential)
        if isinstance(dial, Refusal):
            return _refused(dial, ids, progress)
        if rules is not None:  # a setup that is to be read, and perhaps changed, must not be compressed (S-61)
            dial = replace(dial, extensions=())
        return await self._relay(request, route, dial, meter, ids, progress, rules)

    def _dial(self, received: RawHeaders, route: Route, caller: Caller, credential: RawHeaders) -> Dial | Refusal:
        project = route.upstream.project if route.upstream.kind == "vertex_ai" else None
        payer = project.encode("ascii") if project and credential else None
        headers = for_live_upstream(
            received if self._payer is None else without_fields(received, PAYERS),
            credential,
            key=caller.presented,
            key_header=self._key_header,
            keeps_google=not credential,
            user_project=self._payer or payer,
        )
        if self._via and not isinstance(headers, Refusal):
            headers = with_via(headers, self._via)
        if isinstance(headers, Refusal):
            return headers
        upstream, is_secure = route.upstream, route.upstream.scheme == "https"
        return Dial(
            "wss" if is_secure else "ws",
            upstream.host,
            upstream.port,
            route.target,
            headers,
            without_keys(subprotocols_of(received)),
            offers_of(header_values(received, b"sec-websocket-extensions")),
            self._tls if is_secure else None,
            self._config.timeouts.connect_s,
            dialler=self._dialler,
        )

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
        # Until the client is accepted there is no session: one that leaves during the dial used nothing.
        progress.ending = Ending(499, "client_abort", was_sent=False)
        began = self._monotonic()

        def accepted() -> None:
            nonlocal began
            began = self._monotonic()
            progress.ending = Ending(101, "client_abort")

        try:
            outcome = await relay(
                request,
                dial,
                meter,
                # An alias alone is no reason to hurry: nobody is to be kept out.
                self._limits if rules is None or rules.rule is not None else replace(self._limits, setup_s=None),
                answer_headers=ids,
                sessions=self._sessions,
                accepted=accepted,
                begun=meter.begun,
                judge=None if rules is None else partial(judged_setup, rules),
                splice=self._splicing(meter),
            )
        except DialError as error:
            return _refused(Refusal(error.reason), ids, progress)
        was_sent = outcome.outcome != "rejected" or outcome.refusal is not None
        progress.ending = Ending(outcome.status, outcome.outcome, was_sent, _why(outcome))
        meter.ended(duration_s=self._monotonic() - began, unread=outcome.unread, code=outcome.code)
        if outcome.refusal is None:
            return Spliced()
        if outcome.refusal.status == 401 and (credentials := self._credentials.get(route.credential.id)):
            credentials.rejected()
        return _passed_on(outcome.refusal, ids)

    def _splicing(self, meter: LiveMeter) -> SpliceMaker:
        """What couples a session's two sides."""
        return Splice

    async def _accept_and_close(
        self, request: web.BaseRequest, code: int, reason: str, ids: RawHeaders, progress: Progress
    ) -> web.StreamResponse:
        progress.ending = Ending(101, "rejected", False, f"closed {code}: {reason}")
        await accept_and_close(request, code, reason, answer_headers=ids, limits=self._limits)
        return Spliced()


def _why(outcome: LiveOutcome) -> str | None:
    """The end in words for the record; None for an ordinary one."""
    if outcome.outcome == "ok":
        return outcome.reason if outcome.ended_by == "gateway" and outcome.code == POLICY else None
    if outcome.refusal is not None:
        return f"the provider refused the session with HTTP {outcome.status}"
    if outcome.ended_by == "gateway" and outcome.outcome == "rejected":
        return outcome.reason
    return f"ended by {outcome.ended_by}, close code {outcome.code}"


def _refused(refusal: Refusal, ids: RawHeaders, progress: Progress) -> Answer:
    is_upstream = refusal.status in (502, 504, 508)
    progress.ending = Ending(refusal.status, "upstream_abort" if is_upstream else "rejected", False, refusal.message)
    return refusal_answer(refusal, ids)


def _passed_on(refused: Refused, ids: RawHeaders) -> Answer:
    """The provider's refusal of the handshake as the client's HTTP answer (WS-4)."""
    fields = tuple(field for field in for_client(refused.headers, ids) if field[0].lower() != b"content-length")
    return Answer(refused.status, refused.reason.encode("latin-1"), fields, refused.body)


def _fault_answer(fault: HandshakeFault, ids: RawHeaders) -> Answer:
    """A handshake that is none."""
    headers = (
        (b"Content-Type", b"application/json; charset=UTF-8"),
        (b"x-understudy-error", b"BAD_HANDSHAKE"),
        *fault.headers,
    )
    body = rpc_status(fault.status, fault.message, [error_info("BAD_HANDSHAKE", DOMAIN)], "INVALID_ARGUMENT")
    return own_answer(fault.status, headers, json.dumps(body).encode() + b"\n", ids)
