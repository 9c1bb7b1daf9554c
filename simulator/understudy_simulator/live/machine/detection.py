"""Finds speech in PCM16 by its energy: where it begins and ends, in seconds of audio, whatever the real time. Pure.

Rules (wire-live 3.1, 5.3; thresholds and defaults are ours, Google publishes none):

* The audio is judged in windows of 10 ms, each by its mean amplitude.
* Speech begins after `prefixPaddingMs` (at least one window, default 20) of windows that are loud enough: 250 of 32768
  for START_SENSITIVITY_HIGH, 1000 for LOW.
* It ends after `silenceDurationMs` (default 500 for END_SENSITIVITY_HIGH, 800 for LOW) of windows below 250 or 120.
* What is no PCM cannot be judged, and counts as speech for its whole length.
"""

import sys
from array import array
from dataclasses import dataclass
from typing import Any, Final

from ...answers.reading import member, text_in, whole_in
from ...audio import SAMPLE_BYTES, rate_of

WINDOW_MS: Final = 10
_BEGIN_LEVEL: Final = {"HIGH": 250, "LOW": 1000}
_END_LEVEL: Final = {"HIGH": 250, "LOW": 120}
_SILENCE_MS: Final = {"HIGH": 500, "LOW": 800}
_PREFIX_MS: Final = 20
_UNHEARD_BYTES_PER_SECOND: Final = 4000
"""How many bytes of compressed audio are taken for a second: 32 kbit/s."""


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began at `at_s` of the stream's audio."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Speech ended at `at_s`; it had lasted `lasted_s`."""

    at_s: float
    lasted_s: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What counts as speech: mean amplitudes, and how long something must last, in ms."""

    begin_level: int
    end_level: int
    prefix_ms: int
    silence_ms: int


def sensitivity_of(detection: Any, is_vertex: bool) -> Sensitivity:
    """The meaning of `automaticActivityDetection`; without a choice sensitivities are HIGH on Gemini, LOW on Vertex."""
    usual = "LOW" if is_vertex else "HIGH"
    begin = _level(text_in(detection, "startOfSpeechSensitivity"), usual)
    end = _level(text_in(detection, "endOfSpeechSensitivity"), usual)
    prefix, silence = whole_in(detection, "prefixPaddingMs"), whole_in(detection, "silenceDurationMs")
    return Sensitivity(
        _BEGIN_LEVEL[begin],
        min(_END_LEVEL[end], _BEGIN_LEVEL[begin]),
        _PREFIX_MS if prefix is None else max(prefix, WINDOW_MS),
        _SILENCE_MS[end] if silence is None else max(silence, WINDOW_MS),
    )


def has_paddings(detection: Any) -> bool:
    """Whether `automaticActivityDetection` names a padding or a silence."""
    return member(detection, "prefixPaddingMs") is not None or member(detection, "silenceDurationMs") is not None


def _level(name: str | None, usual: str) -> str:
    return next((level for level in ("HIGH", "LOW") if (name or "").upper().endswith(level)), usual)


def is_pcm(mime_type: str) -> bool:
    """Whether audio of that type is raw PCM16."""
    kind = mime_type.partition(";")[0].strip().lower()
    return kind in ("audio/pcm", "audio/l16", "audio/raw")


def seconds_in(data: bytes, mime_type: str) -> float:
    """How long a blob of audio lasts; of what is no PCM a guess from its size."""
    if is_pcm(mime_type):
        return len(data) // SAMPLE_BYTES / rate_of(mime_type, "client")
    return len(data) / _UNHEARD_BYTES_PER_SECOND


def bytes_per_second(mime_type: str) -> int:
    """How many bytes of such audio last a second; of what is no PCM a guess."""
    return rate_of(mime_type, "client") * SAMPLE_BYTES if is_pcm(mime_type) else _UNHEARD_BYTES_PER_SECOND


class ActivityDetector:
    """Listens to one stream of audio."""

    __slots__ = (
        "_at_ms",
        "_began_ms",
        "_last_loud_ms",
        "_loud_ms",
        "_quiet_ms",
        "_rate",
        "_rest",
        "_sense",
        "_windows",
        "hears",
    )

    def __init__(self, sensitivity: Sensitivity) -> None:
        self._sense = sensitivity
        self._rate = 0
        self._rest = b""
        self._windows = 0
        self._at_ms = 0.0
        self._loud_ms = 0
        self._quiet_ms = 0
        self._began_ms = 0.0
        self._last_loud_ms = 0.0
        self.hears = False

    @property
    def at_s(self) -> float:
        """Seconds of audio that were judged."""
        return self._at_ms / 1000

    def feed(self, data: bytes, mime_type: str) -> list[Began | Ended]:
        """Hear the next piece of audio; what began and ended in it, in order."""
        found: list[Began | Ended] = []
        if not is_pcm(mime_type):
            windows = int(seconds_in(data, mime_type) * 1000 / WINDOW_MS) + 1
            for _ in range(windows):
                self._judge(self._sense.begin_level, found)
            return found
        rate = rate_of(mime_type, "client")
        if rate != self._rate:
            self._rate, self._rest, self._windows = rate, b"", 0
        if self._rest:
            data = self._rest + data
        values = array("h", data[: len(data) // SAMPLE_BYTES * SAMPLE_BYTES])
        if sys.byteorder == "big":
            values.byteswap()
        start = 0
        while start + (samples := self._next_samples()) <= len(values):
            self._windows += 1
            # The mean amplitude of the window.
            self._judge(sum(map(abs, values[start : start + samples])) // samples, found)
            start += samples
        self._rest = data[start * SAMPLE_BYTES :]
        return found

    def _next_samples(self) -> int:
        """The length of the next window: at rates like 11025 Hz some have a sample more, so that none drifts."""
        begin = self._windows * self._rate * WINDOW_MS // 1000
        return max((self._windows + 1) * self._rate * WINDOW_MS // 1000 - begin, 1)

    def flush(self) -> list[Began | Ended]:
        """The stream pauses: speech that goes on has ended (`audioStreamEnd`)."""
        self._rest = b""
        self._loud_ms = 0
        return [self._end()] if self.hears else []

    def _judge(self, level: int, found: list[Began | Ended]) -> None:
        sense = self._sense
        self._at_ms += WINDOW_MS
        if self.hears:
            if level >= sense.end_level:
                self._quiet_ms = 0
                self._last_loud_ms = self._at_ms
                return
            self._quiet_ms += WINDOW_MS
            if self._quiet_ms >= sense.silence_ms:
                found.append(self._end())
            return
        if level < sense.begin_level:
            self._loud_ms = 0
            return
        self._loud_ms += WINDOW_MS
        if self._loud_ms >= sense.prefix_ms:
            self.hears = True
            self._quiet_ms = 0
            self._began_ms = self._at_ms - self._loud_ms
            self._last_loud_ms = self._at_ms
            found.append(Began(self._began_ms / 1000))

    def _end(self) -> Ended:
        self.hears = False
        self._loud_ms = 0
        return Ended(self._last_loud_ms / 1000, (self._last_loud_ms - self._began_ms) / 1000)
