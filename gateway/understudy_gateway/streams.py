"""What may be put into a stream of server-sent events, where switched on: costs, pings, an error at its end. Pure.

Events that are not touched stay byte for byte; an event that is gets one member more, spliced in (STR-9).
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from understudy.messages import RawHeaders, header_value, header_values
from understudy.pricing.cost import plain
from understudy.rpc_status import error_info, rpc_status

from .refusals import DOMAIN, Reason

PING: Final = b": ping\n\n"
"""A comment (HTML standard, 9.2.6): clients pass over it."""

LARGEST_EVENT: Final = 1024 * 1024
"""A longer event passes as it came."""

_BOUNDARY: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_USAGE: Final = frozenset({b'"usageMetadata"', b'"usage_metadata"'})


def is_plain_stream(headers: RawHeaders) -> bool:
    """Whether an answer is an event stream without a content coding: one with a coding is left alone."""
    kind = (header_value(headers, b"content-type") or b"").partition(b";")[0].strip().lower()
    codings = header_values(headers, b"content-encoding")
    return kind == b"text/event-stream" and all(coding.strip().lower() == b"identity" for coding in codings)


class Boundaries:
    """Whether what has passed ends with a whole event, so that something of our own may follow."""

    def __init__(self) -> None:
        self._end = b"\n\n"

    def passed(self, data: bytes) -> None:
        """These bytes were passed on."""
        self._end = (self._end + data)[-4:]

    @property
    def is_open(self) -> bool:
        """Whether an event is under way."""
        return not self._end.endswith((b"\r\n\r\n", b"\n\n", b"\r\r"))


class CostInjection:
    """Puts `cost`, in US dollars and as far as the stream has come, into each `usageMetadata` of a Gemini stream.

    `read` is given each event before its cost is asked for, so that it counts; `cost` gives None where it is unknown.
    An event that came in part waits for the rest of it.
    """

    def __init__(self, read: Callable[[bytes], None], cost: Callable[[], Decimal | None]) -> None:
        self._read = read
        self._cost = cost
        self._held: bytes = b""
        self._is_long = False

    def feed(self, data: bytes) -> bytes:
        """What is to be passed on of the next bytes."""
        data = self._held + data
        out: list[bytes] = []
        at = 0
        for boundary in _BOUNDARY.finditer(data):
            out.append(self._event(data[at : boundary.end()]))
            at = boundary.end()
        self._held = data[at:]
        if self._held and (self._is_long or len(self._held) > LARGEST_EVENT):
            # Two bytes may be half a boundary, and stay.
            self._is_long, rest, self._held = True, self._held[:-3], self._held[-3:]
            self._read(rest)
            out.append(rest)
        return b"".join(out)

    def finish(self) -> bytes:
        """What is left at the end of the stream."""
        held, self._held = self._held, b""
        return self._event(held) if held else b""

    def _event(self, event: bytes) -> bytes:
        self._read(event)
        if self._is_long:
            self._is_long = False
            return event
        place = _place_for_cost(event)
        cost = self._cost() if place is not None else None
        if place is None or cost is None:
            return event
        at, is_empty = place
        member = b'"cost":' + plain(cost).encode("ascii")
        return event[:at] + (member if is_empty else b"," + member) + event[at:]


def _place_for_cost(event: bytes) -> tuple[int, bool] | None:
    """Where the top-level `usageMetadata` of an event's JSON closes, and whether it is empty; None without one.

    Only an event of one `data` line is looked into: a member put into one of several lines might be cut in two.
    """
    if not any(name in event for name in _USAGE):
        return None
    start, lines, found = 0, 0, None
    for end in [*(found.start() for found in _LINE.finditer(event)), len(event)]:
        line = event[start:end]
        if line.startswith(b"data:"):
            lines += 1
            found = _closing(event, start + 5, end)
        start = end + (2 if event[end : end + 2] == b"\r\n" else 1)
    return found if lines == 1 else None


def _closing(event: bytes, start: int, end: int) -> tuple[int, bool] | None:
    depth, opened, token, before = 0, -1, b"", start
    for found in _TOKEN.finditer(event, start, end):
        last, token = token, found[0]
        if token in b"{[":
            is_value = last in _USAGE and event[before : found.start()].strip() == b":"
            if depth == 1 and token == b"{" and is_value:
                opened = found.end()
            depth += 1
        elif token in b"}]":
            depth -= 1
            if depth == 1 and opened >= 0:
                return found.start(), not event[opened : found.start()].strip()
        before = found.end()
    return None


def error_event(boundaries: Boundaries, reason: Reason) -> bytes:
    """The last event of a stream that the provider broke off (ERR-7). What was under way is ended before it."""
    body = json.dumps(rpc_status(reason.status, reason.value[1], [error_info(reason.name, DOMAIN)]))
    return (b"\n\n" if boundaries.is_open else b"") + b"event: error\ndata: " + body.encode("ascii") + b"\n\n"
