"""What goes up and what comes down: each head is built from nothing, field by field (HDR-1 to HDR-9, S-22 to S-25).

Pure. Names keep their case, fields their order and repeats. A name is judged once and remembered; the memory is small.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from understudy.messages import RawHeaders, header_values

from .refusals import Reason, Refusal

KEY_CARRIERS: Final = frozenset(
    {
        *(b"authorization", b"x-goog-api-key", b"api-key", b"x-api-key", b"x-litellm-api-key"),
        *(b"ocp-apim-subscription-key", b"proxy-authorization"),
    }
)
"""Header fields that may carry a key, the gateway's or another's (S-1)."""

GOOGLE_CARRIERS: Final = frozenset({b"authorization", b"x-goog-api-key"})
"""Where a client's own Google credential stands, which passes only in bring-your-own mode (AUTH-7)."""

HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
"""RFC 9110 7.6.1."""

_FRAMING: Final = frozenset({b"host", b"content-length", b"expect"})
NO_KEY_HEADERS: Final = HOP_BY_HOP | _FRAMING | {b"x-litellm-call-id", b"x-litellm-tags", b"tags"}
"""Fields that say something else, and can be no further carrier of the gateway key."""

_ROUTING: Final = frozenset({b"host", b"forwarded", b"cookie"})
_LIVE_ONLY_BACK: Final = frozenset({b"origin", b"cookie"})
"""What HDR-1 lets pass over HTTP and WS-16 keeps back on Live."""

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_IN_VALUES: Final = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))
_PASS: Final = b"x-pass-"
_SCANNED_FROM: Final = 16
"""Shorter keys exist in development mode alone, where a word like `test` would be found everywhere."""


class _Fate(Enum):
    FORWARD = auto()
    DROP = auto()
    CARRIER = auto()
    UNPREFIX = auto()
    DENY = auto()
    INVALID = auto()


@lru_cache(maxsize=512)
def _judged(name: bytes) -> tuple[_Fate, bytes]:
    """What becomes of a request field by its name alone, and that name in lower case."""
    lowered = name.lower()
    return _fate(lowered), lowered


def _fate(lowered: bytes) -> _Fate:
    if lowered.startswith(_PASS):
        bare = lowered.removeprefix(_PASS)
        return _Fate.UNPREFIX if _TOKEN.fullmatch(bare) and not _is_denied(bare.replace(b"_", b"-")) else _Fate.DENY
    if lowered in KEY_CARRIERS:
        return _Fate.CARRIER
    if lowered in HOP_BY_HOP or lowered in _FRAMING or _is_control(lowered):
        return _Fate.DROP
    return _Fate.FORWARD if _TOKEN.fullmatch(lowered) else _Fate.INVALID


def _is_control(lowered: bytes) -> bool:
    """Whether a field speaks to the gateway itself (HDR-5)."""
    return lowered.startswith(b"x-litellm-") or lowered == b"tags"


def _is_denied(lowered: bytes) -> bool:
    """Whether `x-pass-` may not set this field (S-22): credentials, routing, framing, hop-by-hop, control."""
    return (
        lowered in KEY_CARRIERS
        or lowered in HOP_BY_HOP
        or lowered in _FRAMING
        or lowered in _ROUTING
        or _is_control(lowered)
        or lowered.startswith((b"x-forwarded-", b"proxy-", b"sec-websocket-", _PASS))
    )


def for_upstream(
    received: RawHeaders,
    credential: RawHeaders,
    *,
    key: bytes,
    key_header: bytes | None = None,
    keeps_google: bool = False,
) -> RawHeaders | Refusal:
    """The head for the provider, without Host and framing: the client's fields, then the credential.

    `key` is the gateway key that was shown, `key_header` a further field (lower case) that may carry one;
    `keeps_google` lets the client's own Google credential pass. Refused is a field that cannot be passed on unchanged,
    one that `x-pass-` may not set, and one that still holds the key (S-1).
    """
    named = _named_by_connection(received)
    sent: list[tuple[bytes, bytes]] = []
    for field in received:
        name, value = field
        fate, lowered = _judged(name)
        if lowered in named or lowered == key_header:
            continue
        match fate:
            case _Fate.FORWARD:
                sent.append(field)
            case _Fate.CARRIER:
                if keeps_google and lowered in GOOGLE_CARRIERS and not _shows(value, key):
                    sent.append(field)
            case _Fate.DROP:
                pass
            case _Fate.UNPREFIX:
                if key_header is not None and _hyphened(lowered.removeprefix(_PASS)) == _hyphened(key_header):
                    return Refusal(Reason.HEADER_DENIED, lowered.decode("latin-1"))
                sent.append((name[len(_PASS) :], value))
            case _Fate.DENY:
                return Refusal(Reason.HEADER_DENIED, _safe_name(lowered))
            case _Fate.INVALID:
                return Refusal(Reason.INVALID_HEADER)
    refusal = _refused(sent, key)
    return (*sent, *credential) if refusal is None else refusal


