"""What judges share: pairs are found, evidence is short, and no judge fails on whatever may have happened."""

from dataclasses import replace

from case_builder import KEY, TARGET, case_of, own_answer
from hypothesis import example, given
from hypothesis import strategies as st

import strategies
from understudy.conformance import auth, bodies, headers, urls
from understudy.conformance.evidence import differing, each_pair, google_error_flaw, shown, shown_values
from understudy.conformance.model import Ask, Asked, Case, Finding
from understudy.conformance.probes import GENERATE, HELLO, http_probe
from understudy.messages import Exchange, Response, Transcript

LONGEST_LINE = 200
CHECKS = (*urls.CHECKS, *auth.CHECKS, *headers.CHECKS, *bodies.CHECKS)


@given(st.binary(max_size=500))
@example(b"\xff" * 500)
@example(b"a\r\nb")
def test_evidence_is_one_short_line_of_ascii(data: bytes):
    line = shown(data)
    assert line.isascii() and line.isprintable() and len(line) < LONGEST_LINE


def test_what_was_cut_is_said_to_be_longer():
    assert shown(b"x" * 300).endswith("... (300 in all)")


def test_values_that_were_joined_are_told_from_repeated_ones():
    assert shown_values((b"a", b"b")) == "[a] [b]"
    assert shown_values((b"a, b",)) == "[a, b]"
    assert shown_values(()) == "none"


@given(st.binary(max_size=60), st.binary(max_size=60))
@example(b"abc", b"abcd")
@example(b"abc", b"")
def test_the_first_difference_is_where_the_texts_part(one: bytes, other: bytes):
    at = int(differing(one, other)[0].split()[3])
    assert one[:at] == other[:at]
    assert one == other or one[at : at + 1] != other[at : at + 1]


def test_googles_error_shape_is_known():
    good = b'{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}'
    assert google_error_flaw(good, 404) == ""
    assert google_error_flaw(good, 400) == "error.code is 404, the HTTP status 400"
    assert google_error_flaw(b"[]", 400) == "no member `error` that is an object"
    assert google_error_flaw(b"<html>", 502) == "not JSON"
    assert google_error_flaw(b'{"error":{"code":1,"message":null,"status":""}}', 1) == "no text in error.message"


asked_things = st.builds(
    lambda exchange, response, target, problem: Asked(
        Ask(GENERATE, body=HELLO), target, replace(exchange, response=response), problem=problem
    ),
    strategies.exchanges,
    st.none() | strategies.responses,
    strategies.targets,
    st.none() | st.text(max_size=5),
)
cases = st.builds(
    lambda asked, seen: Case(
        http_probe("any", "any", Ask(GENERATE)), TARGET, tuple(asked), upstream=Transcript(tuple(seen)), origin="h:1"
    ),
    st.lists(asked_things, max_size=3),
    st.lists(strategies.exchanges, max_size=3),
)


@given(cases, st.sampled_from(CHECKS))
def test_no_judge_fails_on_whatever_may_have_happened(case: Case, check: object):
    assert isinstance(check, type(CHECKS[0]))
    for finding in check.judge(case):
        assert finding.message.endswith(".")
        assert all(len(line) <= LONGEST_LINE and line.isprintable() for line in finding.evidence), finding.evidence


TWO = http_probe("two", "two", [Ask(GENERATE, body=b"1"), Ask(GENERATE, body=b"2")])
[BODIES] = [check for check in bodies.CHECKS if check.id == "BODY-1/top-level-scalar"]


def messages(case: Case) -> list[str]:
    return [finding.message for finding in BODIES.judge(case)]


def test_a_request_that_was_answered_and_not_passed_on_takes_no_other_ones_place():
    case = case_of(TWO, change_upstream=lambda exchange: None if exchange.id == 0 else exchange)
    assert messages(case) == ["The request did not reach the provider."]


def test_of_two_requests_the_changed_one_that_came_belongs_to_the_one_that_was_answered():
    def change(exchange: Exchange) -> Exchange | None:
        return None if exchange.id == 0 else replace(exchange, request=replace(exchange.request, body=b"{}"))

    def refused(asked: Asked) -> Asked:
        return (
            replace(asked, exchange=replace(asked.exchange, response=own_answer(400)))
            if asked.ask.body == b"1"
            else asked
        )

    assert messages(case_of(TWO, change_upstream=change, change_answer=refused)) == [
        "The request did not reach the provider.",
        "The provider got another body than the client sent.",
    ]


def test_requests_are_paired_in_order_where_all_came_and_were_changed():
    case = case_of(TWO, change_upstream=lambda one: replace(one, request=replace(one.request, body=b"{}")))
    assert messages(case) == ["The provider got another body than the client sent."] * 2


def test_of_more_requests_than_were_asked_the_answered_ones_are_the_clients():
    case = case_of(TWO)
    first, second = case.upstream.exchanges
    unasked = replace(second, response=own_answer(400))
    case = replace(case, upstream=replace(case.upstream, exchanges=(first, unasked, second)))
    assert [pair[1].response for pair in each_pair(case) if not isinstance(pair, Finding)] == [
        first.response,
        second.response,
    ]


def test_a_request_that_could_not_be_sent_is_a_finding():
    for check in CHECKS:
        if check.id in ("URL-1/double-slash", "HDR-3/host", "BODY-1/floats", "BODY-8/aborted-upload"):
            found = list(check.judge(Case(TWO, TARGET)))
            assert [finding.message for finding in found] == ["The client's request could not be sent."], check.id


def test_an_answer_that_only_one_side_knows_is_a_finding():
    [check] = [check for check in urls.CHECKS if check.id == "URL-12/put"]
    [probe] = check.probes
    unsaid = case_of(probe, change_upstream=lambda one: replace(one, response=None, failure="client left"))
    unheard = case_of(probe, change_answer=lambda one: replace(one, exchange=replace(one.exchange, response=None)))
    assert [finding.message for finding in check.judge(unsaid)] == ["The provider gave no answer."]
    assert [finding.message for finding in check.judge(unheard)] == ["The client got no answer."]


def test_no_evidence_shows_the_key_of_a_query():
    ask = Ask(GENERATE, query="key={{key}}", body=HELLO)
    case = case_of(http_probe("any", "any", ask), change_upstream=lambda exchange: None)
    found = [finding for check in CHECKS for finding in check.judge(case)]
    assert found and KEY not in repr([finding.evidence for finding in found])


def test_a_late_answer_is_told_from_none():
    late = Exchange(0, case_of(http_probe("any", "any", Ask(GENERATE))).asked[0].exchange.request, None, 0, 1)
    asked = Asked(Ask(GENERATE), GENERATE, late, problem="no whole answer in 10 s")
    case = Case(http_probe("any", "any", Ask(GENERATE)), TARGET, (asked,))
    [slow] = urls.CHECKS[0].judge(case)
    [gone] = urls.CHECKS[0].judge(replace(case, asked=(replace(asked, problem="no connection"),)))
    assert slow.is_timeout and not gone.is_timeout


def test_an_answer_that_was_broken_off_is_called_so():
    case = case_of(http_probe("any", "any", Ask(GENERATE)), change_upstream=lambda exchange: None)
    [asked] = case.asked
    broken = replace(asked, exchange=replace(asked.exchange, response=Response(502, (), (), complete=False)))
    [finding] = urls.CHECKS[0].judge(replace(case, asked=(broken,)))
    assert "answer: HTTP 502, broken off" in finding.evidence
