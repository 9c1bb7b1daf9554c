"""How an error ends a Live session: by a close frame after the handshake (wire-live 5.1)."""

from collections.abc import Mapping
from typing import Final

REASON_LIMIT: Final = 123
"""Bytes of a close reason: a control frame holds 125, two of them are the code (RFC 6455 section 5.5)."""

CLOSE_CODES: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 1007,
    "FAILED_PRECONDITION": 1007,
    "NOT_FOUND": 1008,
    "UNAUTHENTICATED": 1008,
    "PERMISSION_DENIED": 1008,
    "UNIMPLEMENTED": 1008,
    "ABORTED": 1008,
    "INTERNAL": 1011,
    "UNAVAILABLE": 1011,
    "DEADLINE_EXCEEDED": 1011,
    "RESOURCE_EXHAUSTED": 1011,
    "CANCELLED": 1011,
}
"""google.rpc.Code names and the close code that each becomes."""


def cut_reason(reason: str) -> str:
    """At most 123 bytes of UTF-8, no character torn."""
    return reason.encode("utf-8", "replace")[:REASON_LIMIT].decode("utf-8", "ignore")
