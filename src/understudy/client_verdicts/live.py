"""Rules about Live sessions. Pure."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

from ..messages import Session
from ..surfaces import model_id
from .dialogue import Dialogue
from .model import NAMED, Finding, Rule, shown_s
from .reading import entries, member, text
from .resumptions import Resumptions
from .seen import Seen

GOAWAY_LEAST_S: Final = 1.0
"""A client that was told less before the end could not have acted."""

GOAWAY_SLACK_S: Final = 0.5

HANDLE_SEEN_S: Final = 1.0
"""A handle that was given later than that before the new session may not have been read in time."""

HANDLE_LIFE_S: Final = 7200.0
"""How long a handle is good after its session's end (wire-live 5.6)."""

TOOL_PATIENCE_S: Final = 60.0
"""How long a session may go on with a call that is never answered."""

LEFT_OPEN_S: Final = 9.0
"""How long a connection may stay open after the server's close; the simulator cuts it after 10 s."""

_IGNORED: Final = "Connection aborted because the client failed to close"
_NO_SESSION: Final = ("BidiGenerateContent session not found", "Invalid session handle")
_NON_BLOCKING_FAMILY: Final = "gemini-3.8"


def _goaway_ignored(seen: Seen) -> Iterator[Finding]:
    for talk in seen.talks:
        session = talk.session
        for warning in talk.of("goAway")[:1]:
            left_s = _seconds(text(warning.value, "timeLeft"))
            close = session.close
            until = close.at if close is not None else _last_sign(session, seen.now)
            open_s = until - warning.at
            was_aborted = close is not None and close.sender == "server" and close.reason.startswith(_IGNORED)
            is_late = left_s is not None and left_s >= GOAWAY_LEAST_S and open_s > left_s + GOAWAY_SLACK_S
            if is_late or (was_aborted and open_s >= GOAWAY_LEAST_S and open_s >= 0.9 * (left_s or 0.0)):
                told = "" if left_s is None else f" which left {shown_s(left_s)}"
                end = "aborted" if was_aborted else "still open"
                yield Finding(
                    f"{end} {shown_s(open_s)} after goAway,{told or ' which left no time'}", (), (session.id,)
                )


def _last_sign(session: Session, now: float) -> float:
    """When a session that nobody closed was still there."""
    if session.ended is not None:
        return session.ended
    return now if isfinite(now) else max((frame.at for frame in session.frames), default=session.started)


def _stale_handle(seen: Seen) -> Iterator[Finding]:
    past = Resumptions()
    for talk in seen.talks:
        session = talk.session
        why = _staleness(talk.handle, session.started, past) if talk.handle else ""
        if why:
            yield Finding(why, (), (session.id,))
        close = session.close
        is_refused = close is not None and close.sender == "server" and close.reason.startswith(_NO_SESSION)
        past.add(talk, is_refused=is_refused)


def _staleness(handle: str, now: float, past: Resumptions) -> str:
    """Why a handle should not have been used, empty if it may be."""
    if handle in past.refused:
        return "a handle that had been refused already"
    line = past.line(handle)
    count = line.newer(handle, now - HANDLE_SEEN_S)
    if count:
        return f"a handle that {count} newer {'one has' if count == 1 else 'ones have'} taken the place of"
    old_s = now - line.end
    return f"a handle {shown_s(old_s)} after the end of its session" if old_s > HANDLE_LIFE_S else ""


def _setup_not_awaited(seen: Seen) -> Iterator[Finding]:
    early: list[Session] = []
    most = 0
    for talk in seen.talks:
        session = talk.session
        first = next(
            (index for index, frame in enumerate(session.frames) if frame.sender == "server"), len(session.frames)
        )
        count = sum(frame.sender == "client" for frame in session.frames[:first]) - 1
        if count > 0 and talk.said and talk.said[0].kind == "setup" and len(talk.of("setup")) == 1:
            early.append(session)
            most = max(most, count)
    if early:
        why = f"{most} message{'s' if most > 1 else ''} before the answer to setup{_sessions(early)}"
        yield Finding(why, (), _ids(early))


def _second_setup(seen: Seen) -> Iterator[Finding]:
    for talk in seen.talks:
        setups = talk.of("setup")
        if len(setups) > 1:
            after = shown_s(setups[1].at - setups[0].at)
            yield Finding(f"{len(setups)} setup messages, the second {after} after the first", (), (talk.session.id,))


def _deprecated_media_chunks(seen: Seen) -> Iterator[Finding]:
    found = [
        (talk.session, sum(bool(entries(one.value, "mediaChunks")) for one in talk.of("realtimeInput")))
        for talk in seen.talks
    ]
    using = [session for session, count in found if count]
    if using:
        first = next(count for _, count in found if count)
        why = f"{first} messages with mediaChunks{_sessions(using)}; 3.x models close with 1007"
        yield Finding(why, (), _ids(using))


