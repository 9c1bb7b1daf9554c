"""An interaction as the server-sent events that tell of it, in the order of the official streaming page (wire-http 9).

An event is `event: NAME`, `data: JSON` without spaces, and an empty line, with `\\n` ends. Each has an `event_id` by
which a stream can be taken up again after it; the same interaction always gives the same events. Pure.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..answers.said import pieces_of

_OPENING: Final = ("id", "model", "agent", "object")
_CLOSING: Final = ("id", "status", "usage", "created", "updated", "object", "model", "agent", "service_tier")
_WHOLE: Final = {
    "google_search_call": ("arguments",),
    "google_search_result": ("result",),
    "code_execution_call": ("arguments",),
    "code_execution_result": ("result", "is_error"),
}
"""Steps that are told in one delta of their own type, and the members it brings."""
_PIECES: Final = 6


def events_of(interaction: Mapping[str, Any], after: str = "") -> tuple[bytes, ...] | None:
    """The events of a finished interaction, those behind the one of id `after`; None if there is no such event."""
    values = list(_events(interaction))
    ids = [event_id(interaction, number) for number in range(len(values))]
    start = 0
    if after:
        if after not in ids:
            return None
        start = ids.index(after) + 1
    return tuple(_framed(value | {"event_id": ids[number]}) for number, value in enumerate(values) if number >= start)


def event_id(interaction: Mapping[str, Any], number: int) -> str:
    """The id of the event with that number, counted from 0."""
    return urlsafe_b64encode(f"{str(interaction.get('id', ''))[-12:]}/{number}".encode()).decode().rstrip("=")


def _framed(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"event: {value['event_type']}\ndata: {text}\n\n".encode()


def _events(interaction: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    opening = {"id": "", **{name: interaction[name] for name in _OPENING if name in interaction}}
    opening["status"] = "in_progress"
    yield {"interaction": opening, "event_type": "interaction.created"}
    yield _status(opening["id"], "in_progress")
    for index, step in enumerate(interaction.get("steps", ())):
        yield {"index": index, "step": _started(step), "event_type": "step.start"}
        for delta in _deltas(step):
            yield {"index": index, "delta": delta, "event_type": "step.delta"}
        yield {"index": index, "event_type": "step.stop"}
    for error in interaction.get("errors", ()):
        yield {"error": error, "event_type": "error"}
    if interaction["status"] != "completed":
        yield _status(opening["id"], interaction["status"])
    closing = {name: interaction[name] for name in _CLOSING if name in interaction}
    yield {"interaction": {"id": "", **closing}, "event_type": "interaction.completed"}


def _status(interaction_id: str, status: str) -> dict[str, Any]:
    return {"interaction_id": interaction_id, "status": status, "event_type": "interaction.status_update"}


def _started(step: Mapping[str, Any]) -> dict[str, Any]:
    """The step as it begins: what it is, and nothing of what its deltas bring."""
    kind = step["type"]
    if kind == "function_call":
        return {"type": kind, "id": step["id"], "name": step["name"], "arguments": {}}
    if kind.endswith("_call"):
        return {"type": kind, "id": step["id"], "arguments": {}}
    if kind == "google_search_result":
        return {"type": kind, "call_id": step["call_id"], "result": []}
    if kind.endswith("_result"):
        return {"type": kind, "call_id": step["call_id"], "result": ""}
    return {"type": kind}


def _deltas(step: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = step["type"]
    if kind == "thought":
        for content in step.get("summary", ()):
            yield {"content": content, "type": "thought_summary"}
        if "signature" in step:
            yield {"signature": step["signature"], "type": "thought_signature"}
    elif kind == "function_call":
        if "signature" in step:
            yield {"signature": step["signature"], "type": "thought_signature"}
        text = json.dumps(step["arguments"], ensure_ascii=False, separators=(",", ":"))
        yield {"arguments": text, "type": "arguments_delta"}
    elif kind in _WHOLE:
        yield {**{name: step[name] for name in _WHOLE[kind] if name in step}, "type": kind}
    else:
        for content in step.get("content", ()):
            yield from _output_deltas(content)


def _output_deltas(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if content["type"] != "text":
        yield dict(content)
        return
    for piece in pieces_of(content["text"], _PIECES):
        yield {"text": piece, "type": "text"}
    if content.get("annotations"):
        yield {"annotations": content["annotations"], "type": "text_annotation_delta"}
