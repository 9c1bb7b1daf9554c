"""The query of a raw target, split without decoding what is sent on (S-2, URL-3). Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

KEY_PARAMETERS: Final = frozenset({b"key", b"access_token", b"oauth_token"})
"""Query parameters that carry a credential, the gateway's or another (S-1, S-5)."""

PAYER_PARAMETERS: Final = frozenset({b"$userProject", b"userProject"})
"""Query parameters that name the project that pays, as `x-goog-user-project` does (Google's system parameters)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `&`-separated piece of a query: its bytes as they came, and name and value percent-decoded once."""

    raw: bytes
    name: bytes
    value: bytes


def split_target(raw_target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a raw target; the query is None where there is no question mark."""
    path, mark, query = raw_target.partition(b"?")
    return path, query if mark else None


def parameters(query: bytes | None) -> tuple[Parameter, ...]:
    """The pieces of a raw query in order."""
    if not query:
        return ()
    found: list[Parameter] = []
    for raw in query.split(b"&"):
        name, _, value = raw.partition(b"=")
        found.append(Parameter(raw, unquote_to_bytes(name), unquote_to_bytes(value)))
    return tuple(found)


def without(query: bytes | None, names: Collection[bytes]) -> bytes | None:
    """The query less the parameters that decode to one of `names`; the rest byte for byte.

    None if there was none, or if nothing is left of one that lost a piece.
    """
    if not query:
        return query
    pieces = parameters(query)
    kept = [piece.raw for piece in pieces if piece.name not in names]
    if len(kept) == len(pieces):
        return query
    return b"&".join(kept) or None
