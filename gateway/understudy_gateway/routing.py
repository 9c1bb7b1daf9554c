"""A raw target to a Route: by bytes, never decoded, never joined and parsed again (S-26). Pure.

The prefix names the provider; the rest goes on as it came (URL-1), but for the alias of a model. Host, scheme and port
are the configuration's, but for the Vertex location, which chooses among Google's hosts (URL-8, URL-9).
"""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from understudy.surfaces import VERSION, Place, place_of

from .choosing import account_for, asked_alias, entry_called, renamed
from .endpoints import endpoint_route
from .live_routing import live_route, short_live_route
from .providers import discovery_host, gemini_upstream, refused_place, vertex_host, vertex_upstream
from .query import KEY_PARAMETERS, PAYER_PARAMETERS, split_target, without
from .refusals import Reason, Refusal
from .rewriting import may_rewrite, mended
from .routes import Route, RouteName, Upstream
from .settings import Account, ApiKey, GatewayConfig, ModelAccount, Provider
from .upload_urls import PARAMETER

PREFIXES: Final[tuple[tuple[bytes, Provider], ...]] = (
    (b"/gemini", "gemini"),
    (b"/vertex_ai", "vertex_ai"),
    (b"/vertex-ai", "vertex_ai"),
)
SHORT_LIVE: Final = frozenset({b"/vertex_ai/live", b"/vertex-ai/live", b"/v1/vertex-ai/live"})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
DISCOVERY: Final = b"/discovery"
"""Below the prefix of Vertex AI: Discovery Engine."""

_TARGET: Final = re.compile(rb"/[!-~]*")
_IN_PATH: Final = re.compile(
    r"/(?:v[^/]*/)?projects/(?P<project>[^/]*)/locations/(?P<location>[^/]*?)(?=/|:[A-Za-z]+$|$)"
)
_PUBLISHER_MODELS: Final = re.compile(r"/publishers/[^/]+/models(?:/[^/:]+)?")


def mounted(root_path: bytes, raw_target: bytes) -> bytes:
    """A target as if the gateway lay at the top: without the prefix of its own (URL-6).

    A target that has it not stays as it is, since a server before the gateway may have cut it off.
    """
    if not raw_target.startswith(root_path):
        return raw_target
    rest = raw_target[len(root_path) :]
    if rest.startswith(b"/"):
        return rest
    return b"/" + rest if not rest or rest.startswith(b"?") else raw_target


def route(config: GatewayConfig, method: str, raw_target: bytes) -> Route | Refusal:
    """Where the request with this method and raw target goes, or why it goes nowhere."""
    if method not in METHODS:
        return Refusal(Reason.METHOD_REFUSED)
    if not _TARGET.fullmatch(raw_target):
        return Refusal(Reason.INVALID_TARGET)
    path, query = split_target(raw_target)
    if config.endpoints:
        found = endpoint_route(config, method, path, query)
        if found is not None:
            below = path[len(found.endpoint.path) :] if isinstance(found, Route) and found.endpoint else b""
            return Refusal(Reason.PATH_CLIMBS) if _climbs(below) else found
    if path in SHORT_LIVE:
        return short_live_route(config, query)
    if any(path.startswith(live + b"/") for live in SHORT_LIVE):
        return Refusal(Reason.LIVE_BASE_URL_TRAP)
    return _by_prefix(config, method, path, query)


def _by_prefix(config: GatewayConfig, method: str, path: bytes, query: bytes | None) -> Route | Refusal:
    cut = _cut_prefix(path)
    if cut is None:
        return Refusal(Reason.NO_ROUTE)
    provider, rest = cut
    if _climbs(rest):
        return Refusal(Reason.PATH_CLIMBS)
    place = place_of(rest.decode("ascii"))
    if place is not None and place.surface.is_live:
        return live_route(config, provider, place, rest, query)
    if rest in (b"", b"/"):
        return Refusal(Reason.BASE_URL_TRAP)
    left = without(query, KEY_PARAMETERS)
    if config.reach.user_project is not None:
        left = without(left, PAYER_PARAMETERS)
    if provider == "gemini":
        return _led_back(config, rest, left) if config.reach.rewrites_urls else _gemini(config, place, rest, left)
    if rest.startswith(DISCOVERY + b"/"):
        return _discovery(config, rest[len(DISCOVERY) :], left)
    return _vertex(config, method, place, rest, left)


def is_live_path(path: bytes) -> bool:
    """Whether a path is that of a Live session, also where the request goes nowhere."""
    found = None if path in SHORT_LIVE or not _TARGET.fullmatch(path) else _cut_prefix(path)
    place = place_of(found[1].decode("ascii")) if found is not None else None
    return path in SHORT_LIVE or (place is not None and place.surface.is_live)


def _cut_prefix(path: bytes) -> tuple[Provider, bytes] | None:
    """The provider and what is left of the path (S-27); bare `/ws/...` paths name their provider themselves (WS-1)."""
    for prefix, provider in PREFIXES:
        if path == prefix:
            return provider, b""
        if path.startswith(prefix + b"/"):
            return provider, path[len(prefix) :]
    place = place_of(path.decode("ascii")) if path.lstrip(b"/").startswith(b"ws/") else None
    if place is None:
        return None
    return ("vertex_ai" if place.surface.is_vertex else "gemini"), path


