"""Which handler a request is for: the routes of all API families in one tree of path segments. Pure.

A pattern is written without what is common to all paths: the version, `upload`, and the project of Vertex AI, as in
`models/{model}:generateContent`, `publishers/{publisher}/models/{model}` or `files/{file...}` (the rest of the path).
Path grammar: wire-http 1.1, 1.2.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

from understudy.surfaces import Place

from .call import Answer, Call, Service, Upload, place_named
from .paths import cut_verb, cut_version

Handler = Callable[[Call], Answer]

Check = Callable[[Call], Answer | None]
"""Why a body is refused that no description of Google's is known of, or None. Pure: the call is not admitted yet."""

UploadHandler = Callable[[Upload], Awaitable[Answer]]
"""Handles a call whose body is too large to be kept in memory."""

Kind = Literal["state", "known", "generating"]
"""Who answers. `state`: a scenario that names the method or path, else the handler, in strict mode too. `known`, for
polls and downloads: the handler; only where it refuses, a scenario that names the method or path. `generating`: a
scenario; without one the handler, or in strict mode a refusal."""

_NOWHERE: Final = "None"
"""What google-genai writes for the project and location of some express calls (sdk-surface, rows c2 to c5)."""

_SHAPES: Final = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "create"}
"""What a method without a verb in its path is called, beside `get` and `list`."""

_METHODS: Final = ("GET", "POST", "PATCH", "DELETE", "PUT")

_CACHE_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one API family.

    Exactly one of `handler` and `upload` is given. `service` None: both services have it. `pattern` as above; the verb
    is part of it. `rpc` is the name of the method in Google's texts and in a scenario's `match.method`; without it the
    verb, or `get`, `list`, `create`, `patch`, `delete` by method and pattern. `message` names the description that the
    request's body must fit; empty: none is known, and `check` may be asked in its place. Neither is where any body
    passes: the handler does with it what it can. `versions` empty: all. `surface` is what the transcript says in place
    of the service's name.
    """

    method: str
    pattern: str
    handler: Handler | None = None
    service: Service | None = None
    kind: Kind = "state"
    rpc: str = ""
    message: str = ""
    versions: tuple[str, ...] = ()
    needs_credentials: bool = True
    upload: UploadHandler | None = None
    surface: str = ""
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """A path that a route has: its service, version, Vertex AI project and location, and the names in it, decoded.

    `rpc` is the method's name, see `Route`; `place` is the same as the ground floor names it. `version` is empty on
    bare paths; `project` and `location` are None in express form and on the Gemini API.
    """

    route: Route
    service: Service
    version: str
    names: Mapping[str, str]
    project: str | None = None
    location: str | None = None
    rpc: str = ""
    place: Place | None = None


@dataclass(slots=True)
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    variable: "_Node | None" = None
    routes: dict[tuple[str, str], tuple[tuple[str, ...], Route]] = field(
        default_factory=dict[tuple[str, str], tuple[tuple[str, ...], Route]]
    )
    rest: dict[tuple[str, str], tuple[tuple[str, ...], Route]] = field(
        default_factory=dict[tuple[str, str], tuple[tuple[str, ...], Route]]
    )


class Router:
    """Finds the route of a request by its HTTP method and raw path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError if two routes have the same method, service and pattern."""
        self._trees: dict[Service, _Node] = {"gemini": _Node(), "vertex": _Node()}
        self._known: dict[tuple[str, str], Matched | None] = {}
        for route in routes:
            for service in ("gemini", "vertex") if route.service is None else (route.service,):
                _add(self._trees[service], route)

    def find(self, method: str, raw_path: str) -> Matched | None:
        """The route, or None if no API has that method at that path."""
        key = (method, raw_path)
        if key in self._known:
            return self._known[key]
        found = self._find(method, raw_path)
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        self._known[key] = found
        return found

    def has(self, raw_path: str) -> bool:
        """Whether some HTTP method has a route at that path."""
        return any(self._find(method, raw_path) is not None for method in _METHODS)

    def _find(self, method: str, raw_path: str) -> Matched | None:
        version, segments = cut_version(raw_path)
        front = segments[:1] if segments[:1] == ["upload"] else []
        segments = segments[len(front) :]
        if not segments:
            return None
        last, verb = cut_verb(segments[-1])
        parts = [unquote(part) for part in (*segments[:-1], last)]
        project = location = None
        if parts[0] == "projects" and len(parts) > 4 and parts[2] == "locations":
            project, location, parts = parts[1], parts[3], parts[4:]
            if project == location == _NOWHERE:
                project = location = None
        is_vertex = project is not None or segments[0] in ("projects", "publishers") or version == "v1beta1"
        service: Service = "vertex" if is_vertex else "gemini"
        found = _descend(self._trees[service], [*front, *parts], (method, verb))
        if found is None or (found[1].versions and version not in found[1].versions):
            return None
        names, route = found
        rpc = route.rpc or _rpc_of(route)
        place = place_named(service, rpc, version, names, project, location, raw_path)
        return Matched(route, service, version, names, project, location, rpc, place)


def _rpc_of(route: Route) -> str:
    verb = cut_verb(route.pattern)[1]
    if verb:
        return verb
    if route.method != "GET":
        return _SHAPES.get(route.method, route.method.lower())
    return "get" if route.pattern.endswith("}") else "list"


def _add(tree: _Node, route: Route) -> None:
    last, verb = cut_verb(route.pattern)
    names: list[str] = []
    node = tree
    for segment in last.split("/"):
        if segment.endswith("...}"):
            names.append(segment[1:-4])
            _register(node.rest, route, verb, names)
            return
        if segment.startswith("{"):
            names.append(segment[1:-1])
            node.variable = node.variable or _Node()
            node = node.variable
        else:
            node = node.literal.setdefault(segment, _Node())
    _register(node.routes, route, verb, names)


def _register(
    place: dict[tuple[str, str], tuple[tuple[str, ...], Route]], route: Route, verb: str, names: list[str]
) -> None:
    key = (route.method, verb)
    if key in place:
        raise ValueError(f"two routes: {route.method} {route.pattern}")
    place[key] = (tuple(names), route)


def _descend(tree: _Node, segments: list[str], key: tuple[str, str]) -> tuple[Mapping[str, str], Route] | None:
    """The longest way down: a literal segment before a variable one, and the rest of a path last."""
    found = _walk(tree, segments, 0, key, ())
    if found is None:
        return None
    values, (names, route) = found
    return dict(zip(names, values, strict=True)), route


def _walk(
    node: _Node, segments: list[str], at: int, key: tuple[str, str], values: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], Route]] | None:
    if at == len(segments):
        leaf = node.routes.get(key)
        return None if leaf is None else (values, leaf)
    segment = segments[at]
    down = node.literal.get(segment)
    if down is not None:
        found = _walk(down, segments, at + 1, key, values)
        if found is not None:
            return found
    if node.variable is not None and segment:
        found = _walk(node.variable, segments, at + 1, key, (*values, segment))
        if found is not None:
            return found
    leaf = node.rest.get(key)
    return None if leaf is None else ((*values, "/".join(segments[at:])), leaf)
