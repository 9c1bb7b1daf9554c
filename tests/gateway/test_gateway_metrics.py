"""The metrics page: what it counts, with bounded labels, of one worker or of several."""

import asyncio
import io
import json
import logging
import math
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest
from gateway_process import MASTER, ask, get
from gateway_stand import BOOK, GENERATE, KEY, asked, config_of, recorded, request
from msgspec.structs import replace as changed
from prometheus_client.parser import text_string_to_metric_families
from test_gateway_limits import ANSWER, answers
from test_gateway_metering import ASKS, NAME, VEO, done
from test_gateway_spend import RECORD
from test_spend_store import QUICK
from upstream_double import Seen, Talk, double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from understudy.cli.log_writer import LogWriter
from understudy.pricing.book import Layer, PriceBook
from understudy.secret import Secret
from understudy_gateway import metrics_page
from understudy_gateway.app import Gateway
from understudy_gateway.counts import Facts
from understudy_gateway.credentials import CredentialsFailed, TokenCache
from understudy_gateway.listeners import Listen
from understudy_gateway.loop_lag import LOOK_EVERY_S, LoopLag
from understudy_gateway.metrics import COUNTERS, HISTOGRAMS, Metrics
from understudy_gateway.settings import GatewayKey
from understudy_gateway.spend.schema import open_store
from understudy_gateway.spend.store import SpendStore
from understudy_gateway.tokens import FetchFailed, Token

PREFIX = "understudy_gateway_"


def gateway(base: str, store: SpendStore | None = None, folder=None, **more) -> Gateway:
    config = config_of(base)
    config = replace(config, keys=(GatewayKey("master", Secret(MASTER)), *config.keys))
    return Gateway(config, Listen(admin_port=0), book=BOOK, store=store, metrics_folder=folder, **more)


async def numbers(running: Gateway) -> dict[str, dict[str, float]]:
    """Each sample of ours, by its name and its labels in words."""
    reply = await ask(running.admin_url or "", get("/metrics"))
    assert (reply.status, reply.value(b"content-type")) == (200, b"text/plain; version=0.0.4; charset=utf-8")
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        order = (*{**COUNTERS, **HISTOGRAMS}.get(family.name.removeprefix(PREFIX), ("", ()))[1], "le")
        for sample in family.samples:
            words = " ".join(sample.labels[name] for name in order if name in sample.labels)
            found.setdefault(sample.name.removeprefix(PREFIX), {})[words] = sample.value
    return found


async def test_requests_are_counted_by_route_model_status_and_origin():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(ANSWER if b"no-such" not in seen.target else response(b"{}", status=b"404 Not Found"))

    async with double(script) as up, gateway(up.url) as running:
        for _ in range(2):
            assert (await asked(running, request())).status == 200
        for name in ("no-such-1", "no-such-2"):
            assert (await asked(running, request(GENERATE.replace("gemini-2.5-flash", name)))).status == 404
        assert (await asked(running, request(key=None))).status == 401
        assert (await asked(running, request("/nowhere"))).status == 404
        await recorded(running, 4)
        found = await numbers(running)
    assert found["requests_total"] == {
        "gemini POST 2xx gemini-2.5-flash none": 2,
        "gemini POST 4xx other provider": 2,
        "none POST 4xx none gateway": 2,
    }
    assert found["refusals_total"] == {"NO_KEY": 1, "NO_ROUTE": 1}
    assert found["tokens_total"] == {"gemini gemini-2.5-flash input": 2000, "gemini gemini-2.5-flash output": 200}
    assert found["cost_total"]["gemini gemini-2.5-flash output"] == pytest.approx(0.0005)  # 200 x 0.0000025
    body = ANSWER.partition(b"\r\n\r\n")[2]
    assert found["bytes_total"] == {"gemini request": 8, "gemini response": 2 * len(body) + 4}
    assert (found["seconds_count"], found["first_byte_seconds_count"]) == ({"gemini": 4}, {"gemini": 4})
    assert found["seconds_bucket"]["gemini +Inf"] == 4
    assert (found["in_flight"], found["live_sessions"]) == ({"": 0}, {"": 0})
    assert found["process_resident_memory_bytes"][""] > 0


