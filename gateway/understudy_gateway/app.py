"""The gateway put together: listeners, dispatch, health, one log line and one record for each exchange, the drain."""

import asyncio
import json
import logging
import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from understudy.errors import ConfigError
from understudy.messages import RawHeaders, header_value
from understudy.pricing.book import PriceBook

from .admin import AdminPort
from .answers import own_answer, refusal_answer
from .credentials import Credentials, credentials_for
from .headers import holds_key
from .http import HttpPassthrough, Progress
from .journal import Journal
from .keys import Caller, KeyRing
from .limits.admission import Lease
from .limits.books import admission_of
from .metering import Books, Call, Ending, ExchangeMeter, LiveMeter, utc_now
from .metrics import Metrics
from .operations import Operations
from .query import parameters, split_target, without
from .refusals import Reason, Refusal
from .routes import Route
from .routing import KEY_PARAMETERS, is_live_path, route
from .sessions import LivePassthrough
from .settings import GatewayConfig
from .spend.log import SpendLog
from .spend.store import SpendStore
from .tags import tags_of
from .trust import is_loopback, upstream_context
from .upstream.transport import HttpUpstream

_log = logging.getLogger(__name__)

_HEALTH: Final = frozenset({b"/health/liveliness", b"/health/liveness", b"/health/readiness"})
_PUBLIC: Final = frozenset({Reason.NO_ROUTE, Reason.METHOD_REFUSED, Reason.BASE_URL_TRAP, Reason.LIVE_BASE_URL_TRAP})
"""Refusals that are given without a key: they say how to reach the gateway, and nothing of what is behind it."""

_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_MOST_ROUTES: Final = 1024
_LONGEST_KNOWN: Final = 512
_LINGER_S: Final = 2.0
"""How long the rest of a request is read and thrown away after an early answer, so that the client sees the answer."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens; port 0 picks a free one, None means not at all. `is_shared`: with other workers."""

    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int | None = None
    admin_port: int | None = None
    is_shared: bool = False