def _refused(sent: list[tuple[bytes, bytes]], key: bytes) -> Refusal | None:
    """Why these fields may not go up, or None. They are looked at together: a line feed stands in none of them."""
    values = b"\n".join([value for _, value in sent])
    if values.translate(None, _IN_VALUES) != b"\n" * (len(sent) - 1):
        return Refusal(Reason.INVALID_HEADER)
    if holds_key(values, key) or holds_key(b"\n".join([name for name, _ in sent]), key):
        return Refusal(Reason.KEY_ELSEWHERE)
    return None


def for_live_upstream(
    received: RawHeaders,
    credential: RawHeaders,
    *,
    key: bytes,
    key_header: bytes | None = None,
    keeps_google: bool = False,
    user_project: bytes | None = None,
) -> RawHeaders | Refusal:
    """The same for a Live handshake (WS-16): no Origin, Cookie or `Sec-WebSocket-*`.

    `user_project` becomes x-goog-user-project where the client sent none.
    """
    kept = tuple((name, value) for name, value in received if _passes_live(name.lower()))
    if user_project is not None and not header_values(received, b"x-goog-user-project"):
        credential = ((b"x-goog-user-project", user_project), *credential)
    return for_upstream(kept, credential, key=key, key_header=key_header, keeps_google=keeps_google)


def with_via(headers: RawHeaders, name: bytes) -> RawHeaders | Refusal:
    """The head for the provider with the gateway's own `name` in Via (HDR-11), or why not: it stood there (SEC-7)."""
    for value in header_values(headers, b"via"):
        if any(len(words := one.split()) > 1 and words[1].lower() == name.lower() for one in value.split(b",")):
            return Refusal(Reason.LOOP_DETECTED)
    return (*headers, (b"Via", b"1.1 " + name))


def for_client(received: RawHeaders, own: RawHeaders) -> RawHeaders:
    """The head for the client: the provider's fields without hop-by-hop ones, then the gateway's own.

    A field that the provider sent is never overwritten (HDR-8). Content-Length stays, since the body does.
    """
    named = _named_by_connection(received)
    sent: list[tuple[bytes, bytes]] = []
    present: list[bytes] = []
    for field in received:
        lowered = _lowered(field[0])
        if lowered not in HOP_BY_HOP and (lowered not in named or lowered == b"content-length"):
            sent.append(field)
            present.append(lowered)
    sent += [field for field in own if _lowered(field[0]) not in present]
    return tuple(sent)


def holds_key(text: bytes, key: bytes) -> bool:
    """Whether the key occurs in bytes that go upstream, as it is or percent-encoded."""
    if len(key) < _SCANNED_FROM:
        return False
    return key in text or (b"%" in text and key in unquote_to_bytes(text))


def shows_google(received: RawHeaders, key: bytes) -> bool:
    """Whether the client shows a Google credential of its own beside the gateway key (AUTH-7)."""
    return any(name.lower() in GOOGLE_CARRIERS and value and not _shows(value, key) for name, value in received)


@lru_cache(maxsize=512)
def _lowered(name: bytes) -> bytes:
    return name.lower()


def _passes_live(lowered: bytes) -> bool:
    return lowered not in _LIVE_ONLY_BACK and not lowered.startswith(b"sec-websocket-")


def _named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    """The fields that Connection makes hop-by-hop, lower case."""
    values = header_values(headers, b"connection")
    return frozenset(_tokens(values)) if values else frozenset()


def _tokens(values: tuple[bytes, ...]) -> Iterator[bytes]:
    for value in values:
        yield from (token for piece in value.split(b",") if (token := piece.strip(b" \t").lower()))


def _shows(value: bytes, key: bytes) -> bool:
    """Whether a carrier shows the gateway key itself."""
    return key in value


def _hyphened(name: bytes) -> bytes:
    """A name as servers may read it that make no difference between `_` and `-`."""
    return name.replace(b"_", b"-")


def _safe_name(lowered: bytes) -> str:
    """A field's name for an error text; not repeated where it is none."""
    return lowered[:80].decode("ascii") if _TOKEN.fullmatch(lowered) else "x-pass-"
