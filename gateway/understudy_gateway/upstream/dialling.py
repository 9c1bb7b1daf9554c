"""How a provider is reached: whether it may be, its addresses one after the other, and never the gateway itself."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import Any, Final, TypeVar

from ..destinations import Destinations
from ..refusals import Reason
from ..settings import UNIX
from .exchanges import UpstreamError

RESOLVED_S: Final = 30.0
"""How long the addresses of a name are remembered (R-39)."""

_MOST_NAMES: Final = 256

Address = tuple[int, Any]
"""Family, and what belongs into `connect` for it."""

T = TypeVar("T")


class Dialler:
    """Connects to providers. To be made on the loop."""

    def __init__(self, connect_s: float, destinations: Destinations | None = None) -> None:
        """`connect_s` is for name, TCP and TLS together; `destinations` says where to."""
        self._loop = asyncio.get_running_loop()
        self._connect_s = connect_s
        self._destinations = destinations or Destinations()
        self._names = _Names(self._loop)

    async def dialled(self, scheme: str, host: str, port: int, made: Callable[[socket.socket], Awaitable[T]]) -> T:
        """What `made` makes of a connected socket, which is then its own. Raises UpstreamError, with nothing sent.

        If `made` raises OSError the next address is tried.
        """
        if not self._destinations.allows(scheme, host):
            raise UpstreamError(Reason.HOST_NOT_ALLOWED, was_sent=False)
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._first_that_answers(await self._names.addresses(host, port), made)
        except TimeoutError:
            raise UpstreamError(Reason.CONNECT_TIMEOUT, was_sent=False) from None
        except OSError as error:  # names that are not found, TLS and certificate errors are such too
            self._names.forget(host, port)
            raise UpstreamError(Reason.UNREACHABLE, was_sent=False) from error

    async def _first_that_answers(
        self, addresses: Sequence[Address], made: Callable[[socket.socket], Awaitable[T]]
    ) -> T:
        """One address after the other; none may take the time of those behind it."""
        ends = self._loop.time() + self._connect_s
        for place, address in enumerate(addresses):
            is_last = place == len(addresses) - 1
            share = (ends - self._loop.time()) / (len(addresses) - place)
            try:
                async with asyncio.timeout(None if is_last else share):
                    return await made(await self._connected(address))
            except OSError:  # TimeoutError is one
                if is_last:
                    raise
        raise OSError("a name without addresses")

    async def _connected(self, address: Address) -> socket.socket:
        family, place = address
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await self._loop.sock_connect(connection, place)
            if self._destinations.is_own(connection):
                raise UpstreamError(Reason.LOOP_DETECTED, was_sent=False)
        except BaseException:
            connection.close()
            raise
        return connection


class _Names:
    """The addresses of names, remembered for a short while."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[str, int], tuple[float, tuple[Address, ...]]] = {}

    async def addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """Where a host is, the families taking turns (R-39). Raises OSError if it is nowhere."""
        if host.startswith(UNIX):
            return ((socket.AF_UNIX, host.removeprefix(UNIX)),)
        known = self._known.get((host, port))
        if known is not None and self._loop.time() < known[0]:
            return known[1]
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = taking_turns([(int(family), place) for family, _, _, _, place in found])
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        self._known[host, port] = (self._loop.time() + RESOLVED_S, addresses)
        return addresses

    def forget(self, host: str, port: int) -> None:
        """Look the name up again next time: none of its addresses answered."""
        self._known.pop((host, port), None)


def taking_turns(addresses: Sequence[Address]) -> tuple[Address, ...]:
    """The addresses with the families taking turns, the first one's first."""
    if not addresses:
        return ()
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return tuple(address for address in chain.from_iterable(zip_longest(first, others)) if address is not None)
