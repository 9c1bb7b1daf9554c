"""What the suite knows of the gateway under test: its routes, key, features, and where it shows its costs. Pure.

The file that people write is read by `target_file.py` and described in docs/reference/target-file.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal

from ..secret import Secret
from ..surfaces import Surface

FEATURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gemini": "the Gemini API over HTTP",
        "vertex": "Vertex AI over HTTP",
        "gemini-live": "Live sessions of the Gemini API",
        "vertex-live": "Live sessions of Vertex AI",
        "gemini-veo": "VEO operations of the Gemini API",
        "vertex-veo": "VEO operations of Vertex AI",
        "relay": "it stands between client and provider, and so has the duties of an HTTP intermediary",
        "keys": "clients show a gateway key, which is swapped for the provider's credential",
        "x-pass": "`x-pass-NAME` is forwarded as `NAME`",
        "control-headers": "`x-litellm-*` and other headers are instructions to the gateway and end there",
        "short-vertex-paths": "Vertex paths without project and location are completed",
        "live-routes": "the short Live routes such as `/vertex_ai/live`",
        "cost": "it says what each request cost",
    }
)
"""What a target can claim, and what it means."""

SurfaceOrder: Final = (Surface.GEMINI, Surface.VERTEX, Surface.GEMINI_LIVE, Surface.VERTEX_LIVE)

KeyPlace = Literal["x-goog-api-key", "bearer", "query", "x-litellm-api-key"]


@dataclass(frozen=True, slots=True)
class CostSource:
    """Where the gateway shows its costs.

    `json-lines`: a file with one JSON object a line, whose member `id` is the value of the answer's header
    `id_header` (or an operation's name), `amount` the cost in dollars (null: unknown), `known` how it is known.
    `endpoint`: a path of the gateway or a whole `url`, in which `{id}` stands for that value; the JSON there has such
    objects, in the list `entries` (names with dots between; empty: the answer itself is the list, or the object).
    It is shown `key`, None: the target's. `header`: the answer's header `header`.
    A figure may come `within_s` seconds after the answer.
    """

    kind: Literal["none", "json-lines", "endpoint", "header"] = "none"
    header: str = "x-litellm-response-cost"
    file: str = ""
    url: str = ""
    entries: str = ""
    key: Secret | None = None
    id_header: str = "x-litellm-call-id"
    id: str = "id"
    amount: str = "cost"
    known: str = "known"
    within_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Deviation:
    """A known breach: `check` is an id of a check, a requirement or an area; a failure becomes a listed exception."""

    check: str
    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """The gateway under test.

    `prefixes` are put before the provider's path, by surface ("" if absent; VEO follows its service). `key` is what
    clients show, at `carrier`, on Vertex at `vertex_carrier` if that is given. `response_headers` are globs of the
    fields that it documents as its own additions. `url` is where it listens, if the target file says so.
    """

    name: str
    features: frozenset[str]
    prefixes: Mapping[Surface, str] = field(default_factory=dict[Surface, str])
    key: Secret | None = None
    carrier: KeyPlace = "x-goog-api-key"
    vertex_carrier: KeyPlace | None = None
    project: str = "understudy-demo"
    location: str = "us-central1"
    cost: CostSource = CostSource()
    price_book: Literal["frozen", "shipped"] = "frozen"
    response_headers: tuple[str, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    version: str = ""
    url: str = ""
    source: str = ""

    def prefix(self, surface: Surface) -> str:
        """What stands before the provider's path on a surface."""
        if surface in (Surface.GEMINI_VEO, Surface.VERTEX_VEO):
            surface = Surface.VERTEX if surface.is_vertex else Surface.GEMINI
        return self.prefixes.get(surface, "")

    def carrier_on(self, surface: Surface) -> KeyPlace:
        """Where clients of a surface show their key."""
        return self.vertex_carrier if surface.is_vertex and self.vertex_carrier is not None else self.carrier

    def claims(self, features: tuple[str, ...]) -> bool:
        """Whether it claims all of them."""
        return self.features.issuperset(features)

    def adds(self, header: bytes) -> bool:
        """Whether a response header is one of its documented additions."""
        name = header.decode("latin-1").lower()
        return any(fnmatchcase(name, glob.lower()) for glob in self.response_headers)
