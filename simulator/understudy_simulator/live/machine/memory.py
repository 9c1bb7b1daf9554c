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
        self._snapshots: dict[tuple[str, str], Snapshot] = {}
        self._ended: dict[tuple[str, str], datetime] = {}

    def keep(self, scope: str, handle: str, snapshot: Snapshot) -> None:
        """Remember what a handle stands for; the oldest are forgotten when there are very many."""
        self._snapshots[scope, handle] = snapshot
        while len(self._snapshots) > _MOST_HANDLES:
            del self._snapshots[next(iter(self._snapshots))]

    def drop(self, scope: str, handle: str) -> None:
        """Forget one handle."""
        self._snapshots.pop((scope, handle), None)

    def end(self, scope: str, session: str) -> None:
        """A session's connection is over: from now on its handles grow old."""
        self._ended[scope, session] = self.now()
        while len(self._ended) > _MOST_HANDLES:
            del self._ended[next(iter(self._ended))]

    def find(self, scope: str, handle: str, good_for_s: float) -> Snapshot | Lost:
        """What a handle stands for, or why it stands for nothing."""
        if not _HANDLE.fullmatch(handle):
            return "malformed"
        snapshot = self._snapshots.get((scope, handle))
        if snapshot is None:
            return "unknown"
        ended = self._ended.get((scope, snapshot.session))
        if ended is not None and self.now() - ended >= timedelta(seconds=good_for_s):
            return "unknown"
        return snapshot

    def forget(self, scope: str | None = None) -> None:
        """Forget the handles of one scope, or (None) all."""
        for kept in (self._snapshots, self._ended):
            for key in [key for key in kept if scope is None or key[0] == scope]:
                del kept[key]
