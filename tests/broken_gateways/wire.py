"""HTTP/1.1 on asyncio streams, as little as a relay needs: heads rule by rule, bodies piece by piece."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Fields = list[tuple[bytes, bytes]]

HEAD_LIMIT: Final = 64 * 1024
_PIECE: Final = 64 * 1024
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(rb"[!-~]+")


class BadRequest(Exception):
    """The head can be read in more than one way, or in none."""


class BrokenOff(Exception):
    """A message ended before its end, or its reader left."""


class Rule(StrEnum):
    """What a head may not have, since two servers may read it differently (RFC 9112 5, 6.3, 11.2)."""

    FOLD = "a folded line"
    SPACE = "a space before a colon"
    VALUE = "a NUL or a bare line end in a value"
    TWO_FRAMINGS = "both a length and a transfer coding"
    LENGTHS = "differing lengths"


ALL_RULES: Final = frozenset(Rule)


@dataclass
class Head:
    """A request's or an answer's head; `first` holds the three parts of its first line."""

    first: tuple[bytes, bytes, bytes]
    fields: Fields = field(default_factory=list)

    @property
    def method(self) -> str:
        """Of a request."""
        return self.first[0].decode("latin-1")

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first[1])

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field (lower case), in order."""
        return [value for key, value in self.fields if key.lower() == name]

    def value(self, name: bytes) -> bytes:
        """The first value of a field (lower case); empty if there is none."""
        return next(iter(self.values(name)), b"")

    def text(self, name: bytes) -> str:
        """The same as text."""
        return self.value(name).decode("latin-1")

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return any(value.lower() == b"chunked" for value in self.values(b"transfer-encoding"))

    @property
    def length(self) -> int | None:
        """The body's length, if it is said."""
        value = self.value(b"content-length")
        return int(value) if value.isdigit() else None


async def read_head(reader: asyncio.StreamReader, refused: frozenset[Rule]) -> Head | None:
    """The next head, or None if the connection ended before it. Raises BadRequest by the rules that are `refused`."""
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadRequest("the head is not whole") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("the head is too large") from None
    start, *lines = data[:-4].split(b"\r\n")
    parts = start.split(b" ", 2)
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0].replace(b"/", b"")) or not _TARGET.fullmatch(parts[1]):
        raise BadRequest("no first line")
    head = Head((parts[0], parts[1], parts[2]))
    for line in lines:
        _add(head, line, refused)
    _check_framing(head, refused)
    return head


def _add(head: Head, line: bytes, refused: frozenset[Rule]) -> None:
    """One line of a head; what is not refused is read as lenient servers do."""
    if line[:1] in b" \t" and line and head.fields:
        _refuse(Rule.FOLD, refused)
        name, value = head.fields.pop()
        head.fields.append((name, value + b" " + line.strip(b" \t")))
        return
    name, colon, value = line.partition(b":")
    if name != name.rstrip(b" \t"):
        _refuse(Rule.SPACE, refused)
        name = name.rstrip(b" \t")
    if not colon or not _TOKEN.fullmatch(name):
        raise BadRequest("a field that is none")
    if any(byte in value for byte in b"\x00\r\n"):
        _refuse(Rule.VALUE, refused)
    head.fields.append((name, value.strip(b" \t")))


def _check_framing(head: Head, refused: frozenset[Rule]) -> None:
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if not all(one.isdigit() for one in lengths) or (codings and [one.lower() for one in codings] != [b"chunked"]):
        raise BadRequest("the length of the body cannot be read")
    if lengths and codings:
        _refuse(Rule.TWO_FRAMINGS, refused)
    if len(set(lengths)) > 1:
        _refuse(Rule.LENGTHS, refused)


def _refuse(rule: Rule, refused: frozenset[Rule]) -> None:
    if rule in refused:
        raise BadRequest(f"{rule} in the head")


async def read_body(reader: asyncio.StreamReader, head: Head, *, until_end: bool) -> AsyncIterator[bytes]:
    """The body in the pieces in which it comes; `until_end`: without framing it ends with the connection.

    Raises BrokenOff if it ends early.
    """
    if head.is_chunked:
        async for piece in _chunks(reader):
            yield piece
    elif head.length is not None:
        left = head.length
        while left:
            piece = await reader.read(min(left, _PIECE))
            if not piece:
                raise BrokenOff
            left -= len(piece)
            yield piece
    elif until_end:
        while piece := await reader.read(_PIECE):
            yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            while size:
                piece = await reader.read(min(size, _PIECE))
                if not piece:
                    raise BrokenOff
                size -= len(piece)
                yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise BrokenOff
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise BrokenOff from error


def head_bytes(first: bytes, fields: Fields) -> bytes:
    """A head as it goes on the wire."""
    return first + b"\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n"


def chunk_bytes(piece: bytes) -> bytes:
    """A piece as a chunk; an empty one would be the last."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
