import asyncio
import gzip
import json
import socket
import struct
from contextlib import suppress

import pytest
from gateway_stand import GENERATE, KEY, UPSTREAM_KEY, asked, client, gateway, recorded, request, usage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream_double import Seen, Talk, answering, double, response

from strategies import dear, splits

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# --- bytes -----------------------------------------------------------------------------------------------------------


async def test_the_request_arrives_as_it_was_sent_but_for_the_credential():
    sent = request(
        headers=[("X-Client-Thing", "a"), ("accept", "*/*"), ("x-client-thing", "b")], body=b'{"a": 1,  "a":2}'
    )
    async with double() as up, gateway(up.url) as running:
        await asked(running, sent)
        seen = up.requests[0]
    assert seen.request_line == b"POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1"
    assert seen.body == b'{"a": 1,  "a":2}'
    assert [field for field in seen.fields if field[0] != b"Host"] == [
        (b"X-Client-Thing", b"a"),
        (b"accept", b"*/*"),
        (b"x-client-thing", b"b"),
        (b"x-goog-api-key", UPSTREAM_KEY.encode()),
        (b"Content-Length", b"16"),
    ]
    assert seen.values(b"host") == [up.url.removeprefix("http://").encode()]


async def test_field_values_that_are_no_text_arrive_byte_for_byte():
    async with double() as up, gateway(up.url) as running:
        assert (await asked(running, request(headers=[("x-odd", "caf\xe9 \xff"), ("X-Odd", "")]))).status == 200
    assert [field for field in up.requests[0].fields if field[0].lower() == b"x-odd"] == [
        (b"x-odd", b"caf\xe9 \xff"),
        (b"X-Odd", b""),
    ]


async def test_the_answer_comes_back_as_it_was_sent():
    answer = (
        b"HTTP/1.1 418 I am a Pot\r\nSet-Cookie: a=1\r\nx-CaSe: Yes\r\nset-cookie: b=2\r\nServer: ESF\r\n"
        b"X-Raw: caf\xe9\r\n"
        b"Content-Length: 3\r\nConnection: x-hop\r\nX-Hop: 1\r\nDate: then\r\n\r\nabc"
    )
    async with double(answering(answer)) as up, gateway(up.url) as running:
        reply = await asked(running, request())
    assert reply.head.split(b"\r\n")[0] == b"HTTP/1.1 418 I am a Pot"
    assert reply.fields[:-2] == [
        (b"Set-Cookie", b"a=1"),
        (b"x-CaSe", b"Yes"),
        (b"set-cookie", b"b=2"),
        (b"Server", b"ESF"),
        (b"X-Raw", b"caf\xe9"),
        (b"Content-Length", b"3"),
        (b"Date", b"then"),
    ]
    assert [name for name, _ in reply.fields[-2:]] == [b"x-litellm-call-id", b"x-understudy-request-id"]
    assert reply.body == b"abc"


@pytest.mark.parametrize(
    "target",
    [
        "/v1/a%2Fb%2fc",
        "/v1//models//m:x",
        "/v1/models/a%3Fb%23c:generateContent",
        "/v1/x%20%C3%A9%2525/",
        "/v1/a@b;c=1,d!$&'()*+~",
        "/v1/x?",
        "/v1/x?a=1&a=2&b=&v&w=a%20b&x=a+b",
        "/v1/x?%24alt=json%3Benum-encoding%3Dint&updateMask=a,b.c",
        "//evil.example/x",
        "/http://evil.example/x",
        "/@evil.example",
        "/v1/x#y?z",
        "/v1/./x",
        "/v1/stream-x:generateContent?alt=sse&",
    ],
)
async def test_the_target_is_passed_on_byte_for_byte(target):
    async with double() as up, gateway(up.url) as running:
        await asked(running, request("/gemini" + target))
        assert up.requests[0].target == target.encode()


async def test_the_base_path_of_the_upstream_comes_first():
    async with double() as up, gateway(up.url + "/x/") as running:
        await asked(running, request("/gemini/v1/y"))
        assert up.requests[0].target == b"/x/v1/y"