class Gateway:
    """The passthrough gateway. As a context manager it listens, and drains when it is left.

    `book` has the prices, `tls` the certificate for `tls_port`, `spend_path` the file of spend records and `store` the
    database of them, which is closed at the end; `metrics_folder` is where several workers leave their numbers. `now`
    is the wall clock for labels, `monotonic` the clock for deadlines. Entering raises OSError if a port is taken.
    """

    def __init__(
        self,
        config: GatewayConfig,
        listen: Listen,
        *,
        book: PriceBook,
        tls: ssl.SSLContext | None = None,
        spend_path: Path | None = None,
        store: SpendStore | None = None,
        metrics_folder: Path | None = None,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError if development mode is not on loopback, or a file cannot be used."""
        if config.development and not is_loopback(listen.host):
            raise ConfigError(
                "understudy_settings.development: any key is accepted, so the gateway listens on loopback only, "
                f"not on {listen.host}"
            )
        self._config = config
        self._listen = listen
        self._tls = tls
        self._now = now
        self._monotonic = monotonic
        self._upstream_tls = upstream_context(config.upstream_ca)
        self._keys = KeyRing(config)
        self.spend: Final = SpendLog(spend_path, store)
        self._books = Books(book, self.spend, now, monotonic, config.cost_policies)
        self._metrics = Metrics(book)
        self._admission = admission_of(config, self._books, self.spend, now=now, monotonic=monotonic)
        self._journal = Journal(self._admission, self._metrics, monotonic)
        self._operations = Operations(self._metrics, self.spend, self._books, self._admission, metrics_folder)
        self._admin = AdminPort(config, store, self._operations.routes)
        self._known_route = _remembered(config)
        self._is_draining = False
        self._is_cutting = False
        self._idle = asyncio.Event()
        self._runners: list[web.ServerRunner] = []
        self._ports: dict[str, int] = {}
        self._retired: list[Credentials | HttpUpstream] = []

    @property
    def http_url(self) -> str:
        """The origin for HTTP and ws://."""
        return self._origin("http", "http") or ""

    @property
    def https_url(self) -> str | None:
        """The origin for HTTPS and wss://; None without TLS."""
        return self._origin("https", "https")

    @property
    def admin_url(self) -> str | None:
        """The origin of the admin port; None without one."""
        return self._origin("admin", "http")

    def _origin(self, listener: str, scheme: str) -> str | None:
        if listener not in self._ports:
            return None
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"{scheme}://{host}:{self._ports[listener]}"

    async def __aenter__(self) -> Self:
        timeouts = self._config.timeouts
        self._upstream = HttpUpstream(self._upstream_tls, timeouts.connect_s)
        self._credentials = self._made_credentials()
        self._http = HttpPassthrough(self._config, self._upstream, self._credentials)
        self._live = LivePassthrough(self._config, self._credentials, self._upstream_tls, self._monotonic)
        for notice in self._config.notices:
            _log.info("%s", notice)
        self._operations.start()
        try:
            await self._start_listeners()
        except BaseException:
            await self._close()
            raise
        return self

    async def reload(self, config: GatewayConfig, book: PriceBook) -> None:
        """Take another configuration and its prices for requests that come from now on; others end by the old one.

        Listeners stay as they are, and so do the limits of a request's head. Raises ConfigError, and changes nothing,
        if a file cannot be used or if development mode would change.
        """
        if config.development != self._config.development:
            raise ConfigError("understudy_settings.development: cannot be changed while the gateway runs")
        context = upstream_context(config.upstream_ca)
        await asyncio.to_thread(self.spend.flush)
        old, known = self._config, self._credentials
        self._admission.adopt(config)
        self._books.adopt(book, config.cost_policies)
        self._metrics.book = book
        self._config, self._keys, self._known_route = config, KeyRing(config), _remembered(config)
        self._admin = AdminPort(config, self.spend.store, self._operations.routes)
        if (config.upstream_ca, config.timeouts.connect_s) != (old.upstream_ca, old.timeouts.connect_s):
            self._retired.append(self._upstream)
            self._upstream_tls = context
            self._upstream = HttpUpstream(context, config.timeouts.connect_s)
        self._credentials = self._made_credentials()
        if (config.upstream_ca, config.timeouts) == (old.upstream_ca, old.timeouts):
            sources = {account.id: account.source for account in old.accounts}
            same = {one.id for one in config.accounts if one.id in known and sources[one.id] == one.source}
            self._credentials |= {id: known[id] for id in same}  # their tokens are still good
        self._retired += [one for id, one in known.items() if self._credentials.get(id) is not one]
        self._http = HttpPassthrough(config, self._upstream, self._credentials)
        self._live = LivePassthrough(config, self._credentials, self._upstream_tls, self._monotonic, self._live.running)
        for notice in config.notices:
            _log.info("%s", notice)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._drain()
        finally:
            await self._close()

    def _made_credentials(self) -> dict[str, Credentials]:
        config = self._config
        return {
            account.id: credentials_for(
                account.source,
                ca=config.upstream_ca,
                wait_s=config.timeouts.credentials_s,
                monotonic=self._monotonic,
            )
            for account in config.accounts
            if account.source is not None
        }

    async def _start_listeners(self) -> None:
        traffic = web.ServerRunner(_Server(self._handle, **self._server_options()))
        admin = web.ServerRunner(_Server(self._handle_admin, **self._server_options()))
        self._runners = [traffic, admin]
        for runner in self._runners:
            await runner.setup()
        listen = self._listen
        await self._start(traffic, "http", listen.port, None)
        if listen.tls_port is not None and self._tls is not None:
            await self._start(traffic, "https", listen.tls_port, self._tls)
        if listen.admin_port is not None:
            await self._start(admin, "admin", listen.admin_port, None)

    async def _start(self, runner: web.ServerRunner, name: str, port: int, tls: ssl.SSLContext | None) -> None:
        host = "127.0.0.1" if name == "admin" and not is_loopback(self._listen.host) else self._listen.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024, reuse_port=self._listen.is_shared)
        self._ports[name] = listener.getsockname()[1]
        await web.SockSite(runner, listener, ssl_context=tls, backlog=1024).start()

    def _server_options(self) -> dict[str, Any]:
        limits = self._config.limits
        return {
            "access_log": None,
            "auto_decompress": False,
            "handler_cancellation": True,
            "keepalive_timeout": self._config.timeouts.keepalive_s,
            "lingering_time": _LINGER_S,
            "max_line_size": limits.request_line_bytes,
            "max_field_size": limits.header_field_bytes,
            "max_headers": limits.header_fields,
        }

    async def _drain(self) -> None:
        """Stop accepting, let exchanges end for a while, close sessions with 1001 (R-24, OBS-10)."""
        self._is_draining = self._http.is_draining = True
        for runner in self._runners:
            for site in tuple(runner.sites):
                await site.stop()
        await self._live.running.close_all()
        try:
            async with asyncio.timeout(self._config.timeouts.drain_s):
                while self._metrics.in_flight:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            _log.warning("%d exchanges are cut off at the end of the drain", self._metrics.in_flight)

    async def _close(self) -> None:
        self._is_cutting = True
        for runner in self._runners:
            server = runner.server
            for connection in server.connections if server is not None else ():
                connection.force_close()
            await runner.cleanup()
        for one in (*self._retired, *self._credentials.values(), self._upstream):
            await one.close()
        self._books.close()
        await asyncio.to_thread(self.spend.close)
        await self._operations.close()

    async def _handle_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _ = split_target(_raw_target(request))
        if path in _HEALTH and request.method in ("GET", "HEAD"):
            return self._health(path, ())
        return await self._admin.handle(request)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. The outermost handler: what nobody foresaw is logged, and answered with 500."""
        self._metrics.in_flight += 1
        try:
            return await self._dispatch(request)
        except ConnectionError:  # the client left while it was written to
            raise
        except Exception:
            _log.exception("an exchange failed")
            if request.writer.output_size:
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionAbortedError from None
            answer = refusal_answer(Refusal(Reason.INTERNAL), self._ids(request.raw_headers))
            answer.force_close()  # nobody knows how much of the request was read
            return answer
        finally:
            self._metrics.in_flight -= 1
            if not self._metrics.in_flight:
                self._idle.set()

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_target = _raw_target(request)
        path, query = split_target(raw_target)
        ids = self._ids(request.raw_headers)
        if path in _HEALTH and request.method in ("GET", "HEAD"):
            return self._health(path, ids)
        if self._is_draining:
            answer = refusal_answer(Refusal(Reason.DRAINING, retry_after_s=1), ids)
            answer.force_close()
            return answer
        started = self._monotonic()
        found = self._route(request.method, raw_target)
        if isinstance(found, Refusal) and found.reason in _PUBLIC:
            return self._refused(request, found, None, ids, started)
        is_live = found.is_live if isinstance(found, Route) else is_live_path(path)
        caller = self._keys.caller(request.raw_headers, parameters(query), is_live=is_live)
        if isinstance(caller, Refusal):
            return self._refused(request, caller, None, ids, started)
        # Before anything is made of the target: a path's model is logged, a query's project becomes a field upstream.
        if holds_key(path, caller.presented) or holds_key(without(query, KEY_PARAMETERS) or b"", caller.presented):
            found = Refusal(Reason.KEY_ELSEWHERE)
        if isinstance(found, Refusal):
            return self._refused(request, found, caller, ids, started)
        call = Call(
            ids[0][1].decode("ascii"),
            caller.key_id,
            request.method,
            found,
            self._now(),
            tags_of(request.raw_headers, caller),
            started,
        )
        lease = self._admission.admit(caller.key_id, request.method, found)
        if isinstance(lease, Refusal):
            return self._refused(request, lease, caller, ids, started)
        serve = self._serve_live if is_live else self._serve_http
        return await serve(request, found, caller, call, lease, ids, started)

    def _route(self, method: str, raw_target: bytes) -> Route | Refusal:
        """Where a request goes. Clients ask for few targets, again and again; long ones are not remembered (S-56)."""
        if len(raw_target) > _LONGEST_KNOWN:
            return route(self._config, method, raw_target)
        return self._known_route(method, raw_target)

    async def _serve_http(
        self,
        request: web.BaseRequest,
        found: Route,
        caller: Caller,
        call: Call,
        lease: Lease,
        ids: RawHeaders,
        started: float,
    ) -> web.StreamResponse:
        meter, progress = ExchangeMeter(self._books, call), Progress()
        try:
            return await self._http.serve(request, found, caller, meter, ids, progress)
        finally:
            self._journal.ended(request.method, lease, meter, self._seen(progress.ending), started)

    async def _serve_live(
        self,
        request: web.BaseRequest,
        found: Route,
        caller: Caller,
        call: Call,
        lease: Lease,
        ids: RawHeaders,
        started: float,
    ) -> web.StreamResponse:
        meter, progress = LiveMeter(self._books, call), Progress()
        self._metrics.live_sessions += 1
        try:
            return await self._live.serve(request, found, caller, meter, ids, progress)
        finally:
            self._metrics.live_sessions -= 1
            self._journal.ended(request.method, lease, meter, progress.ending, started)

    def _seen(self, ending: Ending) -> Ending:
        """What is cancelled at the end of the drain was cut by us; the client has not left."""
        if ending.outcome == "client_abort" and self._is_cutting:
            return replace(ending, outcome="timeout", reason="the gateway ended")
        return ending

    def _refused(
        self, request: web.BaseRequest, refusal: Refusal, caller: Caller | None, ids: RawHeaders, started: float
    ) -> web.StreamResponse:
        """Answer and log a request that came to no route."""
        id = ids[0][1].decode("ascii")
        self._journal.refused(request.method, refusal, caller.key_id if caller else None, id, started)
        return refusal_answer(refusal, ids)

    def _ids(self, headers: RawHeaders) -> RawHeaders:
        """The request id under both its names: the client's if it is a safe one and no key, else a new one (OBS-1)."""
        given = header_value(headers, b"x-litellm-call-id")
        if given is None or not _SAFE_ID.fullmatch(given) or self._keys.occurs_in(given):
            return _new_ids()
        return _under_both_names(given)

    def _health(self, path: bytes, ids: RawHeaders) -> web.StreamResponse:
        is_ready = not (self._is_draining and path == b"/health/readiness")
        body = json.dumps({"status": "ok" if is_ready else "draining"}).encode() + b"\n"
        return own_answer(200 if is_ready else 503, ((b"Content-Type", b"application/json"),), body, ids)


