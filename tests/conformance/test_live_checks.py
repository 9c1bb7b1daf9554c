"""The checks of Live sessions on cases made by hand."""

from dataclasses import replace

import pytest
from session_builder import (
    client_close,
    client_frames,
    in_session,
    not_dialled,
    provider_close,
    provider_frames,
    refused,
    session_case,
)

from understudy import library
from understudy.conformance.live import CHECKS
from understudy.conformance.model import Check, Probe
from understudy.conformance.probes import library_probe
from understudy.messages import BINARY, TEXT, Close, Frame, Session

BY_ID = {check.id: check for check in CHECKS}
LIBRARY = tuple(library_probe(scenario) for scenario in library.load_all(["live"]))


def probes_of(check: Check) -> tuple[Probe, ...]:
    return check.probes or tuple(probe for probe in LIBRARY if check.fits is not None and check.fits(probe.scenario))


def found(id: str, fault) -> list[list[str]]:
    """What the check says of the fault, probe by probe."""
    check = BY_ID[id]
    return [[one.message for one in check.judge(fault(session_case(probe)))] for probe in probes_of(check)]


def asked(**changes):
    """The provider saw another request."""
    return in_session(theirs=lambda session: replace(session, request=replace(session.request, **changes)))


def with_header(name: bytes, value: bytes):
    return in_session(
        theirs=lambda session: replace(
            session, request=replace(session.request, headers=(*session.request.headers, (name, value)))
        )
    )


def ended_at(time: float | None):
    return in_session(theirs=lambda session: replace(session, ended=time))


def turned(frame: Frame) -> Frame:
    return replace(frame, opcode=TEXT if frame.opcode == BINARY else BINARY)


def spoilt(sender: str):
    """One side's messages arrive changed."""

    def change(frame: Frame) -> Frame:
        return replace(frame, payload=frame.payload + b" ") if frame.sender == sender else frame

    return change


def without(sender: str, has: bytes):
    """Messages with these bytes do not arrive."""
    return lambda frame: None if frame.sender == sender and has in frame.payload else frame


def unless_empty(frame: Frame) -> Frame | None:
    return frame if frame.payload else None


def small(frame: Frame) -> Frame | None:
    return frame if len(frame.payload) <= 1 << 20 else None


def doubled(session: Session) -> Session:
    return replace(session, frames=(*session.frames, session.frames[-1]))