async def test_unknown_prices_are_counted():
    async with double(answers) as up, gateway(up.url) as running:
        assert (await asked(running, request(GENERATE.replace("gemini-2.5-flash", "x" * 50)))).status == 200
        await recorded(running)
        assert (await numbers(running))["cost_unknown_total"] == {"gemini other": 1}


@pytest.mark.parametrize("has_store", [False, True])
async def test_videos_are_pending_until_they_are_settled(tmp_path, has_store):
    async def script(talk: Talk, seen: Seen) -> None:
        is_start = b":predictLongRunning" in seen.target
        await talk.send(response(json.dumps({"name": NAME} if is_start else done(1)).encode()))

    store = SpendStore(tmp_path / "s.db") if has_store else None
    async with double(script) as up, gateway(up.url, store) as running:
        await asked(running, request(f"{VEO}:predictLongRunning", body=ASKS))
        await recorded(running)
        await asyncio.to_thread(running.spend.flush)
        assert (await numbers(running))["jobs_pending"] == {"": 1}
        await asked(running, request(f"/gemini/v1beta/{NAME}", method="GET", body=None))
        await recorded(running, 3)
        await asyncio.to_thread(running.spend.flush)
        found = await numbers(running)
    assert found["jobs_pending"] == {"": 0}
    assert found["cost_total"] == {"gemini veo-3.0-generate-001 output": pytest.approx(2.4)}


async def test_live_sessions_are_counted_by_messages_and_close_code():
    async def provider(session):
        async for message in session:
            await session.send(message)
            await session.close(1000, "done")

    path = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    async with serve(provider, "127.0.0.1", 0) as server:  # noqa: SIM117 - its port is wanted
        async with gateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as running:
            async with connect(running.http_url.replace("http", "ws") + f"{path}?key={KEY}") as session:
                assert (await numbers(running))["live_sessions"] == {"": 1}
                await session.send('{"setup":{"model":"models/gemini-2.5-flash"}}')
                await session.recv()
                await session.wait_closed()
            await recorded(running)
            found = await numbers(running)
    assert found["live_messages_total"] == {"gemini-live client": 1, "gemini-live server": 1}
    assert found["live_closes_total"] == {"gemini-live 1000 ok": 1}
    assert (found["live_sessions"], found.get("seconds_count")) == ({"": 0}, None)


async def test_the_page_wants_the_admin_key():
    async with gateway("http://127.0.0.1:9") as running:
        assert (await ask(running.admin_url or "", get("/metrics", None))).status == 401
        assert (await ask(running.admin_url or "", get("/metrics", KEY))).status == 403
        assert (await ask(running.http_url, get("/metrics"))).status == 404


async def test_workers_are_added_up_and_one_that_ended_stays_counted(tmp_path):
    async with double(answers) as up, gateway(up.url, folder=tmp_path) as running:
        assert (await asked(running, request())).status == 200
        await recorded(running)
        other = Metrics(BOOK)
        other.booked("POST", changed(RECORD, route="gemini", provider="gemini"), Facts(0.3, 0.2, 5, 6))
        other.in_flight = 7
        other.count_from("spend_lost", (), lambda: 3)
        gone = metrics_page.Shared(tmp_path, other, {"spend_waiting": lambda: 5})
        gone.start()
        async with asyncio.timeout(10):
            while not gone._own.exists():  # noqa: ASYNC110 - written by its task
                await asyncio.sleep(0.01)
        found = {}
        async with asyncio.timeout(10):
            while "requests_total" not in found or sum(found["requests_total"].values()) < 2:
                found = await numbers(running)
        assert (found["in_flight"], found["spend_waiting"]) == ({"": 7}, {"": 5})
        await gone.close()
        (tmp_path / "2.json").write_text("{half")
        found = await numbers(running)
    assert found["requests_total"] == {"gemini POST 2xx gemini-2.5-flash none": 2}
    assert (found["seconds_count"], found["seconds_bucket"]["gemini +Inf"]) == ({"gemini": 2}, 2)
    assert (found["in_flight"], found["spend_waiting"], found["spend_lost_total"]) == ({"": 0}, {"": 0}, {"": 3})


