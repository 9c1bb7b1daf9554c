"""Attacks on a running gateway by its books, logs, metrics and admin port (security-reliability 2.2, 2.9, 2.10)."""

import asyncio
import io
import json
import logging
import os
import re
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from gateway_process import MASTER, Running, ask, asked_admin, get, process, surroundings, written_config
from gateway_stand import BOOK, GENERATE, KEY, UPSTREAM_KEY, Client, Reply, asked, client, config_of, recorded, request
from test_gateway_limits import ANSWER, NOW, OTHER, Clock, answers, budget_of, limited, of
from upstream_double import Seen, Talk, answering, double, response
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from command_line import ANY_PORTS, LIMIT_S, command
from understudy.cli.log_writer import LogWriter
from understudy.secret import Secret
from understudy_gateway.app import Gateway
from understudy_gateway.limits.admission import FIRST_GUESS
from understudy_gateway.listeners import Listen
from understudy_gateway.log_secrets import Blackout
from understudy_gateway.spend.queries import Wanted, all_records

ADMIN = "sk-admin-canary-5647382910"
SECRETS = (KEY, OTHER, MASTER, ADMIN, UPSTREAM_KEY)
KEYS = [{"id": "team", "key": KEY}, {"id": "other", "key": OTHER}]
LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


async def tried(origin: str, data: bytes) -> Reply | None:
    """The answer to bytes of any kind; None where the connection just ended."""
    try:
        return await ask(origin, data)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def kept(folder: Path) -> list[dict]:
    return list(all_records(folder / "spend.db", Wanted()))


async def in_the_store(running: Running, count: int) -> list[dict]:
    while len(found := (await asked_admin(running, "/spend/logs"))["records"]) < count:  # noqa: ASYNC110 - written soon
        await asyncio.sleep(0.05)
    return found


def hostile() -> list[bytes]:
    """Requests that put a key, or something like it, where it does not belong, and such as cannot be served."""
    odd = KEY.replace("-", "%2D")
    return [
        request(key="sk-wrong-key-0123456789"),
        request(key=None),
        request(key=OTHER, headers={"Authorization": f"Bearer {KEY}"}),
        request(f"/gemini/v1beta/models/{KEY}:generateContent"),
        request(f"/gemini/v1beta/models/{odd}:generateContent"),
        request(f"{GENERATE}?key={KEY}&note={KEY}"),
        request(f"{GENERATE}?access_token={KEY}"),
        request(f"/nowhere/{KEY}?key={KEY}"),
        request(headers={"x-litellm-call-id": KEY}),
        request(headers={"x-litellm-tags": f"a,{KEY},b"}),
        request(headers={"x-pass-x-note": KEY}),
        request(headers={"x-pass-authorization": f"Bearer {KEY}"}),
        request(headers={"User-Agent": KEY}),
        request(headers={"x-note": "a\x01" + KEY}),
        request(method="TRACE"),
        request().replace(b"Host: gateway.example\r\n", b"Host: a\r\nHost: " + KEY.encode() + b"\r\n"),
        request().replace(b"HTTP/1.1", b"HTTP/" + KEY.encode()),
        request(headers={"x-long": KEY + "x" * 70_000}),
        request("/vertex_ai/v1/projects/p/locations/nowhere!/publishers/google/models/m:generateContent"),
        request(f"/gemini/v1beta/models/m:generateContent?{KEY}"),
    ]


# --- 2.2: credentials and readers ------------------------------------------------------------------------------------


