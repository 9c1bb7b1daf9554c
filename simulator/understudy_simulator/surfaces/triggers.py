"""Triggers: interactions of agents on a schedule, and their executions (sdk-surface, rows tr1 to tr7).

A trigger runs when it is told to (`executions`); the schedule only tells the next time, since nothing happens in the
simulator by itself. An execution is done by its second look.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from ..call import Answer, Call, Json
from ..clock import rfc3339
from ..next_generation.performing import mistake_in_values, performed
from ..next_generation.schedules import next_run, schedule_of
from ..routing import Route
from ..snake_resources import (
    changer,
    full_name,
    getter,
    lister,
    page,
    patched,
    refusal,
    remover,
    route,
    without_nothing,
    written,
)
from ..store import Resource

COLLECTION: Final = "triggers"
_KIND: Final = "Trigger"
_CHANGEABLE: Final = ("display_name", "status")
_OPTIONS: Final = ("display_name", "environment_id", "execution_timeout_seconds", "max_consecutive_failures")
_USUAL_FAILURES: Final = 5


def create(call: Call) -> Answer:
    """Keep a trigger; it is active at once."""
    body = call.members
    try:
        following = _next(body["schedule"], body["time_zone"], call.now)
    except _BadSchedule as error:
        return refusal("invalid_request", str(error))
    last, now = call.identity.lower("trigger", 16), written(call)
    value = without_nothing(
        id=last,
        **{name: body.get(name) for name in _OPTIONS},
        schedule=body["schedule"],
        time_zone=body["time_zone"],
        interaction=body["interaction"],
        status="active",
        consecutive_failure_count=0,
        create_time=now,
        update_time=now,
        next_run_time=following,
    )
    call.shelf.put(Resource(full_name(call, COLLECTION, last), value, call.now))
    return Json(value)


def update(call: Call, resource: Resource) -> Answer:
    """Rename, pause or resume a trigger."""
    changes = patched(call, _CHANGEABLE)
    if isinstance(changes, Json):
        return changes
    before, after = resource.value["status"], changes.get("status") or resource.value["status"]
    if after == "error" and before != "error":
        return refusal("invalid_request", "Invalid value at 'status': it can be set to 'active' or 'paused'.")
    if before != after == "paused":
        changes |= {"last_pause_time": written(call), "next_run_time": None}
    elif before != after == "active":
        following = _next(resource.value["schedule"], resource.value["time_zone"], call.now)
        changes |= {"last_resume_time": written(call), "next_run_time": following, "consecutive_failure_count": 0}
    return Json(call.shelf.change(resource.showing(**changes, update_time=written(call))).value)


def run(call: Call, resource: Resource) -> Answer:
    """Run a trigger now: its interaction is made, in the background, or the execution fails."""
    trigger = resource.value
    body = cast("dict[str, Any]", trigger["interaction"])
    if "environment_id" in trigger:
        body = {"environment": trigger["environment_id"], **body}
    body = {name: item for name, item in body.items() if name not in ("stream", "store")}
    made = mistake_in_values(body) or performed(call, body)
    last, now = call.identity.lower("execution", 16), written(call)
    value: dict[str, Any] = {"id": last, "trigger_id": trigger["id"], "scheduled_time": now, "start_time": now}
    name = f"{resource.name}/executions/{last}"
    if isinstance(made, Json):
        value |= {"status": "failed", "end_time": now, "error": made.value["error"]["message"]}
        call.shelf.put(Resource(name, value, call.now))
        call.shelf.change(_after_failure(resource, now))
        return Json(value)
    value |= {"status": "in_progress", "interaction_id": made.value["id"]}
    if "environment_id" in made.value:
        value["environment_id"] = made.value["environment_id"]
    call.shelf.put(Resource(name, value, call.now))
    ran = {"last_run_time": now, "previous_interaction_id": made.value["id"], "consecutive_failure_count": 0}
    call.shelf.change(resource.showing(**ran))
    return Json(value)


def executions(call: Call, resource: Resource) -> Answer:
    """The executions of a trigger; what was in progress is found done."""
    found = call.shelf.of(f"{resource.name}/executions")
    for execution in found:
        if execution.value["status"] == "in_progress":
            call.shelf.change(replace(execution.showing(status="completed", end_time=written(call))))
    return page(call, call.shelf.of(f"{resource.name}/executions"), "trigger_executions")


class _BadSchedule(Exception):
    """The schedule or the time zone cannot be read; the text says which."""


def _next(schedule: str, zone: str, now: datetime) -> str | None:
    """The next time of a schedule, or None if there is none."""
    try:
        read = schedule_of(schedule)
    except ValueError as error:
        raise _BadSchedule(f"Invalid value at 'schedule': {error}.") from error
    try:
        place = UTC if zone == "UTC" else ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise _BadSchedule(f"Invalid value at 'time_zone': '{zone[:80]}' is not a time zone.") from error
    following = next_run(read, place, now)
    return None if following is None else rfc3339(following)


def _after_failure(resource: Resource, now: str) -> Resource:
    """The trigger after one more failure; too many in a row stop it."""
    count = resource.value["consecutive_failure_count"] + 1
    most = resource.value.get("max_consecutive_failures", _USUAL_FAILURES)
    stopped = {"status": "error", "next_run_time": None} if count >= most else {}
    return resource.showing(last_run_time=now, consecutive_failure_count=count, **stopped)


ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "triggers", "CreateTrigger", create),
    Route("GET", "triggers", lister(COLLECTION)),
    Route("GET", "triggers/{trigger}", getter(COLLECTION, _KIND, "trigger")),
    route("PATCH", "triggers/{trigger}", "UpdateTrigger", changer(COLLECTION, _KIND, "trigger", update)),
    Route("DELETE", "triggers/{trigger}", remover(COLLECTION, _KIND, "trigger")),
    Route("POST", "triggers/{trigger}/executions", changer(COLLECTION, _KIND, "trigger", run), rpc="run"),
    Route("GET", "triggers/{trigger}/executions", changer(COLLECTION, _KIND, "trigger", executions)),
)
