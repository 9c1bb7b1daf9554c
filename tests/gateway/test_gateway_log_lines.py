"""The one line of an exchange: what it says, and how it comes to each kind of handler (OBS-5)."""

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from test_gateway_spend import RECORD

from understudy.cli.json_lines import JsonLines
from understudy.cli.log_writer import LogWriter
from understudy.cli.plain_lines import PlainLines
from understudy_gateway.counts import Facts
from understudy_gateway.log_lines import ExchangeLine, RefusalLine, say

LINE = ExchangeLine("POST", RECORD, Facts(0.0123, 0.01, None, 5, 6))
texts = st.text(st.characters(codec=None, categories=None), max_size=20)


class Keeping(logging.Handler):
    """A handler of somebody else's, which knows nothing of lines."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def logger(*handlers: logging.Handler) -> Iterator[logging.Logger]:
    """A logger below one that has the handlers."""
    above, made = logging.Logger("above"), logging.Logger("above.made", logging.INFO)
    made.parent = above
    for handler in handlers:
        above.addHandler(handler)
    yield made
    for handler in handlers:
        handler.flush()
        handler.close()


def writer(formatter: logging.Formatter, most_waiting: int = 100) -> tuple[LogWriter, io.StringIO]:
    stream = io.StringIO()
    made = LogWriter(stream, most_waiting)
    made.setFormatter(formatter)
    return made, stream


@given(texts, texts, st.none() | texts, st.dictionaries(texts, st.integers() | texts), st.lists(texts).map(tuple))
def test_a_line_says_what_the_record_says_in_ascii(method, id, model, usage, tags):
    # OBS-5, S-67
    record = changed(RECORD, id=id, model=model, usage=usage, tags=tags, cost=None, known="unknown", reason="why")
    text = str(ExchangeLine(method, record, Facts(1.23456, None, None, 7, 8)))
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == json.loads(
        json.dumps(
            {
                "method": method,
                "id": id,
                "key_id": "team",
                "provider": None,
                "route": "gemini",
                "model": model,
                "status": 200,
                "outcome": "ok",
                "usage": usage,
                "cost": None,
                "known": "unknown",
                "reason": "why",
                "tags": tags,
                "bytes_in": 7,
                "bytes_out": 8,
                "first_byte_ms": None,
                "ms": 1234.6,
            }
        )
    )


def test_members_stand_in_their_order_and_the_cost_is_plain():
    found = json.loads(str(ExchangeLine("POST", changed(RECORD, cost=Decimal("3E-7")), LINE.facts)))
    assert list(found)[:2] + list(found)[-2:] == ["method", "id", "first_byte_ms", "ms"]
    assert (found["cost"], found["first_byte_ms"], found["ms"]) == ("0.0000003", 10.0, 12.3)


@given(texts)
def test_a_refusals_line_is_ascii_too(text):
    assert json.loads(str(RefusalLine({"id": text}, 0.5))) == {"id": text, "ms": 500.0}
    assert str(RefusalLine({"id": text}, 0.5)).isascii()


@pytest.mark.parametrize("form", [PlainLines("gateway"), JsonLines("gateway")])
def test_a_line_is_written_as_its_record_would_be(form):
    direct, direct_text = writer(form)
    by_record, record_text = writer(form)
    by_record.addFilter(lambda record: True)  # it wants to see records
    with logger(direct, by_record) as log:
        say(log, [LINE, LINE])
        say(log, [LINE])
    direct_lines, record_lines = direct_text.getvalue().splitlines(), record_text.getvalue().splitlines()
    assert len(direct_lines) == len(record_lines) == 3
    if isinstance(form, JsonLines):
        found = [{**json.loads(line), "time": ""} for line in (*direct_lines, *record_lines)]
        assert found == [found[0]] * 6
        assert json.loads(direct_lines[0])["time"][:13] == time.strftime("%Y-%m-%dT%H", time.gmtime())
    else:
        assert {line.split(" ", 1)[1] for line in (*direct_lines, *record_lines)} == {f"gateway {LINE}"}
        assert all(time.strptime(line.split(" ", 1)[0], "%H:%M:%S") for line in direct_lines)


def test_handlers_that_take_no_lines_get_records():
    keeping, (ours, text) = Keeping(), writer(PlainLines("gateway"))
    with logger(keeping, ours) as log:
        say(log, [LINE, LINE])
    assert [(record.name, record.levelno) for record in keeping.records] == [("above.made", logging.INFO)] * 2
    assert [record.getMessage() for record in keeping.records] == [str(LINE)] * 2
    assert text.getvalue().count(str(LINE)) == 2


def test_a_writer_whose_formatter_wants_records_gets_them():
    ours, text = writer(logging.Formatter("%(name)s %(message)s"))
    with logger(ours) as log:
        say(log, [LINE])
    assert text.getvalue() == f"above.made {LINE}\n"


@pytest.mark.parametrize("how", ["handler level", "logger level", "handler filter", "logger filter", "no way up"])
def test_who_wants_no_such_lines_gets_none(how):
    keeping, (ours, text) = Keeping(), writer(PlainLines("gateway"))
    with logger(keeping, ours) as log:
        match how:
            case "handler level":
                keeping.setLevel(logging.WARNING)
                ours.setLevel(logging.WARNING)
            case "logger level":
                log.setLevel(logging.WARNING)
            case "handler filter":
                keeping.addFilter(lambda record: False)
                ours.addFilter(lambda record: False)
            case "logger filter":
                log.addFilter(lambda record: False)
            case _:
                log.propagate = False
        say(log, [LINE])
    assert (keeping.records, text.getvalue()) == ([], "")


def test_lines_for_which_there_is_no_room_are_dropped_and_counted():
    # R-37, S-56
    ours, text = writer(PlainLines("gateway"), most_waiting=3)
    ours._came.set()  # its thread has been woken, and has not come yet
    ours._thread = threading.current_thread()
    with logger() as log:
        log.addHandler(ours)
        say(log, [LINE] * 5)
        say(log, [LINE])
    assert (ours.dropped, len(ours._waiting)) == (3, 3)
    ours._write()
    assert text.getvalue().splitlines()[-1] == "3 log lines were dropped: they could not be written in time"


def test_lines_are_written_without_being_asked_for():
    ours, text = writer(PlainLines("gateway"))
    written = threading.Event()
    text.flush = written.set  # type: ignore[method-assign]
    for count in (1, 2):
        written.clear()
        ours.take_lines(0.0, [LINE])
        assert written.wait(10)
        assert text.getvalue().count(str(LINE)) == count


def test_a_line_that_cannot_be_written_is_reported_and_the_next_is_written(capsys):
    class Broken:
        def __str__(self) -> str:
            raise ValueError

    ours, text = writer(PlainLines("gateway"))
    assert ours.take_lines(time.time(), [Broken(), LINE])
    ours.flush()
    assert text.getvalue().endswith(f"gateway {LINE}\n")
    assert "Logging error" in capsys.readouterr().err


def test_the_time_of_a_line_is_that_of_the_formatter():
    form = PlainLines("a %d server")  # no word of the name is taken for a place
    for created in (0.0, 0.9, 86399.5, 1.0, time.time()):
        record = logging.makeLogRecord({"msg": "said", "created": created})
        assert (
            form.line(created, "said") == logging.Formatter.formatTime(form, record, "%H:%M:%S") + " a %d server said"
        )
