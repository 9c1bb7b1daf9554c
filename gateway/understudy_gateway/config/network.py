"""Whom the gateway may talk to, and how it shows itself: words of `understudy_settings`."""

import re
from collections.abc import Iterable
from typing import Final

from ..destinations import is_below, is_here
from ..settings import Account, Network
from .document import Path
from .reading import Block, Reading, checked

_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_:-]+(\.[A-Za-z0-9_-]+)*")
_ORIGIN: Final = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")
_VIA: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOSTS_ENVIRON: Final = "UNDERSTUDY_UPSTREAM_HOSTS"


def read_network(reading: Reading, ours: Block, path: Path, accounts: Iterable[Account]) -> Network:
    """The words, held against the base URLs of `accounts`: one that could never be connected to is a mistake."""
    via = checked(
        reading,
        (*path, "via"),
        reading.text(ours, path, "via"),
        _VIA,
        "a name of letters, digits, '.', '_' and '-' is wanted",
    )
    found = Network(
        upstream_hosts=_hosts(reading, ours, path),
        plain_upstream=reading.flag(ours, path, "plain_upstream"),
        allowed_origins=_origins(reading, ours, path),
        via=via,
        unbuffered_sse=reading.flag(ours, path, "unbuffered_sse"),
    )
    _check_bases(reading, found, path, accounts)
    return found


def _hosts(reading: Reading, ours: Block, path: Path) -> tuple[str, ...]:
    """The suffixes; those of the environment stand beside those of the file."""
    place = (*path, "upstream_hosts")
    given = ours.get("upstream_hosts")
    hosts = reading.texts(ours, path, "upstream_hosts") if given is not None else Network().upstream_hosts
    for host in hosts:
        checked(reading, place, host, _HOST, "a host such as googleapis.com is wanted")
    more = tuple(name for name in reading.environ.get(_HOSTS_ENVIRON, "").replace(",", " ").split() if name)
    if not all(_HOST.fullmatch(name) for name in more):
        reading.environ_problem(_HOSTS_ENVIRON, "hosts such as googleapis.com are wanted, with commas between")
    return tuple(dict.fromkeys(host.lower() for host in (*hosts, *more)))


def _origins(reading: Reading, ours: Block, path: Path) -> tuple[str, ...]:
    place = (*path, "allowed_origins")
    origins = reading.texts(ours, path, "allowed_origins")
    for origin in origins:
        checked(reading, place, origin, _ORIGIN, "an origin such as https://app.example is wanted, or *")
    return origins


def _check_bases(reading: Reading, network: Network, path: Path, accounts: Iterable[Account]) -> None:
    hosts: dict[str, None] = {}
    for account in accounts:
        base = account.base
        if base is None or is_here(base.host):
            continue
        if not is_below(base.host, network.upstream_hosts):
            hosts[base.host] = None
        elif base.scheme == "http" and not network.plain_upstream:
            reading.problem(
                (*path, "plain_upstream"), f"{base.host} is to be reached without TLS: set this, or use https"
            )
    for host in hosts:
        reading.problem((*path, "upstream_hosts"), f"{host} is configured as an upstream, and is not among them")