class _Handler(RequestHandler):
    """aiohttp's connection, with our own words for what cannot be read: its page quotes the line, keys and all."""

    __slots__ = ()

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
        reason = Reason.BAD_REQUEST if status == 400 else Reason.INTERNAL
        if isinstance(exc, LineTooLong) or (exc is not None and "header" in str(exc).lower() and "many" in str(exc)):
            reason = Reason.HEAD_TOO_LARGE
        _log.info("%s", json.dumps({"status": reason.status, "outcome": "rejected", "reason": reason.name}))
        answer = refusal_answer(Refusal(reason), _new_ids())
        answer.force_close()
        return answer


class _Server(web.Server):
    """aiohttp's server, with our connection."""

    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


def _remembered(config: GatewayConfig) -> Callable[[str, bytes], Route | Refusal]:
    """Where requests go. Clients ask for few targets, again and again."""
    return lru_cache(maxsize=_MOST_ROUTES)(partial(route, config))


def _raw_target(request: web.BaseRequest) -> bytes:
    return request.raw_path.encode("utf-8", "surrogateescape")


def _new_ids() -> RawHeaders:
    return _under_both_names(os.urandom(16).hex().encode("ascii"))


def _under_both_names(value: bytes) -> RawHeaders:
    return ((b"x-litellm-call-id", value), (b"x-understudy-request-id", value))
