"""Addresses that show wrong keys again and again: how long the next answer to one should take (S-21). Pure.

A counter for each address, which halves with every minute of quiet; the table of them is bounded. Nothing of what was
shown is kept.
"""

from ipaddress import IPv6Address, ip_address
from typing import Final

HALF_LIFE_S: Final = 60.0
"""In this time half of what an address did is forgotten."""

STEP_S: Final = 0.05
"""By so much an answer takes longer with each wrong key."""

MOST_ADDRESSES: Final = 4096
"""Addresses that are known at once; when another comes, the one that was quiet longest is forgotten."""

_SITE_BITS: Final = 64


def party_of(peer: object) -> str | None:
    """Whom a socket's peer name stands for; None where it says nothing, as on a Unix socket.

    Of an IPv6 address the first half: the rest is whatever its holder likes. One that wraps an IPv4 address is that.
    """
    if not isinstance(peer, tuple) or not peer or not isinstance(peer[0], str):
        return None
    try:
        address = ip_address(peer[0].partition("%")[0])
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> _SITE_BITS:x}/{_SITE_BITS}"


class FailingAddresses:
    """The counters. Times are seconds of a monotonic clock."""

    def __init__(self, most: int = MOST_ADDRESSES) -> None:
        self._most = most
        self._known: dict[str, tuple[float, float]] = {}  # the one that was heard of last is the last one

    def __len__(self) -> int:
        return len(self._known)

    def failed(self, party: str, now: float) -> float:
        """Count another wrong key; how many there have been lately, this one with them."""
        before, then = self._known.pop(party, (0.0, now))
        count = before * 0.5 ** (max(now - then, 0.0) / HALF_LIFE_S) + 1.0
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[party] = count, now
        return count


def delay_s(count: float, free: int, longest_s: float) -> float:
    """How long an answer is to be held after `count` wrong keys, of which the first `free` cost nothing."""
    return min(max(count - free, 0.0) * STEP_S, longest_s)
