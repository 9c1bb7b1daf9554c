"""A Live music session (`BidiGenerateMusic`) as a machine: from PLAY on it plays at real time. Pure.

Shapes and ranges: wire-live 8, and Google's page of Lyria RealTime. What is refused, and how, is assumed.

    waiting for setup -- setup --> silent -- PLAY, prompts known --> playing -- PAUSE, STOP --> silent
"""

import struct
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from math import pi, sin
from typing import Any, Final, assert_never, cast
from zlib import crc32

from understudy.messages import BINARY, TEXT
from understudy.scenario.json_subset import LazyJson, camel_case
from understudy.surfaces import Place

from ...answers.markers import block_reason
from ...answers.reading import Members, members_in, number_in, text_in
from ...cues import Action, Arrived, CloseWith, Elapsed, Event, Finished, Gone, Opened, SendMessage, Wait
from ..messages import filtered_prompt, music_chunk, setup_complete
from ..refusals import INVALID_ARGUMENT, Refusal, malformed_message, unknown_field, unknown_live_model
from ..settings import LiveSettings

RATE_HZ: Final = 48_000
CHUNK_S: Final = 0.25
_KINDS: Final = frozenset({"setup", "clientContent", "musicGenerationConfig", "playbackControl"})
_MODEL: Final = "models/lyria-realtime"
_MOST_PROMPTS: Final = 32
"""Each is a tone, and takes time; Google publishes no limit."""

_LARGEST_WEIGHT: Final = 3.4028234663852886e38
"""What the field can hold: a float of 32 bits."""

_TONES: Final = 97
_AMPLITUDE: Final = 4000
_STEP_HZ: Final = 4
"""Tones are multiples of it, so that chunks of a quarter of a second join smoothly."""

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (0, 3),
    "topK": (1, 1000),
    "seed": (0, 2**31 - 1),
    "guidance": (0, 6),
    "bpm": (60, 200),
    "density": (0, 1),
    "brightness": (0, 1),
}
_SWITCHES: Final = frozenset({"muteBass", "muteDrums", "onlyBassAndDrums"})
_NAMES: Final = frozenset({"scale", "musicGenerationMode"})


