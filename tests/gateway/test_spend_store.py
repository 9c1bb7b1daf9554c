"""The spend store on a real disk: exact, whole, once; locked, full, damaged; shared by several processes."""

import json
import resource
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace as changed
from test_gateway_spend import RECORD, START

from understudy.errors import ConfigError
from understudy.usage.operations import VeoRequest
from understudy_gateway.spend import writing
from understudy_gateway.spend.batch import PATIENCE
from understudy_gateway.spend.jobs import JOB_LIFE, Done, VideoJob
from understudy_gateway.spend.log import SpendLog
from understudy_gateway.spend.queries import Wanted, all_records
from understudy_gateway.spend.record import SpendRecord
from understudy_gateway.spend.schema import open_store
from understudy_gateway.spend.store import SpendStore, StoreJobs
from understudy_gateway.spend.writing import BatchWriter, Habits, WriteFailed

QUICK = Habits(gather_s=0.0, retry_s=0.01, close_s=0.2)
NAME = "models/veo-3.0-generate-001/operations/abc"
JOB = VideoJob(NAME, "call-1", "team", ("t",), "gemini", "gemini", "veo-3.0-generate-001", VeoRequest(), START)


def store(path: Path) -> SpendStore:
    return SpendStore(path, QUICK)


def kept(path: Path) -> list[dict]:
    return list(all_records(path, Wanted()))


def settled(job: VideoJob, done: Done) -> SpendRecord:
    cost = Decimal("0.40") * job.request.seconds * done.videos
    return changed(RECORD, id=NAME, kind="operation", cost=cost, known="exact", ended=done.seen)


def seen_done(at: datetime = START, name: str = NAME, videos: int = 1) -> Done:
    """What a poll saw that was `at` that time."""
    stranger = changed(RECORD, id=name, kind="operation", cost=None, known="unknown", lines=(), ended=at)
    return Done(name, videos, {"videos": videos}, None, at, stranger)


def no_expiry(job: VideoJob, reason: str) -> SpendRecord:
    raise AssertionError(reason)


# --- what is written -------------------------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(tmp_path):
    usage = {"promptTokenCount": 2**70, "odd": "\ud800 é"}
    record = changed(RECORD, usage=usage, tags=("a", "b"), provider="gemini", model="m\udcff", cost=Decimal("1E-20"))
    books = store(tmp_path / "s.db")
    books.add(record)
    books.add(changed(RECORD, id="2", cost=None, known="unknown", usage=None, key_id=None, model=None))
    books.close()
    first, second = kept(tmp_path / "s.db")
    assert first == {**record.as_json(), "model": "m\\udcff"}
    assert first["cost"] == "0.00000000000000000001"
    assert (second["cost"], second["usage"], second["key_id"], second["model"]) == (None, None, None, None)


def test_the_store_is_the_owners_alone_and_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "s.db"
    for number in range(3):
        books = store(path)
        books.add(changed(RECORD, id=str(number)))
        books.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [record["id"] for record in kept(path)] == ["0", "1", "2"]
    assert [file.name for file in tmp_path.iterdir()] == ["s.db"]


def test_a_client_that_repeats_its_request_id_pays_each_time(tmp_path):
    books = store(tmp_path / "s.db")
    for _ in range(3):
        books.add(RECORD)
    books.close()
    assert len(kept(tmp_path / "s.db")) == 3


def test_what_was_taken_more_than_a_second_ago_is_on_the_disk(tmp_path):
    books = SpendStore(tmp_path / "s.db")  # with the habits of a gateway
    for number in range(5000):
        books.add(changed(RECORD, id=str(number)))
    assert books.flush(1.0)
    assert [record["id"] for record in kept(tmp_path / "s.db")] == [str(number) for number in range(5000)]
    books.close()


