"""Time: real and scaled, or moved by hand. Nothing here depends on how long anything takes."""

import asyncio
from datetime import UTC, datetime

import pytest

from understudy_simulator.clock import ManualClock, RealClock, proto_duration, rfc3339


async def test_a_manual_wait_ends_when_its_moment_has_been_passed():
    clock = ManualClock()
    ended: list[float] = []

    async def wait(seconds: float) -> None:
        await clock.sleep(seconds)
        ended.append(seconds)

    async with asyncio.TaskGroup() as group:
        group.create_task(wait(5))
        group.create_task(wait(2))
        await asyncio.sleep(0)
        clock.advance(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ended == []
        clock.advance(1)
        for _ in range(3):
            await asyncio.sleep(0)
        assert ended == [2]
        clock.advance(10)
    assert ended == [2, 5]


async def test_advancing_real_time_ends_waits_and_moves_the_time_of_day():
    clock = RealClock()
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        waiting = group.create_task(clock.sleep(3600))
        await asyncio.sleep(0)
        clock.advance(3600)
        await waiting
    assert (clock.now() - clock.wall()).total_seconds() == pytest.approx(3600, abs=60)


def test_time_that_was_advanced_has_passed_for_a_transcript():
    for clock in (RealClock(), ManualClock()):
        before = clock.elapsed()
        clock.advance(3600)
        assert clock.elapsed() - before >= 3600
        assert clock.elapsed() - before == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("speed", [0.0, 1_000_000.0])
async def test_speed_shortens_waits(speed):
    async with asyncio.timeout(10):
        await RealClock(speed).sleep(3600)
        await RealClock().sleep(3600, speed)


async def test_no_wait_is_shorter_than_nothing():
    async with asyncio.timeout(10):
        await RealClock().sleep(0)
        await RealClock().sleep(-1)
        await ManualClock().sleep(0)


def test_time_does_not_go_back():
    for clock in (RealClock(), ManualClock()):
        with pytest.raises(ValueError, match="back"):
            clock.advance(-1)
    with pytest.raises(ValueError, match="speed"):
        RealClock(-1)


def test_times_are_written_as_google_writes_them():
    assert rfc3339(datetime(2026, 3, 21, 18, 11, 55, 919086, UTC)) == "2026-03-21T18:11:55.919086Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8, "8s"), (6.5, "6.500s"), (0.0001, "0.000100s"), (1e-9, "0.000000001s"), (1234567.25, "1234567.250s")],
)
def test_durations_have_fractions_of_three_digits(seconds, text):
    assert proto_duration(seconds) == text


async def test_a_manual_call_comes_when_its_moment_has_been_passed_in_order():
    clock = ManualClock()
    called: list[str] = []
    clock.call_later(5, None, lambda: called.append("five"))
    clock.call_later(2, None, lambda: called.append("two"))
    given_up = clock.call_later(1, None, lambda: called.append("one"))
    assert given_up.is_pending
    given_up.cancel()
    assert not given_up.is_pending
    clock.advance(1.5)
    await asyncio.sleep(0)
    assert called == []
    clock.advance(10)
    await asyncio.sleep(0)
    assert called == ["two", "five"]
    clock.advance(10)
    await asyncio.sleep(0)
    assert called == ["two", "five"]


async def test_a_call_in_real_time_comes_earlier_when_time_is_advanced():
    clock = RealClock()
    called = asyncio.Event()
    timer = clock.call_later(3600, None, called.set)
    clock.advance(1800)
    await asyncio.sleep(0)
    assert timer.is_pending
    async with asyncio.timeout(10):
        clock.advance(1800)
        await called.wait()
    assert not timer.is_pending


@pytest.mark.parametrize("clock", [RealClock(0.0), RealClock(1_000_000.0), ManualClock()])
async def test_a_call_without_a_wait_comes_soon(clock):
    called = asyncio.Event()
    async with asyncio.timeout(10):
        clock.call_later(0 if isinstance(clock, ManualClock) else 3600, None, called.set)
        await called.wait()
        called.clear()
        clock.call_later(3600, 0, called.set).cancel()
        clock.call_later(3600, 0, called.set)
        await called.wait()
