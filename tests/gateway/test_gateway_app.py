import asyncio
import json
import logging
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import trustme
from gateway_stand import BOOK, GENERATE, KEY, UPSTREAM_KEY, asked, client, config_of, gateway, recorded, request, usage
from upstream_double import Seen, Talk, answering, double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from understudy.errors import ConfigError
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.listeners import Listen


async def test_health_needs_no_key_and_no_provider():
    async with gateway("http://127.0.0.1:9") as running:
        for path in ("/health/liveliness", "/health/liveness", "/health/readiness"):
            reply = await asked(running, request(path, method="GET", body=None, key=None))
            assert (reply.status, json.loads(reply.body)) == (200, {"status": "ok"})
        assert not running.spend.records


async def test_every_answer_has_an_id_and_a_safe_one_of_the_client_is_kept():
    async with double() as up, gateway(up.url) as running:
        for given, kept in (("my-id.1", True), ("bad id", False), ("x" * 129, False)):
            reply = await asked(running, request(headers={"x-litellm-call-id": given}))
            value = (reply.value(b"x-litellm-call-id") or b"").decode()
            assert (value == given, (reply.value(b"x-understudy-request-id") or b"").decode()) == (kept, value)
        refused = await asked(running, request(key=None))
        assert refused.value(b"x-litellm-call-id")
        assert not up.requests[0].values(b"x-litellm-call-id")
        assert next(iter(await recorded(running, 3))).id == "my-id.1"


@pytest.mark.parametrize("key", [KEY, None])
async def test_a_request_id_that_shows_a_key_is_not_taken_over(key, caplog):
    caplog.set_level(logging.INFO)
    async with double() as up, gateway(up.url) as running:
        reply = await asked(running, request(headers={"x-litellm-call-id": f"id-{KEY}"}, key=key))
        assert reply.value(b"x-litellm-call-id")
        assert KEY not in str(running.spend.records) + caplog.text + reply.head.decode()


KEY_PLACES = [
    {"headers": {"Authorization": f"Bearer {KEY}"}, "key": None},
    {"headers": {"x-litellm-api-key": KEY}, "key": None},
    {"headers": {"X-Goog-Api-Key": KEY}, "key": None},
    {"target": f"{GENERATE}?alt=sse&key={KEY}", "key": None},
    {"headers": {"api-key": KEY, "x-api-key": KEY, "ocp-apim-subscription-key": KEY, "Proxy-Authorization": KEY}},
]


@pytest.mark.parametrize("place", KEY_PLACES, ids=range(len(KEY_PLACES)))
async def test_the_gateway_key_lets_in_and_never_goes_upstream(place):
    async with double() as up, gateway(up.url) as running:
        assert (await asked(running, request(**place))).status == 200
        (seen,) = up.requests
    assert KEY.encode() not in seen.head
    assert (seen.values(b"x-goog-api-key"), seen.values(b"authorization")) == ([UPSTREAM_KEY.encode()], [])
    assert b"key" not in seen.target


@pytest.mark.parametrize(
    "place",
    [
        {"headers": {"x-trace": f"a{KEY}b"}},
        {"target": f"{GENERATE}?note={KEY}"},
        {"target": GENERATE.replace("gemini-2.5-flash", KEY)},
        {"headers": {"Cookie": f"k={KEY}"}},
        {"target": "/gemini/v1beta/models/" + "".join(f"%{ord(letter):02x}" for letter in KEY) + ":generateContent"},
    ],
)
async def test_a_key_in_another_place_is_refused_before_the_provider_hears_of_it(place, caplog):
    caplog.set_level(logging.INFO)
    async with double() as up, gateway(up.url) as running:
        reply = await asked(running, request(**place))
        assert KEY not in str(running.spend.records) + caplog.text
        assert (reply.status, reply.reason, up.connections) == (400, "KEY_ELSEWHERE", 0)
        assert KEY.encode() not in reply.head + reply.body


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"key": None}, "NO_KEY"),
        ({"key": "sk-wrong-0123456789"}, "WRONG_KEY"),
        ({"key": ""}, "NO_KEY"),
    ],
)
async def test_a_missing_or_wrong_key_is_a_401_before_the_body_is_read(place, reason):
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(body=b"x" * 1000, **place).removesuffix(b"x" * 999))
        reply = await talk.reply()
        assert (reply.status, reply.reason, up.connections) == (401, reason, 0)
        assert reply.value(b"www-authenticate") == b"Bearer"
        assert json.loads(reply.body)["error"]["status"] == "UNAUTHENTICATED"
        assert not running.spend.records


