"""Exchanges that are over: which are booked at once, which with others, and that one cannot harm another (OBS-6)."""

import asyncio
import json
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from gateway_stand import BOOK, KEY, asked, gateway, request, usage
from upstream_double import double

from understudy_gateway.config import parse_config
from understudy_gateway.journal import GATHERED, Journal
from understudy_gateway.limits.admission import Lease
from understudy_gateway.limits.books import admission_of
from understudy_gateway.metering import Books, Call, Ending, ExchangeMeter
from understudy_gateway.metrics import Metrics
from understudy_gateway.routes import Route
from understudy_gateway.routing import route
from understudy_gateway.spend.log import SpendLog

GENERATE = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"
START = "/gemini/v1beta/models/veo-3.0-generate-001:predictLongRunning"
POLL = "/gemini/v1beta/models/veo-3.0-generate-001/operations/abc"


class Desk:
    """A journal with a clock of its own, for a key that has a limit if `rpm` says so."""

    def __init__(self, rpm: int | None = None) -> None:
        key = {"id": "team", "key": KEY, **({"rpm_limit": rpm} if rpm else {})}
        self.config = parse_config({"understudy_settings": {"keys": [key]}}, {"GEMINI_API_KEY": "x"})
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.log = SpendLog()
        self.books = Books(BOOK, self.log, lambda: self.now)
        self.admission = admission_of(self.config, self.books, self.log, now=lambda: self.now, monotonic=time.monotonic)
        self.journal = Journal(self.admission, Metrics(BOOK), time.monotonic, lambda: self.now)

    def end(self, name: str, target: str = GENERATE, method: str = "POST", body: bytes | None = None) -> None:
        found = route(self.config, method, target.encode())
        assert isinstance(found, Route)
        lease = self.admission.admit("team", method, found)
        assert isinstance(lease, Lease)
        meter = ExchangeMeter(self.books, Call(name, "team", method, found, self.now))
        meter.answered(200, ((b"Content-Type", b"application/json"),))
        meter.feed(json.dumps({"usageMetadata": usage(10, 1)}).encode() if body is None else body)
        self.journal.ended(method, lease, meter, Ending(200, "ok"), time.monotonic())

    @property
    def booked(self) -> list[str]:
        return [record.id for record in self.log.records]


async def test_exchanges_are_booked_together_with_the_times_at_which_they_ended():
    desk = Desk()
    began = desk.now
    for number in range(GATHERED - 1):
        desk.end(str(number))
        desk.now += timedelta(seconds=1)
    assert not desk.booked
    desk.end("last")
    assert desk.booked == [*map(str, range(GATHERED - 1)), "last"]
    assert [record.ended for record in desk.log.records][:2] == [began, began + timedelta(seconds=1)]


async def test_what_waits_is_booked_soon_without_others():
    desk = Desk()
    desk.end("1")
    async with asyncio.timeout(10):
        while not desk.booked:  # noqa: ASYNC110 - an inner state
            await asyncio.sleep(0.001)


async def test_what_waits_is_booked_when_that_is_asked_for():
    desk = Desk()
    desk.end("1")
    desk.journal.book()
    desk.journal.book()
    assert desk.booked == ["1"]


@pytest.mark.parametrize(
    ("target", "method", "rpm"), [(START, "POST", None), (POLL, "GET", None), (GENERATE, "POST", 100)]
)
async def test_what_a_limit_or_a_job_waits_for_is_booked_at_once(target, method, rpm):
    desk = Desk(rpm)
    if rpm is None:
        desk.end("before")
    desk.end("1", target, method, b"{}")
    assert desk.booked == ["1"] if rpm else ["before", "1"]


async def test_an_exchange_that_cannot_be_booked_does_not_harm_the_others(monkeypatch, caplog):
    desk = Desk()
    desk.end("1")
    desk.end("2")
    finish = ExchangeMeter.finish

    def fails_once(meter, *args):
        monkeypatch.setattr(ExchangeMeter, "finish", finish)
        raise ZeroDivisionError

    monkeypatch.setattr(ExchangeMeter, "finish", fails_once)
    desk.journal.book()
    assert [(record.id, record.known) for record in desk.log.records] == [("1", "unknown"), ("2", "exact")]
    assert "could not be booked" in caplog.text


async def test_the_end_of_the_gateway_books_what_waits(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "spend.jsonl"
    async with double() as up, gateway(up.url, spend_path=path) as running:
        reply = await asked(running, request())
    assert reply.status == 200
    assert len(path.read_text().splitlines()) == 1
    (line,) = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    assert line["status"] == 200


async def test_a_line_of_the_log_holds_what_no_encoder_takes(caplog):
    caplog.set_level(logging.INFO)
    desk = Desk()
    desk.end("\udcff", body=b'{"usageMetadata": {"promptTokenCount": 99999999999999999999}}')
    desk.journal.book()
    (line,) = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    assert line["id"] == "\udcff"
