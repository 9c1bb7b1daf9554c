"""The simulator put together: traffic ports for HTTP and HTTPS/WSS, and the control API on the admin port."""

import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from understudy.errors import ConfigError
from understudy.scenario.latency import Profile
from understudy.scenario.model import Scenario
from understudy.surfaces import place_of

from .clock import Clock, RealClock
from .control import ControlSide
from .http import HttpSide
from .incoming import request_of
from .live.side import LiveSide
from .server.listening import TrafficServer
from .service_account import ServiceAccount
from .settings import SimulatorSettings
from .stage import Stage

_SHUTDOWN_S: Final = 2.0
_BACKLOG: Final = 512
_LAST_PORT: Final = 65_535
_LOOPBACK: Final = "127.0.0.1"


class Simulator:
    """A simulator that runs while its `async with` block does.

    `scenarios` are armed at the start, in every scope and without end. `load` finds a scenario by its id for the
    control API (it raises UnderstudyError if it cannot), `load_latency` a latency profile by its name. `tls` is needed
    if `settings.tls_port` is not None.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        service_account: ServiceAccount,
        tls: ssl.SSLContext | None = None,
        scenarios: Sequence[Scenario] = (),
        load: Callable[[str], Scenario] | None = None,
        load_latency: Callable[[str], Profile] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if settings.tls_port is not None and tls is None:
            raise ConfigError("simulator: a TLS port needs a certificate")
        self._settings = settings
        self._tls = tls
        self.stage = Stage(settings, clock or RealClock(settings.speed), service_account)
        for scenario in scenarios:
            self.stage.arm(scenario, scope=None, times=None)
        self._live = LiveSide()
        self._http = HttpSide(self.stage)
        self._control = ControlSide(self.stage, load, lambda: (self.http_url, self.https_url), load_latency)
        self._resources = AsyncExitStack()
        self.http_url = ""
        self.https_url: str | None = None
        self.admin_url = ""

    async def __aenter__(self) -> Self:
        """Listen. Raises ConfigError if a port cannot be had."""
        settings = self._settings
        try:
            live_server = web.Server(
                self._serve_live, handler_cancellation=True, access_log=None, logger=_wire_log(), auto_decompress=False
            )
            await self._started(web.ServerRunner(live_server, shutdown_timeout=_SHUTDOWN_S))
            traffic = TrafficServer(self._http, live_server)
            self._resources.push_async_callback(traffic.stop, _SHUTDOWN_S)
            sock, place = _bound(settings.host, settings.port, "--port")
            await traffic.listen(sock, None)
            self.http_url = "http://" + place
            if settings.tls_port is not None:
                sock, place = _bound(settings.host, settings.tls_port, "--tls-port")
                await traffic.listen(sock, self._tls)
                self.https_url = "https://" + place
            admin_server = web.Server(self._control.handle, access_log=None, logger=_wire_log(), auto_decompress=False)
            admin = await self._started(web.ServerRunner(admin_server, shutdown_timeout=_SHUTDOWN_S))
            # Without a key only this machine may steer the simulator (security-reliability S-62).
            host = settings.host if settings.control_key else _LOOPBACK
            sock, place = _bound(host, settings.admin_port, "--admin-port")
            await web.SockSite(admin, sock, backlog=_BACKLOG).start()
            self.admin_url = "http://" + place
            # Called first at the end: sessions are told 1001 while their connections still stand.
            self._resources.push_async_callback(self._live.stop)
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and end what is under way."""
        await self._resources.aclose()
        self._http.lines.flush()
        self.stage.spool.close()

    async def _started(self, runner: web.ServerRunner) -> web.ServerRunner:
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        return runner

    async def _serve_live(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a handshake that the traffic ports have left to aiohttp; nothing else follows on that connection."""
        place = place_of(self.stage.scope_of(request_of(request)).request.path)
        if place is None:
            raise web.HTTPNotFound
        response = await self._live.serve(request, place, self.stage)
        response.force_close()
        return response


def _bound(host: str, port: int, setting: str) -> tuple[socket.socket, str]:
    """A socket that listens at one port, and `host:port` as a URL has it. Raises ConfigError if it cannot be had."""
    if not 0 <= port <= _LAST_PORT:
        raise ConfigError(f"simulator: {setting} {port}: a port is a number from 0 to {_LAST_PORT}")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"simulator: {_why_not(error, host, port, setting)}") from error
    bound = sock.getsockname()[1]
    return sock, f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"


class _WithoutBytes(logging.Filter):
    """Tells of a request that is no HTTP in one line: aiohttp's traceback repeats its bytes, which may hold a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; the record is changed."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            record.msg, record.args = "a request that is no HTTP was refused (%s)", (type(error).__name__,)
            record.exc_info = None
        elif isinstance(error, ConnectionError):
            record.msg, record.args, record.exc_info = "a client left before its request was whole", (), None
        return True


def _wire_log() -> logging.Logger:
    """Where aiohttp writes what goes wrong beside the handlers."""
    logger = logging.getLogger("understudy_simulator.wire")
    if not logger.filters:
        logger.addFilter(_WithoutBytes())
    return logger


def _why_not(error: OSError, host: str, port: int, setting: str) -> str:
    """Why an address cannot be listened on, and which setting is to be changed."""
    if error.errno is not None and error.errno < 0:  # of getaddrinfo; create_server makes it a plain OSError
        return f"--host {host}: there is no such host"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: is not an address of this machine"
    # Python adds the address to the system's text, in its own notation.
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"{setting} {port}: cannot listen on {host}: {reason[:1].lower()}{reason[1:]}; choose another port"
