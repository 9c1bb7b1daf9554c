"""Who asks: finds the gateway key in the places where clients put theirs (AUTH-1, AUTH-4), by digest (S-17). Pure."""

import hmac
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from understudy.messages import RawHeaders, header_values
from understudy.secret import key_digest

from .headers import holds_key
from .model_names import ModelRule, rule_of
from .query import Parameter
from .refusals import Reason, Refusal
from .settings import DEVELOPMENT_KEY_ID, GatewayConfig, GatewayKey

KEY_PROTOCOL: Final = b"openai-insecure-api-key."
"""The subprotocol by which browsers show a key on Live (WS-3)."""

_BEARER: Final = re.compile(rb"bearer +", re.IGNORECASE)
_ONE_KEY: Final = re.compile(rb"[!-+\--~]+")
"""Visible ASCII without a comma: neither a list nor bytes that no key has (S-19)."""


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Who was let in. `presented` is the key as it was shown, so that it can be kept from going upstream.

    `rule` says which models the key may use; None: all. `by_url`: a signed upload URL stood for the key.
    """

    key_id: str
    tags: tuple[str, ...]
    presented: bytes
    rule: ModelRule | None = None
    by_url: bool = False


class KeyRing:
    """The gateway's keys, looked up by digest."""

    def __init__(self, config: GatewayConfig) -> None:
        self._by_digest: dict[bytes, GatewayKey] = {key.key.digest(): key for key in config.keys}
        self._rules: dict[str, ModelRule | None] = {key.id: rule_of(key.models) for key in config.keys}
        self._header = config.key_header.encode("latin-1") if config.key_header else None
        self._development = config.development

    def caller(self, headers: RawHeaders, query: tuple[Parameter, ...], *, is_live: bool) -> Caller | Refusal:
        """Who shows a valid key. Two carriers with different valid keys are refused (S-20); other values do no harm."""
        candidates = tuple(self._candidates(headers, query, is_live=is_live))
        known = [(key, shown) for shown in candidates if (key := self._known(shown)) is not None]
        if known:
            key, shown = known[0]
            if any(other.id != key.id for other, _ in known):
                return Refusal(Reason.TWO_KEYS)
            return Caller(key.id, key.tags, shown, self._rules[key.id])
        if not candidates:
            return Refusal(Reason.NO_KEY)
        if self._development:
            return Caller(DEVELOPMENT_KEY_ID, (), candidates[0])
        return Refusal(Reason.WRONG_KEY)

    def by_id(self, key_id: str) -> Caller | None:
        """Who holds the key with this id, for a URL that stands for it; None if there is no such key any more."""
        key = next((one for one in self._by_digest.values() if one.id == key_id), None)
        if key is not None:
            return Caller(key.id, key.tags, b"", self._rules[key.id], by_url=True)
        is_known = self._development and key_id == DEVELOPMENT_KEY_ID
        return Caller(DEVELOPMENT_KEY_ID, (), b"", by_url=True) if is_known else None

    def occurs_in(self, text: bytes) -> bool:
        """Whether any of the keys stands in bytes that are to be logged or answered (S-11)."""
        return any(holds_key(text, key.key.reveal().encode("latin-1")) for key in self._by_digest.values())

    def _known(self, shown: bytes) -> GatewayKey | None:
        digest = key_digest(shown)
        key = self._by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.key.digest(), digest):
            return None
        return key

    def _candidates(self, headers: RawHeaders, query: tuple[Parameter, ...], *, is_live: bool) -> Iterator[bytes]:
        """What stands in each carrier, in the order of AUTH-4; a carrier that occurs twice holds no key (S-19)."""
        names = [self._header] if self._header else []
        names += [b"x-litellm-api-key", b"authorization", b"x-goog-api-key"]
        for name in names:
            yield from _only(header_values(headers, name), needs_bearer=name == b"authorization")
        yield from _only(tuple(piece.value for piece in query if piece.name == b"key"), needs_bearer=False)
        if is_live:
            yield from _only(header_values(headers, b"api-key"), needs_bearer=False)
            keys = [protocol for protocol in subprotocols(headers) if protocol.startswith(KEY_PROTOCOL)]
            yield from _only(tuple(key.removeprefix(KEY_PROTOCOL) for key in keys), needs_bearer=False)


def subprotocols(headers: RawHeaders) -> tuple[bytes, ...]:
    """The subprotocols that a WebSocket client offers, in order (RFC 6455 11.3.4)."""
    offered = b",".join(header_values(headers, b"sec-websocket-protocol"))
    return tuple(name for piece in offered.split(b",") if (name := piece.strip(b" \t")))


def _only(values: tuple[bytes, ...], *, needs_bearer: bool) -> Iterator[bytes]:
    if len(values) != 1:
        return
    bare, found = _BEARER.subn(b"", values[0], count=1) if _BEARER.match(values[0]) else (values[0], 0)
    if (found or not needs_bearer) and _ONE_KEY.fullmatch(bare):
        yield bare
