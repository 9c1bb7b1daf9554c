"""Agents of one's own: a base agent with instructions, tools and an environment (sdk-surface, rows ag1 to ag4)."""

from typing import Any, Final

from ..answers.reading import text_in
from ..call import Answer, Call, Json
from ..routing import Route
from ..snake_resources import found_in, full_name, getter, lister, refusal, remover, route
from ..store import Resource

COLLECTION: Final = "agents"


def create(call: Call) -> Answer:
    """Keep an agent under the id it is given, or a new one."""
    last = text_in(call.members, "id") or call.identity.lower("agent", 12)
    if found_in(call, COLLECTION, last) is not None:
        return refusal("already_exists", f"Agent '{last}' already exists.")
    value: dict[str, Any] = {"id": last, **{name: item for name, item in call.members.items() if name != "id"}}
    call.shelf.put(Resource(full_name(call, COLLECTION, last), value, call.now))
    return Json(value)


ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "agents", "CreateAgent", create),
    Route("GET", "agents", lister(COLLECTION)),
    Route("GET", "agents/{agent}", getter(COLLECTION, "Agent", "agent")),
    Route("DELETE", "agents/{agent}", remover(COLLECTION, "Agent", "agent")),
)
