"""What providers do wrong, R-1 to R-16: what the client sees, and what the books say."""

import asyncio
import json
import socket
from decimal import Decimal

import psutil
import pytest
from gateway_stand import GENERATE, KEY, asked, client, config_of, gateway, recorded, request, usage
from live_doubles import RawServer, close, frame
from reliability_rig import (
    ANSWER,
    BREAKS,
    COST,
    SSE_HEAD,
    STREAM,
    Clocks,
    chunk,
    event,
    healthy,
    of_clocks,
    own_error,
    reset,
    session,
    soon,
    takes_session,
    until,
    usage_frame,
)
from upstream_double import Seen, Talk, answering, double, response

from understudy.authority import Authority
from understudy_gateway.spend.record import SpendRecord

both_ends = pytest.mark.parametrize("how", ["end", "reset"])


def booked(record: SpendRecord) -> tuple[str, int, str, str | None]:
    return (record.outcome, record.status, record.known, None if record.cost is None else str(record.cost))


# --- cannot be reached ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["refused", "no such name", "TLS refused"])
async def test_r1_who_cannot_be_reached_is_a_502_that_costs_nothing(why):
    async with RawServer() as plain:

        async def speaks_no_tls() -> None:
            provider = await plain.accept()
            provider.send(b"220 mail.example\r\n")

        speaking = asyncio.create_task(speaks_no_tls())
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # bound, and not listening
            base = {
                "refused": f"http://127.0.0.1:{nobody.getsockname()[1]}",
                "no such name": "http://nowhere.invalid:1",
                "TLS refused": f"https://127.0.0.1:{plain.port}",
            }[why]
            async with gateway(base, upstream_hosts=["nowhere.invalid"], plain_upstream=True) as running, soon(30):
                reply = await asked(running, request())
                (record,) = await recorded(running)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    own_error(reply, 502, "UNREACHABLE")
    assert (record.outcome, record.cost, record.reason) == ("upstream_abort", 0, "The provider cannot be reached.")


async def test_r1_a_certificate_of_nobody_we_know_is_a_502(tmp_path):
    async with double(tls=Authority.of_home(tmp_path).server_context([])) as up:
        https = up.url.replace("http:", "https:")
        async with gateway(https) as running, soon(30):
            own_error(await asked(running, request()), 502, "UNREACHABLE")
    assert up.requests == []


# --- no whole head -----------------------------------------------------------------------------------------


@both_ends
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Le"], ids=["R-2", "R-4", "R-4b"])
async def test_r2_r4_who_breaks_off_before_the_heads_end_is_a_502_asked_once(how, said):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(said)
        await asyncio.sleep(0.02)
        BREAKS[how](talk)

    async with double(script) as up, gateway(up.url) as running, soon():
        reply = await asked(running, request())
        (record,) = await recorded(running)
        assert len(up.requests) == 1
        own_error(reply, 502, "UPSTREAM_BROKE")
        assert booked(record) == ("upstream_abort", 502, "unknown", None)
        await healthy(running, up)


# --- a kept connection that died --------------------------------------------------------------------------------


@both_ends
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_r3_a_connection_closed_while_it_waited_is_not_used(how, method):
    talks: list[Talk] = []

    async def script(talk: Talk, seen: Seen) -> None:
        talks.append(talk)
        await talk.send(ANSWER)

    async with double(script) as up, gateway(up.url) as running, soon():
        assert (await asked(running, request())).status == 200
        BREAKS[how](talks[0])
        await until(up.gone.is_set)
        reply = await asked(running, request(method=method, body=b"{}" if method == "POST" else None))
        assert (reply.status, reply.is_whole) == (200, True)
        assert (len(up.requests), up.connections) == (2, 2)
        assert [record.outcome for record in await recorded(running, 2)] == ["ok", "ok"]


# --- broken in the body -------------------------------------------------------------------------------


