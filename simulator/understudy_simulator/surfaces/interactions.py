"""The Interactions API of both services: create, get, each whole or streamed, cancel, delete (sdk-surface, i1 to i6).

Vertex AI's discovery document has other paths for the same methods (wire-http 1.2); both are served.
"""

from typing import Final

from ..answers.reading import flag_in
from ..call import Answer, Call, Events, Json, Service
from ..next_generation.events import events_of
from ..next_generation.performing import COLLECTION, Kept, finished, mistake_in_values, performed, polled
from ..routing import Handler, Route
from ..snake_resources import changer, fits, forgiving, refusal, remover, to_seconds
from ..store import Resource

_KIND: Final = "Interaction"
_SSE_HEADERS: Final = ((b"Content-Type", b"text/event-stream"),)


def create(call: Call) -> Answer:
    """Run an interaction with a model or an agent, whole or streamed, as the body says."""
    return _created(call, is_streamed=flag_in(call.members, "stream"))


def create_stream(call: Call) -> Answer:
    """The same, always streamed."""
    return _created(call, is_streamed=True)


def get(call: Call, resource: Resource) -> Answer:
    """The interaction as it is now, or its events, from the beginning or behind `last_event_id`."""
    wants_stream = call.query.get("stream") == "true"
    after = call.query.get("last_event_id", "")
    if after and not wants_stream:
        return refusal("invalid_request", "Invalid value at 'last_event_id': it needs 'stream' to be true.")
    kept: Kept = resource.hidden
    if wants_stream:
        final = resource.value if resource.value["status"] == "cancelled" else kept.final
        events = events_of(final, after)
        if events is None:
            return refusal("invalid_request", f"Invalid value at 'last_event_id': there is no event '{after[:80]}'.")
        finished(call, resource)
        return Events(events, _SSE_HEADERS)
    shown = dict(polled(call, resource).value)
    if call.query.get("include_input") == "true":
        shown["input"] = list(kept.input)
    return Json(shown)


def cancel(call: Call, resource: Resource) -> Answer:
    """End an interaction that still runs in the background."""
    if resource.value["status"] != "in_progress":
        text = f"Interaction '{resource.value['id']}' is not in progress and cannot be cancelled."
        return refusal("failed_precondition", text)
    return Json(call.shelf.change(resource.showing(status="cancelled", updated=to_seconds(call))).value)


def _created(call: Call, *, is_streamed: bool) -> Answer:
    made = performed(call, call.members)
    if isinstance(made, Json):
        return made
    if not is_streamed:
        return Json(made.value)
    kept: Kept = made.hidden
    return Events(events_of(kept.final) or (), _SSE_HEADERS)


def _asked(call: Call) -> str:
    """Which description a new interaction must fit: its members say whether it is for a model or an agent."""
    return "CreateAgentInteraction" if "agent" in call.members else "CreateModelInteraction"


def _check(call: Call) -> Answer | None:
    if "agent" in call.members and "model" in call.members:
        return refusal("invalid_request", "Only one of 'model' and 'agent' can be given.")
    return _fits(call) or mistake_in_values(call.members)


_fits: Final = fits(_asked)


def _creator(path: str, handler: Handler, service: Service | None, rpc: str = "") -> Route:
    return Route("POST", path, forgiving(_asked, handler), service, "generating", rpc, check=_check)


def _routes(collection: str, service: Service | None) -> tuple[Route, ...]:
    one = f"{collection}/{{interaction}}"
    return (
        _creator(collection, create, service, "create"),
        Route("GET", one, changer(COLLECTION, _KIND, "interaction", get), service),
        Route("POST", f"{one}/cancel", changer(COLLECTION, _KIND, "interaction", cancel), service, rpc="cancel"),
        Route("DELETE", one, remover(COLLECTION, _KIND, "interaction"), service),
    )


ROUTES: Final[tuple[Route, ...]] = (
    *_routes("interactions", None),
    *_routes("interactionsHttp", "vertex"),
    _creator("interactions:create", create, "vertex"),
    _creator("interactions:createStream", create_stream, "vertex"),
)
