"""Cached contents of both services: made, listed, prolonged, deleted, gone when their time is over (wire-http 9)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from understudy.surfaces import Place, model_id

from ..answers.reading import members_in, text_in
from ..answers.tokens import tokens_of_request
from ..cached_content import cache_named, is_of_service, too_small
from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..catalogue import model_of
from ..clock import rfc3339
from ..field_masks import mask_of, masked
from ..google_errors import GoogleError, invalid_argument, unknown_model
from ..pages import paged
from ..routing import Route
from ..store import Resource

_KIND: Final = "CachedContent"
_USUAL_TTL: Final = timedelta(hours=1)
_LONGEST_NAME: Final = 128
_USUAL_PAGE: Final = 50
_LARGEST_PAGE: Final = 1000
_CHANGEABLE: Final = frozenset({"ttl", "expireTime"})


def create(call: Call, *, has_minimum: bool = False) -> Answer:
    """A new cache; without `ttl` and `expireTime` it lives an hour. `has_minimum`: a small one is refused."""
    body = canonical_body(call, _KIND)
    named = text_in(body, "model") or ""
    if not named:
        return invalid_argument("* CreateCachedContentRequest.cached_content.model: model is not specified\n")
    model = model_of(model_id(named), call.is_vertex, now=call.now)
    if model is None or not model.can("createCachedContent"):
        return unknown_model(_place_of_model(call, named))
    if len(text_in(body, "displayName") or "") > _LONGEST_NAME:
        where = "* CreateCachedContentRequest.cached_content.display_name"
        return invalid_argument(f"{where}: must be at most {_LONGEST_NAME} characters long\n")
    if not members_in(body, "contents") and not members_in(body, "systemInstruction") and not body.get("tools"):
        return invalid_argument("* CreateCachedContentRequest.cached_content: the content to be cached is empty\n")
    ends = _end_of(call, body, _USUAL_TTL)
    if isinstance(ends, GoogleError):
        return ends
    tokens = sum(tokens_of_request(body).values())
    refusal = too_small(model.id, tokens, is_vertex=call.is_vertex) if has_minimum else None
    if refusal is not None:
        return refusal
    name = call.parent + f"cachedContents/{_new_id(call)}"
    now = rfc3339(call.now)
    value: dict[str, Any] = {"name": name, "model": _shown_model(call, named)}
    if text_in(body, "displayName"):
        value["displayName"] = body["displayName"]
    value |= {
        "createTime": now,
        "updateTime": now,
        "expireTime": rfc3339(ends),
        "usageMetadata": {"totalTokenCount": tokens},
    }
    return Json(call.shelf.put(Resource(name, value, call.now, ends, body)).value)


def _place_of_model(call: Call, named: str) -> Place:
    place = call.place
    return Place(
        place.surface,
        "createCachedContent",
        place.version,
        f"models/{model_id(named)}",
        model=model_id(named),
        project=place.project,
        location=place.location,
        publisher="google" if call.is_vertex else None,
    )


def _new_id(call: Call) -> str:
    return call.identity.decimal("cache", 19) if call.is_vertex else call.identity.lower("cache", 36)


def _shown_model(call: Call, named: str) -> str:
    if not call.is_vertex:
        return f"models/{model_id(named)}"
    return named if named.startswith("projects/") else f"{call.parent}publishers/google/models/{model_id(named)}"


def _end_of(call: Call, body: Mapping[str, Any], usual: timedelta | None) -> datetime | GoogleError:
    """When a cache ends by `ttl` or `expireTime`, of which a request may have one."""
    ttl, moment = text_in(body, "ttl"), text_in(body, "expireTime")
    try:
        if ttl:
            ends = call.now + timedelta(seconds=float(ttl.removesuffix("s")))
        elif moment:
            ends = datetime.fromisoformat(moment).astimezone(UTC)
        elif usual is not None:
            ends = call.now + usual
        else:
            return invalid_argument("* CachedContent.expiration: ttl or expire_time is to be given\n")
    except OverflowError:
        return invalid_argument("* CachedContent.expiration: the time of expiry is out of range\n")
    if ends <= call.now:
        return invalid_argument("* CachedContent.expiration: the time of expiry lies in the past\n")
    return ends


def _found(call: Call) -> Resource | GoogleError:
    return cache_named(call, f"{call.parent}cachedContents/{call.names['cache']}")


def get(call: Call) -> Answer:
    """One cache; what it caches is not shown."""
    found = _found(call)
    return found if isinstance(found, GoogleError) else Json(found.value)


def list_caches(call: Call) -> Answer:
    """One page of caches."""
    caches = (cache for cache in call.shelf.of(f"{call.parent}cachedContents") if is_of_service(call, cache))
    return paged(call, caches, "cachedContents", usual=_USUAL_PAGE, most=_LARGEST_PAGE)


def patch(call: Call) -> Answer:
    """Another end for a cache; nothing else of it can be changed."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    body, mask = canonical_body(call, _KIND), mask_of(call.query)
    fixed = [
        name for name in body if name not in _CHANGEABLE and name != "name" and body[name] != found.value.get(name)
    ]
    if fixed and not mask:
        return invalid_argument(f"* CachedContent.{fixed[0]}: only ttl and expire_time can be changed\n")
    changes = {name: value for name, value in masked(body, mask, _CHANGEABLE).items() if value is not None}
    ends = _end_of(call, changes, None)
    if isinstance(ends, GoogleError):
        return ends
    shown = found.showing(expireTime=rfc3339(ends), updateTime=rfc3339(call.now))
    changed = Resource(shown.name, shown.value, shown.created, ends, shown.hidden)
    return Json(call.shelf.change(changed).value)


def delete(call: Call) -> Answer:
    """Take a cache away."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    call.shelf.remove(found.name)
    return Json({})


def routes(*, has_minimum: bool = False) -> tuple[Route, ...]:
    """The routes, for a simulator that holds caches to Google's minimum size, or does not."""
    return (
        Route("POST", "cachedContents", partial(create, has_minimum=has_minimum), message=_KIND),
        Route("GET", "cachedContents", list_caches, rpc="list"),
        Route("GET", "cachedContents/{cache}", get),
        Route("PATCH", "cachedContents/{cache}", patch, message=_KIND),
        Route("DELETE", "cachedContents/{cache}", delete),
    )
