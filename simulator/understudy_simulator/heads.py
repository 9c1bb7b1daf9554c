"""What the head of a request says: its scope, route, query and credentials. Found out once for all that are alike.

A client's requests differ in their bodies, hardly in their heads; what is read here depends on nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from understudy.messages import Request, header_value

from .auth.presented import Presented, presented_in
from .routing import Matched, Router
from .stage import Stage

_KNOWN_LIMIT: Final = 1024


@dataclass(frozen=True, slots=True)
class Head:
    """A head as it was read.

    `request` is without body and without the path carrier of its scope; `origin` is as in `Call`, `caller` is its
    `key`. `mistake` says what is wrong with a carrier that names no scope. `matched` None: no API has that method at
    that path.
    """

    whole: Request
    request: Request
    scope: str
    mistake: str
    matched: Matched | None
    query: Mapping[str, str]
    presented: Presented
    caller: str
    origin: str
    is_gzip: bool


class Heads:
    """Reads heads, and knows the latest again."""

    def __init__(self, stage: Stage, router: Router) -> None:
        self._stage = stage
        self._router = router
        self._known: dict[tuple[str, Request], Head] = {}
        self._latest: dict[int, Head] = {}

    def read(self, request: Request, scheme: str) -> Head:
        """The head of a request that came by `scheme`, `http` or `https`; it has no body yet."""
        # The server gives the same request again where a head is the same as the one before it.
        known = self._latest.get(id(request))
        if known is not None and known.whole is request:
            return known
        key = (scheme, request)
        known = self._known.get(key)
        if known is None:
            known = self._read(request, scheme)
            if len(self._known) >= _KNOWN_LIMIT:
                self._known.clear()
            self._known[key] = known
        if known.whole is not request:
            known = replace(known, whole=request)
        if len(self._latest) >= _KNOWN_LIMIT:
            self._latest.clear()
        self._latest[id(request)] = known
        return known

    def _read(self, request: Request, scheme: str) -> Head:
        scoped = self._stage.scope_of(request)
        bare = scoped.request
        query = dict(parse_qsl(bare.query, keep_blank_values=True, encoding="latin-1"))
        presented = presented_in(bare)
        encoding = header_value(bare.headers, b"content-encoding") or b""
        return Head(
            request,
            bare,
            scoped.scope,
            scoped.mistake,
            self._router.find(bare.method, bare.path),
            query,
            presented,
            _caller_of(presented),
            _origin_of(request, scheme),
            encoding.strip().lower() == b"gzip",
        )


def _caller_of(presented: Presented) -> str:
    """Tells apart who calls: a digest of the key or token, empty without one."""
    secret = presented.token or presented.key
    return "" if secret is None else secret.digest().hex()


def _origin_of(request: Request, scheme: str) -> str:
    """What a URL that we hand out begins with: as the client called us, with the path carrier of its scope."""
    target = request.target
    carrier = "/" + target.split("/", 2)[1] if target.startswith("/~") else ""
    host = (header_value(request.headers, b"host") or b"").decode("latin-1")
    return f"{scheme}://{host}{carrier}"
