"""Answers to generateContent and streamGenerateContent, as JSON values in Google's order of members.

Shapes: wire-http 4.3 (unary, both services), 4.4 (blocked prompts), 4.5 (usage), 4.6 (what stream chunks carry).
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any, Final, cast

from understudy.scenario.json_subset import last_text

from ..catalogue import model_of
from .logprobs import logprobs_of
from .markers import block_reason
from .reading import Members, flag_in, member, text_in, whole_in
from .tokens import Counts, details_of, tokens_of_answer, tokens_of_request, tokens_of_text
from .turns import Part, Reply, Turn, reply_to

_STREAM_CHUNKS: Final = 4
_FUNCTION_CALL_NOTE: Final = "Model generated function call(s)."
_USUAL_AVERAGE: Final = -0.25
_AUDIO_BLOCK: Final = 2400
_NOTES: Final = {
    "MALFORMED_FUNCTION_CALL": "Malformed function call: call:default_api:",
    "UNEXPECTED_TOOL_CALL": "Unexpected tool call: Model tried to call an undeclared function: undeclared",
    "MODEL_ARMOR": "Blocked by Model Armor Floor Setting: The response violated a filter.",
}
_RATED: Final = frozenset({"SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT"})
_CATEGORIES: Final = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")
_BLOCK_MESSAGES: Final = {
    "MODEL_ARMOR": "Blocked by Model Armor Floor Setting: The prompt violated a filter.",
    "PROHIBITED_CONTENT": "The prompt is blocked due to prohibited contents.",
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer carries beside its content, and what it is made from beside the request.

    `model` is the bare id; `create_time` RFC 3339 (Vertex only); `call_id` that of the first function call. `seed` is
    the simulator's: it chooses among what the request allows. `cached` are the tokens of the cached content that the
    request names, by modality; `traffic_type` that of Vertex AI.
    """

    is_vertex: bool
    model: str
    response_id: str
    create_time: str
    call_id: str
    seed: int = 0
    cached: Counts = field(default_factory=dict[str, int])
    traffic_type: str = "ON_DEMAND"


@dataclass(frozen=True, slots=True)
class _Spent:
    """What the request itself costs, and how its usage is marked."""

    prompt: Counts
    cached: Counts
    thoughts: int
    tools: int
    tier: str


def whole_answer(body: Any, stamp: Stamp) -> dict[str, Any]:
    """The unary answer to a generateContent request."""
    prompt = last_text(body) or ""
    blocked = block_reason(prompt)
    if blocked is not None:
        return _blocked_answer(blocked, body, stamp)
    reply = reply_to(body, prompt, model_of(stamp.model, stamp.is_vertex), stamp.seed, stamp.call_id, stamp.is_vertex)
    counts: dict[str, int] = {}
    for turn in reply.turns:
        _count(turn.parts, reply.image_tokens, counts)
    config = member(body, "generationConfig")
    candidates = [_candidate(list(turn.parts), turn, stamp, index, config) for index, turn in enumerate(reply.turns)]
    return _envelope(candidates, _usage(_spent(body, reply, stamp), counts, stamp), stamp)


def stream_answer(body: Any, stamp: Stamp) -> list[dict[str, Any]]:
    """The chunks of the streamed answer: together they say what the unary answer says."""
    prompt = last_text(body) or ""
    blocked = block_reason(prompt)
    if blocked is not None:
        return [_blocked_answer(blocked, body, stamp)]
    reply = reply_to(body, prompt, model_of(stamp.model, stamp.is_vertex), stamp.seed, stamp.call_id, stamp.is_vertex)
    config = member(body, "generationConfig")
    spent = _spent(body, reply, stamp)
    cuts = [_cut_up(turn) for turn in reply.turns]
    done: dict[str, int] = {}
    chunks: list[dict[str, Any]] = []
    length = max(map(len, cuts))
    for number in range(length):
        candidates: list[dict[str, Any]] = []
        running: dict[str, int] = {}
        for index, (turn, pieces) in enumerate(zip(reply.turns, cuts, strict=True)):
            if number >= len(pieces):
                continue
            piece = pieces[number]
            _count(piece.finished, reply.image_tokens, done)
            _count(piece.begun, reply.image_tokens, running)
            ended = turn if number == len(pieces) - 1 else None
            candidate = _candidate(list(piece.parts), ended, stamp, index, config)
            if ended is None and "groundingMetadata" in turn.extras:
                candidate["groundingMetadata"] = {}
            candidates.append(candidate)
        chunks.append(_envelope(candidates, _running_usage(spent, done, running, number == length - 1, stamp), stamp))
    return chunks


