"""A client's side of one Live session under way: plays its steps on a connection and writes down what passes.

The rules of the steps are those of a script's server side (docs/reference/scenario-format.md).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from ..messages import BINARY, TEXT, Frame
from ..scenario.audio import audio_message, frame_count, frame_pcm, media_bytes
from ..scenario.json_subset import LazyJson, fits
from ..scenario.model import (
    Branch,
    CloseSession,
    Fault,
    JsonPattern,
    Pause,
    Receive,
    ReceiveUntil,
    Repeat,
    Send,
    SendAudio,
    Step,
)
from .model import Drop, Ping

STEP_LIMIT_S: Final = 5.0
"""How long a step waits for its next message unless it says how long the whole may take."""


class Stopped(Exception):
    """A step did not go as written; the text says how."""


class Ended(Stopped):
    """The session was over where a step still wanted something of it."""


@dataclass(slots=True)
class Talk:
    """A session under way: `arrived` takes the gateway's messages as they come, None is the end.

    `values` fill the slots of what is sent. `speed` divides all waits; with 0 there are none.
    """

    socket: ClientConnection
    values: Mapping[str, str]
    speed: float
    frames: list[Frame] = field(default_factory=list[Frame])
    pongs: list[bytes] = field(default_factory=list[bytes])
    arrived: asyncio.Queue[Frame | None] = field(default_factory=asyncio.Queue[Frame | None])
    has_ended: bool = False

    async def listen(self) -> None:
        """Write down what comes, until the session ends."""
        try:
            while True:
                message = await self.socket.recv()
                is_text = isinstance(message, str)
                payload = message.encode() if isinstance(message, str) else message
                frame = Frame("server", TEXT if is_text else BINARY, payload, time.monotonic())
                self.frames.append(frame)
                self.arrived.put_nowait(frame)
        except ConnectionClosed:
            self.arrived.put_nowait(None)

    async def play(self, steps: Sequence[Step | Ping | Drop]) -> None:
        """Do the steps in order. Raises Stopped where one does not go as written."""
        for step in steps:
            await self._do(step)

    async def _do(self, step: Step | Ping | Drop) -> None:
        match step:
            case Send():
                await self._send_with_fault(step)
            case SendAudio():
                await self._speak(step)
            case Receive(close=True) | ReceiveUntil(close=True):
                await self._await_close(step.within_s or STEP_LIMIT_S)
            case Receive():
                await self._receive(step)
            case ReceiveUntil():
                await self._receive_until(step)
            case Pause():
                await self._wait(step.seconds)
            case CloseSession():
                await self._close(step)
            case Ping():
                await self._ping(step)
            case Drop():
                self.socket.transport.abort()
            case Fault():
                await self._fault(step)
            case Repeat():
                await self._repeat(step)
            case Branch():
                await self._branch(step)
            case _:
                raise Stopped(f"{type(step).__name__.lower()} is no step of a client's session")

    async def _repeat(self, step: Repeat) -> None:
        """The steps so many times, or until the session ends; only then its end is no mistake."""
        try:
            for _ in repeat(None) if step.times is None else repeat(None, step.times):
                await self.play(step.steps)
                if step.times is None and self.has_ended:
                    return
                await asyncio.sleep(0)
        except Ended:
            if step.times is not None:
                raise

    # -- sending

    async def _send_with_fault(self, step: Send) -> None:
        payload, fault = step.payload.fill(self.values), step.fault
        match fault:
            case None:
                await self._send(payload, step.opcode)
            case Fault(kind="truncate"):
                # Frames of a client are masked (RFC 6455 section 5.3); the library's own keeps the head whole.
                frame = WireFrame(Opcode(step.opcode), payload).serialize(mask=True)
                self.socket.transport.write(frame[: len(frame) - len(payload) + fault.size])
                self.socket.transport.close()
            case Fault(kind="slice"):
                self._send_sliced(payload, step.opcode, fault.size)
            case _:
                await self._fault(fault)
                if fault.kind != "reset_peer":
                    await self._send(payload, step.opcode)

    async def _send(self, payload: bytes, opcode: int) -> None:
        self.frames.append(Frame("client", opcode, payload, time.monotonic()))
        try:
            await self.socket.send(payload, text=opcode == TEXT)
        except ConnectionClosed:
            self.frames.pop()
            self.has_ended = True
            raise Ended("send: the session had ended") from None

    def _send_sliced(self, payload: bytes, opcode: int, size: int) -> None:
        """One message in wire frames of `size` bytes (RFC 6455 section 5.4)."""
        protocol = self.socket.protocol
        self.frames.append(Frame("client", opcode, payload, time.monotonic()))
        for start in range(0, max(len(payload), 1), size):
            piece, is_last = payload[start : start + size], start + size >= len(payload)
            if start:
                protocol.send_continuation(piece, is_last)
            elif opcode == TEXT:
                protocol.send_text(piece, is_last)
            else:
                protocol.send_binary(piece, is_last)
            self.socket.transport.write(b"".join(protocol.data_to_send()))

    async def _speak(self, step: SendAudio) -> None:
        """Audio, frame by frame against a fixed schedule: a frame that is late does not make the next one later."""
        began = time.monotonic()
        frame_s = step.frame_s / step.pace / self.speed if step.pace > 0 and self.speed > 0 else 0.0
        for index in range(frame_count(step)):
            await asyncio.sleep(max(began + index * frame_s - time.monotonic(), 0.0) if frame_s else 0.0)
            if step.interrupt_on is not None and self._is_interrupted(step.interrupt_on):
                return
            await self._send(audio_message(frame_pcm(step, index), step.rate_hz, "client"), step.opcode)

    def _is_interrupted(self, pattern: JsonPattern) -> bool:
        """Whether a message came that ends the audio; others are let pass."""
        while not self.arrived.empty():
            frame = self.arrived.get_nowait()
            if frame is None:
                self.arrived.put_nowait(None)
                return False
            if fits(pattern, _json(frame)):
                return True
        return False

    # -- receiving

    async def _next(self, deadline: "_Deadline") -> Frame:
        try:
            async with asyncio.timeout(deadline.left_s):
                frame = await self.arrived.get()
        except TimeoutError:
            raise Stopped(f"receive: no message in {deadline.limit_s:g} s") from None
        if frame is None:
            self.arrived.put_nowait(None)
            self.has_ended = True
            raise Ended("receive: the session ended")
        return frame

    async def _receive(self, step: Receive) -> None:
        came, deadline = 0, _Deadline(step.within_s)
        while True:
            frame = await self._next(deadline)
            value = _json(frame)
            if step.pattern is not None and not fits(step.pattern, value):
                raise Stopped("receive: another message came than was expected")
            came += media_bytes(value) or len(frame.payload)
            if came >= step.min_bytes:
                return

    async def _receive_until(self, step: ReceiveUntil) -> None:
        deadline = _Deadline(step.within_s)
        while not fits(step.pattern, _json(await self._next(deadline))):
            pass

    async def _branch(self, step: Branch) -> None:
        value = _json(await self._next(_Deadline(None)))
        chosen = next((case.steps for case in step.cases if fits(case.pattern, value)), step.otherwise)
        if not chosen and not any(fits(case.pattern, value) for case in step.cases):
            raise Stopped("branch: a message came that fits no case")
        await self.play(chosen)

    async def _await_close(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self.socket.wait_closed()
        except TimeoutError:
            raise Stopped(f"receive: no close in {within_s:g} s") from None

    # -- the rest

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed if self.speed else 0)

    async def _fault(self, fault: Fault) -> None:
        """A fault by itself, or the wait of one beside a message."""
        match fault.kind:
            case "latency":
                await self._wait(fault.seconds)
            case "stall":
                self.socket.transport.pause_reading()
                await self._wait(fault.seconds)
                self.socket.transport.resume_reading()
            case "reset_peer":
                self.socket.transport.abort()
            case _:
                raise Stopped(f"{fault.kind} is no fault of a client's session")

    async def _close(self, step: CloseSession) -> None:
        if step.code is None:
            # The library's own close always has a code; a frame without one is allowed (RFC 6455 5.5.1).
            self.socket.protocol.send_close()
            self.socket.transport.write(b"".join(self.socket.protocol.data_to_send()))
            await self._await_close(STEP_LIMIT_S)
        else:
            await self.socket.close(step.code, step.reason)

    async def _ping(self, step: Ping) -> None:
        try:
            async with asyncio.timeout(step.within_s):
                await (await self.socket.ping(step.payload))
        except TimeoutError:
            raise Stopped(f"ping: no pong in {step.within_s:g} s") from None
        except ConnectionClosed:
            raise Ended("ping: the session had ended") from None
        self.pongs.append(step.payload)


class _Deadline:
    """How long a step may still wait for a message: what is left of the whole wait, else the usual limit."""

    def __init__(self, within_s: float | None) -> None:
        self.limit_s = within_s or STEP_LIMIT_S
        self._ends = None if within_s is None else time.monotonic() + within_s

    @property
    def left_s(self) -> float:
        return self.limit_s if self._ends is None else max(self._ends - time.monotonic(), 0.0)


def _json(frame: Frame) -> Any:
    return LazyJson(frame.payload).value
