"""The models of a Vertex AI project, which tuning jobs register: shown, listed, changed, deleted (wire-http 9)."""

from typing import Any, Final

from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..clock import rfc3339
from ..field_masks import mask_of, masked
from ..google_errors import GoogleError, invalid_argument
from ..list_filters import filter_of
from ..long_running import not_there
from ..pages import paged
from ..routing import Route
from ..store import Resource
from ..vertex_jobs import deleted

_KIND: Final = "Model"
_CHANGEABLE: Final = frozenset({"displayName", "description", "labels", "versionAliases", "versionDescription"})
"""What the method's description lets be changed; other members are ignored."""

_USUAL_PAGE: Final = 100
_LONGEST_PAGE: Final = 1000


def _found(call: Call) -> Resource | GoogleError:
    name = f"{call.parent}models/{call.names['model'].partition('@')[0]}"
    return call.shelf.find(name) or not_there("The Model does not exist.")


def get(call: Call) -> Answer:
    """One model; a version may be named behind `@`."""
    found = _found(call)
    return found if isinstance(found, GoogleError) else Json(found.value)


def list_models(call: Call) -> Answer:
    """One page of the project's models, by `filter`, the latest first."""
    is_wanted = filter_of(call.query.get("filter", ""))
    if is_wanted is None:
        return invalid_argument("Invalid filter expression.")
    latest = (model for model in reversed(call.shelf.of(call.parent + "models")) if is_wanted(model))
    return paged(call, latest, "models", usual=_USUAL_PAGE, most=_LONGEST_PAGE)


def patch(call: Call) -> Answer:
    """A model with some members changed: those of `updateMask`, or all that the body has."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    body: dict[str, Any] = canonical_body(call, _KIND)
    changes = masked(body, mask_of(call.query), _CHANGEABLE)
    changed = found.showing(**changes, updateTime=rfc3339(call.now))
    return Json(call.shelf.change(changed).value)


def delete(call: Call) -> Answer:
    """Forget a model and the endpoints that serve it; the answer is an operation that is done."""
    found = _found(call)
    if isinstance(found, GoogleError):
        return found
    for deployed in found.value.get("deployedModels", ()):
        call.shelf.remove(deployed["endpoint"])
    return deleted(call, found)


ROUTES: Final = (
    Route("GET", "models", list_models, "vertex", rpc="list"),
    Route("GET", "models/{model}", get, "vertex"),
    Route("PATCH", "models/{model}", patch, "vertex", message=_KIND),
    Route("DELETE", "models/{model}", delete, "vertex"),
)
