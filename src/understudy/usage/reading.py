"""What the wire carried about consumption: the result of every reader, small and plain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypedDict

import msgspec

from .tokens import Form
from .wire_json import LARGEST_COUNT, as_array, as_count, as_object, as_text, field, is_object, snake

_GENERATE: Final = Form.GENERATE
_COUNTS: Final = (
    *("promptTokenCount", "candidatesTokenCount", "responseTokenCount", "thoughtsTokenCount"),
    *("toolUsePromptTokenCount", "cachedContentTokenCount", "totalTokenCount"),
)
_DETAILS: Final = (
    *("promptTokensDetails", "candidatesTokensDetails", "responseTokensDetails"),
    *("toolUsePromptTokensDetails", "cacheTokensDetails"),
)
_WORDS: Final = ("trafficType", "serviceTier")
_SINGULAR: Final = {name.replace("Tokens", "Token"): name for name in _DETAILS}
"""Gemini batchEmbedContents says `promptTokenDetails` (wire-http 4.5)."""

_FIELDS: Final = {spelling: name for name in (*_COUNTS, *_DETAILS, *_WORDS) for spelling in (name, snake(name))} | {
    spelling: name for singular, name in _SINGULAR.items() for spelling in (singular, snake(singular))
}
_COUNT_NAMES: Final = frozenset(_COUNTS)
_MOST_DETAILS: Final = 32
_LONGEST_WORD: Final = 64
_MOST_QUERIES: Final = 1000
_MOST_CANDIDATES: Final = 64

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_COUNT)]
_Word = Annotated[str, msgspec.Meta(max_length=_LONGEST_WORD)]
Nothing = Annotated[int, msgspec.Meta(ge=1, le=0)]
"""No value that JSON has: a decoder refuses a message in which a field of this type stands."""


class _Detail(TypedDict):
    modality: _Word
    tokenCount: _Count


if TYPE_CHECKING:
    UsualUsage = dict[str, Any]
else:
    UsualUsage = TypedDict(
        "UsualUsage",
        dict.fromkeys(_COUNTS, _Count)
        | dict.fromkeys(_DETAILS, Annotated[list[_Detail], msgspec.Meta(max_length=_MOST_DETAILS)])
        | dict.fromkeys(_WORDS, _Word)
        | dict.fromkeys(_FIELDS.keys() - _FIELDS.values(), Nothing),
        total=False,
    )
"""A `usageMetadata` as Google writes it, for a decoder: Google's spelling, and counts that are numbers, not negative.

What is decoded so needs no more care (`UsageFold.take_usual`). Everything else the decoder refuses, and above all the
other spellings of these fields, lest they be passed over as unknown fields are.
"""


class Grounding(msgspec.Struct, frozen=True, gc=False):
    """Which grounding one request, or one Live turn, used: distinct queries, and whether Maps took part."""

    search_queries: int = 0
    maps_queries: int = 0
    has_maps: bool = False

    @property
    def is_grounded(self) -> bool:
        """Whether Google Search or Maps took part; their context is not charged as input (pricing 3.6)."""
        return self.search_queries > 0 or self.has_maps


UNGROUNDED: Final = Grounding()


class OperationReading(msgspec.Struct, frozen=True, gc=False):
    """One answer about a long-running operation.

    `delivered` and `filtered` count videos; they mean something only if `is_done` and not `has_failed`.
    """

    name: str | None
    is_done: bool = False
    has_failed: bool = False
    delivered: int = 0
    filtered: int = 0


@dataclass(frozen=True, slots=True)
class CacheReading:
    """A cached content as its resource tells: its model's bare id, its tokens, and its times (RFC 3339)."""

    name: str
    model: str
    tokens: int
    created: str
    expires: str


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer's content held, where that is asked for: code points of text, white space left out; pictures.

    `is_cut`: a text was too long to be kept, so that `characters` says nothing.
    """

    characters: int = 0
    pictures: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """The results of a batch job: one reading for each line that succeeded. Failed lines are free.

    `name` and `model` (its bare id) are those of the job; None where lines came without it. `is_elsewhere`: the job
    is done, and its results stand in a file that is not here.
    """

    lines: "tuple[Reading, ...]" = ()
    failed: int = 0
    name: str | None = None
    model: str | None = None
    is_elsewhere: bool = False


class Reading(msgspec.Struct, frozen=True, gc=False):
    """All that a body told about what is to be paid.

    `usage` is what the wire said, ready for JSON; None if it said nothing. Its `form` says whose words these are: the
    merged `usageMetadata` under its camelCase names (counts, lists of `{modality, tokenCount}`, two words), or counts
    by the names that a partner's or a `predict` answer has. `is_blocked`: the prompt was refused and nothing answered.
    `is_whole` is false if the body stopped early or turned into an error. `problem` says why the body could not be
    read; what it cost is then unknown.
    """

    usage: Mapping[str, Any] | None = None
    model_version: str | None = None
    grounding: Grounding = UNGROUNDED
    is_blocked: bool = False
    operation: OperationReading | None = None
    is_whole: bool = True
    problem: str | None = None
    form: Form = Form.GENERATE
    content: Content | None = None
    cache: CacheReading | None = None
    batch: Batch | None = None

    @property
    def has_counts(self) -> bool:
        """Whether any count came; Vertex sends a bare `trafficType` early in a stream."""
        if self.form is not _GENERATE:
            return bool(self.usage)
        return _has_counts(self.usage)


def _has_counts(usage: Mapping[str, Any] | None) -> bool:
    """Whether a merged `usageMetadata` counts anything, be it 0; words and empty lists do not."""
    if usage is None:
        return False
    return not _COUNT_NAMES.isdisjoint(usage) or any(usage.get(name, []) != [] for name in _DETAILS)


class Reader(Protocol):
    """Takes a copy of a body as it passes. Never raises, whatever the bytes; holds a bounded part of them."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere."""
        ...

    def finish(self) -> Reading:
        """What was read; called once, when the body has ended or will not go on."""
        ...


