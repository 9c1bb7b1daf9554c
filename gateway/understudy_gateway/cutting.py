"""Where the frames of a WebSocket connection end (RFC 6455 5.2). Pure.

Whether a frame may be there at all is `frames`' business: bytes that break the rules are cut somehow.
"""

from typing import Final

_CONTROL: Final = 0x8
_MASKED: Final = 0x80


class FrameCutter:
    """Cuts one direction of a connection into frames, however it comes."""

    def __init__(self) -> None:
        self._head = bytearray()  # of the frame under way, as far as it has come
        self._left: int | None = None  # of its payload; None: the head is not whole

    @property
    def is_control(self) -> bool:
        """Whether the frame that the last piece belongs to is a control frame."""
        return bool(self._head[0] & _CONTROL)

    def take(self, data: bytes, at: int) -> tuple[int, bool]:
        """How many bytes from `at`, where some stand, belong to one frame, and whether that frame is then whole."""
        if self._left == 0:
            self._head.clear()
            self._left = None
        begin = at
        while self._left is None:
            if at == len(data):
                return at - begin, False
            wanted = self._wanted() - len(self._head)
            piece = data[at : at + wanted]
            self._head += piece
            at += len(piece)
            if len(self._head) >= 2 and len(self._head) == self._wanted():
                self._left = self._length()
        taken = min(self._left, len(data) - at)
        self._left -= taken
        return at + taken - begin, self._left == 0

    def _wanted(self) -> int:
        """How long the head is, as far as that is known."""
        if len(self._head) < 2:
            return 2
        mask = 4 if self._head[1] & _MASKED else 0
        return 2 + {126: 2, 127: 8}.get(self._head[1] & 0x7F, 0) + mask

    def _length(self) -> int:
        length = self._head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self._head[2 : 4 if length == 126 else 10])
        return length
