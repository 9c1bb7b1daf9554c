"""Rules about answers: taken for whole though they broke off, or not waited for. Pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from ..messages import Exchange
from ..redaction import redacted_target
from .endings import CLIENT_LEFT, INJECTED
from .model import NAMED, Finding, Rule, shown_s
from .reading import entries, json_of, member, objects_in, text
from .seen import Seen

SILENCE_S: Final = 30.0
"""A client that leaves after so long a silence has not left without need: that is a time limit."""

_STREAM: Final = "streamGenerateContent"
_OK: Final = 200


def _truncated_stream_accepted(seen: Seen) -> Iterator[Finding]:
    answers = [exchange for exchange in seen.calls if _is_stream(exchange)]
    cut = [exchange for exchange in answers if _is_cut(exchange)]
    if not cut:
        return
    broken = {exchange.id for exchange in cut}
    whole = {_text(exchange) for exchange in answers if exchange.id not in broken}
    quotes: defaultdict[str, list[Exchange]] = defaultdict(list)
    for later in seen.calls:
        if b"contents" in later.request.body:
            for turn in _quoted(later):
                quotes[turn].append(later)
    for exchange in cut:
        said = _text(exchange)
        # A whole answer of the same words may be what is quoted.
        if not said or said in whole:
            continue
        quoting = quotes.get(said, [])
        first = bisect_left(quoting, exchange.ended, key=_started)
        if first < len(quoting):
            later = quoting[first]
            how = "broke off" if exchange.failure else "had no finishReason"
            why = f"an answer that {how} after {len(said)} characters stands in a later request as the model's turn"
            yield Finding(f"{why}: {_named(exchange)}", (exchange.id, later.id))


def _started(exchange: Exchange) -> float:
    return exchange.started


def _is_stream(exchange: Exchange) -> bool:
    response = exchange.response
    return response is not None and response.status == _OK and _STREAM in exchange.request.path


def _is_cut(exchange: Exchange) -> bool:
    """Whether an answer broke off, on purpose, or ended properly without having been finished."""
    if exchange.failure is not None:
        return exchange.failure.startswith(INJECTED)
    body = exchange.response.body if exchange.response is not None else b""
    return b'"finishReason"' not in body and b'"error"' not in body


def _text(exchange: Exchange) -> str:
    """What the stream said before it ended, of its first candidate."""
    body = exchange.response.body if exchange.response is not None else b""
    return "".join(_said(value) for value in objects_in(body)).strip()


def _said(value: Any) -> str:
    candidates = entries(value, "candidates")
    return _words(member(candidates[0], "content")) if candidates else ""


def _quoted(exchange: Exchange) -> set[str]:
    """The model's turns in a request."""
    turns = entries(json_of(exchange.request.body), "contents")
    return {_words(turn).strip() for turn in turns if text(turn, "role") == "model"}


def _words(content: Any) -> str:
    return "".join(text(part, "text") for part in entries(content, "parts") if member(part, "thought") is not True)


def _answer_abandoned(seen: Seen) -> Iterator[Finding]:
    left = [exchange for exchange in seen.calls if _is_abandoned(exchange)]
    if left:
        first = left[0]
        size = len(first.response.body) if first.response is not None else 0
        after = shown_s(first.ended - first.started)
        others = f" ({len(left)} answers)" if len(left) > 1 else ""
        why = f"left {after} after its request, with {size} bytes of the answer: {_named(first)}{others}"
        yield Finding(why, tuple(exchange.id for exchange in left[:NAMED]))


def _is_abandoned(exchange: Exchange) -> bool:
    if exchange.failure != CLIENT_LEFT or exchange.origin.faults:
        return False
    chunks = exchange.response.chunks if exchange.response is not None else ()
    heard = chunks[-1].at if chunks else exchange.started
    return exchange.ended - heard < SILENCE_S


def _named(exchange: Exchange) -> str:
    return f"{exchange.request.method} {redacted_target(exchange.request.target)}"


RULES: Final = (
    Rule(
        "truncated_stream_accepted",
        "warned",
        "It took a stream that broke off for the whole answer.",
        "What had come of a `streamGenerateContent` answer that broke off, or that ended without a `finishReason`,"
        " stands in a later request as a turn of the model, word for word.",
        "wire-http 5.3; RFC 9112 8: an incomplete message",
        _truncated_stream_accepted,
    ),
    Rule(
        "answer_abandoned",
        "warned",
        "It left before the answer was at its end; tokens are charged all the same.",
        "The client ended the connection before the end of an answer without a fault, less than 30 s after the last of"
        " it had come.",
        "RFC 9112 9.5; a provider counts what it generated",
        _answer_abandoned,
    ),
)
