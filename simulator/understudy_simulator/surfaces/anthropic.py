"""Claude models on Vertex AI: rawPredict, streamRawPredict and count-tokens, in Anthropic's shapes (wire-http 1.2, 12).

Refusals of credentials and of unknown models are Google's; what the model's side refuses comes in Anthropic's shape.
Whether it streams is what `stream` in the body says, for both verbs (assumed).
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from ..answers.anthropic_requests import block_parts, blocks_of, generate_request, request_mistake, stops_of
from ..answers.anthropic_shapes import (
    Heading,
    Usage,
    error_value,
    laid_out,
    message_events,
    message_of,
    message_value,
    model_name,
)
from ..answers.reading import Members, flag_in, member, members_in, text_in
from ..answers.said import Candidate
from ..answers.tokens import compact_json, tokens_of_part, tokens_of_request, tokens_of_text
from ..call import Answer, Call, Events
from ..catalogue import Model
from ..foreign import partner_model, reply_to
from ..google_errors import GoogleError
from ..replies import JSON_TYPE, Manner, Outgoing, service_headers
from ..routing import Route
from ..store import Resource

_PUBLISHER: Final = "anthropic"

_LEAST_CACHED: Final = 1024
"""Shorter prefixes are not cached (Anthropic's page on prompt caching; some models want more)."""

_LIFETIMES: Final = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}


def check_messages(call: Call) -> Outgoing | None:
    """What is refused of a request for a message; that there is no such model is told when it is answered."""
    model = partner_model(call, _PUBLISHER, call.names["model"])
    if isinstance(model, GoogleError):
        return None
    mistake = _unreadable(call) or request_mistake(call.members, model.output_limit, model_name(model.id))
    if mistake is not None:
        return _refused(call, mistake)
    prompt = sum(tokens_of_request(generate_request(call.members)).values())
    if prompt > model.input_limit:
        return _refused(call, f"prompt is too long: {prompt} tokens > {model.input_limit} maximum")
    return None


def messages(call: Call) -> Answer:
    """A message, whole or streamed."""
    model = partner_model(call, _PUBLISHER, call.names["model"])
    if isinstance(model, GoogleError):
        return model
    mistake = _unreadable(call)
    if mistake is not None:
        return _refused(call, mistake)
    return _said(call, model, generate_request(call.members))


def check_counted(call: Call) -> Outgoing | None:
    """What is refused of a request to count tokens."""
    mistake = _unreadable(call)
    if mistake is not None:
        return _refused(call, mistake)
    name = text_in(call.members, "model")
    if name is None:
        return _refused(call, "model: Field required")
    model = partner_model(call, _PUBLISHER, name)
    if isinstance(model, GoogleError):
        return None
    mistake = request_mistake(call.members, model.output_limit, model_name(model.id), counts_only=True)
    return None if mistake is None else _refused(call, mistake)


def count_tokens(call: Call) -> Answer:
    """How many tokens a request would have as its input."""
    mistake = _unreadable(call)
    if mistake is not None:
        return _refused(call, mistake)
    model = partner_model(call, _PUBLISHER, text_in(call.members, "model") or "")
    if isinstance(model, GoogleError):
        return model
    return _plain(call, {"input_tokens": sum(tokens_of_request(generate_request(call.members)).values())})


def _said(call: Call, model: Model, request: dict[str, Any]) -> Answer:
    body = call.members
    reply = reply_to(request, model, call)
    candidate = reply.candidates[0] if reply.candidates else Candidate(finish_reason=reply.block_reason)
    letters = call.identity.lower("message", 22)
    heading = Heading(model_name(model.id), f"msg_vrtx_01{letters}", call.identity.lower("tool calls", 22))
    message = message_of(candidate, stops_of(body), heading)
    usage = _usage(call, reply.spent.prompt, message.output_tokens)
    if flag_in(body, "stream"):
        return Events(tuple(message_events(message, heading, usage)), _request_id(call))
    return _plain(call, message_value(message, heading, usage))


def _unreadable(call: Call) -> str | None:
    if not call.has_json:
        return "The request body is not valid JSON."
    return None if isinstance(call.body.value, dict) else "Input should be a valid dictionary"


# ---- prompt caching


def _usage(call: Call, prompt: int, output: int) -> Usage:
    """What the prompt costs: prefixes that end in `cache_control` are kept in the scope, and read the next time."""
    prefixes = _marked_prefixes(call.members)
    read, written = 0, {"5m": 0, "1h": 0}
    for name, tokens, _ in prefixes:
        if call.shelf.find(name) is not None:
            read = tokens
    for name, tokens, lifetime in prefixes:
        if tokens < _LEAST_CACHED:
            continue
        if tokens > read:
            written[lifetime] += tokens - read - sum(written.values())
        # A hit lives on for its whole time again.
        expires = call.now + _LIFETIMES[lifetime]
        call.shelf.put(Resource(name, {"tokens": tokens}, call.now, expires))
    fresh = max(prompt - read - sum(written.values()), 0)
    return Usage(fresh, written["5m"], written["1h"], read, output)


def _marked_prefixes(body: Members) -> list[tuple[str, int, str]]:
    """Every prefix of the prompt that is to be cached, shortest first: its name, tokens and lifetime."""
    digest, tokens = sha256(), 0
    found: list[tuple[str, int, str]] = []
    for entry, size in _pieces(body):
        mark = entry.get("cache_control")
        digest.update(compact_json({name: value for name, value in entry.items() if name != "cache_control"}).encode())
        tokens += size
        if isinstance(mark, dict):
            lifetime = "1h" if text_in(mark, "ttl") == "1h" else "5m"
            found.append((f"promptCaches/{digest.hexdigest()[:32]}", tokens, lifetime))
    return found


def _pieces(body: Members) -> list[tuple[Mapping[str, Any], int]]:
    """The tools, the system prompt and the blocks of all messages in order, each with its tokens."""
    tools = ((tool, tokens_of_text(compact_json(dict(tool)))) for tool in members_in(body, "tools"))
    contents = [member(body, "system"), *(member(message, "content") for message in members_in(body, "messages"))]
    blocks = (block for content in contents for block in blocks_of(content))
    return [*tools, *((block, sum(tokens_of_part(part)[1] for part in block_parts(block, {}))) for block in blocks)]


# ---- how it is put


def _request_id(call: Call) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"request-id", f"req_vrtx_01{call.identity.lower('request', 22)}".encode()),)


def _plain(call: Call, value: Mapping[str, Any], status: int = 200) -> Outgoing:
    manner = Manner(is_vertex=True, duration_ms=call.identity.duration_ms)
    return Outgoing(status, (*service_headers(manner, JSON_TYPE), *_request_id(call)), (laid_out(value),))


def _refused(call: Call, message: str) -> Outgoing:
    request_id = _request_id(call)[0][1].decode()
    return _plain(call, error_value(400, message, request_id), 400)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST", "publishers/anthropic/models/{model}:rawPredict", messages, "vertex", "generating", check=check_messages
    ),
    Route(
        "POST",
        "publishers/anthropic/models/{model}:streamRawPredict",
        messages,
        "vertex",
        "generating",
        check=check_messages,
    ),
    Route(
        "POST",
        "publishers/anthropic/models/count-tokens:rawPredict",
        count_tokens,
        "vertex",
        "generating",
        rpc="countTokens",
        check=check_counted,
    ),
)
