"""Live sessions: the bill of each turn as its frame passes, text and media seen, the model from the setup.

Rules from pricing 8 and 9, message shapes from wire-live 3 and 4. A frame is one WebSocket message, text or binary.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..surfaces import model_id
from .reading import Grounding, GroundingFold, UsageFold
from .skeleton import media_bytes, skeleton_of
from .tokens import Form, turn_tokens
from .wire_json import as_array, as_object, as_text, decoded, field, is_object

SMALL_FRAME: Final = 8 * 1024
"""Frames up to this size are parsed as they are; of longer ones only the skeleton."""

INPUT_RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
"""Samples per second of PCM16 mono where the MIME type does not say otherwise."""

MOST_TURNS: Final = 20_000
"""Turns that are kept; far more than the longest session has."""

_RATE: Final = re.compile(r";\s*rate=([0-9]{3,6})")
_MOST_RATES: Final = 8
_CUT: Final = re.compile(rb'"\[[0-9]{4,15} bytes\]"')
_TEXT_KEY: Final = re.compile(rb'"text"\s*:\s*\Z')
_QUERIES_KEY: Final = re.compile(rb'"web_?[Ss]earch_?[Qq]ueries"\s*:\s*\[?\s*\Z')
_NEAR: Final = 64
"""Bytes before a string in which its key is looked for."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One usage frame: its `usageMetadata`, and the grounding since the usage frame before.

    One that counts nothing, such as a bare `trafficType`, is none.
    """

    usage: Mapping[str, Any]
    grounding: Grounding
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """Media that passed: bytes of PCM16 mono by samples per second, pictures of the camera, code points of text."""

    audio_in: Mapping[int, int]
    audio_out: Mapping[int, int]
    pictures_in: int = 0
    characters_in: int = 0
    characters_out: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether no sound and no picture passed; text is no medium to estimate by."""
        return not (self.audio_in or self.audio_out or self.pictures_in)


@dataclass(frozen=True, slots=True)
class SessionReading:
    """A whole session: its turns' bills in order, and what to estimate by if there are none.

    `model` is the bare id from the setup; None if no setup came. `tokens` and `characters` are those of the log line.
    `was_used`: the client said something after its setup, or the server gave content.
    """

    model: str | None
    turns: tuple[Turn, ...]
    tokens: int
    characters: int
    media: Media
    was_used: bool
    problem: str | None = None


