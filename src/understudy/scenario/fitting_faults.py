"""Whether faults stand where they make sense, and whether chance has a seed.

Read from the raw document, as all of `fitting.py` is.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from ..surfaces import Surface
from .model import ALONE
from .places import Mistake, Path, mapping, steps, walk

_LIVE_ONLY: Final = frozenset({"insert", "opcode", "reserved_bit", "masked", "ignore_pings"})
_HTTP_ONLY: Final = frozenset({"slow_head", "content_type", "end"})
_ONE_MESSAGE: Final = frozenset({"drop", "duplicate", "reorder"})
"""They concern one message or chunk, never a whole answer."""

_WHOLE: Final = frozenset({"slow_head", "slow_close", "content_type", "ignore_pings"})
"""They concern a whole answer or session."""

_OF_SESSIONS: Final = frozenset({"bandwidth", "slow_close"})
"""They hold from then on, which needs something that goes on."""

_OF_HANDSHAKES: Final = frozenset({"latency", "jitter", "stall", "reset_peer", "hang_up", "half_close", "stop"})
"""They may come over a handshake, which is no message."""

_CHANCE: Final = ("probability", "weight")


def placed_fault(fault: Any, path: Path, beside: str) -> Iterator[Mistake]:
    """Whether a fault may stand beside that step word, or (`fault`) by itself."""
    words = mapping(fault).keys()
    if beside == "fault":
        if words and not words & ALONE:
            yield path, "this fault stands beside a send, reply or stream, not by itself"
    elif beside != "send" and words & _ONE_MESSAGE:
        yield path, f"'{_first(words, _ONE_MESSAGE)}' stands beside a send, or among the chunks of a stream"
    elif beside == "send" and words & _WHOLE:
        yield path, f"'{_first(words, _WHOLE)}' concerns a whole answer or session, not one message"


def fault_mistakes(document: Mapping[str, Any], surface: Surface) -> Iterator[Mistake]:
    """Faults in steps and among chunks that the surface does not have."""
    foreign = _HTTP_ONLY if surface.is_live else _LIVE_ONLY

    def check(step: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
        if not surface.is_live and mapping(step.get("fault")).keys() & _OF_SESSIONS and set(step) == {"fault"}:
            yield (*path, "fault"), "this fault stands beside a reply or stream, not by itself"
        yield from _foreign(step.get("fault"), (*path, "fault"), foreign, surface)
        for index, chunk in steps(mapping(step.get("stream")).get("chunks")):
            here = (*path, "stream", "chunks", index, "fault")
            yield from _foreign(chunk.get("fault"), here, foreign, surface)
            if mapping(chunk.get("fault")).keys() & _WHOLE:
                word = _first(mapping(chunk.get("fault")).keys(), _WHOLE)
                yield here, f"'{word}' stands beside a reply or stream, not among chunks"

    for side in ("server", "client"):
        yield from walk(document.get(side), (side,), check)


def layered_mistakes(document: Mapping[str, Any], surface: Surface) -> Iterator[Mistake]:
    """Entries of `faults` that do not fit themselves or the surface."""
    is_of_any = "server" not in document and bool({"surface", "path"} & mapping(document.get("match")).keys())
    foreign = frozenset[str]() if is_of_any else (_HTTP_ONLY if surface.is_live else _LIVE_ONLY)
    total = 0.0
    for index, entry in steps(document.get("faults")):
        path: Path = ("faults", index)
        words = mapping(entry.get("fault")).keys()
        yield from _foreign(entry.get("fault"), (*path, "fault"), foreign, surface)
        if "at" not in entry and words & _ONE_MESSAGE:
            yield path, f"'{_first(words, _ONE_MESSAGE)}' needs 'at': the number of the chunk or message"
        if "at" in entry and words & _WHOLE:
            yield (*path, "at"), f"'{_first(words, _WHOLE)}' concerns a whole answer or session"
        if entry.get("at") == "handshake":
            yield from _at_handshake(entry, path, document, surface, is_of_any=is_of_any)
        if "reply" in entry and "at" in entry:
            yield (*path, "at"), "a reply is in the place of the whole answer"
        if "close" in entry and not surface.is_live and not is_of_any:
            yield (*path, "close"), f"'close' does not fit surface {surface}"
        chance = entry.get("probability")
        total += chance if isinstance(chance, int | float) and not isinstance(chance, bool) else 0.0
    if total > 1.000001:
        yield ("faults",), f"the probabilities add up to {total:g}: at most one fault is drawn, so to 1 at most"


def _at_handshake(
    entry: Mapping[str, Any], path: Path, document: Mapping[str, Any], surface: Surface, *, is_of_any: bool
) -> Iterator[Mistake]:
    """A handshake comes before it is known who answers, and is neither a chunk nor a message."""
    here = (*path, "at")
    words = mapping(entry.get("fault")).keys()
    if not surface.is_live and not is_of_any:
        yield here, f"a handshake does not fit surface {surface}"
    elif "server" in document:
        yield here, "a script is chosen after the handshake: lay it over by a scenario without 'server'"
    elif "fault" in entry and words and not words & _OF_HANDSHAKES:
        yield here, f"over a handshake come {', '.join(sorted(_OF_HANDSHAKES))}; a reply refuses it"
    elif "close" in entry or "error" in entry:
        yield here, "before the handshake there is no session to close; a reply refuses it"


def chance_mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Chance is allowed only with a seed, so that it can be had again."""
    if "seed" in document:
        return
    for index, entry in steps(document.get("faults")):
        for word in _CHANCE:
            if word in entry:
                yield ("faults", index, word), "chance needs a 'seed' at the top of the scenario"


def _foreign(fault: Any, path: Path, foreign: frozenset[str], surface: Surface) -> Iterator[Mistake]:
    for word in mapping(fault):
        if word in foreign:
            yield (*path, word), f"'{word}' does not fit surface {surface}"


def _first(words: Any, known: frozenset[str]) -> str:
    return sorted(cast("set[str]", set(words)) & known)[0]
