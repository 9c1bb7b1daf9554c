"""WebSocket frames, read and written (RFC 6455 5.2): as they came, or made anew."""

import asyncio
import struct
from dataclasses import dataclass
from typing import Final

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MASK: Final = b"\x11\x22\x33\x44"


@dataclass(frozen=True)
class Frame:
    """One frame, its payload unmasked; `raw` is how it came, empty if it was made here."""

    opcode: int
    payload: bytes
    is_final: bool = True
    raw: bytes = b""

    @property
    def code(self) -> int | None:
        """The code of a close frame, if it has one."""
        return struct.unpack(">H", self.payload[:2])[0] if len(self.payload) >= 2 else None


def close_frame(code: int | None, reason: bytes = b"") -> Frame:
    """A close frame."""
    return Frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def frame_bytes(frame: Frame, *, is_masked: bool) -> bytes:
    """A frame as it goes on the wire; clients' are masked, and one that came keeps its mask."""
    if frame.raw:
        return frame.raw
    size, mask = len(frame.payload), 0x80 if is_masked else 0
    head = bytes([frame.opcode | (0x80 if frame.is_final else 0)])
    if size < 126:
        head += bytes([mask | size])
    elif size < 65536:
        head += bytes([mask | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", size)
    return head + (_MASK + masked(frame.payload, _MASK) if is_masked else frame.payload)


def masked(data: bytes, mask: bytes) -> bytes:
    """Data, masked or unmasked (RFC 6455 5.3)."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None if the connection ended."""
    try:
        raw = await reader.readexactly(2)
        size, has_mask = raw[1] & 0x7F, bool(raw[1] & 0x80)
        if size >= 126:
            more = await reader.readexactly(2 if size == 126 else 8)
            raw, size = raw + more, int.from_bytes(more, "big")
        mask = await reader.readexactly(4) if has_mask else b""
        data = await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Frame(raw[0] & 0x0F, masked(data, mask) if has_mask else data, bool(raw[0] & 0x80), raw + mask + data)
