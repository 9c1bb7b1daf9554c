"""The checks of long-running operations on cases made by hand."""

from dataclasses import replace

import pytest
from case_builder import (
    answered_with,
    case_of,
    with_answer_body,
    with_answer_headers,
    with_body,
    with_status,
    with_target,
    without_field,
)
from session_builder import at_client, at_provider, job_case, once_more

from understudy import library
from understudy.conformance.model import Case, Check, Probe
from understudy.conformance.operations import CHECKS, is_poll, is_start
from understudy.conformance.probes import library_probe
from understudy.messages import Transcript

BY_ID = {check.id: check for check in CHECKS}
LIBRARY = tuple(library_probe(scenario) for scenario in library.load_all(["veo"]) if scenario.expect.polls)
"""Jobs that are begun and polled without a refusal, which can be acted out without a simulator."""


def probes_of(check: Check) -> tuple[Probe, ...]:
    return check.probes or tuple(probe for probe in LIBRARY if check.fits is not None and check.fits(probe.scenario))


def good(probe: Probe) -> Case:
    return case_of(probe) if probe.moves is not None else job_case(probe)


def cut(case: Case) -> Case:
    """The start gave the client nothing to go on with."""
    return replace(case, asked=case.asked[:1], upstream=Transcript(case.upstream.exchanges[:1]))


def renamed(asked):
    return with_answer_body(asked, b'{"name": "operations/other"}')


FAULTS = [
    ("LRO-1/operation-name", at_client(renamed, 0), "name of the operation was changed"),
    ("LRO-1/operation-name", at_client(lambda one: with_answer_body(one, b"<html>"), 0), "was changed"),
    ("LRO-1/operation-name", at_provider(lambda one: None), "did not reach the provider"),
    ("LRO-1/poll-path", at_provider(lambda one: with_target(one, one.request.target + "?x=/operations/"), 2), "path"),
    ("LRO-1/poll-path", cut, "gave it no name"),
    ("LRO-1/poll-path", at_provider(lambda one: None if is_poll(one.request.path) else one), "did not reach"),
    ("LRO-1/one-upstream-poll-per-poll", once_more(1), "another number of polls"),
    ("LRO-1/one-upstream-poll-per-poll", at_provider(lambda one: None, 1), "another number of polls"),
    ("LRO-1/one-upstream-poll-per-poll", cut, "gave it no name"),
    ("LRO-1/verbs", at_provider(lambda one: with_target(one, one.request.path), 2), "reached the provider as another"),
    ("LRO-1/verbs", at_provider(lambda one: with_body(one, b"{}"), 1), "body of a request about an operation"),
    ("LRO-1/verbs", at_client(lambda one: with_status(one, 405), 3), "another status"),
    ("LRO-1/library-operations", once_more(), "another number of requests"),
    ("LRO-1/library-operations", at_client(lambda one: with_answer_body(one, b"{}"), 1), "did not go as"),
    ("LRO-3/unknown-poll-path", at_client(lambda one: with_status(one, 200)), "another status"),
    ("LRO-3/unknown-poll-path", at_client(lambda one: with_answer_body(one, b"{}")), "body of the answer"),
    ("LRO-4/result-bodies", at_client(lambda one: with_answer_body(one, b'{"done":true}'), 1), "body of the answer"),
    ("LRO-4/result-bodies", cut, "could make no poll"),
    ("LRO-5/download", at_client(lambda one: with_answer_body(one, b"\x00vid"), 4), "body of the answer"),
    ("LRO-5/download", at_client(lambda one: answered_with(one, None, "reset"), 4), "no answer"),
    ("LRO-5/download", cut, "could make no download"),
    ("LRO-5/range", at_provider(lambda one: without_field(one, b"range")), "did not reach the provider"),
    ("LRO-5/range", at_client(lambda one: with_status(one, 200)), "another status"),
    ("LRO-5/range", at_client(lambda one: with_answer_headers(one, lambda fields: ())), "not told which part"),
    ("LRO-8/no-second-start", once_more(), "exactly once"),
    ("LRO-8/no-second-start", at_provider(lambda one: None), "exactly once"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_faultless_gateway_has_no_findings(check):
    assert probes_of(check)
    for probe in probes_of(check):
        assert list(check.judge(good(probe))) == []


@pytest.mark.parametrize("id, fault, message", FAULTS)
def test_each_fault_is_found(id, fault, message):
    for probe in probes_of(BY_ID[id]):
        findings = list(BY_ID[id].judge(fault(good(probe))))
        assert [finding for finding in findings if message in finding.message], findings


def test_another_status_than_the_scenario_says_is_found():
    check = BY_ID["LRO-1/library-operations"]
    probe = next(probe for probe in LIBRARY if probe.scenario.expect.statuses)
    [finding] = check.judge(at_client(lambda one: with_status(one, 202), 0)(good(probe)))
    assert finding.message == "The requests were not answered as the scenario says."
    assert finding.evidence == ("wanted: 200 200 200 200", "found: 202 200 200 200")


def test_every_check_has_a_fault():
    assert {id for id, _, _ in FAULTS} == set(BY_ID)


def test_a_poll_of_vertex_has_the_name_in_its_body():
    check = BY_ID["LRO-1/poll-path"]
    vertex = next(probe for probe in check.probes if probe.surface.is_vertex)
    findings = list(check.judge(at_provider(lambda one: with_body(one, b"{}"), 1)(good(vertex))))
    assert [finding.message for finding in findings] == ["The body of a poll was changed."]


def test_which_paths_are_starts_and_polls():
    assert is_start("/v1beta/models/m:predictLongRunning") and not is_start("/v1beta/models/m")
    assert is_poll("/v1beta/models/m/operations/o") and is_poll("/v1/x/models/m:fetchPredictOperation")
    assert not is_poll("/v1beta/models/m:predictLongRunning")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_judge_passes_when_nothing_was_played(check):
    for probe in probes_of(check):
        assert list(check.judge(replace(good(probe), asked=(), upstream=Transcript())))
