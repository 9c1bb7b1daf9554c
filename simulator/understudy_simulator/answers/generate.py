"""Answers to generateContent, streamGenerateContent and countTokens, as JSON values in Google's order of members.

Shapes: wire-http 4.3 (unary, both services), 4.5 (usage), 4.6 (what stream chunks carry).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from understudy.scenario.json_subset import last_text

from .reading import Members, count_in, member, members_in, strings_in, text_in
from .schema_values import value_for
from .tokens import BYTES_PER_TOKEN, Counts, billable_characters, details_of, tokens_of_request, tokens_of_text

_EXCERPT: Final = 400
_STREAM_CHUNKS: Final = 4
_MOST_CANDIDATES: Final = 8
_FUNCTION_CALL_NOTE: Final = "Model generated function call(s)."


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer carries beside its content. `model` is the bare id; `create_time` RFC 3339 (Vertex only)."""

    is_vertex: bool
    model: str
    response_id: str
    create_time: str
    call_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered: text, or the one function call; why it ended."""

    text: str = ""
    call: tuple[str, Mapping[str, Any]] | None = None
    finish_reason: str = "STOP"


def said_to(body: Any) -> Said:
    """What the simulator says to a generateContent request; the same request always gets the same."""
    call = _function_call(body)
    if call is not None:
        return Said(call=call)
    return _cut(_text(body), body)


def whole_answer(body: Any, stamp: Stamp) -> dict[str, Any]:
    """The unary answer."""
    said = said_to(body)
    count = min(count_in(member(body, "generationConfig"), "candidateCount") or 1, _MOST_CANDIDATES)
    candidates = [_candidate(_parts(said, stamp), said, stamp, index) for index in range(count)]
    usage = _usage(tokens_of_request(body), _tokens_said(said, stamp) * count, stamp)
    return _envelope(candidates, usage, stamp)


def stream_answer(body: Any, stamp: Stamp) -> list[dict[str, Any]]:
    """The chunks of the streamed answer: together they say what the unary answer says."""
    said = said_to(body)
    prompt = tokens_of_request(body)
    if said.call is not None or not said.text:
        usage = _usage(prompt, _tokens_said(said, stamp), stamp)
        return [_envelope([_candidate(_parts(said, stamp), said, stamp, 0)], usage, stamp)]
    chunks: list[dict[str, Any]] = []
    passed = ""
    pieces = _pieces(said.text)
    for number, piece in enumerate(pieces, 1):
        passed += piece
        is_last = number == len(pieces)
        candidate = _candidate([{"text": piece}], said if is_last else None, stamp, 0)
        if is_last or not stamp.is_vertex:
            usage = _usage(prompt, tokens_of_text(passed), stamp)
        else:
            usage = {"trafficType": "ON_DEMAND"}
        chunks.append(_envelope([candidate], usage, stamp))
    return chunks


def count_answer(body: Any, is_vertex: bool) -> dict[str, Any]:
    """The answer to countTokens (wire-http 4.5); the request may wrap a whole generateContent request."""
    wrapped = member(body, "generateContentRequest")
    counted = body if wrapped is None else wrapped
    counts = tokens_of_request(counted)
    answer: dict[str, Any] = {"totalTokens": sum(counts.values())}
    if is_vertex:
        answer["totalBillableCharacters"] = billable_characters(counted)
    details = details_of(counts)
    if details:
        answer["promptTokensDetails"] = details
    return answer


# ---- what is said


def _text(body: Any) -> str:
    config = member(body, "generationConfig")
    mime_type = text_in(config, "responseMimeType") or ""
    schema = member(config, "responseSchema") or member(config, "responseJsonSchema")
    if mime_type == "text/x.enum" and schema is not None:
        return str(value_for(schema))
    if mime_type == "application/json" or (schema is not None and not mime_type):
        value = {"answer": _reflection(body)} if schema is None else value_for(schema)
        return json.dumps(value, ensure_ascii=False)
    return _reflection(body)


def _reflection(body: Any) -> str:
    results = _function_results(body)
    if results:
        shown = "; ".join(f"{name} returned {json.dumps(value, ensure_ascii=False)}" for name, value in results)
        return f"I asked, and {shown[:_EXCERPT]}. This answer comes from the simulator, not from a model."
    text = " ".join((last_text(body) or "").split())
    excerpt = text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."
    heard = f'You said: "{excerpt}".' if excerpt else "You said nothing in words."
    return heard + " This answer comes from the simulator, not from a model."


def _cut(text: str, body: Any) -> Said:
    config = member(body, "generationConfig")
    for stop in strings_in(config, "stopSequences"):
        text = text.partition(stop)[0] if stop else text
    most = count_in(config, "maxOutputTokens")
    if most is not None and tokens_of_text(text) > most:
        kept = text.encode("utf-8", "replace")[: most * BYTES_PER_TOKEN]
        return Said(kept.decode("utf-8", "ignore"), finish_reason="MAX_TOKENS")
    return Said(text)


def _function_results(body: Any) -> list[tuple[str, Any]]:
    """Name and value of the function responses in the last turn."""
    contents = members_in(body, "contents")
    found = [member(part, "functionResponse") for part in members_in(contents[-1], "parts")] if contents else []
    return [(text_in(entry, "name") or "the function", member(entry, "response")) for entry in found if entry]


def _function_call(body: Any) -> tuple[str, Mapping[str, Any]] | None:
    """The function to call: in mode ANY the first allowed one, else one whose name stands in the last user text."""
    functions = _declared(body)
    calling = member(member(body, "toolConfig"), "functionCallingConfig")
    mode = (text_in(calling, "mode") or "AUTO").upper()
    if not functions or mode == "NONE" or _function_results(body):
        return None
    names = [name for name in strings_in(calling, "allowedFunctionNames") if name in functions] or list(functions)
    text = (last_text(body) or "").lower()
    spoken = [name for name in names if name.lower() in text or name.lower().replace("_", " ") in text]
    if not spoken and mode != "ANY":
        return None
    chosen = (spoken or names)[0]
    arguments = value_for(functions[chosen], only_required=True)
    return chosen, cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}


def _declared(body: Any) -> dict[str, Any]:
    """Declared functions: name to the schema of their parameters."""
    found: dict[str, Any] = {}
    for tool in members_in(body, "tools"):
        for declaration in members_in(tool, "functionDeclarations"):
            name = text_in(declaration, "name")
            if name:
                found[name] = member(declaration, "parameters") or member(declaration, "parametersJsonSchema")
    return found


# ---- how it is put


def _pieces(text: str) -> list[str]:
    """The text in at most four pieces, cut before spaces where there are any."""
    size = max(-(-len(text) // _STREAM_CHUNKS), 1)
    pieces: list[str] = []
    while text:
        cut = text.find(" ", size)
        cut = len(text) if cut < 0 or cut > 3 * size else cut
        if cut == len(text) and len(text) > 3 * size:
            cut = size
        pieces.append(text[:cut])
        text = text[cut:]
    return pieces


def _parts(said: Said, stamp: Stamp) -> list[Members]:
    if said.call is None:
        return [{"text": said.text}] if said.text else []
    name, arguments = said.call
    call: dict[str, Any] = {"name": name, "args": dict(arguments)}
    if stamp.model.startswith("gemini-3"):
        # Newer models number their calls; older ones do not (wire-http 4.3).
        call = {"id": stamp.call_id} | call
    return [{"functionCall": call}]


def _tokens_said(said: Said, stamp: Stamp) -> int:
    if said.call is None:
        return tokens_of_text(said.text)
    return tokens_of_text(json.dumps(_parts(said, stamp), ensure_ascii=False, separators=(",", ":")))


def _candidate(parts: list[Members], said: Said | None, stamp: Stamp, index: int) -> dict[str, Any]:
    """`said` None: this is not the last chunk."""
    if stamp.is_vertex:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}}
        if said is not None:
            candidate |= {"finishReason": said.finish_reason, "avgLogprobs": -0.25}
        return candidate | ({"index": index} if index else {})
    candidate = {"content": {"parts": parts, "role": "model"}}
    if said is not None:
        candidate["finishReason"] = said.finish_reason
    candidate["index"] = index
    if said is not None and said.call is not None:
        candidate["finishMessage"] = _FUNCTION_CALL_NOTE
    return candidate


def _usage(prompt: Counts, candidates: int, stamp: Stamp) -> dict[str, Any]:
    total = sum(prompt.values())
    usage: dict[str, Any] = {"promptTokenCount": total}
    if candidates:
        usage["candidatesTokenCount"] = candidates
    usage["totalTokenCount"] = total + candidates
    if stamp.is_vertex:
        usage["trafficType"] = "ON_DEMAND"
    usage["promptTokensDetails"] = details_of(prompt)
    if stamp.is_vertex:
        usage["candidatesTokensDetails"] = details_of({"TEXT": candidates})
        return usage
    return usage | {"serviceTier": "standard"}


def _envelope(candidates: list[dict[str, Any]], usage: Mapping[str, Any], stamp: Stamp) -> dict[str, Any]:
    answer: dict[str, Any] = {"candidates": candidates, "usageMetadata": usage, "modelVersion": stamp.model}
    if stamp.is_vertex:
        answer["createTime"] = stamp.create_time
    return answer | {"responseId": stamp.response_id}
