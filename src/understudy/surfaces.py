"""The path grammar of each API: which surface, method, model and operation a raw path names.

Sources: wire-http 1.1 and 1.2 (Gemini and Vertex resource grammar), wire-live 1 (Live endpoints). The path is read as
it stands on the wire. A segment is percent-decoded exactly once to be compared, never to be sent on.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote


class Surface(StrEnum):
    """One API family of one service."""

    GEMINI = "gemini"
    VERTEX = "vertex"
    GEMINI_LIVE = "gemini-live"
    VERTEX_LIVE = "vertex-live"
    GEMINI_VEO = "gemini-veo"
    VERTEX_VEO = "vertex-veo"

    @property
    def is_live(self) -> bool:
        """Whether conversations on it are WebSocket sessions."""
        return self in (Surface.GEMINI_LIVE, Surface.VERTEX_LIVE)

    @property
    def is_vertex(self) -> bool:
        """Whether it belongs to Vertex AI; the others belong to the Gemini API."""
        return self in (Surface.VERTEX, Surface.VERTEX_LIVE, Surface.VERTEX_VEO)

    @property
    def provider(self) -> str:
        """LiteLLM's name of the provider: `gemini` or `vertex_ai`."""
        return "vertex_ai" if self.is_vertex else "gemini"


VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]*)?")

_GEMINI_LIVE = re.compile(
    r"/+ws/google\.ai\.generativelanguage\.(?P<version>v[0-9a-z]+)\.GenerativeService\.(?P<method>BidiGenerate[A-Za-z]+)"
)
_VERTEX_LIVE = re.compile(
    r"/+ws/google\.cloud\.aiplatform\.(?P<version>v[0-9a-z]+)\.LlmBidiService/(?P<method>BidiGenerateContent)"
)
_VEO_METHODS = frozenset({"predictLongRunning", "fetchPredictOperation"})
_GEMINI_COLLECTIONS = frozenset(
    {"models", "tunedModels", "dynamic", "files", "cachedContents", "batches", "fileSearchStores", "operations"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names.

    `method` is the verb after the last segment's final colon, or, without one, `get` (a named resource), `list` (a
    collection) by its shape alone; `bidiGenerateContent` and its relatives for Live. `version` is empty on bare
    `/models/...` paths. `name` is the resource name below the version, decoded (`models/m/operations/o`, `files/f`).
    `project` and `location` are None in express form and on the Gemini API.
    """

    surface: Surface
    method: str
    version: str
    name: str
    model: str | None = None
    operation: str | None = None
    project: str | None = None
    location: str | None = None
    publisher: str | None = None


def place_of(raw_path: str) -> Place | None:
    """The place that a raw path (no query) names, or None if no API has such a path.

    Live endpoints name no model: it stands in the session's setup message.
    """
    if "/ws/" in raw_path[:5]:
        return _live_place(raw_path)
    segments = raw_path.lstrip("/").split("/")
    version = ""
    if VERSION.fullmatch(segments[0]):
        version, segments = segments[0], segments[1:]
    if not segments or not segments[0]:
        return None
    *front, last = segments
    last, method = _cut_verb(last)
    names = [unquote(segment) for segment in (*front, last)]
    if names[0] in ("projects", "publishers", "endpoints"):
        return _vertex_place(version, names, method)
    if names[0] in _GEMINI_COLLECTIONS:
        return _gemini_place(version, names, method)
    return None


def _cut_verb(segment: str) -> tuple[str, str | None]:
    """`m:verb` as its two parts; `%3A` counts as a colon (gateway-behaviour URL-13)."""
    plain = max(segment.rfind(":"), -1)
    encoded = segment.lower().rfind("%3a")
    if plain < 0 and encoded < 0:
        return segment, None
    if plain > encoded:
        return segment[:plain], segment[plain + 1 :]
    return segment[:encoded], segment[encoded + 3 :]


def _live_place(raw_path: str) -> Place | None:
    for surface, pattern in ((Surface.GEMINI_LIVE, _GEMINI_LIVE), (Surface.VERTEX_LIVE, _VERTEX_LIVE)):
        found = pattern.fullmatch(raw_path)
        if found and VERSION.fullmatch(found["version"]):
            method = found["method"]
            return Place(surface, method[0].lower() + method[1:], found["version"], "")
    return None


def _gemini_place(version: str, names: list[str], method: str | None) -> Place:
    collection, rest = names[0], names[1:]
    model = rest[0] if collection in ("models", "tunedModels") and rest and rest[0] else None
    operation = "/".join(names) if "operations" in names and names[-1] != "operations" else None
    veo = operation is not None or method in _VEO_METHODS
    return Place(
        Surface.GEMINI_VEO if veo else Surface.GEMINI,
        method or _plain_method(names),
        version,
        "/".join(names),
        model=model,
        operation=operation,
    )


def _vertex_place(version: str, names: list[str], method: str | None) -> Place | None:
    project = location = publisher = model = None
    rest = names
    if rest[0] == "projects":
        if len(rest) < 4 or rest[2] != "locations":
            return None
        project, location, rest = rest[1], rest[3], rest[4:]
    if len(rest) >= 3 and rest[0] == "publishers" and rest[2] == "models":
        publisher = rest[1]
        model = rest[3] if len(rest) > 3 and rest[3] else None
    operation = "/".join(names) if "operations" in rest and rest[-1] != "operations" else None
    veo = operation is not None or method in _VEO_METHODS
    return Place(
        Surface.VERTEX_VEO if veo else Surface.VERTEX,
        method or _plain_method(rest),
        version,
        "/".join(names),
        model=model,
        operation=operation,
        project=project,
        location=location,
        publisher=publisher,
    )


def _plain_method(names: list[str]) -> str:
    """`list` for `models` or `publishers/google/models`, `get` for a resource below a collection."""
    return "list" if len(names) % 2 else "get"


def model_id(name: str) -> str:
    """The bare model id of any of the names that requests carry.

    `models/m`, `publishers/google/models/m`, `projects/p/locations/l/publishers/google/models/m` and `m` all give `m`.
    """
    return name.rpartition("models/")[2]