@both_ends
@pytest.mark.parametrize("with_usage", [True, False])
async def test_r5_a_sized_answer_that_stops_short_stops_short_for_the_client(how, with_usage):
    body = event(1) if with_usage else b"data: {}\r\n\r\n"

    async def script(talk: Talk, seen: Seen) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n"
        await talk.send(head + body)
        await asyncio.sleep(0.02)
        BREAKS[how](talk)

    async with double(script) as up, gateway(up.url) as running, soon():
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
        assert (reply.status, reply.body, reply.is_whole) == (200, body, False)
        assert reply.value(b"content-length") == b"5000"
        known = ("estimated", "0.0005500") if with_usage else ("unknown", None)
        assert booked(record) == ("upstream_abort", 200, *known)
        await healthy(running, up)


async def test_r5_an_answer_that_only_the_end_of_the_connection_ends_is_not_whole_after_a_reset():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event(1))
        await asyncio.sleep(0.02)
        reset(talk)

    async with double(script) as up, gateway(up.url) as running, soon():
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
        assert (reply.status, reply.body, reply.is_whole) == (200, event(1), False)
        assert booked(record) == ("upstream_abort", 200, "estimated", "0.0005500")


@both_ends
async def test_r6_a_stream_that_breaks_off_has_all_that_came_and_no_last_chunk(how):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(SSE_HEAD + chunk(event(1, 1000, 5)) + chunk(event(2)))
        await asyncio.sleep(0.02)
        BREAKS[how](talk)

    async with double(script) as up, gateway(up.url) as running, soon():
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
        assert (reply.body, reply.is_whole) == (event(1, 1000, 5) + event(2), False)
        assert booked(record) == ("upstream_abort", 200, "estimated", "0.0005500")
        await healthy(running, up)


async def test_r7_a_malformed_chunk_breaks_the_stream_and_the_connection_is_used_no_more():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(SSE_HEAD + chunk(event(1)) + b"xyz\r\n")
        await talk.left()

    async with double(script) as up, gateway(up.url) as running, soon():
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
        assert (reply.body, reply.is_whole) == (event(1), False)
        assert booked(record) == ("upstream_abort", 200, "estimated", "0.0005500")
        await healthy(running, up)
        assert up.connections >= 2