def _unanswered_tool_call(seen: Seen) -> Iterator[Finding]:
    for talk in seen.talks:
        session = talk.session
        if session.ended is None and isfinite(seen.now):
            continue
        for at, call_id, name in talk.calls:
            if _blocks(name, talk.setup) and not _is_settled(talk, at, call_id, name):
                asked = sum(one.at > at and _asks(one.kind, one.value) for one in talk.said if one.sender == "client")
                rest_s = (session.close.at if session.close else _last_sign(session, seen.now)) - at
                if asked or rest_s >= TOOL_PATIENCE_S:
                    went_on = f"{asked} turn{'s' if asked > 1 else ''} of the client" if asked else shown_s(rest_s)
                    yield Finding(
                        f"{name!r} was called, and {went_on} later there was no toolResponse", (), (session.id,)
                    )
                    break


def _blocks(name: str, setup: Any) -> bool:
    """Whether the model waits for the answer of a function (wire-live 5.4)."""
    declared = [
        text(function, "behavior")
        for tool in entries(setup, "tools")
        for function in entries(tool, "functionDeclarations")
        if text(function, "name") == name
    ]
    behavior = declared[0] if declared else ""
    return behavior == "BLOCKING" or not (behavior or model_id(text(setup, "model")).startswith(_NON_BLOCKING_FAMILY))


def _is_settled(talk: Dialogue, at: float, call_id: str, name: str) -> bool:
    """Whether a call was answered, by its id, else by its name (wire-live 3.4), or taken back."""
    if any(call_id in entries(one.value, "ids") for one in talk.of("toolCallCancellation")):
        return True
    answers = [
        answer for one in talk.of("toolResponse") if one.at >= at for answer in entries(one.value, "functionResponses")
    ]
    return any(text(one, "id") == call_id if text(one, "id") else text(one, "name") == name for one in answers)


def _asks(kind: str, value: Any) -> bool:
    if kind == "clientContent":
        return member(value, "turnComplete") is True
    return kind == "realtimeInput" and bool(text(value, "text"))


def _left_open(seen: Seen) -> Iterator[Finding]:
    found: list[tuple[Session, float]] = []
    for session in seen.sessions:
        close = session.close
        # A fault may be what holds the connection.
        if close is None or close.sender != "server" or session.origin.faults:
            continue
        until = _last_sign(session, seen.now)
        if until - close.at >= LEFT_OPEN_S:
            found.append((session, until - close.at))
    if found:
        sessions = [session for session, _ in found]
        why = f"{shown_s(found[0][1])} after the server's close it had neither answered nor left{_sessions(sessions)}"
        yield Finding(why, (), _ids(sessions))


def _seconds(duration: str) -> float | None:
    """A proto Duration in seconds."""
    try:
        return float(duration.removesuffix("s")) if duration.endswith("s") else None
    except ValueError:
        return None


def _sessions(sessions: list[Session]) -> str:
    return f" ({len(sessions)} sessions)" if len(sessions) > 1 else ""


def _ids(sessions: list[Session]) -> tuple[int, ...]:
    return tuple(session.id for session in sessions[:NAMED])


RULES: Final = (
    Rule(
        "setup_not_awaited",
        "warned",
        "It went on before its setup was answered.",
        "A message after `setup` that came before the first message of the server.",
        "wire-live 3: clients should wait for `setupComplete`",
        _setup_not_awaited,
    ),
    Rule(
        "second_setup",
        "failed",
        "It sent a second setup in one session.",
        "Two `setup` messages on one connection.",
        "wire-live 3: close 1007",
        _second_setup,
    ),
    Rule(
        "deprecated_media_chunks",
        "warned",
        "It sends media as `mediaChunks`, which newer models refuse.",
        "`mediaChunks` in a `realtimeInput`; one verdict for all sessions.",
        "wire-live 3.3",
        _deprecated_media_chunks,
    ),
    Rule(
        "unanswered_tool_call",
        "failed",
        "It left a function call without an answer, so that the model waits for good.",
        "A call of a function that blocks was neither answered nor cancelled before the session's end, and after it the"
        " client sent another turn as text, or the session went on for 60 s.",
        "wire-live 5.4",
        _unanswered_tool_call,
    ),
    Rule(
        "goaway_ignored",
        "failed",
        "It did not close its session after goAway.",
        "The session was open 0.5 s after the `timeLeft` that goAway told, or the server aborted it after that time;"
        " the client had 1 s or more.",
        "wire-live 5.1, 5.6: close 1008",
        _goaway_ignored,
    ),
    Rule(
        "stale_handle",
        "failed",
        "It resumed a session with a handle that is not the latest.",
        "The handle was given before another one that had come 1 s before the new session or earlier, or it had been"
        " refused, or its session had ended more than 2 h ago.",
        "wire-live 5.6: the latest wins; valid for 2 h",
        _stale_handle,
    ),
    Rule(
        "session_left_open",
        "warned",
        "It left its connection open after the server had closed the session.",
        "9 s after the server's close, without a fault, the client had neither answered it nor ended the connection;"
        " one verdict for all sessions.",
        "RFC 6455 5.5.1: a close is answered as soon as practical",
        _left_open,
    ),
)
