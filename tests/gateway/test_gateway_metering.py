import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_stand import BOOK, KEY, asked, gateway, recorded, request, usage
from upstream_double import Seen, Talk, double, response

from understudy_gateway import metering
from understudy_gateway.config import parse_config
from understudy_gateway.live_metering import LiveMeter
from understudy_gateway.metering import Books, Call, Ending, ExchangeMeter
from understudy_gateway.routes import Route
from understudy_gateway.routing import route
from understudy_gateway.spend import jobs
from understudy_gateway.spend.jobs import JOB_LIFE
from understudy_gateway.spend.log import SpendLog
from understudy_gateway.spend.record import Outcome

CONFIG = parse_config({"understudy_settings": {"keys": [{"id": "a", "key": KEY}]}}, {"VERTEX_API_KEY": "x"})
JSON = ((b"Content-Type", b"application/json"),)
SSE = ((b"Content-Type", b"text/event-stream"),)
GENERATE = "/gemini/v1/models/gemini-2.5-flash:generateContent"


class Desk:
    """Books with a clock of their own."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.log = SpendLog()
        self.books = Books(BOOK, self.log, lambda: self.now)

    def call(self, target=GENERATE, method="POST", name="1") -> Call:
        found = route(CONFIG, method, target.encode())
        assert isinstance(found, Route)
        return Call(name, "team", method, found, self.now)

    def exchange(self, target, body, *, method="POST", status=200, asks=b"", headers=JSON, outcome: Outcome = "ok"):
        meter = ExchangeMeter(self.books, self.call(target, method))
        meter.request_body(asks)
        meter.answered(status, headers)
        meter.feed(body if isinstance(body, bytes) else json.dumps(body).encode())
        return meter.finish(Ending(status, outcome))


def test_a_unary_answer_is_priced_exactly():
    record = Desk().exchange(GENERATE, {"usageMetadata": usage(1000, 100)})
    assert (record.cost, record.known) == (Decimal("0.00055"), "exact")  # 1000 x 3e-7 + 100 x 2.5e-6
    assert (record.usage, record.model, record.route) == (usage(1000, 100), "gemini-2.5-flash", "gemini")
    assert [line.amount for line in record.lines] == [Decimal("0.0003"), Decimal("0.00025")]


def test_a_stream_costs_what_its_last_usage_says():
    events = b"".join(
        b"data: " + json.dumps({"usageMetadata": usage(1000, n)}).encode() + b"\n\n" for n in (1, 50, 100)
    )
    target = GENERATE.replace("generate", "streamGenerate") + "?alt=sse"
    assert Desk().exchange(target, events, headers=SSE).cost == Decimal("0.00055")


@pytest.mark.parametrize("outcome", ["client_abort", "upstream_abort", "timeout"])
def test_an_interrupted_exchange_is_an_estimate_or_unknown(outcome):
    events = b"data: " + json.dumps({"usageMetadata": usage(1000, 1)}).encode() + b"\n\n"
    target = GENERATE.replace("generate", "streamGenerate") + "?alt=sse"
    seen = Desk().exchange(target, events, headers=SSE, outcome=outcome)
    assert (seen.known, seen.cost, seen.outcome) == ("estimated", Decimal("0.0003025"), outcome)
    unseen = Desk().exchange(target, b"", headers=SSE, outcome=outcome)
    assert (unseen.known, unseen.cost) == ("unknown", None)
    assert unseen.reason


@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("/gemini/v1/models/gemini-2.5-flash:countTokens", "POST"),
        ("/gemini/v1/models", "GET"),
        ("/gemini/v1/models/gemini-2.5-flash", "GET"),
        ("/gemini/v1beta/files/x:download?alt=media", "GET"),
        ("/gemini/upload/v1beta/files", "POST"),
        ("/gemini/v1beta/cachedContents/x", "DELETE"),
        ("/gemini/v1/models/m/operations/x:cancel", "POST"),
        ("/gemini/nowhere/known", "GET"),
    ],
)
def test_what_is_free_by_kind_is_booked_with_zero(target, method):
    record = Desk().exchange(target, {"usageMetadata": usage(9, 9)}, method=method)
    assert (record.cost, record.known) == (0, "exact")


@pytest.mark.parametrize(
    "target", ["/gemini/v1/models/no-such-model:generateContent", "/gemini/v1/models/m:embedContent", "/gemini/v9/x:y"]
)
def test_what_has_no_price_is_unknown_and_never_zero(target):
    record = Desk().exchange(target, {"usageMetadata": usage(9, 9)})
    assert (record.cost, record.known) == (None, "unknown")
    assert record.reason


def test_an_error_costs_nothing():
    record = Desk().exchange(GENERATE, {"error": {"code": 429}}, status=429)
    assert (record.cost, record.known, record.status) == (0, "exact", 429)


def test_what_was_never_sent_costs_nothing():
    desk = Desk()
    record = ExchangeMeter(desk.books, desk.call()).finish(Ending(502, "upstream_abort", was_sent=False, reason="why"))
    assert (record.cost, record.known, record.reason) == (0, "exact", "why")


def test_what_was_sent_and_never_answered_is_unknown():
    desk = Desk()
    record = ExchangeMeter(desk.books, desk.call()).finish(Ending(499, "client_abort"))
    assert (record.cost, record.known) == (None, "unknown")


def test_a_reader_that_fails_makes_the_cost_unknown_and_nothing_else(monkeypatch, caplog):
    class Broken:
        def feed(self, data):
            raise ZeroDivisionError

    monkeypatch.setattr(metering, "reader_for", lambda *args, **more: Broken())
    record = Desk().exchange(GENERATE, {"usageMetadata": usage(9, 9)})
    assert (record.known, "reading the usage failed" in caplog.text) == ("unknown", True)


@pytest.mark.parametrize("fails", ["finish", "give_up"])
async def test_what_cannot_be_booked_is_booked_as_unknown_and_stays_charged(monkeypatch, caplog, fails):
    # OBS-6, S-74
    class Broken:
        def feed(self, data: bytes) -> None:
            pass

        def finish(self) -> None:
            raise ZeroDivisionError

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(json.dumps({"usageMetadata": usage(1000, 100)}).encode()))

    monkeypatch.setattr(metering, "reader_for", lambda *args, **more: Broken())
    keys = [{"id": "team", "key": KEY, "max_budget": "0.01"}]
    async with double(script) as up, gateway(up.url, keys=keys) as running:
        if fails == "give_up":  # the log itself takes nothing: then there is no record, and all else goes on
            monkeypatch.setattr(running.spend, "add", lambda record: 1 / 0)
        assert (await asked(running, request(GENERATE))).status == 200
        while caplog.text.count("could not be booked") < 1 + (fails == "give_up"):  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.001)
        assert [(record.known, record.reason) for record in running.spend.records] == (
            [("unknown", metering.FAILED)] if fails == "finish" else []
        )
        assert (await asked(running, request(GENERATE))).reason == "BUDGET_EXCEEDED"  # what was reserved stays charged


# --- VEO -------------------------------------------------------------------------------------------------------------

VEO = "/gemini/v1beta/models/veo-3.0-generate-001"
NAME = "models/veo-3.0-generate-001/operations/abc"
ASKS = json.dumps({"instances": [{"prompt": "x"}], "parameters": {"durationSeconds": 6, "sampleCount": 2}}).encode()


def done(count: int, name: str = NAME) -> dict:
    samples = [{"video": {"uri": f"https://x/{n}"}} for n in range(count)]
    return {"name": name, "done": True, "response": {"generateVideoResponse": {"generatedSamples": samples}}}


def start(desk: Desk, name: str = NAME):
    return desk.exchange(f"{VEO}:predictLongRunning", {"name": name}, asks=ASKS)


def poll(desk: Desk, answer, **options):
    return desk.exchange(f"/gemini/v1beta/{NAME}", answer, method="GET", **options)


def test_a_job_is_booked_once_when_it_is_done_and_its_start_and_polls_are_free():
    desk = Desk()
    assert start(desk).cost == 0
    for answer in ({"name": NAME}, done(2), done(2), done(2)):
        assert poll(desk, answer).cost == 0
    (settled,) = [record for record in desk.log.records if record.id == NAME]
    assert settled.cost == Decimal("4.80")  # 2 videos x 6 s x 0.40
    assert (settled.key_id, settled.model, settled.outcome) == ("team", "veo-3.0-generate-001", "ok")
    assert settled.usage == {"videos": 2, "filtered": 0}


@pytest.mark.parametrize("answer", [{"name": NAME, "done": True, "error": {"code": 3}}, done(0)])
def test_a_failed_or_filtered_job_is_free(answer):
    desk = Desk()
    start(desk)
    poll(desk, answer)
    (settled,) = [record for record in desk.log.records if record.id == NAME]
    assert (settled.cost, settled.known) == (0, "exact")


def test_a_poll_that_breaks_off_settles_nothing_and_the_next_one_does():
    desk = Desk()
    start(desk)
    poll(desk, done(2), outcome="client_abort")
    assert not [record for record in desk.log.records if record.id == NAME]
    poll(desk, done(2))
    assert [record.cost for record in desk.log.records if record.id == NAME] == [Decimal("4.80")]


@pytest.mark.parametrize("outcome", ["client_abort", "upstream_abort", "timeout"])
@pytest.mark.parametrize("answered", [True, False])
def test_a_video_whose_start_was_lost_is_unknown(outcome, answered):
    # R-2, S-74: it may have been made, and no poll will ever tell.
    desk = Desk()
    meter = ExchangeMeter(desk.books, desk.call(f"{VEO}:predictLongRunning"))
    meter.request_body(ASKS)
    if answered:
        meter.answered(200, JSON)
        meter.feed(b'{"name": "mod')
    record = meter.finish(Ending(200 if answered else 502, outcome))
    assert (record.cost, record.known, record.reason) == (None, "unknown", metering.LOST_START)
    meter = ExchangeMeter(desk.books, desk.call(f"{VEO}:predictLongRunning"))
    meter.answered(429, JSON)
    assert meter.finish(Ending(429, outcome)).cost == 0


def test_a_start_that_was_refused_reserves_nothing():
    desk = Desk()
    desk.exchange(f"{VEO}:predictLongRunning", {"error": {"code": 429}}, asks=ASKS, status=429)
    desk.books.close()
    assert [record.cost for record in desk.log.records] == [0]


def test_a_job_that_was_started_elsewhere_is_unknown_once():
    desk = Desk()
    poll(desk, done(1))
    poll(desk, done(1))
    (settled,) = [record for record in desk.log.records if record.id == NAME]
    assert (settled.cost, settled.known) == (None, "unknown")


def test_a_done_operation_of_another_kind_is_no_video():
    desk = Desk()
    name = "fileSearchStores/s/operations/x"
    desk.exchange(f"/gemini/v1beta/{name}", {"name": name, "done": True, "response": {}}, method="GET")
    assert [record.id for record in desk.log.records] == ["1"]


def test_a_job_that_nobody_polls_to_its_end_is_an_estimate_in_the_end():
    desk = Desk()
    start(desk)
    desk.now += JOB_LIFE + timedelta(seconds=1)
    start(desk, NAME + "2")
    (settled,) = [record for record in desk.log.records if record.id == NAME]
    assert (settled.cost, settled.known, settled.outcome) == (Decimal("4.80"), "estimated", "timeout")
    desk.books.close()
    assert [record.known for record in desk.log.records if record.id == NAME + "2"] == ["estimated"]


def test_an_old_job_behind_a_settled_one_is_booked_too_and_a_late_poll_books_it_no_second_time():
    desk = Desk()
    start(desk, NAME + "0")
    poll(desk, done(1, NAME + "0"))
    start(desk)
    desk.now += JOB_LIFE + timedelta(seconds=1)
    start(desk, NAME + "2")
    poll(desk, done(1))
    assert [record.known for record in desk.log.records if record.id == NAME] == ["estimated"]


def test_a_name_that_is_given_out_again_is_a_new_job():
    desk = Desk()
    for _ in range(2):
        start(desk)
        poll(desk, done(1))
    assert [record.known for record in desk.log.records if record.id == NAME] == ["exact", "exact"]


def test_the_number_of_remembered_jobs_is_bounded(monkeypatch):
    monkeypatch.setattr(jobs, "MOST_JOBS", 3)
    desk = Desk()
    for number in range(10):
        start(desk, f"{NAME}{number}")
    assert desk.books.jobs.pending() == 3
    assert sum(record.known == "estimated" for record in desk.log.records) == 7


async def test_a_video_job_through_the_gateway_is_booked_under_its_operation_name():
    async def script(talk: Talk, seen: Seen) -> None:
        is_start = b":predictLongRunning" in seen.target
        await talk.send(response(json.dumps({"name": NAME} if is_start else done(1)).encode()))

    async with double(script) as up, gateway(up.url) as running:
        await asked(running, request(f"{VEO}:predictLongRunning", body=ASKS))
        for _ in range(2):
            await asked(running, request(f"/gemini/v1beta/{NAME}", method="GET", body=None))
        records = await recorded(running, 4)
    assert [(record.id == NAME, record.cost) for record in records] == [
        (False, 0),
        (True, Decimal("2.40")),
        (False, 0),
        (False, 0),
    ]


def test_a_start_that_comes_behind_its_poll_settles_nothing_anew():
    desk = Desk()
    poll(desk, done(1))
    start(desk)
    poll(desk, done(1))
    assert [record.known for record in desk.log.records if record.id == NAME] == ["unknown"]
    desk.now += timedelta(seconds=1)
    start(desk)  # a name that is given out again
    poll(desk, done(1))
    assert [record.known for record in desk.log.records if record.id == NAME] == ["unknown", "exact"]


# --- Live ------------------------------------------------------------------------------------------------------------


def live_meter(desk: Desk) -> LiveMeter:
    meter = LiveMeter(
        desk.books, desk.call("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", "GET")
    )
    meter.client_message(b'{"setup":{"model":"models/gemini-2.5-flash"}}')
    meter.client_message(
        b'{"clientContent":{"turns":[{"role":"user","parts":[{"text":"hello"}]}],"turnComplete":true}}'
    )
    for _ in range(2):
        meter.server_message(b'{"usageMetadata":{"promptTokenCount":10,"responseTokenCount":4}}')
    return meter


def test_a_session_is_the_sum_of_its_turns_and_has_its_line_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    desk = Desk()
    meter = live_meter(desk)
    meter.ended(duration_s=45.2, unread=0)
    record = meter.finish(Ending(101, "ok"))
    assert (record.cost, record.known, record.route) == (Decimal("0.000026"), "exact", "gemini-live")
    assert record.usage == {"turns": 2, "tokens": 28, "characters": 5}
    assert record.model == "gemini-2.5-flash"
    assert caplog.messages == [
        "Gemini Live WebSocket session cost: $0.000026 (input: $0.000006, output: $0.000020) "
        "tokens: 28, characters: 5, duration: 45.2s"
    ]


@pytest.mark.parametrize("outcome", ["client_abort", "upstream_abort"])
def test_a_session_that_broke_off_is_an_estimate(outcome):
    record = live_meter(Desk()).finish(Ending(101, outcome))
    assert (record.cost, record.known) == (Decimal("0.000026"), "estimated")


def test_messages_that_were_not_read_make_an_estimate():
    meter = live_meter(Desk())
    meter.ended(duration_s=1, unread=2)
    record = meter.finish(Ending(101, "ok"))
    assert (record.known, record.reason) == ("estimated", "2 messages were not read")


def test_a_session_that_was_refused_costs_nothing_and_has_no_line(caplog):
    caplog.set_level(logging.INFO)
    desk = Desk()
    meter = LiveMeter(desk.books, desk.call("/vertex_ai/live", "GET"))
    record = meter.finish(Ending(403, "rejected"))
    assert (record.cost, record.usage, caplog.messages) == (0, None, [])