@settings(dear(4), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=300).flatmap(splits),
    st.binary(max_size=300).flatmap(splits),
    st.sampled_from(["application/json", "text/event-stream", "video/mp4", "multipart/mixed; boundary=x", "gibberish"]),
    st.booleans(),
    st.booleans(),
)
def test_any_bytes_go_through_unchanged_in_both_directions(up_pieces, down_pieces, kind, up_chunked, down_chunked):
    asyncio.run(_any_bytes(up_pieces, down_pieces, kind, up_chunked, down_chunked))


async def _any_bytes(up_pieces, down_pieces, kind, up_chunked, down_chunked):
    up_body, down_body = b"".join(up_pieces), b"".join(down_pieces)

    async def script(talk: Talk, seen: Seen) -> None:
        framing = b"Transfer-Encoding: chunked" if down_chunked else b"Content-Length: %d" % len(down_body)
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n\r\n" % (kind.encode(), framing))
        for piece in down_pieces:
            if piece:
                await talk.send(chunk(piece) if down_chunked else piece)
        if down_chunked:
            await talk.send(b"0\r\n\r\n")

    async with asyncio.timeout(20), double(script) as up, gateway(up.url) as running, client(running) as talk:
        framing = "Transfer-Encoding: chunked" if up_chunked else f"Content-Length: {len(up_body)}"
        head = (
            f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nx-goog-api-key: {KEY}\r\n{framing}\r\n\r\n"
        )
        await talk.send(head.encode())
        for piece in up_pieces:
            if piece:
                await talk.send(chunk(piece) if up_chunked else piece)
        if up_chunked:
            await talk.send(b"0\r\n\r\n")
        reply = await talk.reply()
    seen = up.requests[0]
    assert (seen.body, reply.body, reply.is_whole) == (up_body, down_body, True)
    assert reply.value(b"content-type") == kind.encode()
    assert seen.values(b"content-type") == [kind.encode()]
    assert seen.values(b"transfer-encoding") == ([b"chunked"] if up_chunked else [])
    assert seen.values(b"content-length") == ([] if up_chunked else [b"%d" % len(up_body)])


ODD_BODIES = [
    b'{ "a" : 1 ,\r\n\t"a":2, "n": 123456789012345678901234567890, "e": 1E5, "z": -0.0, "i": 1e400, "N": NaN}',
    b'["\\u00e9\\ud83d\\ude00 \\ud800"]',
    b"null",
    b"\xef\xbb\xbf{}",
    b"{not json",
    b"\xff\xfe\x00 invalid utf-8 \xc3",
    b'{"metadata":{},"tags":[],"ttl":"1s","stream":true,"model":"x","api_key":"k","api_base":"http://h","custom_body":{}}',
    gzip.compress(b"{}"),
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
async def test_odd_bodies_are_not_touched(body):
    async with double(answering(response(body))) as up, gateway(up.url) as running:
        reply = await asked(running, request(headers={"Content-Type": "application/json"}, body=body))
        assert (up.requests[0].body, reply.body) == (body, body)


async def test_a_compressed_request_stays_compressed():
    packed = gzip.compress(b"{}")
    async with double() as up, gateway(up.url) as running:
        await asked(running, request(headers={"Content-Encoding": "gzip"}, body=packed))
        assert (up.requests[0].body, up.requests[0].values(b"content-encoding")) == (packed, [b"gzip"])


async def test_a_request_without_body_gets_none_and_no_length():
    async with double() as up, gateway(up.url) as running:
        for method in ("GET", "DELETE", "POST", "OPTIONS"):
            await asked(running, request("/gemini/v1beta/files/x", method=method, body=None))
        lengths = [(seen.values(b"content-length"), seen.values(b"transfer-encoding")) for seen in up.requests]
    assert lengths == [([], [])] * 4


async def test_head_keeps_the_length_and_has_no_body():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: x\r\n\r\n"
    async with double(answering(answer)) as up, gateway(up.url) as running, client(running) as talk:
        for _ in range(2):
            await talk.send(request("/gemini/v1beta/files/x", method="HEAD", body=None))
            reply = await talk.reply(is_head=True)
            assert (reply.status, reply.value(b"content-length")) == (200, b"1234")
        assert up.connections == 1


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b"", b"Content-Length: 7\r\n"])
async def test_nothing_follows_the_head_that_answers_head(framing):
    async def script(talk: Talk, seen: Seen) -> None:
        is_head = seen.request_line.startswith(b"HEAD")
        await talk.send(b"HTTP/1.1 200 OK\r\n%b\r\n" % framing if is_head else response(b"next"))

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(
            request(method="HEAD", body=None) + request(method="HEAD", body=None, key="wrong-key-012345678")
        )
        assert (await talk.reply(is_head=True)).status == 200
        assert (await talk.reply(is_head=True)).status == 401
        await talk.send(request(method="GET", body=None))
        assert (await talk.reply()).body == b"next"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answers_without_body_get_no_framing(status):
    answer = b"HTTP/1.1 %b\r\nETag: x\r\n\r\n" % status
    async with double(answering(answer)) as up, gateway(up.url) as running, client(running) as talk:
        for _ in range(2):
            await talk.send(request(method="GET", body=None))
            reply = await talk.reply()
            assert reply.value(b"transfer-encoding") is None
            assert reply.value(b"content-length") is None
        assert len(up.requests) == 2