def test_what_a_killed_worker_had_under_way_is_not_counted_and_what_it_had_counted_is(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    numbers = {"counters": {"requests": [["gemini", "POST", "2xx", "m", "none", 3]]}, "histograms": {}}
    for name in (f"{ended.pid}-aa.json", f"{os.getpid()}-bb.json"):
        (tmp_path / name).write_text(json.dumps({**numbers, "gauges": {"in_flight": 4}}))
    found = metrics_page.Shared(tmp_path, Metrics(BOOK), {}).all()
    text = metrics_page.page(found, {}).decode()
    assert "understudy_gateway_in_flight 4.0\n" in text
    assert re.search(r"understudy_gateway_requests_total\{[^}]*\} 6\.0\n", text)


async def test_a_worker_that_gets_the_process_id_of_an_earlier_one_leaves_its_numbers_alone(tmp_path):
    for _ in range(2):
        metrics = Metrics(BOOK)
        metrics.booked("POST", changed(RECORD, provider="gemini"), Facts(0.1))
        await metrics_page.Shared(tmp_path, metrics, {}).close()
    found = metrics_page.Shared(tmp_path, Metrics(BOOK), {}).all()
    assert sum(number for one in found for *_, number in one["counters"]["requests"]) == 2


def test_labels_that_clients_make_up_share_one_name():
    metrics = Metrics(BOOK)
    for number in range(3000):
        record = changed(RECORD, model=f"m{number}", provider="gemini")
        metrics.booked(f"M{number}", record, Facts(0.1, close_code=3000 + number))
    for version in range(2000):  # known, in as many forms as a client likes: one name
        metrics.booked("POST", changed(RECORD, model=f"gemini-2.5-flash@{version:03}", provider="gemini"), Facts(0.1))
    metrics.booked("POST", changed(RECORD, kind="session", status=101, provider="gemini"), Facts(1, close_code=4999))
    assert set(metrics.counters["requests"]) == {
        ("gemini", "other", "2xx", "other", "none"),
        ("gemini", "POST", "2xx", "gemini-2.5-flash", "none"),
        ("gemini", "POST", "1xx", "gemini-2.5-flash", "none"),
    }
    assert set(metrics.counters["live_closes"]) == {("gemini", "other", "ok")}
    assert len(metrics._known) <= 1000


def test_a_model_that_the_next_price_book_knows_gets_its_name():
    metrics = Metrics(PriceBook.from_layers([Layer("none", {})]))
    record = changed(RECORD, provider="gemini")
    metrics.booked("POST", record, Facts(0.1))
    metrics.book = BOOK
    metrics.booked("POST", record, Facts(0.1))
    assert {labels[3] for labels in metrics.counters["requests"]} == {"other", "gemini-2.5-flash"}


async def test_the_gateways_own_part_of_the_time_to_the_first_byte_is_told_apart():
    # OBS-4. The provider takes five seconds of this clock, every look at it a millisecond.
    passed = 0.0

    def monotonic() -> float:
        nonlocal passed
        passed += 0.001
        return 1000 + passed

    async def script(talk: Talk, seen: Seen) -> None:
        nonlocal passed
        passed += 5
        await talk.send(ANSWER)

    async with double(script) as up, gateway(up.url, monotonic=monotonic) as running:
        for _ in range(2):
            assert (await asked(running, request())).status == 200
        await recorded(running, 2)
        found = await numbers(running)
    assert found["first_byte_seconds_sum"]["gemini"] > 10
    assert found["overhead_seconds_count"] == {"gemini": 2}
    assert 0.002 < found["overhead_seconds_sum"]["gemini"] < 0.1


async def test_connections_to_providers_are_counted_by_what_became_of_them():
    # OBS-4, PERF-5
    async with double(answers) as up, gateway(up.url) as running:
        for _ in range(3):
            assert (await asked(running, request())).status == 200
        found = await numbers(running)
        assert found["upstream_connections_total"] == {"opened": 1, "reused": 2, "refused": 0}
        await running.reload(running._config, BOOK)
        assert (await asked(running, request())).status == 200
        assert (await numbers(running))["upstream_connections_total"]["reused"] == 3
    async with gateway("http://127.0.0.1:9") as running:
        assert (await asked(running, request())).status == 502
        found = await numbers(running)
    assert found["upstream_connections_total"] == {"opened": 0, "reused": 0, "refused": 1}
    assert found["token_renewals_total"] == {"ok": 0, "failed": 0}


async def test_renewals_of_tokens_are_counted():
    def fetch() -> Token:
        if tally.renewed:
            raise FetchFailed("OSError")
        return Token(Secret("t"), 100)

    tally, clock = Metrics(BOOK).tally, [0.0]
    tokens = TokenCache(fetch, lambda: clock[0], 10, tally)
    await tokens.headers()
    clock[0] = 1000
    with pytest.raises(CredentialsFailed):
        await tokens.headers()
    assert (tally.renewed, tally.not_renewed) == (1, 1)


async def test_what_the_log_and_the_disk_did_not_take_is_counted(tmp_path):
    # R-37, R-26, OBS-4
    writer = LogWriter(io.StringIO(), most_waiting=0)
    logging.getLogger().addHandler(writer)
    try:
        async with double(answers) as up, gateway(up.url, SpendStore(tmp_path / "s.db", QUICK)) as running:
            store = running.spend.store
            assert store is not None
            assert (await asked(running, request())).status == 200
            await recorded(running)
            await asyncio.to_thread(running.spend.flush)
            assert (await numbers(running))["spend_store_down"] == {"": 0}
            store._writer.lost += 2
            store._connection.execute("PRAGMA busy_timeout = 10")
            with closing(open_store(store.path)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert (await asked(running, request())).status == 200
                async with asyncio.timeout(10):
                    while (await numbers(running))["spend_store_down"] != {"": 1}:  # noqa: ASYNC110 - another thread
                        await asyncio.sleep(0.01)
                other.execute("ROLLBACK")
            found = await numbers(running)
            assert found["spend_lost_total"] == {"": 2}
            assert found["log_lines_dropped_total"][""] == writer.dropped > 0
    finally:
        logging.getLogger().removeHandler(writer)


async def test_an_event_loop_that_is_held_up_is_measured_and_said_once_a_minute(caplog):
    # R-36
    metrics = Metrics(BOOK)
    lag = LoopLag(metrics.lag, late_s=0.1)
    lag.start()
    for _ in range(2):
        await asyncio.sleep(LOOK_EVERY_S / 2)
        time.sleep(0.2)  # noqa: ASYNC251 - to hold up the loop is what is wanted
        await asyncio.sleep(LOOK_EVERY_S * 2)
    lag.close()
    seen = metrics.histograms["loop_lag_seconds"][()]
    late = sum(count for bound, count in zip((*seen.bounds, math.inf), seen.counts, strict=True) if bound > 0.1)
    assert late >= 2
    assert [record.getMessage()[:26] for record in caplog.records] == ["the event loop was held up"]


async def test_a_gateway_measures_its_loop():
    async with gateway("http://127.0.0.1:9") as running:
        async with asyncio.timeout(10):
            while not (await numbers(running)).get("loop_lag_seconds_count", {}).get("", 0):  # noqa: ASYNC110 - a timer
                await asyncio.sleep(0.01)
        timers = running._operations._lag
    assert timers._timer is not None
    assert timers._timer.cancelled()
