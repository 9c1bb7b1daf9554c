"""A JSON text without the inside of its long strings, made as the bytes pass, at any split.

Inline media are long base64 strings; whoever wants only usage and names reads the skeleton, a few KiB of a body of any
size. The scan jumps from quote to quote, so that the inside of a long string is passed at the speed of `bytes.find`.
"""

import re
from typing import Final

LONGEST_STRING: Final = 1024
"""Bytes between the quotes up to which a string is kept."""

SMALL_BODY: Final = 64 * 1024
"""Bodies up to this size are kept as they are: reading them whole is faster than filtering."""

LARGEST_SKELETON: Final = 1024 * 1024
"""Bytes of skeleton that are kept at most; a body with more is unreadable."""

_PLACEHOLDER: Final = re.compile(r"\[([0-9]{4,15}) bytes\](={0,2})")
_BRACKET: Final = re.compile(rb"[\[\]{}]")


class Skeleton:
    """Replaces each string of more than `longest` bytes by `[N bytes]`, N being the bytes between its quotes.

    The base64 padding at the end of the string is kept behind it (`[N bytes]==`), so that `media_bytes` is exact.
    """

    def __init__(self, longest: int = LONGEST_STRING) -> None:
        self._longest = longest
        self._inside = False
        self._held = bytearray()  # the string under way, while it may still turn out short
        self._length = 0
        self._tail = b""
        self._escaping = False  # an odd run of backslashes ends what was seen of the string

    def feed(self, data: bytes) -> bytes:
        """The part of the skeleton that `data` completes; a string is given back when it has ended."""
        return b"".join(piece for _, piece in self.pieces(data))

    def pieces(self, data: bytes) -> list[tuple[bool, bytes]]:
        """As `feed`, in pieces: (True, the rest of a string after its opening quote) and (False, all else)."""
        out: list[tuple[bool, bytes]] = []
        at, size = 0, len(data)
        while at < size:
            if self._inside:
                end = self._closing_quote(data, at)
                self._take(data, at, size if end < 0 else end)
                if end < 0:
                    break
                out.append((True, self._finished()))
                at = end + 1
            else:
                quote = data.find(b'"', at)
                if quote < 0:
                    out.append((False, data[at:]))
                    break
                out.append((False, data[at : quote + 1]))
                self._inside, at = True, quote + 1
        return out

    def _closing_quote(self, data: bytes, at: int) -> int:
        """Where the string under way ends, or -1; sets `_escaping` for what follows."""
        search = at
        while True:
            quote = data.find(b'"', search)
            end = len(data) if quote < 0 else quote
            run = end
            while run > search and data[run - 1] == 0x5C:
                run -= 1
            # A run that reaches back to the piece before continues that piece's run.
            odd = (end - run) % 2 == 1
            if run == at and search == at:
                odd ^= self._escaping
            if quote < 0:
                self._escaping = odd
                return -1
            if not odd:
                self._escaping = False
                return quote
            search = quote + 1

    def _take(self, data: bytes, start: int, end: int) -> None:
        self._length += end - start
        self._tail = (self._tail + data[max(start, end - 2) : end])[-2:]
        if self._length <= self._longest:
            self._held += data[start:end]
        else:
            self._held.clear()

    def _finished(self) -> bytes:
        text = bytes(self._held)
        if self._length > self._longest:
            padding = len(self._tail) - len(self._tail.rstrip(b"="))
            text = b"[%d bytes]%s" % (self._length, b"=" * padding)
        self._inside, self._length, self._tail = False, 0, b""
        self._held.clear()
        return text + b'"'


def skeleton_of(data: bytes) -> bytes:
    """The skeleton of a whole JSON text; as `Skeleton`, but several times quicker where nothing is escaped."""
    if b"\\" in data:
        return Skeleton().feed(data)
    out: list[bytes] = []
    find, start = data.find, 0
    quote = find(b'"')
    while quote >= 0:
        end = find(b'"', quote + 1)
        if end < 0:
            # A string that is cut off gives nothing; the text is no JSON in any case.
            return b"".join((*out, data[start : quote + 1]))
        if end - quote > LONGEST_STRING + 1:
            padding = 2 if data[end - 2 : end] == b"==" else data[end - 1] == 0x3D
            out += (data[start : quote + 1], b"[%d bytes]%s" % (end - quote - 1, b"=" * padding))
            start = end
        quote = find(b'"', end + 1)
    return b"".join((*out, data[start:]))


def is_placeholder(text: str) -> bool:
    """Whether a string of a skeleton stands for a longer one."""
    return _PLACEHOLDER.fullmatch(text) is not None


