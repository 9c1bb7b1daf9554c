"""What of SEC-1 to SEC-9 and of the threats no other test holds: attacks on a running gateway by raw sockets."""

import asyncio
import json
import logging
import ssl
from pathlib import Path

import pytest
import trustme
from gateway_stand import BOOK, GENERATE, KEY, asked, client, config_of, gateway, request
from test_gateway_credentials import TOKEN, VERTEX, key_file, vertex_config
from upstream_double import Seen, Talk, answering, double, response

from understudy_gateway.app import Gateway
from understudy_gateway.listeners import Listen

# --- whom a request leads to -----------------------------------------------------------------------------------------


async def test_nothing_that_a_client_sends_leads_to_another_host():  # SEC-2, S-26, S-28, S-31
    async with double() as canary, double() as up, gateway(up.url) as running:
        host = canary.url.removeprefix("http://")
        fields = [
            *(("X-Forwarded-Host", host), ("Forwarded", f"host={host}"), ("X-Original-URL", canary.url)),
            *(("X-Rewrite-URL", canary.url), ("X-HTTP-Method-Override", "DELETE"), ("x-litellm-api-base", canary.url)),
            *(("X-Proxy-URL", canary.url), ("api-base", canary.url), ("base-url", canary.url)),
        ]
        body = json.dumps(dict.fromkeys(("api_base", "base_url", "uri", "fileUri", "proxy", "host"), canary.url))
        query = "".join(f"&{name}={canary.url}" for name in ("api_base", "host", "url", "target", "proxy"))
        targets = [
            f"{GENERATE}?a=1{query}",
            *(
                f"/gemini{rest}"
                for rest in (f"//{host}/x", f"/{canary.url}", f"/@{host}", f"/\\\\{host}/x", f"/%2F%2F{host}")
            ),
        ]
        for target in targets:
            await asked(running, request(target, headers=fields, body=body.encode()))
        for target in (f"{canary.url}/gemini/v1/x", f"/gemini@{host}/x", f"/gemini.{host}/x"):
            assert (await asked(running, request(target, headers=fields))).status in (400, 404)
        await asked(running, request().replace(b"Host: gateway.example", b"Host: " + host.encode()))
        assert (canary.connections, len(up.requests)) == (0, len(targets) + 1)
        assert {tuple(seen.values(b"host")) for seen in up.requests} == {(up.url.removeprefix("http://").encode(),)}
        assert {seen.request_line.split(b" ")[0] for seen in up.requests} == {b"POST"}


async def test_connections_of_one_provider_carry_nothing_to_another():  # SEC-5
    async with double(answering(response(b"one"))) as one, double(answering(response(b"other"))) as other:
        environ = {
            "GEMINI_API_KEY": "k",
            "GEMINI_API_BASE": one.url,
            "VERTEXAI_API_BASE": other.url,
            "VERTEX_API_KEY": "v",
        }
        from understudy_gateway.config import parse_config

        config = parse_config({"understudy_settings": {"keys": [{"id": "team", "key": KEY}]}}, environ)
        async with gateway("", config=config) as running:
            for _ in range(2):
                assert (await asked(running, request())).body == b"one"
                assert (await asked(running, request(VERTEX))).body == b"other"
        assert (len(one.requests), len(other.requests)) == (2, 2)
        assert (one.connections, other.connections) == (1, 1)
        assert {tuple(seen.values(b"x-goog-api-key")) for seen in other.requests} == {(b"v",)}


async def test_proxies_of_the_environment_are_not_used(monkeypatch, tmp_path: Path):  # S-33
    async with double() as canary, double(answering(response(TOKEN))) as endpoint, double() as up:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, canary.url)
            monkeypatch.setenv(name.lower(), canary.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        config = vertex_config(up.url, key_file(f"{endpoint.url}/token"))
        async with gateway("", config=config) as running:
            assert (await asked(running, request(VERTEX))).status == 200
        assert (canary.connections, len(endpoint.requests), len(up.requests)) == (0, 1, 1)
        assert endpoint.requests[0].values(b"authorization") == []


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path):  # SEC-3, S-35
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("elsewhere.example").configure_cert(server)
    async with double(tls=server) as up:
        async with gateway(up.url.replace("http", "https"), upstream_ca=str(tmp_path / "ca.pem")) as running:
            reply = await asked(running, request())
        assert (reply.status, reply.reason, up.requests) == (502, "UNREACHABLE", [])


# --- what can grow ---------------------------------------------------------------------------------------------------


async def test_a_body_in_tiny_chunks_goes_on_in_few_pieces():  # S-47
    count = 50_000
    sizes: list[int] = []

    async def script(talk: Talk, seen: Seen) -> None:
        while size := int(await talk.reader.readuntil(b"\r\n"), 16):
            sizes.append(size)
            await talk.reader.readexactly(size + 2)
        await talk.reader.readuntil(b"\r\n")
        await talk.send(response(b"{}"))

    async with double(script, reads_body=False) as up, gateway(up.url) as running:
        head = request(headers={"Transfer-Encoding": "chunked"}, body=None)
        assert (await asked(running, head + b"1\r\nx\r\n" * count + b"0\r\n\r\n")).status == 200
    assert sum(sizes) == count
    assert len(sizes) < count / 50


async def test_requests_that_are_sent_ahead_are_not_read_without_end():  # S-54
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        begun.set()
        await go_on.wait()
        await talk.send(response(b"{}"))

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request())
        await begun.wait()
        batch = request(headers={"x-pad": "x" * 4000}) * 256  # 1 MiB and a bit
        taken = 0
        try:
            while taken < 64:
                talk.writer.write(batch)
                async with asyncio.timeout(2):
                    await talk.writer.drain()
                taken += 1
        except TimeoutError:
            pass  # it reads no more
        assert taken < 40
        assert len(up.requests) == 1
        talk.leave()
        go_on.set()
        assert (await asked(running, request())).status == 200


BAD = [
    b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
    b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS to the plain port\r\n\r\n",
    request(key=None),
    request(key="sk-wrong-0123456789"),
    request("/nowhere"),
    request("/gemini/../x"),
    request(headers={"Cookie": "; ".join(f"{chr(40 + n)}[={n}" for n in range(60))}, key=None),
]


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
async def test_a_request_makes_one_line_however_bad_it_is(data, caplog):  # S-55, S-67
    caplog.set_level(logging.INFO)
    async with double() as up, gateway(up.url) as running:
        caplog.clear()  # what is said at the start
        await asked(running, data)
        assert (await asked(running, request())).status == 200
        while len(running.spend.records) < 1:  # noqa: ASYNC110 - records come after the answer
            await asyncio.sleep(0.001)
    assert len(caplog.messages) == 2
    assert all("\n" not in message for message in caplog.messages)


# --- the admin port --------------------------------------------------------------------------------------------------


async def test_the_admin_port_stays_on_loopback():  # S-62
    async with Gateway(config_of("http://127.0.0.1:9"), Listen("0.0.0.0", admin_port=0), book=BOOK) as running:
        assert str(running.admin_url)
        found = {
            str(site._server.sockets[0].getsockname()[0])  # pyright: ignore
            for runner in running._listeners._runners
            for site in runner.sites
        }
    assert found == {"0.0.0.0", "127.0.0.1"}
