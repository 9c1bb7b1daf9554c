"""One OpenAI-shaped request of text: what is refused of it, and what the model says (wire-http 10). Pure.

For the chat itself, for lines of batches, and for the other endpoints that are put as a chat.
"""

from collections.abc import Mapping
from typing import Any

from .answers.openai_requests import (
    CHAT_MEMBERS,
    generate_request,
    message_mistake,
    readable,
    strangers_in,
    thinks_twice,
    wrong_types_in,
)
from .answers.reading import text_in
from .answers.said import Reply
from .cached_content import cached_tokens
from .call import Call
from .catalogue import Model
from .foreign import reply_to
from .google_errors import GoogleError, invalid_argument, unknown_names, wrong_values
from .openai_models import named_model
from .validation.rules import request_rules


def chat_mistake(call: Call, body: Mapping[str, Any]) -> GoogleError | None:
    """What is refused of a chat request: its members, its messages, their values for the model that it names."""
    refusal = member_mistake(body, CHAT_MEMBERS)
    if refusal is not None:
        return refusal
    mistake = message_mistake(body)
    if mistake is not None:
        return invalid_argument(mistake)
    model = named_model(call, text_in(body, "model") or "")
    # Which model there is not is told when the request is answered: a scenario may know it.
    return None if isinstance(model, GoogleError) else value_mistake(call, body, model)


def value_mistake(call: Call, body: Mapping[str, Any], model: Model) -> GoogleError | None:
    """What is refused of the values of a chat request whose members and messages are fine."""
    request = generate_request(body, has_levels=_has_levels(model))
    return request_rules(call.service, "generateContent", model.id, request)


def chat_reply(call: Call, body: Mapping[str, Any]) -> Reply | GoogleError:
    """What the model that a chat request names says to it, or the refusal of the model."""
    model = named_model(call, text_in(body, "model") or "")
    return model if isinstance(model, GoogleError) else model_reply(call, body, model)


def model_reply(call: Call, body: Mapping[str, Any], model: Model) -> Reply | GoogleError:
    """What `model` says to a chat request, or the refusal of the cached content that it names."""
    request = generate_request(readable(body, CHAT_MEMBERS), has_levels=_has_levels(model))
    cached = cached_tokens(call, text_in(request, "cachedContent"), model.id)
    return cached if isinstance(cached, GoogleError) else reply_to(request, model, call, cached)


def member_mistake(body: Mapping[str, Any], known: Mapping[str, str]) -> GoogleError | None:
    """What Google refuses in the members at the top: unknown ones, wrong types."""
    strangers = strangers_in(body, known)
    if strangers:
        return unknown_names(strangers)
    wrong = wrong_types_in(body, known)
    if wrong:
        return wrong_values(wrong)
    if thinks_twice(body):
        return invalid_argument("reasoning_effort and thinking_config cannot be set at the same time.")
    return None


def _has_levels(model: Model) -> bool:
    """Whether the model's thinking is asked for in levels, not in a budget: Gemini 3 and later."""
    return model.id.startswith(("gemini-3", "gemini-4"))