async def test_no_secret_is_in_anything_that_leaves_the_gateway(tmp_path):
    # S-3, S-8, S-9, S-11, S-13, S-15
    async def script(talk: Talk, seen: Seen) -> None:
        if b"reset" in seen.target:
            talk.reset()
        elif b"garbage" in seen.target:
            await talk.send(b"not HTTP\r\n\r\n")
        else:
            await talk.send(ANSWER)

    replies: list[Reply | None] = []
    lines = tmp_path / "lines"
    options = ("--workers", "2", "--spend", str(lines))
    async with double(script) as up, process(tmp_path, up.url, *options, keys=KEYS, admin_key=ADMIN) as running:
        names = ("reset", "garbage", "gemini-2.5-flash")
        others = [request(GENERATE.replace("gemini-2.5-flash", name)) for name in names]
        replies += [await tried(running.http, data) for data in (*hostile(), *others)]
        for path in ("/metrics", "/spend/logs", "/spend/summary", f"/spend/logs?key_id={KEY}", f"/{KEY}"):
            replies += [await tried(running.admin, get(path, key)) for key in (KEY, MASTER, ADMIN, None)]
        replies.append(await tried(running.http, get("/health/readiness", None)))
        tree = [psutil.Process(running.process.pid), *psutil.Process(running.process.pid).children()]
        commands = [word for one in tree for word in one.cmdline()]
        assert await running.ended() == 0
        requests = b"".join(seen.head + seen.body for seen in up.requests)
    assert len(up.requests) > 3
    shown = {
        "replies": b"".join(reply.head + reply.body for reply in replies if reply is not None),
        "log": running.log.read_bytes(),
        "store": b"".join(path.read_bytes() for path in tmp_path.glob("spend.db*")),
        "lines": lines.read_bytes(),
        "commands": "\0".join(commands).encode(),
    }
    assert {place: [secret for secret in SECRETS if secret.encode() in data] for place, data in shown.items()} == {
        place: [] for place in shown
    }
    for secret in (KEY, OTHER, MASTER, ADMIN):  # the provider's own is all that goes up
        assert secret.encode() not in requests
    statuses = {reply.status for reply in replies if reply is not None}
    assert statuses >= {200, 400, 401, 403, 404, 405, 431, 502}


async def test_a_key_in_a_live_setup_is_in_no_record_and_no_line(caplog):
    # S-11
    caplog.set_level(logging.INFO)

    async def provider(session):
        async for message in session:
            await session.send(message)

    async with serve(provider, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with of(config_of(base, keys=KEYS)) as running:
            async with connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}") as session:
                await session.send(json.dumps({"setup": {"model": f"models/{KEY}"}}))
                await session.recv()
                await session.send('{"clientContent":{"turns":[{"parts":[{"text":"hi"}]}]}}')
                await session.recv()
            (record,) = await recorded(running)
    assert (record.model, record.known) == (None, "unknown")
    assert KEY not in json.dumps(record.as_json()) + caplog.text


@pytest.mark.parametrize("secret", [KEY, OTHER, UPSTREAM_KEY, ADMIN])
async def test_what_an_exception_says_is_cleaned_before_it_is_written(monkeypatch, secret):
    # S-13: the second line, where a fault of ours shows what it should not.
    target = io.StringIO()
    writer = LogWriter(target)
    logging.getLogger().addHandler(writer)

    async def fails(*args, **options):
        raise ZeroDivisionError(f'{{"url": "https://x/?key={secret}"}} {secret}{secret} %s')

    try:
        config = replace(config_of("http://127.0.0.1:9", keys=KEYS), admin_key=Secret(ADMIN))
        async with of(config) as running:
            for _ in range(2):  # and those of before, after a reload
                monkeypatch.setattr(running._dispatcher.serving.http, "serve", fails)
                assert (await asked(running, request())).status == 500
                await running.reload(config_of("http://127.0.0.1:9"), BOOK)
        writer.flush()
    finally:
        logging.getLogger().removeHandler(writer)
    assert target.getvalue().count("ZeroDivisionError: ") == 2
    assert secret not in target.getvalue()
    assert "key=***" in target.getvalue()


def test_stars_take_the_place_of_every_secret_and_of_nothing_else():
    # S-13
    clean = Blackout(["sk-aaaa-bbbb", "sk-aaaa-bbbb-cccc", 'with"quote"here', "short"])
    text = "sk-aaaa-bbbb-cccc sk-aaaa-bbbbsk-aaaa-bbbb sk-aaaa-bbb short sk-sk-aaaa-bbbb " + json.dumps(
        'with"quote"here'
    )
    assert clean(text) == '*** ****** sk-aaaa-bbb short sk-*** "***"'
    many = Blackout([f"sk-{number:020}" for number in range(10_000)])
    assert many("x" * 1000 + f" sk-{77:020}." + "sk-" * 1000) == "x" * 1000 + " ***." + "sk-" * 1000


