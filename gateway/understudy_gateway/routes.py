"""Where a request goes, as values: the upstream, the raw target there, and what the path names."""

from dataclasses import dataclass, field
from typing import Literal

from understudy.surfaces import Surface

from .settings import UNIX, Account, Endpoint, Provider

RouteName = str
"""`gemini`, `vertex_ai`, `gemini-live`, `vertex_ai-live`, `discovery`, or the path of a configured endpoint."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The provider's end of a route. Client input fills `location` and `project` at most, and only once checked.

    `authority`: host and port as the Host field has them.
    """

    kind: Provider
    scheme: Literal["http", "https"]
    host: str
    port: int
    base_path: str
    project: str | None = None
    location: str | None = None
    authority: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Write host and port as the Host field has them, once for all requests."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == (443 if self.scheme == "https" else 80)
        authority = "localhost" if self.host.startswith(UNIX) else host if is_usual else f"{host}:{self.port}"
        object.__setattr__(self, "authority", authority)


@dataclass(frozen=True, slots=True)
class Route:
    """One request's way. `target` is raw bytes, base path included; scheme, host and port come from `upstream` alone.

    `method` is the verb after the path's last colon, or get and list by shape; it and `model` are for the price, and
    empty or None where the path is none that is known. `credential` is the account whose credential is shown.
    `asked` is the alias by which the client called the model, `endpoint` the configured endpoint that it came by.
    `may_rewrite`: its answer may hold URLs that are to lead back to the gateway (LRO-5). `is_live`: it is a WebSocket
    session.
    """

    name: RouteName
    surface: Surface | None
    method: str
    model: str | None
    upstream: Upstream
    target: bytes
    credential: Account
    operation: str | None = None
    is_short_live: bool = False
    asked: str | None = None
    endpoint: Endpoint | None = None
    may_rewrite: bool = False
    is_live: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find out whether it is a session, once for all requests."""
        object.__setattr__(self, "is_live", self.surface is not None and self.surface.is_live)
