"""Delays: they count from when something was due, chunks say when they were sent, and all ends in order."""

import shutil
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from bench_stand import TINY, standing
from test_bench_wire import LIMIT_S, WORKLOADS, canned, engine_and_upstream

from understudy.errors import TargetError
from understudy.sse import EventReader
from understudy_bench.engine import Engine
from understudy_bench.feeding import Feed, Rounds
from understudy_bench.latencies import LATENCIES, kinds, latency_rows, measured
from understudy_bench.load import Aim, Tally, request_of
from understudy_bench.open_loop import DueFrames, DueRequests, StampedStreams
from understudy_bench.payloads import (
    CHUNKED_END,
    EVENT_BYTES,
    STAMP,
    STAMP_DIGITS,
    stamped_events,
    unary_answer,
    unary_request,
    unchunked,
)
from understudy_bench.programs import Program, nginx_path
from understudy_bench.upstream import TAIL, Script
from understudy_bench.workloads import STREAM_HEAD, STREAM_PATH, UNARY_PATH

KINDS = {kind.name: kind for kind in kinds()}
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")


# ---- turns


class Noted:
    def __init__(self) -> None:
        self.dues: list[float] = []

    def due(self, at: float) -> None:
        self.dues.append(at)


def test_turns_come_one_after_the_other_at_fixed_times_and_none_is_left_out():
    takers = [Noted(), Noted(), Noted()]
    rounds = Rounds(takers, 0.001)
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        rounds()
    time.sleep(0.01)
    rounds()  # what became due meanwhile is made up for
    dues = sorted(at for taker in takers for at in taker.dues)
    assert len(dues) >= 30
    assert dues == pytest.approx([dues[0] + 0.001 * number for number in range(len(dues))], abs=1e-9)
    assert takers[1].dues[0] == pytest.approx(dues[1]) and takers[0].dues[1] == pytest.approx(dues[3])


# ---- requests


@contextmanager
def one_asker():
    with engine_and_upstream(WORKLOADS["unary"].script) as (engine, upstream):
        aim, tally = Aim("direct", upstream.port), Tally()
        client = DueRequests(engine, aim, tally, request_of(aim, UNARY_PATH, unary_request()), unary_answer())
        engine.run_until(lambda: tally.ready == 1, LIMIT_S, "the first answer")
        yield engine, tally, client
        client.close()


def test_nothing_is_asked_that_is_not_due_and_the_first_answer_is_no_delay():
    with one_asker() as (engine, tally, client):
        engine.run_for(0.02)
        assert (tally.done, client.delays, client.is_idle) == (1, [], True)


def test_a_delay_counts_from_when_the_request_was_due_also_behind_others():
    with one_asker() as (engine, tally, client):
        now = time.monotonic()
        for before in (50, 20, 0):
            client.due(now - before)
        assert not client.is_idle
        engine.run_until(lambda: client.is_idle, LIMIT_S, "answers")
        assert tally.done == 4
        assert [round(delay, -1) for delay in client.delays] == [50, 20, 0]
        assert all(delay > due for delay, due in zip(client.delays, (50, 20, 0), strict=True))


def test_a_request_is_sent_only_when_the_one_before_has_its_answer():
    engine = Engine()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        aim, tally = Aim("the gateway", listener.getsockname()[1]), Tally()
        one = request_of(aim, UNARY_PATH, unary_request())
        client = DueRequests(engine, aim, tally, one, b"{}")
        accepted, _ = listener.accept()
        for number in range(3):
            assert accepted.recv(65536) == one
            accepted.sendall(answer)
            engine.run_until(lambda number=number: tally.done > number, LIMIT_S, "an answer")
            if number == 0:
                client.due(time.monotonic())
                client.due(time.monotonic())
        assert client.is_idle
        client.close()
        accepted.close()
    engine.close()


def test_at_the_end_nothing_more_is_asked():
    with one_asker() as (engine, tally, client):
        tally.is_ending = True
        client.due(time.monotonic())
        assert client.is_idle
        engine.run_for(0.02)
        assert tally.done == 1


# ---- frames


def test_frames_are_sent_when_they_are_due_and_their_delays_count_from_then():
    kind = KINDS["live-paced-gateway"]
    with engine_and_upstream(kind.script) as (engine, upstream):
        tally = Tally()
        client = kind.client(engine, Aim("direct", upstream.port), tally)
        assert isinstance(client, DueFrames)
        engine.run_until(lambda: tally.ready == 1, LIMIT_S, "the setup")
        engine.run_for(0.02)
        assert (tally.done, client.delays) == (1, [])
        now = time.monotonic()
        for before in (50, 20):
            client.due(now - before)
        engine.run_until(lambda: client.is_idle, LIMIT_S, "answers")
        assert [round(delay, -1) for delay in client.delays] == [50, 20]
        client.close()


# ---- streams


def test_stamped_events_are_a_chunked_stream_of_the_promised_sizes():
    whole = b"".join(before + b"7" * STAMP_DIGITS + after for before, after in stamped_events(5))
    events = EventReader().feed(unchunked(whole))
    assert len(list(events)) == 5
    assert whole.count(STAMP) == 5 and whole.count(b"usageMetadata") == 1
    pieces = [before + b"7" * STAMP_DIGITS + after for before, after in stamped_events(5)]
    assert all(len(piece) == EVENT_BYTES + len(b"c8\r\n\r\n") for piece in pieces[:-1])
    assert pieces[-1].endswith(CHUNKED_END)