async def test_the_base_url_trap_is_named_even_without_a_key():
    async with gateway("http://127.0.0.1:9") as running:
        reply = await asked(running, request("/vertex_ai", key=None))
        assert (reply.status, reply.reason) == (400, "BASE_URL_TRAP")
        root = await asked(running, request("/", key=None))
        assert (root.status, b"/vertex_ai/" in root.body) == (404, True)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_trace_and_connect_are_405(method):
    async with gateway("http://127.0.0.1:9") as running:
        target = "example.com:443" if method == "CONNECT" else "/gemini/v1/x"
        reply = await asked(running, request(target, method=method, body=None))
        assert (reply.status, reply.value(b"allow") is not None) == (405, True)


HOSTILE = [
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nx-goog-api-key : " + KEY.encode() + b"\r\n\r\n", 400),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400),
    (b"GET /gemini/v1 " + KEY.encode() + b" HTTP/9.9\r\n\r\n", 400),
    (b"GET /gemini/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    (b"GET /gemini/v1 HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(250)) + b"\r\n", 431),
]


@pytest.mark.parametrize(("data", "status"), HOSTILE, ids=range(len(HOSTILE)))
async def test_what_cannot_be_read_is_refused_in_our_words_without_echo(data, status, caplog):
    caplog.set_level(logging.INFO)
    async with double() as up, gateway(up.url) as running:
        reply = await asked(running, data)
        assert (reply.status, up.connections) == (status, 0)
        assert reply.value(b"x-understudy-error") in (b"BAD_REQUEST", b"HEAD_TOO_LARGE")
        assert reply.value(b"connection") == b"close"
        assert json.loads(reply.body)["error"]["code"] == status
        assert (await asked(running, request())).status == 200
    assert KEY.encode() not in reply.head + reply.body
    assert KEY not in caplog.text


async def test_a_field_has_a_limit_of_its_own_beside_that_of_the_head():
    """S-44: by default both are the same, and the head's would hide that of the field."""
    async with double() as up, gateway(up.url, limits={"header_field_bytes": 1000}) as running:
        assert (await asked(running, request(headers={"a": "b" * 900}))).status == 200
        reply = await asked(running, request(headers={"a": "b" * 2000}))
        assert (reply.status, reply.reason) == (431, "HEAD_TOO_LARGE")


