"""OpenAI-compatible chat of both services, and the older completions (wire-http 10).

The request becomes a generateContent request, its answer a chat completion. Errors are Google's, in a one-element
array (wire-http 5.1).
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from ..answers.openai_requests import ANY, CHAT_MEMBERS
from ..answers.openai_shapes import chat_answer, chat_events, completion_answer, completion_events
from ..answers.reading import flag_in, member, text_in
from ..answers.said import Reply
from ..call import Answer, Call, Events, Service
from ..foreign import unreadable
from ..google_errors import GoogleError, invalid_argument
from ..openai_chats import chat_mistake, chat_reply, member_mistake, model_reply, value_mistake
from ..openai_models import compact, heading_of, named_model
from ..routing import Route

_COMPLETION_MEMBERS: Final[Mapping[str, str]] = {
    **{name: kind for name, kind in CHAT_MEMBERS.items() if name not in ("messages", "tools", "functions")},
    **dict.fromkeys(("prompt", "suffix", "echo", "best_of", "logprobs"), ANY),
}


def check_chat(call: Call) -> GoogleError | None:
    """What is refused of a chat request."""
    return unreadable(call) or chat_mistake(call, call.members)


def chat(call: Call) -> Answer:
    """A chat completion, whole or streamed."""
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body = call.members
    reply = chat_reply(call, body)
    if isinstance(reply, GoogleError):
        return reply
    heading = heading_of(call, text_in(body, "model") or "")
    if not flag_in(body, "stream"):
        return compact(call, chat_answer(reply, heading))
    with_usage = flag_in(member(body, "stream_options"), "include_usage")
    return Events(tuple(chat_events(reply, heading, with_usage=with_usage)))


def check_completions(call: Call) -> GoogleError | None:
    """What is refused of a request for completions."""
    refusal = unreadable(call) or member_mistake(call.members, _COMPLETION_MEMBERS)
    if refusal is not None:
        return refusal
    body = call.members
    prompts = _prompts(member(body, "prompt"))
    if not prompts:
        return invalid_argument("* GenerateContentRequest.contents: contents is not specified\n")
    model = named_model(call, text_in(body, "model") or "")
    return None if isinstance(model, GoogleError) else value_mistake(call, _as_chat(body, prompts[0]), model)


def completions(call: Call) -> Answer:
    """A text completion, whole or streamed: one choice for each prompt."""
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body, name = call.members, text_in(call.members, "model") or ""
    prompts = _prompts(member(body, "prompt")) or [""]
    model = named_model(call, name)
    if isinstance(model, GoogleError):
        return model
    replies: list[Reply] = []
    for prompt in prompts:
        reply = model_reply(call, _as_chat(body, prompt), model)
        if isinstance(reply, GoogleError):
            return reply
        replies.append(reply)
    together = _together(replies)
    if flag_in(body, "stream"):
        return Events(tuple(completion_events(together, heading_of(call, name))))
    return compact(call, completion_answer(together, heading_of(call, name)))


def _prompts(given: Any) -> list[str]:
    texts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    return [text for text in texts if text and isinstance(text, str)]


def _as_chat(body: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name not in ("prompt", "logprobs")}
    return kept | {"messages": [{"role": "user", "content": prompt}]}


def _together(replies: list[Reply]) -> Reply:
    spent = replies[0].spent
    for reply in replies[1:]:
        spent = spent.plus(reply.spent)
    candidates = tuple(candidate for reply in replies for candidate in reply.candidates)
    return Reply(candidates, spent, replies[0].block_reason)


def _routes(place: str, service: Service) -> tuple[Route, ...]:
    return (
        Route("POST", f"{place}/chat/completions", chat, service, "generating", "chatCompletions", check=check_chat),
        Route(
            "POST", f"{place}/completions", completions, service, "generating", "completions", check=check_completions
        ),
    )


ROUTES: Final[tuple[Route, ...]] = (
    *_routes("openai", "gemini"),
    *_routes("endpoints/openapi", "vertex"),
    *_routes("endpoints/{endpoint}", "vertex"),
)
