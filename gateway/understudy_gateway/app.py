"""The gateway put together: what it is made of, its start, the change of its configuration, the drain at its end."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from understudy.errors import ConfigError
from understudy.pricing.book import PriceBook

from .admin import AdminPort
from .attendance import Attendance
from .credentials import Credentials, credentials_for
from .destinations import destinations_of, hosts_of, is_here
from .dispatch import HEALTH, Dispatcher, Serving, raw_target
from .journal import Journal
from .limits.books import admission_of, adopted
from .listeners import Listen, Listeners
from .live import LiveSessions
from .log_secrets import keep_from_logs
from .metering import Books, utc_now
from .metrics import Metrics
from .operations import Operations
from .query import split_target
from .settings import GatewayConfig
from .spend.log import SpendLog
from .spend.store import SpendStore
from .trust import upstream_context
from .upstream.transport import HttpUpstream

_log = logging.getLogger(__name__)


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
        """Raises ConfigError if development mode is not on loopback, or a file or aiohttp's parser cannot be used."""
        if config.development and not is_here(listen.host):
            raise ConfigError(
                "understudy_settings.development: any key is accepted, so the gateway listens on loopback only, "
                f"not on {listen.host}"
            )
        self._config: GatewayConfig = config
        self._own: set[tuple[str, int]] = set()
        self._listeners = Listeners(listen, config, tls, self._own)
        self._now = now
        self._monotonic = monotonic
        self._upstream_tls = upstream_context(config.upstream_ca)
        self.spend: Final = SpendLog(spend_path, store)
        self._books = Books(book, self.spend, now, monotonic, config.cost_policies)
        self._metrics = Metrics(book)
        self._admission = admission_of(config, self._books, self.spend, now=now, monotonic=monotonic)
        self._operations = Operations(self._metrics, self.spend, self._books, self._admission, metrics_folder)
        self._admin = AdminPort(config, store, self._operations.questions, self._operations.routes)
        self._sessions = LiveSessions()
        self._attendance = Attendance(config)
        self._retired: list[Credentials | HttpUpstream | Attendance] = []

    @property
    def http_url(self) -> str:
        """The origin for HTTP and ws://."""
        return self._listeners.origin("http", "http") or ""

    @property
    def https_url(self) -> str | None:
        """The origin for HTTPS and wss://; None without TLS."""
        return self._listeners.origin("https", "https")

    @property
    def admin_url(self) -> str | None:
        """The origin of the admin port; None without one."""
        return self._listeners.origin("admin", "http")

    async def __aenter__(self) -> Self:
        if HttpRequestParser is HttpRequestParserPy:  # which has had a list of smuggling faults of its own (S-43)
            raise ConfigError("aiohttp's compiled parser is missing here: install aiohttp from a wheel")
        self._upstream = self._made_upstream()
        self._credentials = self._made_credentials()
        self._journal = Journal(self._admission, self._metrics, self._monotonic, self._now)
        self._dispatcher = Dispatcher(
            self._serving(),
            books=self._books,
            admission=self._admission,
            journal=self._journal,
            metrics=self._metrics,
            now=self._now,
            monotonic=self._monotonic,
        )
        self._operations.start()
        try:
            await self._listeners.start(self._dispatcher.handle, self._handle_admin, self._dispatcher.overloaded)
        except BaseException:
            await self._close()
            raise
        _log.info("heads are read by aiohttp's compiled parser")
        return self

    async def reload(self, config: GatewayConfig, book: PriceBook) -> None:
        """Take another configuration and its prices for requests that come from now on; others end by the old one.

        Listeners stay as they are, and so do the limits of a request's head. Raises ConfigError, and changes nothing,
        if a file cannot be used or if development mode would change.
        """
        if config.development != self._config.development:
            raise ConfigError("understudy_settings.development: cannot be changed while the gateway runs")
        context = upstream_context(config.upstream_ca)
        self._journal.book()  # what is over has the prices of its time
        attendance = Attendance(config, self._attendance)
        if attendance.spans is not self._attendance.spans:
            self._retired.append(self._attendance)
        self._attendance = attendance
        old, known = self._config, self._credentials
        await adopted(self._admission, self.spend, config)
        self._journal.book()
        self._books.adopt(book, config.cost_policies)
        self._metrics.book = book
        self._config = config
        self._admin = AdminPort(config, self.spend.store, self._operations.questions, self._operations.routes)
        if _dialling(config) != _dialling(old):
            self._retired.append(self._upstream)
            self._upstream_tls = context
            self._upstream = self._made_upstream()
        self._credentials = self._made_credentials()
        if (config.upstream_ca, config.timeouts) == (old.upstream_ca, old.timeouts):
            sources = {account.id: account.source for account in old.accounts}
            same = {one.id for one in config.accounts if one.id in known and sources[one.id] == one.source}
            self._credentials |= {id: known[id] for id in same}  # their tokens are still good
        self._retired += [one for id, one in known.items() if self._credentials.get(id) is not one]
        self._dispatcher.serving = self._serving()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._drain()
        finally:
            await self._close()

    def _serving(self) -> Serving:
        config = self._config
        keep_from_logs(config)
        for notice in config.notices:
            _log.info("%s", notice)
        return Serving(
            config,
            self._attendance.http(self._upstream, self._credentials, self._now),
            self._attendance.live(
                self._credentials,
                self._upstream_tls,
                self._monotonic,
                self._sessions,
                destinations_of(config, self._own),
            ),
        )

    def _made_upstream(self) -> HttpUpstream:
        config = self._config
        destinations = destinations_of(config, self._own)
        return HttpUpstream(
            self._upstream_tls, config.timeouts.connect_s, destinations=destinations, tally=self._metrics.tally
        )

    def _made_credentials(self) -> dict[str, Credentials]:
        config = self._config
        return {
            account.id: credentials_for(
                account.source,
                ca=config.upstream_ca,
                wait_s=config.timeouts.credentials_s,
                monotonic=self._monotonic,
                tally=self._metrics.tally,
            )
            for account in config.accounts
            if account.source is not None
        }

    async def _drain(self) -> None:
        """Stop accepting, let exchanges end for a while, close sessions with 1001 (R-24, OBS-10)."""
        if (delay_s := self._config.timeouts.drain_delay_s) > 0:
            self._dispatcher.is_leaving = True
            await asyncio.sleep(delay_s)
        self._dispatcher.is_draining = self._dispatcher.serving.http.is_draining = True
        await self._listeners.stop_accepting()
        await self._sessions.close_all()
        try:
            async with asyncio.timeout(self._config.timeouts.drain_s):
                await self._dispatcher.until_idle()
        except TimeoutError:
            _log.warning("%d exchanges are cut off at the end of the drain", self._metrics.in_flight)

    async def _close(self) -> None:
        self._dispatcher.is_cutting = True
        await self._listeners.close()
        for one in (*self._retired, *self._credentials.values(), self._upstream, self._attendance):
            await one.close()
        self._journal.book()
        self._books.close()
        await asyncio.to_thread(self.spend.close)
        await self._operations.close()

    async def _handle_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _ = split_target(raw_target(request))
        if path in HEALTH and request.method in ("GET", "HEAD"):
            return self._dispatcher.health(path, ())
        return await self._admin.handle(request)


def _dialling(config: GatewayConfig) -> tuple[object, ...]:
    """What connections to providers are made by: with another they are made anew."""
    return (config.upstream_ca, config.timeouts.connect_s, hosts_of(config), config.network.plain_upstream)
