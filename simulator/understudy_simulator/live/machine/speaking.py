"""What the model says: the beats of one turn after another, each turn with exactly one end. Pure.

    silent -- begin --> speaking -- last beat --> silent
                           |   |
                           |   +-- the beats end without the end of the turn (a call that blocks) --> held
                           +-- interrupt --> silent (interrupted, end of the turn)

`held` is a turn that waits for the answer to a function call; `begin` goes on with it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from understudy.messages import BINARY, TEXT

from ...answers.tokens import Counts
from ...cues import Action, SendMessage, Wait
from ..messages import interrupted, turn_complete, usage_alone, usage_metadata, with_end
from ..settings import LiveSettings
from .context import Context
from .turns import Beat, Spoken


@dataclass(frozen=True, slots=True)
class Beside:
    """What a turn has beside its parts: tokens of thoughts and tools, members of its last message, usage or none."""

    thoughts: int = 0
    tool_use: int = 0
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])
    has_usage: bool = True


class Speaker:
    """Says what it is given. `ended_turn` is true after an action list that ended a turn, until it is taken."""

    __slots__ = (
        "_beats",
        "_beside",
        "_context",
        "_earlier",
        "_is_vertex",
        "_new_id",
        "_opcode",
        "_prompt",
        "_settings",
        "_spoken",
        "_timer",
        "ended_turn",
    )

    def __init__(self, context: Context, is_vertex: bool, settings: LiveSettings, new_id: Callable[[], int]) -> None:
        self._context = context
        self._is_vertex = is_vertex
        self._settings = settings
        self._new_id = new_id
        self._opcode = BINARY if settings.frames == "binary" else TEXT
        self._beats: Iterator[Beat] | None = None
        self._prompt: Counts | None = None
        self._spoken = Spoken()
        self._earlier: Counts = {}
        self._beside = Beside()
        self._timer: int | None = None
        self.ended_turn = False

    @property
    def is_speaking(self) -> bool:
        """Whether there is more to say, or to be played."""
        return self._beats is not None

    @property
    def is_in_turn(self) -> bool:
        """Whether a turn has begun that has not ended."""
        return self._prompt is not None

    def message(self, payload: bytes) -> SendMessage:
        """A message in the frames that the settings want."""
        return SendMessage(self._opcode, payload)

    def begin(self, beats: Iterable[Beat], beside: Beside, transcribed: str = "") -> tuple[Action, ...]:
        """Begin a turn, or go on with a held one. `transcribed` is what was written down of the client's speech."""
        self._prompt = self._context.prompt()
        self._spoken.add(Beat(transcribed=transcribed))
        self._beside = Beside(
            self._beside.thoughts + beside.thoughts,
            self._beside.tool_use + beside.tool_use,
            {**self._beside.extras, **beside.extras},
            beside.has_usage,
        )
        self._beats = iter(beats)
        return self._speak(paced=False)

    def on_timer(self, id: int) -> tuple[Action, ...] | None:
        """Go on after a pause; None if it is not this pause that is over."""
        return self._speak(paced=True) if id == self._timer else None

    def interrupt(self) -> tuple[Action, ...]:
        """Break the turn off: what was not sent yet never will be (wire-live 5.3)."""
        if self._prompt is None:
            return ()
        if "interactionStatus" in self._beside.extras:
            # Nothing follows any more; a client that is told IN_PROGRESS would wait for it (wire-live 0.10).
            self._beside = replace(self._beside, extras={**self._beside.extras, "interactionStatus": "IDLE"})
        return (self.message(interrupted()), *self._end_turn(also_generation=False))

    def _speak(self, *, paced: bool) -> tuple[Action, ...]:
        """Send beats up to the next pause, or to the end."""
        actions: list[Action] = []
        spoken = self._spoken
        self._timer = None
        for beat in self._beats or ():
            if beat.message:
                spoken.add(beat)
                if not beat.ends_turn:
                    actions.append(SendMessage(self._opcode, beat.message))
            if beat.ends_turn:
                actions.extend(self._end_turn(beat.message, also_generation=beat.is_bundled))
                return tuple(actions)
            if beat.pause_s > 0:
                self._timer = self._new_id()
                actions.append(Wait(beat.pause_s, self._timer, paced))
                return tuple(actions)
        self._beats = None
        return tuple(actions)

    def usage_so_far(self, wording: str) -> dict[str, Any]:
        """The usage up to now, with a call of that wording, told with the call: what follows is counted apart."""
        self._spoken.add(Beat(text=wording))
        usage = self._usage()
        self._context.add(self._spoken.counts)
        self._spoken.forget()
        self._beside = replace(self._beside, thoughts=0, tool_use=0, has_usage=False)
        return usage

    def _usage(self) -> dict[str, Any]:
        prompt, settings = self._prompt or {}, self._settings
        earlier = self._earlier
        if settings.caches_context:
            self._earlier = prompt
        return usage_metadata(
            prompt,
            self._spoken.billed,
            self._is_vertex,
            thoughts=self._beside.thoughts,
            tool_use=self._beside.tool_use,
            cached={name: min(tokens, prompt.get(name, 0)) for name, tokens in earlier.items()},
            traffic=settings.traffic,
            omits=settings.omits_single_count,
        )

    def _end_turn(self, last: bytes = b"", *, also_generation: bool) -> tuple[Action, ...]:
        """The end of the turn, on the frame of what was said `last`; what was said joins the context of the next."""
        beside, usage = self._beside, self._usage()
        self._context.add(self._spoken.counts)
        self._beats = self._timer = self._prompt = None
        self._spoken, self._beside = Spoken(), Beside()
        self.ended_turn = True
        is_apart = self._settings.usage_apart or not beside.has_usage
        end = turn_complete(None if is_apart else usage, beside.extras, also_generation=also_generation)
        ended = self.message(with_end(last, end) if last else end)
        return (self.message(usage_alone(usage)), ended) if is_apart and beside.has_usage else (ended,)
