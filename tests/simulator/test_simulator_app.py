"""The simulator as a whole: ports, TLS, armed scenarios, the terminal line, the end."""

import asyncio
import logging
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from simulator_rig import FLASH, HELLO, KEY, account, ask, read_answer, scenario, simulator, until

from understudy.errors import ConfigError
from understudy.messages import Exchange, Origin, Request, Response
from understudy_simulator.app import Simulator
from understudy_simulator.exchange_log import exchange_line
from understudy_simulator.settings import SimulatorSettings


async def test_http_and_https_are_one_simulator():
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with simulator(tls=server, tls_port=0, strict=True) as running:
        running.stage.arm(scenario([{"reply": {"json": {"n": 1}}}, {"reply": {"json": {"n": 2}}}]))
        assert running.https_url is not None and running.https_url.startswith("https://127.0.0.1:")
        async with aiohttp.ClientSession() as session:
            for url in (running.http_url, running.https_url):
                target = f"{url}{FLASH}:generateContent"
                async with session.post(target, json=HELLO, headers=dict([KEY]), ssl=client) as answer:
                    assert answer.status == 200
        assert [exchange.origin.scenario for exchange in running.stage.recorder.transcript().exchanges] == [
            "test/one",
            "test/one",
        ]


async def test_scenarios_given_at_the_start_answer_everywhere_and_without_end():
    async with simulator(scenarios=[scenario([{"reply": {"json": {}}}])], strict=True) as running:
        for prefix in ("", "", "/~a", "/~b"):
            answer = await ask(running.http_url, "POST", f"{prefix}{FLASH}:generateContent", KEY, body=HELLO)
            assert answer.status == 200


async def test_a_port_in_use_is_one_clear_error_and_leaves_nothing_open():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            async with Simulator(SimulatorSettings(port=0, admin_port=port), service_account=account()):
                pass
        assert str(caught.value) == (
            f"simulator: --admin-port {port}: cannot listen on 127.0.0.1: address already in use; choose another port"
        )
        with pytest.raises(ConfigError, match="--port 70000"):
            async with Simulator(SimulatorSettings(port=70000, admin_port=0), service_account=account()):
                pass


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("no..host", "simulator: --host no..host: there is no such host"),
        ("192.0.2.1", "simulator: --host 192.0.2.1: is not an address of this machine"),
    ],
)
async def test_a_host_that_cannot_be_is_told_by_its_own_option(host, told):
    with pytest.raises(ConfigError) as caught:
        async with Simulator(SimulatorSettings(host=host, port=0, admin_port=0), service_account=account()):
            pass
    assert str(caught.value) == told


def test_a_tls_port_needs_a_certificate():
    with pytest.raises(ConfigError, match="certificate"):
        Simulator(SimulatorSettings(tls_port=0), service_account=account())


async def test_it_ends_while_an_answer_is_under_way():
    script = [{"stream": {"chunks": [{"json": 1}, {"pause": "60m"}, {"json": 2}]}}]
    target = f"{FLASH}:streamGenerateContent?alt=sse"
    async with asyncio.timeout(30):
        async with simulator(speed=1.0) as running:
            running.stage.arm(scenario([script[0]]))
            asking = asyncio.create_task(ask(running.http_url, "POST", target, KEY, body=HELLO))
            transcript = running.stage.recorder.transcript
            await until(lambda: any(seen.response and seen.response.chunks for seen in transcript().exchanges))
        answer = await asking
    assert answer.body == b"data: 1\r\n\r\n"
    assert not answer.complete


async def test_the_line_names_the_word_that_did_not_fit_and_not_what_was_said(caplog):
    caplog.set_level(logging.INFO, "understudy_simulator")
    armed = scenario([{"reply": {"json": {}}}], match={"last_text": "bye"})
    async with simulator(scenarios=[armed], strict=True) as running:
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
    assert "test/one: last_text: wanted 'bye', found \"hello\"" in answer.json["error"]["message"]
    assert "(nearest: test/one: last_text: wanted 'bye', found another text)" in caplog.text


async def test_every_exchange_has_one_line_without_its_secrets(caplog):
    caplog.set_level(logging.INFO, "understudy_simulator")
    async with simulator() as running:
        running.stage.arm(scenario([{"reply": {"status": 429, "json": {}}}]), scope="s")
        await ask(running.http_url, "POST", f"/~s{FLASH}:generateContent?key=AIza-secret", body=HELLO)
        await ask(running.http_url, "POST", f"/~s{FLASH}:generateContent?%6Bey=AIza-secret", body=HELLO)
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"POST {FLASH}:generateContent?key=*** [s] test/one 429 ")
    assert first.endswith(" ms")
    assert "no scenario (nearest: test/one: call: " in second
    assert "AIza-secret" not in caplog.text


@pytest.mark.parametrize("is_admin", [False, True])
async def test_a_request_that_is_no_http_is_one_line_without_its_bytes(is_admin, caplog):
    async with simulator() as running:
        url = urlsplit(running.admin_url if is_admin else running.http_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nx-goog-api-key: AIza-se\x00cret\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 20)).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
        writer.close()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("a request that is no HTTP was refused")
    assert "AIza" not in caplog.text and "Traceback" not in caplog.text


async def test_a_client_that_speaks_tls_to_the_plain_port_is_told_of_the_other(caplog):
    async with simulator() as running:
        url = urlsplit(running.http_url)
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection(url.hostname, url.port, ssl=ssl.create_default_context())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("a client spoke TLS to the port without it; give it the https address")


async def test_a_client_that_leaves_the_control_api_is_one_line(caplog):
    async with simulator() as running:
        url = urlsplit(running.admin_url)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(b"POST /__understudy__/v1/play HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()
        writer.close()
        await until(lambda: caplog.records)
    assert [record.getMessage() for record in caplog.records] == ["a client left before its request was whole"]
    assert "Traceback" not in caplog.text


def test_the_line_cannot_be_forged():
    request = Request("GET", "/\x1b[31m\n\u2028x", ())
    exchange = Exchange(1, request, Response(200, ()), 0.0, 0.1, "a\nb", Origin(misses=("x\r\n\x00",)))
    line = exchange_line(exchange)
    assert line.isprintable()
    assert line.count("GET") == 1


async def test_a_client_that_expects_100_continue_is_told_to_go_on():
    async with simulator() as running:
        host, _, port = running.http_url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST {FLASH}:countTokens?key=k HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        async with asyncio.timeout(10):
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            await reader.readline()
            writer.write(b"{}")
            assert (await reader.readline()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
        writer.close()
        await writer.wait_closed()


async def test_a_connection_serves_many_requests():
    async with simulator() as running:
        host, _, port = running.http_url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(3):
            head = f"POST {FLASH}:countTokens?key=k HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
            writer.write(head.encode())
            assert (await read_answer(reader)).status == 400
        writer.close()
        await writer.wait_closed()
