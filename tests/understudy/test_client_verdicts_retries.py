"""Verdicts about trying again: each misdeed is found, and what a careful client does is not taken for one."""

import pytest
from history_builder import GENERATE, History
from hypothesis import given
from hypothesis import strategies as st

from understudy.client_verdicts.attempts import overlap, told_wait
from understudy.messages import Chunk, Response

RETRYABLE = (408, 429, 500, 502, 503, 504)


def test_too_early_after_retry_info():
    seen = History()
    first = seen.ask(0, 429, told="2s")
    second = seen.ask(0.31, 200)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.exchanges) == ("retry_after_ignored", "failed", (first, second))
    assert verdict.why == f"waited 0.3 s of 2 s after HTTP 429: POST {GENERATE}"


def test_too_early_after_the_field():
    seen = History()
    seen.ask(0, 503, retry_after="10")
    seen.ask(5, 200)
    assert seen.rules() == ["retry_after_ignored"]


def test_who_waits_is_not_accused():
    seen = History()
    seen.ask(0, 429, told="2s")
    seen.ask(2.01, 429, told="2.5s")
    seen.ask(4.53, 200)
    assert seen.rules() == []


def test_the_smaller_of_two_times_is_enough():
    seen = History()
    seen.ask(0, 429, told="30s", retry_after="1")
    seen.ask(1.1, 200)
    assert seen.rules() == []


def test_a_date_is_read_by_the_date_of_the_answer():
    date = (b"Date", b"Sat, 21 Nov 2026 10:00:00 GMT")
    answer = Response(503, (date, (b"Retry-After", b"Sat, 21 Nov 2026 10:00:07 GMT")))
    assert told_wait(answer) == 7


@pytest.mark.parametrize(
    "value",
    [
        *(b"soon", b"-1", b"1.5", b"", b"Sat, 99 Nov 2026 10:00:07 GMT", b"\xff"),
        *(b"Sat, 21 Nov 99999999999999999999 10:00:07 GMT", b"Sat, 21 Nov 2026 10:00:07 +99999999999999999999999"),
    ],
)
def test_a_field_that_cannot_be_read_says_nothing(value):
    assert told_wait(Response(503, ((b"Retry-After", value), (b"Date", b"Sat, 21 Nov 2026 10:00:00 GMT")))) is None


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reader(body):
    told_wait(
        Response(429, (), (Chunk(body + b"retryDelay", 0.0), Chunk(b'{"error":{"details":["retryDelay"]}}', 0.0)))
    )


def test_another_request_is_no_retry():
    seen = History()
    seen.ask(0, 429, told="2s")
    seen.ask(0.1, 200, body=b"{}")
    seen.ask(0.2, 200, target=GENERATE + "?x=1")
    seen.ask(0.3, 200, headers=((b"x-goog-api-key", b"other"),))
    seen.ask(0.4, 200, headers=((b"User-Agent", b"other"),))
    assert seen.rules() == []


def test_another_scope_is_another_client():
    one, other = History("a"), History("b", 100)
    one.ask(0, 429, told="2s")
    other.ask(0.1, 200)
    assert one.rules() == other.rules() == []


def test_clients_side_by_side_are_not_accused():
    # Ten clients, each on its connection; one after the other is refused while the next begins.
    seen = History()
    for number in range(1, 11):
        seen.ask(0, 200, body=b"before", connection=number)
        seen.ask(1 + number / 10, 429, told="2s", connection=number)
    for number in range(1, 11):
        seen.ask(3.1 + number / 10, 200, connection=number)
    assert seen.rules() == []


def test_ten_at_once_who_all_come_back_early_are_accused():
    seen = History()
    for number in range(1, 11):
        seen.ask(number / 1000, 429, told="2s", connection=number, took=0.1)
    for number in range(1, 11):
        seen.ask(0.5 + number / 1000, 429, told="2s", connection=number, took=0.1)
    [verdict] = seen.verdicts()
    assert verdict.rule == "retry_after_ignored"
    assert "(10 times)" in verdict.why


def test_a_second_connection_may_be_the_same_client():
    seen = History()
    seen.ask(0, 429, told="2s", connection=1)
    seen.ask(0.1, 200, connection=2)
    assert seen.rules() == ["retry_after_ignored"]


@pytest.mark.parametrize("status", [400, 401, 403, 405, 413, 422, 501])
def test_the_same_again_after_what_is_wrong_in_itself(status):
    seen = History()
    seen.ask(0, status)
    seen.ask(1, status)
    assert seen.rules() == ["retried_non_retryable"]


