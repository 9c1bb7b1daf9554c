"""How long a session may last, what it is told before its end, and the handles by which it goes on elsewhere. Pure.

Limits: wire-live 5.5, 5.6. A session without context-window compression ends after 15 minutes, after 2 minutes once
pictures came, counted over all its connections; every connection ends after about 10 minutes.
"""

import math
from collections.abc import Callable
from typing import Final

from ...answers.reading import member
from ...cues import Action, Alarm
from ...ids import Identity
from ..messages import go_away, resumption_update, setup_complete
from ..reading import ClientContent, ContextUpdate, RealtimeInput, ToolResponse
from ..refusals import ABORTED, GO_AWAY_IGNORED, Refusal
from ..settings import LiveSettings
from ..setup import Admitted
from .context import Context, compression_of
from .dialogue import Dialogue, Outcome
from .interpreting import Interpreter
from .memory import SessionMemory, Snapshot
from .speaking import Speaker

_HANDLE_LENGTH: Final = 96
_MOST_HANDLES: Final = 100
"""How many handles of one session are kept: those of the last three minutes, if it streams."""


class Session:
    """A session that was set up: its dialogue, and its time."""

    __slots__ = (
        "_aborting",
        "_admitted",
        "_at",
        "_compression",
        "_consumed",
        "_context",
        "_earlier_s",
        "_ending",
        "_had_video",
        "_handles",
        "_identity",
        "_left_s",
        "_memory",
        "_new_id",
        "_settings",
        "_speaker",
        "_update_at_s",
        "_warning",
        "dialogue",
    )

    def __init__(
        self,
        admitted: Admitted,
        identity: Identity,
        settings: LiveSettings,
        memory: SessionMemory | None,
        new_id: Callable[[], int],
    ) -> None:
        self._admitted = admitted
        self._identity = identity
        self._settings = settings
        self._memory = memory
        self._new_id = new_id
        window = settings.context_window or admitted.model.input_limit
        self._compression = compression_of(member(admitted.setup.members, "contextWindowCompression"), window)
        self._context = Context(window, self._compression)
        self._speaker = Speaker(self._context, admitted.is_vertex, settings, new_id)
        self.dialogue: Dialogue | Interpreter = (
            Interpreter(admitted, settings, self._context, self._speaker, self._offer_handle)
            if admitted.family.is_translator
            else Dialogue(
                admitted,
                identity,
                settings,
                self._context,
                self._speaker,
                self._offer_handle,
                tells_handles=self._tells_handles,
            )
        )
        self._update_at_s = math.inf
        self._consumed = 1
        self._earlier_s = 0.0
        self._at = 0.0
        self._left_s = 0.0
        self._had_video = False
        self._handles = 0
        self._warning: int | None = None
        self._ending: int | None = None
        self._aborting: int | None = None

    def begin(self, at: float, restored: Snapshot | None = None) -> tuple[Action, ...]:
        """The answer to the setup, `at` seconds after the connection began; goes on from a snapshot, if there is one.

        The time of the connection begins to run.
        """
        self._at = at
        if restored is not None:
            self._context.recall(restored.context)
            self.dialogue.turns.extend(restored.turns)
            self._consumed = restored.consumed
            self._earlier_s = restored.age_s
            self._had_video = restored.has_video
        session_id = self._identity.uuid if self._admitted.is_vertex else None
        complete = self._speaker.message(setup_complete(session_id, self._admitted.setup.consent))
        return (complete, *self._offer_handle(), self._limit())

    def take(self, said: ClientContent | RealtimeInput | ToolResponse | ContextUpdate, at: float) -> Outcome:
        """What follows from a client message that came at that time."""
        self._at = at
        self._consumed += 1
        outcome = self.dialogue.take(said)
        if self.dialogue.heard_s >= self._update_at_s and not isinstance(outcome, Refusal):
            streamed = self._streamed()
            outcome = streamed if isinstance(streamed, Refusal) else outcome + streamed
        if isinstance(outcome, Refusal) or self._had_video or not self.dialogue.has_video:
            return outcome
        self._had_video = True
        # With pictures a session is shorter (wire-live 5.5).
        return outcome if self._compression is not None or self._is_warned else (*outcome, self._limit())

    def on_timer(self, id: int, at: float) -> Outcome:
        """A wait or the alarm is over."""
        self._at = at
        if id == self._warning:
            self._warning = None
            self._ending = self._new_id()
            return (self._speaker.message(go_away(self._left_s)), self._alarm(self._left_s, self._ending))
        if id == self._aborting:
            return ABORTED
        if id == self._ending:
            return GO_AWAY_IGNORED
        return self.dialogue.on_timer(id)

    def end(self) -> None:
        """The connection is over; its handles begin to grow old."""
        if self._memory is not None and self._handles:
            self._memory.end(self._identity.scope, self._identity.uuid, self._settings.handle_s)

    @property
    def _is_warned(self) -> bool:
        return self._ending is not None

    def _limit(self) -> Alarm:
        """Set the alarm for the moment when the client is to be warned of the end."""
        settings = self._settings
        ends_at = settings.connection_s
        if self._compression is None:
            limit_s = settings.video_session_s if self._had_video else settings.audio_session_s
            ends_at = min(ends_at, limit_s - self._earlier_s)
        whole_s = max(ends_at - self._at, 0.0)
        # Measured times stay out of messages, so that the same client gets the same bytes.
        self._left_s = round(min(settings.warning_s, whole_s), 1)
        self._warning = self._new_id()
        return self._alarm(whole_s - self._left_s, self._warning)

    def _alarm(self, seconds: float, id: int) -> Alarm:
        """An alarm, or the one of the abort if that comes first: only one alarm runs at a time."""
        abort_s = self._settings.abort_s
        if abort_s > 0 and abort_s - self._at < seconds:
            id = self._aborting = self._new_id()
            seconds = max(abort_s - self._at, 0.0)
        return Alarm(seconds, id)

    @property
    def _tells_handles(self) -> bool:
        return self._admitted.setup.resumes and self._memory is not None

    def _streamed(self) -> Outcome:
        """The client streams audio: every other second of it, it hears of its handle (wire-live 5.6).

        While the model speaks, that is told between its messages.
        """
        if self.dialogue.is_speaking:
            self._rest_of_handles()
            return ()
        offered = self._offer_handle()
        return self.dialogue.tell(offered) if isinstance(self.dialogue, Interpreter) else offered

    def _rest_of_handles(self) -> None:
        """No more of handles until the client has streamed on for a while."""
        every_s = self._settings.handle_every_s
        if self._tells_handles and every_s > 0:
            # A hair earlier: sums of seconds may be off by one.
            self._update_at_s = self.dialogue.heard_s + every_s - 1e-6

    def _offer_handle(self) -> tuple[Action, ...]:
        """A handle for what was said so far, if handles are wanted; an update without one while none can be given."""
        setup = self._admitted.setup
        if not setup.resumes or self._memory is None:
            return ()
        self._rest_of_handles()
        message = self._speaker.message
        if not self.dialogue.can_resume:
            return (message(resumption_update(None, None)),)
        self._handles += 1
        if self._handles > _MOST_HANDLES:
            # Who streams for long does not crowd out the handles of others.
            self._memory.drop(self._identity.scope, self._handle(self._handles - _MOST_HANDLES))
        handle = self._handle(self._handles)
        self._memory.keep(self._identity.scope, handle, self._snapshot())
        return (message(resumption_update(handle, self._consumed - 1 if setup.is_transparent else None)),)

    def _handle(self, number: int) -> str:
        return self._identity.urlsafe(f"handle {number}", _HANDLE_LENGTH)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            self._admitted.model.id,
            self._context.remembered(),
            tuple(self.dialogue.turns),
            self._consumed,
            self._identity.uuid,
            self._earlier_s + self._at,
            self._had_video,
        )
