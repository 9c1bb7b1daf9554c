"""How many connections one process holds, and what becomes of those beyond (SEC-6, R-22, R-33)."""

import asyncio
from contextlib import AsyncExitStack

from gateway_stand import asked, client, gateway, request
from upstream_double import answering, double, response

from understudy_gateway.room import OWN_FILES, room_for

GOOD = answering(response(b"{}"))
HEALTH = b"GET /health/liveliness HTTP/1.1\r\nHost: x\r\n\r\n"
SURPLUS = 32
"""Connections beyond the limit that may wait for their 503."""


async def test_connections_beyond_the_limit_are_a_503_and_a_place_that_is_left_is_free():
    """SEC-6."""
    async with double(GOOD) as up, gateway(up.url, limits={"connections": 2}) as running, AsyncExitStack() as stack:
        two = [await stack.enter_async_context(client(running)) for _ in range(2)]
        for talk in two:
            await talk.send(request())
            assert (await talk.reply()).status == 200
        reply = await asked(running, request())
        assert (reply.status, reply.reason) == (503, "OVERLOADED")
        assert (reply.value(b"connection"), reply.value(b"retry-after")) == (b"close", b"1")
        assert (await asked(running, HEALTH)).status == 200
        two[0].leave()
        async with asyncio.timeout(10):
            while (await asked(running, request())).status != 200:  # noqa: ASYNC110 - another side
                await asyncio.sleep(0.01)


async def test_of_those_beyond_few_may_wait_for_their_503():
    """SEC-6: those beyond these are closed, so that who opens connections without end takes no more descriptors."""
    async with double(GOOD) as up, gateway(up.url, limits={"connections": 1}) as running, AsyncExitStack() as stack:
        first, *waiting = [await stack.enter_async_context(client(running)) for _ in range(1 + SURPLUS)]
        await first.send(request())
        assert (await first.reply()).status == 200
        async with client(running) as beyond, asyncio.timeout(10):
            try:
                await beyond.send(request())
                told = await beyond.reader.read()
            except ConnectionError:
                told = b""
            assert told == b""
        await waiting[0].send(request())
        assert (await asyncio.wait_for(waiting[0].reply(), 10)).status == 503


def test_room_follows_from_the_descriptors():
    """R-33: each connection may need another one to a provider."""
    rooms = [room_for(descriptors) for descriptors in (0, 64, 256, 1024, 20_000)]
    assert rooms == sorted(rooms)
    assert all(2 * room + OWN_FILES < many for room, many in zip(rooms[2:], (256, 1024, 20_000), strict=True))
