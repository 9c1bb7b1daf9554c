"""TCP keep-alive: how the kernel finds a peer that vanished without a word (R-21, WS-10)."""

import socket
from contextlib import suppress
from typing import Final

_OPTIONS: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""Seconds, and a count: a dead peer is found within 60 s. macOS has the second name for the first."""


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel ask an idle peer whether it is there. What a listening socket accepts inherits this."""
    with suppress(OSError):  # it has gone already: that is noticed elsewhere
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
