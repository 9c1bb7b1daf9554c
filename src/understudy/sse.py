"""Bytes in, server-sent events out, at any split.

Follows the HTML standard's event stream parsing (https://html.spec.whatwg.org/multipage/server-sent-events.html) for
`data` fields, with one addition: a block that holds no field at all, such as the JSON error that Google appends to a
broken stream (wire-http 5.3), is given back as it stands, so that a reader can see it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One event: the joined `data` lines, or, with `is_raw`, a block of lines that were no event at all."""

    data: bytes
    is_raw: bool = False


class EventReader:
    """Collects bytes and gives back whole events. Holds at most one unfinished event, cut at `limit` bytes."""

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._pending = b""
        self._lines: list[bytes] = []
        self._size = 0
        self.overflowed = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order."""
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        events: list[Event] = []
        for line in lines:
            self._take(line.removesuffix(b"\r"), events)
        if len(self._pending) + self._size > self._limit:
            self.overflowed = True
            self._pending, self._lines, self._size = b"", [], 0
        return events

    def finish(self) -> list[Event]:
        """The event that the end of the stream completes, if one was under way."""
        events: list[Event] = []
        if self._pending:
            self._take(self._pending.removesuffix(b"\r"), events)
            self._pending = b""
        self._take(b"", events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if line:
            self._lines.append(line)
            self._size += len(line)
            return
        if self._lines:
            event = _event_of(self._lines)
            if event is not None:
                events.append(event)
            self._lines, self._size = [], 0


def _event_of(lines: list[bytes]) -> Event | None:
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    if data:
        return Event(b"\n".join(data))
    if lines[0][:1] in (b"{", b"["):
        return Event(b"\n".join(lines), is_raw=True)
    return None
