"""The judge of clients: careful clients are never accused, and each misdeed is found among them, whatever the order."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from client_behaviour import BADLY, WELL
from history_builder import History, moved, together
from hypothesis import given
from hypothesis import strategies as st

import understudy
from strategies import transcripts
from understudy.client_verdicts.catalogue import RULES, judge, worst
from understudy.client_verdicts.model import ClientVerdict, from_json, to_json
from understudy.client_verdicts.reference import page
from understudy.errors import TargetError
from understudy.messages import Transcript

careful = st.lists(st.tuples(st.sampled_from(WELL), st.floats(0, 20)), max_size=6)


def played(clients, scope: str = "", first: int = 1) -> History:
    seen = History(scope, first_id=1000 * first)
    for number, (behaviour, at) in enumerate(clients, first):
        behaviour(seen, at, number)
    return seen


def test_each_rule_has_a_client_that_breaks_it():
    assert [rule.id for rule in RULES] == list(BADLY)


@given(careful)
def test_careful_clients_are_never_accused(clients):
    assert judge(together(played(clients))) == ()


@pytest.mark.parametrize("rule", BADLY)
def test_each_misdeed_gets_its_verdict_and_no_other(rule):
    found = judge(played([(BADLY[rule], 0.0)]).transcript)
    assert [verdict.rule for verdict in found] == [rule]
    assert found[0].exchanges or found[0].sessions
    assert "secret" not in found[0].why
    assert found[0].why.isprintable()


@given(careful, st.sampled_from(sorted(BADLY)), st.floats(0, 20))
def test_a_misdeed_is_found_among_careful_clients(clients, rule, at):
    seen = played([*clients, (BADLY[rule], at)])
    assert [verdict.rule for verdict in judge(together(seen))] == [rule]


@given(careful, st.sampled_from(sorted(BADLY)), st.randoms(use_true_random=False))
def test_other_scopes_and_the_order_of_entries_change_nothing(clients, rule, chance):
    bad, others = played([(BADLY[rule], 1.0)], "bad", 500), played(clients, "others")
    alone = judge(bad.transcript)
    both = together(bad, others)
    mixed = Transcript(shuffled(both.exchanges, chance), shuffled(both.sessions, chance))
    assert judge(mixed) == judge(both) == alone
    assert judge(mixed, scope="others") == ()
    assert judge(mixed, scope="bad") == alone


def shuffled(entries: tuple, chance: random.Random) -> tuple:
    return tuple(chance.sample(entries, len(entries)))


@given(st.sampled_from(sorted(BADLY)), st.floats(0, 1e6))
def test_only_differences_of_time_matter(rule, later):
    # Whole numbers of 1/1024 s: moving them does not round.
    later = int(later * 1024) / 1024
    early, late = played([(BADLY[rule], 0.0)]), played([(BADLY[rule], later)])
    assert [verdict.rule for verdict in judge(early.transcript)] == [verdict.rule for verdict in judge(late.transcript)]


@given(transcripts, st.none() | st.floats(0, 1e6))
def test_any_transcript_can_be_judged(transcript, now):
    for verdict in judge(transcript, now):
        assert from_json(to_json(verdict)) == verdict


def test_each_scope_is_judged_by_itself():
    one = played([(BADLY["second_setup"], 0.0)])
    two = moved(one.transcript, "two", 10)
    whole = Transcript((), (*one.transcript.sessions, *two.sessions))
    assert [(verdict.scope, verdict.rule) for verdict in judge(whole)] == [
        ("", "second_setup"),
        ("two", "second_setup"),
    ]


def test_the_gravest_level():
    warned = ClientVerdict("r", "warned", "", "why")
    assert worst([]) is None
    assert worst([warned]) == "warned"
    assert worst([warned, replace(warned, level="failed")]) == "failed"


def test_a_line_for_people():
    assert ClientVerdict("r", "failed", "mine", "why").line == "failed r [mine]: why"
    assert ClientVerdict("r", "failed", "", "why").line == "failed r: why"


@pytest.mark.parametrize("value", [{}, {"rule": 1}, to_json(ClientVerdict("r", "failed", "", "w")) | {"level": "bad"}])
def test_what_is_no_verdict_is_refused(value):
    with pytest.raises(TargetError, match="not in the documented form"):
        from_json(value)


def test_the_reference_page_is_up_to_date():
    assert (Path(understudy.__file__).parents[2] / "docs/reference/verdicts.md").read_text("utf-8") == page()
