"""A raw target to a Route: by bytes, never decoded, never joined and parsed again (S-26). Pure.

The prefix names the provider; the rest goes on as it came (URL-1). Host, scheme and port are the configuration's, but
for the Vertex location, which chooses among Google's hosts (URL-8, URL-9).
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from understudy.surfaces import VERSION, Place, Surface, model_id, place_of

from .query import parameters, split_target, without
from .refusals import Reason, Refusal
from .routes import Route, RouteName, Upstream
from .settings import LOCATION, PROJECT, Account, ApiKey, Base, GatewayConfig, Provider

PREFIXES: Final[tuple[tuple[bytes, Provider], ...]] = (
    (b"/gemini", "gemini"),
    (b"/vertex_ai", "vertex_ai"),
    (b"/vertex-ai", "vertex_ai"),
)
SHORT_LIVE: Final = frozenset({b"/vertex_ai/live", b"/vertex-ai/live", b"/v1/vertex-ai/live"})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

KEY_PARAMETERS: Final = frozenset({b"key", b"access_token", b"oauth_token"})
"""Query parameters that carry a credential, the gateway's or another (S-1, S-5)."""

LIVE_PARAMETERS: Final = frozenset({b"project_id", b"vertex_project", b"location", b"vertex_location", b"model"})
"""Query parameters of Live routes that are meant for the gateway (WS-2)."""

LIVE_LOCATION: Final = "us-central1"
GEMINI_BASE: Final = Base("https", "generativelanguage.googleapis.com", 443)

_TARGET: Final = re.compile(rb"/[!-~]*")
_IN_PATH: Final = re.compile(
    r"/(?:v[^/]*/)?projects/(?P<project>[^/]*)/locations/(?P<location>[^/]*?)(?=/|:[A-Za-z]+$|$)"
)
_PUBLISHER_MODELS: Final = re.compile(r"/publishers/[^/]+/models(?:/[^/:]+)?")


def route(config: GatewayConfig, method: str, raw_target: bytes) -> Route | Refusal:
    """Where the request with this method and raw target goes, or why it goes nowhere."""
    if method not in METHODS:
        return Refusal(Reason.METHOD_REFUSED)
    if not _TARGET.fullmatch(raw_target):
        return Refusal(Reason.INVALID_TARGET)
    path, query = split_target(raw_target)
    if path in SHORT_LIVE:
        return _short_live(config, query)
    if any(path.startswith(live + b"/") for live in SHORT_LIVE):
        return Refusal(Reason.LIVE_BASE_URL_TRAP)
    found = _cut_prefix(path)
    if found is None:
        return Refusal(Reason.NO_ROUTE)
    provider, rest = found
    if _climbs(rest):
        return Refusal(Reason.PATH_CLIMBS)
    place = place_of(rest.decode("ascii"))
    if place is not None and place.surface.is_live:
        return _live(config, provider, place, rest, query)
    if rest in (b"", b"/"):
        return Refusal(Reason.BASE_URL_TRAP)
    left = without(query, KEY_PARAMETERS)
    if provider == "gemini":
        account = _account(config, "gemini", place, None, None)
        return _route("gemini", place, _gemini(account), rest, left, account)
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


def _account(
    config: GatewayConfig, provider: Provider, place: Place | None, project: str | None, location: str | None
) -> Account:
    """The account for what the path names: its model's, else its project's, else the default (LRO-2)."""
    default = config.gemini if provider == "gemini" else config.vertex
    entries = [entry for entry in config.models if entry.account.provider == provider]

    def fits(account: Account) -> bool:
        return project in (None, account.project) and location in (None, account.location)

    model = place.model if place is not None else None
    for entry in entries:
        if model is not None and entry.model == model and (fits(entry.account) or entry.account.project is None):
            return _filled(entry.account, default)
    if project is not None and project != default.project:
        for account in (entry.account for entry in entries):
            if fits(account):
                return _filled(account, default)
    return default


def _filled(account: Account, default: Account) -> Account:
    """A model's account; what it does not say is the default's."""
    if account.source is None:
        return Account(
            default.id,
            account.provider,
            account.base or default.base,
            account.project or default.project,
            account.location or default.location,
            default.source,
        )
    return Account(
        account.id,
        account.provider,
        account.base or default.base,
        account.project or default.project,
        account.location or default.location,
        account.source,
    )


def _gemini(account: Account) -> Upstream:
    base = account.base or GEMINI_BASE
    return Upstream("gemini", base.scheme, base.host, base.port, base.path)