@pytest.mark.parametrize("head", [b"SPDY/1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_r7_a_malformed_head_is_a_502_and_the_connection_is_used_no_more(head):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(head)
        await talk.left()

    async with double(script) as up, gateway(up.url) as running, soon():
        own_error(await asked(running, request()), 502, "UPSTREAM_MALFORMED")
        (record,) = await recorded(running)
        assert booked(record) == ("upstream_abort", 502, "unknown", None)
        await healthy(running, up)


# --- silence -----------------------------------------------------------------------------------------------


async def test_r8_silence_before_the_head_is_a_504_and_its_reservation_stays_charged():
    async def silent(talk: Talk, seen: Seen) -> None:
        await talk.left()

    async with double(silent) as up:
        keys = [{"id": "team", "key": KEY, "max_budget": "0.005"}]
        config = config_of(up.url, keys=keys, timeouts={"first_byte_s": 0.2})
        async with of_clocks(config, Clocks()) as running, soon():
            own_error(await asked(running, request()), 504, "FIRST_BYTE_TIMEOUT")
            await until(up.gone.is_set)
            (record,) = await recorded(running)
            assert booked(record) == ("timeout", 504, "unknown", None)
            # S-74: what may have been executed is charged as it was reserved (a cent before any cost was seen).
            assert (await asked(running, request())).reason == "BUDGET_EXCEEDED"


async def test_r8_a_client_that_leaves_a_silent_provider_closes_it_at_once():
    begun = asyncio.Event()

    async def silent(talk: Talk, seen: Seen) -> None:
        begun.set()
        await talk.left()

    async with double(silent) as up, gateway(up.url) as running, client(running) as talk, soon():
        await talk.send(request())
        await begun.wait()
        talk.leave()
        await up.gone.wait()
        (record,) = await recorded(running)
        assert booked(record) == ("client_abort", 499, "unknown", None)


async def test_r9_silence_inside_a_stream_breaks_it():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(SSE_HEAD + chunk(event(1)))
        await talk.left()

    async with double(script) as up, gateway(up.url, timeouts={"idle_s": 0.2}) as running, soon():
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
        assert (reply.body, reply.is_whole) == (event(1), False)
        assert booked(record) == ("timeout", 200, "estimated", "0.0005500")
        await until(up.gone.is_set)


# --- odd, but in order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["sized", "chunked", "to the end"])
async def test_r10_a_half_close_after_the_answer_is_a_normal_end(framing):
    body = event(1)

    async def script(talk: Talk, seen: Seen) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        framed = {
            "sized": b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
            "chunked": b"Transfer-Encoding: chunked\r\n\r\n" + chunk(body) + b"0\r\n\r\n",
            "to the end": b"\r\n" + body,
        }
        await talk.send(head + framed[framing])
        talk.writer.write_eof()
        await talk.left()

    async with double(script) as up, gateway(up.url) as running, soon():
        for count in (1, 2):
            reply = await asked(running, request(STREAM))
            assert (reply.body, reply.is_whole) == (body, True)
            records = await recorded(running, count)
        assert [booked(record) for record in records] == [("ok", 200, "exact", "0.0005500")] * 2
        assert up.connections == 2


@pytest.mark.parametrize("status", [b"413 Payload Too Large", b"401 Unauthorized"])
@pytest.mark.parametrize("closes", [True, False])
async def test_r11_an_early_answer_reaches_the_client_and_the_upload_stops(status, closes):
    refused = response(b'{"error":{}}', status=status)

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.reader.read(1)
        await talk.send(refused)
        if closes:
            talk.writer.close()
            return
        await talk.left()

    async with double(script, reads_body=False) as up, gateway(up.url) as running, client(running) as talk, soon():
        await talk.send(request(body=None, headers={"Content-Length": "50000000"}) + b"x" * 200_000)
        reply = await talk.reply()
        assert (reply.status, reply.body, reply.is_whole) == (int(status[:3]), b'{"error":{}}', True)
        await until(up.gone.is_set)
        (record,) = await recorded(running)
        assert (record.status, str(record.cost)) == (int(status[:3]), "0")
        up.reads_body = True
        await healthy(running, up)
        assert up.connections >= 2


# --- refusals --------------------------------------------------------------------------------------------


async def test_r12_a_storm_of_429_passes_as_it_comes_and_others_do_not_suffer(tmp_path):
    details = json.dumps({"error": {"code": 429, "details": [{"retryDelay": "25s"}]}}).encode()
    head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 25\r\nContent-Length: %d\r\n\r\n" % len(details)
    go = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        if b"calm" in seen.target:
            await go.wait()
            await talk.send(ANSWER)
        else:
            await talk.send(head + details)

    other = "sk-another-key-0123456789"
    keys = [{"id": "team", "key": KEY}, {"id": "other", "key": other}]
    spend = tmp_path / "spend.jsonl"
    async with double(script) as up, gateway(up.url, keys=keys, spend_path=spend) as running, soon(40):
        before = psutil.Process().memory_info().rss
        async with asyncio.TaskGroup() as crowd:
            calm = crowd.create_task(asked(running, request(GENERATE.replace("gemini-2.5", "calm"), key=other)))
            storm = [crowd.create_task(asked(running, request())) for _ in range(400)]
            await until(lambda: all(one.done() for one in storm), 30)
            go.set()
        replies = {(one.result().status, one.result().value(b"retry-after"), one.result().body) for one in storm}
        assert replies == {(429, b"25", details)}
        assert len(up.requests) == 401  # none was repeated
        assert calm.result().status == 200
        # Client, gateway and provider are one process here; a queue of held answers would be far more.
        assert psutil.Process().memory_info().rss - before < 64 * 2**20
    records = [json.loads(line) for line in spend.read_bytes().splitlines()]
    told = [(one["status"], one["known"], one["cost"]) for one in records if one["key_id"] == "team"]
    assert told == [(429, "exact", "0")] * 400
    assert len(records) == 401


@pytest.mark.parametrize(
    ("body", "known"),
    [
        (b"<html>bad gateway</html>", ("exact", "0")),
        (b"", ("exact", "0")),
        (json.dumps({"error": {"code": 503}, "usageMetadata": usage(1000, 100)}).encode(), ("estimated", COST)),
    ],
)
@pytest.mark.parametrize("status", [b"500 Internal Server Error", b"502 Bad Gateway", b"503 Service Unavailable"])
async def test_r13_a_5xx_passes_as_it_came_and_costs_nothing_unless_it_says_so(status, body, known):
    async with double(answering(response(body, status=status))) as up, gateway(up.url) as running, soon():
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert (reply.status, reply.body, reply.value(b"x-understudy-error")) == (int(status[:3]), body, None)
    assert (record.outcome, record.known, Decimal(record.cost or 0)) == ("ok", known[0], Decimal(known[1]))
    assert len(up.requests) == 1


# --- slow ------------------------------------------------------------------------------------------------------


async def test_r14_a_provider_that_does_not_read_stops_the_upload_and_loses_nothing():
    size, go = 64 * 2**20, asyncio.Event()
    taken = 0

    async def script(talk: Talk, seen: Seen) -> None:
        nonlocal taken
        await go.wait()
        while taken < size:
            taken += len(await talk.reader.read(1 << 20))
        await talk.send(ANSWER)

    async def push(talk) -> None:
        nonlocal sent
        piece = b"x" * 2**16
        while sent < size:
            await talk.send(piece)
            sent += len(piece)

    sent = 0
    async with double(script, reads_body=False) as up, gateway(up.url) as running, client(running) as talk, soon(40):
        await talk.send(request(body=None, headers={"Content-Length": str(size)}))
        upload = asyncio.create_task(push(talk))
        last = -1
        while sent != last:  # until nothing moves any more
            last = sent
            await asyncio.sleep(0.3)
        assert sent < 40 * 2**20  # the kernel's buffers of two hops, and the gateway's
        go.set()
        await upload
        assert (await talk.reply()).status == 200
        assert taken == size
        (record,) = await recorded(running)
        assert booked(record)[:3] == ("ok", 200, "exact")
        await healthy(running, up)


# --- Live ------------------------------------------------------------------------------------------------


async def test_r15_a_refused_handshake_is_the_providers_status_and_body():
    async with RawServer() as up, gateway(f"http://127.0.0.1:{up.port}") as running, soon():
        async with session(running.http_url) as talk:
            provider = await up.accept()
            await provider.head()
            provider.send(response(b'{"error":{"code":429}}', status=b"429 Too Many Requests"))
            head = await talk.head()
            assert head.startswith(b"HTTP/1.1 429 ")
            assert await talk.exactly(22) == b'{"error":{"code":429}}'
        (record,) = await recorded(running)
    assert (record.kind, record.status, record.outcome, record.cost) == ("session", 429, "rejected", 0)


@both_ends
@pytest.mark.parametrize("when", ["between frames", "inside a frame"])
async def test_r16_a_provider_that_is_lost_becomes_1011_with_the_usage_so_far(how, when):
    async with RawServer() as up, gateway(f"http://127.0.0.1:{up.port}") as running, soon():
        async with session(running.http_url) as talk:
            provider = await up.accept()
            await takes_session(provider)
            await talk.head()
            talk.send(frame(1, b'{"setup":{"model":"models/gemini-2.5-flash"}}', masked=True))
            await provider.frame()
            provider.send(usage_frame(10, 4))
            await talk.frame()
            if when == "inside a frame":
                provider.send(frame(2, b"x" * 50, masked=False)[:20])
            await asyncio.sleep(0.02)
            BREAKS[how](provider)  # pyright: ignore[reportArgumentType] - a Peer has the same two ends
            if when == "between frames":
                code, why = await talk.close_frame()
                assert (code, "provider" in why) == (1011, True)
                talk.send(close(1011, masked=True))
            await talk.rest()  # inside a frame no close frame can stand: the connection ends
        (record,) = await recorded(running)
    assert (record.route, record.outcome, record.status) == ("gemini-live", "upstream_abort", 101)
    assert (record.known, str(record.cost)) == ("estimated", "0.0000130")
