"""The checks of the headers, on cases made by hand: none finds fault with a good one, each with its own bad one."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from case_builder import (
    GATEWAY,
    ORIGIN,
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
    without_field,
)
from hypothesis import given
from hypothesis import strategies as st

from understudy.conformance.headers import CHECKS
from understudy.conformance.model import Asked, Check
from understudy.messages import Chunk, Exchange, RawHeaders, Response, Transcript, header_values

BY_ID = {check.id: check for check in CHECKS}
MALFORMED = [id for id in BY_ID if id.startswith("HDR-10/")]
DENIED = [id for id in BY_ID if id.startswith("HDR-4/") and id != "HDR-4/x-pass-forwarded"]
OPTIONAL = {"HDR-9/no-upstream-address"}
"""Checks that find nothing where there is no answer."""


def up(change: Callable[[RawHeaders], RawHeaders]) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: with_headers(exchange, change(exchange.request.headers))}


def down(change: Callable[[RawHeaders], RawHeaders]) -> dict[str, Any]:
    return {"change_answer": lambda asked: with_answer_headers(asked, change)}


def without(*names: bytes) -> Callable[[RawHeaders], RawHeaders]:
    return lambda headers: tuple(field for field in headers if field[0].lower() not in names)


def more(name: bytes, value: bytes) -> Callable[[RawHeaders], RawHeaders]:
    return lambda headers: (*headers, (name, value))


def set_to(name: bytes, value: bytes) -> Callable[[RawHeaders], RawHeaders]:
    return lambda headers: (*(field for field in headers if field[0].lower() != name), (name, value))


def joined(name: bytes) -> Callable[[RawHeaders], RawHeaders]:
    def change(headers: RawHeaders) -> RawHeaders:
        values = header_values(headers, name)
        return set_to(name, b", ".join(values))(headers) if values else headers

    return change


def lower(headers: RawHeaders) -> RawHeaders:
    return tuple((name.lower(), value) for name, value in headers)


def backwards(headers: RawHeaders) -> RawHeaders:
    return headers[::-1]


def as_the_client_sent(exchange: Exchange) -> Exchange:
    """The gateway passes on everything."""
    return with_headers(exchange, (*exchange.request.headers, *EVERYTHING))


EVERYTHING: RawHeaders = (
    (b"Connection", b"keep-alive, X-Hop"),
    (b"X-Hop", b"1"),
    (b"Keep-Alive", b"timeout=5, max=17"),
    (b"TE", b"trailers, deflate;q=0.5"),
    (b"X-LiteLLM-Call-Id", b"suite-0001"),
)


def inflated(asked: Asked) -> Asked:
    response = asked.exchange.response
    assert response is not None
    plain = with_answer_body(asked, gzip.decompress(response.body))
    return with_answer_headers(plain, without(b"content-encoding"))


def prefixed(name: str) -> dict[str, Any]:
    return up(more(b"x-pass-" + name.encode(), b"v"))


BAD: list[tuple[str, dict[str, Any]]] = [
    ("HDR-1/end-to-end-request-headers", up(without(b"range"))),
    ("HDR-1/end-to-end-request-headers", up(set_to(b"content-type", b"application/json"))),
    ("HDR-1/end-to-end-request-headers", up(more(b"Accept", b"*/*"))),
    ("HDR-1/order-and-repeats", up(joined(b"x-repeated"))),
    ("HDR-1/order-and-repeats", up(backwards)),
    ("HDR-1/name-case", up(lower)),
    ("HDR-1/cookie", up(without(b"cookie"))),
    ("HDR-1/user-agent", up(set_to(b"user-agent", b"python-httpx/0.28"))),
    ("HDR-1/user-agent", up(more(b"User-Agent", b"gateway/1"))),
    ("HDR-2/connection-named-in-request", {"change_upstream": as_the_client_sent}),
    ("HDR-2/connection-named-in-request", up(more(b"x-other-hop", b"2"))),
    ("HDR-2/connection-named-in-request", up(more(b"Connection", b"close, x-other-hop"))),
    ("HDR-2/hop-by-hop-in-request", up(more(b"Keep-Alive", b"timeout=5, max=17"))),
    ("HDR-2/hop-by-hop-in-request", up(more(b"Proxy-Connection", b"keep-alive"))),
    ("HDR-2/hop-by-hop-in-request", up(more(b"upgrade", b"h2c"))),
    ("HDR-3/host", up(set_to(b"host", GATEWAY.encode()))),
    ("HDR-3/host", up(more(b"Host", ORIGIN.encode()))),
    ("HDR-3/host", up(without(b"host"))),
    ("HDR-3/one-framing", up(more(b"Content-Length", b"3"))),
    ("HDR-3/one-framing", up(more(b"Transfer-Encoding", b"chunked"))),
    ("HDR-3/one-framing", {"change_upstream": lambda exchange: None}),
    ("HDR-4/x-pass-forwarded", up(without(b"x-suite-word"))),
    ("HDR-4/x-pass-forwarded", up(more(b"x-pass-x-suite-word", b"One, two"))),
    ("HDR-5/control-headers-end-here", {"change_upstream": as_the_client_sent}),
    ("HDR-6/accept-encoding", up(set_to(b"accept-encoding", b"gzip, deflate"))),
    ("HDR-6/accept-encoding", up(without(b"accept-encoding"))),
    ("HDR-6/gzip-untouched", {"change_answer": inflated}),
    ("HDR-6/gzip-untouched", down(without(b"content-encoding"))),
    ("HDR-6/gzip-untouched", {"change_answer": lambda asked: with_answer_body(asked, b"\x1f\x8b")}),
    ("HDR-6/gzip-for-identity-client", {"change_answer": inflated}),
    ("HDR-2/connection-named-in-response", down(more(b"X-Hop", b"1"))),
    ("HDR-2/connection-named-in-response", down(more(b"Connection", b"keep-alive, X-Hop"))),
    ("HDR-7/response-headers", down(joined(b"vary"))),
    ("HDR-7/response-headers", down(without(b"retry-after"))),
    ("HDR-7/response-headers", down(set_to(b"content-type", b"application/json"))),
    ("HDR-7/response-headers", {"change_answer": lambda asked: with_status(asked, 200)}),
    ("HDR-7/set-cookie-not-joined", down(joined(b"set-cookie"))),
    ("HDR-7/date-and-server", down(set_to(b"server", b"uvicorn"))),
    ("HDR-7/date-and-server", down(more(b"Date", b"Sat, 21 Nov 2026 00:00:01 GMT"))),
    ("HDR-7/location", down(set_to(b"location", f"http://{GATEWAY}/v1beta/files/f1".encode()))),
    ("HDR-8/only-documented-additions", down(more(b"Strict-Transport-Security", b"max-age=1"))),
    ("HDR-9/no-upstream-address", down(more(b"x-gateway-api-base", f"http://{ORIGIN}/v1".encode()))),
    ("HDR-12/expect-continue", {"change_answer": lambda asked: replace(asked, interim=())}),
    ("HDR-12/expect-continue", {"change_upstream": lambda exchange: with_body(exchange, b"")}),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_good_gateway_is_not_faulted(check: Check):
    assert findings_of(check) == []


@pytest.mark.parametrize("id, faults", BAD, ids=[id for id, _ in BAD])
def test_each_check_finds_its_fault(id: str, faults: dict[str, Any]):
    assert findings_of(BY_ID[id], **faults)


def test_every_check_has_a_fault_here():
    assert {id for id, _ in BAD} | set(MALFORMED) | set(DENIED) == set(BY_ID)


def admitted(id: str, headers: RawHeaders) -> list[str]:
    """What a check finds if its request was passed on with these fields."""
    [probe] = BY_ID[id].probes
    case = case_of(probe)
    [asked] = case.asked
    request = replace(asked.exchange.request, target=asked.provider_target, headers=headers)
    went = Exchange(0, request, None, 11.0, 12.0)
    answered = with_status(asked, 200)
    upstream = Transcript((went,))
    return [one.message for one in BY_ID[id].judge(replace(case, asked=(answered,), upstream=upstream))]


@pytest.mark.parametrize("id", DENIED)
def test_what_x_pass_may_not_set_is_found_when_it_did(id: str):
    [probe] = BY_ID[id].probes
    [asked] = case_of(probe).asked
    sent = tuple(field for field in asked.exchange.request.headers if field[0].lower() != b"host")
    name = id.removeprefix("HDR-4/x-pass-").encode()
    [value] = header_values(sent, b"x-pass-" + name)
    kept = without(b"x-pass-" + name)(sent)
    assert admitted(id, (*kept, (name, value))) == [f"`x-pass-{name.decode()}` set `{name.decode()}` upstream."]
    assert admitted(id, sent) == [f"`x-pass-{name.decode()}` reached the provider."]
    assert admitted(id, kept) == []


@pytest.mark.parametrize("id", DENIED)
def test_a_denied_field_that_breaks_the_gateway_is_found(id: str):
    broken: dict[str, Any] = {"change_answer": lambda asked: with_status(asked, 500)}
    assert [one.message for one in findings_of(BY_ID[id], **broken)] == ["The request did not reach the provider."]


@pytest.mark.parametrize("id", MALFORMED)
def test_a_malformed_request_that_was_passed_on_is_found(id: str):
    assert admitted(id, ()) == ["The malformed request reached the provider."]


@pytest.mark.parametrize("id", MALFORMED)
def test_a_malformed_request_that_was_not_refused_in_so_many_words_is_found(id: str):
    served: dict[str, Any] = {"change_answer": lambda asked: with_status(asked, 200)}
    hung: dict[str, Any] = {"change_answer": lambda asked: answered_with(asked, None, "no whole answer in 5 s")}
    assert len(findings_of(BY_ID[id], **served)) == 1
    assert [one.is_timeout for one in findings_of(BY_ID[id], **hung)] == [True]


@pytest.mark.parametrize("id", [*MALFORMED, *DENIED, "HDR-3/one-framing"])
def test_a_request_that_the_provider_could_not_read_is_not_taken_for_refused(id: str):
    refusal = Response(400, (), (Chunk(b'{"error":{"details":[{"reason":"MALFORMED_REQUEST"}]}}', 1.0),))
    passed: dict[str, Any] = {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, refusal),
    }
    assert [one.message for one in findings_of(BY_ID[id], **passed)] == ["The request reached the provider malformed."]


def test_identity_may_stand_in_for_no_accept_encoding():
    def change(exchange: Exchange) -> Exchange:
        sent = header_values(exchange.request.headers, b"accept-encoding")
        return exchange if sent else with_field(exchange, b"Accept-Encoding", b"identity")

    assert findings_of(BY_ID["HDR-6/accept-encoding"], change_upstream=change) == []


def test_documented_additions_are_no_fault():
    added = down(more(b"X-Gateway-Anything", b"1"))
    assert findings_of(BY_ID["HDR-8/only-documented-additions"], **added) == []
    check = BY_ID["HDR-8/only-documented-additions"]
    silent = replace(TARGET, response_headers=())
    [finding] = [one for probe in check.probes for one in check.judge(case_of(probe, target=silent))]
    assert finding.evidence == ("added: x-gateway-request-id",)


def test_the_providers_address_is_looked_for_in_the_gateways_own_answers_too():
    def telling(asked: Asked) -> Asked:
        response = asked.exchange.response
        assert response is not None
        return asked if response.status < 400 else with_answer_body(asked, b"cannot reach " + ORIGIN.encode())

    [finding] = findings_of(BY_ID["HDR-9/no-upstream-address"], change_answer=telling)
    assert finding.message == "The gateway's own answer tells the provider's address."


def test_an_address_that_is_not_known_is_not_looked_for():
    check = BY_ID["HDR-9/no-upstream-address"]
    assert [one for probe in check.probes for one in check.judge(replace(case_of(probe), origin=""))] == []


def test_a_body_that_was_sent_twice_is_found():
    check = BY_ID["HDR-12/expect-continue"]
    [probe] = check.probes
    case = case_of(probe)
    twice = Transcript(case.upstream.exchanges * 2)
    [finding] = check.judge(replace(case, upstream=twice))
    assert "more than once" in finding.message


@given(st.data())
def test_any_other_value_of_a_field_of_the_client_is_found(data: st.DataObject):
    check = data.draw(st.sampled_from([one for one in CHECKS if one.requirement == "HDR-1" and one.level == "must"]))
    [probe] = check.probes
    [asked] = case_of(probe).asked
    name, value = data.draw(st.sampled_from(asked.ask.headers))
    other = data.draw(st.binary(min_size=1, max_size=20).filter(lambda found: found != value))

    def change(exchange: Exchange) -> Exchange:
        headers = tuple((one, other if (one, old) == (name, value) else old) for one, old in exchange.request.headers)
        return with_headers(exchange, headers)

    assert len(findings_of(check, change_upstream=change)) == 1


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_answer_at_all_is_a_finding(check: Check):
    nothing: dict[str, Any] = {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, None, "no whole answer in 10 s"),
    }
    assert bool(findings_of(check, **nothing)) is (check.id not in OPTIONAL)


def test_a_refusal_of_the_gateways_own_is_not_taken_for_the_providers_answer():
    refused: dict[str, Any] = {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, own_answer(400)),
    }
    for check in CHECKS:
        if check.requirement not in ("HDR-4", "HDR-9", "HDR-10"):
            assert findings_of(check, **refused), check.id


def test_a_field_without_its_value_is_told_from_a_missing_one():
    [finding] = findings_of(BY_ID["HDR-1/cookie"], change_upstream=lambda exchange: without_field(exchange, b"cookie"))
    assert finding.evidence == ('cookie: wanted [a=1; b="2"; c=x=y], found none',)
