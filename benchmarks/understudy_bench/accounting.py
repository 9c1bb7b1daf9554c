"""What reading usage and pricing it costs beside plain work on the same bytes: no sockets, CPU time of this process.

The bytes are what the gateway's meters see: a small answer, an answer with a picture of megabytes in chunks, and a Live
frame of sound that carries no usage.
"""

import base64
import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from statistics import median
from typing import Final

from understudy.price_books import price_book
from understudy.pricing.exchanges import cost_of
from understudy.usage.live import LiveReader
from understudy.usage.readers import reader_for

from .limits import limited
from .rows import Row

ACCOUNTING: Final = "accounting"
SMALLEST_ROUND_S: Final = 0.02

_MODEL: Final = "gemini-2.5-flash"
_DAY: Final = date(2026, 11, 21)
_CHUNK: Final = 64 * 1024
_USAGE: Final = {
    "promptTokenCount": 1800,
    "candidatesTokenCount": 700,
    "totalTokenCount": 2535,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1800}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 700}],
    "thoughtsTokenCount": 35,
    "trafficType": "ON_DEMAND",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Our work and the plain work beside it, on the same bytes."""

    name: str
    unit: str
    reference: str
    ours: Callable[[], object]
    plain: Callable[[], object]


def pairs() -> tuple[Pair, ...]:
    """The three figures of performance-notes, usage on the side."""
    return (_small_answer(), _large_answer(), _live_frame())


def accounting_rows(repetitions: int, versions: Mapping[str, str], round_s: float = SMALLEST_ROUND_S) -> list[Row]:
    """A row for each pair: both sides by turns in every repetition, the ratio formed inside it."""
    return [_row(pair, repetitions, versions, round_s) for pair in pairs()]


def _row(pair: Pair, repetitions: int, versions: Mapping[str, str], round_s: float) -> Row:
    ours, plain = _rounds(pair.ours, round_s), _rounds(pair.plain, round_s)
    samples = [(_cpu_s(pair.ours, ours), _cpu_s(pair.plain, plain)) for _ in range(repetitions)]
    ratios = [mine / theirs for mine, theirs in samples]
    name = f"{ACCOUNTING}-{pair.name}/engine"
    row = Row(
        name=name,
        value=median(mine for mine, _ in samples) * 1e6,
        unit=f"us/{pair.unit}",
        reference=pair.reference,
        ratio=median(ratios),
        versions=versions,
        spread=(max(ratios) - min(ratios)) / median(ratios),
        repetitions=repetitions,
    )
    return limited(row)


def _rounds(work: Callable[[], object], round_s: float) -> int:
    """How often the work must be done so that the clock sees it."""
    work()
    return max(1, int(round_s / max(_cpu_s(work, 3), 1e-7)))


def _cpu_s(work: Callable[[], object], rounds: int) -> float:
    """Seconds of CPU for one time."""
    start = time.process_time_ns()
    for _ in range(rounds):
        work()
    return (time.process_time_ns() - start) / rounds / 1e9


def _priced(chunks: tuple[bytes, ...]) -> Callable[[], object]:
    book = price_book("shipped")

    def work() -> object:
        reader = reader_for("generateContent", "application/json; charset=UTF-8", "")
        for chunk in chunks:
            reader.feed(chunk)
        return cost_of(book, "gemini", _MODEL, reader.finish(), method="generateContent", date=_DAY).total

    if work() is None:
        raise AssertionError("the bench measures an answer whose cost is unknown")
    return work


def _answer(part: Mapping[str, object]) -> bytes:
    ratings = [{"category": f"HARM_CATEGORY_{n}", "probability": "NEGLIGIBLE"} for n in range(4)]
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "safetyRatings": ratings}
    answer = {"candidates": [candidate], "usageMetadata": _USAGE, "modelVersion": _MODEL, "responseId": "a1"}
    return json.dumps(answer, indent=2).encode()


def _noise(size: int) -> str:
    """Base64 of bytes that do not repeat: one repeated byte hits the best or the worst of a search."""
    return base64.b64encode(Random(0).randbytes(size)).decode()  # noqa: S311 - no secret


def _small_answer() -> Pair:
    body = _answer({"text": "Plain words, one after another. " * 85})
    return Pair("4k", "response", "json.loads", _priced((body,)), lambda: json.loads(body))


def _large_answer() -> Pair:
    body = _answer({"inlineData": {"mimeType": "image/png", "data": _noise(7_860_000)}})
    chunks = tuple(body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK))

    def checksum() -> int:
        value = 0
        for chunk in chunks:
            value = zlib.crc32(chunk, value)
        return value

    return Pair("10m", "response", "zlib.crc32", _priced(chunks), checksum)


def _live_frame() -> Pair:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": _noise(49_000)}
    frame = json.dumps({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}).encode()
    reader = LiveReader("gemini")
    return Pair("live-64k", "frame", "json.loads", lambda: reader.server_message(frame), lambda: json.loads(frame))