def _climbs(path: bytes) -> bool:
    """Whether dot segments, decoded once, ever lead above the top (URL-7, S-29).

    An encoded slash and a backslash separate here too, and an empty segment is no step down: some servers read so.
    """
    if b"." not in path and b"%" not in path:
        return False
    depth = 0
    for segment in re.split(rb"[/\\]", unquote_to_bytes(path)):
        if segment == b"..":
            depth -= 1
        elif segment not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False


def _led_back(config: GatewayConfig, rest: bytes, query: bytes | None) -> Route:
    """The Gemini API with URLs in its answers that lead back to the gateway, and what clients make of them (LRO-5)."""
    rest, query = mended(rest, without(query, (PARAMETER,)))
    found = _gemini(config, place_of(rest.decode("ascii")), rest, query)
    return replace(found, may_rewrite=True) if may_rewrite(found) else found


def _gemini(config: GatewayConfig, place: Place | None, rest: bytes, query: bytes | None) -> Route:
    entry, asked = _called(config, "gemini", rest, None, None)
    if entry is not None:
        rest = renamed(rest, entry.model)
        place = place_of(rest.decode("ascii"))
    account = account_for(config, "gemini", place.model if place else None, None, None, entry)
    found = _route("gemini", place, gemini_upstream(account), rest, query, account)
    return found if entry is None else replace(found, asked=asked)


def _called(
    config: GatewayConfig, provider: Provider, path: bytes, project: str | None, location: str | None
) -> tuple[ModelAccount | None, str | None]:
    """The entry of `model_list` that the path asks for by its alias, and the alias."""
    if not config.has_aliases:
        return None, None
    asked = asked_alias(path)
    return entry_called(config.models, provider, asked, project, location), asked


def _discovery(config: GatewayConfig, rest: bytes, query: bytes | None) -> Route | Refusal:
    """Discovery Engine, whose paths are never completed; the location in the path decides the host."""
    text = rest.decode("ascii")
    named = _named(text)
    refusal = refused_place(*named)
    if refusal is not None:
        return refusal
    account = account_for(config, "vertex_ai", None, *named)
    place = place_of(text)
    return _route(
        "discovery",
        replace(place, model=None) if place is not None else None,
        vertex_upstream(account, discovery_host(named[1]), *named),
        rest,
        query,
        account,
    )


def _named(text: str) -> tuple[str | None, str | None]:
    """Project and location that a path names, decoded."""
    found = _IN_PATH.match(text)
    return (unquote(found["project"]), unquote(found["location"])) if found else (None, None)


def _vertex(
    config: GatewayConfig, method: str, place: Place | None, rest: bytes, query: bytes | None
) -> Route | Refusal:
    project, location = named = _named(rest.decode("ascii"))
    refusal = refused_place(project, location)
    if refusal is not None:
        return refusal
    entry, asked = _called(config, "vertex_ai", rest, project, location)
    if entry is not None:
        rest = renamed(rest, entry.model)
        place = place_of(rest.decode("ascii"))
    text = rest.decode("ascii")
    account = account_for(config, "vertex_ai", place.model if place else None, project, location, entry)
    if named == (None, None) and not _stays_short(account, method, text):
        completed = _completed(account, text)
        if isinstance(completed, Refusal):
            return completed
        project, location, text = account.project, account.location, completed
        place = place_of(text)
    upstream = vertex_upstream(account, vertex_host(location), project, location)
    found = _route("vertex_ai", place, upstream, text.encode("ascii"), query, account)
    return found if entry is None else replace(found, asked=asked)


def _stays_short(account: Account, method: str, text: str) -> bool:
    """Whether a path without location is right as it is (URL-10): express mode, model cards, other `projects/...`."""
    _, rest = _cut_version(text)
    if isinstance(account.source, ApiKey) or rest.startswith("/projects/"):
        return True
    return method in ("GET", "HEAD") and _PUBLISHER_MODELS.fullmatch(rest) is not None


def _cut_version(text: str) -> tuple[str | None, str]:
    first, slash, rest = text[1:].partition("/")
    return (first, slash + rest) if VERSION.fullmatch(first) else (None, text)


def _completed(account: Account, text: str) -> str | Refusal:
    """The path with the configured project and location (URL-10)."""
    if account.project is None:
        return Refusal(Reason.NO_PROJECT, "DEFAULT_VERTEXAI_PROJECT or default_vertex_config.vertex_project")
    if account.location is None:
        return Refusal(Reason.NO_LOCATION, "DEFAULT_VERTEXAI_LOCATION or default_vertex_config.vertex_location")
    version, rest = _cut_version(text)
    return f"/{version or 'v1'}/projects/{account.project}/locations/{account.location}{rest}"


def _route(
    name: RouteName, place: Place | None, upstream: Upstream, path: bytes, query: bytes | None, account: Account
) -> Route:
    target = upstream.base_path.encode("ascii") + path
    return Route(
        name,
        surface=place.surface if place else None,
        method=place.method if place else "",
        model=place.model if place else None,
        upstream=upstream,
        target=target if query is None else target + b"?" + query,
        credential=account,
        operation=place.operation if place else None,
    )
