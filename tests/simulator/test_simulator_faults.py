"""Faults as a raw client sees them, and as the transcript names them."""

import asyncio

import pytest
from simulator_rig import FLASH, HELLO, KEY, ask, scenario, simulator, until

from understudy_simulator.clock import ManualClock

BODY = "0123456789"
CALL = ("POST", f"{FLASH}:generateContent", KEY)


def exchanges(running):
    return running.stage.recorder.transcript().exchanges


def ended(running):
    """The first exchange once it has ended."""
    return next((seen for seen in exchanges(running) if seen.failure != "not ended yet"), None)


async def broken(step, target=CALL[1]):
    """The answer and the transcript of one request that meets `step`."""
    async with simulator() as running:
        running.stage.arm(scenario([step]))
        answer = await ask(running.http_url, "POST", target, KEY, body=HELLO)
        return answer, await until(lambda: ended(running))


async def test_reset_is_a_reset():
    answer, exchange = await broken({"reply": {"text": BODY}, "fault": {"reset_peer": True}})
    assert answer.reset and answer.status == 0
    assert exchange.response is None
    assert exchange.failure == "fault injected: reset_peer"
    assert exchange.origin.faults == ("reset_peer",)


async def test_a_fault_by_itself_resets_instead_of_answering():
    answer, exchange = await broken({"fault": {"reset_peer": True}})
    assert answer.reset
    assert exchange.origin.faults == ("reset_peer",)


@pytest.mark.parametrize("size", [0, 1, 9])
async def test_truncate_sends_just_so_many_bytes_and_no_end(size):
    answer, exchange = await broken({"reply": {"text": BODY}, "fault": {"truncate": size}})
    assert answer.body == BODY[:size].encode()
    assert not answer.complete and not answer.reset
    assert exchange.response is not None and exchange.response.body == BODY[:size].encode()
    assert not exchange.response.complete
    assert exchange.origin.faults == (f"truncate {size}",)


async def test_slices_are_chunks_of_that_size():
    answer, exchange = await broken({"reply": {"text": BODY}, "fault": {"slice": 4}})
    assert answer.chunks == [b"0123", b"4567", b"89"]
    assert exchange.origin.faults == ("slice 4",)
    assert exchange.failure is None


async def test_a_stream_may_break_between_its_chunks():
    step = {"stream": {"chunks": [{"json": {"a": 1}}, {"fault": {"reset_peer": True}}, {"json": {"a": 2}}]}}
    answer, exchange = await broken(step, f"{FLASH}:streamGenerateContent?alt=sse")
    assert not answer.complete
    assert b'"a": 2' not in answer.body
    assert exchange.failure == "fault injected: reset_peer"


@pytest.mark.parametrize("kind", ["latency", "stall"])
async def test_waits_are_in_scenario_time_and_written_down(kind):
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(scenario([{"reply": {"text": BODY}, "fault": {kind: "30s"}}]))
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask(running.http_url, *CALL, body=HELLO))
            exchange = await until(lambda: next((seen for seen in exchanges(running) if seen.origin.faults), None))
            sent = b"" if exchange.response is None else exchange.response.body
            assert sent == (b"" if kind == "latency" else b"01234")
            assert not asking.done()
            clock.advance(30)
        assert asking.result().body == BODY.encode()
        assert running.stage.recorder.transcript().exchanges[0].origin.faults == (f"{kind} 30s",)


async def test_pauses_between_chunks_wait_for_the_clock():
    clock = ManualClock()
    step = {"stream": {"chunks": [{"json": 1}, {"pause": "5s"}, {"json": 2}]}}
    async with simulator(clock=clock) as running:
        running.stage.arm(scenario([step]))
        async with asyncio.TaskGroup() as group:
            target = f"{FLASH}:streamGenerateContent?alt=sse"
            asking = group.create_task(ask(running.http_url, "POST", target, KEY, body=HELLO))
            await until(lambda: any(seen.response and seen.response.chunks for seen in exchanges(running)))
            clock.advance(5)
        assert asking.result().chunks == [b"data: 1\r\n\r\n", b"data: 2\r\n\r\n"]


async def test_a_client_that_leaves_is_written_down():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        running.stage.arm(scenario([{"reply": {"text": BODY}, "fault": {"latency": "30s"}}]))
        asking = asyncio.create_task(ask(running.http_url, *CALL, body=HELLO))
        await until(lambda: exchanges(running))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await until(lambda: ended(running))).failure == "client left"


async def test_a_client_that_leaves_within_its_body_is_written_down():
    async with simulator() as running:
        host, _, port = running.http_url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {FLASH}:countTokens?key=k HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12".encode())
        await until(lambda: exchanges(running))
        writer.close()
        await writer.wait_closed()
        exchange = await until(lambda: ended(running))
        assert exchange.failure == "client left"
        assert exchange.response is None
        assert exchange.request.body == b"12"
