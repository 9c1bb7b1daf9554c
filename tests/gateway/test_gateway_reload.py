"""A configuration that is checked, and one that is read anew while the gateway runs."""

import asyncio
import json
import signal
from typing import Any

from gateway_process import MASTER, ask, process, written_config
from gateway_stand import KEY, Client, request
from test_gateway_limits import ANSWER
from upstream_double import Seen, Talk, double
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from command_line import understudy

NEW = "sk-a-new-key-0123456789"


async def reloaded(running, count: int, text: str = "the configuration was read anew") -> None:
    running.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(30):
        while running.said.count(text) < count:  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.02)


async def test_a_hangup_changes_keys_and_limits_and_drops_nothing(tmp_path):
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        if b"slow" in seen.target:
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            begun.set()
            await go_on.wait()
            await talk.send(b"cd")
        else:
            await talk.send(ANSWER)

    async with double(script) as up, process(tmp_path, up.url) as running:
        host, _, port = running.http.removeprefix("http://").partition(":")
        streams = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        slow, kept = (Client(*stream) for stream in streams)
        await slow.send(request("/gemini/v1beta/models/slow:generateContent"))
        await begun.wait()
        await kept.send(request())
        assert (await kept.reply()).status == 200
        keys = [{"id": "team", "key": KEY, "rpm_limit": 1}, {"id": "new", "key": NEW}]
        written_config(tmp_path, up.url, keys=keys)
        assert (await ask(running.http, request(key=NEW))).reason == "WRONG_KEY"
        await reloaded(running, 1)
        assert (await ask(running.http, request(key=NEW))).status == 200
        await kept.send(request())  # on the connection of before; the limit is new and counts from now on
        assert (await kept.reply()).status == 200
        await kept.send(request())
        assert (await kept.reply()).reason == "LIMIT_REACHED"
        go_on.set()
        assert (await slow.reply()).body == b"abcd"
        written_config(tmp_path, up.url, keys=[{"id": "new", "key": NEW}])
        await reloaded(running, 2)
        assert (await ask(running.http, request())).reason == "WRONG_KEY"
        for _, writer in streams:
            writer.close()
        assert await running.ended() == 0


async def test_a_hangup_changes_prices(tmp_path):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(ANSWER)

    def priced(rate: str) -> dict[str, Any]:
        prices = {"gemini/gemini-2.5-flash": {"input_cost_per_token": rate, "output_cost_per_token": "0"}}
        (tmp_path / "prices.json").write_text(json.dumps(prices))
        return {"price_book": str(tmp_path / "prices.json"), "response_cost_header": True}

    async with double(script) as up, process(tmp_path, up.url, **priced("1e-6")) as running:
        costs = []
        for number, rate in enumerate(("1e-6", "2e-6")):
            if number:
                written_config(tmp_path, up.url, **priced(rate))
                await reloaded(running, number)
            reply = await ask(running.http, request())
            costs.append(reply.value(b"x-litellm-response-cost"))
    assert costs == [b"0.001", b"0.002"]  # 1000 x 1e-6, 1000 x 2e-6


async def test_a_live_session_goes_on_through_a_hangup_and_is_closed_at_the_end(tmp_path):
    async def provider(session):
        async for message in session:
            await session.send(message)

    path = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    async with serve(provider, "127.0.0.1", 0) as server:  # its port is wanted
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with process(tmp_path, base) as running:  # noqa: SIM117 - its address is wanted
            async with connect(running.http.replace("http", "ws") + f"{path}?key={KEY}") as session:
                await session.send("one")
                assert await session.recv() == "one"
                await reloaded(running, 1)
                await session.send("two")
                assert await session.recv() == "two"
                assert await running.ended() == 0
                await session.wait_closed()
                assert session.close_code == 1001


async def test_a_mistake_leaves_the_old_configuration_and_is_told_with_its_line(tmp_path):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(ANSWER)

    async with double(script) as up, process(tmp_path, up.url) as running:
        for number, wrong in enumerate(({"keys": [{"id": "a", "key": "short"}]}, {"development": True}), 1):
            written_config(tmp_path, up.url, **wrong)
            await reloaded(running, number, "the old one stays")
            assert (await ask(running.http, request())).status == 200
        assert "understudy_settings.keys[0].key: the key is shorter" in running.said
        assert "understudy_settings.development: cannot be changed" in running.said
        assert KEY not in running.said
        assert MASTER not in running.said


def test_a_configuration_is_checked_without_a_server(tmp_path):
    document = {"general_settings": {"master_key": MASTER}, "understudy_settings": {"keys": []}, "litellm_settings": {}}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({**document, "callback_settings": {}}))
    told = understudy("gateway", "--config", str(config), "--check-config", home=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "callback_settings: has no effect here" in told.stdout
    assert told.stdout.splitlines()[-1] == f"{config}: good (1 keys, 0 models)"
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]
    config.write_text(json.dumps({**document, "understudy_settings": {"kyes": []}}))
    told = understudy("gateway", "--config", str(config), "--check-config", home=tmp_path)
    assert told.returncode == 2
    assert "unknown word (did you mean 'keys'?)" in told.stderr
    config.write_text(json.dumps({**document, "understudy_settings": {"price_book": "nowhere.json"}}))
    assert understudy("gateway", "--config", str(config), "--check-config", home=tmp_path).returncode == 2
