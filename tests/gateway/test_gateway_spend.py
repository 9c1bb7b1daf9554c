import json
import resource
import stat
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from understudy.errors import ConfigError
from understudy.pricing.cost import Part, line_of
from understudy_gateway.spend.log import MOST_IN_MEMORY, SpendLog
from understudy_gateway.spend.record import SpendRecord

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
RECORD = SpendRecord(
    id="1",
    key_id="team",
    route="gemini",
    model="gemini-2.5-flash",
    status=200,
    outcome="ok",
    usage={"promptTokenCount": 3},
    cost=Decimal("3E-7"),
    known="exact",
    reason=None,
    lines=(line_of(Part.INPUT, "input", 3, "token", Decimal("1E-7")),),
    started=START,
    ended=START + timedelta(seconds=1),
)


def lines(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_is_one_json_line_with_decimal_text_and_utc_times(tmp_path):
    log = SpendLog(tmp_path / "s")
    log.add(RECORD)
    log.add(
        changed(RECORD, cost=None, known="unknown", reason="why", ended=START.astimezone(timezone(timedelta(hours=2))))
    )
    log.close()
    first, second = lines(tmp_path / "s")
    assert first == {
        "id": "1",
        "kind": "exchange",
        "key_id": "team",
        "tags": [],
        "provider": None,
        "route": "gemini",
        "model": "gemini-2.5-flash",
        "status": 200,
        "outcome": "ok",
        "usage": {"promptTokenCount": 3},
        "cost": "0.0000003",
        "known": "exact",
        "reason": None,
        "lines": [
            {
                "part": "input",
                "what": "input",
                "quantity": "3",
                "unit": "token",
                "unit_price": "0.0000001",
                "amount": "0.0000003",
            }
        ],
        "started": "2026-01-02T03:04:05.678Z",
        "ended": "2026-01-02T03:04:06.678Z",
    }
    assert (second["cost"], second["known"], second["ended"]) == (None, "unknown", "2026-01-02T03:04:05.678Z")


def test_the_file_is_the_owners_alone_and_appended_to(tmp_path):
    path = tmp_path / "s"
    for _ in range(2):
        log = SpendLog(path)
        log.add(RECORD)
        log.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(lines(path)) == 2


def test_many_records_are_all_written_in_order(tmp_path):
    log = SpendLog(tmp_path / "s")
    for number in range(5000):
        log.add(changed(RECORD, id=str(number)))
    log.close()
    assert [line["id"] for line in lines(tmp_path / "s")] == [str(number) for number in range(5000)]


def test_a_file_that_cannot_be_opened_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match=r"--spend .*cannot be written: No such file"):
        SpendLog(tmp_path / "nowhere" / "s")


def test_a_forged_line_stays_inside_its_line(tmp_path):
    log = SpendLog(tmp_path / "s")
    log.add(changed(RECORD, model='x"}\n{"id": "forged\u2028\x1b[31m'))
    log.close()
    text = (tmp_path / "s").read_bytes()
    assert text.count(b"\n") == 1
    assert text.isascii()
    assert b"\x1b" not in text


def test_a_full_disk_loses_records_counts_them_and_says_so_once(tmp_path, caplog):
    path = tmp_path / "s"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = SpendLog(path)
    log.add(RECORD)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
    try:
        for number in range(50):
            log.add(changed(RECORD, id=f"lost-{number}"))
            if number % 10 == 0:
                assert log.flush()
        log.add(RECORD)
        assert log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.add(changed(RECORD, id="after"))
    log.close()
    assert log.lost > 0
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["spend records cannot be written to s"]
    assert path.read_text().splitlines()[-1].startswith('{"id": "after"')


def test_memory_holds_the_newest_only():
    log = SpendLog()
    for number in range(MOST_IN_MEMORY + 5):
        log.add(changed(RECORD, id=str(number)))
    assert (len(log.records), log.records[0].id) == (MOST_IN_MEMORY, "5")


def test_records_after_the_close_are_counted_as_lost(tmp_path):
    log = SpendLog(tmp_path / "s")
    log.close()
    log.add(RECORD)
    assert log.lost == 1
