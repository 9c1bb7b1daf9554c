"""One turn of the model in a free Live conversation, as beats: the messages in order and the pauses between them. Pure.

Order within a turn: wire-live 4. Audio is sent in the service's chunk sizes, faster than real time (wire-live 5.2).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..answers.tokens import Counts, tokens_of_text
from ..audio import CHARACTER_SAMPLES, OUTPUT_RATE_HZ, SAMPLE_BYTES, chunks_of, seconds_of, speech, tokens_of_audio
from .messages import generation_complete, model_audio, model_text, output_transcription, tool_call

AUDIO_PACE: Final = 4.0
"""How many seconds of audio are sent in one second."""

TEXT_PAUSE_S: Final = 0.03
_WORDS_A_MESSAGE: Final = 3
_WORD: Final = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What of an answer was sent: its text parts, and bytes of 24 kHz audio."""

    text: str = ""
    audio_bytes: int = 0

    def __add__(self, other: "Spoken") -> "Spoken":
        return Spoken(self.text + other.text, self.audio_bytes + other.audio_bytes)

    @property
    def counts(self) -> Counts:
        """Its tokens by modality."""
        counts = {
            "TEXT": tokens_of_text(self.text),
            "AUDIO": tokens_of_audio(seconds_of(self.audio_bytes, OUTPUT_RATE_HZ)),
        }
        return {modality: tokens for modality, tokens in counts.items() if tokens}


@dataclass(frozen=True, slots=True)
class Beat:
    """One message and the pause after it; `message` None is the end of the turn, whose usage is known only then."""

    message: bytes | None
    spoken: Spoken = Spoken()
    pause_s: float = 0.0


TURN_END: Final = Beat(None)


def text_beats(text: str) -> Iterator[Beat]:
    """An answer in text, a few words a message, and the end of its turn."""
    words = _words(text)
    for start in range(0, len(words), _WORDS_A_MESSAGE):
        piece = "".join(words[start : start + _WORDS_A_MESSAGE])
        yield Beat(model_text(piece), Spoken(piece), TEXT_PAUSE_S)
    yield Beat(generation_complete())
    yield TURN_END


def audio_beats(text: str, *, is_vertex: bool, transcribes: bool) -> Iterator[Beat]:
    """An answer in audio, with each word's transcription behind the audio that ends it, and the end of its turn."""
    words = _words(text) if transcribes else []
    sent, said = 0, 0
    for chunk in chunks_of(speech(text), is_vertex):
        sent += len(chunk)
        pause_s = seconds_of(len(chunk), OUTPUT_RATE_HZ) / AUDIO_PACE
        yield Beat(model_audio(chunk), Spoken(audio_bytes=len(chunk)), pause_s)
        while words and (said + len(words[0])) * CHARACTER_SAMPLES * SAMPLE_BYTES <= sent:
            said += len(words[0])
            # A transcription costs nothing: the audio was counted.
            yield Beat(output_transcription(words.pop(0)))
    yield Beat(generation_complete())
    yield TURN_END


def call_beats(call_id: str, name: str, args: Mapping[str, Any], *, closes_turn: bool) -> Iterator[Beat]:
    """A function call. `closes_turn`: the calling turn ends at once, as on 2.x models (wire-live 5.4)."""
    wording = json.dumps({"name": name, "args": dict(args)}, ensure_ascii=False, separators=(",", ":"))
    yield Beat(tool_call([(call_id, name, args)]), Spoken(wording))
    if closes_turn:
        yield Beat(generation_complete())
        yield TURN_END


def _words(text: str) -> list[str]:
    """The text in words, spaces in front of theirs; together they are the text."""
    return _WORD.findall(text)
