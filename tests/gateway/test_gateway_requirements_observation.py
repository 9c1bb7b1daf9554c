"""What of OBS-1 to OBS-10 no other test holds."""

import asyncio
import json

import pytest
from gateway_stand import GENERATE, KEY, asked, client, gateway, request, usage
from upstream_double import Seen, Talk, answering, double, response

from understudy_gateway.metering import ExchangeMeter
from understudy_gateway.metrics import Metrics

ANSWER = json.dumps({"usageMetadata": usage(10, 20)}).encode()


@pytest.mark.parametrize("limits", [{}, {"max_budget": 10}], ids=["booked with others", "booked at once"])
@pytest.mark.parametrize(
    ("owner", "name", "said"),
    [(ExchangeMeter, "finish", "could not be booked"), (Metrics, "booked", "could not be counted")],
)
async def test_books_and_numbers_that_fail_do_not_touch_the_answer(monkeypatch, caplog, limits, owner, name, said):
    called = asyncio.Event()

    def fails(*args, **more):
        called.set()
        raise ZeroDivisionError

    keys = [{"id": "team", "key": KEY, **limits}]
    async with (
        double(answering(response(ANSWER))) as up,
        gateway(up.url, keys=keys) as running,
        client(running) as talk,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            for _ in range(2):  # on the same connection
                await talk.send(request())
                reply = await talk.reply()
                assert (reply.status, reply.body, reply.is_whole) == (200, ANSWER, True)
                await called.wait()
                called.clear()
        await talk.send(request())
        assert (await talk.reply()).status == 200
        while not any(record.status == 200 for record in running.spend.records):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert said in caplog.text  # OBS-6


async def test_readiness_is_a_503_while_the_gateway_drains():  # OBS-7, OBS-10
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        begun.set()
        await go_on.wait()
        await talk.send(response(b"{}"))

    def health(word: str) -> bytes:
        return request(f"/health/{word}", method="GET", body=None, key=None)

    async with double(script) as up:
        manager = gateway(up.url)
        running = await manager.__aenter__()
        async with client(running) as waiting, client(running) as asking, client(running) as another:
            await asking.send(health("readiness"))
            assert (await asking.reply()).status == 200
            await another.send(health("liveliness"))
            assert (await another.reply()).status == 200
            await waiting.send(request(GENERATE))
            await begun.wait()
            leaving = asyncio.create_task(manager.__aexit__(None, None, None))
            while not running._dispatcher.is_draining:  # noqa: ASYNC110 - an inner state
                await asyncio.sleep(0.001)
            await asking.send(health("readiness"))
            reply = await asking.reply()
            assert (reply.status, json.loads(reply.body)) == (503, {"status": "draining"})
            await another.send(health("liveliness"))
            assert (await another.reply()).status == 200
            go_on.set()
            assert (await waiting.reply()).status == 200
            await leaving


async def test_a_request_that_comes_while_the_gateway_drains_is_a_503():  # ERR-3
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        begun.set()
        await go_on.wait()
        await talk.send(response(b"{}"))

    async with double(script) as up:
        manager = gateway(up.url)
        running = await manager.__aenter__()
        async with client(running) as waiting, client(running) as late:
            await late.send(request("/health/liveliness", method="GET", body=None))
            await late.reply()
            await waiting.send(request(GENERATE))
            await begun.wait()
            leaving = asyncio.create_task(manager.__aexit__(None, None, None))
            while not running._dispatcher.is_draining:  # noqa: ASYNC110 - an inner state
                await asyncio.sleep(0.001)
            await late.send(request(GENERATE))
            reply = await late.reply()
            assert (reply.status, reply.reason, reply.value(b"connection")) == (503, "DRAINING", b"close")
            assert reply.value(b"retry-after")
            go_on.set()
            assert (await waiting.reply()).status == 200
            await leaving
        assert len(up.requests) == 1


async def test_an_id_is_new_for_each_request():  # OBS-1
    async with double() as up, gateway(up.url) as running:
        ids = {(await asked(running, request())).value(b"x-understudy-request-id") for _ in range(20)}
    assert len(ids) == 20
    assert None not in ids