def stamped(engine: Engine, port: int, count: int) -> tuple[StampedStreams, Tally]:
    aim, tally = Aim("the gateway", port), Tally()
    return StampedStreams(engine, aim, tally, request_of(aim, STREAM_PATH, unary_request()), count), tally


def test_a_chunk_is_sent_at_each_turn_and_its_delay_is_from_its_sending():
    feed = Feed(STREAM_HEAD, stamped_events(3), 2)
    with engine_and_upstream(Script(unary_request()[-TAIL:], feed=feed)) as (engine, upstream):
        client, tally = stamped(engine, upstream.port, 3)
        engine.run_until(lambda: tally.ready == 1, LIMIT_S, "the head")
        (slot,) = [slot for slot in feed.slots if not slot.is_free]
        for number in range(1, 3):
            engine.run_for(0.02)
            assert len(client.delays) == number - 1
            slot.due(0.0)
            engine.run_until(lambda number=number: len(client.delays) == number, LIMIT_S, "a chunk")
        tally.is_ending = True
        slot.due(0.0)
        engine.run_until(lambda: client.is_idle, LIMIT_S, "the end")
        assert tally.done == 1 and slot.is_free
        assert all(0 < delay < LIMIT_S for delay in client.delays)
        client.close()


def test_the_next_stream_is_asked_for_when_one_has_ended_and_a_lost_one_frees_its_slot():
    feed = Feed(STREAM_HEAD, stamped_events(2), 1)
    with engine_and_upstream(Script(unary_request()[-TAIL:], feed=feed)) as (engine, upstream):
        client, tally = stamped(engine, upstream.port, 2)
        engine.spin_for(0, lambda: None)

        def several() -> bool:
            feed.slots[0].due(0.0)
            return tally.done >= 3

        engine.run_until(several, LIMIT_S, "streams")
        client.close()
        engine.run_until(lambda: feed.slots[0].is_free, LIMIT_S, "the loss")
        feed.slots[0].due(0.0)


def test_more_streams_than_there_are_slots_are_an_error():
    feed = Feed(STREAM_HEAD, stamped_events(2), 1)
    with engine_and_upstream(Script(unary_request()[-TAIL:], feed=feed)) as (engine, upstream):
        one, other = stamped(engine, upstream.port, 2)[0], stamped(engine, upstream.port, 2)[0]
        with pytest.raises(TargetError, match="more than 1 streams"):
            engine.run_for(LIMIT_S)
        one.close()
        other.close()


CHUNK = b"".join(b"%s%019d%s" % (before, 7, after) for before, after in stamped_events(1))


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "no stream"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "no stream"),
        (STREAM_HEAD + CHUNK, "a stream of 1 chunks, not 2"),
    ],
)
def test_a_stream_that_is_none_is_seen(says, fault):
    engine = Engine()
    with canned(engine, says) as port:
        client, _ = stamped(engine, port, 2)
        with pytest.raises(TargetError, match=f"the gateway: {fault}"):
            engine.run_for(LIMIT_S)
        client.close()
        engine.run_for(0.02)
    engine.close()


def test_a_stamp_in_two_pieces_is_one():
    engine = Engine()
    at = CHUNK.index(STAMP) + len(STAMP) + 5
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client, tally = stamped(engine, listener.getsockname()[1], 1)
        accepted, _ = listener.accept()
        accepted.sendall(STREAM_HEAD + CHUNK[:at])
        engine.run_until(lambda: tally.ready == 1, LIMIT_S, "the head")
        assert client.delays == []
        tally.is_ending = True
        accepted.sendall(CHUNK[at:])
        engine.run_until(lambda: client.is_idle, LIMIT_S, "the end")
        assert len(client.delays) == 1
        client.close()
        accepted.close()
    engine.close()


# ---- measurements


@linux_only
@pytest.mark.parametrize("name", LATENCIES)
def test_every_kind_is_measured_without_a_program_between(tmp_path, name):
    with standing(tmp_path) as stand:
        found = measured(stand, KINDS[name], Program(Aim("direct", stand.upstream.port), None))
        again = measured(stand, KINDS[name], Program(Aim("direct", stand.upstream.port), None))
    assert found.count > 0 and again.count > 0
    assert 0 < found.p50_s < LIMIT_S
    assert found.program_share == 0


@linux_only
def test_without_nginx_delays_are_left_out_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with standing(tmp_path) as stand:
        rows = latency_rows(stand, LATENCIES)
    assert {row.name for row in rows} == {f"{name}/{program}" for name in LATENCIES for program in ("gateway", "nginx")}
    assert {row.skipped for row in rows} == {"nginx is not installed"}


@linux_only
@pytest.mark.skipif(nginx_path() is None, reason="nginx is not installed")
def test_delays_of_the_gateway_are_set_beside_nginxs(tmp_path):
    with standing(tmp_path, replace(TINY, repetitions=2)) as stand:
        rows = {(row.name, row.reference): row for row in latency_rows(stand, LATENCIES)}
    for name in LATENCIES:
        found = rows[f"{name}/gateway", "nginx"]
        assert found.ratio is not None and found.ratio > 0 and found.repetitions == 2
        assert found.must is not None and not found.limits_value
        assert rows[f"{name}/nginx", None].value
    assert ("added-p50/direct", None) in rows