def test_several_writers_share_one_store(tmp_path):
    path = tmp_path / "s.db"
    several = [store(path) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda books=books, n=n: [books.add(changed(RECORD, id=f"{n}-{i}")) for i in range(200)]
        )
        for n, books in enumerate(several)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for books in several:
        books.close()
        assert books.lost == 0
    assert {record["id"] for record in kept(path)} == {f"{n}-{i}" for n in range(4) for i in range(200)}
    assert len(kept(path)) == 800


# --- a disk in trouble -----------------------------------------------------------------------------------------------


def test_a_locked_store_takes_no_time_from_traffic_and_catches_up(tmp_path, caplog):
    path = tmp_path / "s.db"
    books = store(path)
    books._connection.execute("PRAGMA busy_timeout = 10")
    with closing(open_store(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(100):
            books.add(changed(RECORD, id=str(number)))
        assert not books.flush(0.2)
        assert (books.waiting, books.lost) == (100, 0)
        other.execute("ROLLBACK")
    assert books.flush(5.0)
    books.close()
    assert [record["id"] for record in kept(path)] == [str(number) for number in range(100)]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert said[0].startswith("spend cannot be written to s.db (database is locked)")


def test_a_store_locked_to_the_end_loses_records_and_says_how_many(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(writing, "_SAY_EVERY_S", 0.0)
    books = store(tmp_path / "s.db")
    books._connection.execute("PRAGMA busy_timeout = 10")
    with closing(open_store(tmp_path / "s.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        books.add(RECORD)
        books.add(RECORD)
        books.close()
    assert books.lost == 2
    assert "2 are lost (database is locked)" in caplog.text


def test_a_full_disk_loses_nothing_once_there_is_room_again(tmp_path, caplog):
    path = tmp_path / "s.db"
    books = store(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        for number in range(400):
            books.add(changed(RECORD, id=str(number), reason="x" * 500))
        assert not books.flush(0.3)
        assert books.lost == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert books.flush(5.0)
    books.close()
    assert [record["id"] for record in kept(path)] == [str(number) for number in range(400)]
    assert "spend cannot be written to s.db (" in caplog.text


def test_what_waits_is_bounded_and_what_comes_beyond_is_counted(monkeypatch):
    monkeypatch.setattr(writing, "MOST_WAITING", 10)
    may_write = threading.Event()

    def write(items: list[int]) -> None:
        may_write.wait(10)

    writer = BatchWriter("x", write, QUICK)
    for number in range(1000):
        writer.put(number)
    assert 900 <= writer.lost < 1000
    may_write.set()
    writer.close()
    writer.put(1)
    assert writer.waiting <= 10


def test_a_writer_that_many_wake_at_once_has_one_thread():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            writer = BatchWriter("many", lambda items: None, Habits(gather_s=0.0))
            ready = threading.Barrier(4)

            def wake(writer=writer, ready=ready) -> None:
                ready.wait()
                writer.put(1)

            wakers = [threading.Thread(target=wake) for _ in range(4)]
            for waker in wakers:
                waker.start()
            for waker in wakers:
                waker.join()
            running = sum(thread.name == "spend-many" for thread in threading.enumerate())
            writer.close()
            assert running == 1
    finally:
        sys.setswitchinterval(before)


def test_a_batch_that_failed_after_all_was_written_is_not_written_twice(tmp_path):
    books = store(tmp_path / "s.db")
    transact: Callable = books._transact
    tries = []

    def twice(items) -> None:
        items = list(items)
        transact(items)
        tries.append(len(items))
        if len(tries) == 1:
            raise WriteFailed("the commit's answer was lost")

    books._transact = twice  # ty: ignore
    books.add(RECORD)
    books.close()
    assert tries[:2] == [1, 1]
    assert len(kept(tmp_path / "s.db")) == 1


# --- a store that cannot be used -------------------------------------------------------------------------------------


def broken_page(path: Path) -> None:
    books = store(path)
    for number in range(500):
        books.add(changed(RECORD, id=str(number)))
    books.close()
    data = bytearray(path.read_bytes())
    for place in range(4096 * 5, 4096 * 9):
        data[place] = 0xA5
    path.write_bytes(data)


def of_others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")


def of_tomorrow(path: Path) -> None:
    with closing(open_store(path)) as connection:
        connection.execute("PRAGMA user_version = 2")


def gone(path: Path) -> None:
    Path(f"{path}-wal").write_bytes(b"x")


UNUSABLE = [
    (lambda path: path.write_bytes(b"garbage" * 1000), "is damaged"),
    (lambda path: path.write_bytes(b""), r"is damaged \(it is empty\)"),
    (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\0" * 5000), "is damaged"),
    (broken_page, "is damaged"),
    (of_others, "no spend store"),
    (of_tomorrow, "of version 2"),
    (gone, "is gone"),
    (lambda path: path.mkdir(), "cannot be used"),
]


@pytest.mark.parametrize(("spoil", "said"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_store_that_cannot_be_used_is_never_begun_anew(tmp_path, spoil, said):
    path = tmp_path / "s.db"
    spoil(path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    with pytest.raises(ConfigError, match=said):
        store(path)
    assert {
        file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file() and "shm" not in file.name
    } == before


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be made: No such file"):
        store(tmp_path / "no" / "s.db")


def test_many_that_begin_at_once_make_one_store(tmp_path):
    found: list[SpendStore] = []
    ready = threading.Barrier(8)

    def begin() -> None:
        ready.wait()
        books = store(tmp_path / "s.db")
        books.add(RECORD)
        found.append(books)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for books in found:
        books.close()
    assert len(kept(tmp_path / "s.db")) == 8


# --- video jobs ------------------------------------------------------------------------------------------------------


def operations(path: Path) -> list[tuple[str, str | None]]:
    return [(record["known"], record["cost"]) for record in kept(path) if record["id"] == NAME]


def begun(path: Path, **changes) -> SpendStore:
    books = store(path)
    jobs = books.jobs(settled, no_expiry, lambda: START)
    jobs.started(replace(JOB, **changes))
    assert books.flush(5)
    return books


def test_a_job_is_settled_once_however_many_processes_see_it_done(tmp_path):
    path = tmp_path / "s.db"
    several = [begun(path)] + [store(path) for _ in range(3)]
    told = []
    for books in several:
        books.settled = told.append
        jobs = books.jobs(settled, no_expiry, lambda: START)
        for _ in range(5):
            jobs.finished(seen_done())
    for books in several:
        books.close()
    assert operations(path) == [("exact", "3.2")]
    assert len(told) == 1


def test_a_job_outlives_the_process_that_started_it_and_is_settled_once_over_restarts(tmp_path):
    path = tmp_path / "s.db"
    begun(path, request=VeoRequest(seconds=Decimal("6.5"), sample_count=2, generate_audio=False)).close()
    seen = []
    for _ in range(3):
        books = store(path)
        books.jobs(lambda job, done: seen.append(job) or settled(job, done), no_expiry, lambda: START).finished(
            seen_done()
        )
        books.close()
    assert operations(path) == [("exact", "2.6")]
    assert seen == [replace(JOB, request=VeoRequest(seconds=Decimal("6.5"), sample_count=2, generate_audio=False))]


LATER = timedelta(seconds=1)


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize("order", ["start, poll", "poll, start", "poll, start, poll", "poll, poll, start"])
def test_a_video_is_settled_once_whatever_order_start_and_polls_are_written_in(tmp_path, order, is_closed):
    # COST-9. Two processes, one that started it and one that is polled; each write is on the disk before the next.
    path = tmp_path / "s.db"
    told: list[SpendRecord] = []

    def opened() -> tuple[SpendStore, StoreJobs]:
        books = store(path)
        books.settled = told.append
        return books, books.jobs(settled, no_expiry, lambda: START)

    def write(act: Callable[[StoreJobs], None], books: SpendStore, jobs: StoreJobs) -> tuple[SpendStore, StoreJobs]:
        act(jobs)
        assert books.flush(5)
        if not is_closed:
            return books, jobs
        books.close()  # the process ends, and another takes its place
        return opened()

    starter, poller = opened(), opened()
    for step in order.split(", "):
        if step == "start":
            starter = write(lambda jobs: jobs.started(JOB), *starter)
        else:
            poller = write(lambda jobs: jobs.finished(seen_done(START + LATER)), *poller)
    for own in (starter, poller):  # and once more: who started it polls too
        write(lambda jobs: jobs.finished(seen_done(START + LATER)), *own)[0].close()
    assert operations(path) == [("exact", "3.2")]
    assert len(told) == 1


def test_a_start_that_comes_after_all_patience_settles_nothing_anew(tmp_path):
    path = tmp_path / "s.db"
    clock = [START]
    poller = store(path)
    poller.jobs(settled, no_expiry, lambda: clock[0]).finished(seen_done(START + LATER))
    assert poller.flush(5)
    poller.close()
    assert operations(path) == []
    clock[0] += PATIENCE + 2 * LATER
    starter = store(path)
    jobs = starter.jobs(settled, no_expiry, lambda: clock[0])
    jobs.started(replace(JOB, name="models/veo/operations/other"))  # any batch does it
    assert starter.flush(5)
    assert operations(path) == [("unknown", None)]
    jobs.started(JOB)
    jobs.finished(seen_done(clock[0]))
    starter.close()
    assert operations(path) == [("unknown", None)]


def test_a_name_that_begins_anew_after_a_stranger_was_seen_is_a_job_of_its_own(tmp_path):
    path = tmp_path / "s.db"
    books = store(path)
    jobs = books.jobs(settled, no_expiry, lambda: START)
    jobs.finished(seen_done(START - LATER))
    jobs.started(JOB)
    jobs.finished(seen_done(START + LATER))
    books.close()
    assert operations(path) == [("unknown", None), ("exact", "3.2")]


def test_an_operation_that_was_started_elsewhere_is_unknown_once(tmp_path):
    path = tmp_path / "s.db"
    for round in range(3):
        books = store(path)
        now = START + round * (PATIENCE + LATER)
        books.jobs(settled, no_expiry, lambda now=now: now).finished(seen_done(now))
        books.close()
    assert operations(path) == [("unknown", None)]


def test_the_record_of_an_operation_without_a_start_is_booked_once(tmp_path):
    path = tmp_path / "s.db"
    batch = changed(RECORD, id="batches/b", kind="operation")
    for _ in range(2):
        books = store(path)
        jobs = books.jobs(settled, no_expiry, lambda: START)
        jobs.once(batch)
        jobs.once(batch)
        books.close()
    assert [record["id"] for record in kept(path)] == ["batches/b"]


def test_what_is_no_video_is_not_booked(tmp_path):
    path = tmp_path / "s.db"
    for now in (START, START + PATIENCE + LATER):
        books = store(path)
        done = replace(seen_done(name="fileSearchStores/s/operations/x"), stranger=None)
        books.jobs(settled, no_expiry, lambda now=now: now).finished(done)
        books.close()
    assert kept(path) == []


def test_a_name_that_is_no_text_loses_neither_its_own_job_nor_what_is_written_with_it(tmp_path):
    path = tmp_path / "s.db"
    odd = NAME + "\ud800\x00"
    books = store(path)
    jobs = books.jobs(settled, no_expiry, lambda: START)
    books.add(RECORD)
    jobs.started(replace(JOB, name=odd, tags=("\udcff",)))
    jobs.finished(seen_done(name=odd))
    jobs.finished(seen_done(name="x\ud800"))
    jobs.once(changed(RECORD, id="b\ud800"))
    books.close()
    assert books.lost == 0
    assert [record["id"] for record in kept(path)] == [NAME, "b\\ud800", RECORD.id]


def test_one_item_that_cannot_be_written_leaves_all_others(tmp_path, caplog):
    path = tmp_path / "s.db"
    books = store(path)
    jobs = books.jobs(settled, no_expiry, lambda: START)
    good = [replace(JOB, name=f"{NAME}{number}") for number in range(3)]
    jobs.started(good[0])
    jobs.started(replace(JOB, name=NAME + "bad", tags=(object(),)))  # ty: ignore
    jobs.started(good[1])
    jobs.once(changed(RECORD, id="bad", status=2**80))
    books.add(changed(RECORD, status=2**80))
    books.add(RECORD)
    jobs.started(good[2])
    assert books.flush(5)
    assert [job.name for job in books.open_jobs()] == [job.name for job in good]
    books.close()
    assert [record["id"] for record in kept(path)] == [RECORD.id]
    assert caplog.text.count("could not be made or written") == 3


@pytest.mark.parametrize("count", [0, 1, 5, 49, 50, 51, 117])
@pytest.mark.parametrize("bad", [None, 0, 3, 48, 116])
def test_many_records_are_written_once_in_their_order_but_for_one_that_cannot_be(tmp_path, caplog, count, bad):
    # They share statements; one that SQLite does not take is found among those of its own.
    path = tmp_path / "s.db"
    books = SpendStore(path, Habits(gather_s=0.05))
    for number in range(count):
        books.add(changed(RECORD, id=str(number), status=2**80 if number == bad else 200))
    books.close()
    assert [record["id"] for record in kept(path)] == [str(number) for number in range(count) if number != bad]
    assert caplog.text.count("could not be made or written") == (bad is not None and bad < count)
    with closing(sqlite3.connect(path)) as connection:
        keys = [key for (key,) in connection.execute("SELECT uid FROM spend ORDER BY seq")]
    assert keys == sorted(set(keys))  # so the index of the keys grows at one place


def test_a_name_that_is_given_out_again_is_a_new_job(tmp_path):
    path = tmp_path / "s.db"
    books = store(path)
    jobs = books.jobs(settled, no_expiry, lambda: START)
    for _ in range(2):
        jobs.started(JOB)
        jobs.finished(seen_done())
        jobs.finished(seen_done())
    books.close()
    assert operations(path) == [("exact", "3.2")] * 2


def test_a_job_nobody_polled_in_two_days_is_an_estimate_and_a_late_poll_changes_nothing(tmp_path):
    path = tmp_path / "s.db"
    begun(path).close()
    books = store(path)
    late = START + JOB_LIFE + timedelta(seconds=1)
    jobs = books.jobs(
        settled, lambda job, reason: changed(settled(job, seen_done()), known="estimated", reason=reason), lambda: late
    )
    jobs.finished(seen_done())
    books.close()
    assert operations(path) == [("estimated", "3.2")]


def test_a_record_that_cannot_be_made_does_not_hold_up_the_others(tmp_path, caplog):
    path = tmp_path / "s.db"
    books = begun(path)

    def fails(job: VideoJob, done: Done) -> SpendRecord:
        raise ZeroDivisionError

    books.jobs(fails, no_expiry, lambda: START).finished(seen_done())
    books.add(changed(RECORD, status="no number"))  # ty: ignore
    books.add(changed(RECORD, tags=(object(),)))  # ty: ignore
    books.add(RECORD)
    books.close()
    assert "could not be made" in caplog.text
    assert [record["id"] for record in kept(path)] == [RECORD.id]


def test_the_log_has_the_operations_record_in_memory_and_among_the_lines(tmp_path):
    log = SpendLog(tmp_path / "lines", store(tmp_path / "s.db"))
    jobs = log.jobs(settled, no_expiry, lambda: START)
    jobs.started(JOB)
    for _ in range(3):
        jobs.finished(seen_done())
    log.close()
    assert [record.id for record in log.records] == [NAME]
    assert [json.loads(line)["id"] for line in (tmp_path / "lines").read_text().splitlines()] == [NAME]
