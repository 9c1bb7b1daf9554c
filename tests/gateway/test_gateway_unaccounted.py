"""`accounting: false`: everything passes as always, limits hold, lines and numbers are there; no usage, no records."""

import asyncio
import json
import logging

import pytest
from gateway_stand import KEY, asked, config_of, gateway, request, usage
from test_gateway_app import LIVE
from upstream_double import answering, double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from understudy.errors import ConfigError
from understudy_gateway.config import parse_config
from understudy_gateway.unaccounted import NO_ACCOUNTS

BODY = json.dumps({"usageMetadata": usage(10, 20)}).encode()


def exchange_lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "understudy_gateway.journal"]


async def recorded_line(caplog) -> None:
    """Until the exchange has its line."""
    async with asyncio.timeout(10):
        while not exchange_lines(caplog):  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("accounting", "count"), [(True, 1), (False, 0)])
async def test_an_exchange_is_logged_and_counted_and_not_booked_without_accounts(caplog, accounting, count):
    """OBS-4, OBS-5: a line for every exchange, whether or not somebody wants to know its cost."""
    with caplog.at_level(logging.INFO):
        async with double(answering(response(BODY))) as up, gateway(up.url, accounting=accounting) as running:
            reply = await asked(running, request())
            await recorded_line(caplog)
            counters = running._metrics.snapshot()["counters"]
        # The end of the gateway books what waited.
        assert (reply.status, reply.body) == (200, BODY)
        assert len(running.spend.records) == count
        (line,) = map(json.loads, exchange_lines(caplog))
    assert (line["status"], line["outcome"], line["bytes_out"]) == (200, "ok", len(BODY))
    assert line["first_byte_ms"] is not None
    told = (line["usage"] is not None, line["known"], line["reason"])
    assert told == ((True, "exact", None) if accounting else (False, "unknown", NO_ACCOUNTS))
    assert [value for *labels, value in counters["requests"]] == [1]


async def test_a_session_is_logged_and_not_booked_without_accounts(caplog):
    async def provider(session):
        async for message in session:
            await session.send(message)

    with caplog.at_level(logging.INFO):
        async with serve(provider, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with gateway(f"http://127.0.0.1:{port}", accounting=False) as running:
                url = running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}"
                async with connect(url) as session:
                    await session.send('{"setup":{"model":"models/gemini-2.5-flash"}}')
                    assert await session.recv() == '{"setup":{"model":"models/gemini-2.5-flash"}}'
        assert not running.spend.records
        (line,) = map(json.loads, exchange_lines(caplog))
    assert (line["status"], line["model"], line["reason"]) == (101, None, NO_ACCOUNTS)
    assert line["bytes_in"] == line["bytes_out"] > 0


async def test_a_video_that_is_started_and_polled_leaves_nothing_behind_without_accounts():
    name = "models/veo-3.1-generate-preview/operations/one"
    body = json.dumps({"name": name, "done": True, "response": {}}).encode()
    start = "/gemini/v1beta/models/veo-3.1-generate-preview:predictLongRunning"
    async with double(answering(response(body))) as up, gateway(up.url, accounting=False) as running:
        assert (await asked(running, request(start))).status == 200
        assert (await asked(running, request(f"/gemini/v1beta/{name}", method="GET", body=None))).status == 200
    assert not running.spend.records


async def test_a_limit_that_needs_no_accounts_holds_and_is_given_back():
    keys = [{"id": "team", "key": KEY, "rpm_limit": 3, "max_parallel_requests": 1}]
    async with double(answering(response(BODY))) as up, gateway(up.url, accounting=False, keys=keys) as running:
        assert [(await asked(running, request())).status for _ in range(4)] == [200, 200, 200, 429]


async def test_who_is_refused_still_has_a_line(caplog):
    with caplog.at_level(logging.INFO):
        async with double() as up, gateway(up.url, accounting=False) as running:
            assert (await asked(running, request(key=None))).status == 401
    assert len(exchange_lines(caplog)) == 1


def settings_of(**ours):
    return {"understudy_settings": {"keys": [{"id": "team", "key": KEY}], "accounting": False, **ours}}


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({"keys": [{"id": "team", "key": KEY, "max_budget": 1}]}, "max_budget of the key 'team'"),
        ({"keys": [{"id": "team", "key": KEY, "tpm_limit": 1}]}, "tpm_limit of the key 'team'"),
        ({"response_cost_header": True}, "response_cost_header"),
        ({"key_spend_header": True}, "key_spend_header"),
    ],
)
def test_what_needs_the_accounts_is_a_mistake_without_them(more, needs):
    with pytest.raises(ConfigError, match=rf"understudy_settings\.accounting: false, and {needs} needs the accounts"):
        parse_config(settings_of(**more), {})


def test_a_limit_of_a_models_tokens_needs_them_too():
    model = {"litellm_params": {"model": "gemini/m", "api_key": "AIza", "tpm": 5}}
    with pytest.raises(ConfigError, match="tpm of the model 'm' needs the accounts"):
        parse_config({**settings_of(), "model_list": [model]}, {})


def test_accounts_are_kept_unless_somebody_says_otherwise_and_then_a_notice_says_what_is_missing():
    assert config_of("http://127.0.0.1:1").accounting
    assert config_of("http://127.0.0.1:1", accounting=True).accounting
    config = config_of("http://127.0.0.1:1", accounting=False)
    assert not config.accounting
    assert any("understudy_settings.accounting: no usage is read" in notice for notice in config.notices)