def exchange_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged but for what the gateway says of itself at its start."""
    return [record.getMessage() for record in caplog.records if record.name != "understudy_gateway.app"]


async def test_one_line_is_logged_for_each_exchange_and_no_secret_in_it(caplog):
    caplog.set_level(logging.INFO)
    body = json.dumps({"usageMetadata": usage(10, 20), "text": "PROMPT"}).encode()
    async with double(answering(response(body))) as up, gateway(up.url) as running:
        await asked(running, request(f"{GENERATE}?key={KEY}&q=QUERY", body=b"PROMPT", headers={"x": "HEADER"}))
        await recorded(running)
    (line,) = [json.loads(message) for message in exchange_lines(caplog)]
    assert (line["key_id"], line["route"], line["model"], line["status"]) == ("team", "gemini", "gemini-2.5-flash", 200)
    assert (line["cost"], line["known"], line["outcome"]) == ("0.000053", "exact", "ok")
    # OBS-5: sizes and times beside them
    assert (line["bytes_in"], line["bytes_out"]) == (6, len(body))
    assert 0 <= line["first_byte_ms"] <= line["ms"]
    assert not any(word in caplog.text for word in (KEY, UPSTREAM_KEY, "PROMPT", "QUERY", "HEADER"))


async def test_failures_carry_model_and_provider_as_well(caplog):
    # OBS-5: what the provider refused, what never reached it, and what a limit kept back.
    caplog.set_level(logging.INFO)
    keys = [{"id": "team", "key": KEY, "rpm_limit": 2}]
    async with double() as gone:
        closed = gone.url
    busy = answering(response(b"{}", status=b"429 No"))
    async with double(busy) as up, gateway(up.url, keys=keys) as running:
        await asked(running, request())
        await running.reload(config_of(closed, keys=keys), running._books.book)
        await asked(running, request())
        await asked(running, request())
        await recorded(running, 2)
    lines = [line for message in caplog.messages if message.startswith("{") and (line := json.loads(message))]
    found = [(line["status"], line["outcome"], line["provider"], line["model"], line["route"]) for line in lines]
    where = ("gemini", "gemini-2.5-flash", "gemini")
    expected = [(429, "ok", *where), (502, "upstream_abort", *where), (429, "rejected", *where)]
    assert found == expected
    assert [line["reason"] for line in lines][1:] == ["The provider cannot be reached.", "LIMIT_REACHED"]
    assert all("ms" in line for line in lines)


async def test_a_line_is_ascii_whatever_is_in_it(caplog):
    caplog.set_level(logging.INFO)
    keys = [{"id": "team", "key": KEY, "tags": ["caf\u00e9 \u202e\x85"]}]
    async with double() as up, gateway(up.url, keys=keys) as running:
        await asked(running, request())
        await recorded(running)
    (message,) = exchange_lines(caplog)
    assert message.isascii()
    assert json.loads(message)["tags"] == ["caf\u00e9 \u202e\x85"]


async def test_targets_are_remembered_within_bounds():
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        for number in range(3):
            for target in (GENERATE, GENERATE + "?pad=" + "x" * 600, f"{GENERATE}?number={number}"):
                # The head differs each time, or it would be known whole.
                await talk.send(request(target, headers={"x-number": str(number)}))
                assert (await talk.reply()).status == 200
        known = running._dispatcher.serving._known_route.cache_info()
    assert (known.currsize, known.hits) == (4, 2)
    assert known.maxsize is not None
    assert known.maxsize <= 1024
    assert [len(seen.target) > 600 for seen in up.requests] == [False, True, False] * 3


async def test_a_fault_of_our_own_is_a_500_without_detail(monkeypatch, caplog):
    async def fails(*args, **options):
        raise ZeroDivisionError("secret detail")

    async with double() as up, gateway(up.url) as running:
        monkeypatch.setattr(running._dispatcher.serving.http, "serve", fails)
        reply = await asked(running, request())
        assert (reply.status, reply.reason, b"secret" in reply.body) == (500, "INTERNAL", False)
    assert "secret detail" in caplog.text


async def test_development_accepts_any_key_but_only_on_loopback():
    config = parse_config({"understudy_settings": {"development": True}}, {"GEMINI_API_KEY": "k"})
    with pytest.raises(ConfigError, match=r"understudy_settings\.development: .*loopback"):
        Gateway(config, Listen("0.0.0.0"), book=BOOK)
    async with double() as up:
        config = parse_config(
            {"understudy_settings": {"development": True}}, {"GEMINI_API_KEY": "k", "GEMINI_API_BASE": up.url}
        )
        async with gateway("", config=config) as running:
            assert (await asked(running, request(key="anything"))).status == 200
            assert (await asked(running, request(key=None))).status == 401


async def test_a_taken_port_is_an_os_error_that_names_the_address():
    async with gateway("http://127.0.0.1:9") as running:
        port = int(running.http_url.rpartition(":")[2])
        with pytest.raises(OSError, match=rf"\('127\.0\.0\.1', {port}\)"):
            async with Gateway(config_of("http://127.0.0.1:9"), Listen(port=port), book=BOOK):
                pass


async def test_the_admin_port_serves_health_and_no_traffic():
    async with double() as up:
        async with Gateway(config_of(up.url), Listen(admin_port=0), book=BOOK) as running:
            port = int(str(running.admin_url).rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request())
            assert b" 404 " in await reader.readline()
            writer.close()
        assert not up.requests


# --- TLS -------------------------------------------------------------------------------------------------------------


async def test_clients_and_providers_are_reached_by_tls(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"by tls"))

    provider = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    base = f"https://127.0.0.1:{provider.sockets[0].getsockname()[1]}"
    try:
        config = config_of(base, upstream_ca=str(tmp_path / "ca.pem"))
        async with Gateway(config, Listen(tls_port=0), book=BOOK, tls=server) as running:
            port = int(str(running.https_url).rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            writer.write(request())
            assert (await reader.readuntil(b"by tls")).startswith(b"HTTP/1.1 200")
            writer.close()
        async with gateway(base) as running:  # without the CA: not trusted
            assert (await asked(running, request())).reason == "UNREACHABLE"
    finally:
        provider.close()


def test_a_ca_file_without_certificates_is_one_clear_line(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"upstream_ca: .*ca\.pem holds no certificates"):
        Gateway(config_of("https://127.0.0.1", upstream_ca=str(tmp_path / "ca.pem")), Listen(), book=BOOK)


# --- the drain -------------------------------------------------------------------------------------------------------


async def test_the_drain_lets_a_stream_end_and_writes_the_records(tmp_path):
    may_go_on, begun = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        begun.set()
        await may_go_on.wait()
        await talk.send(b"cd")

    async with double(script) as up:
        manager = gateway(up.url, spend_path=tmp_path / "spend")
        running = await manager.__aenter__()
        async with client(running) as talk, client(running) as other:
            await talk.send(request())
            await begun.wait()
            await other.send(request(key=None))
            await other.reply()
            leaving = asyncio.create_task(manager.__aexit__(None, None, None))
            while not running._dispatcher.is_draining:  # noqa: ASYNC110 - an inner state
                await asyncio.sleep(0)
            await other.send(request("/health/readiness", method="GET", body=None))
            assert (await other.reply()).status == 503
            await other.send(request())
            late = await other.reply()
            assert (late.status, late.reason, late.value(b"connection")) == (503, "DRAINING", b"close")
            may_go_on.set()
            assert (await talk.reply()).body == b"abcd"
            await leaving
    (line,) = (tmp_path / "spend").read_text().splitlines()
    assert json.loads(line)["outcome"] == "ok"


async def test_at_the_end_of_the_drain_a_stream_is_broken_off_not_ended():
    begun = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        begun.set()
        await talk.left()

    async with double(script) as up:
        manager = gateway(up.url, timeouts={"drain_s": 0.05})
        running = await manager.__aenter__()
        async with client(running) as talk:
            await talk.send(request())
            await begun.wait()
            await manager.__aexit__(None, None, None)
            reply = await talk.reply()
        await up.gone.wait()
    assert (reply.body, reply.is_whole) == (b"a", False)
    assert [(record.outcome, record.reason) for record in running.spend.records] == [("timeout", "the gateway ended")]


# --- Live ------------------------------------------------------------------------------------------------------------


def close_of(closed: ConnectionClosed) -> tuple[int, str]:
    assert closed.rcvd is not None
    return closed.rcvd.code, closed.rcvd.reason


LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


async def test_a_live_session_is_relayed_booked_and_hides_the_key():
    heads = []

    async def provider(session):
        heads.append(session.request)
        async for message in session:
            await session.send(message)
            await session.send('{"usageMetadata":{"promptTokenCount":10,"responseTokenCount":4}}')
            await session.close(1000, "done")

    async with serve(provider, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as running:
            url = running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}"
            async with connect(url) as session:
                await session.send('{"setup":{"model":"models/gemini-2.5-flash"}}')
                assert await session.recv() == '{"setup":{"model":"models/gemini-2.5-flash"}}'
                await session.recv()
                with pytest.raises(ConnectionClosed) as closed:
                    await session.recv()
                assert session.response is not None
                identity = session.response.headers["x-litellm-call-id"]
            (record,) = await recorded(running)
    assert close_of(closed.value) == (1000, "done")
    assert heads[0].path == LIVE.removeprefix("/gemini")
    assert heads[0].headers["x-goog-api-key"] == UPSTREAM_KEY
    assert KEY not in str(heads[0].headers)
    assert (record.id, record.route, record.status, record.outcome) == (identity, "gemini-live", 101, "ok")
    assert str(record.cost) == "0.0000130"


async def test_a_refused_handshake_reaches_the_client_as_it_is():
    async def refuse(connection, request_):
        return connection.respond(429, "slow down\n")

    async with serve(lambda session: session.wait_closed(), "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as running:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}"):
                    pass
            (record,) = await recorded(running)
    assert (refused.value.response.status_code, refused.value.response.body) == (429, b"slow down\n")
    assert (record.status, record.outcome, record.cost) == (429, "rejected", 0)
    assert record.reason == "the provider refused the session with HTTP 429"


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_a_live_client_that_leaves_during_the_dial_had_no_session(caplog):
    begun = asyncio.Event()

    async def silent(talk, seen):
        begun.set()
        await talk.left()

    with caplog.at_level("INFO"):
        async with double(silent) as up, gateway(up.url) as running:
            async with client(running) as talk:
                await talk.send(request(LIVE, method="GET", headers=HANDSHAKE, body=None))
                await begun.wait()
                talk.leave()
                await up.gone.wait()
            (record,) = await recorded(running)
    assert (record.status, record.outcome, record.cost) == (499, "client_abort", 0)
    assert "session cost" not in caplog.text


async def test_a_live_session_lasts_from_its_acceptance(caplog):
    now = {"at": 0.0}

    async def provider(session):
        await session.wait_closed()

    async def slow(connection, request_):
        now["at"] += 40.0  # the dial takes that long

    async with serve(provider, "127.0.0.1", 0, process_request=slow) as server:
        port = server.sockets[0].getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}", monotonic=lambda: now["at"]) as running:
            with caplog.at_level("INFO"):
                async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}"):
                    now["at"] += 2.0
                await recorded(running)
    assert "duration: 2.0s" in caplog.text


async def test_a_live_session_without_a_key_is_a_401():
    async with gateway("http://127.0.0.1:9") as running:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(running.http_url.replace("http", "ws") + LIVE):
                pass
    assert refused.value.response.status_code == 401


async def test_a_key_in_another_place_of_a_live_handshake_is_refused():
    async with gateway("http://127.0.0.1:9") as running:
        for query, headers in ((f"?key={KEY}&note={KEY}", {}), (f"?key={KEY}", {"x-note": KEY})):
            with pytest.raises(InvalidStatus) as refused:
                url = running.http_url.replace("http", "ws") + LIVE + query
                async with connect(url, additional_headers=headers):
                    pass
            assert refused.value.response.headers["x-understudy-error"] == "KEY_ELSEWHERE"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (f"project_id={KEY}", "KEY_ELSEWHERE"),
        ("project_id=../x", "INVALID_PROJECT"),
        ("location=evil.example/", "INVALID_LOCATION"),
    ],
)
async def test_what_a_live_query_chooses_is_checked_behind_every_key_carrier(query, reason):
    async with double() as up, gateway(up.url) as running:
        with pytest.raises(InvalidStatus) as refused:
            url = running.http_url.replace("http", "ws") + f"/vertex_ai/live?{query}"
            async with connect(url, additional_headers={"api-key": KEY}):
                pass
    assert refused.value.response.headers["x-understudy-error"] == reason
    assert not up.requests


async def test_a_live_provider_that_cannot_be_reached_is_a_502():
    async with gateway("http://127.0.0.1:9") as running:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}"):
                pass
    assert refused.value.response.status_code == 502


@pytest.mark.parametrize(
    ("environ", "code", "said"),
    [
        ({}, 4001, "vertex_credentials"),
        ({"DEFAULT_GOOGLE_APPLICATION_CREDENTIALS": "KEY FILE"}, 4002, "DEFAULT_VERTEXAI_PROJECT"),
    ],
)
async def test_missing_settings_of_live_have_close_codes_of_their_own(tmp_path, environ, code, said):
    from test_gateway_credentials import TOKEN, key_file

    async with double(answering(response(TOKEN))) as endpoint:
        environ = {name: key_file(f"{endpoint.url}/token") for name in environ}
        config = parse_config({"understudy_settings": {"keys": [{"id": "a", "key": KEY}]}}, environ)
        async with (
            gateway("", config=config) as running,
            connect(running.http_url.replace("http", "ws") + f"/vertex_ai/live?key={KEY}") as session,
        ):
            with pytest.raises(ConnectionClosed) as closed:
                await session.recv()
    assert close_of(closed.value)[0] == code
    assert said in close_of(closed.value)[1]


async def test_an_ordinary_request_to_a_live_path_is_a_426():
    async with gateway("http://127.0.0.1:9") as running:
        reply = await asked(running, request(LIVE, method="GET", body=None))
    assert (reply.status, reply.value(b"upgrade")) == (426, b"websocket")


async def test_the_drain_closes_sessions_with_1001():
    async with serve(lambda session: session.wait_closed(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        manager = gateway(f"http://127.0.0.1:{port}")
        running = await manager.__aenter__()
        async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}") as session:
            while not running._sessions:  # noqa: ASYNC110 - an inner state
                await asyncio.sleep(0.001)
            leaving = asyncio.create_task(manager.__aexit__(None, None, None))
            with pytest.raises(ConnectionClosed) as closed:
                await session.recv()
            await leaving
    assert close_of(closed.value)[0] == 1001


# --- memory ----------------------------------------------------------------------------------------------------------

SIZE = 200 * 1024 * 1024
PROGRAM = """
import asyncio, os, sys
sys.path[:0] = [{tests!r}]
from gateway_stand import gateway

