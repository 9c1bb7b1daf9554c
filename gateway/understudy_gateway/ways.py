"""How the answer to a request leads back to the gateway, from what its client called the gateway (LRO-5)."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from understudy.messages import header_value

from .keys import Caller
from .rewriting import Way, public_base, signer_of
from .routes import Route
from .settings import GatewayConfig


class Ways:
    """Makes the Way of each exchange that may need one; `now` is the wall clock."""

    def __init__(self, config: GatewayConfig, now: Callable[[], datetime]) -> None:
        self._public_url = config.reach.public_url
        self._root_path = config.reach.root_path
        self._signer = signer_of(config)
        self._now = now

    def of(self, request: web.BaseRequest, route: Route, caller: Caller) -> Way | None:
        """The way back, or None where answers stay as they are."""
        if not route.may_rewrite:
            return None
        is_tls = request.transport is not None and request.transport.get_extra_info("sslcontext") is not None
        root = self._root_path
        mount = root.encode("ascii") if root and request.raw_path.startswith(root + "/") else b""
        host = header_value(request.raw_headers, b"host")
        public = public_base(self._public_url, b"https" if is_tls else b"http", host, mount)
        if public is None:
            return None
        return Way(public, route.upstream, self._signer, None if caller.by_url else caller.key_id, self._now())
