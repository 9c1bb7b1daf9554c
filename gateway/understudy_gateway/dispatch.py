"""What becomes of one request: health, route, key, limits, then the passthrough; its record and log line at the end."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Final

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, web

from understudy.messages import RawHeaders, header_value
from understudy.pricing.cost import plain

from .answers import own_answer, refusal_answer
from .cors import Origins
from .headers import holds_key
from .http import HttpPassthrough, Progress
from .ids import ids_of
from .journal import Journal
from .keys import Caller, KeyRing
from .known_heads import KnownHead, KnownHeads
from .limits.admission import Admission, Lease
from .live_metering import LiveMeter
from .metering import Books, Call, Ending, ExchangeMeter, utc_now
from .metrics import Metrics
from .model_names import ModelRule, judged, overrides_method
from .query import KEY_PARAMETERS, parameters, split_target, without
from .refusals import Reason, Refusal
from .rewriting import signer_of
from .routes import Route
from .routing import is_live_path, mounted, route
from .sessions import LivePassthrough
from .settings import GatewayConfig
from .slowing import Slowing
from .tags import tags_of
from .unaccounted import BlindLiveMeter, BlindMeter

_log = logging.getLogger(__name__)

HEALTH: Final = frozenset({b"/health/liveliness", b"/health/liveness", b"/health/readiness"})
"""Paths that are answered without a key (OBS-7)."""

_PUBLIC: Final = frozenset({Reason.NO_ROUTE, Reason.METHOD_REFUSED, Reason.BASE_URL_TRAP, Reason.LIVE_BASE_URL_TRAP})
"""Refusals that are given without a key: they say how to reach the gateway, and nothing of what is behind it."""

_MOST_ROUTES: Final = 1024
_LONGEST_KNOWN: Final = 512


class Serving:
    """What requests are served by until the configuration changes: keys, routes, the two passthroughs."""

    def __init__(self, config: GatewayConfig, http: HttpPassthrough, live: LivePassthrough) -> None:
        self.keys: Final = KeyRing(config)
        self.http: Final = http
        self.live: Final = live
        self.known: Final = KnownHeads(config.key_header.encode() if config.key_header else None)
        self.meter: Final = ExchangeMeter if config.accounting else BlindMeter
        self.live_meter: Final = LiveMeter if config.accounting else BlindLiveMeter
        self.checks_live_budgets: Final = config.live_budget_check
        self.origins: Final = Origins(config.network.allowed_origins)
        self.root_path: Final = config.reach.root_path.encode("ascii")
        self.signer: Final = signer_of(config)
        self.patience: Final = (config.limits.wrong_keys, config.timeouts.wrong_key_s)
        self._config = config
        self._known_route = lru_cache(maxsize=_MOST_ROUTES)(partial(route, config))

    def lets_page_in(self, headers: RawHeaders, caller: Caller) -> bool:
        """Whether a Live handshake may go on for what it says of the page that sends it (S-58)."""
        return self.origins.lets_in(headers, caller.presented, self._config.key_header)

    def route(self, method: str, raw_target: bytes) -> Route | Refusal:
        """Where a request goes. Clients ask for few targets, again and again; long ones are not remembered (S-56)."""
        if len(raw_target) > _LONGEST_KNOWN:
            return route(self._config, method, raw_target)
        return self._known_route(method, raw_target)


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A request as it came in: its ids under both names, and when it began on the monotonic clock."""

    request: web.BaseRequest
    ids: RawHeaders
    started: float

    @property
    def id(self) -> str:
        """The request id."""
        return self.ids[0][1].decode("ascii")


