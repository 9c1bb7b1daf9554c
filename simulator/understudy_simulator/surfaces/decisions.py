"""Decisions: questions about an input, answered with probabilities (sdk-surface, row d1).

The answers are drawn by hash from the seed, the input and the question, and keep what the SDK's types promise of them:
probabilities add up to 1, `confidence` is that of the winner, a score is the expected level, `noul` is in [0.01, 0.99].
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ..answers.reading import text_in
from ..answers.tokens import tokens_of_text
from ..call import Answer, Call, Json
from ..catalogue import model_of
from ..routing import Route
from ..snake_resources import refusal, route

_LEAST, _MOST = 2, 255
_DIGITS: Final = 4
_PARTS: Final = 10**_DIGITS


def create(call: Call) -> Answer:
    """Answer every question."""
    body = call.members
    name = (text_in(body, "model") or "").removeprefix("models/").removeprefix("publishers/google/models/")
    if model_of(name, call.is_vertex, now=call.now) is None:
        return refusal("model_not_found", f"Model '{name}' was not found.")
    questions = cast("dict[str, dict[str, Any]]", body["questions"])
    if not questions:
        return refusal("invalid_request", "Missing required parameter 'questions'.")
    answers: dict[str, Any] = {}
    for key, question in questions.items():
        mistake = _mistake(key, question)
        if mistake is not None:
            return refusal("invalid_request", mistake)
        answers[key] = _answered(question, f"{call.identity.seed}\0{_text(body['input'])}\0{_text(question)}")
    tokens = tokens_of_text(_text(body["input"])) + tokens_of_text(_text(questions))
    usage = {"total_tokens": tokens, "total_input_tokens": tokens, "total_output_tokens": 0}
    return Json({"answers": answers, "usage": usage})


def _mistake(key: str, question: Mapping[str, Any]) -> str | None:
    place = f"questions.{key[:80]}"
    if not question["instructions"]:
        return f"Missing required parameter '{place}.instructions'."
    if question["type"] == "noul":
        return None
    criteria: Any = question["criteria"]
    if not _LEAST <= len(criteria) <= _MOST:
        return f"Invalid value at '{place}.criteria': there must be {_LEAST} to {_MOST} of them."
    names = cast("list[str]", list(criteria))
    if any(not name or name != name.strip() or not name.isprintable() for name in names):
        return f"Invalid value at '{place}.criteria': one of them is empty or has spaces around it."
    return None


def _answered(question: Mapping[str, Any], seed: str) -> dict[str, Any]:
    match question["type"]:
        case "choice":
            names = list(cast("dict[str, str]", question["criteria"]))
            shares = dict(zip(names, _shares(seed, len(names)), strict=True))
            winner = max(names, key=lambda name: shares[name])
            return _told("choice", choice=winner, confidence=shares[winner], probabilities=shares)
        case "score":
            levels = cast("list[str]", question["criteria"])
            shares = _shares(seed, len(levels))
            score = round(sum(level * share for level, share in enumerate(shares)), _DIGITS)
            legend = {str(level): text for level, text in enumerate(levels)}
            probabilities = {str(level): share for level, share in enumerate(shares)}
            return _told("score", score=score, confidence=max(shares), probabilities=probabilities, legend=legend)
        case _:
            noul = round(0.01 + 0.98 * _draws(seed, 1)[0] / 0xFFFF, _DIGITS)
            return _told("noul", noul=noul, confidence=round(max(noul, 1 - noul), _DIGITS))


def _told(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, **members}


def _shares(seed: str, count: int) -> list[float]:
    """Probabilities with four digits that add up to 1; one of them is well above the others."""
    draws = _draws(seed, count)
    draws[draws.index(max(draws))] += sum(draws)
    total = sum(draws)
    parts = [draw * _PARTS // total for draw in draws]
    parts[parts.index(max(parts))] += _PARTS - sum(parts)
    return [part / _PARTS for part in parts]


def _draws(seed: str, count: int) -> list[int]:
    """As many numbers from 1 to 65535."""
    return [
        int.from_bytes(hashlib.sha256(f"{seed}\0{number}".encode("utf-8", "surrogatepass")).digest()[:2]) or 1
        for number in range(count)
    ]


def _text(value: str | Sequence[Any] | Mapping[str, Any]) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


ROUTES: Final[tuple[Route, ...]] = (route("POST", "decisions", "CreateDecision", create, kind="generating"),)
