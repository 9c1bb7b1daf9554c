"""Cron schedules: which times they name, against a search by brute force."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.next_generation.schedules import Schedule, next_run, schedule_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("* * * * *", "2026-03-01T12:01"),
        ("0 12 * * *", "2026-03-02T12:00"),
        ("*/15 * * * *", "2026-03-01T12:15"),
        ("5/20 * * * *", "2026-03-01T12:05"),
        ("0 9-17/4 * * mon-fri", "2026-03-02T09:00"),
        ("0 0 13 * 5", "2026-03-06T00:00"),
        ("0 0 29 feb *", "2028-02-29T00:00"),
        ("0 0 * * 7", "2026-03-08T00:00"),
        ("30 6 1,15 JAN,JUL *", "2026-07-01T06:30"),
    ],
)
def test_the_next_time(text: str, following: str) -> None:
    found = next_run(schedule_of(text), UTC, START)

    assert found is not None
    assert found.strftime("%Y-%m-%dT%H:%M") == following


def test_a_day_that_never_comes() -> None:
    assert next_run(schedule_of("0 0 30 2 *"), UTC, START) is None


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "*/x * * * *"],
)
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        schedule_of(text)


def test_a_zone_moves_the_time() -> None:
    found = next_run(schedule_of("0 8 * * *"), ZoneInfo("America/New_York"), START)

    # Eight in New York is one in the afternoon, UTC, before the clocks change.
    assert found == datetime(2026, 3, 1, 13, tzinfo=UTC)


@given(
    st.frozensets(st.integers(0, 59), min_size=1, max_size=3),
    st.frozensets(st.integers(0, 23), min_size=1, max_size=3),
    st.frozensets(st.integers(0, 6), min_size=1, max_size=2),
)
def test_it_is_the_first_minute_that_fits(
    minutes: frozenset[int], hours: frozenset[int], weekdays: frozenset[int]
) -> None:
    every = frozenset(range(1, 32))
    schedule = Schedule(minutes, hours, every, every, weekdays, any_day=True, any_weekday=False)
    found = next_run(schedule, UTC, START)

    moment = START + timedelta(minutes=1)
    while not (moment.minute in minutes and moment.hour in hours and moment.isoweekday() % 7 in weekdays):
        moment += timedelta(minutes=1)
    assert found == moment
