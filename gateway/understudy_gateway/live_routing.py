"""Live targets to Routes: Google's own paths, and LiteLLM's short ones, where the query chooses (WS-1, WS-2). Pure."""

from collections.abc import Iterable
from typing import Final

from understudy.surfaces import Place, Surface, model_id

from .choosing import account_for, entry_called
from .providers import gemini_upstream, refused_place, vertex_host, vertex_upstream
from .query import KEY_PARAMETERS, parameters, without
from .refusals import Reason, Refusal
from .routes import Route, RouteName, Upstream
from .settings import Account, GatewayConfig, Provider

LIVE_PARAMETERS: Final = frozenset({b"project_id", b"vertex_project", b"location", b"vertex_location", b"model"})
"""Query parameters of Live routes that are meant for the gateway (WS-2)."""

LIVE_LOCATION: Final = "us-central1"


def short_live_route(config: GatewayConfig, query: bytes | None) -> Route | Refusal:
    """LiteLLM's routes for Vertex Live: everything is chosen by the query, and nothing of it goes on (WS-2)."""
    path = f"/ws/google.cloud.aiplatform.{config.live_api_version}.LlmBidiService/BidiGenerateContent"
    return _vertex_live(config, path.encode("ascii"), query, is_short=True)


def live_route(
    config: GatewayConfig, provider: Provider, place: Place, path: bytes, query: bytes | None
) -> Route | Refusal:
    """The Live endpoints in Google's own form."""
    if place.surface.is_vertex is not (provider == "vertex_ai"):
        return Refusal(Reason.NO_ROUTE)
    if provider == "vertex_ai":
        return _vertex_live(config, path, query, is_short=False)
    account = _account(config, "gemini", _live_choice(query), None, None)
    upstream = gemini_upstream(account)
    return _route("gemini-live", Surface.GEMINI_LIVE, place.method, upstream, path, query, account)


def _vertex_live(config: GatewayConfig, path: bytes, query: bytes | None, *, is_short: bool) -> Route | Refusal:
    chosen = _live_choice(query)
    project = _first(chosen, (b"project_id", b"vertex_project"))
    location = _first(chosen, (b"location", b"vertex_location"))
    refusal = refused_place(project, location)
    if refusal is not None:
        return refusal
    account = _account(config, "vertex_ai", chosen, project, location)
    location = location or account.location or LIVE_LOCATION
    upstream = vertex_upstream(account, vertex_host(location), project or account.project, location)
    left = None if is_short else query
    surface, name = Surface.VERTEX_LIVE, "vertex_ai-live"
    return _route(name, surface, "bidiGenerateContent", upstream, path, left, account, is_short=is_short)


def _account(
    config: GatewayConfig, provider: Provider, chosen: dict[bytes, str], project: str | None, location: str | None
) -> Account:
    """The account for the model that the query names, by its own name or by its alias."""
    named = chosen.get(b"model")
    model = None if named is None else model_id(named)
    entry = entry_called(config.models, provider, model, project, location)
    return account_for(config, provider, entry.model if entry else model, project, location, entry)


def _live_choice(query: bytes | None) -> dict[bytes, str]:
    """What a Live query chooses; the first of repeated names counts, and an empty one chooses nothing."""
    found: dict[bytes, str] = {}
    for parameter in parameters(query):
        if parameter.name in LIVE_PARAMETERS and parameter.value:
            found.setdefault(parameter.name, parameter.value.decode("latin-1"))
    return found


def _first(chosen: dict[bytes, str], names: Iterable[bytes]) -> str | None:
    return next((chosen[name] for name in names if name in chosen), None)


def _route(
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
