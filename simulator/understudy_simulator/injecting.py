"""Faults laid over an HTTP answer: what of them changes the answer is done here, what is done to the socket is left.

Pure: an answer in, an answer out. `faults.py` does to the connection what is left. Faults among the parts of an answer
concern what follows them, those of the answer as a whole (`Outgoing.faults`) all of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final

from understudy.messages import RawHeaders
from understudy.scenario.model import Fault, FaultKind, Pause

from .draws import Draws
from .encoding import ARRAY_END, ARRAY_SEPARATOR, ARRAY_START
from .replies import FileSpan, Outgoing, Part
from .tampering import CONTENT, corrupted, places, tampered

ENDS: Final[frozenset[FaultKind]] = frozenset({"reset_peer", "hang_up", "half_close", "stop"})
"""After these nothing more of the answer is sent."""

INSTEAD: Final = frozenset({"reset_peer", "hang_up", "stop"})
"""Of those the ones that, befalling a whole answer, come in its place."""

_EMPTY_ARRAY: Final = b"[]"


def placed(outgoing: Outgoing, faults: Sequence[tuple[Fault, int | None]]) -> Outgoing:
    """The answer with these faults laid over it; a number places one before the chunk of that number, from 1 on."""
    whole = tuple(fault for fault, at in faults if at is None)
    parts: list[Part] = []
    chunk = 0
    for part in outgoing.parts:
        if is_chunk(part):
            chunk += 1
            parts.extend(fault for fault, at in faults if at == chunk)
        parts.append(part)
    return replace(outgoing, parts=tuple(parts), faults=(*outgoing.faults, *whole))


def befallen(outgoing: Outgoing, draws: Draws) -> Outgoing:
    """The answer after all that changes what is said in it, with the rest of its faults left for the connection.

    `told` of the result are the faults that were done here.
    """
    work = _Work(draws, is_array=outgoing.parts[-1:] in ((ARRAY_END,), (_EMPTY_ARRAY,)))
    before, left = list(outgoing.before), list[Fault]()
    headers = outgoing.headers
    parts = list(_after_ends(work.parts(outgoing.parts)))
    for fault in outgoing.faults:
        if fault.kind == "latency" or fault.kind in INSTEAD:
            before.append(fault)
        elif fault.kind == "end":
            parts = list[Part]([_EMPTY_ARRAY] if work.is_array else ())
            work.told.append(fault)
        elif fault.kind == "content_type":
            headers = _retyped(headers, fault.text.encode("latin-1"))
            work.told.append(fault)
        elif fault.kind == "jitter":
            parts = list(work.jittered(parts, fault))
        elif fault.kind in CONTENT:
            parts = work.tampered_whole(parts, fault)
        else:
            left.append(fault)
    headers = _measured(headers, _length(outgoing.parts), _length(parts))
    told = (*outgoing.told, *map(str, work.told))
    return replace(outgoing, headers=headers, parts=tuple(parts), before=tuple(before), faults=tuple(left), told=told)


@dataclass(slots=True)
class _Work:
    """What is being made of one answer."""

    draws: Draws
    is_array: bool
    told: list[Fault] = field(default_factory=list[Fault])

    def parts(self, parts: Sequence[Part]) -> Iterator[Part]:
        """The parts after the faults among them, each of which concerns what follows it."""
        pending: list[Fault] = []
        held: list[bytes] = []
        is_first = True
        for part in parts:
            if isinstance(part, Pause):
                yield part
            elif isinstance(part, Fault):
                if part.kind in ENDS or part.kind in ("latency", "stall"):
                    yield part
                elif part.kind == "end":
                    self.told.append(part)
                    yield from ((b"" if is_first else ARRAY_END) or _EMPTY_ARRAY,) if self.is_array else ()
                    return
                else:
                    pending.append(part)
            elif isinstance(part, bytes) and part not in (ARRAY_END, _EMPTY_ARRAY):
                out = self._elements(part, pending, held)
                for element in out:
                    yield from self._transport(pending)
                    yield self._framed(element, is_first)
                    is_first = False
                pending = []
            else:
                for element in held:
                    yield self._framed(element, is_first)
                    is_first = False
                held.clear()
                yield from self._transport(pending)
                yield _EMPTY_ARRAY if part == ARRAY_END and is_first else part
                pending = []
        yield from (self._framed(element, is_first) for element in held)
        yield from self._transport(pending)

    def _elements(self, part: bytes, pending: list[Fault], held: list[bytes]) -> list[bytes]:
        """What becomes of one chunk: none, one or several, without the framing of an array."""
        element = self._unframed(part)
        copies = 1
        waits = False
        for fault in pending:
            if fault.kind in CONTENT:
                changed = tampered(element, fault, self.draws)
                self._tell(fault, changed != element)
                element = changed
            elif fault.kind in ("drop", "duplicate"):
                copies = 0 if fault.kind == "drop" else 2
                self.told.append(fault)
            elif fault.kind == "reorder":
                waits = True
                self.told.append(fault)
        if waits:
            held.extend([element] * copies)
            return []
        out = [element] * copies + held
        held.clear()
        return out

    def _transport(self, pending: list[Fault]) -> Iterator[Fault]:
        """What is left of the faults before a chunk for the connection."""
        for fault in pending:
            if fault.kind == "jitter":
                yield self._drawn(fault)
            elif fault.kind in ("slice", "truncate", "bandwidth"):
                yield fault

    def jittered(self, parts: Sequence[Part], fault: Fault) -> Iterator[Part]:
        """A wait of its own before each part."""
        for part in parts:
            if is_chunk(part):
                yield self._drawn(fault)
            yield part

    def tampered_whole(self, parts: list[Part], fault: Fault) -> list[Part]:
        """A body of which something is changed: in the first part where that can be, or (members) in all parts."""
        if fault.kind == "shorten":
            self._tell(fault, fault.size < _length(parts))
            return list(_first(parts, fault.size))
        if fault.kind == "corrupt":
            return self._corrupted(parts, fault)
        changed, is_done = list[Part](), False
        for part in parts:
            if isinstance(part, bytes) and not (is_done and fault.kind not in ("without", "duplicate_field")):
                after = tampered(part, fault, self.draws)
                is_done = is_done or after != part
                part = after
            changed.append(part)
        self._tell(fault, is_done)
        return changed

    def _corrupted(self, parts: list[Part], fault: Fault) -> list[Part]:
        sizes = [len(part) if isinstance(part, bytes) else 0 for part in parts]
        found = places(sum(sizes), fault.size, self.draws)
        self._tell(fault, bool(found))
        changed = list[Part]()
        for part, size, end in zip(parts, sizes, accumulate(sizes), strict=True):
            start = end - size
            here = [at - start for at in found if start <= at < end]
            changed.append(corrupted(part, here, self.draws) if isinstance(part, bytes) else part)
        return changed

    def _drawn(self, fault: Fault) -> Fault:
        return replace(fault, seconds=round(fault.seconds * self.draws.next(), 6))

    def _tell(self, fault: Fault, is_done: bool) -> None:
        if is_done:
            self.told.append(fault)

    def _unframed(self, part: bytes) -> bytes:
        if not self.is_array:
            return part
        separator = ARRAY_SEPARATOR if part.startswith(ARRAY_SEPARATOR) else ARRAY_START
        return part.removeprefix(separator)

    def _framed(self, element: bytes, is_first: bool) -> bytes:
        if not self.is_array:
            return element
        return (ARRAY_START if is_first else ARRAY_SEPARATOR) + element


def is_chunk(part: Part) -> bool:
    """Whether a part is a chunk of the body: bytes of it, but not the end of an array."""
    return isinstance(part, FileSpan) or (isinstance(part, bytes) and part not in (b"", ARRAY_END, _EMPTY_ARRAY))


def _after_ends(parts: Iterator[Part]) -> Iterator[Part]:
    """The parts up to the first end of the connection."""
    for part in parts:
        yield part
        if isinstance(part, Fault) and part.kind in ENDS:
            return


def _first(parts: Sequence[Part], size: int) -> Iterator[Part]:
    """As much as holds `size` bytes."""
    for part in parts:
        if size <= 0:
            return
        if isinstance(part, bytes):
            part = part[:size]
            size -= len(part)
        elif isinstance(part, FileSpan):
            part = replace(part, size=min(part.size, size))
            size -= part.size
        yield part


def _length(parts: Sequence[Part]) -> int:
    return sum(
        len(part) if isinstance(part, bytes) else part.size for part in parts if isinstance(part, bytes | FileSpan)
    )


def _retyped(headers: RawHeaders, content_type: bytes) -> RawHeaders:
    return tuple((name, content_type if name.lower() == b"content-type" else value) for name, value in headers)


def _measured(headers: RawHeaders, before: int, after: int) -> RawHeaders:
    """Header fields that tell the length of the body as it is now, if they told it right before."""
    if before == after:
        return headers
    was, now = str(before).encode(), str(after).encode()
    return tuple(
        (name, now if name.lower() == b"content-length" and value == was else value) for name, value in headers
    )
