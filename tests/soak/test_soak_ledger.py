"""What must stand in the books after kills, and what may not."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from understudy_soak.ledger import GRACE_S, End, Job, Ledger, Seen, judged

ENDS = (End(100.0, was_killed=True), End(200.0, was_killed=False))


def test_what_was_seen_within_a_second_before_a_kill_need_not_be_there():
    ledger = Ledger([Seen("exchange", "old", 98.9, 0), Seen("exchange", "young", 99.1, 0)])
    found = judged(ledger, ENDS, Counter())
    assert (found.due, found.missing, found.twice) == (1, ("exchange old",), ())


def test_a_gateway_that_was_told_to_end_keeps_all():
    ledger = Ledger([Seen("session", "last", 199.999, 1)])
    assert judged(ledger, ENDS, Counter()).missing == ("session last",)
    assert judged(ledger, ENDS, Counter({("session", "last"): 1})).missing == ()


def test_nothing_may_stand_there_twice_whether_it_was_due_or_not():
    booked = Counter({("exchange", "a"): 2, ("operation", "b"): 3, ("session", "c"): 1})
    assert judged(Ledger(), ENDS, booked).twice == ("exchange a", "operation b")


def test_the_same_id_of_another_kind_is_no_substitute():
    ledger = Ledger([Seen("session", "a", 1.0, 0)])
    assert judged(ledger, ENDS, Counter({("exchange", "a"): 1})).missing == ("session a",)


def test_a_video_is_due_once_seen_done_unless_its_start_or_its_end_fell_into_the_last_second():
    ledger = Ledger()
    ledger.jobs = {
        "done": Job(10.0, 0, 150.0, 1),
        "started too late": Job(99.5, 0, 150.0, 1),
        "done too late": Job(10.0, 0, 99.5, 0),
        "open": Job(10.0, 0),
    }
    assert judged(ledger, ENDS, Counter()).missing == ("operation done",)


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 1)), max_size=30))
def test_exactly_what_is_safe_is_due(times):
    seen = [Seen("exchange", str(number), at, life) for number, (at, life) in enumerate(times)]
    wanted = [one for one in seen if one.life == 1 or one.at < 100.0 - GRACE_S]
    assert Ledger(seen).due(ENDS) == wanted
