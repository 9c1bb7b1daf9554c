"""What goes out on a session's socket when faults befall its messages: frames as bytes, waits, ends. Pure.

One `WireFaults` belongs to one session. It is asked for each message of the server in turn, and gives what is to be
done, in order; `disturbing.py` does it.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from understudy.messages import BINARY, TEXT
from understudy.scenario.model import CloseSession, Fault

from ..cues import SendMessage
from ..draws import Draws
from ..injecting import ENDS
from ..tampering import CONTENT, cut, tampered

FINAL: Final = 0x80
CONTINUATION: Final = 0x0
_MASK: Final = 0x80
_RESERVED: Final = 0x80
"""Shifted right by 1 to 3 it is the reserved bit of that number."""

_WRITES_A_SECOND: Final = 20
_FROM_NOW_ON: Final = frozenset({"bandwidth", "slow_close", "ignore_pings"})


@dataclass(frozen=True, slots=True)
class Put:
    """These bytes go out; `message` is the opcode and payload that the transcript is to have.

    `goes_on`: they end inside of a message, so that nothing else may go out before the next ones.
    """

    data: bytes
    message: tuple[int, bytes] | None = None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """A wait of scenario time; `is_deaf`: neither read meanwhile."""

    seconds: float
    is_deaf: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A fault takes effect: for the transcript."""

    fault: str


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more is said after this: the connection is reset, closed, half-closed, or held in silence."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Quit:
    """The session is closed, in the place of a message."""

    close: CloseSession


Deed = Put | Rest | Note | End | Quit
Laid = tuple[Fault | CloseSession, int | None, str]
"""What is laid over a session: a fault or its close, over which message (None: all), as the transcript names it."""


class WireFaults:
    """The faults of one session, and how far it is."""

    def __init__(self, laid: Sequence[Laid], draws: Draws) -> None:
        self._laid = laid
        self._draws = draws
        self._count = 0
        self._held: list[tuple[Deed, ...]] = []
        self._noted: set[str] = set()
        self._bandwidth: Fault | None = None
        self.ignores_pings = False
        self.slow_close: Fault | None = None
        for what, at, _ in laid:
            if at is None and isinstance(what, Fault) and what.kind in _FROM_NOW_ON:
                self.hold(what)

    @property
    def is_active(self) -> bool:
        """Whether it must be asked for messages without a fault of their own, too."""
        return bool(self._laid or self._held or self._bandwidth)

    def hold(self, fault: Fault) -> None:
        """A fault that holds from now on."""
        match fault.kind:
            case "bandwidth":
                self._bandwidth = fault
            case "slow_close":
                self.slow_close = fault
            case "ignore_pings":
                self.ignores_pings = True
            case _:
                pass

    def plan(self, message: SendMessage) -> tuple[Deed, ...]:
        """What is done for one message of the server."""
        self._count += 1
        faults: list[Fault] = [] if message.fault is None else [message.fault]
        deeds: list[Deed] = []
        for what, at, name in self._laid:
            if at is not None and at != self._count:
                continue
            if isinstance(what, CloseSession):
                return (*deeds, *self._rest(), Note(name), Quit(what))
            faults.append(what)
        end = next((fault for fault in faults if fault.kind in ENDS), None)
        deeds.extend(deed for fault in faults for deed in self._before(fault, message.opcode))
        if end is not None:
            return (*deeds, *self._rest(), *self._noting(end), End(end))
        sent = tuple(self._sent(message, faults))
        if any(fault.kind == "reorder" for fault in faults):
            self._held.append(sent)
            return tuple(deeds)
        ends = any(isinstance(deed, End) for deed in sent)
        return (*deeds, *sent) if ends else (*deeds, *sent, *self._rest())

    def instead_of_refusal(self) -> tuple[CloseSession | Fault, str] | None:
        """What ends the session, and what the transcript says of it, in the place of the refusal of a setup; None if
        nothing comes."""
        if self._count:
            return None
        return next(((what, name) for what, at, name in self._laid if at == 1 and _is_end(what)), None)

    def leftovers(self) -> tuple[Deed, ...]:
        """What is still held back, when the session is about to be closed."""
        return tuple(self._rest())

    def _rest(self) -> list[Deed]:
        held = [deed for deeds in self._held for deed in deeds]
        self._held.clear()
        return held

    def _before(self, fault: Fault, opcode: int) -> list[Deed]:
        """What happens ahead of a message."""
        match fault.kind:
            case "latency" | "stall":
                return [*self._noting(fault), Rest(fault.seconds, is_deaf=fault.kind == "stall")]
            case "jitter":
                return [*self._noting(fault), Rest(round(fault.seconds * self._draws.next(), 6))]
            case "insert":
                payload = fault.payload.fill({})
                return [*self._noting(fault), Put(wire_frame(FINAL | opcode, payload), (opcode, payload))]
            case _:
                return []

    def _sent(self, message: SendMessage, faults: Sequence[Fault]) -> list[Deed]:
        """The message on the wire: changed, in frames of whatever form, left out, doubled or cut off."""
        payload, opcode, deeds = message.payload, message.opcode, list[Deed]()
        form, copies = _Form(), 1
        limit: Fault | None = None
        rate = self._bandwidth
        for fault in faults:
            before = payload
            match fault.kind:
                case kind if kind in CONTENT:
                    payload = tampered(payload, fault, self._draws)
                    opcode = TEXT if kind == "invalid_utf8" else opcode
                case "drop" | "duplicate":
                    copies = 0 if fault.kind == "drop" else 2
                case "truncate":
                    limit = fault
                    continue
                case "bandwidth":
                    rate = fault
                case "slice" | "opcode" | "reserved_bit" | "masked":
                    form = form.with_fault(fault)
                    opcode = fault.size if fault.kind == "opcode" else opcode
                case _:
                    # A slow close is noted when it takes effect, at the end.
                    if fault.kind not in ("reorder", "bandwidth", "ignore_pings"):
                        continue
            if fault.kind not in CONTENT or payload != before:
                deeds.extend(self._noting(fault))
        if limit is not None and limit.size < len(payload):
            head = len(wire_frame(FINAL | opcode, payload)) - len(payload)
            data = form.frames(opcode, payload)[0][: head + limit.size]
            return [*deeds, *self._noting(limit), *_at_rate([data], rate, None, is_cut=True), End(limit)]
        # An opcode that is none of a message's is in the transcript as what was meant.
        told = (opcode if opcode in (TEXT, BINARY) else message.opcode, payload)
        for _ in range(copies):
            deeds.extend(_at_rate(form.frames(opcode, payload), rate, told))
        return deeds

    def _noting(self, fault: Fault) -> list[Deed]:
        """A fault is noted the first time that it takes effect; waits and messages of their own each time."""
        text = str(fault)
        if text in self._noted and fault.kind not in ("latency", "stall", "insert"):
            return []
        self._noted.add(text)
        return [Note(text)]


