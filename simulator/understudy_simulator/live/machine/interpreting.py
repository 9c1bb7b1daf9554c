"""A session of a model that interprets: its audio goes on in step with the client's, without turns. Pure.

Live Translate sends audio all the time, at real time and in pieces of 250 ms, silence where nobody speaks (wire-live
5.2); nothing interrupts it. What it says in place of a translation is a tone while it hears speech. The end of the
client's stream ends its one turn, with the usage of the whole.

    silent -- as much audio as a piece has --> interpreting -- all is said --> held (speaking.py) -- end --> silent
"""

import re
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, assert_never

from ...answers.reading import Members, flag_in, member, text_in
from ...answers.tokens import modality_of
from ...audio import (
    CHARACTERS_PER_SECOND,
    OUTPUT_RATE_HZ,
    SAMPLE_BYTES,
    rate_of,
    seconds_of,
    speech,
    tokens_of_audio,
)
from ...cues import Action, SendMessage
from ..messages import detection_signal, model_audio, voice_activity
from ..reading import Blob, ClientContent, ContextUpdate, RealtimeInput, ToolResponse
from ..refusals import ACTIVITY_CONTROL, INVALID_ARGUMENT, MEDIA_CHUNKS, Refusal
from ..settings import LiveSettings
from ..setup import Admitted
from .context import Context
from .detection import ActivityDetector, Began, Ended, bytes_per_second, is_pcm
from .dialogue import Outcome
from .listening import spoken_words
from .speaking import Beside, Speaker
from .transcribing import input_scribe, named_language, output_scribe
from .turns import TURN_END, Beat, ending

INTERPRETER_CHUNK_BYTES: Final = 12_000
_MOST_WAITING: Final = 240
"""Messages that may wait to be said: a minute of pieces of the usual size."""

_USUAL_TARGET: Final = "en"
_SPOKEN: Final = ("en-US", "es-ES")
"""What is taken to be spoken where the setup does not say: the first that is not the target."""

_SECOND_BYTES: Final = OUTPUT_RATE_HZ * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Translation:
    """From which language to which; `echoes`: speech in the target language is repeated, else nothing is said to it."""

    spoken: str
    target: str
    echoes: bool

    @property
    def is_needed(self) -> bool:
        """Whether it is another language that is spoken."""
        return not _is_same(self.spoken, self.target)


def translation_of(admitted: Admitted) -> Translation:
    """The meaning of `translationConfig`; the spoken language is what the transcription of the input names."""
    members = admitted.setup.members
    config = member(member(members, "generationConfig"), "translationConfig")
    target = text_in(config, "targetLanguageCode") or _USUAL_TARGET
    usual = next(code for code in _SPOKEN if not _is_same(code, target))
    spoken = named_language(member(members, "inputAudioTranscription")) or usual
    return Translation(spoken, target, flag_in(config, "echoTargetLanguage"))


def _is_same(one: str, other: str) -> bool:
    first, second = (re.split(r"[-_]", code.lower())[0] for code in (one, other))
    return first == second


