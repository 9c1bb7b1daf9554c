"""Webhooks: where a project wants to be told of events (sdk-surface, rows w1 to w7). Nothing is ever delivered.

A signing secret is shown once, when it is made; afterwards only its beginning.
"""

from datetime import timedelta
from typing import Any, Final, cast

from ..answers.reading import text_in
from ..call import Answer, Call, Json
from ..clock import rfc3339
from ..routing import Route
from ..snake_resources import (
    changer,
    full_name,
    getter,
    lister,
    patched,
    refusal,
    remover,
    route,
    without_nothing,
    written,
)
from ..store import Resource

COLLECTION: Final = "webhooks"
_CHANGEABLE: Final = ("name", "uri", "state", "subscribed_events")
_GRACE: Final = timedelta(hours=24)
"""How long a replaced secret still holds, if it is asked to."""


def create(call: Call) -> Answer:
    """Keep a webhook; the answer alone has its signing secret."""
    body = call.members
    mistake = _mistake(body)
    if mistake is not None:
        return mistake
    last, secret, now = call.identity.lower("webhook", 24), _secret(call), written(call)
    value = without_nothing(
        id=last,
        name=text_in(body, "name"),
        uri=body["uri"],
        subscribed_events=body["subscribed_events"],
        state="enabled",
        signing_secrets=[{"truncated_secret": _truncated(secret)}],
        create_time=now,
        update_time=now,
    )
    call.shelf.put(Resource(full_name(call, COLLECTION, last), value, call.now))
    return Json(value | {"new_signing_secret": secret})


def update(call: Call, resource: Resource) -> Answer:
    """Change what `update_mask` names, or all that the body has."""
    changes = patched(call, _CHANGEABLE)
    if isinstance(changes, Json):
        return changes
    changed = resource.showing(**changes)
    mistake = _mistake(changed.value)
    if mistake is not None:
        return mistake
    return Json(call.shelf.change(changed.showing(update_time=written(call))).value)


def ping(call: Call, resource: Resource) -> Answer:
    """Say that a test event is sent to an enabled webhook."""
    if resource.value["state"] != "enabled":
        return refusal("failed_precondition", f"Webhook '{resource.value['id']}' is not enabled.")
    return Json({})


def rotate(call: Call, resource: Resource) -> Answer:
    """Make a new signing secret; the old ones hold for another day, unless they shall be revoked at once."""
    secret = _secret(call)
    kept: list[dict[str, Any]] = []
    if call.members.get("revocation_behavior") != "revoke_previous_secrets_immediately":
        ends = rfc3339(call.now + _GRACE)
        secrets = cast("list[dict[str, Any]]", resource.value["signing_secrets"])
        kept = [{"expire_time": ends} | known for known in secrets if known.get("expire_time", ends) > written(call)]
    made = {"truncated_secret": _truncated(secret)}
    call.shelf.change(resource.showing(signing_secrets=[*kept, made], update_time=written(call)))
    return Json({"secret": secret})


def _mistake(value: Any) -> Json | None:
    uri = text_in(value, "uri") or ""
    if not uri.startswith(("https://", "http://")):
        return refusal("invalid_request", f"Invalid value at 'uri': '{uri[:80]}' is not a URL.")
    if not value.get("subscribed_events"):
        return refusal("invalid_request", "Missing required parameter 'subscribed_events'.")
    return None


def _secret(call: Call) -> str:
    return "whsec_" + call.identity.urlsafe("signing secret", 32)


def _truncated(secret: str) -> str:
    return secret[:10] + "..."


ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "webhooks", "CreateWebhook", create),
    Route("GET", "webhooks", lister(COLLECTION)),
    Route("GET", "webhooks/{webhook}", getter(COLLECTION, "Webhook", "webhook")),
    route("PATCH", "webhooks/{webhook}", "UpdateWebhook", changer(COLLECTION, "Webhook", "webhook", update)),
    Route("DELETE", "webhooks/{webhook}", remover(COLLECTION, "Webhook", "webhook")),
    route("POST", "webhooks/{webhook}:ping", "PingWebhook", changer(COLLECTION, "Webhook", "webhook", ping)),
    route(
        "POST",
        "webhooks/{webhook}:rotateSigningSecret",
        "RotateSigningSecret",
        changer(COLLECTION, "Webhook", "webhook", rotate),
    ),
)