def media_bytes(text: str) -> int:
    """How many bytes a base64 string holds, be it in a skeleton or whole."""
    found = _PLACEHOLDER.fullmatch(text)
    if found:
        return int(found[1]) * 3 // 4 - len(found[2])
    return len(text.rstrip("=")) * 3 // 4


class Body:
    """A body as it passes: kept whole while it is small, else as its skeleton (strings up to `longest` are kept).

    `data` is the body, or its skeleton; empty if it is too large. A body that comes in one piece is not copied.
    """

    __slots__ = ("_longest", "_skeleton", "data", "is_too_large")

    def __init__(self, longest: int = LONGEST_STRING) -> None:
        self._longest = longest
        self._skeleton: Skeleton | None = None
        self.data: bytes | bytearray = b""
        self.is_too_large = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes, of any number."""
        if self._skeleton is None and len(self.data) + len(data) <= SMALL_BODY:
            if not self.data:
                self.data = data
                return
            if isinstance(self.data, bytes):
                self.data = bytearray(self.data)
            self.data += data
        elif not self.is_too_large:
            self._feed_skeleton(data)

    def _feed_skeleton(self, data: bytes) -> None:
        if self._skeleton is None:
            self._skeleton = Skeleton(self._longest)
            self.data = bytearray(self._skeleton.feed(bytes(self.data)))
        self.data += self._skeleton.feed(data)
        if len(self.data) > LARGEST_SKELETON:
            self.is_too_large = True
            self.data = b""


class Elements:
    """The JSON objects of a body that is one array of objects (wire-http 4.7), or objects one after another.

    Gives each object's skeleton when it has ended. `is_too_large` says that one was dropped for its size, `is_open`
    that the body stops inside one.
    """

    def __init__(self) -> None:
        self._skeleton = Skeleton()
        self._element = bytearray()
        self._depth = 0
        self._around = 0  # arrays open around the objects
        self.is_too_large = False

    @property
    def is_open(self) -> bool:
        """Whether an object, or the array around the objects, has begun and not ended."""
        return self._depth > 0 or self._around > 0

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that `data` completes, in order."""
        done: list[bytes] = []
        for is_string, piece in self._skeleton.pieces(data):
            if not is_string:
                self._scan(piece, done)
            elif self._depth:
                self._append(piece)
        return done

    def _scan(self, piece: bytes, done: list[bytes]) -> None:
        """Follow the brackets of a piece that lies outside strings; an array around the objects is passed over."""
        start = 0
        for found in _BRACKET.finditer(piece):
            bracket, at = found[0], found.start()
            if bracket in b"[{":
                if self._depth or bracket == b"{":
                    start = start if self._depth else at
                    self._depth += 1
                else:
                    self._around += 1
            elif not self._depth:
                self._around -= 1
            else:
                self._depth -= 1
                if not self._depth:
                    self._append(piece[start : at + 1])
                    done.append(bytes(self._element))
                    self._element.clear()
        if self._depth:
            self._append(piece[start:])

    def _append(self, piece: bytes) -> None:
        self._element += piece
        if len(self._element) > LARGEST_SKELETON:
            self.is_too_large = True
            self._element.clear()


_BLANK_LINES: Final = (b"\n\n", b"\n\r\n")


class EventLines:
    """A server-sent event stream whose long lines are cut to their skeleton; the rest passes as it is.

    A JSON string holds no line break, so each line starts afresh: a line that was cut short harms no other.
    `is_too_large` says that an event was dropped for its size.
    """

    def __init__(self) -> None:
        self._line = Body()
        self._event_size = 0
        self.is_too_large = False

    def feed(self, data: bytes) -> bytes:
        """The lines that `data` completes."""
        is_between = not (self._event_size or self._line.data or self._line.is_too_large)
        if is_between and len(data) <= SMALL_BODY and data.endswith(_BLANK_LINES):
            return data  # whole events, as they mostly come, none of them long
        out = bytearray()
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._line.feed(piece)
            self._end_line(out)
        if rest:
            self._line.feed(rest)
        return bytes(out)

    def finish(self) -> bytes:
        """The line that the end of the stream completes."""
        out = bytearray()
        if self._line.data or self._line.is_too_large:
            self._end_line(out)
            del out[-1:]
        return bytes(out)

    def _end_line(self, out: bytearray) -> None:
        line = self._line.data
        self._event_size = self._event_size + len(line) if line.strip() else 0
        if self._line.is_too_large or self._event_size > LARGEST_SKELETON:
            self.is_too_large = True
        else:
            out += line
            out += b"\n"
        if line or self._line.is_too_large:
            self._line = Body()
