"""What a handler of an API family gets and gives: one call of the service, and the forms an answer can have."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from understudy.messages import RawHeaders, Request, header_value
from understudy.scenario.json_subset import NOT_JSON, LazyJson
from understudy.scenario.model import StartOperation
from understudy.surfaces import Place, Surface

from .google_errors import GoogleError
from .ids import Identity
from .paths import resource_name
from .replies import Media, Outgoing
from .store import Shelf

Service = Literal["gemini", "vertex"]

_VIDEO_METHODS: Final = frozenset({"predictLongRunning", "fetchPredictOperation"})


@dataclass(slots=True)  # not frozen: one is made for each request, and that would take three times as long
class Call:
    """One request, admitted and with a body that fits its description. Nobody changes it.

    `request` is without the path carrier of its scope. `rpc` is the method's name as in Google's texts; `names` are the
    variables of its path, decoded; `version` is empty on bare paths; `project` and `location` are None in express form
    and on the Gemini API. `origin` is `http://host` as the client called it, with the path carrier of its scope if it
    used one: what a URL that we hand out must begin with. `known_place` is `place` where it is known. `shelf` holds the
    resources of the scope. `key` tells apart who calls (a digest, not the key).
    """

    request: Request
    scope: str
    service: Service
    rpc: str
    version: str
    project: str | None
    location: str | None
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: LazyJson
    identity: Identity
    now: datetime
    origin: str
    shelf: Shelf
    key: str = ""
    known_place: Place | None = None

    @property
    def is_vertex(self) -> bool:
        """Whether Vertex AI is called."""
        return self.service == "vertex"

    @property
    def parent(self) -> str:
        """`projects/P/locations/L/` on Vertex AI with a project, else empty: what resource names begin with."""
        return "" if self.project is None else f"projects/{self.project}/locations/{self.location}/"

    @property
    def place(self) -> Place:
        """The same as the ground floor names it, for error texts and scenarios."""
        if self.known_place is not None:
            return self.known_place
        return place_named(
            self.service, self.rpc, self.version, self.names, self.project, self.location, self.request.path
        )

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body; empty if it is no JSON object."""
        value = self.body.value
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    @property
    def has_json(self) -> bool:
        """Whether the body is JSON at all."""
        return self.body.value is not NOT_JSON

    def header(self, name: str) -> str | None:
        """The first value of a header field, or None."""
        value = header_value(self.request.headers, name.encode())
        return None if value is None else value.decode("latin-1")


def place_named(
    service: Service,
    rpc: str,
    version: str,
    names: Mapping[str, str],
    project: str | None,
    location: str | None,
    raw_path: str,
) -> Place:
    """The place that a route's match names; the arguments are as in `Call`."""
    is_video = rpc in _VIDEO_METHODS or "operation" in names
    if service == "vertex":
        surface = Surface.VERTEX_VEO if is_video else Surface.VERTEX
    else:
        surface = Surface.GEMINI_VEO if is_video else Surface.GEMINI
    name = resource_name(raw_path)
    return Place(
        surface,
        rpc,
        version,
        name,
        model=names.get("model") or names.get("tuned"),
        operation=name if "operation" in names else None,
        project=project,
        location=location,
        publisher=names.get("publisher"),
    )


@dataclass(frozen=True, slots=True)
class Json:
    """A whole answer: a JSON value, in Google's layout and header fields; `headers` come beside or in their stead."""

    value: Mapping[str, Any]
    status: int = 200
    headers: RawHeaders = ()


@dataclass(frozen=True, slots=True)
class Chunks:
    """A Google stream: one JSON value per chunk, framed as the request asks for (`alt=sse`, else an array)."""

    values: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Events:
    """A stream of ready-made server-sent events, with line ends, for services that frame them their own way."""

    events: tuple[bytes, ...]
    headers: RawHeaders = ()


@dataclass(frozen=True, slots=True)
class Plain:
    """A JSON answer in somebody else's layout: `body` goes out as it is, with only these header fields."""

    body: bytes
    status: int = 200
    headers: RawHeaders = ((b"Content-Type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Begin:
    """A new long-running operation of a model, for what the call asks; how long it runs is not said here."""

    start: StartOperation


Answer = Json | Chunks | Events | Plain | Media | Begin | GoogleError | Outgoing
"""What a handler gives back. `Outgoing` is the wire's own form, for what fits none of the others."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A call whose body is not read into memory: `body` gives it piece by piece, as it comes.

    It raises ConnectionError if the client leaves on the way.
    """

    call: Call
    body: AsyncIterator[bytes]
