"""The checks of the URL, on cases made by hand: none finds fault with a good one, each with its own bad one."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from case_builder import (
    OWN_HEADERS,
    TARGET,
    answered_with,
    case_of,
    findings_of,
    own_answer,
    with_answer_body,
    with_answer_headers,
    with_status,
    with_target,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from understudy.conformance.model import Asked, Check
from understudy.conformance.urls import CHECKS
from understudy.messages import Exchange, RawHeaders, Response, Transcript

BY_ID = {check.id: check for check in CHECKS}


def in_path(old: str, new: str) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: with_target(exchange, exchange.request.target.replace(old, new))}


def decoded(exchange: Exchange) -> Exchange:
    return with_target(exchange, unquote(exchange.request.target))


def encoded(exchange: Exchange) -> Exchange:
    return with_target(exchange, quote(exchange.request.target, safe="/:?=%"))


def upper_hex(exchange: Exchange) -> Exchange:
    path = exchange.request.target
    return with_target(exchange, path.replace("%c3", "%C3").replace("%e2", "%E2"))


def last_repeat(exchange: Exchange) -> Exchange:
    path, _, query = exchange.request.target.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    kept = {name: value for name, _, value in pairs}
    return with_target(exchange, path + "?" + "&".join(f"{name}={value}" for name, value in kept.items()))


def cut(exchange: Exchange) -> Exchange:
    return with_target(exchange, unquote(exchange.request.target).partition("?")[0])


def with_query(query: str) -> dict[str, Any]:
    def change(exchange: Exchange) -> Exchange:
        mark = "&" if "?" in exchange.request.target else "?"
        return with_target(exchange, exchange.request.target + mark + query)

    return {"change_upstream": change}


def without_query(exchange: Exchange) -> Exchange:
    return with_target(exchange, exchange.request.path)


def by_method(method: str) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: replace(exchange, request=replace(exchange.request, method=method))}


def refused(status: int) -> dict[str, Any]:
    return {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, own_answer(status)),
    }


def without_answer_field(name: bytes) -> dict[str, Any]:
    def kept(headers: RawHeaders) -> RawHeaders:
        return tuple(field for field in headers if field[0].lower() != name)

    return {"change_answer": lambda asked: with_answer_headers(asked, kept)}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("URL-1/encoded-slash", in_path("%2F", "/")),
    ("URL-1/encoded-slash", refused(400)),
    ("URL-1/double-encoding", {"change_upstream": decoded}),
    ("URL-1/double-slash", in_path("//", "/")),
    ("URL-1/hex-case", {"change_upstream": upper_hex}),
    ("URL-1/sub-delims", {"change_upstream": encoded}),
    ("URL-1/sub-delims", in_path(";c=1", "")),
    ("URL-1/trailing-slash", {"change_upstream": lambda x: with_target(x, x.request.target.rstrip("/"))}),
    ("URL-1/trailing-slash", {"change_upstream": lambda x: with_target(x, x.request.target.rstrip("/") + "/")}),
    ("URL-1/encoded-space-and-utf8", {"change_upstream": decoded}),
    ("URL-2/question-mark-and-hash", {"change_upstream": cut}),
    ("URL-3/order-and-repeats", {"change_upstream": last_repeat}),
    ("URL-3/encodings", in_path("%20", "+")),
    ("URL-3/encodings", in_path("%2C", ",")),
    ("URL-3/blank-values", in_path("a=&b&", "")),
    ("URL-3/blank-values", in_path("&b&", "&b=&")),
    ("URL-4/no-credential-in-url", with_query("key=AIza-of-the-gateway")),
    ("URL-4/no-credential-in-url", with_query("access_token=ya29.x")),
    ("URL-7/climbing-dots", {"change_answer": lambda asked: with_status(asked, 200)}),
    ("URL-7/climbing-dots", {"change_answer": lambda asked: answered_with(asked, None, "no whole answer in 10 s")}),
    ("URL-9/location-of-the-path", in_path("europe-west4", "l1")),
    ("URL-10/short-path-version", in_path("/v1beta1/projects", "/v1/projects")),
    ("URL-10/short-path-version", in_path("/projects/p1/locations/l1", "")),
    ("URL-11/alt-not-added", with_query("alt=sse")),
    ("URL-11/alt-kept", {"change_upstream": without_query}),
    ("URL-11/alt-kept", in_path("alt=sse", "alt=json")),
    ("URL-12/head", by_method("GET")),
    ("URL-12/head", {"change_answer": lambda asked: with_answer_body(asked, b"body")}),
    ("URL-12/head", without_answer_field(b"content-length")),
    ("URL-12/options", refused(405)),
    ("URL-12/patch", by_method("POST")),
    ("URL-12/delete", refused(405)),
    ("URL-12/put", {"change_answer": lambda asked: with_status(asked, 500)}),
    ("URL-12/trace-refused", {"change_answer": lambda asked: with_status(asked, 200)}),
    ("URL-12/trace-refused", without_answer_field(b"allow")),
    ("URL-13/model-named-stream", with_query("alt=sse")),
    ("URL-13/model-named-stream", {"change_answer": lambda asked: with_answer_body(asked, b"data: {}\r\n\r\n")}),
    (
        "URL-13/model-named-stream",
        {
            "change_answer": lambda asked: with_answer_headers(
                asked, lambda _: ((b"Content-Type", b"text/event-stream"),)
            )
        },
    ),
    ("URL-14/unknown-route", {"change_answer": lambda asked: with_status(asked, 401)}),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_good_gateway_is_not_faulted(check: Check):
    assert findings_of(check) == []


@pytest.mark.parametrize("id, faults", BAD, ids=[id for id, _ in BAD])
def test_each_check_finds_its_fault(id: str, faults: dict[str, Any]):
    assert findings_of(BY_ID[id], **faults)


def test_every_check_has_a_fault_here():
    assert {id for id, _ in BAD} == set(BY_ID)


def test_a_climbing_path_that_went_on_is_found_wherever_it_went():
    [probe] = BY_ID["URL-7/climbing-dots"].probes
    case = case_of(probe)
    resolved = case.asked[0].exchange.request
    went = Exchange(0, replace(resolved, target="/v1beta/models/climbing-dots:generateContent"), None, 1, 2)
    judge = BY_ID["URL-7/climbing-dots"].judge
    assert len(list(judge(replace(case, upstream=Transcript((went,)))))) == 1
    assert len(list(judge(replace(case, elsewhere=Transcript((went,)))))) == 1


def test_trace_and_unknown_routes_must_not_reach_the_provider():
    for id in ("URL-12/trace-refused", "URL-14/unknown-route"):
        [probe] = BY_ID[id].probes
        case = case_of(probe)
        went = Transcript((replace(case.asked[0].exchange, response=None),))
        [finding] = BY_ID[id].judge(replace(case, upstream=went))
        assert "reached the provider" in finding.message


def test_a_parameter_that_carries_a_credential_is_named_but_not_its_value():
    [finding] = findings_of(BY_ID["URL-4/no-credential-in-url"], **with_query("key=AIza-secret"))
    assert finding.evidence == ("parameter: key",)


def test_a_short_path_is_completed_with_the_targets_own_names():
    check = BY_ID["URL-10/short-path-version"]
    elsewhere = replace(TARGET, project="p2")
    cases = [case_of(probe, target=elsewhere) for probe in check.probes]
    assert [finding.evidence[0] for case in cases for finding in check.judge(case)] == [
        "wanted: /v1/projects/p2/locations/l1/publishers/google/models/gemini-2.5-flash:generateContent",
        "wanted: /v1beta1/projects/p2/locations/l1/publishers/google/models/gemini-2.5-flash:generateContent",
    ]


@given(st.data())
def test_any_change_of_a_path_is_found(data: st.DataObject):
    check = data.draw(st.sampled_from([check for check in CHECKS if check.requirement in ("URL-1", "URL-2")]))
    probe = data.draw(st.sampled_from(check.probes))
    number = data.draw(st.integers(0, len(probe.moves or ()) - 1))
    other = data.draw(st.text("abAB%2F/:~", max_size=20).map(lambda text: "/" + text))

    def change(exchange: Exchange) -> Exchange:
        assume(exchange.id != number or exchange.request.target != other)
        return with_target(exchange, other) if exchange.id == number else exchange

    assert len(list(check.judge(case_of(probe, change_upstream=change)))) == 1


def test_an_answer_that_never_came_is_said_to_be_late():
    late: dict[str, Any] = {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, None, "no whole answer in 10 s"),
    }
    for check in CHECKS:
        findings = findings_of(check, **late)
        assert findings, check.id
        assert all(finding.is_timeout for finding in findings), check.id


def test_additions_to_an_answer_are_no_matter_of_the_url():
    def more(asked: Asked) -> Asked:
        return with_answer_headers(asked, lambda headers: (*headers, *OWN_HEADERS, (b"X-More", b"1")))

    assert not [finding for check in CHECKS for finding in findings_of(check, change_answer=more)]


def test_an_answer_to_head_without_a_length_is_no_fault():
    def bare(exchange: Exchange) -> Exchange:
        assert exchange.response is not None
        return replace(exchange, response=Response(200, ()))

    assert findings_of(BY_ID["URL-12/head"], change_upstream=bare) == []
