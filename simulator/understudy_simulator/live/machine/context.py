"""What a session remembers: its turns as counts of tokens, cut down as the setup allows; snapshots. Pure.

Each turn is billed for its whole context (wire-live 4, pricing 8). Compression drops the oldest turns as soon as the
context has `triggerTokens`, until it has at most `targetTokens`; what the setup said always stays (wire-live 3.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...answers.reading import Members, member, members_in, text_in, whole_in
from ...answers.tokens import Counts

_TRIGGER_SHARE: Final = 0.8
_LONGEST_ROLE: Final = 40
_MEDIA: Final = ("inlineData", "fileData")


@dataclass(frozen=True, slots=True)
class Compression:
    """When the context is cut, and down to how many tokens."""

    trigger: int
    target: int


def compression_of(config: Any, window: int) -> Compression | None:
    """The meaning of `contextWindowCompression` for a model of that context window; None if it is absent."""
    if config is None:
        return None
    asked = whole_in(config, "triggerTokens")
    trigger = int(window * _TRIGGER_SHARE) if asked is None or asked <= 0 else asked
    wanted = whole_in(member(config, "slidingWindow"), "targetTokens")
    return Compression(trigger, trigger // 2 if wanted is None or wanted <= 0 else min(wanted, trigger))


@dataclass(frozen=True, slots=True)
class Remembered:
    """The context of a session at one moment."""

    fixed: Counts
    entries: tuple[Counts, ...]


class Context:
    """Tokens by modality; `fixed` is what the setup said, entries are what was said since."""

    __slots__ = ("_compression", "_entries", "_fixed", "_sum", "_window")

    def __init__(self, window: int, compression: Compression | None = None) -> None:
        self._window = window
        self._compression = compression
        self._fixed: dict[str, int] = {}
        self._entries: list[Counts] = []
        self._sum: dict[str, int] = {}

    @property
    def is_full(self) -> bool:
        """Whether more was said than the model's context window holds."""
        return sum(self._sum.values()) > self._window

    def fix(self, counts: Counts) -> None:
        """What the setup says now: it replaces what it said before."""
        _add(self._sum, self._fixed, -1)
        self._fixed = dict(counts)
        _add(self._sum, self._fixed, 1)

    def add(self, counts: Counts) -> None:
        """Something was said."""
        if any(counts.values()):
            self._entries.append(dict(counts))
            _add(self._sum, counts, 1)

    def cut(self) -> int:
        """Cut the context if it has grown too large and may be cut; gives how many entries it has then."""
        cut = self._compression
        if cut is not None and sum(self._sum.values()) >= cut.trigger:
            while len(self._entries) > 1 and sum(self._sum.values()) > cut.target:
                _add(self._sum, self._entries.pop(0), -1)
        return len(self._entries)

    def prompt(self) -> Counts:
        """The tokens of a turn that begins now, by modality; first cuts the context."""
        self.cut()
        return {modality: tokens for modality, tokens in self._sum.items() if tokens}

    def remembered(self) -> Remembered:
        """A snapshot."""
        return Remembered(dict(self._fixed), tuple(self._entries))

    def recall(self, remembered: Remembered) -> None:
        """Go on from a snapshot; what the new setup fixed stays as it is."""
        for counts in remembered.entries:
            self.add(counts)


def kept_turn(turn: Members) -> Members:
    """What an answer needs of a turn whose tokens have been counted: its role, its parts, of media only the type."""
    role = text_in(turn, "role")
    parts = {"parts": [_kept_part(part) for part in members_in(turn, "parts")]}
    return parts if role is None else {"role": role[:_LONGEST_ROLE]} | parts


def _kept_part(part: Members) -> Members:
    text = text_in(part, "text")
    if text is not None:
        return {"text": text}
    for name in _MEDIA:
        blob = member(part, name)
        if blob is not None:
            return {name: {"mimeType": (text_in(blob, "mimeType") or "")[:_LONGEST_ROLE]}}
    return part


def _add(total: dict[str, int], counts: Mapping[str, int], sign: int) -> None:
    for modality, tokens in counts.items():
        total[modality] = total.get(modality, 0) + sign * tokens