def _is_end(what: Fault | CloseSession) -> bool:
    return isinstance(what, CloseSession) or what.kind in ENDS


@dataclass(frozen=True, slots=True)
class _Form:
    """How a message is put into frames."""

    slice: Fault | None = None
    reserved: int = 0
    is_masked: bool = False

    def with_fault(self, fault: Fault) -> "_Form":
        """The form with one more fault."""
        match fault.kind:
            case "slice":
                return replace(self, slice=fault)
            case "reserved_bit":
                return replace(self, reserved=self.reserved | (_RESERVED >> fault.size))
            case "masked":
                return replace(self, is_masked=True)
            case _:
                return self

    def frames(self, opcode: int, payload: bytes) -> list[bytes]:
        """The frames of one message."""
        pieces = [payload] if self.slice is None or not payload else cut(payload, self.slice)
        frames: list[bytes] = []
        for index, piece in enumerate(pieces):
            first = opcode if index == 0 else CONTINUATION
            last = FINAL if index == len(pieces) - 1 else 0
            make = masked_frame if self.is_masked else wire_frame
            frames.append(make(first | last | self.reserved, piece))
        return frames


def _at_rate(
    frames: list[bytes], rate: Fault | None, told: tuple[int, bytes] | None, *, is_cut: bool = False
) -> list[Deed]:
    """The frames as writes; with a bandwidth in small ones, each with the time that it takes.

    `is_cut`: the rest of the last frame never comes.
    """
    if rate is None:
        return [Put(data, told if index == 0 else None, is_cut) for index, data in enumerate(frames)]
    deeds: list[Deed] = []
    size = max(rate.size // _WRITES_A_SECOND, 1)
    data = b"".join(frames)
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        goes_on = is_cut or start + size < len(data)
        deeds += (Put(piece, told if start == 0 else None, goes_on), Rest(len(piece) / rate.size))
    return deeds


def wire_frame(first: int, payload: bytes) -> bytes:
    """A server's WebSocket frame, unmasked; `first` is its first byte, FIN bit and opcode (RFC 6455 section 5.2)."""
    return frame_head(first, 0, len(payload)) + payload


def masked_frame(first: int, payload: bytes) -> bytes:
    """The same frame masked, as clients' are; the key follows from the payload's length."""
    key = struct.pack("!I", 0x5EED_0000 | (len(payload) & 0xFFFF))
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return frame_head(first, _MASK, len(payload)) + key + masked


@lru_cache(maxsize=64)
def frame_head(first: int, mask: int, size: int) -> bytes:
    """The bytes ahead of a payload of `size`; `mask` is 0 or the bit that says that a key follows.

    Kept, as most frames of a session are as long as the one before.
    """
    if size < 126:
        return struct.pack("!BB", first, mask | size)
    if size < 65536:
        return struct.pack("!BBH", first, mask | 126, size)
    return struct.pack("!BBQ", first, mask | 127, size)