def vertex_host(location: str | None) -> str:
    """Google's host for a location (URL-8); None and `global` have the one without a region."""
    if location is None or location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _vertex_upstream(account: Account, project: str | None, location: str | None) -> Upstream:
    base = account.base or Base("https", vertex_host(location), 443)
    return Upstream("vertex_ai", base.scheme, base.host, base.port, base.path, project, location)


def _vertex(
    config: GatewayConfig, method: str, place: Place | None, rest: bytes, query: bytes | None
) -> Route | Refusal:
    text = rest.decode("ascii")
    named = _IN_PATH.match(text)
    project = unquote(named["project"]) if named else None
    location = unquote(named["location"]) if named else None
    refusal = _refused_place(project, location)
    if refusal is not None:
        return refusal
    account = _account(config, "vertex_ai", place, project, location)
    if named is None and not _stays_short(account, method, text):
        completed = _completed(account, text)
        if isinstance(completed, Refusal):
            return completed
        project, location, text = account.project, account.location, completed
        place = place_of(text)
    upstream = _vertex_upstream(account, project, location)
    return _route("vertex_ai", place, upstream, text.encode("ascii"), query, account)


def _refused_place(project: str | None, location: str | None) -> Refusal | None:
    if location is not None and not LOCATION.fullmatch(location):
        return Refusal(Reason.INVALID_LOCATION)
    if project is not None and not PROJECT.fullmatch(project):
        return Refusal(Reason.INVALID_PROJECT)
    return None


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


def _short_live(config: GatewayConfig, query: bytes | None) -> Route | Refusal:
    """LiteLLM's routes for Vertex Live: everything is chosen by the query, and nothing of it goes on (WS-2)."""
    path = f"/ws/google.cloud.aiplatform.{config.live_api_version}.LlmBidiService/BidiGenerateContent"
    return _vertex_live(config, path.encode("ascii"), query, is_short=True)


def _live(config: GatewayConfig, provider: Provider, place: Place, path: bytes, query: bytes | None) -> Route | Refusal:
    """The Live endpoints in Google's own form."""
    if place.surface.is_vertex is not (provider == "vertex_ai"):
        return Refusal(Reason.NO_ROUTE)
    if provider == "vertex_ai":
        return _vertex_live(config, path, query, is_short=False)
    chosen = _live_choice(query)
    account = _account(config, "gemini", _model_place(chosen.get(b"model")), None, None)
    return _live_route("gemini-live", Surface.GEMINI_LIVE, place.method, _gemini(account), path, query, account)


def _vertex_live(config: GatewayConfig, path: bytes, query: bytes | None, *, is_short: bool) -> Route | Refusal:
    chosen = _live_choice(query)
    project = _first(chosen, (b"project_id", b"vertex_project"))
    location = _first(chosen, (b"location", b"vertex_location"))
    refusal = _refused_place(project, location)
    if refusal is not None:
        return refusal
    account = _account(config, "vertex_ai", _model_place(chosen.get(b"model")), project, location)
    upstream = _vertex_upstream(account, project or account.project, location or account.location or LIVE_LOCATION)
    left = None if is_short else query
    surface, name = Surface.VERTEX_LIVE, "vertex_ai-live"
    return _live_route(name, surface, "bidiGenerateContent", upstream, path, left, account, is_short=is_short)


def _live_choice(query: bytes | None) -> dict[bytes, str]:
    """What a Live query chooses; the first of repeated names counts, and an empty one chooses nothing."""
    found: dict[bytes, str] = {}
    for parameter in parameters(query):
        if parameter.name in LIVE_PARAMETERS and parameter.value:
            found.setdefault(parameter.name, parameter.value.decode("latin-1"))
    return found


def _first(chosen: dict[bytes, str], names: Iterable[bytes]) -> str | None:
    return next((chosen[name] for name in names if name in chosen), None)


def _model_place(model: str | None) -> Place | None:
    return None if model is None else Place(Surface.GEMINI, "", "", "", model=model_id(model))


def _live_route(
    name: RouteName,
    surface: Surface,
    method: str,
    upstream: Upstream,
    path: bytes,
    query: bytes | None,
    account: Account,
    *,
    is_short: bool = False,
) -> Route:
    left = without(query, KEY_PARAMETERS | LIVE_PARAMETERS)
    target = upstream.base_path.encode("ascii") + path
    return Route(
        name,
        surface,
        method,
        None,
        upstream,
        target if left is None else target + b"?" + left,
        account,
        is_short_live=is_short,
    )
