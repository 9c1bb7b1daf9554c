"""Where the gateway listens: its ports, aiohttp's servers on them, and what is said to what cannot be read."""

import json
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from .answers import refusal_answer
from .ids import new_ids
from .refusals import Reason, Refusal
from .settings import GatewayConfig
from .trust import is_loopback

_log = logging.getLogger(__name__)

_LINGER_S: Final = 2.0
"""How long the rest of a request is read and thrown away after an early answer, so that the client sees the answer."""

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens; port 0 picks a free one, None means not at all. `is_shared`: with other workers."""

    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int | None = None
    admin_port: int | None = None
    is_shared: bool = False


class Listeners:
    """The listening sockets of a gateway: traffic, with and without TLS, and the admin port.

    `tls` is the certificate for `tls_port`; the limits of a request's head are those of `config`.
    """

    def __init__(self, listen: Listen, config: GatewayConfig, tls: ssl.SSLContext | None) -> None:
        self._listen = listen
        self._config = config
        self._tls = tls
        self._runners: list[web.ServerRunner] = []
        self._ports: dict[str, int] = {}

    async def start(self, handle: Handle, handle_admin: Handle) -> None:
        """Listen, and give each request to its handler. Raises OSError if a port is taken."""
        traffic = web.ServerRunner(_Server(handle, **self._server_options()))
        admin = web.ServerRunner(_Server(handle_admin, **self._server_options()))
        self._runners = [traffic, admin]
        for runner in self._runners:
            await runner.setup()
        listen = self._listen
        await self._start(traffic, "http", listen.port, None)
        if listen.tls_port is not None and self._tls is not None:
            await self._start(traffic, "https", listen.tls_port, self._tls)
        if listen.admin_port is not None:
            await self._start(admin, "admin", listen.admin_port, None)

    async def stop_accepting(self) -> None:
        """Close the listening sockets; connections stay."""
        for runner in self._runners:
            for site in tuple(runner.sites):
                await site.stop()

    async def close(self) -> None:
        """End all connections, whatever is on them."""
        for runner in self._runners:
            server = runner.server
            for connection in server.connections if server is not None else ():
                connection.force_close()
            await runner.cleanup()

    def origin(self, listener: str, scheme: str) -> str | None:
        """The origin of `http`, `https` or `admin`; None where there is no such listener."""
        if listener not in self._ports:
            return None
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"{scheme}://{host}:{self._ports[listener]}"

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
        answer = refusal_answer(Refusal(reason), new_ids())
        answer.force_close()
        return answer


class _Server(web.Server):
    """aiohttp's server, with our connection."""

    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)