async def main():
    async with gateway(sys.argv[1]) as running:
        print(running.http_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


PIECE = bytes(range(256)) * 256


async def large_answer(talk: Talk, seen: Seen) -> None:
    """Reads a body whole, and answers with as many bytes as the request wants."""
    got = 0
    while got < int(seen.values(b"content-length")[0]):
        data = await talk.reader.read(1 << 20)
        if not data:
            return
        got += len(data)
    size = int(seen.values(b"x-size")[0])
    await talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size)
    for _ in range(size // len(PIECE)):
        await talk.send(PIECE)


async def transfer(port: int, size: int) -> None:
    """A body of that size up, and one down."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(headers={"x-size": str(size), "Content-Length": str(size)}, body=None))
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    await reader.readuntil(b"\r\n\r\n")
    got = 0
    while got < size:
        data = await reader.read(1 << 20)
        assert data
        got += len(data)
    writer.close()


@contextmanager
def own_process(provider_url: str) -> Iterator["subprocess.Popen[str]"]:
    """A gateway in a process of its own; ended when its standard input is closed."""
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    paths = os.pathsep.join(path for path in sys.path if path)
    child = subprocess.Popen(
        [sys.executable, "-c", program, provider_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield child
    finally:
        child.stdin.close()
        child.wait(20)
        child.stdout.close()


async def watch(process: psutil.Process, peak: list[int]) -> None:
    while True:
        peak.append(process.memory_info().rss)
        await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_body_of_200_mib_passes_both_ways_in_less_than_8_mib():
    # BODY-5, PERF-4: sampled in the gateway's own process while it passes.
    async with double(large_answer, reads_body=False) as provider:
        with own_process(provider.url) as child:
            assert child.stdout is not None
            line = await asyncio.to_thread(child.stdout.readline)
            port = int(line.strip().rpartition(":")[2])
            for _ in range(3):
                await transfer(port, 1 << 20)
            process = psutil.Process(child.pid)
            before, peak = process.memory_info().rss, []
            watching = asyncio.create_task(watch(process, peak))
            await transfer(port, SIZE)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert max(peak) - before < 8 * 1024 * 1024
