"""The checks of streams on cases made by hand: none complains of a faultless gateway, each of its own fault."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from case_builder import answered_with, case_of, with_answer_body, with_answer_headers, with_status, without_field
from session_builder import Change, at_client, at_provider, once_more

from understudy.conformance.model import Asked, Case, Probe
from understudy.conformance.streams import CHECKS, arrived_at
from understudy.messages import Chunk, Exchange, Response, Transcript

BY_ID = {check.id: check for check in CHECKS}


def timed(response: Response | None, *times: float) -> Response:
    """The same body, cut into as many pieces as there are times."""
    assert response is not None
    size = -(-len(response.body) // len(times))
    pieces = [response.body[start : start + size] for start in range(0, len(response.body), size)]
    return replace(response, chunks=tuple(map(Chunk, pieces, times)))


def at_times(given: tuple[float, ...], got: tuple[float, ...]) -> Change:
    """When the provider's pieces left and the client's came."""

    def changed(case: Case) -> Case:
        case = at_provider(lambda one: replace(one, response=timed(one.response, *given)))(case)
        return at_client(lambda one: answered_with(one, timed(one.exchange.response, *got), one.problem))(case)

    return changed


def broken(one: Exchange) -> Exchange:
    response = None if one.response is None else replace(one.response, complete=False)
    return replace(one, response=response, failure="fault injected: truncate")


def client_broken(asked: Asked) -> Asked:
    response = asked.exchange.response
    assert response is not None
    return answered_with(asked, replace(response, complete=False))


def left(ended: float, failure: str | None = "client left") -> Change:
    return at_provider(lambda one: replace(one, response=None, failure=failure, ended=ended))


PACED = at_times((11.0, 11.5, 12.0), (1.1, 1.6, 2.1))


def bare(response: Response | None) -> Response | None:
    """Without a length."""
    assert response is not None
    return replace(response, headers=tuple(one for one in response.headers if one[0].lower() != b"content-length"))


def good(probe: Probe) -> Case:
    case = case_of(probe)
    slug = probe.id.rpartition("/")[2]
    if slug.endswith("paced"):
        return PACED(case)
    if slug == "late-body":
        case = at_times((11.6,), (1.6,))(case)
        return at_client(lambda one: replace(one, head_at=1.01))(case)
    if slug in ("no-content", "not-modified"):
        case = at_provider(lambda one: replace(one, response=bare(one.response)))(case)
        return at_client(lambda one: answered_with(one, bare(one.exchange.response)))(case)
    if slug.startswith(("broken", "reset")):
        return at_client(client_broken)(at_provider(broken)(case))
    return left(12.1)(case) if slug.startswith("left") else case


def body(data: Callable[[bytes], bytes]) -> Change:
    def changed(asked: Asked) -> Asked:
        assert asked.exchange.response is not None
        return with_answer_body(asked, data(asked.exchange.response.body))

    return at_client(changed)


def whole(asked: Asked) -> Asked:
    response = asked.exchange.response
    assert response is not None
    return answered_with(asked, replace(response, complete=True))


def length(value: bytes) -> Change:
    return at_client(lambda one: with_answer_headers(one, lambda fields: (*fields, (b"content-length", value))))


def late(asked: Asked) -> Asked:
    return replace(asked, problem="no whole answer in 10 s")


SILENT = at_client(lambda one: answered_with(one, None, "no whole answer in 10 s"))
FAULTS: list[tuple[str, Change, str]] = [
    ("STR-1/sse-bytes", body(lambda data: data.replace(b"\r\n", b"\n")), "body of a stream was changed"),
    ("STR-1/sse-bytes", body(lambda data: data[:-5]), "body of a stream was changed"),
    ("STR-1/sse-bytes", SILENT, "no answer"),
    ("STR-1/json-array", body(lambda data: data.replace(b" ", b"")), "was changed"),
    ("STR-1/json-array", body(lambda data: data + b"\n"), "was changed"),
    ("STR-1/nothing-appended", body(lambda data: data + b"data: [DONE]\n\n"), "behind the provider's last byte"),
    ("STR-2/sse-unbuffered", at_times((11.0, 11.5, 12.0), (2.1, 2.1, 2.1)), "held back"),
    ("STR-2/sse-unbuffered", at_times((11.0, 11.5, 12.0), (1.6, 2.1, 2.1)), "held back"),
    ("STR-2/sse-unbuffered", body(lambda data: data[: len(data) // 2]), "did not all arrive"),
    ("STR-2/array-unbuffered", at_times((11.0, 11.5, 12.0), (2.1, 2.1, 2.1)), "held back"),
    ("STR-2/unknown-type-unbuffered", at_times((11.0, 11.5, 12.0), (2.1, 2.1, 2.1)), "held back"),
    ("STR-3/head-before-body", at_client(lambda one: replace(one, head_at=1.59)), "head of the answer was held back"),
    ("STR-4/broken-chunked", at_client(whole), "cannot tell"),
    ("STR-4/broken-chunked", at_client(late), "left waiting"),
    ("STR-4/broken-length", at_client(whole), "cannot tell"),
    ("STR-5/hang-up-before-first-byte", left(15.0, None), "read to its end"),
    ("STR-5/hang-up-before-first-byte", left(11.0, "not ended yet"), "goes on"),
    ("STR-5/hang-up-during-body", left(14.5), "given up late"),
    ("STR-5/hang-up-during-body", at_provider(lambda one: None), "did not reach the provider"),
    ("STR-11/redirect-not-followed", at_client(lambda one: with_status(one, 200), 1), "did not come through"),
    ("STR-11/redirect-not-followed", once_more(), "another number of requests"),
    ("STR-12/no-content", length(b"0"), "length was invented"),
    ("STR-12/no-content", at_client(lambda one: with_status(one, 200)), "came as another one"),
    ("STR-12/not-modified", length(b"7"), "length was invented"),
    ("STR-12/not-modified", body(lambda data: b"{}"), "came as another one"),
    ("STR-12/partial-content", at_client(lambda one: with_status(one, 200)), "came as something else"),
    ("STR-12/partial-content", body(lambda data: b"12345"), "part of the file was changed"),
    ("STR-12/partial-content", at_provider(lambda one: without_field(one, b"range")), "did not reach the provider"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_faultless_gateway_has_no_findings(check):
    for probe in check.probes:
        assert list(check.judge(good(probe))) == []


@pytest.mark.parametrize("id, fault, message", FAULTS)
def test_each_fault_is_found(id, fault, message):
    for probe in BY_ID[id].probes:
        findings = list(BY_ID[id].judge(fault(good(probe))))
        assert [finding for finding in findings if message in finding.message], findings


def test_every_check_has_a_fault():
    assert {id for id, _, _ in FAULTS} == set(BY_ID)


def test_a_loss_may_show_as_no_answer_or_as_a_502():
    check = BY_ID["STR-4/broken-chunked"]
    case = good(check.probes[0])
    assert not list(check.judge(at_client(lambda one: answered_with(one, None, "the connection broke"))(case)))
    assert not list(check.judge(at_client(lambda one: whole(with_status(one, 502)))(case)))


def test_without_pauses_there_is_nothing_to_judge():
    fast = at_times((11.0, 11.1, 11.2), (1.2, 1.2, 1.2))
    check = BY_ID["STR-2/sse-unbuffered"]
    assert not list(check.judge(fast(good(check.probes[0]))))


def test_what_goes_on_is_reported_as_a_timeout():
    check = BY_ID["STR-5/hang-up-before-first-byte"]
    [finding] = check.judge(left(11.0, "not ended yet")(good(check.probes[0])))
    assert finding.is_timeout


def test_when_bytes_had_arrived():
    response = Response(200, (), (Chunk(b"ab", 1.0), Chunk(b"cd", 2.0)))
    assert [arrived_at(response, size) for size in (1, 2, 3, 4, 5)] == [1.0, 1.0, 2.0, 2.0, None]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_judge_passes_when_nothing_was_played(check):
    for probe in check.probes:
        assert list(check.judge(replace(good(probe), asked=(), upstream=Transcript())))
