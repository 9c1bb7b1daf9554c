"""Turn taking of a free session after its setup: what the client says becomes turns, turns get answers. Pure.

Rules: wire-live 3.2 to 3.5, 4, 5.3, 5.4. New input while the model speaks, or while what it said is still to be played,
interrupts it, unless NO_INTERRUPTION says that the next turn follows. A blocking call holds everything up until it is
answered; only spoken activity cancels it. What the model says comes from `answers`, as over HTTP.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, assert_never

from ...answers.reading import Members, member, text_in
from ...answers.tokens import tokens_of_request, tokens_of_text
from ...answers.turns import Said
from ...cues import Action
from ...ids import Identity
from ..messages import (
    detection_signal,
    tool_call_cancellation,
    voice_activity,
)
from ..reading import ClientContent, ContextUpdate, RealtimeInput, ToolResponse
from ..refusals import ACTIVITY_CONTROL, INVALID_ARGUMENT, MEDIA_CHUNKS, Refusal
from ..settings import LiveSettings
from ..setup import Admitted, behaviors_of, refused_tools
from .calling import Call, Calls
from .composing import SILENCE_MARKER, Composer
from .context import Context, kept_turn
from .detection import Began, Ended
from .listening import Listener, spoken_words
from .nudges import is_nudging, without_nudges
from .speaking import Beside, Speaker
from .transcribing import INTERIM_S, input_scribe
from .turns import (
    Beat,
    OpenCall,
    behind_first,
    call_beats,
    ending,
    with_updates,
)

_THINK_WORD: Final = re.compile(r"\bthink\b", re.IGNORECASE)
_THINKING_ALOUD: Final = "Let me think about that."
_THINKING_S: Final = 1.0

Outcome = tuple[Action, ...] | Refusal


class Dialogue:
    """One session's turns. `on_turn_end` is asked what else is to be sent whenever a turn has ended.

    `tells_handles`: while the model speaks the client hears from time to time that there is no handle for it now.
    """

    __slots__ = (
        "_admitted",
        "_afterthought",
        "_calls",
        "_calls_made",
        "_composer",
        "_context",
        "_draft_at_s",
        "_family",
        "_history_taken",
        "_identity",
        "_instruction",
        "_late",
        "_listener",
        "_on_turn_end",
        "_owes_answer",
        "_results",
        "_scribe",
        "_settings",
        "_setup",
        "_speaker",
        "_tools",
        "_transcribed",
        "_turns_begun",
        "_update_every_s",
        "has_video",
        "turns",
    )

    def __init__(
        self,
        admitted: Admitted,
        identity: Identity,
        settings: LiveSettings,
        context: Context,
        speaker: Speaker,
        on_turn_end: Callable[[], tuple[Action, ...]],
        *,
        tells_handles: bool = False,
    ) -> None:
        self._admitted = admitted
        self._setup = admitted.setup
        self._family = admitted.family
        self._identity = identity
        self._settings = settings
        self._context = context
        self._speaker = speaker
        self._on_turn_end = on_turn_end
        self._listener = Listener(admitted)
        self._composer = Composer(admitted, settings)
        self._scribe = input_scribe(admitted, settings)
        self._draft_at_s = math.inf
        self._late: list[Beat] = []
        self._calls = Calls()
        self._calls_made = 0
        self._turns_begun = 0
        self._tools: Any = member(self._setup.members, "tools")
        self._instruction: Any = member(self._setup.members, "systemInstruction")
        self._history_taken = not self._setup.takes_history
        self._results: list[Members] = []
        self._update_every_s = settings.handle_every_s if tells_handles else 0.0
        self._transcribed = ""
        self._owes_answer = False
        self._afterthought: Said | None = None
        self.has_video = False
        self.turns: list[Members] = []
        self._fix_context()

    @property
    def can_resume(self) -> bool:
        """Whether a handle may be given now: nothing is being said, no call is open that blocks (wire-live 4)."""
        return not self._calls.is_blocked and not self._speaker.is_in_turn

    @property
    def is_behind(self) -> bool:
        """Whether the client has to wait: never, new input interrupts."""
        return False

    @property
    def heard_s(self) -> float:
        """Seconds of the client's audio so far."""
        return self._listener.at_s

    @property
    def is_speaking(self) -> bool:
        """Whether the model speaks, or what it said is still being played."""
        return self._speaker.is_speaking

    # -- listening

    def take(self, said: ClientContent | RealtimeInput | ToolResponse | ContextUpdate) -> Outcome:
        """What follows from a client message: actions, or why the session ends."""
        match said:
            case ClientContent():
                return self._take_content(said)
            case RealtimeInput():
                return self._take_realtime(said)
            case ToolResponse():
                return self._take_results(said)
            case ContextUpdate(members):
                return self._take_update(members)
            case _:
                assert_never(said)

    def on_timer(self, id: int) -> Outcome:
        """A pause is over; one that is not waited for changes nothing."""
        actions = self._speaker.on_timer(id)
        return () if actions is None else self._after(actions)

    def _take_content(self, content: ClientContent) -> Outcome:
        roles = [text_in(turn, "role") for turn in content.turns]
        is_vertex = self._admitted.is_vertex
        # wire-live 3.2: 3.x models insist on roles; the Gemini API has no system turns, on Vertex they replace.
        if (self._family.needs_roles and None in roles) or (not is_vertex and "system" in roles):
            return INVALID_ARGUMENT
        actions = self._interrupt(self._speaker.is_speaking)
        for turn in content.turns:
            if text_in(turn, "role") == "system":
                self._instruction = turn
                self._fix_context()
            else:
                counts = tokens_of_request({"contents": [turn]})
                if any(counts.values()):
                    self.turns.append(kept_turn(turn))
                    self._context.add(counts)
        if not content.is_complete:
            return self._unless_full(actions)
        is_history, self._history_taken = not self._history_taken, True
        if is_history and self._family.waits_after_history:
            # The history stays: a client that wants it answered says nothing more than a full stop to it.
            return self._unless_full(actions)
        if not self._family.answers_model_turns and roles and roles[-1] == "model":
            return self._unless_full(actions)
        return self._then_answer(actions, is_spoken=False)

    def _unless_full(self, actions: tuple[Action, ...]) -> Outcome:
        """`actions`, to something that is not answered now; but not more may be said than the context holds.

        Turns that compression has dropped need no answer any more.
        """
        count = self._context.cut()
        del self.turns[: max(len(self.turns) - count, 0)]
        return INVALID_ARGUMENT if self._context.is_full else actions

    def _take_realtime(self, heard: RealtimeInput) -> Outcome:
        if heard.is_old_style and not self._family.takes_media_chunks:
            return MEDIA_CHUNKS
        if (heard.activity_start or heard.activity_end) and not self._setup.is_manual:
            return ACTIVITY_CONTROL
        if heard.media and not self.has_video:
            self.has_video = any(not blob.mime_type.lower().startswith("audio/") for blob in heard.media)
        actions: tuple[Action, ...] = ()
        for noticed in self._listener.hear(heard):
            told = self._notice(noticed)
            if isinstance(told, Refusal):
                return told
            actions += told
        if self._listener.at_s >= self._draft_at_s:
            actions += self._write_draft()
        if heard.text is None or (self._speaker.is_speaking and is_nudging(heard.text)):
            return actions
        if not self._setup.keeps_talking:
            actions += self._interrupt(self._speaker.is_speaking)
        self._add_text(heard.text)
        self._context.add({"TEXT": tokens_of_text(heard.text)})
        return self._then_answer(actions, is_spoken=False)

    def _notice(self, noticed: Began | Ended) -> Outcome:
        """Spoken activity began: it interrupts. It ended: it is a turn of its own."""
        if isinstance(noticed, Began):
            if self._scribe is not None and self._scribe.drafts:
                self._draft_at_s = noticed.at_s + INTERIM_S - 1e-6
            signals = self._signals("SOS", "ACTIVITY_START", noticed.at_s)
            return signals if self._setup.keeps_talking else signals + self._interrupt_by_speech()
        actions = self._signals("EOS", "ACTIVITY_END", noticed.at_s)
        if self._setup.is_manual and not self._listener.activity_s:
            return actions
        words = spoken_words(self._listener.activity_s)
        is_cough = self._listener.is_cough and self._admitted.may_keep_silent
        self._add_text(SILENCE_MARKER if is_cough else words)
        actions += self._write_down(words, noticed)
        return self._then_answer(actions, is_spoken=True)

    def _write_down(self, words: str, noticed: Ended) -> tuple[Action, ...]:
        """The transcription of an activity; what is to come late comes behind the beginning of the answer."""
        scribe = self._scribe
        if scribe is None:
            return ()
        self._transcribed += words
        payloads = [scribe.written(words, noticed.at_s - noticed.lasted_s, noticed.at_s)]
        if scribe.finishes:
            payloads.append(scribe.end)
        if self._settings.late_transcriptions:
            self._late.extend(map(Beat, payloads))
            return ()
        return tuple(map(self._speaker.message, payloads))

    def _write_draft(self) -> tuple[Action, ...]:
        """The user has spoken on: a draft of what will be written down."""
        listener, scribe = self._listener, self._scribe
        if scribe is None or not listener.is_in_activity:
            self._draft_at_s = math.inf
            return ()
        self._draft_at_s = listener.at_s + INTERIM_S - 1e-6
        began_s = listener.began_s
        words = spoken_words(listener.at_s - began_s)
        return (self._speaker.message(scribe.draft(words, began_s, listener.at_s)),)

    def _signals(self, signal: str, kind: str, at_s: float) -> tuple[Action, ...]:
        if not self._setup.signals_activity:
            return ()
        message = self._speaker.message
        return (message(detection_signal(signal)), message(voice_activity(kind, at_s)))

    def _add_text(self, text: str) -> None:
        self.turns.append({"role": "user", "parts": [{"text": text}]})

    def _take_update(self, members: Members) -> Outcome:
        if not self._family.takes_context_update:
            return INVALID_ARGUMENT
        tools, instruction = member(members, "tools"), member(members, "systemInstruction")
        if tools is not None:
            inner = member(tools, "tools")
            refusal = refused_tools(inner, self._family)
            if refusal is not None:
                return refusal
            self._tools = inner
        if instruction is not None:
            self._instruction = instruction
        self._fix_context()
        return ()

    def _fix_context(self) -> None:
        """What stands before all turns, however the context is cut."""
        self._context.fix(tokens_of_request({"systemInstruction": self._instruction, "tools": self._tools}))

    # -- calls

    def _take_results(self, results: ToolResponse) -> Outcome:
        """Answers to function calls; those that block let the model speak on once all are there."""
        asks, cuts = False, False
        for result in results.responses:
            call = self._calls.find(result)
            if call is None:
                if self._calls.is_cancelled(result):
                    continue
                return INVALID_ARGUMENT
            if not result.will_continue:
                self._calls.settle(call)
            part = {"functionResponse": {"name": call.name, "response": result.response}}
            self._context.add(tokens_of_request({"contents": [{"parts": [part]}]}))
            # Vertex AI ignores the scheduling (wire-live 5.4).
            scheduling = "WHEN_IDLE" if call.blocks or self._admitted.is_vertex else result.scheduling
            if scheduling != "SILENT":
                self._results.append(part)
                asks = True
                cuts = cuts or scheduling == "INTERRUPT"
        if not asks:
            return self._unless_full(())
        actions = self._interrupt(self._speaker.is_speaking) if cuts else ()
        return self._then_answer(actions, is_spoken=None)

    # -- speaking

    def _then_answer(self, actions: tuple[Action, ...], *, is_spoken: bool | None) -> Outcome:
        """`actions`, then the answer to what was said. `is_spoken` None: nothing was; the turn is about results."""
        if is_spoken is not None:
            self._context.add(self._listener.collect(is_spoken=is_spoken))
        answer = self._answer()
        return answer if isinstance(answer, Refusal) else actions + answer

    def _answer(self) -> Outcome:
        """Start to answer what was said since the last answer, unless the model is busy or waits for a function."""
        if self._calls.is_blocked:
            return self._unless_full(())
        if self._speaker.is_speaking:
            self._owes_answer = True
            return self._unless_full(())
        self._owes_answer = False
        turns, self.turns = without_nudges(self.turns), []
        if self._results:
            turns.append({"role": "user", "parts": self._results})
            self._results = []
        said, prompt = self._composer.said_to(turns, self._tools)
        unanswered = self._composer.unanswered(prompt)
        if unanswered is not None:
            return self._begin(*unanswered)
        if self._family.tells_status and said.call is None and _THINK_WORD.search(prompt):
            self._afterthought = said
            return self._begin(
                self._composer.voiced(_THINKING_ALOUD), Beside(extras={"interactionStatus": "IN_PROGRESS"})
            )
        if said.calls:
            return self._call(said)
        return self._begin(*self._composer.answer(said, prompt, self._tools))

    def _call(self, said: Said) -> Outcome:
        """Call functions. If one of them blocks, the model waits; else it speaks, calls, and the conversation goes on.

        It speaks first: livekit gives up a call when it hears of more from the model behind it.
        """
        behaviors = behaviors_of(self._tools)
        usual = "NON_BLOCKING" if self._family.calling == "non_blocking" else "BLOCKING"
        calls = [(self._call_id(), name, args) for name, args in said.calls]
        turn = self._turns_begun if self._speaker.is_in_turn else self._turns_begun + 1
        made = [Call(id, name, behaviors.get(name, usual) == "BLOCKING", turn) for id, name, _ in calls]
        beats = self._opened(made, calls)
        if not any(call.blocks for call in made):
            names = ", ".join(call.name for call in made)
            beats = self._composer.voiced(f"I am calling {names}; meanwhile we can go on.", beats)
        elif self._family.closes_calling_turn:
            beats = chain(beats, self._composer.trailing(), ending(self._settings))
        extras = {"interactionStatus": "IDLE"} if self._family.tells_status else {}
        return self._begin(beats, Beside(extras=extras))

    def _opened(self, made: Sequence[Call], calls: Sequence[OpenCall]) -> Iterator[Beat]:
        """The message with the calls, which are open from when it is sent: not if the words before are interrupted."""
        for call in made:
            self._calls.add(call)
        yield from call_beats(calls, self._speaker.usage_so_far if self._settings.usage_on_calls else None)

    def _call_id(self) -> str:
        self._calls_made += 1
        number = int.from_bytes(self._identity.digest(f"live call {self._calls_made}")[:8])
        return f"function-call-{number:020d}"

    def _begin(self, beats: Iterator[Beat], beside: Beside) -> Outcome:
        if not self._speaker.is_in_turn:
            self._turns_begun += 1
        transcribed, self._transcribed = self._transcribed, ""
        if self._late:
            beats, self._late = behind_first(beats, self._late), []
        if self._update_every_s:
            beats = with_updates(beats, self._update_every_s)
        actions = self._speaker.begin(beats, beside, transcribed)
        if self._context.is_full:
            return INVALID_ARGUMENT
        return self._after(actions)

    def _after(self, actions: tuple[Action, ...]) -> Outcome:
        """After the model spoke: if its turn is over, what follows it, and the answer that is still owed."""
        if not self._speaker.ended_turn:
            return actions
        actions += self._turn_ended()
        if self._afterthought is not None:
            said, self._afterthought = self._afterthought, None
            pause = iter((Beat(pause_s=_THINKING_S),))
            more = self._begin(
                chain(pause, self._composer.voiced(said.text)), Beside(extras={"interactionStatus": "IDLE"})
            )
        else:
            more = self._answer() if self._owes_answer else ()
        return more if isinstance(more, Refusal) else actions + more

    def _turn_ended(self) -> tuple[Action, ...]:
        self._speaker.ended_turn = False
        return self._on_turn_end()

    # -- interruption

    def _interrupt(self, is_busy: bool) -> tuple[Action, ...]:
        """Break the turn off and cancel its calls, if the model is busy (wire-live 5.3)."""
        if not is_busy:
            return ()
        self._owes_answer = False
        self._afterthought = None
        ids = self._calls.cancel(self._turns_begun, blocking=False)
        cancelled = (self._speaker.message(tool_call_cancellation(ids)),) if ids else ()
        actions = cancelled + self._speaker.interrupt()
        return actions + self._turn_ended() if self._speaker.ended_turn else actions

    def _interrupt_by_speech(self) -> tuple[Action, ...]:
        """Spoken activity interrupts a turn that waits for a function, too, and calls that hold the session up."""
        if self._speaker.is_in_turn:
            return self._interrupt(is_busy=True)
        ids = self._calls.cancel(0, blocking=True)
        return (self._speaker.message(tool_call_cancellation(ids)),) if ids else ()
