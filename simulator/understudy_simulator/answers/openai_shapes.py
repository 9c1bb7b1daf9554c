"""Answers in OpenAI's shapes, laid out as Google's compatible endpoints lay them out. Pure.

Google's layout (public captures of tool call deltas): compact JSON with members in alphabetical order, no `index` in
the tool calls of a delta of Gemini 3, thoughts in `<thought>` tags, signatures under `extra_content.google`. Members
and events: wire-http 10, OpenAI's reference. `completion_tokens` leaves thinking out, `total_tokens` has it: assumed.
"""

import json
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .reading import member, members_in, number_in, text_in
from .said import Candidate, FunctionCall, Reply, Spent, pieces_of
from .tokens import compact_json

DONE: Final = b"data: [DONE]\n\n"

_FINISHES: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "OTHER": "stop",
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop",
}
"""All other reasons of wire-http 4.4 are about content: `content_filter`."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What every object of an answer carries: its id, when it was made (Unix seconds), the model as the client named
    it, which service speaks, a seed for the ids of tool calls, and whether a delta's tool calls have an `index`."""

    id: str
    created: int
    model: str
    is_vertex: bool
    seed: str
    numbers_calls: bool = True


def laid_out(value: Any) -> bytes:
    """JSON as these endpoints write it: compact, members in alphabetical order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "replace")


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + laid_out(value) + b"\n\n"


def chat_answer(reply: Reply, heading: Heading) -> dict[str, Any]:
    """A whole `chat.completion`."""
    choices = [_choice(candidate, index, heading) for index, candidate in enumerate(candidates_of(reply))]
    return _object("chat.completion", heading) | {"choices": choices, "usage": usage_of(reply.spent, heading)}


def chat_events(reply: Reply, heading: Heading, *, with_usage: bool) -> Iterator[bytes]:
    """The events of a streamed chat: chunks, each choice in turn, and `[DONE]`. Usage rides on the last chunk."""
    head = _object("chat.completion.chunk", heading)
    chunks = [
        head | {"choices": [choice]}
        for index, candidate in enumerate(candidates_of(reply))
        for choice in _chunk_choices(candidate, index, heading)
    ]
    if with_usage:
        chunks[-1] |= {"usage": usage_of(reply.spent, heading)}
    yield from map(event, chunks)
    yield DONE


def candidates_of(reply: Reply) -> tuple[Candidate, ...]:
    """The candidates; a blocked prompt gets one without content."""
    return reply.candidates or (Candidate(finish_reason=reply.block_reason or "SAFETY"),)


def finish_of(candidate: Candidate) -> str:
    """OpenAI's word for why a candidate ended."""
    word = _FINISHES.get(candidate.finish_reason, "content_filter")
    return "tool_calls" if word == "stop" and candidate.calls else word


def usage_of(spent: Spent, heading: Heading) -> dict[str, Any]:
    """`usage`: thinking is in the total, not in `completion_tokens`."""
    usage: dict[str, Any] = {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.visible,
        "total_tokens": spent.total,
    }
    if spent.cached:
        usage["prompt_tokens_details"] = {"cached_tokens": spent.cached}
    if heading.is_vertex:
        usage["completion_tokens_details"] = {"reasoning_tokens": spent.thoughts}
        usage["extra_properties"] = {"google": {"traffic_type": "ON_DEMAND"}}
    return usage


def completion_answer(reply: Reply, heading: Heading) -> dict[str, Any]:
    """A whole `text_completion`, of the older endpoint."""
    choices = [
        {"index": index, "text": candidate.text, "logprobs": None, "finish_reason": finish_of(candidate)}
        for index, candidate in enumerate(candidates_of(reply))
    ]
    return _object("text_completion", heading) | {"choices": choices, "usage": usage_of(reply.spent, heading)}


def completion_events(reply: Reply, heading: Heading) -> Iterator[bytes]:
    """The events of a streamed completion."""
    head = _object("text_completion", heading)
    for index, candidate in enumerate(candidates_of(reply)):
        pieces = pieces_of(candidate.text) or ("",)
        for number, piece in enumerate(pieces, 1):
            finish = finish_of(candidate) if number == len(pieces) else None
            yield event(head | {"choices": [{"index": index, "text": piece, "finish_reason": finish}]})
    yield DONE


