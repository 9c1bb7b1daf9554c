"""Whether a test used the simulator as it meant to, and what the report of a failed test shows. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..messages import Exchange, Origin, Session, Transcript, header_value
from ..redaction import Placeholders, redacted_headers, redacted_reason, redacted_target
from ..scenario.model import Branch, Repeat, Step

_ENTRIES: Final = 12
"""How many entries of a transcript a report shows, the last ones."""

_FRAMES: Final = 8


def is_endless(steps: Iterable[Step]) -> bool:
    """Whether a script has a part that is repeated without end, so that it cannot be played to its end."""
    for step in steps:
        match step:
            case Repeat(inner, times):
                if times is None or is_endless(inner):
                    return True
            case Branch(cases, otherwise):
                if is_endless(otherwise) or any(is_endless(case.steps) for case in cases):
                    return True
            case _:
                pass
    return False


def complaints(transcript: Transcript, unplayed: Sequence[str]) -> tuple[str, ...]:
    """What a strict test is failed for, with the nearest misses: requests and sessions that no scenario answered or
    that went otherwise than their scenario says, and scenarios that were not played to their end."""
    lines: list[str] = []
    for exchange in transcript.exchanges:
        if _is_unanswered(exchange):
            lines += _complaint(exchange.origin, f"{_request_line(exchange)} was answered {_status(exchange)}")
    for session in transcript.sessions:
        if _went_wrong(session):
            lines += _complaint(session.origin, f"{_session_line(session)} was closed {_close(session)}")
    lines += [f"{name} was not played to its end" for name in unplayed]
    return tuple(lines)


def _is_unanswered(exchange: Exchange) -> bool:
    """Whether the simulator spoke for itself: it says so in a header, or by the page for paths that no API has."""
    if exchange.response is None:
        return False
    if header_value(exchange.response.headers, b"x-understudy-error") is not None:
        return True
    return exchange.origin.scenario is None and not exchange.origin.surface


def _went_wrong(session: Session) -> bool:
    """Whether the simulator ended a session for itself, or its scenario met what it does not expect."""
    refused = session.close is not None and session.close.sender == "server"
    refused = refused and session.close is not None and session.close.reason.startswith("understudy: ")
    return refused or (session.origin.scenario is not None and bool(session.origin.misses))


def _complaint(origin: Origin, what: str) -> Iterator[str]:
    yield f"{what} by no scenario" if origin.scenario is None else f"{what}: {origin.scenario} expects something else"
    yield from (f"    nearest miss: {redacted_reason(miss)}" for miss in origin.misses)


def misses(transcript: Transcript) -> tuple[str, ...]:
    """Why no armed scenario answered, request by request, nearest first; nothing if all were answered."""
    origins = [entry.origin for entry in (*transcript.exchanges, *transcript.sessions)]
    return tuple(dict.fromkeys(redacted_reason(miss) for origin in origins for miss in origin.misses))


def excerpt(transcript: Transcript) -> tuple[str, ...]:
    """The last entries, in order of their start: what came, who answered and how; credentials numbered, no bodies."""
    entries = sorted((*transcript.exchanges, *transcript.sessions), key=lambda entry: entry.id)
    lines: list[str] = []
    if transcript.dropped or len(entries) > _ENTRIES:
        lines.append(f"({transcript.dropped + max(len(entries) - _ENTRIES, 0)} earlier ones are left out)")
    placeholders = Placeholders()
    for entry in entries[-_ENTRIES:]:
        lines += _exchange(entry, placeholders) if isinstance(entry, Exchange) else _session(entry, placeholders)
    return tuple(lines) or ("nothing was seen",)


def _exchange(exchange: Exchange, placeholders: Placeholders) -> Iterator[str]:
    yield f"{_request_line(exchange, placeholders)} -> {_status(exchange)}, {_who(exchange.origin)}"
    for name, value in redacted_headers(exchange.request.headers, placeholders):
        yield f"    {_plain(name)}: {_plain(value)}"
    yield f"    ({len(exchange.request.body)} bytes of body)"
    if exchange.failure:
        yield f"    {exchange.failure}"


def _session(session: Session, placeholders: Placeholders) -> Iterator[str]:
    yield f"{_session_line(session, placeholders)} -> {session.status}, {_who(session.origin)}"
    for name, value in redacted_headers(session.request.headers, placeholders):
        yield f"    {_plain(name)}: {_plain(value)}"
    for frame in session.frames[-_FRAMES:]:
        yield f"    {frame.sender}: {len(frame.payload)} bytes"
    yield f"    closed {_close(session)}" if session.close is not None else "    not closed"


def _request_line(exchange: Exchange, placeholders: Placeholders | None = None) -> str:
    return f"{exchange.request.method} {redacted_target(exchange.request.target, placeholders)}"


def _session_line(session: Session, placeholders: Placeholders | None = None) -> str:
    return f"the session at {redacted_target(session.request.target, placeholders)}"


def _status(exchange: Exchange) -> str:
    return "not at all" if exchange.response is None else str(exchange.response.status)


def _who(origin: Origin) -> str:
    faults = f" with {', '.join(origin.faults)}" if origin.faults else ""
    return (origin.scenario or "no scenario") + faults


def _close(session: Session) -> str:
    close = session.close
    if close is None:
        return "not at all"
    code = "without a code" if close.code is None else f"with {close.code}"
    return f"by the {close.sender} {code}" + (f" ({_plain(redacted_reason(close.reason))})" if close.reason else "")


def _plain(text: str) -> str:
    """Nothing in it can start a new line or steer a terminal (security-reliability S-67)."""
    return "".join(char if char.isprintable() else "?" for char in text)
