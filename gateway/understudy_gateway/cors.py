"""Web pages as clients: which may use the gateway, and what their browsers are told (URL-12, S-58). Pure."""

import re
from typing import Final

from understudy.messages import RawHeaders, header_value, header_values

from .headers import KEY_CARRIERS

_NAMES: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,2000}")
_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REMEMBERED_S: Final = b"600"


class Origins:
    """The origins of the configuration, `*` being any."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._is_any = "*" in allowed
        self._allowed = frozenset(origin.encode("ascii") for origin in allowed)

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def fields(self, headers: RawHeaders) -> RawHeaders:
        """What is added to the answer to a request with these fields, so that its page may read it."""
        origin = header_value(headers, b"origin")
        if origin is None or not self._allows(origin):
            return ()
        shown = b"*" if self._is_any else origin
        vary = () if self._is_any else ((b"Vary", b"Origin"),)
        return ((b"Access-Control-Allow-Origin", shown), (b"Access-Control-Expose-Headers", b"*"), *vary)

    def preflight(self, method: str, headers: RawHeaders) -> RawHeaders | None:
        """What answers a browser that asks whether a page may send a request, beside `fields`; None if it is none."""
        if method != "OPTIONS" or not header_value(headers, b"access-control-request-method"):
            return None
        if not self.fields(headers):
            return None
        wanted = header_value(headers, b"access-control-request-headers") or b""
        named = ((b"Access-Control-Allow-Headers", wanted),) if _NAMES.fullmatch(wanted) else ()
        return ((b"Access-Control-Allow-Methods", _METHODS), *named, (b"Access-Control-Max-Age", _REMEMBERED_S))

    def lets_in(self, headers: RawHeaders, key: bytes, key_header: str | None) -> bool:
        """Whether a Live handshake that shows `key` may go on: no browser opened it, or one on a page that may.

        A page that is on no list cannot have set a header, and knows the key if it put it into the subprotocols.
        """
        origin = header_value(headers, b"origin")
        if origin is None or self._allows(origin):
            return True
        carriers = {*KEY_CARRIERS, b"sec-websocket-protocol", (key_header or "").encode("latin-1")}
        return any(key in value for name in carriers for value in header_values(headers, name))

    def _allows(self, origin: bytes) -> bool:
        return self._is_any or origin in self._allowed
