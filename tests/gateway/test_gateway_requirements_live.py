"""What of WS-1 to WS-18 no other test holds: whole sessions through a running gateway."""

import asyncio
import gc

import pytest
from gateway_stand import KEY, config_of, gateway
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from understudy_gateway.routes import Route
from understudy_gateway.routing import route
from understudy_gateway.splice import Side, Splice
from understudy_gateway.upgrade import _AnswerReader

LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

FROM_CLIENT = [
    '{"setup" : { "model":"models/m" ,  "generationConfig":{"temperature":1.0}} }',
    b'{ "clientContent" : {"turns":[{"text":"caf\\u00e9"}]} }',
    '{"toolResponse":{"functionResponses":[{"id":"1"}]}}',
    b"\xff\x00 no json",
    "",
    b"",
    '{"unknown":{"x":1E5}}',
]
FROM_PROVIDER = [
    b'{\n "setupComplete": {}\n}\n',
    '{"toolCall": {"functionCalls": [{"id":"1"}]}}',
    '{"toolCallCancellation":{"ids":["1"]}}',
    b'{"serverContent":{"interrupted" : true}}',
    b'{"goAway":{"timeLeft":"10s"}}',
    b'{"sessionResumptionUpdate":{"newHandle":"h","resumable":true}}',
    b'{"never":"heard of"}',
    b"",
]


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_every_message_of_the_protocol_passes_as_it_is(compression):  # WS-5, WS-6, WS-15
    async def provider(session):
        heard = [await session.recv() for _ in FROM_CLIENT]
        for message in FROM_PROVIDER:
            await session.send(message)
        await session.send("heard " + repr(heard))

    async with serve(provider, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with (
            gateway(f"http://127.0.0.1:{port}") as running,
            connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}", compression=compression) as session,
        ):
            for message in FROM_CLIENT:
                await session.send(message)
            assert [await session.recv() for _ in FROM_PROVIDER] == FROM_PROVIDER
            assert await session.recv() == "heard " + repr(FROM_CLIENT)


async def test_a_session_that_is_over_leaves_nothing_to_the_collector():  # PERF-4
    async def provider(session):
        async for message in session:
            await session.send(message)

    def ours() -> list[object]:
        return [one for one in gc.get_objects() if type(one) in (Splice, Side, _AnswerReader)]

    def left() -> list[object]:
        return [one for one in ours() if all(one is not other for other in before)]

    async with serve(provider, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as running:
            gc.collect()
            before = ours()  # of other tests
            gc.disable()
            try:
                for _ in range(3):
                    async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}") as session:
                        await session.send(FROM_CLIENT[0])
                        await session.recv()
                        assert left()
                async with asyncio.timeout(10):
                    while left():  # noqa: ASYNC110 - its end is nobody's event
                        await asyncio.sleep(0.01)
            finally:
                gc.enable()


async def test_pings_and_pongs_pass_with_their_payload():  # WS-10
    async def provider(session):
        await (await session.ping(b"from the provider"))
        await session.send("the client has answered")
        await session.wait_closed()

    async with serve(provider, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with (
            gateway(f"http://127.0.0.1:{port}") as running,
            connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}", ping_interval=None) as session,
        ):
            assert await session.recv() == "the client has answered"
            await (await session.ping(b"from the client"))


@pytest.mark.parametrize("name", ["project_id", "vertex_project", "location", "vertex_location", "model", "key"])
@pytest.mark.parametrize("path", [LIVE, "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"])
def test_what_a_live_query_chooses_by_ends_at_the_gateway(name, path):  # WS-2
    found = route(config_of("http://127.0.0.1:9"), "GET", f"{path}?a=1&{name}=europe-west4&b=%2F".encode())
    assert isinstance(found, Route)
    assert found.target == path.removeprefix("/gemini").encode() + b"?a=1&b=%2F"
