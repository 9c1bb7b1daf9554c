"""Content codings in front of a reader: the copy is inflated block by block, with a limit on how far it may grow."""

import zlib
from typing import Final

import msgspec

from .reading import Reader, Reading

_BLOCK: Final = 64 * 1024
_FREE_GROWTH: Final = 1024 * 1024
_MOST_GROWTH: Final = 200
"""JSON and base64 grow by far less; more is a bomb, and nobody's bill."""


def inflating(encoding: str, reader: Reader) -> Reader:
    """A reader of bodies in a content coding: the words of `content-encoding`, empty for none.

    A coding that is not known here (`br`, `zstd`, several at once) makes the body unreadable, not free.
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return reader
    if coding in ("gzip", "x-gzip", "deflate"):
        return InflatingReader(coding == "deflate", reader)
    return BlindReader(f"the body is in the content coding '{coding[:40]}'")


class BlindReader:
    """Reads nothing: for bodies that tell nothing about cost, or, with a `problem`, cannot be read."""

    def __init__(self, problem: str | None = None) -> None:
        self._problem = problem

    def feed(self, data: bytes) -> None:
        """Let the bytes go."""

    def finish(self) -> Reading:
        """An empty reading, with the problem if there is one."""
        return Reading(problem=self._problem)


class InflatingReader:
    """Inflates gzip (RFC 1952, several members too) or deflate (RFC 1950, or bare RFC 1951 as some servers send)."""

    def __init__(self, is_deflate: bool, reader: Reader) -> None:
        self._is_deflate = is_deflate
        self._reader = reader
        self._stream = None if is_deflate else zlib.decompressobj(31)
        self._head: bytes = b""
        self._taken = 0
        self._given = 0
        self._problem: str | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the coded body."""
        if self._problem or not data:
            return
        if self._stream is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            self._stream = zlib.decompressobj(15 if _has_zlib_header(data) else -15)
        try:
            self._inflate(data)
        except zlib.error as error:
            self._problem = f"the body could not be inflated: {error}"

    def _inflate(self, data: bytes) -> None:
        stream = self._stream
        while stream is not None and data and not self._problem:
            if stream.eof:
                if self._is_deflate or not data.lstrip(b"\0"):
                    return
                stream = self._stream = zlib.decompressobj(31)
            block = stream.decompress(data, _BLOCK)
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
            self._taken += len(data) - len(rest)
            self._given += len(block)
            data = rest
            if self._given > _FREE_GROWTH + _MOST_GROWTH * self._taken:
                self._problem = "the body grows without measure when it is inflated"
            elif block:
                self._reader.feed(block)
            # Output that was held back by the block limit may be left when all input has been taken.
            while len(block) == _BLOCK and not data and not stream.eof and not self._problem:
                block = stream.decompress(b"", _BLOCK)
                self._given += len(block)
                if block:
                    self._reader.feed(block)

    def finish(self) -> Reading:
        """What the reader behind read; not whole if the coded body stopped early."""
        reading = self._reader.finish()
        if self._problem:
            return msgspec.structs.replace(reading, problem=self._problem)
        if self._stream is None or not self._stream.eof:
            return msgspec.structs.replace(reading, is_whole=False)
        return reading


def _has_zlib_header(data: bytes) -> bool:
    """Whether the first two bytes are a zlib header (RFC 1950 2.2) and not the start of bare deflate."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
