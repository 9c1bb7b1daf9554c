"""What the client says in real time: its audio, pictures and marks, and what of them a turn includes. Pure.

What a turn includes is `turnCoverage` (wire-live 3.1): only the activity; all audio and pictures since the last turn;
or the audio of the activity and all pictures. A turn that was typed includes the pictures in any case, the audio only
where all input counts.
"""

from collections.abc import Sequence
from typing import Final

from ...answers.reading import member, text_in
from ...answers.tokens import Counts, modality_of
from ...audio import tokens_of_audio
from ..reading import Blob, RealtimeInput
from ..setup import Admitted
from .detection import ActivityDetector, Began, Ended, seconds_in

_PICTURE: Final = 258
_LOW_PICTURE: Final = 66
_COUGH_S: Final = 0.3
"""Speech below it is not meant for the model, if the model may keep silent; the figure is ours."""


def spoken_words(seconds: float) -> str:
    """What is taken to have been said in so much speech: its length."""
    return f"({seconds:.1f} seconds of audio)"


class Listener:
    """Hears one session's input; `at_s`: seconds of its audio, `activity_s`: of speech that no turn included yet.

    `began_s`: when the last activity began; `is_in_activity`: it goes on.
    """

    __slots__ = (
        "_admitted",
        "_detector",
        "_pictures",
        "_pictures_apart",
        "_sound_s",
        "activity_s",
        "at_s",
        "began_s",
        "is_in_activity",
    )

    def __init__(self, admitted: Admitted) -> None:
        self._admitted = admitted
        self._detector = None if admitted.setup.is_manual else ActivityDetector(admitted.sensitivity)
        self.is_in_activity = False
        self.at_s = 0.0
        self._sound_s = 0.0
        self._pictures: dict[str, int] = {}
        self._pictures_apart: dict[str, int] = {}
        self.activity_s = 0.0
        self.began_s = 0.0

    @property
    def is_manual(self) -> bool:
        """Whether the client marks where activity begins and ends."""
        return self._detector is None

    def hear(self, heard: RealtimeInput) -> list[Began | Ended]:
        """Take one message in; where activity began and ended in it, in order."""
        found: list[Began | Ended] = []
        if heard.activity_start and not self.is_in_activity:
            self.is_in_activity = True
            self.began_s = self.at_s
            found.append(Began(self.at_s))
        for blob in heard.media:
            if modality_of(blob.mime_type) == "AUDIO":
                found += self._hear_audio(blob)
            else:
                self._see(blob)
        if heard.audio_stream_end and self._detector is not None:
            found += self._noted(self._detector.flush())
        if heard.activity_end and self.is_in_activity:
            self.is_in_activity = False
            found.append(Ended(self.at_s, self.activity_s))
        return found

    def _hear_audio(self, blob: Blob) -> Sequence[Began | Ended]:
        seconds = seconds_in(blob.data, blob.mime_type)
        self._sound_s += seconds
        self.at_s += seconds
        if self._detector is not None:
            return self._noted(self._detector.feed(blob.data, blob.mime_type))
        if self.is_in_activity:
            self.activity_s += seconds
        return ()

    def _noted(self, found: Sequence[Began | Ended]) -> Sequence[Began | Ended]:
        for one in found:
            self.is_in_activity = isinstance(one, Began)
            if isinstance(one, Ended):
                self.activity_s += one.lasted_s
            else:
                self.began_s = one.at_s
        return found

    def _see(self, blob: Blob) -> None:
        config = member(self._admitted.setup.members, "generationConfig")
        is_low = text_in(config, "mediaResolution") == "MEDIA_RESOLUTION_LOW"
        kept = self._pictures if self.is_in_activity else self._pictures_apart
        modality = modality_of(blob.mime_type)
        kept[modality] = kept.get(modality, 0) + (_LOW_PICTURE if is_low else _PICTURE)

    @property
    def is_cough(self) -> bool:
        """Whether the speech since the last turn is too short to be meant for the model."""
        return self.activity_s < _COUGH_S

    def collect(self, *, is_spoken: bool) -> Counts:
        """The tokens of what the turn that ends now includes, by modality; what it leaves out is forgotten."""
        coverage = self._admitted.coverage
        everything = coverage == "TURN_INCLUDES_ALL_INPUT"
        seconds = self._sound_s if everything else self.activity_s if is_spoken else 0.0
        counts = dict(self._pictures)
        if not is_spoken or coverage != "TURN_INCLUDES_ONLY_ACTIVITY":
            for modality, tokens in self._pictures_apart.items():
                counts[modality] = counts.get(modality, 0) + tokens
        tokens = tokens_of_audio(seconds)
        if tokens:
            counts["AUDIO"] = counts.get("AUDIO", 0) + tokens
        self._pictures, self._pictures_apart = {}, {}
        self._sound_s = 0.0
        if is_spoken:
            self.activity_s = 0.0
        return counts
