"""Checks of how Live sessions end: codes, reasons, losses and pings (requirements WS-8 to WS-10)."""

from collections.abc import Iterator, Mapping
from typing import Final

from ..messages import Session
from ..scenario.model import CloseSession
from .evidence import shown
from .model import Check, Converse, Conversed, Drop, Finding, Ping
from .probes import Document, live_probe
from .sessions import CLOSED, GOODBYE, OPENED, OPENING, UNTIL_CLOSED, ended, said, sessionwise

_LONG: Final = "x" + "\u00e9" * 61
"""The longest reason there can be: 123 bytes."""

_CLOSES: Final[Mapping[int, str]] = {
    1000: "",
    1001: "going away",
    1002: "",
    1003: "sent text",
    1007: "Gr\u00fc\u00dfe \u518d\u89c1",
    1008: _LONG,
    1009: "",
    1010: "mandatory extension",
    1011: "internal",
    1012: "",
    1013: "try again later",
    1014: "",
    3000: "unauthorized",
    4000: "",
    4999: "the last one",
}
"""All codes that may stand in a frame, by their bounds, each with a reason (RFC 6455 7.4)."""

_WITHIN_S: Final = 2.0
"""A second is asked for; another is left to busy machines."""
_GOING_AWAY: Final = 1001
_LOST: Final = 1011


def _case(code: int, reason: str) -> Document:
    return {"match": {"json": {"code": code}}, "steps": [{"close": {"code": code, "reason": reason}}]}


_FROM_PROVIDER: Final = live_probe(
    "ws/provider-closes",
    "The provider closes with the code that the client names",
    tuple(Converse((*OPENING, said({"code": code}), CLOSED)) for code in _CLOSES),
    [*OPENED, {"branch": {"cases": [_case(code, reason) for code, reason in _CLOSES.items()]}}],
)
_FROM_CLIENT: Final = live_probe(
    "ws/client-closes",
    "The client closes with every code there is",
    tuple(Converse((*OPENING, CloseSession(code, reason))) for code, reason in _CLOSES.items()),
    [*OPENED, UNTIL_CLOSED],
)
_BARE_FROM_PROVIDER: Final = live_probe(
    "ws/provider-closes-bare",
    "The provider's close frame has no code",
    Converse((*OPENING, said({"end": True}), CLOSED)),
    [*OPENED, {"receive": "any"}, {"close": {"code": None}}],
)
_BARE_FROM_CLIENT: Final = live_probe(
    "ws/client-closes-bare",
    "The client's close frame has no code",
    Converse((*OPENING, CloseSession(None))),
    [*OPENED, UNTIL_CLOSED],
)
_PROVIDER_LOST: Final = live_probe(
    "ws/provider-lost",
    "The provider's connection is reset in mid-session",
    Converse((*OPENING, said({"go": True}), CLOSED)),
    [*OPENED, {"receive": "any"}, {"fault": {"reset_peer": True}}],
)
_CLIENT_LOST: Final = live_probe(
    "ws/client-lost",
    "The client's connection is reset in mid-session",
    Converse((*OPENING, Drop())),
    [*OPENED, UNTIL_CLOSED],
)
_CLIENT_LEAVES: Final = live_probe(
    "ws/client-leaves",
    "The client closes in mid-session",
    Converse((*OPENING, GOODBYE)),
    [*OPENED, UNTIL_CLOSED],
)
_PINGED: Final = live_probe(
    "ws/ping",
    "The client pings, with and without a payload",
    Converse((*OPENING, Ping(b"are you there?"), Ping(b"\x00\xff"), Ping(b"p" * 125), GOODBYE)),
    [*OPENED, UNTIL_CLOSED],
)


def _as_words(code: int | None) -> str:
    return "without a code" if code is None else str(code)


def _provider_line(session: Session) -> str:
    close = session.close
    if close is None:
        return "provider: not closed"
    whose = "it" if close.sender == "server" else "the gateway"
    return f"provider: {whose} closed {_as_words(close.code)} {shown(close.reason)}".rstrip()


def _code_down(one: Conversed, session: Session) -> Iterator[Finding]:
    """The provider's code at the client."""
    given, got = session.close, one.session.close
    if given is None or given.sender != "server":
        yield Finding("The session ended before the provider closed it.", (_provider_line(session), ended(one)))
    elif one.was_lost or got is None or got.sender != "server":
        evidence = (_provider_line(session), f"client: {one.problem or ended(one)}")
        yield Finding("The provider's close did not reach the client.", evidence)
    elif got.code != given.code:
        yield Finding(
            "The provider's close code was changed.", (_provider_line(session), f"client: {_as_words(got.code)}")
        )


