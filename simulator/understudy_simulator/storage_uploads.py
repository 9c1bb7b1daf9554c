"""Resumable uploads to the stand-in for Cloud Storage, and the checksums of its objects. Pure.

Protocol: https://cloud.google.com/storage/docs/performing-resumable-uploads: a start, chunks with `Content-Range`
answered by 308 and the `Range` that is there, queries with `bytes */N`, DELETE to give up (499).
"""

import hashlib
import re
from base64 import b64encode
from functools import cache
from struct import iter_unpack
from typing import Final, NamedTuple

CHUNK_UNIT: Final = 256 * 1024
"""Bytes of which a chunk that is not the last has a multiple."""

_RANGE: Final = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")
_CASTAGNOLI: Final = 0x82F63B78
"""The polynomial of CRC-32C, lowest bit first (RFC 3720 section 12.1)."""


class Sent(NamedTuple):
    """What a `Content-Range` says: where the bytes begin (None: a query), and how long the whole is, if known."""

    start: int | None
    total: int | None


class Incoming(NamedTuple):
    """An upload under way: what came so far, the name and type that its start gave."""

    name: str
    kind: str
    data: bytes

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header fields by which a 308 tells how much there is."""
        length = (b"Content-Length", b"0")
        return (length, (b"Range", b"bytes=0-%d" % (len(self.data) - 1))) if self.data else (length,)

    def with_more(self, data: bytes, sent: Sent) -> "Incoming | None":
        """The upload with these bytes; None if they leave a gap. What is there already is not taken twice."""
        start = len(self.data) if sent.start is None else sent.start
        if start > len(self.data):
            return None
        return self._replace(data=self.data + data[len(self.data) - start :])


def sent_range(text: str | None, size: int) -> Sent | None:
    """What the `Content-Range` of a request with `size` bytes says; None if it is none, or does not fit them.

    Without the field the body is the whole object.
    """
    if text is None:
        return Sent(0, size)
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return None
    first, last, whole = found.groups()
    total = None if whole == "*" else int(whole)
    if first is None:
        return Sent(None, total) if size == 0 else None
    start, end = int(first), int(last)
    if end - start + 1 != size or (total is not None and end >= total):
        return None
    # Only the last chunk may be of any size.
    return None if total is None and size % CHUNK_UNIT else Sent(start, total)


def md5_of(data: bytes) -> str:
    """The MD5 digest as Cloud Storage writes it."""
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def crc32c_of(data: bytes) -> str:
    """The CRC-32C as Cloud Storage writes it, big-endian in base64.

    Python's library has none; two bytes at a time take about a second for 20 MB. Google's client does without the MD5
    digest, but not without this.
    """
    crc, table = 0xFFFFFFFF, _pairs()
    even = len(data) & ~1
    for (pair,) in iter_unpack("<H", data[:even]):
        crc = table[(crc ^ pair) & 0xFFFF] ^ (crc >> 16)
    for byte in data[even:]:
        crc = _BYTES[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return b64encode((crc ^ 0xFFFFFFFF).to_bytes(4)).decode()


def _entry(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (_CASTAGNOLI if index & 1 else 0)
    return index


_BYTES: Final = tuple(_entry(index) for index in range(256))


@cache
def _pairs() -> tuple[int, ...]:
    """What two bytes come to, made when it is first needed."""
    firsts = (_BYTES[index & 0xFF] ^ (index >> 8) for index in range(65536))
    return tuple(_BYTES[first & 0xFF] ^ (first >> 8) for first in firsts)
