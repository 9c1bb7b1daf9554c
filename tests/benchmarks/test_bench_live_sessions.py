"""Live sessions at scale: lateness by hand-made times, frames out of any pieces, the receiver and a real simulator."""

import resource
import sys
import time
from pathlib import Path

import pytest
from bench_stand import standing
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import TargetError
from understudy_bench.engine import Engine
from understudy_bench.figures import lateness_ms, quantile
from understudy_bench.limits import LIMITS
from understudy_bench.listening import Listener, message_at
from understudy_bench.live_sessions import PERIOD_S, idle_rows, opened
from understudy_bench.load import Aim, Tally
from understudy_bench.payloads import frame
from understudy_bench.plan import Plan
from understudy_bench.programs import live_simulator

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")


# ---- lateness


def test_a_session_on_its_schedule_is_never_late():
    times = [5 + number * PERIOD_S for number in range(100)]
    assert lateness_ms([times], PERIOD_S, 0, 100) == pytest.approx([0] * 100, abs=1e-6)


def test_one_late_frame_counts_once_and_a_schedule_that_slips_counts_for_ever():
    late = [number * 0.02 for number in range(10)]
    late[4] += 0.003
    assert lateness_ms([late], 0.02, 0, 100) == pytest.approx([0] * 9 + [3], abs=1e-6)
    slipped = [number * 0.02 + (0.007 if number >= 6 else 0) for number in range(10)]
    assert lateness_ms([slipped], 0.02, 0, 100) == pytest.approx([0] * 6 + [7] * 4, abs=1e-6)


def test_the_schedule_is_that_of_the_earliest_frame_wherever_it_is():
    # The first frame came late, and before the time that is looked at.
    times = [0.005, *(number * 0.02 for number in range(1, 50))]
    assert lateness_ms([times], 0.02, 0, 0.01) == pytest.approx([5])
    assert lateness_ms([times], 0.02, 0.01, 100) == pytest.approx([0] * 49, abs=1e-6)


def test_only_frames_of_the_time_in_question_count_and_sessions_have_schedules_of_their_own():
    one = [number * 0.02 for number in range(10)]
    other = [100 + number * 0.02 for number in range(10)]
    assert len(lateness_ms([one, other, []], 0.02, 0, 1)) == 10
    assert lateness_ms([one, other], 0.02, 0.05, 100.05) == pytest.approx([0] * 10, abs=1e-6)


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0, 1))
def test_a_quantile_has_that_share_at_or_below_it(values: list[float], share: float):
    found = quantile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) <= share * len(values)


# ---- frames


@given(st.lists(st.binary(max_size=300) | st.sampled_from([bytes(126), bytes(70_000)]), max_size=5), st.data())
def test_frames_are_found_in_whatever_is_there_of_them(payloads: list[bytes], data: st.DataObject):
    whole = b"".join(map(frame, payloads))
    cut = data.draw(st.integers(0, len(whole)))
    there, found, at = whole[:cut], list[bytes](), 0
    while (span := message_at(there, at)) is not None:
        found.append(there[span[0] : span[1]])
        at = span[1]
    assert found == payloads[: len(found)]
    assert sum(len(frame(payload)) for payload in payloads[: len(found) + 1]) > cut or len(found) == len(payloads)


# ---- beside a real simulator


@linux_only
@pytest.mark.parametrize("is_tls", [False, True])
def test_a_receiver_hears_every_frame_of_the_speech_it_asks_for(tmp_path: Path, is_tls: bool):
    begin = time.monotonic()
    with standing(tmp_path) as stand, opened(stand, 3, is_tls=is_tls) as (_, sessions):
        engine = stand.engine
        assert not any(session.times for session in sessions)
        for session in sessions[:2]:
            session.ask()
        engine.run_until(lambda: all(len(one.times) >= 25 for one in sessions[:2]), 60, "speech")
        end = time.monotonic()
        assert sessions[2].times == []
    late = lateness_ms([session.times for session in sessions], PERIOD_S, begin, end)
    assert len(late) >= 50
    # Real time, not as fast as it can: 25 frames take 24 pauses.
    assert all(one.times[24] - one.times[0] > 24 * PERIOD_S / 2 for one in sessions[:2])


@linux_only
def test_a_receiver_that_is_refused_or_let_go_says_by_what(tmp_path: Path):
    engine, tally = Engine(), Tally()
    with live_simulator(tmp_path) as server:
        port = int(server.ready.http.rpartition(":")[2])
        refused = Listener(engine, Aim("simulator", port, prefix=b"/nowhere"), tally)
        with pytest.raises(TargetError, match=r"no WebSocket: b'HTTP/1\.1 404"):
            engine.run_for(10)
        refused.close()
        session = Listener(engine, Aim("simulator", port, fields=b"x-goog-api-key: any\r\n"), tally)
        engine.run_until(lambda: tally.ready == 1, 30, "the setup")
        server.stop()
        with pytest.raises(TargetError, match="simulator"):
            engine.run_for(10)
    session.close()
    engine.close()


@linux_only
def test_too_few_files_are_said_clearly(tmp_path: Path):
    said: list[str] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with standing(tmp_path, Plan(), said.append) as stand:
            (row,) = idle_rows(stand)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert row.skipped == "5000 sessions need 5200 open files, and this machine allows 1024 (ulimit -Hn)"
    assert said == [f"live-idle is left out: {row.skipped}"]
    assert row.name in LIMITS