# ---- streams


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one chunk brings of a candidate: parts to send; those that are whole with it; what has begun but is not."""

    parts: tuple[Part, ...]
    finished: tuple[Part, ...] = ()
    begun: tuple[Part, ...] = ()


def _cut_up(turn: Turn) -> list[_Piece]:
    """The chunks of one candidate: calls and pictures whole, texts and sounds in pieces."""
    if turn.has_calls:
        return [*_pieces_before_calls(turn), _Piece(calls := _calls(turn), calls)]
    pieces = [piece for part in turn.parts for piece in _pieces_of(part)]
    return pieces or [_Piece(())]


def _calls(turn: Turn) -> tuple[Part, ...]:
    return tuple(part for part in turn.parts if "functionCall" in part)


def _pieces_before_calls(turn: Turn) -> list[_Piece]:
    return [piece for part in turn.parts if "functionCall" not in part for piece in _pieces_of(part)]


def _pieces_of(part: Part) -> list[_Piece]:
    if "text" in part:
        return _pieces_of_text(part)
    media = part.get("inlineData")
    if isinstance(media, dict) and not str(cast("Part", media)["mimeType"]).startswith("image/"):
        return _pieces_of_sound(part, cast("Part", media))
    return [_Piece((part,), (part,))]


def _pieces_of_text(part: Part) -> list[_Piece]:
    texts = _pieces(part["text"])
    rest = {name: value for name, value in part.items() if name not in ("text", "thoughtSignature")}
    pieces: list[_Piece] = []
    passed = ""
    for number, text in enumerate(texts, 1):
        passed += text
        if number == len(texts):
            pieces.append(_Piece((part | {"text": text},), (part,)))
        else:
            pieces.append(_Piece(({"text": text} | rest,), (), ({"text": passed} | rest,)))
    return pieces or [_Piece((part,), (part,))]


def _pieces_of_sound(part: Part, media: Part) -> list[_Piece]:
    pcm = b64decode(media["data"])
    size = max(-(-len(pcm) // _STREAM_CHUNKS) // _AUDIO_BLOCK * _AUDIO_BLOCK, _AUDIO_BLOCK)
    pieces: list[_Piece] = []
    for start in range(0, len(pcm), size):
        piece: Part = {"inlineData": {**media, "data": b64encode(pcm[start : start + size]).decode()}}
        if start + size >= len(pcm):
            pieces.append(_Piece((piece,), (part,)))
        else:
            passed: Part = {"inlineData": {**media, "data": b64encode(pcm[: start + size]).decode()}}
            pieces.append(_Piece((piece,), (), (passed,)))
    return pieces


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


def _running_usage(spent: _Spent, done: Counts, running: Counts, is_last: bool, stamp: Stamp) -> dict[str, Any]:
    if stamp.is_vertex and not is_last:
        return {"trafficType": stamp.traffic_type}
    counts = dict(done)
    for modality, tokens in running.items():
        counts[modality] = counts.get(modality, 0) + tokens
    return _usage(spent, counts, stamp)


# ---- candidates


def _candidate(parts: list[Part], turn: Turn | None, stamp: Stamp, index: int, config: Any) -> dict[str, Any]:
    """`turn` None: this is not the last chunk."""
    if stamp.is_vertex:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}}
    else:
        candidate = {"content": {"parts": parts, "role": "model"}}
    if not parts:
        # A list without entries is left out (wire-http 2).
        candidate["content"] = {"role": "model"} if turn is None or turn.finish_reason == "MAX_TOKENS" else {}
    if turn is None:
        return candidate | ({} if stamp.is_vertex and not index else {"index": index})
    candidate["finishReason"] = turn.finish_reason
    average, result = _logprobs(turn, config)
    if average is not None or stamp.is_vertex:
        candidate["avgLogprobs"] = _USUAL_AVERAGE if average is None else average
    if index or not stamp.is_vertex:
        candidate["index"] = index
    if turn.finish_reason in _RATED:
        candidate["safetyRatings"] = _ratings(stamp.is_vertex)
    candidate |= turn.extras
    if result is not None:
        candidate["logprobsResult"] = result
    note = _NOTES.get(turn.finish_reason) or (_FUNCTION_CALL_NOTE if turn.has_calls and not stamp.is_vertex else None)
    return candidate if note is None else candidate | {"finishMessage": note}


def _logprobs(turn: Turn, config: Any) -> tuple[float | None, dict[str, Any] | None]:
    if not config or not flag_in(config, "responseLogprobs"):
        return None, None
    text = "".join(part["text"] for part in turn.parts if "text" in part and "thought" not in part)
    return logprobs_of(text, whole_in(config, "logprobs") or 0) if text else (None, None)


def _ratings(is_vertex: bool) -> list[dict[str, Any]]:
    """Safety ratings with one category that blocks (wire-http 4.4)."""
    ratings: list[dict[str, Any]] = []
    for category in _CATEGORIES:
        is_bad = category == "DANGEROUS_CONTENT"
        rating: dict[str, Any] = {
            "category": f"HARM_CATEGORY_{category}",
            "probability": "HIGH" if is_bad else "NEGLIGIBLE",
        }
        if is_vertex:
            severity = "HARM_SEVERITY_HIGH" if is_bad else "HARM_SEVERITY_NEGLIGIBLE"
            rating["probabilityScore"] = 0.95 if is_bad else 0.05
            rating |= {"severity": severity, "severityScore": 0.9 if is_bad else 0.1}
        ratings.append(rating | ({"blocked": True} if is_bad else {}))
    return ratings


# ---- around them


def _spent(body: Any, reply: Reply, stamp: Stamp) -> _Spent:
    tier = "" if stamp.is_vertex else (text_in(body, "serviceTier") or "standard").lower()
    return _Spent(tokens_of_request(body), stamp.cached, reply.thought_tokens, reply.tool_tokens, tier)


def _count(parts: tuple[Part, ...], image_tokens: int, counts: dict[str, int]) -> None:
    """Add the tokens of generated parts to `counts`; thoughts are counted elsewhere."""
    for part in parts:
        if "thought" in part:
            continue
        text = part.get("text")
        if text is not None:
            modality, tokens = "TEXT", tokens_of_text(text)
        else:
            counted = {name: value for name, value in part.items() if name != "thoughtSignature"}
            modality, tokens = tokens_of_answer(counted, image_tokens)
        counts[modality] = counts.get(modality, 0) + tokens


def _usage(spent: _Spent, generated: Counts, stamp: Stamp) -> dict[str, Any]:
    """`usageMetadata` in Google's order (wire-http 4.5)."""
    prompt = spent.prompt if not spent.cached else _sum(spent.prompt, spent.cached)
    total = sum(prompt.values())
    made = sum(generated.values())
    usage: dict[str, Any] = {"promptTokenCount": total}
    if made:
        usage["candidatesTokenCount"] = made
    usage["totalTokenCount"] = total + made + spent.thoughts + spent.tools
    if spent.cached:
        usage["cachedContentTokenCount"] = sum(spent.cached.values())
    if stamp.is_vertex:
        usage["trafficType"] = stamp.traffic_type
    if total:
        usage["promptTokensDetails"] = details_of(prompt)
    if spent.cached:
        usage["cacheTokensDetails"] = details_of(spent.cached)
    # The Gemini API tells of what it made only where that is not text alone (wire-http 4.5).
    if made and (stamp.is_vertex or list(generated) != ["TEXT"]):
        usage["candidatesTokensDetails"] = details_of(generated)
    if spent.tools:
        usage["toolUsePromptTokenCount"] = spent.tools
        usage["toolUsePromptTokensDetails"] = details_of({"TEXT": spent.tools})
    if spent.thoughts:
        usage["thoughtsTokenCount"] = spent.thoughts
    if spent.tier:
        usage["serviceTier"] = spent.tier
    return usage