@pytest.mark.parametrize("status", RETRYABLE)
def test_once_again_after_what_may_go_well(status):
    seen = History()
    seen.ask(0, status)
    seen.ask(1, 200)
    assert seen.rules() == []


def test_another_credential_is_another_try():
    seen = History()
    seen.ask(0, 401, headers=((b"Authorization", b"Bearer old"),))
    seen.ask(0.1, 200, headers=((b"Authorization", b"Bearer new"),))
    assert seen.rules() == []


def test_to_look_again_is_no_retry():
    seen = History()
    for at in range(3):
        seen.ask(at, 404, method="GET", target="/v1beta/files/x", body=b"")
    assert seen.rules() == []


def test_an_hour_later_it_is_no_retry():
    seen = History()
    seen.ask(0, 400)
    seen.ask(3600, 400)
    assert seen.rules() == []


def test_refusals_of_the_simulator_itself_do_not_count():
    seen = History()
    for at in range(20):
        seen.ask(at / 10, 501, answer_headers=((b"x-understudy-error", b"UNEXPECTED_REQUEST"),))
    assert seen.rules() == []


def test_a_setup_that_was_refused_comes_again():
    seen = History()
    setup = (0.0, "client", {"setup": {"model": "models/x"}})
    first = seen.session(0, setup, ended=0.1, close=("server", 1007, "Request contains an invalid argument."))
    second = seen.session(1, setup, ended=0.1, close=("server", 1007, "Request contains an invalid argument."))
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.sessions, verdict.exchanges) == ("retried_non_retryable", (first, second), ())


def test_a_storm():
    seen = History()
    for number in range(11):
        seen.ask(number * 0.5, 503)
    rules = seen.rules()
    assert "retry_storm" in rules
    assert "10 retries in 4.5 s" in next(v.why for v in seen.verdicts() if v.rule == "retry_storm")


def test_nine_retries_are_no_storm():
    seen = History()
    for number in range(10):
        seen.ask(number * 0.5 + number**2 * 0.01, 503)
    assert "retry_storm" not in seen.rules()


def test_many_clients_are_no_storm():
    seen = History()
    for number in range(1, 31):
        seen.ask(0, 200, body=b"before", connection=number)
        seen.ask(1 + number / 10, 503, connection=number)
        seen.ask(4 + number / 10, 200, connection=number)
    assert seen.rules() == []


def test_who_comes_back_as_told_makes_no_storm():
    seen = History()
    for number in range(15):
        seen.ask(number * 0.5, 429, told="0.4s")
    assert seen.rules() == []


def test_broken_connections_are_errors_too():
    seen = History()
    for number in range(12):
        seen.ask(number * 0.1, 0, failure="fault injected: reset_peer")
    assert seen.rules() == ["retry_storm", "no_backoff"]


def test_pauses_that_do_not_grow():
    seen = History()
    for number in range(5):
        seen.ask(number * 3.0, 503)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("no_backoff", "warned")
    assert verdict.why.startswith("4 retries, each 2.99 s to 2.99 s after the error before it")


def test_no_pause_at_all():
    seen = History()
    at = 0.0
    for number in range(5):
        seen.ask(at, 503)
        at += 0.0101 + number * 0.001
    assert seen.rules() == ["no_backoff"]


def test_pauses_that_grow():
    seen = History()
    at = 0.0
    for number in range(8):
        seen.ask(at, 503)
        at += 0.3 * 2**number
    assert seen.rules() == []


def test_a_client_under_way_is_not_over():
    seen = History()
    seen.ask(0, 429, told="2s")
    seen.ask(2.2, 200, failure="not ended yet")
    seen.ask(2.3, 200)
    assert seen.rules() == []


def test_overlap_counts_what_has_a_moment_in_common():
    assert overlap([(0, 1), (1, 2)]) == 1
    assert overlap([(0, 2), (1, 3), (1.5, 1.7)]) == 3
    assert overlap([]) == 1


# ---- histories of careful clients


waits = st.floats(0.05, 30)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from(RETRYABLE), st.none() | waits), max_size=5),
            st.floats(0, 5),
        ),
        min_size=1,
        max_size=6,
    ),
    st.floats(0, 1),
)
def test_who_heeds_what_it_is_told_is_never_accused(clients, jitter):
    seen = History()
    for number, (errors, start) in enumerate(clients, 1):
        at = start
        seen.ask(0 - 0.001 * number, 200, body=b"before", connection=number, took=30)
        for step, (status, told) in enumerate(errors):
            seen.ask(at, status, told=None if told is None else f"{told:.9f}s", connection=number)
            at += 0.011 + (told if told is not None else 2**step * (1 + jitter))
        seen.ask(at, 200, connection=number, took=600)
    assert seen.rules() == []