async def test_own_answers_tell_nothing_of_what_is_behind(tmp_path):
    # S-9, ERR-4
    async with double() as up:
        port = up.port
    async with of(config_of(f"http://127.0.0.1:{port}", keys=KEYS)) as running:
        for data in [*hostile(), request(), request("/gemini/v1beta/secret-path:generateContent")]:
            reply = await tried(running.http_url, data)
            if reply is None:
                continue
            shown = reply.head + reply.body
            for word in (str(port), "127.0.0.1", "Traceback", "secret-path", "sk-", "OSError", "aiohttp", "Python"):
                assert word.encode() not in shown, reply


async def test_a_providers_error_passes_as_it_is_and_has_nothing_of_the_gateway_to_give_back():
    # S-10
    async def echo(talk: Talk, seen: Seen) -> None:
        await talk.send(response(seen.head + seen.body, b"text/html", b"500 Oh No"))

    async with double(echo) as up, of(config_of(up.url, keys=KEYS)) as running:
        reply = await asked(running, request(headers={"x-litellm-api-key": KEY, "x-litellm-tags": "a"}, body=b"<b>"))
        (seen,) = up.requests
        assert (reply.status, reply.body) == (500, seen.head + seen.body)
        for word in (KEY, "team", "x-litellm", "understudy"):
            assert word.encode() not in reply.body


async def test_metrics_do_not_grow_by_what_clients_make_up(tmp_path):
    # S-12
    async with double(answers) as up, process(tmp_path, up.url, keys=KEYS) as running:

        async def wave(number: int) -> set[str]:
            for count in range(60):
                name = f"w{number}-{count}"
                headers = {"x-litellm-tags": name, "x-litellm-call-id": name}
                for target in (
                    GENERATE.replace("gemini-2.5-flash", name),
                    GENERATE.replace("gemini-2.5-flash", f"gemini-2.5-flash@{count}"),
                    f"/gemini/{name}/models/x:{name}",
                    f"/{name}",
                ):
                    await ask(running.http, request(target, headers=headers))
                await tried(running.http, request(method=f"M{number}X{count}"))
            page = (await ask(running.admin, get("/metrics"))).body.decode()
            return set(re.findall(r"^understudy_gateway_[^ ]+", page, re.MULTILINE))

        first = await wave(1)
        assert await wave(2) == first
        assert not any("w1-" in name or "@" in name for name in first)


async def test_files_are_their_owners_alone_whatever_the_umask(tmp_path):
    # S-14
    before = os.umask(0)
    try:
        lines = tmp_path / "lines"
        async with double(answers) as up, process(tmp_path, up.url, "--spend", str(lines)) as running:
            assert (await ask(running.http, request())).status == 200
            await in_the_store(running, 1)
            files = [*tmp_path.glob("spend.db*"), lines]
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    finally:
        os.umask(before)
    assert {"spend.db", "spend.db-wal", "lines"} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("key", ["", "tiny", "sk-1234", "0123456789abcde", "with space in the middle"])
