"""Answers of Claude models in Anthropic's shapes: messages, their events, errors. Pure.

Order of members, ids (`msg_vrtx_`, `req_vrtx_`) and compact layout: public captures of Claude on Vertex AI. Events and
their order: Anthropic's page on streaming. That tool ids begin with `toolu_vrtx_` likewise; which events follow which
`ping`: assumed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from .said import Candidate, pieces_of
from .tokens import compact_json, tokens_of_text

_REASONS: Final[Mapping[str, str]] = {
    "STOP": "end_turn",
    "MAX_TOKENS": "max_tokens",
    "OTHER": "end_turn",
    "FINISH_REASON_UNSPECIFIED": "end_turn",
    "MALFORMED_FUNCTION_CALL": "end_turn",
    "UNEXPECTED_TOOL_CALL": "end_turn",
}
"""All other reasons of Google's are about content: `refusal`."""

ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Heading:
    """What a message carries: the model as its answers name it, its id, a seed of 22 letters for ids of tool calls."""

    model: str
    id: str
    seed: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: neither read from a cache nor written to one; written for five minutes, for an hour; read; of output."""

    input: int
    written_5m: int
    written_1h: int
    read: int
    output: int

    @property
    def value(self) -> dict[str, Any]:
        """The JSON value, in the order of a captured answer."""
        return {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written_5m,
                "ephemeral_1h_input_tokens": self.written_1h,
            },
            "output_tokens": self.output,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """What is said: blocks, why it ended, the stop sequence that ended it (or None)."""

    blocks: tuple[Mapping[str, Any], ...]
    stop_reason: str
    stop_sequence: str | None
    output_tokens: int


def model_name(model_id: str) -> str:
    """How an answer names a model: `claude-sonnet-4@20250514` as `claude-sonnet-4-20250514`."""
    return model_id.removesuffix("@default").replace("@", "-")


def message_of(candidate: Candidate, stops: Sequence[str], heading: Heading) -> Message:
    """What a candidate says, cut at the first of the stop sequences."""
    text, stop = _cut(candidate.text, stops)
    if stop is not None:
        candidate = replace(candidate, text=text, calls=(), finish_reason="STOP")
    blocks: list[Mapping[str, Any]] = []
    if candidate.thoughts:
        signature = f"Er{heading.seed}{heading.id}".replace("_", "")
        blocks.append({"type": "thinking", "thinking": candidate.thoughts, "signature": signature})
    if candidate.text:
        blocks.append({"type": "text", "text": candidate.text})
    for number, call in enumerate(candidate.calls):
        call_id = f"toolu_vrtx_01{heading.seed[:20]}{number:02}"
        blocks.append({"type": "tool_use", "id": call_id, "name": call.name, "input": dict(call.arguments)})
    reason = _REASONS.get(candidate.finish_reason, "refusal")
    if stop is not None:
        reason = "stop_sequence"
    elif candidate.calls and reason == "end_turn":
        reason = "tool_use"
    return Message(tuple(blocks), reason, stop, _tokens_of(blocks))


def message_value(message: Message, heading: Heading, usage: Usage) -> dict[str, Any]:
    """A whole message."""
    return _head(heading) | {
        "content": [dict(block) for block in message.blocks],
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
        "usage": usage.value,
    }


def message_events(message: Message, heading: Heading, usage: Usage) -> Iterator[bytes]:
    """The events of a streamed message: together they say what the whole message says."""
    start: dict[str, Any] = _head(heading) | {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": replace(usage, output=min(usage.output, 1)).value,
    }
    yield event({"type": "message_start", "message": start})
    for index, block in enumerate(message.blocks):
        yield event({"type": "content_block_start", "index": index, "content_block": _emptied(block)})
        if not index:
            yield event({"type": "ping"})
        for delta in _deltas(block):
            yield event({"type": "content_block_delta", "index": index, "delta": delta})
        yield event({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message.stop_reason, "stop_sequence": message.stop_sequence}
    told = {name: value for name, value in usage.value.items() if name != "cache_creation"}
    yield event({"type": "message_delta", "delta": delta, "usage": told})
    yield event({"type": "message_stop"})


def error_value(status: int, message: str, request_id: str) -> dict[str, Any]:
    """An error of the model's side."""
    kind = ERROR_TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def laid_out(value: Any) -> bytes:
    """JSON as these models' answers have it: compact."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def event(value: Mapping[str, Any]) -> bytes:
    """One server-sent event, named like its type."""
    return b"event: " + value["type"].encode() + b"\ndata: " + laid_out(value) + b"\n\n"


def _head(heading: Heading) -> dict[str, Any]:
    return {"model": heading.model, "id": heading.id, "type": "message", "role": "assistant"}


def _cut(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    found = [(at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found, key=lambda place: place[0])
    return text[:at], stop


def _emptied(block: Mapping[str, Any]) -> dict[str, Any]:
    match block["type"]:
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case _:
            return {**block, "input": {}}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "text":
            yield from ({"type": "text_delta", "text": piece} for piece in pieces_of(block["text"]))
        case "thinking":
            yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces_of(block["thinking"], 2))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case _:
            arguments = compact_json(block["input"])
            for piece in ("", *pieces_of(arguments, 3)):
                yield {"type": "input_json_delta", "partial_json": piece}


def _tokens_of(blocks: Sequence[Mapping[str, Any]]) -> int:
    return sum(
        tokens_of_text(block.get("text") or block.get("thinking") or compact_json(dict(block))) for block in blocks
    )