async def test_a_compressed_answer_stays_compressed_and_is_still_priced():
    packed = gzip.compress(json.dumps({"usageMetadata": usage(10, 20)}).encode())
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    async with double(answering(head % len(packed) + packed)) as up, gateway(up.url) as running:
        reply = await asked(running, request(headers={"Accept-Encoding": "gzip"}))
        (record,) = await recorded(running)
    assert reply.body == packed
    assert str(record.cost) == "0.0000530"
    assert up.requests[0].values(b"accept-encoding") == [b"gzip"]


async def test_redirects_and_cookies_are_the_clients_business():
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n"
    async with double(answering(answer)) as up, gateway(up.url) as running:
        first = await asked(running, request())
        await asked(running, request())
        assert first.value(b"location") == b"http://other.example/"
        assert [seen.values(b"cookie") for seen in up.requests] == [[], []]


async def test_an_answer_without_length_comes_to_an_http_1_0_client_without_chunks():
    script = answering(CHUNKED + chunk(b"abc") + b"0\r\n\r\n")
    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(body=None, method="GET").replace(b"HTTP/1.1", b"HTTP/1.0"))
        reply = await talk.reply()
    assert (reply.body, reply.value(b"transfer-encoding"), reply.value(b"connection")) == (b"abc", None, b"close")


async def test_expect_100_is_answered_by_the_gateway_and_not_passed_on():
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        whole = request(headers={"Expect": "100-continue"}, body=b"hello")
        await talk.send(whole.removesuffix(b"hello"))
        assert await talk.head() == b"HTTP/1.1 100 Continue\r\n"
        await talk.send(b"hello")
        assert (await talk.reply()).status == 200
        assert up.requests[0].body == b"hello"
        assert up.requests[0].values(b"expect") == []


# --- streaming -------------------------------------------------------------------------------------------------------


async def test_the_first_chunk_arrives_before_the_provider_sends_its_second():
    may_go_on = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(b"data: 1\n\n"))
        await may_go_on.wait()
        await talk.send(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(GENERATE.replace("generate", "streamGenerate") + "?alt=sse"))
        await talk.head()
        assert await talk.chunk() == b"data: 1\n\n"
        may_go_on.set()
        assert await talk.chunk() == b"data: 2\n\n"
        assert await talk.chunk() == b""


async def test_the_head_arrives_before_the_first_byte_of_the_body():
    may_go_on = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await may_go_on.wait()
        await talk.send(b"ok")

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request())
        assert (await talk.head()).startswith(b"HTTP/1.1 200 OK")
        may_go_on.set()
        assert await talk.reader.readexactly(2) == b"ok"


async def test_a_body_is_passed_on_before_the_client_has_sent_all_of_it():
    first = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        assert await talk.reader.readexactly(5) == b"first"
        first.set()
        assert await talk.reader.readexactly(6) == b"second"
        await talk.send(response(b"done"))

    async with double(script, reads_body=False) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(body=b"firstsecond").removesuffix(b"second"))
        await first.wait()
        await talk.send(b"second")
        assert (await talk.reply()).body == b"done"


# --- breaking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        CHUNKED + chunk(b"data: 1\n\n"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ndata: 1\n\n",
    ],
    ids=["no last chunk", "short of its length"],
)
async def test_a_provider_that_breaks_off_is_seen_as_broken(broken):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(broken)
        raise ConnectionResetError

    async with double(script) as up, gateway(up.url) as running:
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert (reply.status, reply.body, reply.is_whole) == (200, b"data: 1\n\n", False)
    assert (record.outcome, record.status) == ("upstream_abort", 200)