STUCK = in_session(mine=lambda one: replace(one, problem="receive: no message in 5 s"))
NORMAL = Close("server", 1000, "", 2.0)
FAULTS = [
    ("WS-1/gemini-path", refused(403), "handshake was not accepted"),
    ("WS-1/gemini-path", not_dialled, "another number of sessions"),
    ("WS-1/gemini-path", asked(target="/ws/other"), "on another path"),
    ("WS-1/gemini-path", STUCK, "did not go as it should"),
    ("WS-1/vertex-path", refused(403), "handshake was not accepted"),
    ("WS-1/vertex-path", asked(target="/ws/other"), "on another path"),
    ("WS-1/short-route", refused(404), "handshake was not accepted"),
    ("WS-1/short-route", asked(target="/vertex_ai/live"), "did not lead to"),
    ("WS-1/double-slash", asked(target="/ws/google.ai.generativelanguage"), "on another path"),
    ("WS-2/query-ends-here", asked(target="/ws/x?vertex_project=p"), "query parameters reached"),
    ("WS-4/refusal-status", refused(500), "another status"),
    ("WS-4/refusal-status", in_session(mine=lambda one: replace(one, refusal=None)), "body of the provider's refusal"),
    ("WS-5/text-and-binary", provider_frames(turned), "another kind"),
    ("WS-5/text-and-binary", client_frames(turned), "another kind"),
    ("WS-5/text-and-binary", client_frames(without("server", b"serverContent")), "lost or added"),
    ("WS-5/payload-table", provider_frames(spoilt("client")), "message was changed"),
    ("WS-5/payload-table", provider_frames(without("client", b"\xff")), "was changed"),
    ("WS-15/unknown-messages", in_session(theirs=doubled), "did not arrive"),
    (
        "WS-15/unknown-messages",
        in_session(mine=lambda one: replace(one, session=doubled(one.session))),
        "that nobody had sent",
    ),
    ("WS-5/server-messages", client_frames(spoilt("server")), "message was changed"),
    ("WS-5/empty-messages", client_frames(unless_empty), "Empty messages"),
    ("WS-5/empty-messages", provider_frames(unless_empty), "Empty messages"),
    ("WS-5/library-frames", provider_frames(spoilt("client")), "message was changed"),
    ("WS-5/library-frames", STUCK, "did not go as the scenario says"),
    ("WS-7/large-from-client", provider_frames(small), "message was changed"),
    ("WS-7/large-from-provider", client_frames(small), "message was changed"),
    ("WS-12/fragmented-from-provider", client_frames(without("server", b"\x00\x01")), "message was changed"),
    ("WS-15/unknown-messages", client_frames(without("server", b"goAway")), "message was changed"),
    ("WS-15/unknown-messages", provider_frames(without("client", b"somethingNew")), "did not arrive"),
    ("WS-8/close-codes-from-provider", client_close(Close("server", 1005, "", 2.0)), "close code was changed"),
    ("WS-8/close-codes-from-provider", client_close(NORMAL, True), "did not reach the client"),
    ("WS-8/close-codes-from-provider", provider_close(Close("client", 1000, "", 12.0)), "before the provider"),
    ("WS-8/close-codes-from-client", provider_close(Close("client", 1015, "", 12.0)), "close code was changed"),
    ("WS-8/close-codes-from-client", provider_close(None), "did not reach the provider"),
    ("WS-8/close-codes-from-client", client_close(NORMAL), "before the client did"),
    ("WS-8/close-reason", provider_close(None), "did not reach the other end"),
    ("WS-8/close-without-code", client_close(Close("client", 1000, "", 2.0)), ""),
    ("WS-8/provider-lost", client_close(NORMAL), "orderly end"),
    ("WS-8/provider-lost", client_close(NORMAL, False, "receive: no close in 5 s"), "was not told"),
    ("WS-8/client-lost", provider_close(Close("client", 1000, "", 12.0)), "orderly end"),
    ("WS-8/library-closes", client_close(replace(NORMAL, code=4998)), "close code of the scenario"),
    ("WS-8/library-closes", refused(403), "close code of the scenario"),
    ("WS-9/provider-closed-by-leaving-client", ended_at(None), "goes on"),
    ("WS-9/provider-closed-by-leaving-client", ended_at(15.0), "closed late"),
    ("WS-10/ping-answered", in_session(mine=lambda one: replace(one, pongs=one.pongs[:1])), "not answered"),
    ("WS-10/ping-answered", in_session(mine=lambda one: replace(one, pongs=(b"",) * 3)), "not answered"),
    ("WS-11/subprotocol-of-the-key", with_header(b"Sec-WebSocket-Protocol", b"openai-insecure-api-key.k"), "reached"),
    (
        "WS-11/subprotocol-of-the-key",
        in_session(mine=lambda one: replace(one, subprotocol="openai-insecure-api-key.k")),
        "chose the subprotocol",
    ),
    ("WS-11/deflate-offer-not-refused", refused(400), "handshake was not accepted"),
    ("WS-11/deflate-offer-not-refused", client_frames(spoilt("server")), "message was changed"),
    ("WS-11/deflate-offer-not-refused", STUCK, "did not go as it should"),
    ("WS-16/headers", asked(headers=()), "did not pass unchanged"),
    ("WS-16/headers", with_header(b"x-whatever", b"third"), "did not pass unchanged"),
    ("WS-16/origin-and-cookie-end-here", with_header(b"cookie", b"sid=1"), "reached the provider"),
    ("WS-16/origin-and-cookie-end-here", with_header(b"Origin", b"https://x"), "reached the provider"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_faultless_gateway_has_no_findings(check):
    assert probes_of(check)
    assert found(check.id, lambda case: case) == [[] for _ in probes_of(check)]


@pytest.mark.parametrize("id, fault, message", FAULTS)
def test_each_fault_is_found(id, fault, message):
    for messages in found(id, fault):
        assert any(message in one for one in messages), messages


def test_every_check_has_a_fault():
    assert {id for id, _, _ in FAULTS} == set(BY_ID)


def test_one_fault_fails_few_checks():
    """A changed reason is not held against the codes, nor a changed kind against the bytes."""
    changed = client_close(Close("server", 1000, "another", 2.0))
    codes = BY_ID["WS-8/close-codes-from-provider"]
    case = session_case(codes.probes[0])
    first = replace(
        case, conversed=case.conversed[:1], upstream=replace(case.upstream, sessions=case.upstream.sessions[:1])
    )
    assert list(codes.judge(changed(first))) == []
    assert [one.message for one in BY_ID["WS-8/close-reason"].judge(changed(first))] == [
        "The reason of the close was changed."
    ]
    assert found("WS-5/payload-table", provider_frames(turned)) == [[]]


def test_who_accepts_first_may_tell_the_refusal_in_the_close():
    check = BY_ID["WS-4/refusal-status"]
    case = session_case(check.probes[0])

    def accepted(reason: str):
        close = Close("server", 1011, reason, 2.0)
        mine = in_session(
            mine=lambda one: replace(one, session=replace(one.session, status=101, close=close), refusal=None)
        )
        return list(check.judge(mine(case)))

    assert accepted("the provider answered 403") == []
    assert [one.message for one in accepted("internal error")] == [
        "The provider's refusal of the handshake was not passed on."
    ]


def test_a_loss_may_show_as_a_loss():
    assert found("WS-8/provider-lost", client_close(Close("server", None, "", 2.0), was_lost=True)) == [[]]
    assert found("WS-8/client-lost", provider_close(Close("client", None, "", 12.0))) == [[]]


def test_what_never_ends_is_reported_as_a_timeout():
    check = BY_ID["WS-9/provider-closed-by-leaving-client"]
    [finding] = check.judge(ended_at(None)(session_case(check.probes[0])))
    assert finding.is_timeout


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_client_that_got_no_session_is_a_finding(check):
    """No judge may pass, or break, when there was nothing to judge."""
    for probe in probes_of(check):
        nothing = replace(session_case(probe), conversed=(), upstream=not_dialled(session_case(probe)).upstream)
        assert list(check.judge(nothing))
