"""Readers of generateContent answers: one JSON object, server-sent events, or a JSON array; all by one fold."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from ..sse import EventReader
from .reading import GroundingFold, Reading, UsageFold
from .skeleton import LARGEST_SKELETON, Body, Elements, EventLines
from .wire_json import as_array, as_object, as_text, decoded, field, is_object

_TOO_LARGE: Final = f"the body holds more than {LARGEST_SKELETON} bytes beside long strings"
_LONGEST_VERSION: Final = 200


class _Candidate(msgspec.Struct, gc=False):
    index: Any = None
    groundingMetadata: Any = None
    grounding_metadata: Any = None


class _Answer(msgspec.Struct, gc=False):
    """What of a GenerateContentResponse says something about its cost; the rest is skipped, not built."""

    usageMetadata: Any = None
    usage_metadata: Any = None
    modelVersion: Any = None
    model_version: Any = None
    promptFeedback: Any = None
    prompt_feedback: Any = None
    error: Any = None
    candidates: list[_Candidate] | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer, float_hook=Decimal)


def _answers(data: bytes | bytearray) -> list[_Answer]:
    """The answers in one JSON text: one, or those of an array; none if it is not JSON, or is something else."""
    try:
        return [_ANSWER.decode(data)]
    except (ValueError, ArithmeticError, RecursionError):
        value = decoded(data)  # not in Google's form, but perhaps still with usage in it
    return [_loosely(answer) for answer in (as_array(value) or [value]) if is_object(answer)]


def _loosely(answer: dict[str, Any]) -> _Answer:
    known = {name: answer[name] for name in _Answer.__struct_fields__ if name in answer and name != "candidates"}
    candidates = [as_object(candidate) for candidate in as_array(answer.get("candidates"))]
    parts = [{k: c[k] for k in _Candidate.__struct_fields__ if k in c} for c in candidates]
    return _Answer(**known, candidates=[_Candidate(**part) for part in parts])


class _AnswerFold:
    """One GenerateContentResponse, or all the chunks of a stream, folded into a Reading."""

    def __init__(self) -> None:
        self._usage = UsageFold()
        self._grounding = GroundingFold()
        self._model_version: str | None = None
        self._refused = False
        self._answered = False
        self.is_whole = True
        self.problem: str | None = None

    def take(self, answer: _Answer) -> None:
        self._usage.take(answer.usage_metadata if answer.usageMetadata is None else answer.usageMetadata)
        version = as_text(answer.modelVersion or answer.model_version)
        if version:
            self._model_version = version[:_LONGEST_VERSION]
        feedback = as_object(answer.promptFeedback or answer.prompt_feedback)
        self._refused |= bool(field(feedback, "blockReason", "block_reason"))
        if answer.error is not None:
            self.is_whole = False
        for candidate in answer.candidates or ():
            self._answered = True
            metadata = candidate.groundingMetadata
            self._grounding.take(candidate.index, candidate.grounding_metadata if metadata is None else metadata)

    def result(self) -> Reading:
        return Reading(
            usage=self._usage.merged,
            model_version=self._model_version,
            grounding=self._grounding.result(),
            is_blocked=self._refused and not self._answered,
            is_whole=self.is_whole,
            problem=self.problem or self._usage.problem,
        )


class UnaryReader:
    """Reads an answer that is one JSON object; also the arrays in which Google wraps some errors."""

    def __init__(self) -> None:
        self._body = Body()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._body.feed(data)

    def finish(self) -> Reading:
        """What the body said; unreadable if it is too large or not JSON."""
        fold = _AnswerFold()
        answers = _answers(self._body.data)
        for answer in answers:
            fold.take(answer)
        if self._body.is_too_large:
            fold.problem = _TOO_LARGE
        elif not answers:
            fold.problem = "the body is not a JSON object"
        return fold.result()


class StreamReader:
    """Reads an answer that comes as server-sent events (wire-http 4.6).

    The raw JSON error by which Google ends a broken stream (wire-http 5.3) is seen too.
    """

    def __init__(self) -> None:
        self._lines = EventLines()
        self._events = EventReader()
        self._fold = _AnswerFold()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        lines = self._lines.feed(data)
        if lines:
            self._take(lines)

    def finish(self) -> Reading:
        """What the events said, as far as they came."""
        self._take(self._lines.finish())
        for event in self._events.finish():
            self._take_event(event.data)
        if self._lines.is_too_large:
            self._fold.problem = _TOO_LARGE
        return self._fold.result()

    def _take(self, lines: bytes) -> None:
        for event in self._events.feed(lines):
            self._take_event(event.data)

    def _take_event(self, data: bytes) -> None:
        answers = _answers(data)
        for answer in answers:
            self._fold.take(answer)
        if not answers:
            self._fold.is_whole = False


class ArrayReader:
    """Reads an answer that comes as a JSON array written piece by piece (wire-http 4.7), or as a lone object."""

    def __init__(self) -> None:
        self._elements = Elements()
        self._fold = _AnswerFold()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for element in self._elements.feed(data):
            answers = _answers(element)
            for answer in answers:
                self._fold.take(answer)
            if not answers:
                self._fold.is_whole = False

    def finish(self) -> Reading:
        """What the elements said, as far as they came."""
        if self._elements.is_open:
            self._fold.is_whole = False
        if self._elements.is_too_large:
            self._fold.problem = _TOO_LARGE
        return self._fold.result()
