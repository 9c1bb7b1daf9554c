"""OpenAI's Responses API on both services: real state, so that one response can go on from another (wire-http 1.2)."""

from dataclasses import replace
from typing import Any, Final

from understudy.provider_errors.model import ProviderError

from ..answers.openai_requests import message_mistake, readable
from ..answers.openai_responses import (
    RESPONSE_MEMBERS,
    chat_of,
    messages_of,
    response_events,
    response_value,
    said_messages,
)
from ..answers.reading import flag_in, member, text_in
from ..call import Answer, Call, Events, Service
from ..foreign import unreadable
from ..google_errors import GoogleError, google_error, invalid_argument
from ..openai_chats import member_mistake, model_reply, value_mistake
from ..openai_models import compact, heading_of, named_model
from ..routing import Route
from ..store import Resource


def check(call: Call) -> GoogleError | None:
    """What is refused of a request for a response; not what it names, model and response."""
    refusal = unreadable(call) or member_mistake(call.members, RESPONSE_MEMBERS)
    if refusal is not None:
        return refusal
    before = _before(call, text_in(call.members, "previous_response_id"))
    if isinstance(before, GoogleError):
        return None
    asked = chat_of(call.members, before)
    mistake = message_mistake(asked)
    if mistake is not None:
        return invalid_argument(mistake)
    model = named_model(call, text_in(call.members, "model") or "")
    return None if isinstance(model, GoogleError) else value_mistake(call, asked, model)


def create(call: Call) -> Answer:
    """A response, whole or streamed; kept for the next one, unless `store` is false."""
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body = readable(call.members, RESPONSE_MEMBERS)
    before = _before(call, text_in(body, "previous_response_id"))
    if isinstance(before, GoogleError):
        return before
    asked = chat_of(body, before)
    name = text_in(body, "model") or ""
    model = named_model(call, name)
    if isinstance(model, GoogleError):
        return model
    reply = model_reply(call, asked, model)
    if isinstance(reply, GoogleError):
        return reply
    heading = replace(heading_of(call, name), id=f"resp_{call.identity.hex('response', 48)}")
    value = response_value(reply, heading, body)
    if member(body, "store") is not False:
        turns = [*before, *messages_of(body), *said_messages(reply, heading)]
        call.shelf.put(Resource(f"openaiResponses/{heading.id}", value, call.now, hidden=turns))
    if flag_in(body, "stream"):
        return Events(tuple(response_events(value, heading, body)))
    return compact(call, value)


def get(call: Call) -> Answer:
    """A response that was kept."""
    found = call.shelf.find(f"openaiResponses/{call.names['response']}")
    return _unknown(call.names["response"]) if found is None else compact(call, found.value)


def delete(call: Call) -> Answer:
    """Forget a response."""
    if call.shelf.remove(f"openaiResponses/{call.names['response']}") is None:
        return _unknown(call.names["response"])
    return compact(call, {"id": call.names["response"], "object": "response", "deleted": True})


def _before(call: Call, previous: str | None) -> list[dict[str, Any]] | GoogleError:
    if previous is None:
        return []
    found = call.shelf.find(f"openaiResponses/{previous}")
    return _unknown(previous) if found is None else found.hidden


def _unknown(name: str) -> GoogleError:
    return google_error(ProviderError(404, f"Response not found: {name[:200]}"))


def _routes(place: str, service: Service) -> tuple[Route, ...]:
    return (
        Route("POST", f"{place}/responses", create, service, "generating", "responses", check=check),
        Route("GET", f"{place}/responses/{{response}}", get, service),
        Route("DELETE", f"{place}/responses/{{response}}", delete, service),
    )


ROUTES: Final[tuple[Route, ...]] = (
    *_routes("openai", "gemini"),
    *_routes("endpoints/openapi", "vertex"),
    *_routes("endpoints/{endpoint}", "vertex"),
)
