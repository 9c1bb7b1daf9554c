"""The way to a fallback: the same call on another entry of the model list, as a Route of its own (ERR-6). Pure."""

from dataclasses import replace
from typing import Final

from understudy.surfaces import Surface, place_of

from .features import ANY_MODEL, Fallback
from .query import split_target
from .refusals import Refusal
from .routes import Route
from .routing import PREFIXES, route
from .settings import GatewayConfig

_SURFACES: Final = frozenset({Surface.GEMINI, Surface.VERTEX})
_NO_VERBS: Final = frozenset({"", "get", "list"})
_VERSIONS: Final = {("gemini", "v1beta"): "v1beta1", ("vertex_ai", "v1beta1"): "v1beta"}
"""What the other provider calls the version of a path."""


class FallbackRoutes:
    """The fallbacks of a configuration, as Routes."""

    def __init__(self, config: GatewayConfig) -> None:
        self._fallbacks = config.features.fallbacks
        self._by_entry = {
            fallback.entry: replace(config, models=(config.models[fallback.entry],))
            for fallbacks in self._fallbacks.values()
            for fallback in fallbacks
        }

    def of(self, found: Route) -> tuple[Fallback, ...]:
        """Where a call may go if its own account refuses it: only calls of a model's method may, and no video's start.

        Files, caches, jobs and sessions belong to the account that they were made with.
        """
        if found.surface not in _SURFACES or found.model is None or found.method in _NO_VERBS:
            return ()
        return self._fallbacks.get(f"{found.upstream.kind}/{found.model}") or self._fallbacks.get(ANY_MODEL, ())

    def route(self, fallback: Fallback, found: Route, http_method: str, raw_target: bytes) -> Route | None:
        """The way that a call takes by a fallback; None where its entry cannot take such a call.

        The path is made anew for the entry's model, project and location; the query stays.
        """
        config = self._by_entry[fallback.entry]
        entry = config.models[0]
        path, query = split_target(raw_target)
        place = next(
            (place_of(path[len(head) :].decode("ascii")) for head, _ in PREFIXES if path.startswith(head)), None
        )
        if place is None:
            return None
        provider = entry.account.provider
        version = place.version
        if provider != found.upstream.kind:
            version = _VERSIONS.get((found.upstream.kind, version), version)
        collection = f"publishers/{place.publisher or 'google'}/models" if provider == "vertex_ai" else "models"
        head = "/vertex_ai" if provider == "vertex_ai" else "/gemini"
        text = f"{head}/{version or 'v1'}/{collection}/{entry.model}:{place.method}"
        made = route(config, http_method, text.encode("ascii") + (b"" if query is None else b"?" + query))
        return None if isinstance(made, Refusal) else made
