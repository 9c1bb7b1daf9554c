"""The checks of the credentials, on cases made by hand: none finds fault with a good one, each with its own bad one."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from case_builder import (
    CREDENTIAL,
    KEY,
    TARGET,
    answered_with,
    case_of,
    findings_of,
    own_answer,
    with_answer_body,
    with_answer_headers,
    with_body,
    with_field,
    with_headers,
    with_status,
    with_target,
    without_field,
)
from hypothesis import given
from hypothesis import strategies as st

from understudy.conformance.auth import CHECKS
from understudy.conformance.model import Asked, Case, Check, Conversed
from understudy.messages import Exchange, Session, Transcript

BY_ID = {check.id: check for check in CHECKS}
LIVE = [id for id in BY_ID if "live" in id]


def refused(status: int) -> dict[str, Any]:
    """The gateway does not know this carrier."""
    return {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, own_answer(status)),
    }


def own_refusals(status: int) -> dict[str, Any]:
    """What the gateway refuses, it refuses with another status."""
    return {"change_answer": lambda asked: with_status(asked, status) if is_refusal(asked) else asked}


def is_refusal(asked: Asked) -> bool:
    response = asked.exchange.response
    return response is not None and response.status >= 400


def bodies(body: bytes) -> dict[str, Any]:
    return {"change_answer": lambda asked: with_answer_body(asked, body)}


def field(name: bytes, value: bytes) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: with_field(exchange, name, value)}


def in_query(query: str) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: with_target(exchange, f"{exchange.request.target}?{query}")}


def in_handshake(name: bytes, value: bytes) -> dict[str, Any]:
    def change(session: Session) -> Session:
        request = replace(session.request, headers=(*session.request.headers, (name, value)))
        return replace(session, request=request)

    return {"change_session": change}


def without_challenge(asked: Asked) -> Asked:
    return with_answer_headers(
        asked, lambda headers: tuple(field for field in headers if field[0] != b"WWW-Authenticate")
    )


def admits_all(asked: Asked) -> Asked:
    return with_status(asked, 200)


def with_foreign(exchange: Exchange) -> Exchange:
    return with_field(exchange, b"Authorization", b"Bearer ya29.a-token-of-another-place")


def in_its_place(exchange: Exchange) -> Exchange:
    bare = without_field(without_field(exchange, b"authorization"), b"x-goog-api-key")
    return with_foreign(bare)


BAD: list[tuple[str, dict[str, Any]]] = [
    *((id, refused(401)) for id in BY_ID if id.startswith("AUTH-1/") and id not in LIVE),
    ("AUTH-2/missing-key", own_refusals(400)),
    ("AUTH-2/missing-key", {"change_answer": admits_all}),
    ("AUTH-2/wrong-key", own_refusals(403)),
    ("AUTH-2/google-shaped", bodies(b"Unauthorized")),
    ("AUTH-2/google-shaped", bodies(b'{"error": "Unauthorized"}')),
    ("AUTH-2/google-shaped", bodies(b'{"detail": "Unauthorized"}')),
    ("AUTH-2/google-shaped", bodies(b'{"error":{"code":"401","message":"no","status":"UNAUTHENTICATED"}}')),
    ("AUTH-2/google-shaped", bodies(b'{"error":{"code":401,"message":"no","type":"auth_error"}}')),
    ("AUTH-2/www-authenticate", {"change_answer": without_challenge}),
    ("AUTH-4/foreign-credential-neither-helps-nor-harms", {"change_answer": admits_all}),
    ("AUTH-4/foreign-credential-neither-helps-nor-harms", {"change_upstream": with_foreign}),
    ("AUTH-4/foreign-credential-neither-helps-nor-harms", refused(401)),
    ("AUTH-5/no-leaked-key", field(b"x-goog-api-key", KEY.encode())),
    ("AUTH-5/no-leaked-key", field(b"Authorization", b"Bearer " + KEY.encode())),
    ("AUTH-5/no-leaked-key", field(b"Cookie", b"k=" + KEY.replace("-", "%2D").encode())),
    ("AUTH-5/no-leaked-key", field(b"Authorization", b"Basic " + b64encode(KEY.encode()))),
    ("AUTH-5/no-leaked-key", in_query(f"key={KEY}")),
    ("AUTH-5/no-leaked-key", in_query(f"k%65y={KEY.replace('-', '%2d')}")),
    ("AUTH-5/no-leaked-key", {"change_upstream": lambda exchange: with_body(exchange, KEY.encode())}),
    ("AUTH-5/no-leaked-key", {"change_upstream": lambda exchange: None}),
    ("AUTH-5/no-leaked-key-live", in_handshake(b"api-key", KEY.encode())),
    ("AUTH-5/no-leaked-key-live", in_handshake(b"Sec-WebSocket-Protocol", b"openai-insecure-api-key." + KEY.encode())),
    ("AUTH-5/no-leaked-key-live", {"change_session": lambda session: None}),
    ("AUTH-6/one-credential", {"change_upstream": with_foreign}),
    ("AUTH-6/one-credential", {"change_upstream": in_its_place}),
    ("AUTH-6/one-credential", field(b"x-goog-api-key", CREDENTIAL.encode())),
    ("AUTH-6/one-credential", in_query(f"key={CREDENTIAL}")),
    ("AUTH-6/one-credential", {"change_upstream": lambda exchange: with_headers(exchange, ())}),
    ("AUTH-6/one-credential", refused(401)),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_good_gateway_is_not_faulted(check: Check):
    assert findings_of(check) == []


@pytest.mark.parametrize("id, faults", BAD, ids=[id for id, _ in BAD])
def test_each_check_finds_its_fault(id: str, faults: dict[str, Any]):
    findings = findings_of(BY_ID[id], **faults)
    assert findings
    assert KEY not in repr(findings) and CREDENTIAL not in repr(findings)


@pytest.mark.parametrize("id", [id for id in BY_ID if id.startswith("AUTH-1/") and id not in LIVE])
def test_a_request_that_went_on_and_was_refused_all_the_same_is_found(id: str):
    findings = findings_of(BY_ID[id], change_answer=lambda asked: with_status(asked, 403))
    assert {finding.message for finding in findings} == {"The right gateway key was refused."}


def test_it_is_said_which_key_was_shown_and_not_what_it_was():
    said = [
        finding.evidence[0]
        for id in ("AUTH-2/missing-key", "AUTH-2/wrong-key")
        for finding in findings_of(BY_ID[id], **own_refusals(400))
    ]
    assert said == [f"key shown: {what}" for what in ("none", "a wrong one", "empty", "empty", "a wrong one")]


def refused_session(case: Case, status: int) -> Case:
    def refusal(one: Conversed) -> Conversed:
        return replace(one, session=replace(one.session, status=status), refusal=own_answer(401))

    return replace(case, conversed=tuple(refusal(one) for one in case.conversed))


@pytest.mark.parametrize("id", [id for id in LIVE if id.startswith("AUTH-1/")])
def test_a_refused_handshake_is_found(id: str):
    [probe] = BY_ID[id].probes
    [finding] = BY_ID[id].judge(refused_session(case_of(probe), 403))
    assert finding.evidence[0] == "handshake: HTTP 403"


def test_what_was_sent_upstream_without_a_key_is_found():
    check = BY_ID["AUTH-2/nothing-sent-upstream"]
    for probe in check.probes:
        case = case_of(probe)
        went = Transcript(tuple(replace(asked.exchange, response=None) for asked in case.asked))
        assert len(list(check.judge(replace(case, upstream=went)))) == len(case.asked)


def test_every_check_has_a_fault_here():
    others = {"AUTH-2/nothing-sent-upstream", *(id for id in LIVE if id.startswith("AUTH-1/"))}
    assert {id for id, _ in BAD} | others == set(BY_ID)


def test_a_key_that_leaked_outside_the_scope_is_found():
    check = BY_ID["AUTH-5/no-leaked-key"]
    [probe] = check.probes
    case = case_of(probe)
    stray = with_field(case.upstream.exchanges[0], b"x-key", KEY.encode())
    [finding] = check.judge(replace(case, elsewhere=Transcript((stray,))))
    assert finding.evidence == ("field: x-key",)


def test_without_a_key_there_is_none_to_leak():
    for id in ("AUTH-5/no-leaked-key", "AUTH-5/no-leaked-key-live"):
        keyless = replace(TARGET, key=None)
        assert [one for probe in BY_ID[id].probes for one in BY_ID[id].judge(case_of(probe, target=keyless))] == []


@given(st.sampled_from([b"x-anything", b"Cookie", b"user-agent"]), st.binary(max_size=10), st.binary(max_size=10))
def test_a_key_is_found_wherever_it_stands_in_a_field(name: bytes, before: bytes, after: bytes):
    findings = findings_of(BY_ID["AUTH-5/no-leaked-key"], **field(name, before + KEY.encode() + after))
    assert findings and KEY not in repr(findings)


def test_no_answer_at_all_is_a_finding_of_every_check_that_wants_one():
    nothing: dict[str, Any] = {
        "change_upstream": lambda exchange: None,
        "change_session": lambda session: None,
        "change_answer": lambda asked: answered_with(asked, None, "no whole answer in 10 s"),
    }
    silent = {"AUTH-2/nothing-sent-upstream", *LIVE}
    for check in CHECKS:
        assert findings_of(check, **nothing) or check.id in silent, check.id
