"""Answers to countTokens and computeTokens (wire-http 4.1, 4.5)."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from .logprobs import token_id
from .reading import Members, member, members_in, text_in
from .tokens import (
    BYTES_PER_TOKEN,
    Counts,
    billable_characters,
    characters_of,
    details_of,
    tokens_of_request,
    tokens_of_text,
)


def count_answer(body: Any, is_vertex: bool, cached: Counts | None = None) -> dict[str, Any]:
    """The answer to countTokens: of `contents`, of a whole `generateContentRequest`, of Vertex AI's `instances`.

    `cached` are the tokens, by modality, of the cached content that the request names.
    """
    wrapped = member(body, "generateContentRequest")
    counted = body if wrapped is None else wrapped
    counts = dict(tokens_of_request(counted))
    prompts = [prompt for instance in members_in(body, "instances") if (prompt := _prompt(instance))]
    if prompts:
        counts["TEXT"] = counts.get("TEXT", 0) + sum(map(tokens_of_text, prompts))
    for modality, tokens in (cached or {}).items():
        counts[modality] = counts.get(modality, 0) + tokens
    answer: dict[str, Any] = {"totalTokens": sum(counts.values())}
    if is_vertex:
        answer["totalBillableCharacters"] = billable_characters(counted) + sum(map(characters_of, prompts))
    details = details_of(counts)
    if details:
        answer["promptTokensDetails"] = details
    if cached and not is_vertex:
        answer["cachedContentTokenCount"] = sum(cached.values())
    return answer


def compute_answer(body: Any) -> dict[str, Any]:
    """The answer to computeTokens: the tokens of each content or instance, with their made-up numbers."""
    infos = [
        _tokens_info(
            text_in(content, "role") or "user", (text_in(part, "text") for part in members_in(content, "parts"))
        )
        for content in members_in(body, "contents")
    ]
    infos += [_tokens_info("user", [_prompt(instance)]) for instance in members_in(body, "instances")]
    return {"tokensInfo": infos} if infos else {}


def _prompt(instance: Members) -> str:
    return text_in(instance, "prompt") or text_in(instance, "content") or ""


def _tokens_info(role: str, texts: Iterable[str | None]) -> dict[str, Any]:
    tokens = [token for text in texts if text for token in _tokens(text)]
    info: dict[str, Any] = {"role": role}
    if tokens:
        info["tokenIds"] = [str(token_id(token)) for token in tokens]
        info["tokens"] = [b64encode(token).decode() for token in tokens]
    return info


def _tokens(text: str) -> list[bytes]:
    """The bytes of each token, four by four: as many as `tokens_of_text` counts."""
    data = text.encode("utf-8", "replace")
    return [data[start : start + BYTES_PER_TOKEN] for start in range(0, len(data), BYTES_PER_TOKEN)]