async def test_a_weak_key_does_not_start_and_is_not_repeated(tmp_path, key):
    # S-16, AUTH-11
    config = written_config(tmp_path, "http://127.0.0.1:9", keys=[{"id": "a", "key": key}], admin_key=ADMIN)
    child = await asyncio.create_subprocess_exec(
        *command("gateway", "--config", str(config), *ANY_PORTS),
        env=surroundings(tmp_path, "http://127.0.0.1:9"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = b"".join(await asyncio.wait_for(child.communicate(), LIMIT_S)).decode()
    assert (child.returncode, "keys[0].key" in said) == (2, True)
    assert key == "" or key not in said.replace("config.yaml", "")


# --- 2.9: admin port, configuration, files ---------------------------------------------------------------------------


async def test_the_admin_port_listens_on_loopback_whatever_host_traffic_has(tmp_path):
    # S-62
    async with double() as up, process(tmp_path, up.url, "--host", "0.0.0.0") as running:
        port = int(running.admin.rpartition(":")[2])
        found = psutil.Process(running.process.pid).net_connections("tcp")
        listening = {one.laddr.port: one.laddr.ip for one in found if one.status == "LISTEN"}
        assert listening.pop(port) == "127.0.0.1"
        assert set(listening.values()) == {"0.0.0.0"}


FORMS = ("PATH", "PATH/", "/PATH", "PATH%2f", "PATH?x", "PATH;x", "/x/..PATH", "/%2e%2ePATH", "PATH#")


@pytest.mark.parametrize("path", ["/metrics", "/spend/logs", "/spend/summary"])
async def test_no_form_of_an_admin_path_opens_without_the_admin_key(tmp_path, path):
    # S-62, S-63
    async with double() as up, process(tmp_path, up.url, admin_key=ADMIN) as running:
        for form in FORMS:
            target = form.replace("PATH", path)
            for key in (None, KEY, MASTER, "sk-wrong-0123456789"):
                for origin in (running.admin, running.http):
                    reply = await ask(origin, get(target, key))
                    assert reply.status in (400, 401, 403, 404), (target, key, origin)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            data = get(path, ADMIN).replace(b"GET ", method.encode() + b" ", 1)
            assert (await ask(running.admin, data)).status == 405
        for headers in (["Host: evil.example"], ["Host: 127.0.0.1.evil.example"], ["Host: 127.0.0.1", "Origin: null"]):
            assert (await ask(running.admin, get(path, ADMIN, headers))).status == 403
        assert (await ask(running.admin, get(path, ADMIN))).status == 200


DUMPS = (
    *(
        "/config",
        "/config/yaml",
        "/debug",
        "/debug/pprof",
        "/docs",
        "/openapi.json",
        "/redoc",
        "/ui",
        "/env",
        "/routes",
    ),
    *(
        "/key/generate",
        "/key/info",
        "/user/info",
        "/model/info",
        "/health",
        "/health/",
        "/health/services",
        "/settings",
    ),
    *("/get/config/callbacks", "/memory-usage", "/active/callbacks", "/%2e%2e/config.yaml", "/../config.yaml", "/"),
)


async def test_there_is_no_way_to_the_configuration_and_health_says_one_word(tmp_path):
    # S-64
    async with double() as up, process(tmp_path, up.url, keys=KEYS) as running:
        for path in DUMPS:
            for origin in (running.http, running.admin):
                reply = await ask(origin, get(path, MASTER))
                assert reply.status in (400, 401, 403, 404), (path, origin)
                assert b"team" not in reply.body
        for origin in (running.http, running.admin):
            for path in ("/health/liveliness", "/health/readiness"):
                assert (await ask(origin, get(path, None))).body == b'{"status": "ok"}\n'


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "general_settings: !!python/object/apply:os.system ['touch owned']\n",
        "understudy_settings: {keyz: []}\n",
        "x: " + "y" * 20_000_000,
        "\x00",
        "general_settings: {master_key: os.environ/NO_SUCH_NAME}\n",
    ],
    ids=["aliases", "tag", "unknown", "big", "nul", "missing"],
)
async def test_a_hostile_configuration_changes_nothing_in_a_running_gateway(tmp_path, text):
    # S-65, R-38
    async with double(answers) as up, process(tmp_path, up.url) as running:
        (tmp_path / "config.yaml").write_text(text)
        running.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(LIMIT_S):
            while "the old one stays" not in running.said:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.02)
        assert "config.yaml" in running.said
        assert (await ask(running.http, request())).status == 200
        assert psutil.Process(running.process.pid).memory_info().rss < 300 * 2**20
    assert not (tmp_path / "owned").exists()


async def test_no_file_gets_its_name_from_traffic(tmp_path):
    # S-66
    async with double(answers) as up, process(tmp_path, up.url, keys=KEYS) as running:
        assert (await ask(running.http, request())).status == 200
        await in_the_store(running, 1)
        before = set(tmp_path.rglob("*"))
        for name in ("..%2f..%2fowned", "owned", "%00owned", "/etc/owned", "a/../../owned"):
            headers = {"x-litellm-call-id": "owned", "x-litellm-tags": f"../{name},owned"}
            await tried(running.http, request(f"/gemini/v1beta/models/{name}:generateContent", headers=headers))
            await tried(running.admin, get(f"/spend/logs?tag={name}"))
        assert set(tmp_path.rglob("*")) == before


