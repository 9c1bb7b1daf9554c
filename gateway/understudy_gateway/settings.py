"""What the gateway was told, as values: keys, accounts at the providers, limits. Pure; `config` makes them."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from understudy.pricing.book import Layer
from understudy.secret import Secret
from understudy.usage.policies import Policies

Provider = Literal["gemini", "vertex_ai"]

MASTER_KEY_ID: Final = "master"
DEVELOPMENT_KEY_ID: Final = "development"

LOCATION: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
PROJECT: Final = re.compile(r"(?!.*\.\.)[a-z0-9.:-]{1,63}")
"""What may become part of a host name or a path segment (S-30); always with `fullmatch`, on the decoded value."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where a provider is: its origin, and the path below which its API lies (empty, or without a slash at its end)."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A provider's API key, shown as `x-goog-api-key`; on Vertex this is express mode."""

    key: Secret


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Google credentials in a file (service account, workload identity), named by its path."""

    path: str


@dataclass(frozen=True, slots=True)
class KeyText:
    """The same credentials as JSON text, written into the configuration itself."""

    text: Secret


@dataclass(frozen=True, slots=True)
class ApplicationDefault:
    """Google's application default credentials: whatever google-auth finds on this machine."""


Source = ApiKey | KeyFile | KeyText | ApplicationDefault
"""Where a provider credential comes from."""


@dataclass(frozen=True, slots=True)
class Account:
    """One way into one provider. `id` names it in logs; `source` None: none is configured; `base` None: Google's own.

    `project` and `location` are Vertex's, and what a request lacks is completed with them.
    """

    id: str
    provider: Provider
    base: Base | None = None
    project: str | None = None
    location: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits of a key or a model: requests and tokens in a minute, requests and sessions at once. None: no limit."""

    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None

    @property
    def is_any(self) -> bool:
        """Whether there is a limit at all."""
        return (self.rpm, self.tpm, self.parallel) != (None, None, None)


@dataclass(frozen=True, slots=True)
class ModelAccount:
    """An entry of `model_list`: the account for one model, `model` being the provider's name of it, and its rates."""

    model: str
    account: Account
    rates: Rates = Rates()


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One key that clients may show. `id` stands for it in logs and records; `models` is not enforced yet.

    `max_budget` is in US dollars, for each period of `budget_duration` (None: for ever).
    """

    id: str
    key: Secret
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    max_budget: Decimal | None = None
    budget_duration: str | None = None
    rates: Rates = Rates()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without progress after which something is given up (STR-6, S-45, R-20, R-24, R-30)."""

    connect_s: float = 10.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    request_idle_s: float = 60.0
    write_s: float = 120.0
    credentials_s: float = 30.0
    keepalive_s: float = 75.0
    drain_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes beyond which something is refused (S-44, S-46, S-50); Live sessions at once (S-53).

    `connections`: client connections at once in one process; None: as many as its descriptors carry (R-33).
    """

    request_line_bytes: int = 16 * 1024
    header_field_bytes: int = 64 * 1024
    header_fields: int = 200
    request_body_bytes: int = 4 * 1024**3
    message_bytes: int = 16 * 1024**2
    sessions: int = 10_000
    sessions_per_key: int = 10_000
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything the gateway needs to know; nothing is read from the environment after this was made.

    `key_header` is a further header that may carry the gateway key (lower case). `upstream_ca` is the path of a PEM
    bundle, None for the usual roots. `price_book` is `frozen`, `shipped` or a path; `model_prices` lie over it,
    `cost_policies` say how cost is computed where Google leaves room.
    `development`: any key is accepted, on loopback only. `client_credentials`: where no provider credential is
    configured, the client's own Google credential passes (AUTH-7). `admin_key` opens the admin port in place of the
    master key. `key_spend_header` tells what the key spent before (OBS-3), `live_budget_check` looks at the budget at
    each usage message of a session (WS-17), `refuse_without_store` takes no requests while the store takes no records
    (R-26). `notices` are words of the file that have no effect, one line each.
    """

    keys: tuple[GatewayKey, ...]
    gemini: Account
    vertex: Account
    models: tuple[ModelAccount, ...] = ()
    key_header: str | None = None
    upstream_ca: str | None = None
    price_book: str = "shipped"
    model_prices: Layer = field(default_factory=lambda: Layer("config", {}))
    cost_policies: Policies = field(default_factory=Policies)
    development: bool = False
    client_credentials: bool = False
    response_cost_header: bool = False
    key_spend_header: bool = False
    live_budget_check: bool = False
    refuse_without_store: bool = False
    live_api_version: str = "v1beta1"
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)
    notices: tuple[str, ...] = ()
    admin_key: Secret | None = None

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Every account, each with an id of its own."""
        return (self.gemini, self.vertex, *(entry.account for entry in self.models))
