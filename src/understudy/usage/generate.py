"""Readers of generateContent answers: one JSON object, server-sent events, or a JSON array; all by one fold."""

from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from .bodies import TOO_LARGE, EventsReader, object_reading
from .policies import DOCUMENTED, Policies
from .reading import Content, GroundingFold, Nothing, Reading, UsageFold, UsualUsage
from .requests import billable
from .skeleton import Body, Elements, is_placeholder
from .wire_json import as_array, as_object, as_text, decoded, field, is_object

_LONGEST_VERSION: Final = 200


class _UsualCandidate(msgspec.Struct, gc=False):
    groundingMetadata: Nothing | None = None
    grounding_metadata: Nothing | None = None


class _UsualAnswer(msgspec.Struct, gc=False):
    """An answer that tells its usage and its model's version in the usual way, and nothing else about its cost.

    Nearly every answer is one, and each response is on this path: what its decoder takes needs no further care. It
    refuses grounding, blocked prompts, errors, other spellings; those are for `_Answer`, which takes anything.
    """

    usageMetadata: UsualUsage | None = None
    usage_metadata: Nothing | None = None
    modelVersion: Annotated[str, msgspec.Meta(max_length=_LONGEST_VERSION)] | None = None
    model_version: Nothing | None = None
    promptFeedback: Nothing | None = None
    prompt_feedback: Nothing | None = None
    error: Nothing | None = None
    candidates: list[_UsualCandidate] | None = None


_USUAL: Final = msgspec.json.Decoder(_UsualAnswer)


class _Candidate(msgspec.Struct, gc=False):
    """`content` is set only by a decoder that is asked for it: to build it is dear, and few models bill by it."""

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


class _FullCandidate(_Candidate, gc=False):
    content: Any = None


class _FullAnswer(_Answer, gc=False):
    candidates: list[_FullCandidate] | None = None  # pyright: ignore[reportIncompatibleVariableOverride]


_ANSWER: Final = msgspec.json.Decoder(_Answer, float_hook=Decimal)
_FULL_ANSWER: Final = msgspec.json.Decoder(_FullAnswer, float_hook=Decimal)


def _loosely(answer: dict[str, Any]) -> _Answer:
    known = {name: answer[name] for name in _Answer.__struct_fields__ if name in answer and name != "candidates"}
    candidates = [as_object(candidate) for candidate in as_array(answer.get("candidates"))]
    parts = [{k: c[k] for k in _FullCandidate.__struct_fields__ if k in c} for c in candidates]
    return _Answer(**known, candidates=[_FullCandidate(**part) for part in parts])


class _AnswerFold:
    """One GenerateContentResponse, or all the chunks of a stream, folded into a Reading."""

    __slots__ = (
        *("_usage", "_content", "_grounding", "_model_version", "_refused", "_answered"),
        *("is_whole", "problem"),
    )

    def __init__(self, policies: Policies, with_content: bool) -> None:
        self._usage = UsageFold(persists=policies.absent_fields_persist)
        self._content = _ContentFold() if with_content else None
        self._grounding = GroundingFold()
        self._model_version: str | None = None
        self._refused = False
        self._answered = False
        self.is_whole = True
        self.problem: str | None = None

    def take_text(self, data: bytes | bytearray) -> bool:
        """Take the answers in one JSON text, one or those of an array. False if it is none."""
        if self._content is not None:
            return self._take_any(data)
        try:
            answer = _USUAL.decode(data)
        except (ValueError, RecursionError):
            return self._take_any(data)
        if answer.usageMetadata is not None:
            self._usage.take_usual(answer.usageMetadata)
        self._model_version = answer.modelVersion or self._model_version
        self._answered |= bool(answer.candidates)
        return True

    def _take_any(self, data: bytes | bytearray) -> bool:
        decoder = _ANSWER if self._content is None else _FULL_ANSWER
        try:
            self.take(decoder.decode(data))
        except (ValueError, ArithmeticError, RecursionError):
            value = decoded(data)  # not in Google's form, but perhaps still with usage in it
        else:
            return True
        return self.take_value(value)

    def take_value(self, value: object) -> bool:
        """The same of a JSON value."""
        answers = [_loosely(answer) for answer in (as_array(value) or [value]) if is_object(answer)]
        for answer in answers:
            self.take(answer)
        return bool(answers)

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
            if self._content is not None and isinstance(candidate, _FullCandidate):
                self._content.take(candidate.content)

    def result(self) -> Reading:
        return Reading(
            usage=self._usage.merged,
            model_version=self._model_version,
            grounding=self._grounding.result(),
            is_blocked=self._refused and not self._answered,
            is_whole=self.is_whole,
            problem=self.problem or self._usage.problem,
            content=None if self._content is None else self._content.result(),
        )


class _ContentFold:
    def __init__(self) -> None:
        self._characters = 0
        self._pictures = 0
        self._is_cut = False

    def take(self, content: object) -> None:
        for part in map(as_object, as_array(as_object(content).get("parts"))):
            text = as_text(part.get("text"))
            self._is_cut |= is_placeholder(text)
            self._characters += billable(text)
            blob = as_object(field(part, "inlineData", "inline_data") or field(part, "fileData", "file_data"))
            self._pictures += as_text(field(blob, "mimeType", "mime_type")).startswith("image/")

    def result(self) -> Content:
        return Content(self._characters, self._pictures, self._is_cut)


def answer_reading(value: dict[str, Any]) -> Reading:
    """What one decoded GenerateContentResponse said, such as a line of a batch holds."""
    fold = _AnswerFold(DOCUMENTED, with_content=False)
    fold.take_value(value)
    return fold.result()


class UnaryReader(Body):
    """Reads an answer that is one JSON object; also the arrays in which Google wraps some errors."""

    __slots__ = ()

    def finish(self) -> Reading:
        """What the answer said; unreadable if it is too large or not JSON."""
        try:
            answer = _USUAL.decode(self.data)
        except (ValueError, RecursionError):  # it says more, or is written otherwise, or is no answer
            return object_reading(self, _AnswerFold(DOCUMENTED, with_content=False))
        return Reading(answer.usageMetadata, answer.modelVersion or None)


class ContentReader(Body):
    """As `UnaryReader`, and what the answer's content held is counted too."""

    __slots__ = ()

    def finish(self) -> Reading:
        """What the answer said; unreadable if it is too large or not JSON."""
        return object_reading(self, _AnswerFold(DOCUMENTED, with_content=True))


class StreamReader(EventsReader):
    """Reads an answer that comes as server-sent events (wire-http 4.6).

    The raw JSON error by which Google ends a broken stream (wire-http 5.3) is seen too.
    """

    def __init__(self, policies: Policies = DOCUMENTED, *, with_content: bool = False) -> None:
        super().__init__(_AnswerFold(policies, with_content))

    def so_far(self) -> Reading:
        """What the events said that have come whole; more may follow."""
        return self._fold.result()


class ArrayReader:
    """Reads an answer that comes as a JSON array written piece by piece (wire-http 4.7), or as a lone object."""

    def __init__(self, policies: Policies = DOCUMENTED, *, with_content: bool = False) -> None:
        self._elements = Elements()
        self._fold = _AnswerFold(policies, with_content)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for element in self._elements.feed(data):
            if not self._fold.take_text(element):
                self._fold.is_whole = False

    def finish(self) -> Reading:
        """What the elements said, as far as they came."""
        if self._elements.is_open:
            self._fold.is_whole = False
        if self._elements.is_too_large:
            self._fold.problem = TOO_LARGE
        return self._fold.result()
