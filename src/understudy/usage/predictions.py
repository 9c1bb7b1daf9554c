"""Readers of embeddings of every shape, and of `predict` answers: pictures, clips, text of older models (wire-http 7).

Vectors are long lists of numbers; they are dropped as they pass, as the inside of long strings is.
"""

import re
from decimal import Decimal
from typing import Any, Final

from .reading import Reading, UsageFold
from .skeleton import LARGEST_SKELETON, Skeleton
from .tokens import Form
from .wire_json import as_array, as_count, as_object, decoded, field, is_object

_MEDIA: Final = ("bytesBase64Encoded", "bytes_base64_encoded", "gcsUri", "gcs_uri", "audioContent")
_SPACE: Final = re.compile(rb"[ \t\r\n]+")
_UNREADABLE: Final = "the answer is not a JSON object"
_TOO_LARGE: Final = f"the answer holds more than {LARGEST_SKELETON} bytes beside long strings and vectors"


class LeanBody:
    """A JSON text as it passes, without the inside of long strings and of lists of numbers (`[0]` stands for them)."""

    def __init__(self) -> None:
        self._skeleton = Skeleton()
        self._kept = bytearray()
        self._after_bracket = False  # a list has begun, and nothing but white space came since
        self._in_numbers = False
        self.is_too_large = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes, of any number."""
        if self.is_too_large:
            return
        for is_string, piece in self._skeleton.pieces(data):
            if is_string:
                self._kept += piece
            else:
                self._lean(piece)
        if len(self._kept) > LARGEST_SKELETON:
            self.is_too_large = True
            self._kept.clear()

    def _lean(self, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            if self._after_bracket:
                space = _SPACE.match(piece, at)
                at = space.end() if space else at
                if at < len(piece):
                    self._after_bracket = False
                    self._in_numbers = piece[at] in b"-0123456789"
            elif self._in_numbers:
                end = piece.find(b"]", at)
                if end < 0:
                    return
                self._kept += b"0"
                self._in_numbers, at = False, end
            else:
                bracket = piece.find(b"[", at)
                end = len(piece) if bracket < 0 else bracket + 1
                self._kept += piece[at:end]
                self._after_bracket, at = bracket >= 0, end

    @property
    def value(self) -> object:
        """The JSON value of what was kept; None if it is none, or too large."""
        return None if self.is_too_large else decoded(self._kept)


class LeanReader:
    """What readers of one lean JSON text have in common; `finish` is theirs."""

    def __init__(self) -> None:
        self._body = LeanBody()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._body.feed(data)


class PredictionReader(LeanReader):
    """Reads the answer to `predict`, `embedContent` or `batchEmbedContents`."""

    def finish(self) -> Reading:
        """What the answer said: counts of tokens and characters, or what it delivered."""
        value = self._body.value
        if self._body.is_too_large:
            return Reading(problem=_TOO_LARGE)
        answers = [answer for answer in (as_array(value) or [value]) if is_object(answer)]
        return prediction_reading(answers[0]) if answers else Reading(problem=_UNREADABLE)


def prediction_reading(value: dict[str, Any]) -> Reading:
    """The same of a decoded answer. A `usageMetadata` goes before all else; no `predictions` means no picture."""
    if value.get("error") is not None:
        return Reading(is_whole=False)
    metadata = field(value, "usageMetadata", "usage_metadata")
    if is_object(metadata):
        fold = UsageFold()
        fold.take(metadata)
        return Reading(fold.merged, problem=fold.problem, form=Form.EMBEDDING)
    if "embedding" in value or "embeddings" in value:
        vectors = as_array(value.get("embeddings")) or [value.get("embedding")]
        counted = as_count(field(value, "tokenCount", "token_count"))
        counts = {"embeddings": len(vectors)} if counted is None else {"embeddings": len(vectors), "tokens": counted}
        return Reading(counts, form=Form.EMBEDDING)
    predictions = [as_object(prediction) for prediction in as_array(value.get("predictions"))]
    counts: dict[str, int | str] = {}
    for prediction in predictions:
        _count(prediction, counts)
    _count_metadata(as_object(value.get("metadata")), counts)
    form = Form.EMBEDDING if counts.keys() & {"embeddings", "pictures_embedded", "videos_s"} else Form.PREDICTION
    if form is Form.PREDICTION and not counts.keys() & {"input_characters", "output_characters"}:
        counts.setdefault("pictures", 0)
    return Reading(counts, form=form)


def _count(prediction: dict[str, Any], counts: dict[str, int | str]) -> None:
    """Add what one prediction holds: a picture or clip, a filtered one, an embedding of text, picture or video."""

    def add(name: str, number: int = 1) -> None:
        before = counts.get(name, 0)
        counts[name] = number + (before if isinstance(before, int) else 0)

    embedded = as_object(prediction.get("embeddings"))
    if any(prediction.get(name) for name in _MEDIA):
        add("pictures")
    elif field(prediction, "raiFilteredReason", "rai_filtered_reason"):
        add("filtered")
    if embedded or prediction.get("textEmbedding"):
        add("embeddings")
    tokens = as_count(field(as_object(embedded.get("statistics")), "tokenCount", "token_count"))
    if tokens is not None:
        add("tokens", max(0, tokens))
    if prediction.get("textEmbedding"):
        add("texts_embedded")
    if prediction.get("imageEmbedding"):
        add("pictures_embedded")
    seconds = _video_seconds(as_array(prediction.get("videoEmbeddings")))
    if seconds is not None:
        counts["videos_s"] = str(Decimal(counts.get("videos_s", 0)) + seconds)


def _video_seconds(segments: list[Any]) -> Decimal | None:
    """From the start of the first segment of an embedded video to the end of the last."""
    ends: list[Decimal] = []
    for segment in map(as_object, segments):
        for name in ("startOffsetSec", "endOffsetSec"):
            value = segment.get(name, 0)
            if isinstance(value, int | Decimal) and 0 <= value < 10**6:
                ends.append(Decimal(value))
    return max(ends) - min(ends) if ends else None


def _count_metadata(metadata: dict[str, Any], counts: dict[str, int | str]) -> None:
    characters = as_count(field(metadata, "billableCharacterCount", "billable_character_count"))
    if characters is not None:
        counts["characters"] = max(0, characters)
    told = as_object(field(metadata, "tokenMetadata", "token_metadata"))
    for name, key in (("input_characters", "inputTokenCount"), ("output_characters", "outputTokenCount")):
        side = as_object(told.get(key))
        count = as_count(side.get("totalBillableCharacters"))
        if count is not None:
            counts[name] = max(0, count)
