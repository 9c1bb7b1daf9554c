"""The checks of errors on cases made by hand."""

from dataclasses import replace

import pytest
from case_builder import answered_with, case_of, with_answer_body, with_answer_headers, with_status
from hypothesis import given
from hypothesis import strategies as st
from session_builder import at_client, at_provider, once_more

from understudy.conformance.errors import CHECKS, shape_mistakes
from understudy.conformance.model import Case, Probe
from understudy.messages import Chunk, Exchange, Response, Transcript

BY_ID = {check.id: check for check in CHECKS}
OWN = b'{"error":{"code":502,"message":"The provider is gone.","status":"UNAVAILABLE"}}'


def lost(exchange: Exchange) -> Exchange:
    return replace(exchange, response=None, failure="fault injected: reset_peer")


def good(probe: Probe) -> Case:
    case = case_of(probe)
    if probe.id.endswith("reset-before-head"):
        own = Response(502, (), (Chunk(OWN, 1.5),))
        return at_client(lambda one: answered_with(one, own))(at_provider(lost)(case))
    return case


SILENT = at_client(lambda one: answered_with(one, None, "no whole answer in 10 s"))
BARE = at_client(lambda one: with_answer_headers(one, lambda fields: fields[1:]))
FAULTS = [
    ("ERR-1/google-errors", at_client(lambda one: with_status(one, 418)), "another status"),
    ("ERR-1/google-errors", at_client(lambda one: with_answer_body(one, b"{}")), "body of the provider's error"),
    ("ERR-1/google-errors", BARE, "Header fields"),
    ("ERR-1/google-errors", at_provider(lambda one: None), "did not reach the provider"),
    ("ERR-1/html-502", at_client(lambda one: with_answer_body(one, OWN)), "body of the provider's error"),
    ("ERR-1/html-502", SILENT, "no answer"),
    ("ERR-1/empty-500", at_client(lambda one: with_answer_body(one, b"{}")), "body of the provider's error"),
    ("ERR-2/google-shaped", at_client(lambda one: with_answer_body(one, b"<html>")), "shape of Google's"),
    ("ERR-2/google-shaped", SILENT, "no answer"),
    ("ERR-3/reset-before-head", at_client(lambda one: with_status(one, 500)), "not shown as 502"),
    ("ERR-3/reset-before-head", SILENT, "no answer"),
    ("ERR-5/no-retry", once_more(), "exactly once"),
    ("ERR-5/no-retry", SILENT, "no answer"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_faultless_gateway_has_no_findings(check):
    assert [finding for probe in check.probes for finding in check.judge(good(probe))] == []


@pytest.mark.parametrize("id, fault, message", FAULTS)
def test_each_fault_is_found(id, fault, message):
    for probe in BY_ID[id].probes:
        findings = list(BY_ID[id].judge(fault(good(probe))))
        assert [finding for finding in findings if message in finding.message], findings


def test_every_check_has_a_fault():
    assert {id for id, _, _ in FAULTS} == set(BY_ID)


def test_an_error_that_was_sent_again_is_judged_by_its_last_answer():
    check = BY_ID["ERR-1/google-errors"]
    assert not list(check.judge(once_more()(good(check.probes[0]))))


@pytest.mark.parametrize("probe", BY_ID["ERR-1/google-errors"].probes, ids=lambda probe: probe.id)
def test_each_refusal_has_the_status_it_is_named_for(probe):
    [reply] = probe.scenario.server
    assert probe.id.endswith(f"-{reply.status}")


@pytest.mark.parametrize(
    "body, mistakes",
    [
        (OWN, 0),
        (b'{"error":{"code":500,"message":"x","status":"INTERNAL"}}', 1),
        (b'{"error":{"code":502,"message":"","status":null}}', 2),
        (b'{"error":"no"}', 1),
        (b"[]", 1),
        (b"", 1),
    ],
)
def test_what_is_wrong_with_the_shape_of_an_error(body, mistakes):
    assert len(list(shape_mistakes(502, body))) == mistakes


@given(st.binary())
def test_no_body_breaks_the_judge(body):
    assert list(shape_mistakes(502, body))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_judge_passes_when_nothing_was_played(check):
    for probe in check.probes:
        assert list(check.judge(replace(good(probe), asked=(), upstream=Transcript())))
