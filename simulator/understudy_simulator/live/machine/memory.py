"""Sessions that can be resumed: what each handle stands for, by scope, as long as it is good. Pure.

Rules: wire-live 5.6. A handle is good while its session goes on and for two hours after; only its own model takes it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ...answers.reading import Members
from .context import Remembered

_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{32,512}")
_MOST_HANDLES: Final = 20_000

Lost = Literal["malformed", "unknown"]
_Key = tuple[str, str]
"""A scope, and a handle or a session in it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session as a handle restores it.

    `turns` were said without the end of a turn. `consumed` counts the client's messages, setup included; `age_s` is how
    long the session had lasted; `has_video`: pictures came.
    """

    model: str
    context: Remembered
    turns: tuple[Members, ...]
    consumed: int
    session: str
    age_s: float
    has_video: bool = False


class SessionMemory:
    """The handles that were given out; `now` is the time of the simulated service."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._snapshots: dict[_Key, Snapshot] = {}
        self._handles: dict[_Key, dict[str, None]] = {}
        self._expiries: dict[_Key, datetime] = {}

    def __len__(self) -> int:
        """How many handles are remembered."""
        return len(self._snapshots)

    def keep(self, scope: str, handle: str, snapshot: Snapshot) -> None:
        """Remember what a handle stands for; the oldest are forgotten when there are very many."""
        self.drop(scope, handle)
        self._snapshots[scope, handle] = snapshot
        self._handles.setdefault((scope, snapshot.session), {})[handle] = None
        self._forget_expired()
        while len(self._snapshots) > _MOST_HANDLES:
            self.drop(*next(iter(self._snapshots)))

    def drop(self, scope: str, handle: str) -> None:
        """Forget one handle."""
        snapshot = self._snapshots.pop((scope, handle), None)
        if snapshot is not None:
            session = (scope, snapshot.session)
            handles = self._handles[session]
            del handles[handle]
            if not handles:
                del self._handles[session]
                self._expiries.pop(session, None)

    def end(self, scope: str, session: str, good_for_s: float) -> None:
        """A session's connection is over: from now on its handles grow old."""
        if (scope, session) in self._handles:
            self._expiries[scope, session] = self.now() + timedelta(seconds=good_for_s)
        self._forget_expired()

    def find(self, scope: str, handle: str) -> Snapshot | Lost:
        """What a handle stands for, or why it stands for nothing."""
        if not _HANDLE.fullmatch(handle):
            return "malformed"
        snapshot = self._snapshots.get((scope, handle))
        if snapshot is None:
            return "unknown"
        expires = self._expiries.get((scope, snapshot.session))
        return snapshot if expires is None or self.now() < expires else "unknown"

    def forget(self, scope: str | None = None) -> None:
        """Forget the handles of one scope, or (None) all."""
        for key in [key for key in self._snapshots if scope is None or key[0] == scope]:
            self.drop(*key)

    def _forget_expired(self) -> None:
        """Forget the handles that are good no more; they expire in the order in which their sessions ended."""
        now = self.now() if self._expiries else None
        while now is not None and self._expiries:
            session, expires = next(iter(self._expiries.items()))
            if now < expires:
                return
            for handle in tuple(self._handles[session]):
                self.drop(session[0], handle)
