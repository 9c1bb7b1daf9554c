"""Does to a session's connection what faults want: frames written as they are planned, waits, ends, silence."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, assert_never

from understudy.scenario.model import Fault

from ..clock import Clock
from ..cues import SendMessage
from ..pacing import LivePace, UnderWay
from ..recorder import SessionEntry
from .wire_faults import Deed, End, Note, Put, Quit, Rest, WireFaults

_UNSENT: Final = 1024 * 1024
"""Bytes that may wait for a client that reads slowly."""


class Wire(Protocol):
    """What is needed of a connection."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport, None when the client is gone."""
        ...

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        ...

    async def hush(self, seconds: float, clock: Clock, speed: float | None) -> None:
        """Neither read nor write."""
        ...

    async def drain(self, unsent: int) -> None:
        """Wait until not more than so many bytes wait for the client. Raises TimeoutError if it does not read."""
        ...

    def close(self, code: int | None, reason: str) -> None:
        """Send the close."""
        ...

    def cut(self) -> None:
        """End the connection by RST."""
        ...

    def end(self) -> None:
        """End the connection by FIN."""
        ...


class Disturber:
    """What befalls one session. `is_mute`: nothing more is said, and the connection is held.

    `is_in_frame`: a message is going out in pieces and has not ended, so that a control frame would fall into it.
    """

    def __init__(
        self, faults: WireFaults, clock: Clock, speed: float | None, pace: LivePace | None, load: UnderWay
    ) -> None:
        self.faults = faults
        self._pace = pace
        self._load = load
        self.is_mute = False
        self.is_in_frame = False
        self._kept: dict[int, bytes] = {}
        self._clock = clock
        self._speed = speed

    def concerns(self, message: SendMessage) -> bool:
        """Whether anything may befall this message."""
        return message.fault is not None or self.is_mute or self.faults.is_active or self._pace is not None

    def heard(self, payload: bytes) -> None:
        """A message of the client came."""
        if self._pace is not None:
            self._pace.heard(payload)

    def keep(self, frame: bytes) -> None:
        """Send a control frame as soon as the message that is under way is out; of a kind, only the last one.

        (One pong may answer several pings: RFC 6455 section 5.5.3.)
        """
        self._kept[frame[0]] = frame

    async def send(self, wire: Wire, entry: SessionEntry, message: SendMessage) -> None:
        """Send one message as its faults and those of the session want. Raises ConnectionError if the client left."""
        if self._pace is not None:
            await self._take_time(self._pace, message)
        await self._do(wire, entry, self.faults.plan(message))

    def flush(self, entry: SessionEntry, write: Callable[[bytes], None]) -> None:
        """Send what was held back, ahead of a close."""
        if self.is_mute or self.is_in_frame:
            return
        with suppress(ConnectionError):
            for deed in self.faults.leftovers():
                if isinstance(deed, Put):
                    if deed.message is not None:
                        entry.frame("server", *deed.message)
                    write(deed.data)
                elif isinstance(deed, Note):
                    entry.note_fault(deed.fault)

    async def inject(self, wire: Wire, entry: SessionEntry, fault: Fault) -> None:
        """Do a fault that stands by itself."""
        if fault.kind != "slow_close":
            # That one takes effect at the end, and is written down there.
            entry.note_fault(str(fault))
        if fault.kind in ("reset_peer", "hang_up", "half_close", "stop"):
            self.end(wire, entry, fault)
        else:
            self.faults.hold(fault)

    async def linger(self, entry: SessionEntry) -> None:
        """Hold the connection after all has been said, if that is wanted."""
        slow = self.faults.slow_close
        if slow is not None:
            self.faults.slow_close = None
            entry.note_fault(str(slow))
            await self._clock.sleep(slow.seconds, self._speed)

    async def _do(self, wire: Wire, entry: SessionEntry, deeds: tuple[Deed, ...]) -> None:
        for deed in deeds:
            # What has begun to go out goes out whole, also for a client that has closed meanwhile.
            if (wire.is_closing and not self.is_in_frame) or self.is_mute:
                return
            match deed:
                case Put(data, message, goes_on):
                    if message is not None:
                        entry.frame("server", *message)
                    await self._put(wire, data, goes_on)
                case Rest(seconds, is_deaf):
                    if is_deaf:
                        await wire.hush(seconds, self._clock, self._speed)
                    else:
                        await self._clock.sleep(seconds, self._speed)
                case Note(fault):
                    entry.note_fault(fault)
                case End(fault):
                    self.end(wire, entry, fault)
                case Quit(close):
                    wire.close(close.code, close.reason)
                case _:
                    assert_never(deed)

    async def _take_time(self, pace: LivePace, message: SendMessage) -> None:
        self._load.count += 1
        try:
            await self._clock.sleep(pace.before(message.payload), self._speed)
        finally:
            self._load.count -= 1

    async def _put(self, wire: Wire, data: bytes, goes_on: bool) -> None:
        transport = wire.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)
        self.is_in_frame = goes_on
        if self._kept and not goes_on:
            transport.write(b"".join(self._kept.values()))
            self._kept.clear()
        # Each frame, and each piece of one, is a write of its own.
        await asyncio.sleep(0)
        await wire.drain(_UNSENT)

    def end(self, wire: Wire, entry: SessionEntry, fault: Fault) -> None:
        """End the session as a fault wants, by RST, FIN or silence."""
        match fault.kind:
            case "reset_peer":
                entry.close("server", None)
                wire.cut()
            case "stop":
                self.is_mute = True
            case "half_close":
                self.is_mute = True
                transport = wire.transport
                if transport is not None and transport.can_write_eof():
                    transport.write_eof()
                else:
                    wire.end()
            case _:
                entry.close("server", None)
                wire.end()