async def test_a_malformed_chunk_breaks_the_stream():
    may_go_on = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(b"data: 1\n\n"))
        await may_go_on.wait()
        await talk.send(b"zz\r\n")
        await talk.left()

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request())
        await talk.head()
        assert await talk.chunk() == b"data: 1\n\n"
        may_go_on.set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await talk.chunk()
        assert (await recorded(running))[0].outcome == "upstream_abort"


async def test_a_broken_stream_without_framing_resets_an_http_1_0_client():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(b"abc"))
        raise ConnectionResetError

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(body=None, method="GET").replace(b"HTTP/1.1", b"HTTP/1.0"))
        reply = await talk.reply()
    assert not reply.is_whole


async def test_usage_seen_before_a_break_is_booked_as_an_estimate():
    event = b"data: " + json.dumps({"usageMetadata": usage(10, 20)}).encode() + b"\n\n"

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(event))
        raise ConnectionResetError

    async with double(script) as up, gateway(up.url) as running:
        await asked(running, request(GENERATE.replace("generate", "streamGenerate") + "?alt=sse"))
        (record,) = await recorded(running)
    assert (record.outcome, record.known, str(record.cost)) == ("upstream_abort", "estimated", "0.0000530")


@pytest.mark.parametrize("when", ["before the answer", "during the answer"])
async def test_a_client_that_leaves_ends_the_providers_request(when):
    order: list[str] = []
    asked_for = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        if when == "during the answer":
            await talk.send(CHUNKED + chunk(b"data: 1\n\n"))
        asked_for.set()
        await talk.left()
        order.append("the provider sees the end")

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request())
        await asked_for.wait()
        if when == "during the answer":
            await talk.head()
            await talk.chunk()
        order.append("the client leaves")
        talk.leave()
        await up.gone.wait()
        (record,) = await recorded(running)
    assert order == ["the client leaves", "the provider sees the end"]
    assert record.outcome == "client_abort"
    assert record.known == "unknown"


async def test_a_client_that_leaves_in_its_upload_never_makes_a_whole_request():
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(body=b"x" * 10).removesuffix(b"xxxxx"))
        while not up.requests:  # noqa: ASYNC110 - the double knows no events
            await asyncio.sleep(0.001)
        talk.leave()
        await up.gone.wait()
        (record,) = await recorded(running)
    assert up.requests[0].body == b""
    assert record.outcome == "client_abort"


async def test_an_early_answer_stops_the_upload_and_the_connection_is_not_used_again():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b"too big", status=b"413 Payload Too Large"))
        await talk.left()

    async with double(script, reads_body=False) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(body=b"x" * 100_000).removesuffix(b"x" * 50_000))
        reply = await talk.reply()
        await up.gone.wait()
    assert (reply.status, reply.body) == (413, b"too big")
    assert up.connections == 1


@pytest.mark.parametrize("when", ["with the answer", "on the idle connection"])
async def test_bytes_that_nobody_asked_for_are_not_taken_for_the_next_answer(when):
    answered, said = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        if when == "with the answer":
            await talk.send(response(b"first") + response(b"for nobody"))
        else:
            await talk.send(response(b"first"))
            await answered.wait()
            await talk.send(response(b"for nobody"))
        said.set()

    async with double(script) as up, gateway(up.url) as running:
        assert (await asked(running, request())).body == b"first"
        answered.set()
        await said.wait()
        await asyncio.sleep(0.02)
        assert (await asked(running, request())).body == b"first"
        assert up.connections == 2


# --- failing ---------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_provider_that_cannot_be_reached_is_a_502_that_costs_nothing(method):
    async with gateway(f"http://127.0.0.1:{free_port()}") as running:
        reply = await asked(running, request(method=method, body=b"{}" if method == "POST" else None))
        (record,) = await recorded(running)
    assert (reply.status, reply.reason, reply.value(b"x-understudy-error")) == (502, "UNREACHABLE", b"UNREACHABLE")
    assert (record.outcome, record.cost, record.status) == ("upstream_abort", 0, 502)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "UPSTREAM_BROKE"),
        (b"HTTP/1.1 200 OK\r\nConte", "UPSTREAM_BROKE"),
        (b"SSH-2.0-x\r\n\r\n", "UPSTREAM_MALFORMED"),
    ],
)
async def test_a_provider_that_gives_no_head_is_a_502_and_is_asked_once(said, reason):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(said)
        raise ConnectionResetError

    async with double(script) as up, gateway(up.url) as running:
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert (reply.status, reply.reason) == (502, reason)
    assert len(up.requests) == 1
    assert (record.known, record.cost) == ("unknown", None)