class UsageFold:
    """A field-wise merge of `usageMetadata`: later fields overwrite, missing ones keep what they had (pricing 6).

    With `persists` false a later one replaces the earlier whole.
    """

    __slots__ = ("_persists", "merged", "problem")

    def __init__(self, *, persists: bool = True) -> None:
        self._persists = persists
        self.merged: dict[str, Any] | None = None
        self.problem: str | None = None

    @property
    def has_counts(self) -> bool:
        """Whether any count came, even an unreadable one."""
        return self.problem is not None or _has_counts(self.merged)

    def take_usual(self, metadata: dict[str, Any]) -> None:
        """As `take`, of what was decoded as `UsualUsage`; it becomes ours. On the path of every response."""
        if self.merged is None or not self._persists:
            self.merged = metadata
        else:
            self.merged |= metadata

    def take(self, metadata: object) -> None:
        """Merge one `usageMetadata`; anything but an object is no usage."""
        if not is_object(metadata):
            return
        merged = self.merged = (self.merged if self._persists else None) or {}
        for spelling, value in metadata.items():
            name = _FIELDS.get(spelling)
            if name is None or value is None:
                continue
            if type(value) is int and 0 <= value <= LARGEST_COUNT and name in _COUNT_NAMES:
                merged[name] = value
            elif name in _COUNT_NAMES:
                self._take_count(merged, name, value)
            elif name in _WORDS:
                merged[name] = as_text(value)[:_LONGEST_WORD]
            else:
                self._take_details(merged, name, value)

    def _take_count(self, merged: dict[str, Any], name: str, value: object) -> None:
        count = as_count(value)
        if count is None:
            self.problem = f"usageMetadata.{name} is not a count"
        else:
            merged[name] = count

    def _take_details(self, merged: dict[str, Any], name: str, value: object) -> None:
        entries = as_array(value)
        details: list[dict[str, Any]] = []
        for entry in entries[:_MOST_DETAILS]:
            detail = as_object(entry)
            kept: dict[str, Any] = {"modality": as_text(detail.get("modality"))[:_LONGEST_WORD]}
            raw = field(detail, "tokenCount", "token_count")
            if raw is not None:
                kept["tokenCount"] = as_count(raw)
                if kept["tokenCount"] is None:
                    self.problem = f"usageMetadata.{name}.tokenCount is not a count"
                    return
            details.append(kept)
        if len(entries) > _MOST_DETAILS or not isinstance(value, list):
            self.problem = f"usageMetadata.{name} is not a short list"
        else:
            merged[name] = details


class GroundingFold:
    """Collects grounding over the candidates and chunks of one request, or of one Live turn (pricing 7)."""

    __slots__ = ("_candidates",)

    def __init__(self) -> None:
        self._candidates: dict[int, tuple[set[str], set[str]]] = {}

    def take(self, index: object, metadata: object) -> None:
        """Add one `groundingMetadata` of the candidate `index` (absent: 0)."""
        found = as_object(metadata)
        if not found:
            return
        number = as_count(index) or 0
        if number not in self._candidates and len(self._candidates) >= _MOST_CANDIDATES:
            number = 0
        queries, kinds = self._candidates.setdefault(number, (set(), set()))
        for query in as_array(field(found, "webSearchQueries", "web_search_queries")):
            text = as_text(query)
            if text and len(queries) < _MOST_QUERIES:
                queries.add(text)
        for chunk in as_array(field(found, "groundingChunks", "grounding_chunks")):
            kinds |= {"web", "maps"} & as_object(chunk).keys()

    def result(self) -> Grounding:
        """What came together. A candidate's queries are Maps queries if it has Maps chunks and no web chunk."""
        if not self._candidates:
            return UNGROUNDED
        search: set[str] = set()
        maps: set[str] = set()
        for queries, kinds in self._candidates.values():
            (maps if kinds == {"maps"} else search).update(queries)
        has_maps = any("maps" in kinds for _, kinds in self._candidates.values())
        return Grounding(len(search), len(maps), has_maps)
