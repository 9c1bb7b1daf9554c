"""permessage-deflate beside a relay that passes compressed bytes: its terms, and the reader's copy (RFC 7692).

Nothing on the wire is inflated or deflated (WS-11). The copy is bounded (S-51): of a message that is too long when
inflated nothing is kept; what inflates beyond all measure is not read on, and all that depends on it is unread. Pure.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Final

NAME: Final = "permessage-deflate"

RATIO: Final = 100
FREE_BYTES: Final = 1024 * 1024
"""What came may become so many times as long, and so much more, before reading ends for good."""

_PARAMETER: Final = re.compile(r"([a-z_]+)(?:[ \t]*=[ \t]*\"?([0-9]{1,2})\"?)?")
_TAKEOVERS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_BITS: Final = ("server_max_window_bits", "client_max_window_bits")
_TAIL: Final = b"\x00\x00\xff\xff"
_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Deflate:
    """What both ends agreed upon: whether each sender's window lives on from one message to the next."""

    client_takeover: bool = True
    server_takeover: bool = True


def offers_of(extensions: tuple[bytes, ...]) -> tuple[str, ...]:
    """The offers of permessage-deflate in the values of a client's Sec-WebSocket-Extensions; no others go on."""
    found = (one.strip(" \t") for value in extensions for one in value.decode("latin-1").split(","))
    return tuple(one for one in found if _parameters(one, is_answer=False) is not None)


def agreed(answers: tuple[bytes, ...], offers: tuple[str, ...]) -> Deflate | None:
    """What a provider chose of `offers`; None for no extension. Raises ValueError for anything else (RFC 7692 7.1)."""
    if not any(value.strip(b" \t") for value in answers):
        return None
    if len(answers) != 1:
        raise ValueError("more than one extension")
    found = _parameters(answers[0].decode("latin-1").strip(" \t"), is_answer=True)
    if found is None or not offers:
        raise ValueError("an extension that was not offered")
    if "client_max_window_bits" in found and not any("client_max_window_bits" in offer for offer in offers):
        raise ValueError("a window that was not offered")
    return Deflate("client_no_context_takeover" not in found, "server_no_context_takeover" not in found)


def _parameters(text: str, *, is_answer: bool) -> dict[str, str | None] | None:
    """The parameters of one permessage-deflate, or None if it is none that is sound."""
    name, *pieces = (piece.strip(" \t") for piece in text.split(";"))
    if name.lower() != NAME:
        return None
    found: dict[str, str | None] = {}
    for piece in pieces:
        match = _PARAMETER.fullmatch(piece)
        if match is None or match[1] in found:
            return None
        word, value = match[1], match[2]
        is_bare = value is None and (word in _TAKEOVERS or (word == "client_max_window_bits" and not is_answer))
        is_width = value is not None and word in _BITS and 8 <= int(value) <= 15 and not value.startswith("0")
        if not (is_bare or is_width):
            return None
        found[word] = value
    return found


class Inflater:
    """Inflates the messages of one direction, piece by piece: `feed` for each piece of payload, then `finish`."""

    __slots__ = ("_came", "_is_bomber", "_is_lost", "_is_too_long", "_made", "_most", "_out", "_takeover", "_window")

    def __init__(self, *, takeover: bool, most: int) -> None:
        """`takeover`: the window lives on from message to message. `most`: bytes of a message that are kept."""
        self._takeover = takeover
        self._most = most
        # Made when the first message comes: most sessions have none that is compressed.
        self._window: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]
        self._out = bytearray()
        self._is_too_long = False
        self._is_lost = self._is_bomber = False
        self._came = self._made = 0

    def feed(self, data: bytes) -> None:
        """The next bytes of a message, as on the wire but unmasked."""
        if self._is_lost:
            return
        self._came += len(data)
        if self._window is None:
            self._window = zlib.decompressobj(-15)
        while True:
            try:
                piece = self._window.decompress(data, _PIECE)
            except zlib.error:
                self._lose()
                return
            self._made += len(piece)
            if self._made > self._came * RATIO + FREE_BYTES:
                self._is_bomber = True
                self._lose()
                return
            if len(self._out) + len(piece) > self._most:
                self._is_too_long = True
                self._out.clear()
            if not self._is_too_long:
                self._out += piece
            data = self._window.unconsumed_tail
            if not data and len(piece) < _PIECE:
                return

    def finish(self) -> bytes | None:
        """The message is whole: what it says, or None if that cannot be told."""
        self.feed(_TAIL)
        found = None if self._is_lost or self._is_too_long else bytes(self._out)
        self._out.clear()
        self._is_too_long = False
        if not self._takeover:
            self._window, self._is_lost = None, self._is_bomber
        return found

    def _lose(self) -> None:
        self._is_lost = True
        self._window = None
        self._out.clear()