class Dispatcher:
    """Serves requests by `serving`, which may be replaced at any time; requests under way keep theirs.

    `is_leaving`: who asks for readiness is told so; `is_draining`: new requests are refused; `is_cutting`: what is
    cancelled from now on was cut by the gateway.
    """

    def __init__(
        self,
        serving: Serving,
        *,
        books: Books,
        admission: Admission,
        journal: Journal,
        metrics: Metrics,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.serving = serving
        self.is_leaving = False
        self.is_draining = False
        self.is_cutting = False
        self._books = books
        self._admission = admission
        self._journal = journal
        self._metrics = metrics
        self._now = now
        self._monotonic = monotonic
        self._slowing = Slowing(monotonic)
        self._idle = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. The outermost handler: what nobody foresaw is logged, and answered with 500."""
        self._metrics.in_flight += 1
        ids = ids_of(request.raw_headers, self.serving.keys.occurs_in)
        if self.serving.origins:
            ids = (*ids, *self.serving.origins.fields(request.raw_headers))
        try:
            return await self._dispatch(Arrival(request, ids, self._monotonic()))
        except ConnectionError:  # the client left while it was written to
            raise
        except Exception:
            _log.exception("an exchange failed")
            if request.writer.output_size:
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionAbortedError from None
            answer = refusal_answer(Refusal(Reason.INTERNAL), ids)
            answer.force_close()  # nobody knows how much of the request was read
            return answer
        finally:
            self._metrics.in_flight -= 1
            if not self._metrics.in_flight:
                self._idle.set()

    async def overloaded(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to the one request of a connection for which there is no room; health is told all the same."""
        ids = ids_of(request.raw_headers, self.serving.keys.occurs_in)
        path, _ = split_target(raw_target(request))
        refusal = Refusal(Reason.OVERLOADED, retry_after_s=1)
        if path in HEALTH and request.method in ("GET", "HEAD"):
            answer = self.health(path, ids)
        else:
            self._metrics.refused(request.method, refusal)
            answer = refusal_answer(refusal, ids)
        answer.force_close()
        return answer

    async def until_idle(self) -> None:
        """Wait until no request is under way."""
        while self._metrics.in_flight:
            self._idle.clear()
            await self._idle.wait()

    def health(self, path: bytes, ids: RawHeaders) -> web.StreamResponse:
        """The answer to a path of `HEALTH`."""
        is_ready = not ((self.is_draining or self.is_leaving) and path == b"/health/readiness")
        body = json.dumps({"status": "ok" if is_ready else "draining"}).encode() + b"\n"
        return own_answer(200 if is_ready else 503, ((b"Content-Type", b"application/json"),), body, ids)

    async def _dispatch(self, arrival: Arrival) -> web.StreamResponse:
        request, serving = arrival.request, self.serving
        if request.version is not HttpVersion11 and not _is_http_1_0(request):
            return self._refused(arrival, Refusal(Reason.BAD_REQUEST))
        known = None if self.is_draining else serving.known.get(request.method, request.raw_path, request.raw_headers)
        if known is None:
            judged = await self._judged(serving, arrival)
            if not isinstance(judged, KnownHead):
                return judged
            known = judged
        found, caller = known.route, known.caller
        lease = self._admission.admit(caller.key_id, request.method, found)
        if isinstance(lease, Refusal):
            return self._refused(arrival, lease, caller, found)
        if lease.spent is not None:
            spent = (b"x-litellm-key-spend", plain(lease.spent).encode("ascii"))
            arrival = msgspec.structs.replace(arrival, ids=(*arrival.ids, spent))
        serve = self._serve_live if found.is_live else self._serve_http
        return await serve(serving, arrival, known, lease)

    async def _judged(self, serving: Serving, arrival: Arrival) -> KnownHead | web.StreamResponse:
        """What follows from a head that has not come before, or the answer with which the request ends."""
        request = arrival.request
        target = raw_target(request)
        if serving.root_path:
            target = mounted(serving.root_path, target)
        path, query = split_target(target)
        if path in HEALTH and request.method in ("GET", "HEAD"):
            return self.health(path, arrival.ids)
        if self.is_draining:
            answer = refusal_answer(Refusal(Reason.DRAINING, retry_after_s=1), arrival.ids)
            answer.force_close()
            return answer
        if serving.origins and (told := serving.origins.preflight(request.method, request.raw_headers)) is not None:
            return own_answer(204, told, None, arrival.ids)
        found = serving.route(request.method, target)
        if isinstance(found, Refusal) and found.reason in _PUBLIC:
            return self._refused(arrival, found)
        is_live = found.is_live if isinstance(found, Route) else is_live_path(path)
        caller = serving.keys.caller(request.raw_headers, parameters(query), is_live=is_live)
        if isinstance(caller, Refusal) and serving.signer is not None and isinstance(found, Route):
            caller = self._by_url(serving, request.method, found, query) or caller
        if isinstance(caller, Refusal):
            answer = self._refused(arrival, caller)
            await self._slowing.hold(request, caller, answer, *serving.patience)
            return answer
        if is_live and not serving.lets_page_in(request.raw_headers, caller):
            return self._refused(arrival, Refusal(Reason.ORIGIN_REFUSED), caller)
        # Before anything is made of the target: a path's model is logged, a query's project becomes a field upstream.
        if holds_key(path, caller.presented) or holds_key(without(query, KEY_PARAMETERS) or b"", caller.presented):
            found = Refusal(Reason.KEY_ELSEWHERE)
        elif isinstance(found, Route) and not is_live and (caller.rule is not None or request.method != "POST"):
            found = _forbidden(caller.rule, request, query, found) or found
        if isinstance(found, Refusal):
            return self._refused(arrival, found, caller)
        known = _known(found, caller, request.raw_headers)
        if not is_live and not caller.by_url:  # a signed URL is good for some time only
            serving.known.put(request.method, request.raw_path, request.raw_headers, known)
        return known

    def _by_url(self, serving: Serving, method: str, found: Route, query: bytes | None) -> Caller | None:
        """Who sends the bytes of an upload to a URL that the gateway has written for a valid key (LRO-5)."""
        if serving.signer is None or not found.may_rewrite or method not in ("POST", "PUT"):
            return None
        key_id = serving.signer.key_id(found.target, query, self._now())
        return None if key_id is None else serving.keys.by_id(key_id)

    async def _serve_http(
        self, serving: Serving, arrival: Arrival, known: KnownHead, lease: Lease
    ) -> web.StreamResponse:
        meter, progress = serving.meter(self._books, self._call(arrival, known)), Progress()
        try:
            return await serving.http.serve(arrival.request, known, meter, arrival.ids, progress)
        finally:
            ending = self._seen(progress.ending)
            self._journal.ended(arrival.request.method, lease, meter, ending, arrival.started)

    async def _serve_live(
        self, serving: Serving, arrival: Arrival, known: KnownHead, lease: Lease
    ) -> web.StreamResponse:
        found, caller = known.route, known.caller
        use = partial(self._admission.used, lease) if serving.checks_live_budgets and lease.budget is not None else None
        meter, progress = serving.live_meter(self._books, self._call(arrival, known), use, caller.presented), Progress()
        self._metrics.live_sessions += 1
        try:
            return await serving.live.serve(arrival.request, found, caller, meter, arrival.ids, progress)
        finally:
            self._metrics.live_sessions -= 1
            self._journal.ended(arrival.request.method, lease, meter, progress.ending, arrival.started)

    def _call(self, arrival: Arrival, known: KnownHead) -> Call:
        method, key_id = arrival.request.method, known.caller.key_id
        return Call(arrival.id, key_id, method, known.route, self._now(), known.tags, arrival.started)

    def _seen(self, ending: Ending) -> Ending:
        """What is cancelled at the end of the drain was cut by us; the client has not left."""
        if ending.outcome == "client_abort" and self.is_cutting:
            return msgspec.structs.replace(ending, outcome="timeout", reason="the gateway ended")
        return ending

    def _refused(
        self, arrival: Arrival, refusal: Refusal, caller: Caller | None = None, found: Route | None = None
    ) -> web.StreamResponse:
        """Answer and log a request that was not let in."""
        key_id = caller.key_id if caller else None
        self._journal.refused(arrival.request.method, refusal, key_id, arrival.id, arrival.started, found)
        answer = refusal_answer(refusal, arrival.ids)
        if refusal.reason is Reason.BAD_REQUEST or header_value(arrival.request.raw_headers, b"transfer-encoding"):
            answer.force_close()  # what follows may be no request (S-36, S-18)
        return answer


def _known(found: Route, caller: Caller, headers: RawHeaders) -> KnownHead:
    coding, expect = header_value(headers, b"transfer-encoding"), header_value(headers, b"expect")
    return KnownHead(
        found,
        caller,
        tags_of(headers, caller),
        None if coding is None else coding.strip().lower(),
        None if expect is None else expect.lower(),
    )


def _is_http_1_0(request: web.BaseRequest) -> bool:
    """Whether a request that is not of HTTP/1.1 can be read as one of HTTP/1.0: that has no transfer coding (S-36)."""
    return request.version is HttpVersion10 and not header_value(request.raw_headers, b"transfer-encoding")


def _forbidden(rule: ModelRule | None, request: web.BaseRequest, query: bytes | None, found: Route) -> Refusal | None:
    """Why a key with this rule may not have this request (AUTH-10); on Live the setup message says the model.

    What reads only is free and may be sent again, so it may not ask to be taken for something else (COST-12, S-31).
    """
    if overrides_method(request.raw_headers, query):
        return Refusal(Reason.AMBIGUOUS_REQUEST)
    return None if rule is None else judged(rule, request.method, found)


def raw_target(request: web.BaseRequest) -> bytes:
    """The target of the request line, byte for byte."""
    return request.raw_path.encode("utf-8", "surrogateescape")
