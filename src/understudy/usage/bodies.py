"""Readers of bodies that do not ask what the answers mean: one JSON object, or server-sent events (wire-http 4.6)."""

from typing import Final, Protocol

from ..sse import EventReader
from .reading import Reading
from .skeleton import LARGEST_SKELETON, Body, EventLines

TOO_LARGE: Final = f"the body holds more than {LARGEST_SKELETON} bytes beside long strings"


class Fold(Protocol):
    """Takes the answers of one body in turn. `is_whole` false: it stopped early; `problem`: why it is not readable."""

    is_whole: bool
    problem: str | None

    def take_text(self, data: bytes | bytearray) -> bool:
        """Take one JSON text; False if it is no answer."""
        ...

    def result(self) -> Reading:
        """What the answers said."""
        ...


def object_reading(body: Body, fold: Fold) -> Reading:
    """What a body said that is one JSON object; unreadable if it is too large or not JSON."""
    if body.is_too_large:
        fold.problem = TOO_LARGE
    elif not fold.take_text(body.data):
        fold.problem = "the body is not a JSON object"
    return fold.result()


class EventsReader:
    """Reads an answer that comes as server-sent events; one whose data is `end` says nothing but that it ends."""

    def __init__(self, fold: Fold, end: bytes | None = None) -> None:
        self._lines = EventLines()
        self._events = EventReader()
        self._fold = fold
        self._end = end

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        lines = self._lines.feed(data)
        if lines:
            self._take(lines)

    def finish(self) -> Reading:
        """What the events said, as far as they came."""
        self._take(self._lines.finish())
        for event in self._events.finish():
            self._take_event(event.data)
        if self._lines.is_too_large:
            self._fold.problem = TOO_LARGE
        return self._fold.result()

    def _take(self, lines: bytes) -> None:
        for event in self._events.feed(lines):
            self._take_event(event.data)

    def _take_event(self, data: bytes) -> None:
        if (self._end is None or data.strip() != self._end) and not self._fold.take_text(data):
            self._fold.is_whole = False
