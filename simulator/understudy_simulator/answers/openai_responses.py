"""OpenAI's Responses API as a chat: requests put as chat requests, answers and events in its shapes. Pure.

Shapes and the order of events: OpenAI's reference. Which of it Google's endpoint has: assumed to be the whole.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from .foreign_parts import without_nothing
from .openai_requests import ANY, FLAG, LIST, NUMBER, OBJECT, TEXT, WHOLE
from .openai_shapes import Heading, laid_out
from .reading import Members, member, members_in, text_in
from .said import Candidate, Reply, pieces_of
from .tokens import compact_json

RESPONSE_MEMBERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model", "instructions", "previous_response_id", "truncation", "user", "service_tier"), TEXT),
    **dict.fromkeys(("prompt_cache_key", "safety_identifier"), TEXT),
    **dict.fromkeys(("temperature", "top_p"), NUMBER),
    **dict.fromkeys(("max_output_tokens", "top_logprobs", "max_tool_calls"), WHOLE),
    **dict.fromkeys(("stream", "store", "parallel_tool_calls", "background"), FLAG),
    **dict.fromkeys(("tools", "include"), LIST),
    **dict.fromkeys(("text", "reasoning", "metadata", "stream_options", "extra_body"), OBJECT),
    **dict.fromkeys(("input", "tool_choice", "conversation", "prompt"), ANY),
}
"""The members of a request and their types in Google's words."""


def messages_of(body: Members) -> list[dict[str, Any]]:
    """The input as messages of a chat, without the instructions."""
    given = member(body, "input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}] if given else []
    if not isinstance(given, list):
        return []
    messages: list[dict[str, Any]] = []
    for item in cast("list[Any]", given):
        match text_in(item, "type") or "message":
            case "message":
                messages.append({"role": text_in(item, "role"), "content": member(item, "content")})
            case "function_call":
                messages.append(_call_message(item))
            case "function_call_output":
                call_id, output = text_in(item, "call_id"), member(item, "output")
                messages.append({"role": "tool", "tool_call_id": call_id, "content": output})
            case _:
                pass
    return messages


def chat_of(body: Members, before: list[dict[str, Any]]) -> dict[str, Any]:
    """The chat request that a request stands for; `before` are the messages of the responses that it goes on from."""
    instructions = text_in(body, "instructions")
    system = [{"role": "system", "content": instructions}] if instructions else []
    form = member(member(body, "text"), "format")
    is_schema = text_in(form, "type") == "json_schema"
    choice = member(body, "tool_choice")
    return without_nothing(
        {
            "messages": [*system, *before, *messages_of(body)],
            "temperature": member(body, "temperature"),
            "top_p": member(body, "top_p"),
            "max_completion_tokens": member(body, "max_output_tokens"),
            "reasoning_effort": text_in(member(body, "reasoning"), "effort"),
            "response_format": {"type": "json_schema", "json_schema": form} if is_schema else form,
            "tools": [{"function": tool} for tool in members_in(body, "tools") if "name" in tool] or None,
            "tool_choice": choice if isinstance(choice, str | dict) else None,
        }
    )


def said_messages(reply: Reply, heading: Heading) -> list[dict[str, Any]]:
    """What the model said, as messages for the request that goes on from it."""
    candidate = _first(reply)
    messages: list[dict[str, Any]] = []
    if candidate.text:
        messages.append({"role": "assistant", "content": candidate.text})
    return messages + [_call_message(item) for item in _calls(candidate, heading)]


def response_value(reply: Reply, heading: Heading, body: Members) -> dict[str, Any]:
    """A whole response."""
    candidate, spent = _first(reply), reply.spent
    is_cut = candidate.finish_reason == "MAX_TOKENS"
    usage = {
        "input_tokens": spent.prompt,
        "input_tokens_details": {"cached_tokens": spent.cached},
        "output_tokens": spent.total - spent.prompt,
        "output_tokens_details": {"reasoning_tokens": spent.thoughts},
        "total_tokens": spent.total,
    }
    return _begun(heading, body) | {
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "output": _output(candidate, heading),
        "usage": usage,
    }


def response_events(value: dict[str, Any], heading: Heading, body: Members) -> Iterator[bytes]:
    """The events of a streamed response whose whole value is `value`."""
    begun = _begun(heading, body)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(value["output"]):
        events += _item_events(item, index)
    kind = "response.incomplete" if value["status"] == "incomplete" else "response.completed"
    events.append({"type": kind, "response": value})
    for number, event in enumerate(events):
        yield _event(event | {"sequence_number": number})


def _item_events(item: Mapping[str, Any], index: int) -> Iterator[dict[str, Any]]:
    place: dict[str, Any] = {"item_id": item["id"], "output_index": index}
    empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
    started: dict[str, Any] = {**item, "status": "in_progress"} | empty
    yield {"type": "response.output_item.added", "output_index": index, "item": started}
    if item["type"] == "message":
        yield from _text_events(item["content"][0], place)
    else:
        for piece in pieces_of(item["arguments"], 2):
            yield {"type": "response.function_call_arguments.delta", "delta": piece} | place
        done = {"type": "response.function_call_arguments.done", "name": item["name"], "arguments": item["arguments"]}
        yield done | place
    yield {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def _text_events(part: Mapping[str, Any], place: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    where = {**place, "content_index": 0}
    yield {"type": "response.content_part.added", "part": {**part, "text": ""}} | where
    for piece in pieces_of(part["text"]):
        yield {"type": "response.output_text.delta", "delta": piece, "logprobs": []} | where
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": []} | where
    yield {"type": "response.content_part.done", "part": dict(part)} | where


def _event(value: Mapping[str, Any]) -> bytes:
    return b"event: " + value["type"].encode() + b"\ndata: " + laid_out(value) + b"\n\n"


def _begun(heading: Heading, body: Members) -> dict[str, Any]:
    return {
        "id": heading.id,
        "object": "response",
        "created_at": heading.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": text_in(body, "instructions"),
        "metadata": member(body, "metadata") or {},
        "model": heading.model,
        "output": [],
        "parallel_tool_calls": member(body, "parallel_tool_calls") is not False,
        "previous_response_id": text_in(body, "previous_response_id"),
        "temperature": member(body, "temperature"),
        "tool_choice": member(body, "tool_choice") or "auto",
        "tools": member(body, "tools") or [],
        "top_p": member(body, "top_p"),
        "usage": None,
    }


def _first(reply: Reply) -> Candidate:
    return reply.candidates[0] if reply.candidates else Candidate(finish_reason=reply.block_reason)


def _output(candidate: Candidate, heading: Heading) -> list[dict[str, Any]]:
    calls = _calls(candidate, heading)
    if calls and not candidate.text:
        return calls
    content: dict[str, Any] = {"type": "output_text", "text": candidate.text, "annotations": [], "logprobs": []}
    head = {"id": f"msg_{heading.seed}", "type": "message", "role": "assistant", "status": "completed"}
    return [head | {"content": [content]}, *calls]


def _calls(candidate: Candidate, heading: Heading) -> list[dict[str, Any]]:
    return [
        {
            "id": f"fc_{heading.seed}{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id or f"call_{heading.seed}{number}",
            "name": call.name,
            "arguments": compact_json(dict(call.arguments)),
        }
        for number, call in enumerate(candidate.calls)
    ]


def _call_message(item: Any) -> dict[str, Any]:
    function = {"name": text_in(item, "name") or "", "arguments": text_in(item, "arguments") or "{}"}
    return {"role": "assistant", "tool_calls": [{"id": text_in(item, "call_id"), "function": function}]}
