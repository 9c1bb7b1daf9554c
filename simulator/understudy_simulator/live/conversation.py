"""A Live session without a scenario, as a machine: an event in, actions out; no socket, no clock (wire-live 5).

Rules of the machine:

* It takes the events and gives the actions of `cues.py`, so that one driver serves it and `Playback` alike.
* At most one timer runs; an `Elapsed` that is no longer waited for changes nothing.
* A refusal is `CloseWith` followed by `Finished`; after `Finished` nothing comes any more.

    waiting for setup -- setup --> listening -- question --> speaking -- last beat --> listening
                                       ^                        |  |
                                       |      new input: interrupted, end of turn
                                       +-- all answers -- calling <- function call

Simple on purpose: activity is what the client marks (`activityStart`, `activityEnd`, `audioStreamEnd`) or writes, the
simulator does not listen for speech; function calls block; sessions neither resume nor grow old.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, assert_never

from understudy.messages import BINARY
from understudy.scenario.json_subset import LazyJson, last_text
from understudy.surfaces import Place

from ..answers.reading import Members, member, text_in
from ..answers.tokens import TOKENS_PER_MEDIA_PART, modality_of, tokens_of_request, tokens_of_text
from ..answers.turns import Said, said_to
from ..audio import rate_of, seconds_of, tokens_of_audio
from ..catalogue import model_of
from ..cues import Action, Arrived, CloseWith, Elapsed, Event, Finished, Gone, Opened, SendMessage, Wait
from ..ids import Identity
from .messages import (
    Blob,
    ClientContent,
    ClientMessage,
    ContextUpdate,
    RealtimeInput,
    Setup,
    ToolResponse,
    input_transcription,
    interrupted,
    read_message,
    setup_complete,
    turn_complete,
    usage_metadata,
)
from .refusals import (
    ACTIVITY_CONTROL,
    INVALID_ARGUMENT,
    MEDIA_CHUNKS,
    VOICE_WITHOUT_AUDIO,
    Refusal,
    live_model_place,
    unknown_live_model,
    unsupported_modalities,
)
from .turns import Beat, Spoken, audio_beats, call_beats, text_beats

_CALL_WORD: Final = re.compile(r"\bcall\b", re.IGNORECASE)


def setup_refusal(setup: Setup, place: Place) -> Refusal | None:
    """Why the service would refuse a setup message (wire-live 5.1); None if it would not."""
    named = live_model_place(setup.model, place)
    is_vertex = place.surface.is_vertex
    model = model_of(named.model or "", is_vertex) if named.publisher in (None, "google") else None
    if model is None or not model.can("bidiGenerateContent"):
        return unknown_live_model(setup.model, place)
    if not model.live_modalities.issuperset(setup.modalities):
        return unsupported_modalities(setup.modalities, setup.model)
    if setup.has_voice and "AUDIO" not in setup.modalities:
        return VOICE_WITHOUT_AUDIO
    return None


class Conversation:
    """One session at a Live place; ids come from `identity`, so that the same client gets the same bytes."""

    def __init__(self, place: Place, identity: Identity) -> None:
        self._place = place
        self._identity = identity
        self._is_vertex = place.surface.is_vertex
        self._setup: Setup | None = None
        self._is_newer = False
        self._tools: Any = None
        self._history_taken = False
        self._context: dict[str, int] = {}
        self._prompt: dict[str, int] = {}
        self._turns: list[Members] = []
        self._audio_s = 0.0
        self._in_activity = False
        self._calls: dict[str, str] = {}
        self._calls_made = 0
        self._beats: deque[Beat] = deque()
        self._spoken = Spoken()
        self._owes_answer = False
        self._timer: int | None = None
        self._last_id = 0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether the session is over."""
        return self._finished

    def on(self, event: Event) -> tuple[Action, ...]:
        """What is to be done now that `event` happened, in order."""
        if self._finished:
            return ()
        match event:
            case Opened():
                return ()
            case Arrived(message):
                return self._hear(message)
            case Elapsed(id):
                return self._speak(paced=True) if id == self._timer else ()
            case Gone():
                self._finished = True
                return (Finished(),)
            case _:
                assert_never(event)

    # -- listening

    def _hear(self, message: LazyJson) -> tuple[Action, ...]:
        said = read_message(message)
        if isinstance(said, Refusal):
            return self._refuse(said)
        if self._setup is None:
            return self._begin(said) if isinstance(said, Setup) else self._refuse(INVALID_ARGUMENT)
        return self._take(said, self._setup)

    def _take(self, said: ClientMessage, setup: Setup) -> tuple[Action, ...]:
        match said:
            case Setup():
                # A second setup (wire-live 3).
                return self._refuse(INVALID_ARGUMENT)
            case ClientContent():
                return self._take_content(said, setup)
            case RealtimeInput():
                return self._take_realtime(said, setup)
            case ToolResponse():
                return self._take_results(said)
            case ContextUpdate(members):
                return self._take_update(members)
            case _:
                assert_never(said)

    def _begin(self, setup: Setup) -> tuple[Action, ...]:
        refusal = setup_refusal(setup, self._place)
        if refusal is not None:
            return self._refuse(refusal)
        self._setup = setup
        self._is_newer = (live_model_place(setup.model, self._place).model or "").startswith("gemini-3")
        self._tools = member(setup.members, "tools")
        self._history_taken = not setup.takes_history
        self._count(tokens_of_request(setup.members))
        return (_message(setup_complete(self._identity.uuid if self._is_vertex else None)),)

    def _take_content(self, content: ClientContent, setup: Setup) -> tuple[Action, ...]:
        roles = [text_in(turn, "role") for turn in content.turns]
        # wire-live 3.2: 3.x models insist on roles; the Gemini API has no system turns.
        if (self._is_newer and None in roles) or (not self._is_vertex and "system" in roles):
            return self._refuse(INVALID_ARGUMENT)
        actions = self._interrupt()
        self._turns.extend(content.turns)
        self._count(tokens_of_request({"contents": list(content.turns)}))
        if not content.is_complete:
            return actions
        if not self._history_taken:
            self._history_taken = True
            self._turns.clear()
            return actions
        # 2.x models answer users only (wire-live 3.2).
        if not self._is_newer and roles and roles[-1] == "model":
            return actions
        return actions + self._answer()

    def _take_realtime(self, heard: RealtimeInput, setup: Setup) -> tuple[Action, ...]:
        if heard.is_old_style and self._is_newer:
            return self._refuse(MEDIA_CHUNKS)
        if (heard.activity_start or heard.activity_end) and not setup.is_manual:
            return self._refuse(ACTIVITY_CONTROL)
        actions: tuple[Action, ...] = ()
        if (heard.activity_start or heard.text is not None) and not setup.keeps_talking:
            actions += self._interrupt()
        self._in_activity = (self._in_activity or heard.activity_start) and not heard.activity_end
        for blob in heard.media:
            self._take_blob(blob, setup)
        asks = heard.text is not None
        if heard.text is not None:
            self._turns.append({"role": "user", "parts": [{"text": heard.text}]})
            self._count({"TEXT": tokens_of_text(heard.text)})
        ended = heard.activity_end if setup.is_manual else heard.audio_stream_end
        if ended and self._audio_s:
            actions += self._end_audio(setup)
            asks = True
        return actions + self._answer() if asks else actions

    def _take_blob(self, blob: Blob, setup: Setup) -> None:
        modality = modality_of(blob.mime_type)
        if modality != "AUDIO":
            self._count({modality: TOKENS_PER_MEDIA_PART})
        elif self._in_activity or not setup.is_manual:
            self._audio_s += seconds_of(len(blob.data), rate_of(blob.mime_type, "client"))

    def _end_audio(self, setup: Setup) -> tuple[Action, ...]:
        """The audio since the last answer is a turn of its own."""
        words = f"({self._audio_s:.1f} seconds of audio)"
        self._count({"AUDIO": tokens_of_audio(self._audio_s)})
        self._audio_s = 0.0
        self._turns.append({"role": "user", "parts": [{"text": words}]})
        return (_message(input_transcription(words)),) if setup.transcribes_input else ()

    def _take_update(self, members: Members) -> tuple[Action, ...]:
        if not self._is_newer:
            return self._refuse(INVALID_ARGUMENT)
        tools = member(members, "tools")
        if tools is not None:
            self._tools = member(tools, "tools")
        self._count(tokens_of_request({"systemInstruction": member(members, "systemInstruction")}))
        return ()

    def _take_results(self, results: ToolResponse) -> tuple[Action, ...]:
        """Answers to function calls, found by id, else by name (wire-live 3.4); speaks on once all are there."""
        for result in results.responses:
            by_name = next((call_id for call_id, name in self._calls.items() if name == result.name), None)
            call_id = result.id if result.id in self._calls else None if result.id else by_name
            if call_id is None:
                return self._refuse(INVALID_ARGUMENT)
            name = self._calls.pop(call_id)
            part = {"functionResponse": {"name": name, "response": result.response}}
            self._turns.append({"role": "user", "parts": [part]})
            self._count(tokens_of_request({"contents": [{"parts": [part]}]}))
        return () if self._calls else self._answer()

    # -- speaking

    def _answer(self) -> tuple[Action, ...]:
        """Start to answer what was said since the last answer, unless the model is busy or waits for a function."""
        if self._calls or self._beats:
            self._owes_answer = not self._calls
            return ()
        self._owes_answer = False
        turns, self._turns = self._turns, []
        self._prompt = dict(self._context)
        self._beats.extend(self._beats_of(self._said_to(turns)))
        return self._speak(paced=False)

    def _said_to(self, turns: list[Members]) -> Said:
        body: dict[str, Any] = {"contents": turns, "tools": self._tools}
        said = said_to(body)
        if said.call is None and _CALL_WORD.search(last_text(body) or ""):
            return said_to(body | {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})
        return said

    def _beats_of(self, said: Said) -> Iterable[Beat]:
        if said.call is not None:
            name, args = said.call
            self._calls_made += 1
            number = int.from_bytes(self._identity.digest(f"live call {self._calls_made}")[:8])
            call_id = f"function-call-{number:020d}"
            self._calls[call_id] = name
            return call_beats(call_id, name, args, closes_turn=not self._is_newer)
        setup = self._setup
        if setup is None or "AUDIO" not in setup.modalities:
            return text_beats(said.text)
        return audio_beats(said.text, is_vertex=self._is_vertex, transcribes=setup.transcribes_output)

    def _speak(self, *, paced: bool) -> tuple[Action, ...]:
        """Send beats up to the next pause, or to the end."""
        actions: list[Action] = []
        self._timer = None
        while self._beats:
            beat = self._beats.popleft()
            self._spoken += beat.spoken
            actions.append(_message(beat.message if beat.message is not None else self._end_turn()))
            if beat.pause_s > 0:
                self._last_id += 1
                self._timer = self._last_id
                actions.append(Wait(beat.pause_s, self._timer, paced))
                return tuple(actions)
        return (*actions, *self._answer()) if self._owes_answer else tuple(actions)

    def _interrupt(self) -> tuple[Action, ...]:
        """New input while the model speaks: what was not sent yet never will be (wire-live 5.3)."""
        if not self._beats:
            return ()
        self._beats.clear()
        self._timer = None
        self._owes_answer = False
        return (_message(interrupted()), _message(self._end_turn()))

    def _end_turn(self) -> bytes:
        """The message that ends a turn; what was said joins the context of the next."""
        counts = self._spoken.counts
        self._spoken = Spoken()
        usage = usage_metadata(self._prompt, counts, self._is_vertex)
        self._count(counts)
        return turn_complete(usage)

    def _count(self, counts: Mapping[str, int]) -> None:
        for modality, tokens in counts.items():
            self._context[modality] = self._context.get(modality, 0) + tokens

    def _refuse(self, refusal: Refusal) -> tuple[Action, ...]:
        self._finished = True
        return (CloseWith(refusal.code, refusal.cut), Finished())


def _message(payload: bytes) -> SendMessage:
    return SendMessage(BINARY, payload)
