"""Readers of resources that tell about cost: cached contents, and batch jobs with their results (wire-http 9)."""

from typing import Any, Final

from ..surfaces import model_id
from .generate import UnaryReader, answer_reading
from .partners import partner_reading
from .predictions import LeanBody, prediction_reading
from .reading import Batch, CacheReading, Reading
from .wire_json import as_array, as_count, as_object, as_text, field, is_object

MOST_LINES: Final = 50_000
"""Results of one batch that are kept; the rest makes the cost unknown."""

_LONGEST: Final = 1024


def cache_reading(value: dict[str, Any]) -> CacheReading | None:
    """The cached content that an object is; None if it is something else."""
    name = as_text(value.get("name"))[:_LONGEST]
    created, expires = field(value, "createTime", "create_time"), field(value, "expireTime", "expire_time")
    metadata = as_object(field(value, "usageMetadata", "usage_metadata"))
    tokens = as_count(field(metadata, "totalTokenCount", "total_token_count"))
    if "cachedContents/" not in name or tokens is None:
        return None
    times = as_text(created)[:64], as_text(expires)[:64]
    return CacheReading(name, model_id(as_text(value.get("model")))[:200], max(0, tokens), *times)


class CollectionReader:
    """Reads the answer to a POST to a collection: a new cached content, or anything else, which tells nothing here."""

    def __init__(self) -> None:
        self._answer = UnaryReader()
        self._body = LeanBody()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._body.feed(data)
        self._answer.feed(data)

    def finish(self) -> Reading:
        """The cached content, or what any answer would have said."""
        value = self._body.value
        cache = cache_reading(value) if is_object(value) else None
        return self._answer.finish() if cache is None else Reading(cache=cache)


class _Results:
    """The lines of a batch, one after another."""

    def __init__(self) -> None:
        self.lines: list[Reading] = []
        self.failed = 0
        self.problem: str | None = None

    def take(self, line: dict[str, Any]) -> None:
        """Take one result."""
        reading = line_reading(line)
        if reading is None:
            self.failed += 1
        elif len(self.lines) < MOST_LINES:
            self.lines.append(reading)
        else:
            self.problem = f"the batch has more than {MOST_LINES} results"


def batch_of(operation: dict[str, Any]) -> Reading | None:
    """The results inside a batch job that is done (Gemini API); None if the object is no such job."""
    name = as_text(operation.get("name"))[:_LONGEST]
    if not name.startswith("batches/"):
        return None
    metadata = as_object(operation.get("metadata"))
    model = model_id(as_text(metadata.get("model")))[:200] or None
    answer = as_object(operation.get("response")) or as_object(metadata.get("output"))
    inlined = as_object(answer.get("inlinedResponses")) or as_object(answer.get("inlinedEmbedContentResponses"))
    results = _Results()
    for entry in as_array(inlined.get("inlinedResponses")):
        results.take(as_object(entry))
    batch = Batch(tuple(results.lines), results.failed, name, model, is_elsewhere=not inlined)
    return Reading(batch=batch, problem=results.problem)


def line_reading(line: dict[str, Any]) -> Reading | None:
    """What one result of a batch said; None for a failed one, which is free.

    The answer stands under `response` (Gemini API, Vertex AI, Claude), under `prediction` or bare. A Vertex line
    that failed has a `status` of words; one of OpenAI's shape has its answer a level lower, in `body`.
    """
    response = as_object(line.get("response") or line.get("prediction"))
    answer = as_object(response.get("body")) or response or line
    has_failed = answer.get("error") is not None or line.get("error") or line.get("status")
    if has_failed or (answer is line and _is_bare(line)):
        return None
    if "usage" in answer:
        return partner_reading(answer)
    if answer.keys() & {"embedding", "embeddings", "predictions"}:
        return prediction_reading(answer)
    return answer_reading(answer)


def _is_bare(line: dict[str, Any]) -> bool:
    """Whether a line is no answer of its own."""
    return not line.keys() & {"usageMetadata", "usage_metadata", "usage", "embedding", "predictions", "candidates"}


class BatchLinesReader:
    """Reads the results of a batch as a file: one JSON object a line; long strings and vectors are not kept."""

    def __init__(self) -> None:
        self._line = LeanBody()
        self._has_text = False
        self._results = _Results()
        self._is_whole = True

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._feed_line(piece)
            self._end_line()
        self._feed_line(rest)

    def _feed_line(self, piece: bytes) -> None:
        if piece.strip():
            self._has_text = True
        if piece:
            self._line.feed(piece)

    def _end_line(self) -> None:
        if self._has_text:
            value = self._line.value
            if is_object(value):
                self._results.take(value)
            else:
                self._is_whole = False
        self._line, self._has_text = LeanBody(), False

    def finish(self) -> Reading:
        """The batch, as far as it came."""
        self._end_line()
        batch = Batch(tuple(self._results.lines), self._results.failed)
        return Reading(batch=batch, is_whole=self._is_whole, problem=self._results.problem)


def batch_lines(body: bytes) -> Reading:
    """The same from a whole body."""
    reader = BatchLinesReader()
    reader.feed(body)
    return reader.finish()
