"""One turn of the model in a free Live conversation, as beats: the messages in order and the pauses between them. Pure.

Order within a turn: wire-live 4. Audio is sent in the service's chunk sizes at the pace of the settings; the end of a
turn waits until the audio would have been played (wire-live 4, 5.2). Beats are made when they are asked for.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...answers.tokens import Counts, compact_json, tokens_of_text
from ...audio import (
    CHARACTER_BYTES,
    CHARACTERS_PER_SECOND,
    GEMINI_CHUNK_BYTES,
    OUTPUT_RATE_HZ,
    SAMPLE_BYTES,
    VERTEX_CHUNK_BYTES,
    seconds_of,
    speech_pieces,
    tokens_of_audio,
)
from ..messages import (
    generation_complete,
    is_content,
    model_code,
    model_speech,
    model_text,
    model_thought,
    resumption_update,
    tool_call,
)
from ..settings import LiveSettings
from .transcribing import Scribe

TEXT_PAUSE_S: Final = 0.03
_WORDS_A_MESSAGE: Final = 3
_HAIR_S: Final = 1e-6
"""By so much sums of times may be off."""
_WORD: Final = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")

OpenCall = tuple[str, str, Mapping[str, Any]]
"""Id, name and arguments of a function call."""


class Spoken:
    """What of an answer was sent: its text parts, bytes of 24 kHz audio, and text that only writes down audio."""

    __slots__ = ("_text", "_transcribed", "audio_bytes")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._transcribed: list[str] = []
        self.audio_bytes = 0

    def add(self, beat: "Beat") -> None:
        """One more beat was sent."""
        self.audio_bytes += beat.audio_bytes
        if beat.text:
            self._text.append(beat.text)
        if beat.transcribed:
            self._transcribed.append(beat.transcribed)

    def forget(self) -> None:
        """Begin anew: what was sent is accounted for."""
        self._text.clear()
        self._transcribed.clear()
        self.audio_bytes = 0

    @property
    def counts(self) -> Counts:
        """Its tokens by modality, as they join the context: without transcriptions."""
        counts = {
            "TEXT": tokens_of_text("".join(self._text)),
            "AUDIO": tokens_of_audio(seconds_of(self.audio_bytes, OUTPUT_RATE_HZ)),
        }
        return {modality: tokens for modality, tokens in counts.items() if tokens}

    @property
    def billed(self) -> Counts:
        """Its tokens by modality as the turn is billed: transcriptions are text of the answer (pricing 8)."""
        written = tokens_of_text("".join(self._transcribed))
        counts = self.counts
        return counts if not written else {**counts, "TEXT": counts.get("TEXT", 0) + written}


class Beat(NamedTuple):
    """One message (b"": none), what of the answer it is, and the pause after it.

    `ends_turn`: the end of the turn, whose usage is known then; `is_bundled`: with the end of generation on one frame,
    which has the message, too.
    (A named tuple, since one is made for every 20 ms of every session.)
    """

    message: bytes = b""
    pause_s: float = 0.0
    audio_bytes: int = 0
    text: str = ""
    transcribed: str = ""
    ends_turn: bool = False
    is_bundled: bool = False


TURN_END: Final = Beat(ends_turn=True)


def ending(settings: LiveSettings, unplayed_s: float = 0.0) -> Iterator[Beat]:
    """How an answer ends of which so many seconds are yet to be played."""
    pause_s = unplayed_s if settings.waits_for_playback else 0.0
    if settings.bundles_speech:
        yield Beat(ends_turn=True, is_bundled=True)
    elif settings.bundles:
        yield Beat(pause_s=pause_s)
        yield Beat(ends_turn=True, is_bundled=True)
    else:
        yield Beat(generation_complete(), pause_s=pause_s)
        yield TURN_END


def with_updates(beats: Iterable[Beat], every_s: float) -> Iterator[Beat]:
    """The same beats, and while they go on, each time so many seconds have passed: no handle can be given now."""
    update, passed_s = Beat(resumption_update(None, None)), 0.0
    for beat in beats:
        yield beat
        passed_s += beat.pause_s
        if passed_s >= every_s - _HAIR_S:
            passed_s = 0.0
            yield update


def thought_beats(text: str) -> Iterator[Beat]:
    """What the model thinks before it answers; thoughts are counted apart."""
    yield Beat(model_thought(text), pause_s=TEXT_PAUSE_S)


def code_beats(parts: Iterable[Mapping[str, Any]]) -> Iterator[Beat]:
    """What the model runs, and what came of it, each in a message of its own."""
    for part in parts:
        yield Beat(model_code(part), TEXT_PAUSE_S, text=compact_json(part))


def behind_first(beats: Iterable[Beat], late: Iterable[Beat]) -> Iterator[Beat]:
    """The beats, and behind the first message of the answer, or in front of the end of an empty one, the late ones."""
    waiting = iter(late)
    for beat in beats:
        if beat.ends_turn:
            yield from waiting
        yield beat
        if beat.message:
            yield from waiting


def text_beats(text: str, settings: LiveSettings, then: Iterable[Beat] = ()) -> Iterator[Beat]:
    """An answer in text, a few words a message, what comes `then`, and the end of its turn."""
    words = _words(text)
    for start in range(0, len(words), _WORDS_A_MESSAGE):
        piece = "".join(words[start : start + _WORDS_A_MESSAGE])
        yield Beat(model_text(piece), TEXT_PAUSE_S, text=piece)
    yield from then
    yield from ending(settings)


def audio_beats(
    text: str,
    settings: LiveSettings,
    *,
    is_vertex: bool,
    scribe: Scribe | None,
    voice: int = 0,
    then: Iterable[Beat] = (),
) -> Iterator[Beat]:
    """An answer in audio, each word's transcription behind its audio, what comes `then`, and the end of its turn."""
    words = _words(text) if scribe is not None else []
    size = (settings.chunk_bytes or (VERTEX_CHUNK_BYTES if is_vertex else GEMINI_CHUNK_BYTES)) // SAMPLE_BYTES
    pace = settings.audio_pace
    late = settings.late_transcriptions
    sent, said, waited_s = 0, 0, 0.0
    for piece in speech_pieces(text, voice, max(size, 1) * SAMPLE_BYTES):
        bytes_now = piece[2] - piece[1]
        sent += bytes_now
        pause_s = seconds_of(bytes_now, OUTPUT_RATE_HZ) / pace if pace > 0 else 0.0
        waited_s += pause_s
        yield Beat(model_speech(piece), pause_s, bytes_now)
        while words and not late and scribe is not None and (said + len(words[0])) * CHARACTER_BYTES <= sent:
            yield _written(scribe, words[0], said)
            said += len(words.pop(0))
    if scribe is not None:
        for word in words:
            yield _written(scribe, word, said)
            said += len(word)
        if scribe.finishes:
            yield Beat(scribe.end)
    yield from then
    yield from ending(settings, max(seconds_of(sent, OUTPUT_RATE_HZ) - waited_s, 0.0))


