"""A Live session without a scenario, as a machine: an event in, actions out; no socket, no clock (wire-live 5).

Rules of the machine:

* It takes the events and gives the actions of `cues.py`, so that one driver serves it and `Playback` alike.
* At most one wait and one alarm run; an `Elapsed` that is no longer waited for changes nothing.
* A refusal is `CloseWith` followed by `Finished`; after `Finished` nothing comes any more.
* The alarm is the end of the connection: `goAway` first, then the close (wire-live 5.6).

    waiting for setup -- setup --> in dialogue (dialogue.py, speaking.py) -- refusal, limit, close --> finished
"""

from datetime import datetime
from typing import assert_never

from understudy.scenario.json_subset import LazyJson
from understudy.surfaces import Place

from ...cues import Action, Arrived, CloseWith, Elapsed, Event, Finished, Gone, Opened
from ...ids import Identity
from ..reading import read_message
from ..refusals import INVALID_ARGUMENT, MALFORMED_HANDLE, TOKEN_EXPIRED, UNKNOWN_HANDLE, Refusal
from ..settings import LiveSettings
from ..setup import Admitted, Setup, admit
from .lifetime import Session
from .memory import SessionMemory, Snapshot


class Conversation:
    """One session at a Live place; ids come from `identity`, so that the same client gets the same bytes.

    `memory` keeps what handles stand for; without it none are given. `now` is the time of its first message, and
    decides which models are retired. `takes_any`: messages need not fit Google's descriptions. After `expires` messages
    are refused: so long is the ephemeral token good that the session was opened with.
    """

    __slots__ = (
        "_finished",
        "_first_at",
        "_good_for_s",
        "_identity",
        "_last_id",
        "_memory",
        "_now",
        "_place",
        "_session",
        "_settings",
        "_takes_any",
    )

    def __init__(
        self,
        place: Place,
        identity: Identity,
        settings: LiveSettings | None = None,
        memory: SessionMemory | None = None,
        *,
        now: datetime | None = None,
        takes_any: bool = False,
        expires: datetime | None = None,
    ) -> None:
        self._place = place
        self._identity = identity
        self._settings = settings or LiveSettings()
        self._memory = memory
        self._now = now
        self._takes_any = takes_any
        self._good_for_s = None if now is None or expires is None else (expires - now).total_seconds()
        self._first_at: float | None = None
        self._session: Session | None = None
        self._last_id = 0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether the session is over."""
        return self._finished

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be said that the client has to wait, too."""
        return self._session is not None and self._session.dialogue.is_behind

    def on(self, event: Event) -> tuple[Action, ...]:
        """What is to be done now that `event` happened, in order."""
        if self._finished:
            return ()
        if type(event) is Elapsed and self._session is not None:
            # First, as it comes for each frame of speech.
            return self._done(self._session.on_timer(event.id, event.at))
        match event:
            case Opened():
                return ()
            case Arrived(message, at):
                return self._done(self._hear(message, at))
            case Elapsed():
                return ()
            case Gone():
                return self._done((Finished(),))
            case _:
                assert_never(event)

    def _hear(self, message: LazyJson, at: float) -> tuple[Action, ...] | Refusal:
        if self._first_at is None:
            self._first_at = at
        if self._good_for_s is not None and at - self._first_at >= self._good_for_s:
            return TOKEN_EXPIRED
        said = read_message(message, self._place, takes_any=self._takes_any)
        if isinstance(said, Refusal):
            return said
        session = self._session
        if session is None:
            return self._begin(said, at) if isinstance(said, Setup) else INVALID_ARGUMENT
        if isinstance(said, Setup):
            # A second setup (wire-live 3).
            return INVALID_ARGUMENT
        return session.take(said, at)

    def _begin(self, setup: Setup, at: float) -> tuple[Action, ...] | Refusal:
        admitted = admit(setup, self._place, self._now, self._identity.hex("trace", 16))
        if isinstance(admitted, Refusal):
            return admitted
        restored = self._restored(setup, admitted)
        if isinstance(restored, Refusal):
            return restored
        self._session = Session(admitted, self._identity, self._settings, self._memory, self._new_id)
        return self._session.begin(at, restored)

    def _restored(self, setup: Setup, admitted: Admitted) -> Snapshot | Refusal | None:
        """The session that the setup's handle stands for, or why it cannot go on (wire-live 5.1, 5.6)."""
        if setup.handle is None:
            return None
        found = "unknown"
        if self._memory is not None:
            found = self._memory.find(self._identity.scope, setup.handle)
        if isinstance(found, str):
            return MALFORMED_HANDLE if found == "malformed" else UNKNOWN_HANDLE
        return found if found.model == admitted.model.id else INVALID_ARGUMENT

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _done(self, outcome: tuple[Action, ...] | Refusal) -> tuple[Action, ...]:
        if isinstance(outcome, Refusal):
            outcome = (CloseWith(outcome.code, outcome.cut), Finished())
        if outcome and isinstance(outcome[-1], Finished):
            self._finished = True
            if self._session is not None:
                self._session.end()
        return outcome