async def test_a_put_with_a_body_is_not_sent_twice_over_a_stale_connection():
    async def script(talk: Talk, seen: Seen) -> None:
        if len(up.requests) > 1:
            raise ConnectionResetError
        await talk.send(response(b"ok"))

    async with double(script) as up, gateway(up.url) as running:
        await asked(running, request())
        reply = await asked(running, request(method="PUT"))
        assert (reply.status, len(up.requests)) == (502, 2)


async def test_a_101_that_nobody_asked_for_is_a_502():
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with double(answering(answer)) as up, gateway(up.url) as running:
        reply = await asked(running, request())
        assert (reply.status, reply.reason) == (502, "UPSTREAM_MALFORMED")


async def test_interim_answers_are_not_the_answer():
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response(b"real")
    async with double(answering(answer)) as up, gateway(up.url) as running:
        assert (await asked(running, request())).body == b"real"


async def stalls(talk: Talk, seen: Seen) -> None:
    await talk.left()


async def test_a_provider_that_says_nothing_is_a_504():
    async with double(stalls) as up, gateway(up.url, timeouts={"first_byte_s": 0.05}) as running:
        reply = await asked(running, request())
        await up.gone.wait()
        (record,) = await recorded(running)
    assert (reply.status, reply.reason) == (504, "FIRST_BYTE_TIMEOUT")
    assert (record.outcome, record.known) == ("timeout", "unknown")


async def test_a_provider_that_stops_in_its_answer_breaks_the_answer():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(b"a"))
        await talk.left()

    async with double(script) as up, gateway(up.url, timeouts={"idle_s": 0.05}) as running:
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert (reply.body, reply.is_whole, record.outcome) == (b"a", False, "timeout")


async def test_a_client_that_stops_in_its_body_gets_a_408():
    async with double() as up, gateway(up.url, timeouts={"request_idle_s": 0.05}) as running, client(running) as talk:
        await talk.send(request(body=b"0123456789").removesuffix(b"56789"))
        reply = await talk.reply()
        await up.gone.wait()
    assert (reply.status, reply.reason, reply.value(b"connection")) == (408, "REQUEST_TIMEOUT", b"close")
    assert up.requests[0].body == b""


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_over_the_limit_is_a_413(is_chunked):
    limits = {"request_body_bytes": 10}
    async with double() as up, gateway(up.url, limits=limits) as running, client(running) as talk:
        if is_chunked:
            head = request(headers={"Transfer-Encoding": "chunked"}, body=None)
            await talk.send(head + chunk(b"x" * 8) + chunk(b"x" * 8))
        else:
            await talk.send(request(body=b"x" * 11))
        reply = await talk.reply()
    assert (reply.status, reply.reason) == (413, "BODY_TOO_LARGE")
    assert all(seen.body == b"" for seen in up.requests)


async def test_a_malformed_body_is_a_400_and_the_connection_is_closed():
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        head = request(headers={"Transfer-Encoding": "chunked"}, body=None)
        await talk.send(head + chunk(b"ok") + b"zz\r\n")
        reply = await talk.reply()
    assert (reply.status, reply.value(b"connection")) == (400, b"close")


async def test_connections_to_the_provider_are_used_again():
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        for _ in range(50):
            await talk.send(request())
            assert (await talk.reply()).status == 200
        assert (up.connections, len(up.requests)) == (1, 50)


async def test_parallel_exchanges_do_not_wait_for_each_other():
    both = asyncio.Barrier(150)

    async def script(talk: Talk, seen: Seen) -> None:
        await both.wait()
        await talk.send(response(seen.body))

    async with double(script) as up, gateway(up.url) as running:
        replies = await asyncio.gather(*(asked(running, request(body=b"%d" % n)) for n in range(150)))
    assert [reply.body for reply in replies] == [b"%d" % n for n in range(150)]