def _written(scribe: Scribe, word: str, said: int) -> Beat:
    """The transcription of a word that comes after so many characters."""
    began, ended = (characters / CHARACTERS_PER_SECOND for characters in (said, said + len(word)))
    return Beat(scribe.written(word, began, ended), transcribed=word)


def bundled(beats: Iterable[Beat]) -> Iterator[Beat]:
    """The same, the last that is said on the frame of the end of its turn."""
    held: Beat | None = None
    for beat in beats:
        if beat.ends_turn and held is not None:
            yield held._replace(pause_s=0.0, ends_turn=True, is_bundled=beat.is_bundled)
        elif beat.ends_turn:
            yield beat
        else:
            if held is not None:
                yield held
            held = beat if is_content(beat.message) else None
            if held is None:
                yield beat
    if held is not None:
        yield held


def call_beats(calls: Sequence[OpenCall], usage_of: Callable[[str], Mapping[str, Any]] | None = None) -> Iterator[Beat]:
    """Function calls, all in one message, with the usage of their wording if that is told there."""
    wording = "".join(
        json.dumps({"name": name, "args": dict(args)}, ensure_ascii=False, separators=(",", ":"))
        for _, name, args in calls
    )
    if usage_of is None:
        yield Beat(tool_call(calls), text=wording)
    else:
        yield Beat(tool_call(calls, usage_of(wording)))


def trailing_beats(voice: int, scribe: Scribe | None) -> Iterator[Beat]:
    """What some models send behind a call (wire-live 5.4): a last frame of audio, and that its writing is whole."""
    yield Beat(model_speech(next(speech_pieces(" ", voice, GEMINI_CHUNK_BYTES))))
    if scribe is not None:
        yield Beat(scribe.end)


def _words(text: str) -> list[str]:
    """The text in words, spaces in front of theirs; together they are the text."""
    return _WORD.findall(text)
