"""Where the gateway listens: its ports or its Unix socket, and aiohttp's servers on them."""

import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from .heads import LINGER_S, HeadWatch, WatchedConnection
from .liveness import keep_alive
from .settings import UNIX, GatewayConfig
from .trust import is_loopback

_BACKLOG: Final = 1024

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens; port 0 picks a free one, None means not at all. `is_shared`: with other workers.

    A `host` of `unix:` and a path is a Unix socket in place of `port`; the other ports are then on loopback.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int | None = None
    admin_port: int | None = None
    is_shared: bool = False

    @property
    def unix_path(self) -> str | None:
        """The path of the Unix socket; None where there is none."""
        return self.host.removeprefix(UNIX) if self.host.startswith(UNIX) else None


class Listeners:
    """The listening sockets of a gateway: traffic, with and without TLS, and the admin port.

    `tls` is the certificate for `tls_port`; the limits of a request's head are those of `config`. The addresses of
    traffic are entered into `own`.
    """

    def __init__(
        self, listen: Listen, config: GatewayConfig, tls: ssl.SSLContext | None, own: set[tuple[str, int]]
    ) -> None:
        self._listen = listen
        self._config = config
        self._tls = tls
        self._own = own
        self._heads = HeadWatch(config.timeouts.head_s, config.limits.waiting_connections)
        self._runners: list[web.ServerRunner] = []
        self._ports: dict[str, int] = {}

    async def start(self, handle: Handle, handle_admin: Handle) -> None:
        """Listen, and give each request to its handler. Raises OSError if a port is taken."""
        traffic = web.ServerRunner(_Server(handle, self._heads, self._config))
        admin = web.ServerRunner(_Server(handle_admin, self._heads, self._config))
        self._runners = [traffic, admin]
        for runner in self._runners:
            await runner.setup()
        listen = self._listen
        if listen.unix_path is not None:
            await self._start_unix(traffic, listen.unix_path)
        else:
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
        path = self._listen.unix_path
        if path is not None and self._ports.pop(path, None) is not None:
            _forget(path)

    async def close(self) -> None:
        """End all connections, whatever is on them."""
        self._heads.close()
        for runner in self._runners:
            server = runner.server
            for connection in server.connections if server is not None else ():
                connection.force_close()
            await runner.cleanup()

    def origin(self, listener: str, scheme: str) -> str | None:
        """The origin of `http`, `https` or `admin`; None where there is no such listener.

        That of a Unix socket is `http://unix:` and its path, as nginx writes it.
        """
        if listener == "http" and self._listen.unix_path is not None:
            return f"{scheme}://{self._listen.host}"
        if listener not in self._ports:
            return None
        host = self._host(listener)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._ports[listener]}"

    def _host(self, name: str) -> str:
        host = self._listen.host
        return "127.0.0.1" if self._listen.unix_path or (name == "admin" and not is_loopback(host)) else host

    async def _start(self, runner: web.ServerRunner, name: str, port: int, tls: ssl.SSLContext | None) -> None:
        host = self._host(name)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, reuse_port=self._listen.is_shared
        )
        keep_alive(listener)
        address = listener.getsockname()
        self._ports[name] = address[1]
        if name != "admin":
            self._own.add((address[0], address[1]))
        await _Site(runner, listener, tls, self._config.timeouts.head_s).start()

    async def _start_unix(self, runner: web.ServerRunner, path: str) -> None:
        listener = _unix_listener(path)
        self._ports[path] = 0
        self._own.add((UNIX + path, 0))
        await _Site(runner, listener, None, self._config.timeouts.head_s).start()


def _forget(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _unix_listener(path: str) -> socket.socket:
    """A listening Unix socket. One that another process left behind is replaced, one that is listened on is not.

    Raises OSError.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if Path(path).is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
                if asking.connect_ex(path) != errno.ECONNREFUSED:
                    raise OSError(errno.EADDRINUSE, f"another process listens on {path}")
            Path(path).unlink()
        listener.bind(path)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


class _Site(web.SockSite):
    """aiohttp's site, on which a TLS handshake has as long as a head."""

    __slots__ = ("_handshake_s", "_listener", "_tls")

    def __init__(
        self, runner: web.ServerRunner, listener: socket.socket, tls: ssl.SSLContext | None, handshake_s: float
    ) -> None:
        super().__init__(runner, listener, ssl_context=tls, backlog=_BACKLOG)
        self._listener = listener
        self._tls = tls
        self._handshake_s = handshake_s

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await server._loop.create_server(  # pyright: ignore[reportPrivateUsage]
            server,
            sock=self._listener,
            ssl=self._tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=self._handshake_s if self._tls else None,
        )


class _Server(web.Server):
    """aiohttp's server, with our connection."""

    def __init__(self, handle: Handle, heads: HeadWatch, config: GatewayConfig) -> None:
        limits = config.limits
        options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": config.timeouts.keepalive_s,
            "lingering_time": LINGER_S,
            "max_line_size": limits.request_line_bytes,
            "max_field_size": limits.header_field_bytes,
            "max_headers": limits.header_fields,
            "tcp_keepalive": False,  # inherited from the listening socket
        }
        super().__init__(handle, handler_cancellation=True, **options)
        self._heads = heads
        self._most_bytes = limits.header_bytes

    def __call__(self) -> RequestHandler:
        return WatchedConnection(self, self._heads, self._most_bytes, loop=self._loop, **self._kwargs)
