"""The transcript under way: exact, in order, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.messages import BINARY, Origin, Request
from understudy_simulator.clock import ManualClock
from understudy_simulator.recorder import Recorder

REQUEST = Request("POST", "/x", ((b"Host", b"h"),), b"body")


def recorder(limit=100, limit_bytes=10**6):
    clock = ManualClock()
    return Recorder(clock, limit, limit_bytes), clock


def test_an_exchange_is_written_as_it_passed():
    seen, clock = recorder()
    entry = seen.begin_exchange(REQUEST, Origin("s"))
    clock.advance(1)
    entry.respond(200, ((b"A", b"1"),))
    entry.chunk(b"one")
    clock.advance(1)
    entry.chunk(b"two")
    entry.note_fault("stall 1s")
    entry.end()
    entry.end("too late")
    [exchange] = seen.transcript().exchanges
    assert exchange.request == REQUEST
    assert exchange.response is not None
    assert [(chunk.data, chunk.at) for chunk in exchange.response.chunks] == [(b"one", 1.0), (b"two", 2.0)]
    assert exchange.response.complete
    assert (exchange.started, exchange.ended, exchange.failure) == (0.0, 2.0, None)
    assert exchange.origin == Origin("s", faults=("stall 1s",))


def test_what_has_not_ended_is_not_complete():
    seen, _ = recorder()
    entry = seen.begin_exchange(REQUEST, Origin())
    [exchange] = seen.transcript().exchanges
    assert (exchange.response, exchange.failure) == (None, "not ended yet")
    entry.respond(200, ())
    entry.end("client left")
    [exchange] = seen.transcript().exchanges
    assert exchange.response is not None and not exchange.response.complete
    assert exchange.failure == "client left"


def test_a_session_is_written_with_its_frames_and_its_first_close():
    seen, clock = recorder()
    entry = seen.begin_session(REQUEST, Origin())
    entry.accepted(101, ((b"Upgrade", b"websocket"),))
    entry.frame("client", BINARY, b"a")
    clock.advance(3)
    entry.close("server", 1000, "bye")
    entry.close("client", 1001)
    assert seen.transcript().sessions[0].ended is None
    entry.end()
    [session] = seen.transcript().sessions
    assert (session.status, session.answer_headers) == (101, ((b"Upgrade", b"websocket"),))
    assert [(frame.sender, frame.opcode, frame.payload) for frame in session.frames] == [("client", BINARY, b"a")]
    assert session.close is not None
    assert (session.close.sender, session.close.code, session.close.reason, session.close.at) == (
        "server",
        1000,
        "bye",
        3.0,
    )
    assert session.ended == 3.0


def test_exchanges_and_sessions_share_one_count():
    seen, _ = recorder()
    ids = [seen.begin_exchange(REQUEST, Origin()).id, seen.begin_session(REQUEST, Origin()).id]
    assert ids == [1, 2]


def test_clearing_one_scope_leaves_the_others():
    seen, _ = recorder()
    old = seen.begin_exchange(REQUEST, Origin("a"))
    seen.begin_exchange(REQUEST, Origin("b"))
    seen.clear("a")
    old.chunk(b"late")
    assert [exchange.origin.scope for exchange in seen.transcript().exchanges] == ["b"]
    assert seen.transcript("a").exchanges == ()
    seen.clear()
    assert seen.transcript().exchanges == ()


def test_the_oldest_entries_are_forgotten_and_counted():
    seen, _ = recorder(limit=2)
    for _ in range(5):
        seen.begin_exchange(REQUEST, Origin())
    transcript = seen.transcript()
    assert [exchange.id for exchange in transcript.exchanges] == [4, 5]
    assert transcript.dropped == 3


def test_a_body_beyond_the_limit_is_not_kept():
    seen, _ = recorder(limit_bytes=2000)
    entry = seen.begin_exchange(REQUEST, Origin())
    entry.respond(200, ())
    for _ in range(100):
        entry.chunk(b"x" * 100)
    response = entry.written().response
    assert response is not None and len(response.body) < 2000
    assert seen.transcript().dropped == 1


def test_faults_count_as_what_is_kept():
    seen, _ = recorder(limit_bytes=2000)
    entry = seen.begin_session(REQUEST, Origin())
    for _ in range(100):
        entry.note_fault("x" * 100)
    assert len(entry.written().origin.faults) < 20
    assert seen.transcript().dropped == 1
    assert seen.faults_in("") == {"x" * 100: 100}


def test_very_many_faults_are_noted_in_a_moment():
    """Where all of them were copied each time this took minutes; the clock of the run is the judge."""
    seen, _ = recorder(limit_bytes=10**9)
    entry = seen.begin_session(REQUEST, Origin(faults=("first",)))
    for _ in range(200_000):
        entry.note_fault("latency 1s")
    assert entry.written().origin.faults == ("first", *["latency 1s"] * 200_000)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=40))
def test_memory_stays_below_the_limit_whatever_passes(moves):
    seen, _ = recorder(limit=8, limit_bytes=4000)
    entries = []
    for is_new, size in moves:
        if is_new or not entries:
            entries.append(seen.begin_exchange(REQUEST, Origin()))
            entries[-1].respond(200, ())
        entries[-1].chunk(b"x" * size)
    transcript = seen.transcript()
    kept = sum(len(exchange.response.body) for exchange in transcript.exchanges if exchange.response)
    assert kept <= 4000
    assert len(transcript.exchanges) <= 8
    assert len(transcript.exchanges) + transcript.dropped == len(entries)