class Interpreter:
    """What a dialogue is for other models; `on_turn_end` is asked what else is to be sent when the stream has ended."""

    __slots__ = (
        "_admitted",
        "_context",
        "_detector",
        "_heard_tokens",
        "_hears",
        "_input",
        "_input_type",
        "_on_turn_end",
        "_piece_bytes",
        "_queue",
        "_reader",
        "_said_bytes",
        "_settings",
        "_speaker",
        "_translation",
        "_unbilled_s",
        "_writer",
        "has_video",
        "heard_s",
        "turns",
    )

    def __init__(
        self,
        admitted: Admitted,
        settings: LiveSettings,
        context: Context,
        speaker: Speaker,
        on_turn_end: Callable[[], tuple[Action, ...]],
    ) -> None:
        self._admitted = admitted
        self._settings = settings
        self._context = context
        self._speaker = speaker
        self._on_turn_end = on_turn_end
        self._translation = translation_of(admitted)
        self._reader = input_scribe(admitted, settings, self._translation.spoken)
        self._writer = output_scribe(admitted, settings, self._translation.target)
        self._detector = None if admitted.setup.is_manual else ActivityDetector(admitted.sensitivity)
        size = settings.chunk_bytes or INTERPRETER_CHUNK_BYTES
        self._piece_bytes = max(size // SAMPLE_BYTES, 1) * SAMPLE_BYTES
        self._queue: deque[Beat] = deque()
        self._input = b""
        self._input_type = ""
        self._hears: float | None = None
        self._said_bytes = 0
        self._unbilled_s = 0.0
        self._heard_tokens: deque[int] = deque()
        self.heard_s = 0.0
        self.has_video = False
        self.turns: list[Members] = []

    @property
    def can_resume(self) -> bool:
        """Whether a handle may be given now: always, as this model always speaks."""
        return True

    @property
    def is_behind(self) -> bool:
        """Whether the client has to wait: it sends faster than can be said at real time."""
        return len(self._queue) > _MOST_WAITING

    @property
    def is_speaking(self) -> bool:
        """Whether it says something that must not be broken off."""
        return False

    def take(self, said: ClientContent | RealtimeInput | ToolResponse | ContextUpdate) -> Outcome:
        """What follows from a client message: it takes nothing but audio. (That is assumed.)"""
        match said:
            case RealtimeInput():
                return self._take_realtime(said)
            case ClientContent() | ToolResponse() | ContextUpdate():
                return INVALID_ARGUMENT
            case _:
                assert_never(said)

    def on_timer(self, id: int) -> Outcome:
        """A pause is over; one that is not waited for changes nothing."""
        actions = self._speaker.on_timer(id)
        return () if actions is None else self._after(actions)

    def _take_realtime(self, heard: RealtimeInput) -> Outcome:
        refusal = self._refused(heard)
        if refusal is not None:
            return refusal
        if heard.activity_start and self._hears is None:
            self._notice(Began(self.heard_s))
        for blob in heard.media:
            self._hear(blob)
        if heard.activity_end and self._hears is not None:
            self._notice(Ended(self.heard_s, self.heard_s - self._hears))
        if heard.audio_stream_end:
            self._end_stream()
        return self._go_on()

    def _refused(self, heard: RealtimeInput) -> Refusal | None:
        if heard.is_old_style and not self._admitted.family.takes_media_chunks:
            return MEDIA_CHUNKS
        if (heard.activity_start or heard.activity_end) and self._detector is not None:
            return ACTIVITY_CONTROL
        is_other = any(modality_of(blob.mime_type) != "AUDIO" for blob in heard.media)
        return INVALID_ARGUMENT if is_other or heard.text is not None else None

    # -- hearing

    def _hear(self, blob: Blob) -> None:
        """Take audio in; each time there is as much of it as of a piece, a piece is to be said."""
        if blob.mime_type != self._input_type:
            self._flush()
            self._input_type = blob.mime_type
        heard, size = self._input + blob.data, self._input_bytes
        whole = len(heard) // size * size
        for start in range(0, whole, size):
            self._interpret(heard[start : start + size], self._piece_bytes)
        self._input = heard[whole:]

    @property
    def _input_bytes(self) -> int:
        """How much of the client's audio lasts as long as a piece of what is said."""
        rate = bytes_per_second(self._input_type)
        return max(round(rate * self._piece_bytes / _SECOND_BYTES / SAMPLE_BYTES), 1) * SAMPLE_BYTES

    def _flush(self) -> None:
        """What is left of the client's audio is shorter than a piece."""
        piece, self._input = self._input, b""
        samples = round(len(piece) / bytes_per_second(self._input_type) * OUTPUT_RATE_HZ)
        if samples:
            self._interpret(piece, samples * SAMPLE_BYTES)

    def _interpret(self, piece: bytes, size: int) -> None:
        """Say `size` bytes to a piece of the client's audio that lasts as long."""
        seconds = seconds_of(size, OUTPUT_RATE_HZ)
        self.heard_s += seconds
        self._unbilled_s += seconds
        was_heard = self._hears is not None
        found = () if self._detector is None else self._detector.feed(piece, self._input_type)
        is_speech = was_heard or bool(found)
        pace = self._settings.audio_pace
        self._queue.append(Beat(self._said(piece, size, is_speech), seconds if pace > 0 else 0.0, size))
        self._said_bytes += size
        for noticed in found:
            self._notice(noticed)

    def _said(self, piece: bytes, size: int, is_speech: bool) -> bytes:
        translation = self._translation
        if not is_speech or not (translation.is_needed or translation.echoes):
            return model_audio(bytes(size))
        if not translation.is_needed and is_pcm(self._input_type):
            return model_audio(resampled(piece, rate_of(self._input_type, "client"), size))
        start = self._said_bytes % _SECOND_BYTES
        voice = _voice(translation.target, self._admitted.setup.voice_number)
        whole = voice[start:] + voice * (size // _SECOND_BYTES + 1)
        return model_audio(whole[:size])

    def _notice(self, noticed: Began | Ended) -> None:
        """Speech began or ended: that is told and written down, in its place among what is said."""
        queue, setup = self._queue, self._admitted.setup
        begins = isinstance(noticed, Began)
        if setup.signals_activity:
            queue.append(Beat(detection_signal("SOS" if begins else "EOS")))
            queue.append(Beat(voice_activity("ACTIVITY_START" if begins else "ACTIVITY_END", noticed.at_s)))
        if isinstance(noticed, Began):
            self._hears = noticed.at_s
            return
        self._hears = None
        words, began_s = spoken_words(noticed.lasted_s), noticed.at_s - noticed.lasted_s
        translation = self._translation
        told = [(self._reader, words)]
        if translation.is_needed or translation.echoes:
            told.append((self._writer, f"{words[:-1]}, in {translation.target})" if translation.is_needed else words))
        for scribe, text in told:
            if scribe is not None:
                queue.append(Beat(scribe.written(text, began_s, noticed.at_s), transcribed=text))
                if scribe.finishes:
                    queue.append(Beat(scribe.end))

    def _end_stream(self) -> None:
        self._flush()
        for noticed in () if self._detector is None else self._detector.flush():
            self._notice(noticed)
        if self._unbilled_s > 0:
            self._heard_tokens.append(tokens_of_audio(self._unbilled_s))
            self._unbilled_s = 0.0
            self._queue.append(TURN_END)

    # -- saying

    def tell(self, actions: Iterable[Action]) -> Outcome:
        """Other messages of the session, which take their place among what is said: so time does not order them."""
        self._queue.extend(Beat(action.payload) for action in actions if isinstance(action, SendMessage))
        return self._go_on()

    def _waiting(self) -> Iterator[Beat]:
        """What is to be said, up to the end of a stream."""
        while self._queue and not self._queue[0].ends_turn:
            yield self._queue.popleft()

    def _go_on(self) -> Outcome:
        """Say what waits, unless something is being said: then it comes behind that."""
        if self._speaker.is_speaking or not self._queue:
            return ()
        if not self._queue[0].ends_turn:
            return self._after(self._speaker.begin(self._waiting(), Beside()))
        self._queue.popleft()
        self._context.add({"AUDIO": self._heard_tokens.popleft()})
        actions = self._speaker.begin(ending(self._settings), Beside())
        return INVALID_ARGUMENT if self._context.is_full else self._after(actions)

    def _after(self, actions: tuple[Action, ...]) -> Outcome:
        if self._speaker.ended_turn:
            self._speaker.ended_turn = False
            actions += self._on_turn_end()
        more = self._go_on()
        return more if isinstance(more, Refusal) else actions + more


def resampled(pcm: bytes, rate_hz: int, size: int) -> bytes:
    """PCM16 at another rate as `size` bytes of 24 kHz: each sample is the nearest one before it."""
    heard: Any = array("h", pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES])
    if not heard:
        return bytes(size)
    last = len(heard) - 1
    said = [heard[min(at * rate_hz // OUTPUT_RATE_HZ, last)] for at in range(size // SAMPLE_BYTES)]
    return array("h", said).tobytes()


@lru_cache(maxsize=64)
def _voice(target: str, number: int) -> bytes:
    """A second of the voice that speaks a language."""
    return speech((f"in {target} " * CHARACTERS_PER_SECOND)[:CHARACTERS_PER_SECOND], number)