def _sum(one: Counts, other: Counts) -> Counts:
    return {modality: one.get(modality, 0) + other.get(modality, 0) for modality in one.keys() | other.keys()}


def _blocked_answer(reason: str, body: Any, stamp: Stamp) -> dict[str, Any]:
    """A blocked prompt: status 200, no candidates (wire-http 4.4)."""
    feedback: dict[str, Any] = {"blockReason": reason}
    if stamp.is_vertex:
        feedback["blockReasonMessage"] = _BLOCK_MESSAGES.get(reason, "The prompt is blocked by the safety settings.")
    if reason in _RATED:
        feedback["safetyRatings"] = _ratings(stamp.is_vertex)
    if reason == "MODEL_ARMOR" and stamp.is_vertex:
        usage: Members = {"trafficType": stamp.traffic_type}
    else:
        usage = _usage(_spent(body, Reply(()), stamp), {}, stamp)
    return {"promptFeedback": feedback} | _tail(usage, stamp)


def _envelope(candidates: list[dict[str, Any]], usage: Members, stamp: Stamp) -> dict[str, Any]:
    return {"candidates": candidates} | _tail(usage, stamp)


def _tail(usage: Members, stamp: Stamp) -> dict[str, Any]:
    if stamp.is_vertex:
        return {
            "usageMetadata": usage,
            "modelVersion": stamp.model,
            "createTime": stamp.create_time,
            "responseId": stamp.response_id,
        }
    return {"usageMetadata": usage, "modelVersion": stamp.model, "responseId": stamp.response_id}
