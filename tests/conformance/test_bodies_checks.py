"""The checks of request bodies, on cases made by hand: none finds fault with a good one, each with its own bad one."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from case_builder import (
    answered_with,
    case_of,
    findings_of,
    own_answer,
    with_answer_body,
    with_body,
    with_field,
    with_headers,
    with_target,
    without_field,
)
from hypothesis import given
from hypothesis import strategies as st

from understudy.conformance.bodies import CHECKS
from understudy.conformance.model import Ask, Asked, Case, Check, Probe
from understudy.conformance.probes import GENERATE, HELLO, http_probe
from understudy.library import load_all
from understudy.messages import Exchange, Transcript

BY_ID = {check.id: check for check in CHECKS}
LIBRARY = BY_ID["BODY-1/library-bodies"]
WITH_PROBES = [check for check in CHECKS if check.probes]
MEMBERS = [check for check in CHECKS if check.requirement == "BODY-2"]
SAME = [check for check in CHECKS if check.probes and check.requirement in ("BODY-1", "BODY-2")]


def body(change: Callable[[bytes], bytes]) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: with_body(exchange, change(exchange.request.body))}


def parsed(data: bytes) -> bytes:
    """What comes of a body that is read as JSON and written again."""
    try:
        return json.dumps(json.loads(data)).encode()
    except ValueError:
        return data


def empty_object(data: bytes) -> bytes:
    return data or b"{}"


def rebuilt(data: bytes) -> bytes:
    return data.replace(b"a'b (c)/d=_?", b"0123456789abcdef").partition(b"\r\n")[2]


def replaced(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode()


def without_member(name: str) -> dict[str, Any]:
    def change(data: bytes) -> bytes:
        value = json.loads(data)
        value.pop(name, None)
        return json.dumps(value, separators=(",", ":")).encode()

    return body(change)


def field(name: bytes, value: bytes) -> dict[str, Any]:
    return {"change_upstream": lambda exchange: with_field(exchange, name, value)}


def rechunked(exchange: Exchange) -> Exchange:
    return with_field(without_field(exchange, b"content-length"), b"Transfer-Encoding", b"chunked")


def unframed(exchange: Exchange) -> Exchange:
    return without_field(exchange, b"transfer-encoding")


def ended_well(exchange: Exchange) -> Exchange:
    return replace(exchange, failure=None)


def left_open(exchange: Exchange) -> Exchange:
    return replace(exchange, failure="not ended yet")


def mocked(asked: Asked) -> Asked:
    return with_answer_body(asked, b'{"mocked":true}')


BAD: list[tuple[str, dict[str, Any]]] = [
    ("BODY-1/json-whitespace", body(parsed)),
    ("BODY-1/duplicate-keys", body(parsed)),
    ("BODY-1/big-integers", body(lambda data: data.replace(b"9007199254740993", b"9007199254740992"))),
    ("BODY-1/floats", body(parsed)),
    ("BODY-1/escapes", body(parsed)),
    ("BODY-1/key-order", body(lambda data: json.dumps(json.loads(data), sort_keys=True).encode())),
    ("BODY-1/top-level-array", body(lambda data: b'{"0":1}')),
    ("BODY-1/top-level-scalar", body(lambda data: b"{}")),
    (
        "BODY-1/invalid-json",
        {
            "change_upstream": lambda exchange: None,
            "change_answer": lambda asked: answered_with(asked, own_answer(400)),
        },
    ),
    ("BODY-1/bom", body(lambda data: data.removeprefix(b"\xef\xbb\xbf"))),
    ("BODY-1/invalid-utf8", body(replaced)),
    ("BODY-1/octet-stream", body(replaced)),
    ("BODY-1/urlencoded", body(lambda data: data.replace(b"x+y%20z", b"x+y+z"))),
    ("BODY-1/multipart", body(rebuilt)),
    ("BODY-1/gzip", body(lambda data: HELLO * 3)),
    *((check.id, without_member(check.id.partition("/")[2])) for check in MEMBERS),
    (
        "BODY-2/query_params",
        {"change_upstream": lambda exchange: with_target(exchange, exchange.request.target + "?alt=sse")},
    ),
    ("BODY-2/headers", field(b"X-From-The-Body", b"1")),
    ("BODY-2/mock_response", {"change_answer": mocked}),
    ("BODY-2/mock_response", {"change_upstream": lambda exchange: None, "change_answer": mocked}),
    ("BODY-2/stream", {"change_answer": mocked}),
    ("BODY-3/delete-without-body", body(empty_object)),
    ("BODY-3/delete-without-body", field(b"Content-Type", b"application/json")),
    ("BODY-3/empty-post", body(empty_object)),
    ("BODY-3/empty-post", field(b"content-type", b"application/octet-stream")),
    ("BODY-4/content-length", {"change_upstream": rechunked}),
    ("BODY-4/content-length", field(b"Content-Length", b"1")),
    ("BODY-4/chunked", {"change_upstream": unframed}),
    ("BODY-4/chunked", body(lambda data: data[:-1])),
    ("BODY-8/aborted-upload", {"change_upstream": ended_well}),
    ("BODY-8/aborted-upload", {"change_upstream": left_open}),
]


@pytest.mark.parametrize("check", WITH_PROBES, ids=lambda check: check.id)
def test_a_good_gateway_is_not_faulted(check: Check):
    assert findings_of(check) == []


@pytest.mark.parametrize("id, faults", BAD, ids=[id for id, _ in BAD])
def test_each_check_finds_its_fault(id: str, faults: dict[str, Any]):
    assert findings_of(BY_ID[id], **faults)


def test_every_check_has_a_fault_here():
    assert {id for id, _ in BAD} | {LIBRARY.id} == set(BY_ID)


@given(st.data())
def test_any_change_of_one_byte_of_a_body_is_found(data: st.DataObject):
    check = data.draw(st.sampled_from(SAME))
    [probe] = check.probes
    number = data.draw(st.integers(0, len(probe.moves or ()) - 1))
    at, other = data.draw(st.integers(0, 10_000)), data.draw(st.integers(1, 255))

    def change(exchange: Exchange) -> Exchange:
        if exchange.id != number:
            return exchange
        changed = bytearray(exchange.request.body)
        changed[at % len(changed)] ^= other
        return with_body(exchange, bytes(changed))

    [finding] = check.judge(case_of(probe, change_upstream=change))
    moves = probe.moves or ()
    move = moves[number]
    assert isinstance(move, Ask)
    assert finding.evidence[0].startswith(f"first difference: byte {at % len(move.body)} ")


def test_a_chunked_body_may_go_on_with_its_length():
    def counted(exchange: Exchange) -> Exchange:
        length = str(len(exchange.request.body)).encode()
        return with_field(without_field(exchange, b"transfer-encoding"), b"Content-Length", length)

    assert findings_of(BY_ID["BODY-4/chunked"], change_upstream=counted) == []


def test_a_gateway_that_holds_back_what_it_has_not_whole_is_not_faulted():
    assert findings_of(BY_ID["BODY-8/aborted-upload"], change_upstream=lambda exchange: None) == []


def test_each_request_is_compared_with_its_own_body_where_others_were_lost():
    """The first of two is refused: that is one finding, and the second is none."""
    check = BY_ID["BODY-1/top-level-array"]

    def lost(exchange: Exchange) -> Exchange | None:
        return None if exchange.id == 0 else exchange

    def refused(asked: Asked) -> Asked:
        return answered_with(asked, own_answer(400)) if asked.exchange.id == 0 else asked

    [finding] = findings_of(check, change_upstream=lost, change_answer=refused)
    assert finding.message == "The request did not reach the provider."


# -- the library


def library_probe(count: int | None) -> Probe:
    expect = None if count is None else {"upstream_requests": count}
    return http_probe("bodies/one", "one request", Ask(GENERATE, body=HELLO), expect=expect)


def judged(case: Case) -> list[str]:
    return [finding.message for finding in LIBRARY.judge(case)]


def test_the_library_is_judged_in_full():
    fits = LIBRARY.fits
    assert fits is not None
    assert {scenario.surface.value for scenario in load_all([]) if fits(scenario)} == {
        "gemini",
        "vertex",
        "gemini-veo",
        "vertex-veo",
    }


def test_a_good_conversation_is_not_faulted():
    assert judged(case_of(library_probe(1))) == [] == judged(case_of(library_probe(None)))


def test_other_bodies_are_found_on_both_sides():
    probe = library_probe(1)
    up = case_of(probe, change_upstream=lambda exchange: with_body(exchange, parsed(exchange.request.body)))
    assert judged(up) == ["The provider got another body than the client sent."]
    down = case_of(probe, change_answer=lambda asked: with_answer_body(asked, b"{}"))
    assert judged(down) == ["The client got another body than the provider sent."]


def test_another_number_of_requests_is_found():
    case = case_of(library_probe(1))
    twice = replace(case, upstream=Transcript(case.upstream.exchanges * 2))
    assert judged(twice) == ["The provider got another number of requests."]


def test_requests_for_tokens_are_not_counted():
    case = case_of(library_probe(1))
    [exchange] = case.upstream.exchanges
    token = replace(exchange, origin=replace(exchange.origin, surface="oauth"))
    assert judged(replace(case, upstream=Transcript((token, exchange)))) == []


@pytest.mark.parametrize("kept, messages", [(5, []), (0, []), (None, ["The client got another body"])])
def test_of_an_answer_that_broke_off_a_part_may_come(kept: int | None, messages: list[str]):
    def broken(exchange: Exchange) -> Exchange:
        assert exchange.response is not None
        return replace(exchange, response=replace(exchange.response, complete=False))

    def part(asked: Asked) -> Asked:
        response = asked.exchange.response
        assert response is not None
        return with_answer_body(asked, response.body[:kept] if kept is not None else response.body + b"[DONE]")

    found = judged(case_of(library_probe(1), change_upstream=broken, change_answer=part))
    assert [message[:27] for message in found] == [message[:27] for message in messages]


def test_no_request_at_all_is_a_finding():
    nothing: dict[str, Any] = {
        "change_upstream": lambda exchange: None,
        "change_answer": lambda asked: answered_with(asked, None, "no connection: refused"),
    }
    for check in WITH_PROBES:
        if check.id != "BODY-8/aborted-upload":
            assert findings_of(check, **nothing), check.id
    assert judged(case_of(library_probe(1), **nothing))


def test_headers_are_no_matter_of_the_body():
    def bare(exchange: Exchange) -> Exchange:
        return with_headers(exchange, ())

    assert [finding for check in SAME for finding in findings_of(check, change_upstream=bare)] == []
