"""Holds back what a Live client sends until its first message was read whole and judged (S-61).

What the provider sends passes meanwhile. A message that may go on is handed to the splice with everything that came
with it; a changed one goes out as one frame of the gateway's own. Of a refused one not a byte has gone upstream.
"""

import asyncio
import os
from typing import Final

from .frames import TOO_BIG, Closed, FrameReader, Step, Violation, unmasked
from .setup_message import Denied, Judge
from .splice import Splice

POLICY: Final = 1008
"""The close code of a setup that is refused (WS-14)."""

TOO_LATE: Final = "no setup message came in time"

_SLACK: Final = 64 * 1024
"""Bytes beside the message itself that may be held: frame heads, and control frames between."""

_CONTROL: Final = 0x8
_FIN: Final = 0x80
_MASKED: Final = 0x80


class Holding(asyncio.Protocol):
    """Stands in the place of the client's side of a session until `judge` has let its first message pass."""

    def __init__(self, session: Splice, judge: Judge) -> None:
        limits = session.limits
        self._session = session
        self._judge = judge
        self._side = session.client
        self._limit = limits.message_bytes + _SLACK
        self._held = bytearray()
        self._is_over = False
        self._reader = FrameReader(
            masked=True,
            max_message=limits.message_bytes,
            max_fragments=limits.fragments,
            max_copy=limits.message_bytes,
        )
        loop = asyncio.get_running_loop()
        self._timer = None if limits.setup_s is None else loop.call_later(limits.setup_s, self._refuse, TOO_LATE)

    def data_received(self, data: bytes) -> None:
        """Hold, and judge once the first message is whole."""
        step = self._reader.feed(data)
        if self._is_over:
            self._ended(step)
            return
        self._held += data
        if step.messages:
            self._judged(step.messages[0])
        elif step.end is not None:
            self._ended(step)
        elif len(self._held) > self._limit:
            self._ended(Step(b"", (), Violation(TOO_BIG, f"more than {self._limit} bytes before the setup message")))

    def eof_received(self) -> bool:
        """The client leaves."""
        self._stop_waiting()
        return self._side.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self._stop_waiting()
        self._side.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes no more."""
        self._side.pause_writing()

    def resume_writing(self) -> None:
        """The client takes data again."""
        self._side.resume_writing()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _judged(self, message: bytes) -> None:
        verdict = self._judge(message)
        if isinstance(verdict, Denied):
            self._refuse(verdict.reason)
            return
        held, self._held = bytes(self._held), bytearray()
        self._stop_waiting()
        receiver = self._session.receiver
        self._side.transport.set_protocol(receiver)
        receiver.data_received(held if verdict is message else _exchanged(held, verdict))

    def _refuse(self, reason: str) -> None:
        self._is_over = True
        self._held.clear()
        self._stop_waiting()
        self._session.end_with(POLICY, reason, "rejected")

    def _ended(self, step: Step) -> None:
        """A close frame or a violation, before the setup or after its refusal: told, and not passed on."""
        self._is_over = True
        self._held.clear()
        self._stop_waiting()
        match step.end:
            case Closed(code, reason):
                self._session.passed(self._side, Step(b"", (), Closed(code, reason, passed=False)))
                self._session.upstream.close_with(code, reason)
            case Violation():
                self._session.passed(self._side, Step(b"", (), step.end))
            case None:
                pass


def _exchanged(held: bytes, message: bytes) -> bytes:
    """The held frames with `message` in the place of the first message: control frames between it come before."""
    at, opcode, control = 0, 0, b""
    while True:
        first, length = held[at], held[at + 1] & 0x7F
        head = at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(held[head : head + size])
            head += size
        end = head + 4 + length
        if first & _CONTROL:
            control += held[at:end]
        else:
            opcode = opcode or first & 0x0F
            if first & _FIN:
                return control + _frame(opcode, message) + held[end:]
        at = end


def _frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame for the provider, masked with fresh random bytes (S-60)."""
    size, mask = len(payload), os.urandom(4)
    if size < 126:
        length = bytes((_MASKED | size,))
    else:
        length = b"\xfe" + size.to_bytes(2) if size <= 0xFFFF else b"\xff" + size.to_bytes(8)
    return bytes((_FIN | opcode,)) + length + mask + unmasked(payload, mask)