def _code_up(one: Conversed, session: Session) -> Iterator[Finding]:
    """The client's code at the provider."""
    given, got = one.session.close, session.close
    if given is None or given.sender != "client":
        yield Finding("The gateway closed the session before the client did.", (ended(one),))
    elif got is None or got.sender != "client":
        yield Finding("The client's close did not reach the provider.", (ended(one), _provider_line(session)))
    elif got.code != given.code:
        yield Finding("The client's close code was changed.", (ended(one), _provider_line(session)))


def _reason(one: Conversed, session: Session) -> Iterator[Finding]:
    """The reason at the other end, where both ends saw a close of the same side; the code is another check's."""
    mine, theirs = one.session.close, session.close
    if mine is None or theirs is None:
        evidence = (f"client: {one.problem or ended(one)}", _provider_line(session))
        yield Finding("The close did not reach the other end.", evidence)
    elif mine.reason != theirs.reason:
        evidence = (f"client: {shown(mine.reason) or 'none'}", f"provider: {shown(theirs.reason) or 'none'}")
        yield Finding("The reason of the close was changed.", evidence)


def _bare(one: Conversed, session: Session) -> Iterator[Finding]:
    """A close without a code, either way."""
    given = session.close
    if given is not None and given.sender == "server":
        yield from _code_down(one, session)
    else:
        yield from _code_up(one, session)


def _provider_loss(one: Conversed, session: Session) -> Iterator[Finding]:
    got = one.session.close
    if one.problem is not None and "no close in" in one.problem:
        yield Finding("The client was not told that the provider was lost.", (one.problem,), True)
    elif got is not None and not one.was_lost and (got.sender, got.code) != ("server", _LOST):
        evidence = (_provider_line(session), f"client: {ended(one)}")
        yield Finding("A provider that was lost was shown as an orderly end.", evidence)


def _client_loss(one: Conversed, session: Session) -> Iterator[Finding]:
    close = session.close
    if close is not None and close.code not in (None, _GOING_AWAY):
        yield Finding("A client that was lost was shown as an orderly end.", (_provider_line(session),))


def _over_soon(one: Conversed, session: Session) -> Iterator[Finding]:
    stayed_s = (one.session.ended or one.session.started) - one.session.started
    if session.ended is None:
        yield Finding("The session with the provider goes on, though the client has left.", (ended(one),), True)
    elif (late_s := session.ended - session.started - stayed_s) > _WITHIN_S:
        yield Finding("The session with the provider was closed late.", (f"after the client had left: {late_s:.1f} s",))


def _ponged(one: Conversed, session: Session) -> Iterator[Finding]:
    wanted = tuple(step.payload for step in one.converse.steps if isinstance(step, Ping))
    if one.pongs != wanted:
        evidence = (f"pings: {len(wanted)}, pongs: {len(one.pongs)}", f"client: {one.problem or ended(one)}")
        yield Finding("A ping was not answered.", evidence, "no pong in" in (one.problem or ""))


CHECKS: Final = (
    Check(
        "WS-8/close-codes-from-provider",
        "The provider's close code reaches the client.",
        sessionwise(_code_down),
        reference="RFC 6455 7.4",
        probes=(_FROM_PROVIDER,),
    ),
    Check(
        "WS-8/close-codes-from-client",
        "The client's close code reaches the provider.",
        sessionwise(_code_up),
        reference="RFC 6455 7.4",
        probes=(_FROM_CLIENT,),
    ),
    Check(
        "WS-8/close-reason",
        "The reason of a close passes unchanged, either way, up to its 123 bytes.",
        sessionwise(_reason),
        reference="RFC 6455 5.5.1",
        probes=(_FROM_PROVIDER, _FROM_CLIENT),
    ),
    Check(
        "WS-8/close-without-code",
        "A close frame without a code passes as one.",
        sessionwise(_bare),
        reference="RFC 6455 5.5.1, 7.4.1",
        probes=(_BARE_FROM_PROVIDER, _BARE_FROM_CLIENT),
    ),
    Check(
        "WS-8/provider-lost",
        "A provider that is lost shows at the client as 1011 or as a loss, never as an orderly end.",
        sessionwise(_provider_loss),
        features=("relay",),
        reference="RFC 6455 7.1.5, 7.4.1",
        probes=(_PROVIDER_LOST,),
    ),
    Check(
        "WS-8/client-lost",
        "A client that is lost shows at the provider as 1001 or as a loss, never as an orderly end.",
        sessionwise(_client_loss),
        features=("relay",),
        reference="RFC 6455 7.1.5, 7.4.1",
        probes=(_CLIENT_LOST,),
    ),
    Check(
        "WS-9/provider-closed-by-leaving-client",
        "The session with the provider ends within a second of the client's.",
        sessionwise(_over_soon),
        reference="RFC 6455 7.1.1",
        probes=(_CLIENT_LEAVES, _CLIENT_LOST),
    ),
    Check(
        "WS-10/ping-answered",
        "Every ping is answered with its payload.",
        sessionwise(_ponged),
        reference="RFC 6455 5.5.2, 5.5.3",
        probes=(_PINGED,),
    ),
)
