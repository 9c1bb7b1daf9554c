"""Credentials that environments use: stored with their secrets, which no answer shows (sdk-surface, cr1 to cr5)."""

from dataclasses import replace
from typing import Any, Final, cast

from ..answers.reading import text_in
from ..call import Answer, Call, Json
from ..routing import Route
from ..snake_resources import changer, found_in, full_name, getter, lister, patched, refusal, remover, route, written
from ..store import Resource

COLLECTION: Final = "credentials"
_CHANGEABLE: Final = (
    *("type", "token", "header_name", "prefix"),
    *("client_id", "client_secret", "refresh_token", "token_url", "scopes"),
    *("value", "trusted_domains", "injection_location"),
)


def create(call: Call) -> Answer:
    """Keep a credential; the answer says that it is there, and nothing of what it is."""
    last = text_in(call.members, "id") or ""
    if not last:
        return refusal("invalid_request", "Missing required parameter 'id'.")
    if found_in(call, COLLECTION, last) is not None:
        return refusal("already_exists", f"Credential '{last}' already exists.")
    kind, now = text_in(call.members, "type"), written(call)
    value = {"id": last, "type": kind, "status": "active", "create_time": now, "update_time": now}
    call.shelf.put(Resource(full_name(call, COLLECTION, last), value, call.now, hidden=dict(call.members)))
    return Json(value)


def update(call: Call, resource: Resource) -> Answer:
    """Change the secrets; a credential keeps its type."""
    kind = text_in(call.members, "type")
    if kind != resource.value["type"]:
        return refusal("invalid_request", f"Invalid value at 'type': the credential is a {resource.value['type']}.")
    changes = patched(call, _CHANGEABLE)
    if isinstance(changes, Json):
        return changes
    hidden = cast("dict[str, Any]", resource.hidden) | changes
    changed = replace(resource.showing(update_time=written(call)), hidden=hidden)
    return Json(call.shelf.change(changed).value)


ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "credentials", "CreateCredential", create),
    Route("GET", "credentials", lister(COLLECTION)),
    Route("GET", "credentials/{credential}", getter(COLLECTION, "Credential", "credential")),
    route(
        "PATCH", "credentials/{credential}", "UpdateCredential", changer(COLLECTION, "Credential", "credential", update)
    ),
    Route("DELETE", "credentials/{credential}", remover(COLLECTION, "Credential", "credential")),
)
