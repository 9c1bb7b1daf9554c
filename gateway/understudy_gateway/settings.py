"""What the gateway was told, as values: keys, accounts at the providers, limits. Pure; `config` makes them."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from understudy.pricing.book import Layer
from understudy.secret import Secret
from understudy.usage.policies import Policies

from .features import Features

Provider = Literal["gemini", "vertex_ai", "pass_through"]
"""Google's two, and whatever a configured endpoint leads to."""

UNIX: Final = "unix:"
"""What a host begins with that is a Unix socket; its path follows, as in nginx's configuration."""

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


@dataclass(frozen=True, slots=True)
class FixedHeaders:
    """The header fields that a configured endpoint adds, as they go on the wire; their values may be secrets."""

    fields: tuple[tuple[str, Secret], ...] = ()


Source = ApiKey | KeyFile | KeyText | ApplicationDefault | FixedHeaders
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
    """An entry of `model_list`: the account for one model, `model` being the provider's name of it, and its rates.

    `alias` is what clients may call the model instead; None if they use the provider's name.
    `name` is the operator's own (`model_name`), by which other settings speak of it.
    """

    model: str
    account: Account
    rates: Rates = Rates()
    alias: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of `pass_through_endpoints`: requests to `path` go to `base`, whose path may end with a slash here.

    `query` is that of the target URL, `default_query` has parameters (name decoded, and both as they are sent) that a
    request lacks; `merges_query`: the target's own stay beside the request's. `methods` None: all. `timeout_s` is the
    time to the first byte, `cost_per_request` in US dollars. `account.source` has the header fields.
    """

    path: bytes
    base: Base
    account: Account
    query: bytes | None = None
    forwards_headers: bool = False
    includes_subpath: bool = False
    merges_query: bool = False
    default_query: tuple[tuple[bytes, bytes], ...] = ()
    methods: tuple[str, ...] | None = None
    timeout_s: float | None = None
    cost_per_request: Decimal | None = None
    guardrails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One key that clients may show. `id` stands for it in logs and records; without `models` it may use all.

    `max_budget` is in US dollars, for each period of `budget_duration` (None: for ever). `guardrails` are those that
    the key's requests are judged by beside the ones for all.
    """

    id: str
    key: Secret
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    max_budget: Decimal | None = None
    budget_duration: str | None = None
    rates: Rates = Rates()
    guardrails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without progress after which something is given up (STR-6, S-44, S-45, S-53, R-20, R-24, R-30).

    Of these only `head_s` holds for the whole of something; `wrong_key_s` is how long at most an answer to a wrong key
    is held back (S-21). 0 switches that off, and the time between readiness turning 503 and the end of accepting,
    between the gateway's own pings (WS-10), and without any data on a Live session.
    """

    connect_s: float = 10.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    request_idle_s: float = 60.0
    write_s: float = 120.0
    credentials_s: float = 30.0
    keepalive_s: float = 75.0
    head_s: float = 30.0
    drain_s: float = 30.0
    drain_delay_s: float = 0.0
    live_ping_s: float = 0.0
    live_idle_s: float = 0.0
    setup_s: float = 10.0
    wrong_key_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, and counts, beyond which something is refused (S-44 to S-46, S-50, S-53).

    `waiting_connections`: those that have not sent a whole head; over it the one that waits longest has to go.
    `connections`: client connections at once in one process; None: as many as its descriptors carry (R-33).
    `wrong_keys`: how many an address may show before answers to further ones are held back (S-21).
    """

    request_line_bytes: int = 16 * 1024
    header_field_bytes: int = 64 * 1024
    header_bytes: int = 64 * 1024
    header_fields: int = 200
    request_body_bytes: int = 4 * 1024**3
    message_bytes: int = 16 * 1024**2
    sessions: int = 10_000
    sessions_per_key: int = 10_000
    waiting_connections: int = 4096
    connections: int | None = None
    wrong_keys: int = 100


@dataclass(frozen=True, slots=True)
class Network:
    """Whom the gateway talks to, and how it shows itself.

    `upstream_hosts`: suffixes of the hosts it connects to, beside this machine (S-34); `plain_upstream`: without TLS
    too. `allowed_origins`: web pages that may use it (S-58, URL-12), `*` any. `via`: its name in Via upstream (HDR-11).
    `unbuffered_sse`: event streams tell nginx not to buffer them (STR-8).
    """

    upstream_hosts: tuple[str, ...] = ("googleapis.com",)
    plain_upstream: bool = False
    allowed_origins: tuple[str, ...] = ()
    via: str | None = None
    unbuffered_sse: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """How the gateway is reached, and what of an exchange is the operator's to say.

    `root_path` is the prefix below which the gateway itself lies, empty or like `/llm` (URL-6). `user_project` pins who
    pays (S-5). `completes_live_models`: short model names in setups of Vertex Live are completed (WS-6).
    `rewrites_urls`: download and upload URLs of the provider lead back to the gateway (LRO-5), at `public_url` or where
    the client has found it.
    """

    root_path: str = ""
    user_project: str | None = None
    completes_live_models: bool = False
    rewrites_urls: bool = False
    public_url: Base | None = None


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything the gateway needs to know; nothing is read from the environment after this was made.

    `key_header` is a further header that may carry the gateway key (lower case). `upstream_ca` is the path of a PEM
    bundle, None for the usual roots. `price_book` is `frozen`, `shipped` or a path; `model_prices` lie over it,
    `cost_policies` say how cost is computed where Google leaves room.
    `development`: any key is accepted, on loopback only. `client_credentials`: where no provider credential is
    configured, the client's own Google credential passes (AUTH-7). Without `accounting` no usage is read, and there is
    neither record nor log line nor number of an exchange. `admin_key` opens the admin port in place of the
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
    accounting: bool = True
    key_spend_header: bool = False
    live_budget_check: bool = False
    refuse_without_store: bool = False
    live_api_version: str = "v1beta1"
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)
    network: Network = field(default_factory=Network)
    notices: tuple[str, ...] = ()
    admin_key: Secret | None = None
    features: Features = field(default_factory=Features)
    json_logs: bool = False
    endpoints: tuple[Endpoint, ...] = ()
    reach: Reach = field(default_factory=Reach)

    @property
    def has_aliases(self) -> bool:
        """Whether any model goes by another name here."""
        return any(entry.alias is not None for entry in self.models)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Every account, each with an id of its own."""
        models, endpoints = (one.account for one in self.models), (one.account for one in self.endpoints)
        return (self.gemini, self.vertex, *models, *endpoints)