class MusicSession:
    """One session; the same prompts and settings always sound the same."""

    def __init__(self, place: Place, settings: LiveSettings | None = None) -> None:
        self._place = place
        self._opcode = BINARY if (settings or LiveSettings()).frames == "binary" else TEXT
        self._is_set_up = False
        self._sound: tuple[tuple[int, float], ...] = ()
        self._muted: frozenset[str] = frozenset()
        self._is_playing = False
        self._last_id = 0
        self._timer: int | None = None
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether the session is over."""
        return self._finished

    @property
    def is_behind(self) -> bool:
        """Whether the client has to wait: never, one chunk follows the other."""
        return False

    def on(self, event: Event) -> tuple[Action, ...]:
        """What is to be done now that `event` happened, in order."""
        if self._finished:
            return ()
        match event:
            case Opened():
                return ()
            case Arrived(message):
                outcome = self._hear(message)
            case Elapsed(id):
                return self._play(paced=True) if id == self._timer else ()
            case Gone():
                outcome = (Finished(),)
            case _:
                assert_never(event)
        if isinstance(outcome, Refusal):
            outcome = (CloseWith(outcome.code, outcome.cut), Finished())
        self._finished = bool(outcome) and isinstance(outcome[-1], Finished)
        return outcome

    def _hear(self, message: LazyJson) -> tuple[Action, ...] | Refusal:
        value = message.value
        if not isinstance(value, Mapping):
            return malformed_message(message.raw)
        members = {camel_case(name): one for name, one in cast("Members", value).items()}
        stranger = next((name for name in members if name not in _KINDS), None)
        if stranger is not None:
            return unknown_field(stranger[:60])
        if len(members) != 1 or ("setup" in members) is self._is_set_up:
            return INVALID_ARGUMENT
        kind, content = next(iter(members.items()))
        match kind:
            case "setup":
                return self._set_up(content)
            case "clientContent":
                return self._take_prompts(content)
            case "musicGenerationConfig":
                return self._take_config(content)
            case _:
                return self._control(content)

    def _set_up(self, content: Any) -> tuple[Action, ...] | Refusal:
        model = text_in(content, "model")
        if not model:
            return INVALID_ARGUMENT
        if not model.startswith(_MODEL):
            return unknown_live_model(model, self._place)
        self._is_set_up = True
        return (SendMessage(self._opcode, setup_complete(None)),)

    def _take_prompts(self, content: Any) -> tuple[Action, ...] | Refusal:
        """New prompts take the place of those before; a filtered one is told and left out."""
        actions: list[Action] = []
        kept: list[tuple[int, float]] = []
        prompts = members_in(content, "weightedPrompts")
        if not 0 < len(prompts) <= _MOST_PROMPTS:
            return INVALID_ARGUMENT
        for prompt in prompts:
            text, weight = text_in(prompt, "text"), number_in(prompt, "weight")
            weight = 1.0 if weight is None else weight
            if not text or weight == 0 or abs(weight) > _LARGEST_WEIGHT:
                return INVALID_ARGUMENT
            reason = block_reason(text)
            if reason is None:
                kept.append((crc32(text.encode("utf-8", "replace")) % _TONES, float(weight)))
            else:
                actions.append(SendMessage(self._opcode, filtered_prompt(text, reason)))
        self._sound = tuple(kept)
        return tuple(actions)

    def _take_config(self, content: Any) -> tuple[Action, ...] | Refusal:
        """A configuration takes the place of the one before, whole."""
        if not isinstance(content, Mapping):
            return INVALID_ARGUMENT
        muted: set[str] = set()
        for written, value in cast("Members", content).items():
            name = camel_case(written)
            if name in _RANGES:
                low, high = _RANGES[name]
                is_good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
            elif name in _SWITCHES:
                is_good = isinstance(value, bool)
            elif name in _NAMES:
                is_good = isinstance(value, str)
            else:
                return unknown_field(written[:60], "music_generation_config")
            if value is None:
                continue
            if not is_good:
                return INVALID_ARGUMENT
            if value is True:
                muted.add(name)
        self._muted = frozenset(muted)
        return ()

    def _control(self, control: Any) -> tuple[Action, ...] | Refusal:
        match control:
            case "PLAY":
                if not self._sound:
                    return INVALID_ARGUMENT
                if self._is_playing:
                    return ()
                self._is_playing = True
                return self._play(paced=False)
            case "PAUSE" | "STOP":
                self._is_playing = False
                self._timer = None
                return ()
            case "RESET_CONTEXT" | "PLAYBACK_CONTROL_UNSPECIFIED":
                return ()
            case _:
                return INVALID_ARGUMENT

    def _play(self, *, paced: bool) -> tuple[Action, ...]:
        """One chunk, and the wait for the next."""
        self._last_id += 1
        self._timer = self._last_id
        payload = _chunk(self._sound, 0 if "muteBass" in self._muted else 1, 0 if "muteDrums" in self._muted else 1)
        return (SendMessage(self._opcode, payload), Wait(CHUNK_S, self._timer, paced))


@lru_cache(maxsize=64)
def _chunk(prompts: tuple[tuple[int, float], ...], bass: int, drums: int) -> bytes:
    """A quarter of a second of stereo: a tone for each prompt by its weight, a bass, and a click for a drum."""
    total = sum(abs(weight) for _, weight in prompts) or 1.0
    tones = [(2 * pi * _STEP_HZ * (55 + number) / RATE_HZ, weight / total) for number, weight in prompts]
    low = 2 * pi * _STEP_HZ * 14 / RATE_HZ
    values: list[int] = []
    for at in range(round(CHUNK_S * RATE_HZ)):
        level = sum(weight * sin(turn * at) for turn, weight in tones) + bass * sin(low * at)
        level += drums * (1 - at / 1200 if at < 1200 else 0) * (1 if at % 48 < 24 else -1)
        values += (round(_AMPLITUDE * level), round(_AMPLITUDE * level))
    return music_chunk(b64encode(struct.pack(f"<{len(values)}h", *values)).decode("ascii"), RATE_HZ)
