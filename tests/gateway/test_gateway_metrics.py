"""The metrics page: what it counts, with bounded labels, of one worker or of several."""

import asyncio
import json
from dataclasses import replace

import pytest
from gateway_process import MASTER, ask, get
from gateway_stand import BOOK, GENERATE, KEY, asked, config_of, recorded, request
from msgspec.structs import replace as changed
from prometheus_client.parser import text_string_to_metric_families
from test_gateway_limits import ANSWER, answers
from test_gateway_metering import ASKS, NAME, VEO, done
from test_gateway_spend import RECORD
from upstream_double import Seen, Talk, double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from understudy.secret import Secret
from understudy_gateway.app import Gateway
from understudy_gateway.listeners import Listen
from understudy_gateway.metrics import COUNTERS, HISTOGRAMS, Facts, Metrics
from understudy_gateway.settings import GatewayKey
from understudy_gateway.spend.store import SpendStore

PREFIX = "understudy_gateway_"


def gateway(base: str, store: SpendStore | None = None, folder=None) -> Gateway:
    config = config_of(base)
    config = replace(config, keys=(GatewayKey("master", Secret(MASTER)), *config.keys))
    return Gateway(config, Listen(admin_port=0), book=BOOK, store=store, metrics_folder=folder)


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
    from understudy_gateway import metrics_page

    async with double(answers) as up, gateway(up.url, folder=tmp_path) as running:
        assert (await asked(running, request())).status == 200
        await recorded(running)
        other = Metrics(BOOK)
        other.booked("POST", changed(RECORD, route="gemini", provider="gemini"), Facts(0.3, 0.2, 5, 6))
        other.in_flight = 7
        gone = metrics_page.Shared(tmp_path, other, {"spend_lost": lambda: 3})
        gone._own = tmp_path / "1.json"
        gone.start()
        async with asyncio.timeout(10):
            while not gone._own.exists():  # noqa: ASYNC110 - written by its task
                await asyncio.sleep(0.01)
        found = {}
        async with asyncio.timeout(10):
            while "requests_total" not in found or sum(found["requests_total"].values()) < 2:
                found = await numbers(running)
        assert (found["in_flight"], found["spend_lost"]) == ({"": 7}, {"": 3})
        await gone.close()
        (tmp_path / "2.json").write_text("{half")
        found = await numbers(running)
    assert found["requests_total"] == {"gemini POST 2xx gemini-2.5-flash none": 2}
    assert (found["seconds_count"], found["seconds_bucket"]["gemini +Inf"]) == ({"gemini": 2}, 2)
    assert (found["in_flight"], found["spend_lost"]) == ({"": 0}, {"": 0})


def test_labels_that_clients_make_up_share_one_name():
    metrics = Metrics(BOOK)
    for number in range(3000):
        record = changed(RECORD, model=f"m{number}", provider="gemini")
        metrics.booked(f"M{number}", record, Facts(0.1, close_code=3000 + number))
    metrics.booked("POST", changed(RECORD, kind="session", status=101, provider="gemini"), Facts(1, close_code=4999))
    assert set(metrics.counters["requests"]) == {
        ("gemini", "other", "2xx", "other", "none"),
        ("gemini", "POST", "1xx", "other", "none"),
    }
    assert set(metrics.counters["live_closes"]) == {("gemini", "other", "ok")}
    assert len(metrics._names) == 1000
