"""How probes of Live sessions are written down, and what their judges have in common. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from ..messages import BINARY, TEXT, Frame, Session
from ..scenario.layout import payload_of_text
from ..scenario.model import CloseSession, Payload, Receive, ReceiveUntil, Send
from .evidence import differing, shown
from .model import Case, Conversed, Finding, Judge
from .probes import Document, compact

SWITCHED: Final = 101
"""The status of a handshake that was accepted."""

SETUP: Final = Send(payload_of_text('{"setup":{"model":"{{model_path}}"}}', "json"))
READY: Final = Receive({"setupComplete": "*"})
OPENING: Final = (SETUP, READY)
"""How every client begins."""

OPENED: Final[tuple[Document, ...]] = (
    {"receive": {"json": {"setup": {"model": "*"}}}},
    {"send": {"json": {"setupComplete": {}}}},
)
"""How every server begins."""

UNTIL_CLOSED: Final[Document] = {"receive": "close"}
CLOSED: Final = Receive(close=True, within_s=5.0)
GOODBYE: Final = CloseSession(1000)
TURN_END: Final = ReceiveUntil({"serverContent": {"turnComplete": True}}, within_s=10.0)

NOT_BEGUN: Final = Finding("The client's session could not be begun.")

SessionRule = Callable[[Conversed, Session], Iterable[Finding]]
"""Judges one session: as the client saw it, and as the provider saw it."""


def said(value: Any, opcode: int = BINARY) -> Send:
    """A message of the client in compact JSON; bytes go as they stand."""
    return Send(Payload((value if isinstance(value, bytes) else compact(value),), "bytes"), opcode)


def ended(one: Conversed) -> str:
    """How the client's session ended, in a few words."""
    if one.session.status != SWITCHED:
        return one.problem or f"HTTP {one.session.status}"
    close = one.session.close
    if close is None or one.was_lost:
        return "lost, without a close frame"
    whose = "the gateway" if close.sender == "server" else "the client"
    code = "without a code" if close.code is None else str(close.code)
    return f"{whose} closed {code}" + (f" {shown(close.reason)}" if close.reason else "")


def not_accepted(one: Conversed) -> Finding:
    """The finding that a handshake was refused, or not answered."""
    body = one.refusal.body if one.refusal is not None else b""
    evidence = (f"request: GET {shown(one.session.request.target)}", ended(one), *((shown(body),) if body else ()))
    return Finding("The handshake was not accepted.", evidence)


def each_session(case: Case) -> Iterator[tuple[Conversed, Session] | Finding]:
    """Each accepted session as client and provider saw it; a finding in place of one that was refused or not dialled.

    Which is which is told by order.
    """
    dialled = [session for session in case.upstream.sessions if session.status == SWITCHED]
    accepted: list[Conversed] = []
    for one in case.conversed:
        if one.session.status == SWITCHED:
            accepted.append(one)
        else:
            yield not_accepted(one)
    if len(dialled) != len(accepted):
        evidence = (f"sessions: {len(accepted)} of the client, {len(dialled)} at the provider",)
        yield Finding("The provider saw another number of sessions than the client had.", evidence)
        return
    yield from zip(accepted, dialled, strict=True)


def sessionwise(rule: SessionRule) -> Judge:
    """A judge that applies `rule` to each session; one that was not accepted is a finding."""

    def judge(case: Case) -> Iterator[Finding]:
        if not case.conversed:
            yield NOT_BEGUN
        for pair in each_session(case):
            if isinstance(pair, Finding):
                yield pair
            else:
                yield from rule(*pair)

    return judge


def frame_line(frame: Frame) -> str:
    """Evidence: one message."""
    kind = {TEXT: "text", BINARY: "binary"}.get(frame.opcode, str(frame.opcode))
    return f"{kind}, {len(frame.payload)} bytes: {shown(frame.payload)}"


def messages_differ(sent: Sequence[Frame], came: Sequence[Frame], way: str, end: str) -> Iterator[Finding]:
    """One finding if the payloads that `came` are not those that were `sent`, in order; `end` says how it ended."""
    for number, (one, other) in enumerate(zip(sent, came, strict=False), 1):
        if one.payload != other.payload:
            evidence = (f"message {number} {way}", *differing(one.payload, other.payload))
            yield Finding("A message was changed.", evidence)
            return
    if len(sent) > len(came):
        evidence = (f"{way}: {len(sent)} sent, {len(came)} came", f"lost: {frame_line(sent[len(came)])}", end)
        yield Finding("A message did not arrive.", evidence)
    elif len(sent) < len(came):
        evidence = (f"{way}: {len(sent)} sent, {len(came)} came", f"added: {frame_line(came[len(sent)])}")
        yield Finding("A message came that nobody had sent.", evidence)


def same_from_client(one: Conversed, session: Session) -> Iterator[Finding]:
    """The provider got the client's messages, all and unchanged."""
    end = f"client: {one.problem or ended(one)}"
    yield from messages_differ(one.session.sent_by("client"), session.sent_by("client"), "from the client", end)


def same_from_provider(one: Conversed, session: Session) -> Iterator[Finding]:
    """The client got the provider's messages, all and unchanged."""
    end = f"client: {one.problem or ended(one)}"
    yield from messages_differ(session.sent_by("server"), one.session.sent_by("server"), "from the provider", end)


def same_both_ways(one: Conversed, session: Session) -> Iterator[Finding]:
    """All messages arrived unchanged, either way."""
    yield from same_from_client(one, session)
    yield from same_from_provider(one, session)
