"""A generateContent answer taken apart, for APIs that put the same in other shapes (OpenAI's, Anthropic's)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from .reading import count_in, member, members_in, text_in


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function that the model calls: name, arguments, its id (empty: it has none), its signature (else empty)."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate. `finish_reason` is Google's word (wire-http 4.4); `logprobs` is its `logprobsResult`, if any."""

    text: str = ""
    thoughts: str = ""
    calls: tuple[FunctionCall, ...] = ()
    images: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = "STOP"
    logprobs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens: of the prompt (with the cached ones), of them from a cache, of what is visible, of thinking, in all."""

    prompt: int = 0
    cached: int = 0
    visible: int = 0
    thoughts: int = 0
    total: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        return Spent(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.visible + other.visible,
            self.thoughts + other.thoughts,
            self.total + other.total,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `block_reason` is Google's word if the prompt was blocked (no candidates then), else empty."""

    candidates: tuple[Candidate, ...]
    spent: Spent
    block_reason: str = ""


def reply_of(answer: Any) -> Reply:
    """A unary generateContent answer of either service, taken apart."""
    usage = member(answer, "usageMetadata")
    spent = Spent(
        prompt=count_in(usage, "promptTokenCount") or 0,
        cached=count_in(usage, "cachedContentTokenCount") or 0,
        visible=count_in(usage, "candidatesTokenCount") or 0,
        thoughts=count_in(usage, "thoughtsTokenCount") or 0,
        total=count_in(usage, "totalTokenCount") or 0,
    )
    candidates = tuple(_candidate(value) for value in members_in(answer, "candidates"))
    return Reply(candidates, spent, text_in(member(answer, "promptFeedback"), "blockReason") or "")


def pieces_of(text: str, most: int = 4) -> tuple[str, ...]:
    """The text in at most `most` pieces, cut before spaces where there are any; the empty text has none."""
    size = max(-(-len(text) // most), 1)
    pieces: list[str] = []
    while text:
        cut = len(text) if len(pieces) == most - 1 else text.find(" ", size)
        if cut < 0:
            cut = len(text) if len(text) <= 2 * size else size
        pieces.append(text[:cut])
        text = text[cut:]
    return tuple(pieces)


def _candidate(value: Mapping[str, Any]) -> Candidate:
    text: list[str] = []
    thoughts: list[str] = []
    calls: list[FunctionCall] = []
    images: list[Mapping[str, Any]] = []
    for part in members_in(member(value, "content"), "parts"):
        call, blob = member(part, "functionCall"), member(part, "inlineData")
        if isinstance(part.get("text"), str):
            (thoughts if part.get("thought") is True else text).append(part["text"])
        elif isinstance(call, dict):
            calls.append(_call(part))
        elif isinstance(blob, dict):
            images.append(cast("Mapping[str, Any]", blob))
    return Candidate(
        "".join(text),
        "".join(thoughts),
        tuple(calls),
        tuple(images),
        text_in(value, "finishReason") or "STOP",
        member(value, "logprobsResult"),
    )


def _call(part: Mapping[str, Any]) -> FunctionCall:
    call = member(part, "functionCall")
    arguments = member(call, "args")
    return FunctionCall(
        text_in(call, "name") or "",
        cast("Mapping[str, Any]", arguments) if isinstance(arguments, dict) else {},
        text_in(call, "id") or "",
        text_in(part, "thoughtSignature") or "",
    )