class LiveReader:
    """Reads copies of the messages of one session. Never raises; memory grows by the turns alone."""

    def __init__(self, provider: str) -> None:
        """`provider` is `gemini` or `vertex_ai`: their frames name the answer's tokens differently."""
        self.form = Form.GEMINI_LIVE if provider == "gemini" else Form.VERTEX_LIVE
        self.model: str | None = None
        self._turns: list[Turn] = []
        self._tokens = 0
        self._characters_in = 0
        self._characters_out = 0
        self._audio_in: dict[int, int] = {}
        self._audio_out: dict[int, int] = {}
        self._pictures_in = 0
        self._grounding = GroundingFold()
        self._was_used = False
        self._problem: str | None = None

    def client_message(self, payload: bytes) -> None:
        """Take a message of the client."""
        message = _message(payload)
        setup = as_object(message.get("setup"))
        if setup and self.model is None:
            self.model = model_id(as_text(setup.get("model")))[:200] or None
        self._was_used |= bool(message) and "setup" not in message
        content = as_object(field(message, "clientContent", "client_content"))
        turns: object = content.get("turns")
        for turn in (turns,) if is_object(turns) else as_array(turns):
            self._characters_in += _characters(as_object(turn))
        realtime = as_object(field(message, "realtimeInput", "realtime_input"))
        if realtime:
            self._realtime(realtime)

    def server_message(self, payload: bytes) -> Turn | None:
        """Take a message of the server. Returns the turn that it bills, if it carries usage."""
        message = _message(payload)
        content = as_object(field(message, "serverContent", "server_content"))
        if content:
            self._content(content)
        metadata = field(message, "usageMetadata", "usage_metadata")
        if not is_object(metadata):
            return None
        fold = UsageFold()
        fold.take(metadata)
        if not fold.has_counts:
            return None
        turn = Turn(fold.merged or {}, self._grounding.result(), fold.problem)
        self._grounding = GroundingFold()
        self._tokens += turn_tokens(turn.usage, self.form)
        if len(self._turns) < MOST_TURNS:
            self._turns.append(turn)
        else:
            self._problem = f"the session has more than {MOST_TURNS} usage frames"
        return turn

    def finish(self) -> SessionReading:
        """The session, as far as it came."""
        characters = (self._characters_in, self._characters_out)
        media = Media(dict(self._audio_in), dict(self._audio_out), self._pictures_in, *characters)
        return SessionReading(
            self.model, tuple(self._turns), self._tokens, sum(characters), media, self._was_used, self._problem
        )

    def _realtime(self, realtime: dict[str, Any]) -> None:
        self._characters_in += len(as_text(realtime.get("text")))
        blobs = [realtime.get("audio"), realtime.get("video"), realtime.get("media")]
        # Of mediaChunks only the first element is used (wire-live 3.3).
        blobs += as_array(field(realtime, "mediaChunks", "media_chunks"))[:1]
        for blob in map(as_object, blobs):
            kind = as_text(field(blob, "mimeType", "mime_type"))
            if kind.startswith("audio/"):
                _count_audio(self._audio_in, kind, INPUT_RATE, as_text(blob.get("data")))
            elif kind.startswith(("image/", "video/")):
                self._pictures_in += 1

    def _content(self, content: dict[str, Any]) -> None:
        self._was_used = True
        turn = as_object(field(content, "modelTurn", "model_turn"))
        if turn:
            self._characters_out += _characters(turn)
        for part in map(as_object, as_array(turn.get("parts"))):
            blob = as_object(field(part, "inlineData", "inline_data"))
            kind = as_text(field(blob, "mimeType", "mime_type")) if blob else ""
            if kind.startswith("audio/"):
                _count_audio(self._audio_out, kind, OUTPUT_RATE, as_text(blob.get("data")))
        self._grounding.take(0, field(content, "groundingMetadata", "grounding_metadata"))


def _characters(content: dict[str, Any]) -> int:
    """The code points of a Content's text parts that are not thoughts (pricing 9)."""
    parts = map(as_object, as_array(content.get("parts")))
    return sum(len(as_text(part.get("text"))) for part in parts if part.get("thought") is not True)


def _message(payload: bytes) -> dict[str, Any]:
    """The message, or its skeleton if it is long; the whole of a long one only if a text of it would be lost."""
    if len(payload) > SMALL_FRAME:
        skeleton = skeleton_of(payload)
        if not _has_lost_text(skeleton):
            payload = skeleton
    return as_object(decoded(payload))


def _has_lost_text(skeleton: bytes) -> bool:
    """Whether a text or a search query was cut out: its length, or its identity, is needed."""
    for cut in _CUT.finditer(skeleton):
        start = cut.start()
        if _TEXT_KEY.search(skeleton, max(0, start - _NEAR), start):
            return True
        opened = skeleton.rfind(b"[", 0, start) + 1
        for end in (start, opened):
            if _QUERIES_KEY.search(skeleton, max(0, end - _NEAR), end):
                return True
    return False


def _count_audio(by_rate: dict[int, int], kind: str, default: int, data: str) -> None:
    if not data:
        return
    found = _RATE.search(kind)
    rate = (int(found[1]) or default) if found else default
    if rate not in by_rate and len(by_rate) >= _MOST_RATES:
        rate = default
    by_rate[rate] = by_rate.get(rate, 0) + media_bytes(data)