async def test_no_client_can_forge_a_line_or_reach_a_terminal(tmp_path):
    # S-67, S-55
    forged = '{"status":200,"key_id":"other"}'
    async with double(answers) as up, process(tmp_path, up.url, keys=KEYS) as running:
        while "heads are read" not in running.said:  # noqa: ASYNC110 - the last that is said at the start
            await asyncio.sleep(0.02)
        before = len(running.log.read_bytes().splitlines())
        attacks = [
            request(GENERATE.replace("gemini-2.5-flash", f"m%0a{forged.replace(chr(34), '%22')}%1b[2J")),
            request(headers=[("x-litellm-tags", "a\x85b,\x9b2J,\xe2\x80\xa8x,ok")]),
            request(headers=[("x-litellm-call-id", "a\tb")]),
            request(headers=[("x-litellm-call-id", "\x9b31m")]),
            request(GENERATE.replace("gemini-2.5-flash", "%E2%80%AE%E2%80%A8%C2%85")),
            request().replace(b"Host: gateway.example", b"Host: gateway.example\r\n folded: 12:00:00 gateway {}"),
            request(headers=[("x-a", "b\x0b12:00:00 gateway {}")]),
        ]
        for data in attacks:
            await tried(running.http, data)
        assert await running.ended() == 0
    written = running.log.read_bytes()
    assert written.isascii()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", written)
    said = written.decode().splitlines()[before:]
    lines = [line for line in said if not line.endswith("all exchanges waited")]  # a busy machine
    assert len(lines) == len(attacks)
    for line in lines:
        found = re.fullmatch(r"\d\d:\d\d:\d\d gateway (\{.*\})", line)
        assert found, line
        assert json.loads(found[1]).get("key_id", "team") == "team"


async def test_texts_of_clients_are_values_and_no_sql(tmp_path):
    # S-68
    evil = "x');DROP TABLE spend;--"
    async with double(answers) as up, process(tmp_path, up.url, keys=KEYS) as running:
        model = "m'%20OR%20'1'='1"
        headers = {"x-litellm-tags": evil.replace(",", "")}
        assert (await ask(running.http, request(GENERATE.replace("gemini-2.5-flash", model), headers=headers))).status
        assert (await ask(running.http, request())).status == 200
        await in_the_store(running, 2)
        for word in ("key_id", "model", "tag"):
            for value in ("'%20OR%201=1--", "x%22%20OR%20%221", "%25", "*", ":tag", "?"):
                found = await asked_admin(running, f"/spend/logs?{word}={value}")
                assert found["records"] == [], (word, value)
        (record,) = (await asked_admin(running, "/spend/logs?tag=x%27);DROP%20TABLE%20spend;--"))["records"]
        assert record["tags"] == [evil]
        assert (await asked_admin(running, "/spend/summary?by=tag"))["total"]["records"] == 2
        for by in ("tag.value", "key_id", "1;DROP TABLE spend", "started"):
            assert (await ask(running.admin, get(f"/spend/summary?by={by.replace(' ', '%20')}"))).status == 400
        assert await running.ended() == 0
    assert len(kept(tmp_path)) == 2


async def test_errors_are_json_that_no_browser_takes_for_a_page(tmp_path):
    # S-69
    script = "%3Cscript%3Ealert(1)%3C/script%3E"
    async with double() as up, process(tmp_path, up.url) as running:
        replies = [
            await tried(origin, get(path, key, ["Host: 127.0.0.1", "Accept: text/html"]))
            for origin in (running.http, running.admin)
            for path in (f"/{script}", f"/gemini/v1beta/{script}?x={script}", f"/spend/logs?{script}", "/metrics")
            for key in (None, "<script>0123456789")
        ]
        replies.append(await tried(running.http, b"GET /<script> HTTP/1.1\r\nHost: <script>\r\nHost: b\r\n\r\n"))
        replies.append(await tried(running.http, b"<script>\r\n\r\n"))
    for reply in replies:
        assert reply is not None
        assert 400 <= reply.status < 500
        assert (reply.value(b"x-content-type-options"), b"script" in reply.body) == (b"nosniff", False)
        assert (reply.value(b"content-type") or b"").startswith(b"application/json")
        json.loads(reply.body)


# --- 2.10: budgets and money -----------------------------------------------------------------------------------------


