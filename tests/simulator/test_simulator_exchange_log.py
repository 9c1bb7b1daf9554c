"""The lines on the terminal: one for each exchange, and under load no more than anybody reads."""

import logging

from understudy.messages import Origin, Request
from understudy_simulator.clock import ManualClock
from understudy_simulator.exchange_log import LINES_A_SECOND, ExchangeLog
from understudy_simulator.recorder import Recorder


class Time(ManualClock):
    at = 0.5

    def monotonic(self):
        return self.at


def lines_of(caplog):
    return [record.getMessage() for record in caplog.records]


def ended(clock, target="/x"):
    entry = Recorder(clock, 10, 10_000).begin_exchange(Request("GET", target, ()), Origin())
    entry.respond(200, ())
    entry.end()
    return entry


def test_more_than_anybody_reads_are_counted(caplog):
    caplog.set_level(logging.INFO)
    clock = Time()
    log = ExchangeLog(clock, logging.getLogger("understudy_simulator.http"))
    for _ in range(LINES_A_SECOND + 7):
        log.add(ended(clock))
    assert len(lines_of(caplog)) == LINES_A_SECOND
    clock.at = 1.5
    log.add(ended(clock, "/y"))
    assert lines_of(caplog)[-2:] == ["7 more requests, without a line each", "GET /y no scenario 200 0 ms"]


def test_what_is_left_out_at_the_end_is_said_too(caplog):
    caplog.set_level(logging.INFO)
    clock = Time()
    log = ExchangeLog(clock, logging.getLogger("understudy_simulator.http"))
    for _ in range(LINES_A_SECOND + 1):
        log.add(ended(clock))
    log.flush()
    log.flush()
    assert lines_of(caplog)[LINES_A_SECOND:] == ["1 more request, without a line each"]


def test_nothing_in_a_line_steers_a_terminal(caplog):
    caplog.set_level(logging.INFO)
    clock = Time()
    ExchangeLog(clock, logging.getLogger("understudy_simulator.http")).add(ended(clock, "/\x1b[31m\n"))
    (line,) = lines_of(caplog)
    assert line.isprintable()
