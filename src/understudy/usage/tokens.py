"""From one `usageMetadata` to a bag of meters: pricing 3, rules 1 to 4, 6 and 7, each a small function."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

import msgspec

from .meters import METERS, Direction, Meter, Modality, Usage
from .policies import DOCUMENTED, Policies

_MODALITIES: Final = {
    "TEXT": Modality.TEXT,
    "DOCUMENT": Modality.TEXT,
    "MODALITY_UNSPECIFIED": Modality.TEXT,
    "": Modality.TEXT,
    "IMAGE": Modality.IMAGE,
    "VIDEO": Modality.VIDEO,
    "AUDIO": Modality.AUDIO,
}
_ALL: Final = tuple(Modality)
_INPUT: Final = METERS[Direction.INPUT]
_TEXT_IN: Final = METERS[Direction.INPUT][Modality.TEXT]
_TEXT_CACHED: Final = METERS[Direction.CACHED][Modality.TEXT]
_TEXT_OUT: Final = METERS[Direction.OUTPUT][Modality.TEXT]
_THOUGHTS: Final = METERS[Direction.THOUGHTS][Modality.TEXT]
_STEMS: Final = ("prompt", "candidates", "response", "toolUsePrompt")
_COUNT: Final = {stem: f"{stem}TokenCount" for stem in _STEMS}
_DETAILS: Final = {stem: f"{stem}TokensDetails" for stem in (*_STEMS, "cache")}
_BESIDE_TEXT: Final = frozenset(
    {
        *("toolUsePromptTokenCount", "toolUsePromptTokensDetails"),
        *("responseTokenCount", "responseTokensDetails"),
    }
)
"""What a usageMetadata has beside the counts of a text that was asked, perhaps out of a cache, and answered."""

Split = dict[Modality, int]
"""Tokens by modality."""


class Form(Enum):
    """Who wrote the usage: the first three write a usageMetadata, in which names and the total's meaning differ."""

    GENERATE = auto()
    GEMINI_LIVE = auto()
    VERTEX_LIVE = auto()
    CLAUDE = auto()
    OPENAI = auto()
    EMBEDDING = auto()
    PREDICTION = auto()

    @property
    def answer_names(self) -> tuple[str, str]:
        """The provider's own stem of the answer's fields, then the other one's (pricing 8)."""
        return ("response", "candidates") if self is Form.GEMINI_LIVE else ("candidates", "response")


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """The meters of one usageMetadata, the whole prompt's length (it picks the long-context rate), and remarks."""

    usage: Usage
    prompt: int
    remarks: tuple[str, ...] = ()


def tokens_of(
    metadata: Mapping[str, Any],
    form: Form,
    *,
    is_grounded: bool = False,
    is_speech: bool = False,
    policies: Policies = DOCUMENTED,
) -> Tokens:
    """The meters of a merged usageMetadata.

    `is_grounded`: Google Search or Maps took part. `is_speech`: the model's price entry has `mode: audio_speech`.
    """
    tokens = None if is_speech else text_tokens(metadata)
    if tokens is not None:
        return tokens
    return tokens_by_rules(metadata, form, is_grounded=is_grounded, is_speech=is_speech, policies=policies)


def text_tokens(metadata: Mapping[str, Any]) -> Tokens | None:
    """The meters where all was text and no rule has anything to decide; None where one has.

    That is so for most responses, and this is on the path of each: rules 1 to 7 would come to the same.
    """
    if not _BESIDE_TEXT.isdisjoint(metadata):
        return None
    get = metadata.get
    prompt, answer = get("promptTokenCount") or 0, get("candidatesTokenCount") or 0
    thoughts, cached = get("thoughtsTokenCount") or 0, get("cachedContentTokenCount") or 0
    if answer < 0 or thoughts < 0 or not 0 <= cached <= prompt:
        return None
    asked, answered = get("promptTokensDetails"), get("candidatesTokensDetails")
    if asked and asked != [{"modality": "TEXT", "tokenCount": prompt}]:
        return None
    if answered and answered != [{"modality": "TEXT", "tokenCount": answer}]:
        return None
    kept = get("cacheTokensDetails")
    if (cached or kept) and kept != [{"modality": "TEXT", "tokenCount": cached}]:
        return None  # what is not told may be of any modality (rule 4)
    if thoughts and get("totalTokenCount") == prompt + answer:
        return None  # the answer's count seems to hold the thoughts (rule 2)
    meters: dict[Meter, int] = {}
    if prompt > cached:
        meters[_TEXT_IN] = prompt - cached
    if cached:
        meters[_TEXT_CACHED] = cached
    if answer:
        meters[_TEXT_OUT] = answer
    if thoughts:
        meters[_THOUGHTS] = thoughts
    return Tokens(Usage.of(meters), prompt)


