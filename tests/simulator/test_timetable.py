"""Calls behind one timer of the loop: in order, never early, whatever the others do; the loop has its turn between."""

import asyncio
import time
from typing import Any

from understudy_simulator.timetable import Timer, Timetable


async def passed(condition: "asyncio.Event") -> None:
    async with asyncio.timeout(10):
        await condition.wait()


async def test_calls_come_in_the_order_in_which_they_are_due_and_never_early():
    table, done = Timetable(), asyncio.Event()
    begin = time.monotonic()
    calls: list[tuple[float, float]] = []

    def called(due: float) -> None:
        calls.append((due, time.monotonic()))
        if len(calls) == 40:
            done.set()

    for number in range(40):
        due = begin + (number * 7 % 40) / 1000
        table.add(due, 1.0, lambda due=due: called(due))
    await passed(done)
    dues = [due for due, _ in calls]
    assert dues == sorted(dues)
    assert all(at >= due for due, at in calls)
    assert len(table) == 0


async def test_an_earlier_call_does_not_wait_for_one_that_was_there_before():
    table, done = Timetable(), asyncio.Event()
    table.add(time.monotonic() + 3600, 1.0, lambda: None)
    table.add(time.monotonic() + 0.01, 1.0, done.set)
    await passed(done)
    assert len(table) == 1


async def test_an_error_in_one_call_is_told_and_the_others_are_called():
    told: list[BaseException] = []

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        told.append(context["exception"])

    asyncio.get_running_loop().set_exception_handler(tell)
    table, done, now = Timetable(), asyncio.Event(), time.monotonic()
    table.add(now, 1.0, lambda: (_ for _ in ()).throw(RuntimeError("ours")).__next__())
    table.add(now + 0.0001, 1.0, done.set)
    await passed(done)
    assert [str(error) for error in told] == ["ours"]


async def test_who_asks_again_and_again_without_a_wait_leaves_the_loop_its_turn():
    table, others = Timetable(), asyncio.Event()
    calls = 0

    def again() -> None:
        nonlocal calls
        calls += 1
        if not others.is_set():
            table.add(time.monotonic(), 0.0, again)

    again()
    asyncio.get_running_loop().call_later(0.02, others.set)
    await passed(others)
    assert calls > 1


async def test_cancelled_calls_are_not_made_and_do_not_pile_up():
    table, calls = Timetable(), list[str]()
    late = time.monotonic() + 3600
    kept = table.add(late, 1.0, lambda: calls.append("late"))
    for _ in range(1000):
        timer = table.add(late, 1.0, lambda: calls.append("cancelled"))
        timer.cancel()
        timer.cancel()
        assert not timer.is_pending
    assert len(table) < 200
    done = asyncio.Event()
    given_up = table.add(time.monotonic() + 0.001, 1.0, lambda: calls.append("given up"))
    table.add(time.monotonic() + 0.002, 1.0, done.set)
    given_up.cancel()
    await passed(done)
    assert calls == []
    assert kept.is_pending


async def test_time_moved_forward_moves_calls_by_their_factor():
    table, done = Timetable(), asyncio.Event()
    slow = table.add(time.monotonic() + 1000, 1.0, lambda: None)
    table.add(time.monotonic() + 1000, 0.5, done.set)
    cancelled = table.add(time.monotonic() + 1000, 1.0, lambda: None)
    cancelled.cancel()
    table.shift(500)
    await passed(done)
    assert slow.is_pending
    assert len(table) == 1


def test_another_loop_begins_anew():
    table = Timetable()

    async def one() -> Timer:
        done = asyncio.Event()
        left = table.add(time.monotonic() + 3600, 1.0, lambda: None)
        table.add(time.monotonic(), 1.0, done.set)
        await passed(done)
        return left

    asyncio.run(one())
    asyncio.run(one())
    assert len(table) == 1
