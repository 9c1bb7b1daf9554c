"""Where the gateway may connect to, asked just before it does (S-34), and whether it has reached itself (SEC-7)."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from .settings import UNIX, GatewayConfig, Network
from .trust import is_loopback

_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound


@dataclass(frozen=True, slots=True)
class Destinations:
    """The hosts below one of `hosts`, and this machine; without TLS only this machine unless `is_plain_allowed`.

    `own` are the addresses where the gateway itself listens; they are entered once it does.
    """

    hosts: tuple[str, ...] = Network().upstream_hosts
    is_plain_allowed: bool = False
    own: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    def allows(self, scheme: str, host: str) -> bool:
        """Whether a host may be connected to. Only the name counts, not what it resolves to."""
        if is_here(host):
            return True
        return is_below(host, self.hosts) and (scheme in ("https", "wss") or self.is_plain_allowed)

    def is_own(self, connection: socket.socket) -> bool:
        """Whether the other end of `connection` is one of the gateway's own listeners."""
        try:
            there, here = connection.getpeername(), connection.getsockname()
        except OSError:  # it has ended already
            return False
        if isinstance(there, str):
            return (UNIX + there, 0) in self.own
        host, port = there[:2]
        if (host, port) in self.own:
            return True
        return any((every, port) in self.own for every in _ANYWHERE) and (host == here[0] or is_loopback(host))


def destinations_of(config: GatewayConfig, own: set[tuple[str, int]]) -> Destinations:
    """What a configuration allows; `own` is shared, and filled by who listens."""
    return Destinations(hosts_of(config), config.network.plain_upstream, own)


def hosts_of(config: GatewayConfig) -> tuple[str, ...]:
    """The suffixes of hosts that may be connected to: those that are set, and the endpoints' own targets."""
    return (*config.network.upstream_hosts, *(endpoint.base.host.lower() for endpoint in config.endpoints))


def is_here(host: str) -> bool:
    """Whether a host of the configuration is this machine: a loopback address, or a Unix socket."""
    return host.startswith(UNIX) or is_loopback(host)


def is_below(host: str, suffixes: Iterable[str]) -> bool:
    """Whether a host is one of `suffixes` or below one. An address is below nothing but itself."""
    name = host.rstrip(".").lower()
    if name in suffixes:
        return True
    try:
        ip_address(name)
    except ValueError:
        return any(name.endswith("." + suffix) for suffix in suffixes)
    return False
