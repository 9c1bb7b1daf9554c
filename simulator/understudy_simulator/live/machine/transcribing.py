"""How what is said aloud is written down: its language, speaker, words with their times, drafts of it. Pure.

Members of transcriptions: wire-live 3.1 (`inputAudioTranscription`), 4. Vertex AI's have text, language and end alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ...answers.reading import flag_in, member, strings_in, text_in
from ..messages import transcription, transcription_finished
from ..settings import LiveSettings
from ..setup import Admitted

INTERIM_S: Final = 1.0
"""After how much more speech a draft of its transcription is sent; the figure is ours."""

_SPEAKER: Final = "spk_1"
_ENGLISH: Final = "en-US"
_WORD: Final = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes down one side of a session.

    `name` is the member of serverContent; `language`, `speaker`: told if not None; `times_words`: with the time of each
    word; `finishes`: says when a transcription is whole; `drafts`: writes while the user still speaks, and
    `times_drafts` tells what time such a draft covers.
    """

    name: str
    language: str | None = None
    speaker: str | None = None
    times_words: bool = False
    finishes: bool = False
    drafts: bool = False
    times_drafts: bool = False

    def written(self, text: str, began_s: float, ended_s: float) -> bytes:
        """What was said from one second of the audio to another."""
        span = (began_s, ended_s) if self.times_words else None
        words = tuple(_timed(text, began_s, ended_s)) if self.times_words else ()
        return transcription(self.name, text, language=self.language, speaker=self.speaker, span=span, words=words)

    def draft(self, text: str, began_s: float, ended_s: float) -> bytes:
        """What was said so far, which may still change."""
        span = (began_s, ended_s) if self.times_drafts else None
        return transcription("interimInputTranscription", text, language=self.language, span=span)

    @property
    def end(self) -> bytes:
        """The transcription is whole."""
        return transcription_finished(self.name)


def input_scribe(admitted: Admitted, settings: LiveSettings, spoken: str = _ENGLISH) -> Scribe | None:
    """Who writes down what the client says; None if nobody shall. `spoken`: the language if the setup names none."""
    setup, family = admitted.setup, admitted.family
    if not setup.transcribes_input:
        return None
    config = member(setup.members, "inputAudioTranscription")
    realtime = member(setup.members, "realtimeInputConfig")
    is_vertex = admitted.is_vertex
    return Scribe(
        "inputTranscription",
        named_language(config) or (spoken if family.tells_language else None),
        _speaker(config, is_vertex),
        flag_in(config, "wordTimestamp") and not is_vertex,
        settings.finishes_transcriptions,
        family.drafts or settings.drafts,
        flag_in(realtime, "interimTranscriptTimestampEnabled") and not is_vertex,
    )


def output_scribe(admitted: Admitted, settings: LiveSettings, spoken: str = _ENGLISH) -> Scribe | None:
    """Who writes down what the model says; None if nobody shall."""
    setup, family = admitted.setup, admitted.family
    if not setup.transcribes_output:
        return None
    config = member(setup.members, "outputAudioTranscription")
    named = named_language(config)
    speech = member(member(setup.members, "generationConfig"), "speechConfig")
    if named is not None:
        # It is told where languages were named, and is that of the voice.
        named = text_in(speech, "languageCode") or named
    return Scribe(
        "outputTranscription",
        spoken if family.tells_language else named,
        _speaker(config, admitted.is_vertex),
        flag_in(config, "wordTimestamp") and not admitted.is_vertex,
        settings.finishes_transcriptions,
    )


def named_language(config: Any) -> str | None:
    """The first language that a transcription's configuration names, in its present or its older member."""
    codes = strings_in(config, "languageCodes") or strings_in(member(config, "languageHints"), "languageCodes")
    return codes[0] if codes else None


def _speaker(config: Any, is_vertex: bool) -> str | None:
    return _SPEAKER if flag_in(config, "diarization") and not is_vertex else None


def _timed(text: str, began_s: float, ended_s: float) -> Iterator[tuple[str, float, float]]:
    """The words of a text, and from when to when each was said: every character takes the same time."""
    per_character_s = (ended_s - began_s) / max(len(text), 1)
    for found in _WORD.finditer(text):
        word = found[0].lstrip()
        yield word, began_s + (found.end() - len(word)) * per_character_s, began_s + found.end() * per_character_s