def embeddings_answer(
    vectors: Sequence[Sequence[float]], model: str, tokens: int | None, *, in_base64: bool
) -> dict[str, Any]:
    """A list of embeddings: numbers, or 32-bit little-endian floats in base64. `tokens` None: no usage is told."""
    data = [
        {"object": "embedding", "index": index, "embedding": base64_floats(vector) if in_base64 else list(vector)}
        for index, vector in enumerate(vectors)
    ]
    answer: dict[str, Any] = {"object": "list", "data": data, "model": model}
    return answer if tokens is None else answer | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def base64_floats(vector: Sequence[float]) -> str:
    """Numbers as 32-bit little-endian floats in base64."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def model_object(model_id: str, owner: str) -> dict[str, Any]:
    """One entry of the list of models."""
    return {"id": model_id, "object": "model", "owned_by": owner}


def _object(kind: str, heading: Heading) -> dict[str, Any]:
    head: dict[str, Any] = {"id": heading.id, "object": kind, "created": heading.created, "model": heading.model}
    return head | ({"system_fingerprint": ""} if heading.is_vertex else {})


def _choice(candidate: Candidate, index: int, heading: Heading) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    text = (f"<thought>{candidate.thoughts}</thought>" if candidate.thoughts else "") + candidate.text
    if text or not candidate.calls:
        message["content"] = text
    if candidate.thoughts:
        message["extra_content"] = {"google": {"thought": True}}
    if candidate.calls:
        message["tool_calls"] = _tool_calls(candidate.calls, index, heading)
    choice = {"index": index, "message": message, "finish_reason": finish_of(candidate)}
    return choice | _logprobs(candidate, heading)


def _chunk_choices(candidate: Candidate, index: int, heading: Heading) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    if candidate.thoughts:
        mark = {"extra_content": {"google": {"thought": True}}}
        deltas.append({"content": f"<thought>{candidate.thoughts}"} | mark)
    pieces = pieces_of(candidate.text)
    for number, piece in enumerate(pieces):
        deltas.append({"content": "</thought>" + piece if candidate.thoughts and not number else piece})
    if candidate.calls:
        calls = _tool_calls(candidate.calls, index, heading)
        numbered = [call | {"index": number} for number, call in enumerate(calls)] if heading.numbers_calls else calls
        deltas.append({"tool_calls": numbered})
    choices: list[dict[str, Any]] = [
        {"index": index, "delta": {"role": "assistant"} | delta} for delta in deltas or [{"content": ""}]
    ]
    choices[-1] |= {"finish_reason": finish_of(candidate)} | _logprobs(candidate, heading)
    return choices


def _tool_calls(calls: Sequence[FunctionCall], index: int, heading: Heading) -> list[dict[str, Any]]:
    return [_tool_call(call, f"{index}{number}", heading) for number, call in enumerate(calls)]


def _tool_call(call: FunctionCall, place: str, heading: Heading) -> dict[str, Any]:
    function = {"name": call.name, "arguments": compact_json(dict(call.arguments))}
    value: dict[str, Any] = {
        "id": call.id or f"function-call-{heading.seed}{place}",
        "type": "function",
        "function": function,
    }
    return value | ({"extra_content": {"google": {"thought_signature": call.signature}}} if call.signature else {})


def _logprobs(candidate: Candidate, heading: Heading) -> dict[str, Any]:
    if candidate.logprobs is None:
        return {"logprobs": None} if heading.is_vertex else {}
    tops = members_in(candidate.logprobs, "topCandidates")
    content: list[dict[str, Any]] = []
    for number, chosen in enumerate(members_in(candidate.logprobs, "chosenCandidates")):
        top = members_in(tops[number], "candidates") if number < len(tops) else ()
        content.append(_token(chosen) | {"top_logprobs": [_token(other) for other in top]})
    return {"logprobs": {"content": content}}


def _token(value: Any) -> dict[str, Any]:
    token = text_in(value, "token") or ""
    return {
        "token": token,
        "logprob": number_in(value, "logProbability") or 0,
        "bytes": list((member(value, "token") or "").encode("utf-8", "replace")),
    }
