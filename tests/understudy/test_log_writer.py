"""Log lines come out in order, in batches, and never at the cost of who says them."""

import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from understudy.cli.log_writer import LogWriter


@contextmanager
def logger(writer: LogWriter) -> Iterator[logging.Logger]:
    made = logging.Logger("of this test", logging.INFO)
    writer.setFormatter(logging.Formatter("server %(message)s"))
    made.addHandler(writer)
    yield made
    writer.flush()


class Counting(io.StringIO):
    """A stream that knows how often it was written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


class Full:
    """A target that takes nothing, as a full pipe does."""

    def __init__(self) -> None:
        self.is_asked, self.takes = threading.Event(), threading.Event()
        self.text = ""

    def write(self, text: str) -> int:
        self.is_asked.set()
        self.takes.wait(10)
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_lines_come_in_order_and_many_at_once():
    stream = Counting()
    with logger(LogWriter(stream)) as log:
        for number in range(1000):
            log.info("%d", number)
    assert stream.getvalue().splitlines() == [f"server {number}" for number in range(1000)]
    assert stream.writes < 100


def test_what_was_said_is_written_without_being_asked_for():
    said = threading.Event()

    class Telling(io.StringIO):
        def flush(self) -> None:
            said.set()

    stream = Telling()
    with logger(LogWriter(stream)) as log:
        for word in ("one", "two"):
            said.clear()
            log.info(word)
            assert said.wait(10)
            assert stream.getvalue().endswith(f"server {word}\n")


def test_a_target_that_takes_nothing_costs_lines_and_no_time():
    target = Full()
    writer = LogWriter(target, most_waiting=3)  # type: ignore[arg-type]
    with logger(writer) as log:
        log.info("first")
        assert target.is_asked.wait(10)
        for number in range(5):
            log.info("%d", number)
        assert writer.dropped == 2
        target.takes.set()
    assert target.text.splitlines()[:4] == ["server first", "server 0", "server 1", "server 2"]
    assert target.text.splitlines()[4:] == ["2 log lines were dropped: they could not be written in time"]


def test_a_target_that_is_gone_does_no_harm():
    stream = io.StringIO()
    writer = LogWriter(stream)
    with logger(writer) as log:
        stream.close()
        log.info("nobody hears it")
        writer.flush()
        assert writer.dropped == 1


def test_words_that_do_not_fit_are_reported_and_the_next_line_is_written(capsys: pytest.CaptureFixture[str]):
    stream = io.StringIO()
    with logger(LogWriter(stream)) as log:
        log.info("%d", "no number")
        log.info("next")
    assert stream.getvalue() == "server next\n"
    assert "Logging error" in capsys.readouterr().err


def test_the_last_lines_are_written_when_the_process_ends():
    program = (
        "import logging, sys\n"
        "from understudy.cli.log_writer import LogWriter\n"
        "logging.basicConfig(level=logging.INFO, handlers=[LogWriter(sys.stderr)])\n"
        "logging.info('the last words')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, timeout=60, text=True, check=True
    )
    assert "the last words" in done.stderr


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end_of_the_process():
    # the end comes while the lines are gathered, so that whoever flushes would be the first to write them.
    program = (
        "import logging, os\n"
        "from understudy.cli.log_writer import Descriptor, LogWriter\n"
        "logging.basicConfig(level=logging.INFO, handlers=[LogWriter(Descriptor(os.pipe()[1]))])\n"
        "logging.info('x' * 2**20)\n"
    )
    subprocess.run([sys.executable, "-c", program], env=dict(os.environ), timeout=60, check=True)
