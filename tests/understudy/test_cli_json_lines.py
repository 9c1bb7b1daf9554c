"""`json_logs`: every line of the log is one JSON object (OBS-5, S-67)."""

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from understudy.cli.json_lines import JsonLines


def line(message: str, *arguments: object, error: BaseException | None = None) -> dict:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("x", logging.INFO, "p", 1, message, arguments, info)
    text = JsonLines("gateway").format(record)
    assert "\n" not in text
    assert text.isascii()
    return json.loads(text)


def test_an_exchanges_line_is_spliced_in_and_any_other_is_its_message():
    found = line('{"method":"GET","id":"1"}')
    assert {**found, "time": None} == {"time": None, "server": "gateway", "level": "INFO", "method": "GET", "id": "1"}
    assert found["time"].endswith("Z")
    assert line("%d exchanges are cut off", 3)["message"] == "3 exchanges are cut off"


def test_a_traceback_is_part_of_the_one_line():
    try:
        raise ValueError("what it was")
    except ValueError as error:
        assert "ValueError: what it was" in line("it failed", error=error)["message"]


def test_a_line_without_a_record_is_written_as_one_with_it():
    form = JsonLines("gateway")
    for created in (0.0, 0.0, 1.25, 1.25, 0.0, 1e9):
        for text in ('{"method":"GET"}', '{"id":"1","tags":[]}'):
            record = logging.makeLogRecord({"msg": text, "created": created, "levelname": "INFO"})
            assert form.line(created, text) == form.format(record)


@given(st.text())
def test_no_text_makes_two_lines_or_members_of_its_own(text):
    for said in (text, '{"' + text, '{"a": 1}' + text):
        found = line("%s", said)
        assert found["server"] == "gateway"


def test_a_line_is_cut():
    assert len(line("x" * 100_000)["message"]) == 8192