async def test_a_client_that_resets_does_no_harm_to_others():
    arrived = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        arrived.set()
        await talk.left()

    async with double(script) as up, gateway(up.url) as running:
        async with client(running) as talk:
            await talk.send(request())
            await arrived.wait()
            connection = talk.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talk.leave()
            await up.gone.wait()
        up.script = answering(response(b"fine"))
        assert (await asked(running, request())).body == b"fine"


async def test_a_client_that_reads_nothing_is_given_up():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(1000):
                await talk.send(b"x" * 100_000)

    async with double(script) as up, gateway(up.url, timeouts={"write_s": 0.2}) as running, client(running) as talk:
        await talk.send(request())
        await up.gone.wait()
        (record,) = await recorded(running)
    assert record.outcome == "client_abort"


# --- cost header -----------------------------------------------------------------------------------------------------


async def test_the_cost_header_stands_on_small_answers_when_it_is_switched_on():
    body = json.dumps({"usageMetadata": usage(10, 20)}).encode()
    async with double(answering(response(body))) as up, gateway(up.url, response_cost_header=True) as running:
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert reply.body == body
    assert reply.value(b"x-litellm-response-cost") == b"0.000053"
    assert str(record.cost) == "0.0000530"


JSON_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_the_cost_header_stands_on_a_small_answer_in_chunks_too():
    body = json.dumps({"usageMetadata": usage(10, 20)}).encode()
    script = answering(JSON_CHUNKED + chunk(body[:9]) + chunk(body[9:]) + b"0\r\n\r\n")
    async with double(script) as up, gateway(up.url, response_cost_header=True) as running:
        reply = await asked(running, request())
    assert (reply.body, reply.value(b"x-litellm-response-cost")) == (body, b"0.000053")


async def test_the_cost_header_holds_no_event_stream_back():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(b"x"))
        await go_on.wait()
        await talk.send(b"0\r\n\r\n")

    go_on = asyncio.Event()
    async with double(script) as up, gateway(up.url, response_cost_header=True) as running, client(running) as talk:
        await talk.send(request())
        assert b"x-litellm-response-cost" not in await talk.head()
        assert await talk.chunk() == b"x"
        go_on.set()


async def test_the_cost_header_holds_no_json_array_back():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(JSON_CHUNKED + chunk(b"[{}"))
        await go_on.wait()
        await talk.send(chunk(b"]") + b"0\r\n\r\n")

    go_on = asyncio.Event()
    streaming = b"/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    async with double(script) as up, gateway(up.url, response_cost_header=True) as running, client(running) as talk:
        await talk.send(request(target=streaming))
        await talk.head()
        assert await talk.chunk() == b"[{}"
        go_on.set()


async def test_a_long_answer_passes_whole_without_the_cost_header():
    script = answering(JSON_CHUNKED + chunk(b"x" * 200_000) + b"0\r\n\r\n")
    async with double(script) as up, gateway(up.url, response_cost_header=True) as running:
        reply = await asked(running, request())
    assert (reply.body, reply.is_whole) == (b"x" * 200_000, True)
    assert reply.value(b"x-litellm-response-cost") is None


async def test_an_answer_that_breaks_off_while_it_is_held_back_is_passed_on_broken():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(JSON_CHUNKED + chunk(b"half"))
        raise ConnectionResetError

    async with double(script) as up, gateway(up.url, response_cost_header=True) as running:
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert (reply.status, reply.body, reply.is_whole) == (200, b"half", False)
    assert (record.outcome, reply.value(b"x-litellm-response-cost")) == ("upstream_abort", None)


async def test_the_cost_header_is_off_unless_asked_for():
    body = json.dumps({"usageMetadata": usage(10, 20)}).encode()
    async with double(answering(response(body))) as up, gateway(up.url) as running:
        assert (await asked(running, request())).value(b"x-litellm-response-cost") is None


@pytest.mark.parametrize(("coding", "body"), [("gzip, chunked", None), ("", b"{}"), ("", None)])
async def test_a_transfer_coding_that_would_be_lost_is_refused(coding, body):
    async with double() as up, gateway(up.url) as running:
        data = request(headers={"Transfer-Encoding": coding}, body=body)
        reply = await asked(running, data if coding == "" else data + b"0\r\n\r\n")
    assert (reply.status, reply.reason, up.requests) == (400, "BAD_REQUEST", [])