def tokens_by_rules(
    metadata: Mapping[str, Any],
    form: Form,
    *,
    is_grounded: bool = False,
    is_speech: bool = False,
    policies: Policies = DOCUMENTED,
) -> Tokens:
    """As `tokens_of`, which knows a shorter way where all was text."""
    count = _Counts(metadata, policies)
    whole = count.get("promptTokenCount")
    prompt = count.split("prompt", whole)
    cached = _cached(count, prompt)
    tool = {} if is_grounded else count.split("toolUsePrompt", count.get("toolUsePromptTokenCount"))
    thoughts = count.get("thoughtsTokenCount")
    answer = _answer(count, form, thoughts, is_speech)
    meters: dict[Meter, int] = {}
    for modality, tokens in prompt.items():
        meters[_INPUT[modality]] = tokens - cached[modality] if modality in cached else tokens
    for direction, split in ((Direction.CACHED, cached), (Direction.TOOL, tool), (Direction.OUTPUT, answer)):
        for modality, tokens in split.items():
            meters[METERS[direction][modality]] = tokens
    if thoughts:
        meters[_THOUGHTS] = thoughts
    remarks = tuple(dict.fromkeys(count.remarks)) if count.remarks else ()
    return Tokens(Usage(meters), max(whole, sum(prompt.values())), remarks)


def turn_tokens(metadata: Mapping[str, Any], form: Form) -> int:
    """Prompt, answer, thoughts and tool-use counts of one Live frame: `tokens` of the log line (pricing 9)."""
    count = _Counts(metadata)
    stem = _answer_stem(count, form)
    names = ("promptTokenCount", f"{stem}TokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
    return sum(count.get(name) for name in names)


class _Counts:
    """The counts of a usageMetadata, never negative; what had to be bent is remarked."""

    def __init__(self, metadata: Mapping[str, Any], policies: Policies = DOCUMENTED) -> None:
        self._metadata = metadata
        self.policies = policies
        self.remarks: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._metadata

    def get(self, name: str) -> int:
        """The count `name`; JSON leaves out zeros."""
        value = self._metadata.get(name) or 0
        return value if value >= 0 else self.clamped(name, value)

    def clamped(self, name: str, value: int) -> int:
        if value < 0:
            self.remarks.append(f"{name} was negative and counts as 0")
            return 0
        return value

    def has_details(self, stem: str) -> bool:
        """Whether the count of `stem` is told by modality."""
        return bool(self._metadata.get(_DETAILS[stem]))

    def split(self, stem: str, whole: int, rest_is: Modality | None = Modality.TEXT) -> Split:
        """Rule 3: tokens by modality. The rest of `whole` belongs to the one entry without a count, else to `rest_is`.

        With `rest_is` None it is left out.
        """
        name = _DETAILS[stem]
        details = self._metadata.get(name)
        if not details:
            return {rest_is: whole} if whole > 0 and rest_is is not None else {}
        split: Split = {}
        uncounted: list[Modality] = []
        for detail in details:
            modality = self._modality(detail["modality"])
            if "tokenCount" in detail:
                split[modality] = split.get(modality, 0) + self.clamped(name, detail["tokenCount"])
            else:
                uncounted.append(modality)
        rest = whole - sum(split.values())
        if rest > 0:
            is_told = len(uncounted) == 1 and self.policies.uncounted_detail_takes_rest
            owner = uncounted[0] if is_told else rest_is
            if owner is not None:
                split[owner] = split.get(owner, 0) + rest
        return split

    def _modality(self, word: str) -> Modality:
        if word not in _MODALITIES:
            self.remarks.append(f"the unknown modality '{word}' counts as text")
        return _MODALITIES.get(word, Modality.TEXT)


def _cached(count: _Counts, prompt: Split) -> Split:
    """Rule 4: cached tokens by modality, each at most its part of the prompt; what has no details is text first."""
    if "cachedContentTokenCount" not in count and "cacheTokensDetails" not in count:
        return {}  # the usual case, and on the path of every response
    whole, order = count.get("cachedContentTokenCount"), count.policies.cached_order
    told = dict.fromkeys(_ALL, 0) | count.split("cache", whole, rest_is=None)
    cached = {modality: min(told[modality], prompt.get(modality, 0)) for modality in _ALL}
    left = whole - sum(told.values())
    for modality in order:
        if left > 0:
            more = min(left, prompt.get(modality, 0) - cached[modality])
            cached[modality] += more
            left -= more
    if left > 0 or any(told[modality] > cached[modality] for modality in _ALL):
        count.remarks.append("more cached tokens than prompt tokens were reported; the surplus is left out")
    return {modality: tokens for modality, tokens in cached.items() if tokens}


def _answer_stem(count: _Counts, form: Form) -> str:
    own, other = form.answer_names
    has_own = _COUNT[own] in count or _DETAILS[own] in count
    return own if has_own else other


def _answer(count: _Counts, form: Form, thoughts: int, is_speech: bool) -> Split:
    """Rules 2 and 7: the answer by modality, without its thoughts."""
    stem = _answer_stem(count, form)
    whole = count.get(_COUNT[stem])
    if is_speech and not count.has_details(stem):
        return {Modality.AUDIO: _without_thoughts(count, form, whole, thoughts)}
    split = count.split(stem, whole)
    inner = whole - _without_thoughts(count, form, whole, thoughts) if thoughts else 0
    if inner:
        split[Modality.TEXT] = max(0, split.get(Modality.TEXT, 0) - inner)
    return split


def _without_thoughts(count: _Counts, form: Form, answer: int, thoughts: int) -> int:
    """Rule 2: if the total shows that the answer's count already holds the thoughts, the answer without them."""
    if form is not Form.GENERATE or "totalTokenCount" not in count or not 0 < thoughts <= answer:
        return answer
    outside = count.get("promptTokenCount") + answer + count.get("toolUsePromptTokenCount")
    return answer - thoughts if count.get("totalTokenCount") == outside else answer
