"""Reads the WebSocket wire frames of one direction beside a splice: what may pass, and a copy of each whole message.

The rules of the machine (RFC 6455 5, security-reliability 2.8):

* The head of a frame is judged before a byte of that frame passes; an unfinished head (at most 14 bytes) is held back,
  payload never. The code of a close frame counts as part of its head.
* A frame that may not pass ends the direction: what stood before it passes, nothing after.
* So does a close frame, once it has passed whole.
* Control frames may stand between the fragments of a message; a message is copied once its last fragment has passed.
* RSV1 marks a compressed message where permessage-deflate was negotiated: it passes as it is, its copy is inflated.
* The text of a message and the reason of a close are not checked for UTF-8: that is left to the two ends.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

try:
    from websockets.speedups import apply_mask
except ImportError:  # installed without its compiled part
    from websockets.utils import apply_mask

from .inflating import Inflater

MAX_MESSAGE: Final = 16 * 1024 * 1024
"""Most payload bytes of one message over all its fragments, as on the wire (S-50, WS-7)."""

MAX_FRAGMENTS: Final = 100_000
"""Most fragments of one message (S-50)."""

MAX_CONTROL: Final = 131
"""Most bytes of a whole control frame: head, mask and payload (RFC 6455 5.5)."""

MAX_REASON: Final = 123
"""Most bytes of a close reason: a control frame holds 125, two of them are the code (RFC 6455 5.5)."""
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011

_CONTINUATION: Final = 0x0
_CLOSE: Final = 0x8
_WHOLE: Final = frozenset({0x81, 0x82})
"""First bytes of frames that hold a whole message, text or binary."""
_PING: Final = 0x9
_OPCODES: Final = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_COMPRESSED: Final = 0x40
_MASKED: Final = 0x80
_Bytes = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Closed:
    """A whole close frame. `code` is None where the frame had none; bytes of a reason that are not UTF-8 are replaced.

    `passed` is False if it was only read, after `stop()`.
    """

    code: int | None
    reason: str
    passed: bool = True


@dataclass(frozen=True, slots=True)
class Violation:
    """A frame that may not pass: the close code that both sides must get (1002 or 1009), and why."""

    code: int
    why: str


class Step(msgspec.Struct, frozen=True):
    """What came of some bytes: those that may pass, the payloads of messages that became whole, the end if it came."""

    passing: bytes
    messages: tuple[bytes, ...] = ()
    end: Closed | Violation | None = None


_NOTHING: Final = Step(b"")


class FrameReader:
    """The reader of one direction: bytes in, `Step` out; never raises, whatever the bytes.

    `masked`: whether the frames must be masked (from a client) or must not (from a server); RFC 6455 5.1.
    `max_message`, `max_fragments`: limits of a message, over which it is a violation (1009).
    `max_copy`: payload bytes up to which a message is copied; a longer one passes without. `inflater`: for messages
    compressed by permessage-deflate; None where that was not negotiated.
    """

    __slots__ = (
        *("_masked", "_max_message", "_max_fragments", "_max_copy"),
        *("_held", "_left", "_opcode", "_final", "_mask", "_payload", "_message", "_copied"),
        *("_unread", "_in_message", "_message_size", "_fragments", "_close_code", "_ended", "_stopping", "_cut"),
        *("_inflater", "_compressed"),
    )

    def __init__(
        self,
        *,
        masked: bool,
        max_message: int = MAX_MESSAGE,
        max_fragments: int = MAX_FRAGMENTS,
        max_copy: int = MAX_MESSAGE,
        inflater: Inflater | None = None,
    ) -> None:
        self._masked = masked
        self._max_message = max_message
        self._max_fragments = max_fragments
        self._max_copy = max_copy
        self._held = b""  # an unfinished head
        self._left = 0  # payload bytes of the frame under way that have not come
        self._opcode = _CONTINUATION
        self._final = True
        self._mask = b""
        self._payload: _Bytes = b""  # of the frame under way, as on the wire
        self._message: _Bytes = b""  # of the message under way, unmasked
        self._copied = True  # False once the message under way is too long to be copied
        self._unread = 0
        self._in_message = False
        self._message_size = 0
        self._fragments = 0
        self._close_code: int | None = None
        self._ended = False
        self._stopping = False
        self._cut = False
        self._inflater = inflater
        self._compressed = False  # the message under way is

    @property
    def at_boundary(self) -> bool:
        """Whether what has passed ends with a whole frame, so that a frame of our own may follow."""
        return self._cut or self._left == 0

    @property
    def ended(self) -> bool:
        """Whether a close frame or a violation has ended the direction."""
        return self._ended

    @property
    def unread(self) -> int:
        """How many messages have passed that were too long to be copied."""
        return self._unread

    def stop(self) -> None:
        """From now on nothing passes but the rest of the frame under way; frames are still read, to see the close."""
        self._stopping = True
        self._cut = self._cut or self._left == 0

    def feed(self, data: bytes) -> Step:
        """The next bytes of the direction, in any cut; nothing more passes after an end."""
        if self._ended or not data:
            return _NOTHING
        if not (self._left or self._held or self._in_message or self._stopping):
            message = self._whole_message(data)
            if message is not None:
                return Step(data, (message,))
        buffer = self._held + data if self._held else data
        self._held = b""
        at, size = 0, len(buffer)
        cut = 0 if self._cut else None
        messages: list[bytes] = []
        end: Closed | Violation | None = None
        while at < size and end is None:
            if self._left == 0:
                head = self._read_head(buffer, at)
                if isinstance(head, Violation):
                    end = head
                    break
                if head == 0:
                    self._held = buffer[at:]
                    break
                at += head
            at += self._take_payload(buffer, at)
            if self._left == 0:
                if self._stopping and not self._cut:
                    self._cut, cut = True, at
                match self._finish_frame(passed=cut in (None, at)):
                    case None:
                        pass
                    case Closed() as closed:
                        end = closed
                    case message:
                        messages.append(message)
        self._ended = end is not None
        return Step(buffer[: at if cut is None else cut], tuple(messages), end)

    def _whole_message(self, data: bytes) -> bytes | None:
        """The payload if `data` is one good frame with a whole message in it, as nearly all are; None: look closer."""
        size, at, masked = len(data), 2, self._masked
        if size < 2 or data[0] not in _WHOLE or (data[1] >= _MASKED) is not masked:
            return None
        length = data[1] & 0x7F
        if length == 126 and size >= 4:
            length, at = int.from_bytes(data[2:4]), 4
            if length < 126:
                return None
        start = at + 4 if masked else at
        if start + length != size or length > self._max_copy or length > self._max_message:
            return None
        return unmasked(data[start:], data[at:start]) if masked else data[at:]

    def _read_head(self, buffer: bytes, at: int) -> int | Violation:
        """The length of the head that begins at `at`, now read; 0 if it is unfinished; or why it may not pass."""
        size = len(buffer) - at
        if size < 2:
            return 0
        first, second = buffer[at], buffer[at + 1]
        if wrong := self._judge_start(first, second):
            return Violation(PROTOCOL_ERROR, wrong)
        length, end = second & 0x7F, at + 2
        if length > 125:
            end += 2 if length == 126 else 8
            if end > len(buffer):
                return 0
            shortest = 126 if length == 126 else 65_536
            length = int.from_bytes(buffer[at + 2 : end])
            if not shortest <= length < 1 << 63:
                return Violation(PROTOCOL_ERROR, "frame length not in its shortest form")
        if too_big := self._judge_size(first, length):
            return Violation(TOO_BIG, too_big)
        mask = buffer[end : end + 4] if self._masked else b""
        end += len(mask)
        opcode = first & 0x0F
        code_size = 2 if opcode == _CLOSE and length else 0
        if len(mask) < 4 * self._masked or end + code_size > len(buffer):
            return 0
        if opcode == _CLOSE:
            code = int.from_bytes(unmasked(buffer[end : end + 2], mask)) if length else None
            if length == 1 or not (code is None or may_be_sent(code)):
                return Violation(PROTOCOL_ERROR, "close code that may not be sent")
            self._close_code = code
        self._begin_frame(first, length, mask)
        return end - at

    def _judge_start(self, first: int, second: int) -> str | None:
        """What is wrong with the first two bytes of a frame here (RFC 6455 5.1, 5.2, 5.4, 5.5), or None."""
        opcode = first & 0x0F
        wrong = None
        if first & _RESERVED and not (
            first & _RESERVED == _COMPRESSED and self._inflater is not None and _CONTINUATION < opcode < _CLOSE
        ):
            wrong = "reserved bit that was not negotiated"
        elif opcode not in _OPCODES:
            wrong = "reserved opcode"
        elif bool(second & _MASKED) != self._masked:
            wrong = "unmasked client frame" if self._masked else "masked server frame"
        elif opcode >= _CLOSE:
            if not first & _FIN:
                wrong = "fragmented control frame"
            elif second & 0x7F > 125:
                wrong = "control frame over 125 bytes"
            elif opcode == _CLOSE and second & 0x7F == 1:
                wrong = "close frame with half a code"
        elif (opcode == _CONTINUATION) != self._in_message:
            wrong = "message begun inside another" if self._in_message else "continuation of no message"
        return wrong

    def _judge_size(self, first: int, length: int) -> str | None:
        """Whether the message would grow over a limit by this frame: what to say, or None (S-50)."""
        if first & 0x0F >= _CLOSE:
            return None
        before = self._message_size if self._in_message else 0
        if before + length > self._max_message:
            return f"message over {self._max_message} bytes"
        if self._in_message and self._fragments >= self._max_fragments:
            return f"message in over {self._max_fragments} fragments"
        return None

    def _begin_frame(self, first: int, length: int, mask: bytes) -> None:
        self._opcode = first & 0x0F
        self._final = bool(first & _FIN)
        self._mask = mask
        self._left = length
        if self._opcode >= _CLOSE:
            return
        if not self._in_message:
            self._in_message, self._message_size, self._fragments, self._copied = True, 0, 0, True
            self._compressed = bool(first & _COMPRESSED)
        self._message_size += length
        self._fragments += 1
        if self._message_size > self._max_copy:
            self._copied = False
            self._message = b""

    def _take_payload(self, buffer: bytes, at: int) -> int:
        """How many bytes of payload stand at `at` for the frame under way; they are copied if they will be needed."""
        taken = min(self._left, len(buffer) - at)
        self._left -= taken
        if self._compressed and self._opcode < _CLOSE and self._inflater is not None:
            self._inflater.feed(unmasked(buffer[at : at + taken], self._mask))
            turn = taken % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
            return taken
        if taken and (self._opcode == _CLOSE or (self._opcode < _CLOSE and self._copied)):
            self._payload = _joined(self._payload, buffer[at : at + taken])
        return taken

    def _finish_frame(self, *, passed: bool) -> bytes | Closed | None:
        """What the end of a frame gives: the message that it made whole, a close, or None."""
        payload, self._payload = self._payload, b""
        if payload and self._mask:
            payload = unmasked(payload, self._mask)
        if self._opcode == _CLOSE:
            return Closed(self._close_code, payload[2:].decode("utf-8", "replace"), passed)
        if self._opcode > _CLOSE:
            return None
        if self._compressed and self._inflater is not None:
            return self._finish_compressed(self._inflater)
        self._message = _joined(self._message, payload)
        if not self._final:
            return None
        whole, self._message = self._message, b""
        self._in_message = False
        if not self._copied:
            self._unread += 1
            return None
        return bytes(whole)

    def _finish_compressed(self, inflater: Inflater) -> bytes | None:
        if not self._final:
            return None
        self._in_message = self._compressed = False
        whole = inflater.finish()
        if whole is None:
            self._unread += 1
        return whole


def _joined(before: _Bytes, piece: _Bytes) -> _Bytes:
    """Both together; in place from the second piece on, so that many small pieces cost neither time nor memory."""
    if not before:
        return piece
    if not isinstance(before, bytearray):
        before = bytearray(before)
    before += piece
    return before


def may_be_sent(code: int) -> bool:
    """Whether a close frame may carry `code`: 1000-1003, 1007-1014, 3000-4999 (WS-8, RFC 6455 7.4)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def unmasked(payload: bytes | bytearray, mask: bytes) -> bytes:
    """`payload` XORed with the four bytes of `mask` (RFC 6455 5.3); the same again gives it back. No mask: as it is.

    Done by the compiled function of websockets, which is twenty times quicker than anything written in Python.
    """
    return apply_mask(payload, mask) if mask else bytes(payload)


def close_frame(code: int | None, reason: str = "", *, mask: bytes = b"") -> bytes:
    """A close frame of the gateway's own. `mask`: four fresh random bytes if it goes upstream, else none (S-60)."""
    payload = b"" if code is None else code.to_bytes(2) + cut_reason(reason)
    return bytes((_FIN | _CLOSE, len(payload) | (_MASKED if mask else 0))) + mask + unmasked(payload, mask)


def ping_frame(*, mask: bytes = b"") -> bytes:
    """An empty ping of the gateway's own (WS-10); `mask` as for `close_frame`."""
    return bytes((_FIN | _PING, _MASKED if mask else 0)) + mask


def cut_reason(reason: str) -> bytes:
    """`reason` in UTF-8, cut to 123 bytes at the edge of a character (WS-8); lone surrogates become question marks."""
    return reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore").encode()
