"""Bodies, chunks and messages made wrong on purpose: bytes in, bytes out. Pure.

JSON is changed in its text, so that layout and framing around it stay as they are.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from understudy.scenario.model import Fault

from .draws import Draws

CONTENT: Final = frozenset({"corrupt", "shorten", "pad", "malformed", "invalid_utf8", "duplicate_field", "without"})
"""The faults that change what is said, not how it is sent."""

_NO_UTF8: Final = b"\xff"
"""Stands in no UTF-8 text (RFC 3629 section 1)."""

_OPENING: Final = re.compile(rb"[{\[]")
_MEMBER_COLON: Final = re.compile(rb'"\s*:')
_DECODER: Final = json.JSONDecoder()


def tampered(data: bytes, fault: Fault, draws: Draws) -> bytes:
    """What `fault` makes of `data`; the same bytes if it has nothing to change there."""
    match fault.kind:
        case "corrupt":
            return corrupted(data, places(len(data), fault.size, draws), draws)
        case "shorten":
            return data[: fault.size]
        case "pad":
            found = _OPENING.search(data)
            at = found.end() if found else len(data)
            return data[:at] + b" " * fault.size + data[at:]
        case "malformed":
            found = _MEMBER_COLON.search(data)
            return data if found is None else data[: found.end() - 1] + b";" + data[found.end() :]
        case "invalid_utf8":
            middle = len(data) // 2
            return data[:middle] + _NO_UTF8 + data[middle:]
        case "duplicate_field":
            return _doubled(data, fault.text)
        case "without":
            return _without(data, fault.text)
        case _:
            return data


def places(size: int, count: int, draws: Draws) -> list[int]:
    """`count` different places (fewer if there are not so many) in `size` bytes, sorted."""
    found: set[int] = set()
    while len(found) < min(size, count):
        at = draws.below(size)
        while at in found:
            at = (at + 1) % size
        found.add(at)
    return sorted(found)


def corrupted(data: bytes, at: list[int], draws: Draws) -> bytes:
    """`data` with another byte at each of these places."""
    changed = bytearray(data)
    for place in at:
        changed[place] ^= 1 + draws.below(255)
    return bytes(changed)


def cut_inside_characters(data: bytes) -> list[bytes]:
    """`data` in pieces, each of which but the last ends with the first byte of a character of several bytes."""
    pieces: list[bytes] = []
    start = 0
    for at, byte in enumerate(data):
        if byte >= 0xC0 and at + 1 < len(data):
            pieces.append(data[start : at + 1])
            start = at + 1
    pieces.append(data[start:])
    return pieces


def cut(data: bytes, fault: Fault) -> list[bytes]:
    """`data` in the pieces that a `slice` wants."""
    if fault.text:
        return cut_inside_characters(data)
    size = max(fault.size, 1)
    return [data[start : start + size] for start in range(0, len(data), size)]


def _members(text: str, name: str) -> Iterator[tuple[int, int]]:
    """Where members of that name begin and end in a text that has JSON in it; those inside of one are left out."""
    named = re.compile(rf"(?<!\\){re.escape(json.dumps(name))}\s*:\s*")
    at = 0
    while found := named.search(text, at):
        try:
            _, at = _DECODER.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            at = found.end()
            continue
        yield found.start(), at


def _doubled(data: bytes, name: str) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    for start, end in _members(text, name):
        member = text[start:end]
        return f"{text[:start]}{member}, {text[start:]}".encode("utf-8", "surrogateescape")
    return data


def _without(data: bytes, name: str) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    kept, at = "", 0
    for start, end in _members(text, name):
        kept += text[at:start]
        rest = re.match(r"\s*,\s*", text[end:])
        if rest:
            end += rest.end()
        else:
            kept = re.sub(r"\s*,\s*$", "", kept)
        at = end
    return (kept + text[at:]).encode("utf-8", "surrogateescape") if at else data