async def test_a_hundred_at_once_on_two_workers_pass_one_reservation_each(tmp_path):
    # S-71, S-72, COST-12
    refused = 0
    all_came = asyncio.Event()

    async def slow(talk: Talk, seen: Seen) -> None:
        await asyncio.wait_for(all_came.wait(), LIMIT_S)
        await talk.send(ANSWER)

    async def one(running: Running) -> int:
        nonlocal refused
        reply = await ask(running.http, request())
        refused += reply.status == 429
        if refused >= 98:
            all_came.set()
        return reply.status

    keys = [{"id": "team", "key": KEY, "max_budget": "0.0005"}]
    async with double(slow) as up, process(tmp_path, up.url, "--workers", "2", keys=keys) as running:
        async with asyncio.timeout(LIMIT_S):
            statuses = await asyncio.gather(*(one(running) for _ in range(98)), *(one(running) for _ in range(2)))
        assert sorted(set(statuses)) == [200, 429]
        assert statuses.count(200) == len(up.requests) == 2
        while sum(Decimal(record["cost"]) for record in await in_the_store(running, 2)) < Decimal("0.0011"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        async with asyncio.timeout(LIMIT_S):  # and when each knows of the other, nothing passes
            while True:
                if [(await ask(running.http, request())).status for _ in range(10)] == [429] * 10:
                    break
        assert len(up.requests) == 2


async def test_nothing_that_a_client_or_a_header_says_changes_a_cost():
    # S-73, COST-11
    lies = json.dumps({"usageMetadata": {"promptTokenCount": 0, "totalTokenCount": 0}, "cost": 0}).encode()
    headers = {
        "x-litellm-response-cost": "0",
        "x-litellm-key-spend": "0",
        "x-litellm-model": "free",
        "x-key-id": "other",
        "x-litellm-user": "admin",
        "x-litellm-team": "other",
        "x-litellm-cost": "0",
        "x-litellm-tags": "free,admin",
    }
    answer = ANSWER.replace(b"\r\n\r\n", b"\r\nx-litellm-response-cost: 0\r\nx-litellm-key-spend: 0\r\n\r\n", 1)
    async with double(answering(answer)) as up, of(limited(up.url, max_budget="1")) as running:
        assert (await asked(running, request(headers=headers, body=lies))).status == 200
        (record,) = await recorded(running)
        assert (record.cost, record.key_id, record.model) == (Decimal("0.00055"), "team", "gemini-2.5-flash")
        assert budget_of(running).spent == Decimal("0.00055")


async def test_leaving_early_again_and_again_is_no_free_ride():
    # S-74
    begun = asyncio.Event()

    async def stream(talk: Talk, seen: Seen) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        await talk.send(head + b'13\r\ndata: {"a": "word"}\n\r\n')
        begun.set()
        await talk.left()

    target = GENERATE.replace("generateContent", "streamGenerateContent") + "?alt=sse"
    most = 3
    async with double(stream) as up, of(limited(up.url, max_budget=str(most * FIRST_GUESS))) as running:
        for count in range(most):
            begun.clear()
            async with client(running) as talk:
                await talk.send(request(target))
                await begun.wait()
                assert (await talk.head()).startswith(b"HTTP/1.1 200")
                talk.leave()
            assert (await recorded(running, count + 1))[-1].cost is None
        assert (budget_of(running).spent, budget_of(running).reserved) == (most * FIRST_GUESS, 0)
        assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"
        assert len(up.requests) == most


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_post_that_was_sent_is_never_sent_again(is_first):
    # S-75, LRO-8
    async def script(talk: Talk, seen: Seen) -> None:
        if b"warm" in seen.target:
            await talk.send(response(b"{}"))
        else:
            talk.reset()

    async with double(script) as up, of(config_of(up.url, keys=KEYS)) as running, client(running) as talk:
        if not is_first:  # on a connection that was kept
            await talk.send(request("/gemini/v1beta/warm", method="GET", body=None))
            assert (await talk.reply()).status == 200
        for target in (GENERATE, "/gemini/v1beta/models/veo-3.0-generate-001:predictLongRunning"):
            before = len(up.requests)
            await talk.send(request(target))
            assert (await talk.reply()).status == 502
            assert len(up.requests) == before + 1
        records = await recorded(running, 2 if is_first else 3)
        # It was sent, so nobody knows what it cost; a video has its price only once it is done.
        assert [record.known for record in records if record.status == 502] == ["unknown", "unknown"]


async def test_a_clock_that_is_set_neither_lengthens_a_budget_nor_gives_it_out_twice():
    # S-76, R-29
    clock, jump = Clock(), timedelta()

    class Set(Clock):
        def now(self):
            return clock.now() + jump

    config = limited("", max_budget="0.0005", budget_duration="1d", rpm_limit=10)
    async with double(answers) as up:
        config = limited(up.url, max_budget="0.0005", budget_duration="1d", rpm_limit=3)
        running = Gateway(config, Listen(), book=BOOK, now=Set().now, monotonic=clock.monotonic)
        async with running:
            assert (await asked(running, request())).status == 200
            await recorded(running)
            free = request(GENERATE.replace("generateContent", "countTokens"))
            for jump in (timedelta(days=3), timedelta(days=-400), timedelta(minutes=5)):  # noqa: B007 - read by the clock
                assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"
            for _ in range(2):
                assert (await asked(running, free)).status == 200
            jump = timedelta(days=30)
            assert (await asked(running, free)).reason == "LIMIT_REACHED"
            clock.passed = 61
            assert (await asked(running, free)).status == 200
            clock.passed = (
                NOW.replace(hour=0, minute=0, second=0) + timedelta(days=1, seconds=1) - NOW
            ).total_seconds()
            assert (await asked(running, request())).status == 200


# --- the log's target ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def with_a_full_pipe(folder: Path, base: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, int]]:
    """A gateway whose log goes into a pipe that nobody reads."""
    read, write = os.pipe()
    child = await asyncio.create_subprocess_exec(
        *command("gateway", "--config", str(written_config(folder, base)), "--json", *ANY_PORTS),
        env=surroundings(folder, base),
        stdout=asyncio.subprocess.PIPE,
        stderr=write,
        stdin=asyncio.subprocess.DEVNULL,
    )
    os.close(write)
    try:
        assert child.stdout is not None
        said = json.loads(await asyncio.wait_for(child.stdout.readline(), LIMIT_S))
        yield child, said["http"], read
    finally:
        os.close(read)
        if child.returncode is None:
            child.kill()
        await asyncio.wait_for(child.wait(), LIMIT_S)
        child._transport.close()  # pyright: ignore


async def test_a_log_that_nobody_reads_stops_no_traffic_and_no_end(tmp_path):
    # R-37, S-55
    tags = ",".join(f"{number:02}" + "t" * 60 for number in range(20))
    async with double(answers) as up, with_a_full_pipe(tmp_path, up.url) as (child, http, _):
        host, _, port = http.removeprefix("http://").partition(":")
        stream = await asyncio.open_connection(host, int(port), limit=2**20)
        talk = Client(*stream)
        for _ in range(300):  # some 1,700 bytes a line: seven pipes full
            await talk.send(request(headers={"x-litellm-tags": tags}))
            assert (await asyncio.wait_for(talk.reply(), LIMIT_S)).status == 200
        stream[1].close()
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), LIMIT_S) == 0
    assert len(kept(tmp_path)) == 300


async def test_a_session_over_its_budget_cannot_go_on_by_not_reading(tmp_path):
    # WS-17, S-74
    turn = json.dumps({"usageMetadata": {"promptTokenCount": 10_000, "totalTokenCount": 10_000}})

    async def provider(session):
        try:
            await session.recv()
            while True:
                await session.send(turn)
                await asyncio.sleep(0)
        except ConnectionClosed:
            pass

    async with serve(provider, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        keys = [{"id": "team", "key": KEY, "max_budget": "0.01"}]
        async with of(config_of(base, keys=keys, live_budget_check=True)) as running:
            session = await connect(running.http_url.replace("http", "ws") + f"{LIVE}?key={KEY}", max_queue=1)
            await session.send('{"setup":{"model":"models/gemini-2.5-flash"}}')
            (record,) = await asyncio.wait_for(recorded(running), LIMIT_S)
            assert record.reason == "budget exceeded"
            assert budget_of(running).spent >= Decimal("0.01")
            session.transport.abort()
