"""What the interactions family has in common: snake_case resources, pages, update masks, its form of errors. Pure.

Lists take `page_size` and `page_token` and give `next_page_token` (wire-http 2). An error is `{"error": {"message",
"code"}}` with a word as its code: https://ai.google.dev/gemini-api/docs/api-errors documents it for interactions; it is
assumed for the others. Refused credentials and quotas are told in Google's usual form, by who refuses them.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from understudy.scenario.json_subset import LazyJson

from .call import Answer, Call, Json
from .clock import rfc3339
from .next_generation.shapes import fitting, mistake_in
from .routing import Check, Handler, Route
from .store import Resource, page_of

STATUSES: Final[Mapping[str, int]] = {
    "invalid_request": 400,
    "parameter_unknown": 400,
    "failed_precondition": 400,
    "not_found": 404,
    "model_not_found": 404,
    "already_exists": 409,
}
"""Error codes and their HTTP status; `already_exists` is assumed, the others are documented."""

_USUAL_PAGE: Final = 50
_LARGEST_PAGE: Final = 1000


def refusal(code: str, message: str) -> Json:
    """An error of the family; `code` is one of STATUSES."""
    return Json({"error": {"message": message, "code": code}}, STATUSES[code])


def unknown(kind: str, name: str) -> Json:
    """There is no resource of that kind and id."""
    return refusal("not_found", f"{kind} '{name}' was not found.")


def route(method: str, pattern: str, request: str | Callable[[Call], str], handler: Handler, **members: Any) -> Route:
    """A route whose body is checked against `request`, a description, or what names it; `members` are the Route's."""
    return Route(method, pattern, forgiving(request, handler), check=fits(request), **members)


def fits(request: str | Callable[[Call], str]) -> Check:
    """The check of a body; an empty body is an empty object."""

    def check(call: Call) -> Answer | None:
        if not call.has_json and call.body.raw.strip():
            return refusal("invalid_request", "The request body is not valid JSON.")
        name = request if isinstance(request, str) else request(call)
        mistake = mistake_in(name, call.body.value if call.has_json else {})
        return None if mistake is None else refusal(mistake.code, mistake.text)

    return check


def forgiving(request: str | Callable[[Call], str], handler: Handler) -> Handler:
    """The handler for bodies of any kind: it gets as much of them as fits, and is not asked if something is missing.

    Where bodies are checked they all fit, and are what the handler gets.
    """
    check = fits(request)

    def handle(call: Call) -> Answer:
        if check(call) is None:
            return handler(call)
        name = request if isinstance(request, str) else request(call)
        body = json.dumps(fitting(name, call.body.value if call.has_json else {})).encode()
        readable = replace(call, body=LazyJson(body))
        return check(readable) or handler(readable)

    return handle


def kept_below(call: Call, collection: str) -> str:
    """Where the resources of a collection are kept: below the project and location of Vertex AI, if the path has them.

    Its express form has none, and is kept apart from the Gemini API all the same.
    """
    return (call.parent or ("express/" if call.is_vertex else "")) + collection


def full_name(call: Call, collection: str, last: str) -> str:
    """The name under which a resource is kept."""
    return f"{kept_below(call, collection)}/{last}"


def found_in(call: Call, collection: str, last: str) -> Resource | None:
    """The resource of that id; ids may be written with the collection in front (`environments/abc`)."""
    return call.shelf.find(full_name(call, collection, last.removeprefix(f"{collection}/")))


def page(call: Call, resources: Iterable[Resource], key: str) -> Json:
    """One page of resources as the query asks for it, newest last."""
    found = page_of(
        resources,
        call.query.get("page_size", ""),
        call.query.get("page_token", ""),
        usual=_USUAL_PAGE,
        most=_LARGEST_PAGE,
    )
    if found is None:
        name = "page_token" if _is_number(call.query.get("page_size", "")) else "page_size"
        return refusal("invalid_request", f"Invalid value at '{name}': {call.query.get(name, '')!r}.")
    return Json(found.value(key, "next_page_token"))


def lister(collection: str) -> Handler:
    """A handler that lists a collection under its own name."""

    def list_all(call: Call) -> Answer:
        return page(call, call.shelf.of(kept_below(call, collection)), collection)

    return list_all


def getter(collection: str, kind: str, variable: str) -> Handler:
    """A handler that shows one resource; `kind` is what errors call it, `variable` its name in the route's pattern."""

    def get(call: Call) -> Answer:
        resource = found_in(call, collection, call.names[variable])
        return unknown(kind, call.names[variable]) if resource is None else Json(resource.value)

    return get


def remover(collection: str, kind: str, variable: str) -> Handler:
    """A handler that deletes a resource and what is below it."""

    def remove(call: Call) -> Answer:
        resource = found_in(call, collection, call.names[variable])
        if resource is None:
            return unknown(kind, call.names[variable])
        for below in call.shelf.below(resource.name):
            call.shelf.remove(below.name)
        call.shelf.remove(resource.name)
        return Json({})

    return remove


def patched(call: Call, allowed: Iterable[str]) -> dict[str, Any] | Json:
    """The members that a PATCH changes: those of `update_mask`, if it is given, else those of the body.

    A name in the mask that the body lacks is cleared (None). Names that cannot be changed are refused.
    """
    mask = call.query.get("update_mask") or call.query.get("updateMask")
    if not mask:
        return dict(call.members)
    names = [name.strip() for name in mask.split(",")]
    stranger = next((name for name in names if name not in allowed), None)
    if stranger is not None:
        return refusal("invalid_request", f"Invalid value at 'update_mask': '{stranger[:80]}' cannot be updated.")
    return {name: call.members.get(name) for name in names}


def written(call: Call) -> str:
    """The time of the call as this family writes it in `create_time` and the like."""
    return rfc3339(call.now)


def to_seconds(call: Call) -> str:
    """The time of the call as interactions and environments write it: whole seconds."""
    return call.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def without_nothing(**members: Any) -> dict[str, Any]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())


Change = Callable[[Call, Resource], Answer]


def changer(collection: str, kind: str, variable: str, change: Change) -> Handler:
    """A handler that does something with an existing resource."""

    def act(call: Call) -> Answer:
        resource = found_in(call, collection, call.names[variable])
        return unknown(kind, call.names[variable]) if resource is None else change(call, resource)

    return act
