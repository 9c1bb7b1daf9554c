"""Checks of what the gateway's books say that requests cost (requirements COST).

The cost of each probe is a literal, worked out by hand against scenarios/prices.yaml; the sum stands beside it.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ..pricing.cost import plain
from ..scenario.model import Scenario
from ..surfaces import Surface
from .errors import google_error
from .model import JSON_HEADERS, Ask, Books, Case, Check, Converse, Drop, Figure, Finding, Judge, Probe
from .operations import VIDEO, polls, veo_probe
from .probes import GEMINI_MODEL, GENERATE, HELLO, STREAM, VERTEX, Document, http_probe, live_probe, reply
from .sessions import GOODBYE, OPENED, OPENING, TURN_END, UNTIL_CLOSED, said

_PRO: Final = "gemini-2.5-pro"
_FAST_VEO: Final = "veo-3.1-fast-generate-001"
_NOBODYS: Final = "gemini-of-nobody-1"
"""A model that is in no price book."""

Usage = Mapping[str, Any]


def _answer(usage: Usage, model: str = GEMINI_MODEL, **candidate: Any) -> Document:
    """An answer with this usage, as JSON."""
    said_by = {"content": {"role": "model", "parts": [{"text": "Good day."}]}, "index": 0, **candidate}
    return {"candidates": [said_by], "usageMetadata": usage, "modelVersion": model}


def _tokens(prompt: int, answer: int, **more: Any) -> Usage:
    total = prompt + answer + int(more.get("thoughtsTokenCount", 0))
    return {"promptTokenCount": prompt, "candidatesTokenCount": answer, "totalTokenCount": total, **more}


def _unary(id: str, title: str, usage: Usage, cost: str, model: str = GEMINI_MODEL, **words: Any) -> Probe:
    """A unary answer with this usage, on the Gemini API."""
    return http_probe(
        f"cost/{id}",
        title,
        Ask(f"/v1beta/models/{model}:generateContent", body=HELLO, **words),
        server=[{"reply": {"json": _answer(usage, model, finishReason="STOP")}}],
        model=model,
        expect={"cost": cost},
    )


def _streamed(id: str, title: str, ask: Ask, chunks: Sequence[Document], cost: str | None, **words: Any) -> Probe:
    """A stream of these parts, on the Gemini API."""
    server = [{"stream": {"chunks": list(chunks)}}]
    return http_probe(f"cost/{id}", title, ask, server=server, expect={"cost": cost} if cost else None, **words)


def _turn(usage: Usage) -> tuple[Document, ...]:
    """A server's steps: one turn of a session, billed by its last message."""
    return (
        {"receive": {"json": {"clientContent": {"turnComplete": True}}}},
        {"send": {"json": {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": "Good day."}]}}}}},
        {"send": {"json": {"serverContent": {"turnComplete": True}, "usageMetadata": usage}}},
    )


_QUESTION: Final = said(
    {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hello"}]}], "turnComplete": True}}
)


def _details(stem: str, **counts: int) -> Usage:
    return {f"{stem}TokensDetails": [{"modality": name, "tokenCount": count} for name, count in counts.items()]}


# -- HTTP

# 8 x 0.0000003 + 20 x 0.0000025
_PLAIN_COST: Final = "0.0000524"
_UNARY: Final = _unary("unary", "A unary answer", _tokens(8, 20), _PLAIN_COST)
_VERTEX_UNARY: Final = http_probe(
    "cost/vertex-unary",
    "A unary answer of Vertex AI",
    Ask(f"{VERTEX}{GEMINI_MODEL}:generateContent", body=HELLO),
    server=[{"reply": {"json": _answer({**_tokens(8, 20), "trafficType": "ON_DEMAND"})}}],
    surface=Surface.VERTEX,
    expect={"cost": _PLAIN_COST},
)
_LAST_COUNTS: Final = (
    {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": "Good "}]}, "index": 0}]}},
    {"json": _answer(_tokens(8, 20), finishReason="STOP")},
)
_SSE: Final = Ask(STREAM, query="alt=sse", body=HELLO)
_STREAM: Final = _streamed("stream", "A stream of events, billed by its last", _SSE, _LAST_COUNTS, _PLAIN_COST)
_ARRAY: Final = _streamed(
    "json-array",
    "A stream that is a JSON array, billed by its last element",
    Ask(STREAM, body=HELLO),
    _LAST_COUNTS,
    _PLAIN_COST,
)
_COUNTED: Final = http_probe(
    "cost/count-tokens",
    "Counting tokens is free",
    Ask(f"/v1beta/models/{GEMINI_MODEL}:countTokens", body=HELLO),
    server=[{"reply": {"json": {"totalTokens": 31, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]}}}],
    expect={"cost": "0"},
)
_CUMULATIVE: Final = _streamed(
    "stream-cumulative",
    "A stream in which every event has the usage so far",
    _SSE,
    [
        {"json": _answer(_tokens(8, 1))},
        {"json": _answer(_tokens(8, 3))},
        {"json": _answer({"candidatesTokenCount": 6, "totalTokenCount": 14}, finishReason="STOP")},
    ],
    "0.0000174",  # 8 x 0.0000003 + 6 x 0.0000025: the latest of each count, not the sum of all
)
_THOUGHTS: Final = _unary(
    "thoughts",
    "An answer after thinking",
    _tokens(100, 20, thoughtsTokenCount=30),
    "0.00053",  # 100 x 0.000001 + 20 x 0.000008 + 30 x 0.000009
    _PRO,
)
_CACHED: Final = _unary(
    "cached",
    "A prompt of which most was cached",
    _tokens(1000, 20, cachedContentTokenCount=800, **_details("cache", TEXT=800)),
    "0.00044",  # 200 x 0.000001 + 800 x 0.0000001 + 20 x 0.000008
    _PRO,
)
_AUDIO: Final = _unary(
    "audio-prompt",
    "A prompt with audio in it",
    _tokens(60, 20, **_details("prompt", TEXT=10, AUDIO=50)),
    "0.000103",  # 10 x 0.0000003 + 50 x 0.000001 + 20 x 0.0000025
)
_LONG: Final = _unary(
    "long-context",
    "A prompt above 200000 tokens",
    _tokens(250_000, 100),
    "0.5012",  # 250000 x 0.000002 + 100 x 0.000012
    _PRO,
)
_UNKNOWN: Final = http_probe(
    "cost/unknown-model",
    "A model without a price",
    Ask(f"/v1beta/models/{_NOBODYS}:generateContent", body=HELLO),
    server=[{"reply": {"json": _answer(_tokens(8, 20), _NOBODYS)}}],
    model=_NOBODYS,
)
_ERRORS: Final = http_probe(
    "cost/errors",
    "Refusals are free",
    Ask(GENERATE, body=HELLO),
    server=[google_error(429)],
    expect={"cost": "0"},
)
_BLOCKED: Final = http_probe(
    "cost/blocked-prompt",
    "A prompt that was blocked is billed, its answer is not there",
    Ask(GENERATE, body=HELLO),
    server=[
        {
            "reply": {
                "json": {
                    "promptFeedback": {"blockReason": "SAFETY"},
                    "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12},
                    "modelVersion": GEMINI_MODEL,
                }
            }
        }
    ],
    expect={"cost": "0.0000036"},  # 12 x 0.0000003
)
_BROKEN: Final = _streamed(
    "interrupted-by-provider",
    "The provider breaks off a stream",
    _SSE,
    [{"json": _answer(_tokens(8, 1))}, {"json": _answer(_tokens(8, 3))}, {"fault": {"truncate": 0}}],
    None,
)
_LEFT: Final = _streamed(
    "interrupted-by-client",
    "The client leaves in the middle of a stream",
    Ask(STREAM, query="alt=sse", body=HELLO, leaves="mid-answer", leaves_after=1),
    [{"json": _answer(_tokens(8, 1))}, {"pause": "2s"}, {"json": _answer(_tokens(8, 3), finishReason="STOP")}],
    None,
    speed=1.0,
)
_GZIPPED: Final = http_probe(
    "cost/gzip",
    "An answer that is compressed",
    Ask(GENERATE, headers=(*JSON_HEADERS, (b"Accept-Encoding", b"gzip")), body=HELLO),
    server=[
        reply(
            headers={"Content-Type": "application/json; charset=UTF-8", "Content-Encoding": "gzip"},
            body=gzip.compress(json.dumps(_answer(_tokens(8, 20), finishReason="STOP")).encode(), mtime=0),
        )
    ],
    expect={"cost": _PLAIN_COST},
)
_CLIENT_SAYS: Final = _unary(
    "client-says",
    "The client names a cost and a usage of its own",
    _tokens(8, 20),
    _PLAIN_COST,
    headers=(*JSON_HEADERS, (b"X-LiteLLM-Response-Cost", b"0"), (b"X-Goog-Usage", b'{"promptTokenCount":0}')),
)

# -- Live

_LIVE_GEMINI: Final = live_probe(
    "cost/live-gemini",
    "One turn of the Gemini API, whose answer's tokens are called response",
    Converse((*OPENING, _QUESTION, TURN_END, GOODBYE)),
    [
        *OPENED,
        *_turn(
            {
                "promptTokenCount": 12,
                "responseTokenCount": 25,
                "totalTokenCount": 37,
                **_details("prompt", TEXT=12),
                **_details("response", AUDIO=25),
            }
        ),
        UNTIL_CLOSED,
    ],
    surface=Surface.GEMINI_LIVE,
    expect={"cost": "0.000306"},  # 12 x 0.0000005 + 25 x 0.000012
)
_FIRST_TURN: Final = _tokens(10, 4, **_details("prompt", TEXT=10), **_details("candidates", TEXT=4))
_SECOND_TURN: Final = _tokens(30, 6, **_details("prompt", TEXT=30), **_details("candidates", AUDIO=6))
_LIVE_VERTEX: Final = live_probe(
    "cost/live-vertex",
    "One turn of Vertex AI, whose answer's tokens are called candidates",
    Converse((*OPENING, _QUESTION, TURN_END, GOODBYE)),
    [*OPENED, *_turn(_SECOND_TURN), UNTIL_CLOSED],
    expect={"cost": "0.000087"},  # 30 x 0.0000005 + 6 x 0.000012
)
_LIVE_TURNS: Final = live_probe(
    "cost/live-every-turn",
    "Two turns, each of which bills what was said before once more",
    Converse((*OPENING, _QUESTION, TURN_END, _QUESTION, TURN_END, GOODBYE)),
    [*OPENED, *_turn(_FIRST_TURN), *_turn(_SECOND_TURN), UNTIL_CLOSED],
    expect={"cost": "0.0001"},  # (10 + 30) x 0.0000005 + 4 x 0.000002 + 6 x 0.000012
)
_LIVE_LOST: Final = live_probe(
    "cost/live-lost",
    "A session that ends without a close, after a turn",
    Converse((*OPENING, _QUESTION, TURN_END, Drop())),
    [*OPENED, *_turn(_FIRST_TURN), UNTIL_CLOSED],
    expect={"cost": "0.000013"},  # 10 x 0.0000005 + 4 x 0.000002
)

# -- video

_VIDEO: Final = veo_probe(
    "cost/video-once",
    "A job that is polled again after it was done",
    {"running_polls": 1, "then": {"videos": 1}},
    ({"start": {"json": VIDEO}}, polls(4), polls(1), polls(1)),
    surface=Surface.VERTEX_VEO,
    expect={"cost": "3.20"},  # 8 seconds x 0.40, once
)
_SILENT: Final = veo_probe(
    "cost/video-without-audio",
    "A job whose video has no sound",
    {"then": {"videos": 1}},
    (
        {"start": {"json": {**VIDEO, "parameters": {"durationSeconds": 6, "sampleCount": 1, "generateAudio": False}}}},
        polls(2),
    ),
    surface=Surface.VERTEX_VEO,
    model=_FAST_VEO,
    expect={"cost": "0.60"},  # 6 seconds x 0.10
)
_REFUSED_VIDEO: Final = veo_probe(
    "cost/refused-video",
    "A job that ends with an error",
    {"running_polls": 1, "then": {"error": {"code": 3, "message": "The prompt was refused."}}},
    ({"start": {"json": VIDEO}}, polls(4)),
    surface=Surface.VERTEX_VEO,
    expect={"cost": "0"},
)


# -- judging


def _figure_line(figure: Figure) -> str:
    amount = "unknown" if figure.amount is None else f"{figure.amount:f}"
    return f"{figure.id}: {amount}" + (" (estimated)" if figure.is_estimated else "")


def _evidence(case: Case, wanted: Decimal | None = None) -> tuple[str, ...]:
    """What should have been booked, and by which prices, beside what was."""
    books = _books(case)
    by = "our engine, Google's prices" if case.target.price_book == "shipped" else "the scenario's sum, frozen prices"
    lines = () if wanted is None else (f"wanted: {plain(wanted)} ({by})",)
    return (*lines, *(_figure_line(figure) for figure in books.figures[:6]))


def _books(case: Case) -> Books:
    """The books of a case; a check of costs is judged only where there are any."""
    return case.books or Books()


def _missing(case: Case) -> Finding:
    within_s = case.target.cost.within_s
    return Finding(f"No figure was found within {within_s:g} s.", is_timeout=True)


def _exact(case: Case) -> Iterator[Finding]:
    """All that was booked, together, is exactly what was expected."""
    books, wanted = _books(case), case.expected
    if wanted is None:
        raise ValueError("the price book names no cost for what was played")
    if wanted == 0:
        yield from _free(case)
    elif not books.figures:
        yield _missing(case)
    elif books.total is None:
        yield Finding("The cost is called unknown.", _evidence(case, wanted))
    elif books.total != wanted:
        yield Finding("The cost is wrong.", _evidence(case, wanted))


def _free(case: Case) -> Iterator[Finding]:
    """What is free may be booked with 0 or not at all."""
    books = _books(case)
    if any(figure.amount is None for figure in books.figures):
        yield Finding("The cost of what is free is called unknown.", _evidence(case, Decimal(0)))
    elif books.total:
        yield Finding("What is free was billed.", _evidence(case, Decimal(0)))


def _unknown(case: Case) -> Iterator[Finding]:
    """Unknown, and said so; where costs stand in a header, its absence says so too."""
    books = _books(case)
    if not books.figures and case.target.cost.kind != "header":
        yield _missing(case)
    if any(figure.amount is not None for figure in books.figures):
        yield Finding("A model without a price was given a cost.", _evidence(case))


def _not_exact(case: Case) -> Iterator[Finding]:
    """An estimate above 0, or unknown."""
    books = _books(case)
    if not books.figures:
        yield _missing(case)
    for figure in books.figures:
        if figure.amount == 0:
            yield Finding("A stream that was cut short is booked as free.", _evidence(case))
        elif figure.amount is not None and not figure.is_estimated:
            yield Finding("The cost of a stream that was cut short is passed off as exact.", _evidence(case))


def _has_cost(scenario: Scenario) -> bool:
    return scenario.expect.cost is not None


_PRICES: Final = "ai.google.dev/gemini-api/docs/pricing"


def _check(id: str, sentence: str, *probes: Probe, judge: Judge = _exact, reference: str = _PRICES) -> Check:
    return Check(id, sentence, judge, "must", ("cost",), reference, probes, needs_books=True)


CHECKS: Final = (
    _check("COST-1/unary", "A unary answer costs what its usage says.", _UNARY),
    _check("COST-1/vertex-unary", "A unary answer of Vertex AI costs what its usage says.", _VERTEX_UNARY),
    _check("COST-1/stream", "A stream of events costs what its usage says.", _STREAM),
    _check("COST-1/json-array", "A stream that is a JSON array costs what its usage says.", _ARRAY),
    _check("COST-1/count-tokens-free", "Counting tokens is free.", _COUNTED, judge=_free),
    Check(
        "COST-1/library",
        "Every scenario of the library costs exactly what it says.",
        _exact,
        "must",
        ("cost",),
        _PRICES,
        fits=_has_cost,
        needs_books=True,
    ),
    _check(
        "COST-2/stream-cumulative",
        "The counts of a stream are totals so far: the latest of each counts, nothing is summed.",
        _CUMULATIVE,
        reference="BerriAI/litellm#36523",
    ),
    _check("COST-3/thoughts", "Thinking is billed on top of the answer, at its own rate if it has one.", _THOUGHTS),
    _check("COST-3/cached", "What was cached is billed at the rate of the cache.", _CACHED),
    _check("COST-3/audio-prompt", "Audio in the prompt is billed at its own rate.", _AUDIO),
    _check("COST-3/long-context", "Above 200000 tokens of prompt the rates of long context hold.", _LONG),
    _check(
        "COST-4/unknown-model",
        "The cost of a model without a price is unknown, never 0.",
        _UNKNOWN,
        judge=_unknown,
        reference="BerriAI/litellm model_prices_and_context_window",
    ),
    _check("COST-5/errors-free", "A refusal costs nothing.", _ERRORS, judge=_free),
    _check("COST-5/blocked-prompt", "A blocked prompt costs its prompt.", _BLOCKED),
    _check(
        "COST-6/interrupted-stream",
        "A stream that was cut short is booked by the usage seen so far as an estimate, or as unknown; never as exact.",
        _BROKEN,
        _LEFT,
        judge=_not_exact,
        reference="BerriAI/litellm#30667",
    ),
    _check("COST-7/gzip", "An answer that is compressed is billed like any other.", _GZIPPED),
    _check("COST-8/live-gemini", "A Live turn of the Gemini API is billed by responseTokenCount.", _LIVE_GEMINI),
    _check("COST-8/live-vertex", "A Live turn of Vertex AI is billed by candidatesTokenCount.", _LIVE_VERTEX),
    _check("COST-8/live-every-turn", "Every turn of a session is billed, and they add up.", _LIVE_TURNS),
    _check("COST-8/live-abnormal-end", "A session that ends without a close is billed all the same.", _LIVE_LOST),
    _check("COST-9/video-once", "A video is billed once, however often it is polled.", _VIDEO),
    _check("COST-9/video-without-audio", "A video without sound is billed at its own rate.", _SILENT),
    _check("COST-9/refused-video-free", "A job that ends with an error costs nothing.", _REFUSED_VIDEO, judge=_free),
    _check("COST-11/client-cannot-say", "What the client says of cost and usage changes nothing.", _CLIENT_SAYS),
)
