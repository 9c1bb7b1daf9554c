"""Streams that the upstream sends at a pace: each chunk says when it was sent, so whoever gets it knows its delay."""

import time
from collections.abc import Sequence
from typing import Final, Protocol

from understudy.errors import TargetError

from .engine import Channel
from .payloads import STAMP_DIGITS


class Taker(Protocol):
    """Whose turn comes again and again."""

    def due(self, at: float) -> None:
        """Its turn is now; it was due `at` (monotonic seconds)."""
        ...


class Rounds:
    """Gives each of the `takers` its turn, one each `step_s` seconds, round after round; called when one is due."""

    def __init__(self, takers: Sequence[Taker], step_s: float) -> None:
        self._takers = takers
        self._step_s = step_s
        self._begin = time.monotonic()
        self._count = 0

    def __call__(self) -> float:
        """Give their turns to those whose time has come; the time of the next turn (monotonic seconds)."""
        now = time.monotonic()
        while (at := self._begin + self._count * self._step_s) <= now:
            taker = self._takers[self._count % len(self._takers)]
            self._count += 1
            taker.due(at)
        return at


class Slot:
    """Room for one stream at a time: a chunk of it is sent at each turn. `pieces` are the bytes around each time."""

    def __init__(self, pieces: tuple[tuple[bytes, bytes], ...]) -> None:
        self._pieces = pieces
        self._channel: Channel | None = None
        self._at = 0

    @property
    def is_free(self) -> bool:
        """Whether no stream runs."""
        return self._channel is None or not self._channel.is_open

    def begin(self, channel: Channel) -> None:
        """Stream to `channel` from the next turn on."""
        self._channel, self._at = channel, 0

    def due(self, at: float) -> None:
        """Send a chunk with the time of its sending in nanoseconds."""
        del at
        channel = self._channel
        if channel is None or self.is_free:
            return
        before, after = self._pieces[self._at]
        self._at += 1
        if self._at == len(self._pieces):
            self._channel = None
        channel.send(b"%s%0*d%s" % (before, STAMP_DIGITS, time.monotonic_ns(), after))


class Feed:
    """As many streams at a time as it has slots; each begins with `head`."""

    def __init__(self, head: bytes, pieces: tuple[tuple[bytes, bytes], ...], count: int) -> None:
        self._head = head
        self.slots: Final = tuple(Slot(pieces) for _ in range(count))

    def begin(self, channel: Channel) -> None:
        """Begin a stream. Raises TargetError if all slots are taken."""
        slot = next((slot for slot in self.slots if slot.is_free), None)
        if slot is None:
            raise TargetError(f"the program asks for more than {len(self.slots)} streams at a time")
        channel.send(self._head)
        slot.begin(channel)
