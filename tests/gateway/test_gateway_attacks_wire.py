"""Framing attacked on a running gateway: smuggling, splitting, poisoned connections (S-36 to S-43, SEC-1, HDR-10)."""

import asyncio
import logging

import pytest
from attack_stand import KEY_LINE, LIVE, PATH, WAIT_S, field
from gateway_stand import KEY, request
from live_doubles import ACCEPT, handshake
from upstream_double import Seen, Talk, answering, response

BEHIND = request("/gemini/v1beta/smuggled", method="GET", body=None)
"""What a gateway that lost its place would take for the next request."""


def head(*lines: bytes, first: bytes = b"POST " + PATH.encode() + b" HTTP/1.1", host: bytes = b"Host: x") -> bytes:
    return b"\r\n".join((first, *((host,) if host else ()), KEY_LINE[:-2], *lines, b"", b""))


AMBIGUOUS = {
    "length and coding": head(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "coding and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"0\r\n\r\n",
    "two lengths": head(b"Content-Length: 2", b"Content-Length: 3") + b"{}",
    "two equal lengths": head(b"Content-Length: 2", b"Content-Length: 2") + b"{}",
    "a list of lengths": head(b"Content-Length: 2, 2") + b"{}",
    "a length with a sign": head(b"Content-Length: +2") + b"{}",
    "a negative length": head(b"Content-Length: -2") + b"{}",
    "a length with an underscore": head(b"Content-Length: 0_2") + b"{}",
    "a hexadecimal length": head(b"Content-Length: 0x2") + b"{}",
    "a length in Arabic digits": head("Content-Length: \u0662".encode()) + b"{}",
    "an empty length": head(b"Content-Length: ") + b"{}",
    "an endless length": head(b"Content-Length: " + b"9" * 40) + b"{}",
    "a length with a space inside": head(b"Content-Length: 2 2") + b"{}",
    "gzip, chunked": head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunked, chunked": head(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "chunked twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked, identity": head(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "identity": head(b"Transfer-Encoding: identity") + b"0\r\n\r\n",
    "xchunked": head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "chunked with a parameter": head(b"Transfer-Encoding: chunked;x=1") + b"0\r\n\r\n",
    "chunked in quotes": head(b'Transfer-Encoding: "chunked"') + b"0\r\n\r\n",
    "chunked with a vertical tab": head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "an empty coding": head(b"Transfer-Encoding: ") + b"0\r\n\r\n",
    "chunks in HTTP/1.0": head(
        b"Transfer-Encoding: chunked", b"Connection: keep-alive", first=b"POST " + PATH.encode() + b" HTTP/1.0"
    )
    + b"0\r\n\r\n",
    "a space before the colon": head(b"Content-Length : 2") + b"{}",
    "a tab before the colon": head(b"Transfer-Encoding\t: chunked") + b"0\r\n\r\n",
    "a folded line": head(b"A: b", b" Content-Length: 2") + b"{}",
    "a folded first line": head(b" A: b"),
    "a bare carriage return in a value": head(b"A: b\rContent-Length: 2") + b"{}",
    "a bare line feed": head(b"A: b\nContent-Length: 2") + b"{}",
    "only line feeds": head(b"A: b").replace(b"\r\n", b"\n"),
    "NUL in a value": head(b"A: b\0c"),
    "a control character in a value": head(b"A: b\x01c"),
    "DEL in a value": head(b"A: b\x7fc"),
    "NUL in a name": head(b"A\0: b"),
    "a space in a name": head(b"A b: c"),
    "a name with a bracket": head(b"A[0]: c"),
    "a name beyond ASCII": head("Ä: c".encode()),
    "no name": head(b": c"),
    "no colon": head(b"nonsense"),
    "no Host": head(host=b""),
    "two Hosts": head(b"Host: y"),
    "two equal Hosts": head(b"Host: x"),
    "a version of two digits": head(first=b"GET " + PATH.encode() + b" HTTP/1.10"),
    "HTTP/2.0": head(first=b"GET " + PATH.encode() + b" HTTP/2.0"),
    "HTTP/0.9": head(first=b"GET " + PATH.encode() + b" HTTP/0.9"),
    "no version": head(first=b"GET " + PATH.encode()),
    "another protocol": head(first=b"GET " + PATH.encode() + b" ICE/1.0"),
    "a space in the target": head(first=b"GET /gemini/v1 x HTTP/1.1"),
    "a method in small letters": head(first=b"get " + PATH.encode() + b" HTTP/1.1"),
    "a method that is no token": head(first=b"GE(T " + PATH.encode() + b" HTTP/1.1"),
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(data):
    """S-36, SEC-1, HDR-10."""
    async with field() as attack:
        answers = await attack.hit(data + BEHIND)
        assert answers.statuses in ([400], [405])
        assert answers.is_closed
        assert attack.up.connections == 0
        assert KEY.encode() not in answers.data


BAD_CHUNKS = {
    "a size that is none": b"zz\r\nab\r\n0\r\n\r\n",
    "a size with a sign": b"+2\r\nab\r\n0\r\n\r\n",
    "a size with 0x": b"0x2\r\nab\r\n0\r\n\r\n",
    "a size with an underscore": b"0_2\r\nab\r\n0\r\n\r\n",
    "an empty size": b"\r\nab\r\n0\r\n\r\n",
    "an endless size": b"f" * 20 + b"\r\nab\r\n0\r\n\r\n",
    "a space before the size": b" 2\r\nab\r\n0\r\n\r\n",
    "a chunk longer than its size": b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk without its line end": b"2\r\nab0\r\n\r\n",
    "a size line that ends with a line feed": b"2\nab\r\n0\r\n\r\n",
    "a chunk that ends with a line feed": b"2\r\nab\n0\r\n\r\n",
    "an extension with a line feed": b"2;a\nb\r\nab\r\n0\r\n\r\n",
    "a length in a trailer": b"2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n",
    "a trailer that is none": b"2\r\nab\r\n0\r\nno trailer\r\n\r\n",
}


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
@pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["at once", "in pieces"])
async def test_malformed_chunks_are_refused_and_never_make_a_whole_request(chunks, pause_s, caplog):
    """S-36, S-55, BODY-8: the provider never sees a complete request; nothing behind is a request; no trace logged."""
    async with field() as attack:
        opening = head(b"Transfer-Encoding: chunked", b"x-number: bad") + b"1\r\na\r\n"
        answers = await attack.hit(opening, chunks + BEHIND, pause_s=pause_s)
        assert answers.statuses == [400]
        assert answers.is_closed
        assert all(seen.body == b"" for seen in attack.up.requests)
        assert not any(b"smuggled" in seen.target for seen in attack.up.requests)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_body_upstream_is_framed_by_what_was_read():
    """S-37: neither extensions nor trailers nor the client's chunks; a length stays that length."""
    async with field() as attack:
        chunked = head(b"Transfer-Encoding: Chunked", b"Trailer: X-T", b"x-number: 1")
        await attack.hit(chunked + b"2;ext=1\r\nab\r\n00002\r\ncd\r\n0\r\nX-T: 1\r\n\r\n")
        await attack.hit(head(b"Content-Length: 0004", b"x-number: 2") + b"abcd")
        first, second = attack.up.requests
        assert [first.body, second.body] == [b"abcd", b"abcd"]
        assert first.values(b"content-length") == second.values(b"transfer-encoding") == []
        assert first.values(b"trailer") == first.values(b"x-t") == []
        assert first.values(b"transfer-encoding") == [b"chunked"]
        assert second.values(b"content-length") == [b"4"]


SPLITTING = ["%0d%0aX-Evil:%201", "%0D%0A%0D%0AGET%20/x", "%0a", "%00", "%250d%250a"]


@pytest.mark.parametrize("escape", SPLITTING)
async def test_percent_escapes_never_become_a_line(escape):
    """S-38: in the path, in the query and in a field they stay what they are."""
    async with field() as attack:
        target = f"/gemini/v1beta/models/m{escape}:countTokens?a={escape}"
        reply = await attack.asked(request(target, headers={"x-number": "1", "x-note": escape}))
        assert reply.status == 200
        (seen,) = attack.up.requests
        assert seen.target == target.removeprefix("/gemini").encode()
        assert seen.values(b"x-note") == [escape.encode()]
        assert seen.values(b"x-evil") == []


STRAY = response(b'{"echo": "stolen"}')


@pytest.mark.parametrize(
    "said",
    [
        response(b'{"echo": "1"}') + STRAY,
        response(b'{"echo": "1"}') + b"\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{"echo": "1"}\r\n0\r\n\r\n' + STRAY,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 304 Not Modified\r\n\r\n" + STRAY,
    ],
    ids=["an answer more", "line breaks", "behind the last chunk", "a body of 204", "behind 304"],
)
async def test_a_provider_connection_with_bytes_that_nobody_asked_for_is_not_used_again(said):
    """S-39: the next client would get another's answer."""
    async with field(answering(said)) as attack:
        first = await attack.asked(request(PATH))
        assert first.status in (200, 204, 304)
        connections = attack.up.connections
        attack.up.script = answering(response(b'{"echo": "mine"}'))
        assert (await attack.asked(request(PATH))).body == b'{"echo": "mine"}'
        assert attack.up.connections == connections + 1


async def test_an_early_answer_ends_the_provider_connection():
    """S-39, R-11, BODY-9: what is left of the body would be read there as a request."""

    async def early(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b'{"echo": "early"}', status=b"413 Too Large"))
        await talk.left()

    async with field(early, reads_body=False) as attack, attack.talk() as talk:
        await talk.send(head(b"Content-Length: 100000") + BEHIND)
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        assert (reply.status, reply.body) == (413, b'{"echo": "early"}')
        assert len(attack.up.requests) == 1


async def test_an_upgrade_that_the_provider_refuses_leaves_ordinary_http():
    """S-40: bytes sent ahead of the 101 are no tunnel, and the next request on the connection is one."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    async with field(answering(refusal)) as attack, attack.talk() as talk:
        await talk.send(handshake(LIVE.encode(), KEY_LINE[:-2]))
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 403
        attack.up.script = answering(response(b"second"))
        await talk.send(request(PATH))
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).body == b"second"


@pytest.mark.parametrize(
    "switch",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n",
        b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["no accept value", "another's accept value", "another protocol"],
)
async def test_a_switch_with_a_wrong_accept_value_is_a_502(switch):
    """S-40, S-60."""
    async with field(answering(switch + b"\x81\x02hi"), reads_body=False) as attack:
        answers = await attack.hit(handshake(LIVE.encode(), KEY_LINE[:-2]))
        assert answers.statuses == [502]
        assert b"hi" not in answers.data


async def test_an_upgrade_on_a_route_that_is_not_live_is_not_passed_on():
    """S-40, HDR-2."""
    async with field() as attack:
        fields = {
            "Connection": "Upgrade, HTTP2-Settings",
            "Upgrade": "h2c",
            "HTTP2-Settings": "AAMAAABk",
            "x-number": "1",
        }
        answers = await attack.hit(request(PATH, headers=fields))
        assert answers.statuses[:1] == [200]
        for name in (b"upgrade", b"connection", b"http2-settings"):
            assert attack.up.requests[0].values(name) == []


UNREADABLE = {
    "101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + STRAY,
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "a control character": b"HTTP/1.1 200 OK\r\nA: b\x01\r\nContent-Length: 0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a split head": b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: x\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_answer_that_cannot_be_read_is_a_502_and_not_relayed(said):
    """S-41, ERR-3."""

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(said)
        await talk.left()

    async with field(script) as attack:
        answers = await attack.hit(request(PATH))
        assert answers.statuses[:1] == [502]
        assert b"UPSTREAM_MALFORMED" in answers.data


@pytest.mark.parametrize("status", [100, 102, 103, 199])
async def test_interim_answers_are_not_the_answer(status):
    """S-41, HDR-13."""
    interim = b"HTTP/1.1 %d Interim\r\nLink: </x>\r\nContent-Length: 5\r\n\r\n" % status
    async with field(answering(interim * 3 + response(b'{"echo": "final"}'))) as attack:
        answers = await attack.hit(request(PATH))
        assert answers.statuses == [200]
        assert answers.data.endswith(b'{"echo": "final"}')


async def test_connection_tokens_remove_nothing_that_the_gateway_sets():
    """S-42, S-25."""
    named = "authorization, x-goog-api-key, content-length, host, transfer-encoding, x-number, x-hop, x-pass-evil"
    fields = {"Connection": named, "x-hop": "1", "X-Pass-Evil": "1", "x-number": "1"}
    async with field() as attack:
        answers = await attack.hit(request(PATH, headers=fields, body=b"{}"))
        assert answers.statuses[:1] == [200]
        (seen,) = attack.up.requests
        assert seen.body == b"{}"
        assert [len(seen.values(name)) for name in (b"host", b"content-length", b"x-goog-api-key")] == [1, 1, 1]
        assert [seen.values(name) for name in (b"x-hop", b"x-pass-evil", b"evil", b"x-number")] == [[]] * 4


async def test_the_parser_is_the_compiled_one_and_the_log_says_so(caplog: pytest.LogCaptureFixture):
    """S-43."""
    caplog.set_level(logging.INFO)
    async with field() as attack:
        (line,) = [record.getMessage() for record in caplog.records if "parser" in record.getMessage()]
        assert "compiled" in line
        async with attack.talk() as talk:
            await talk.send(request(PATH))
            await talk.reply()
            server = attack.running._listeners._runners[0].server
            assert server is not None
            assert {type(one._parser).__module__ for one in server.connections} == {"aiohttp._http_parser"}


@pytest.mark.parametrize("key", [None, "sk-no-such-key-000000000"])
@pytest.mark.parametrize("framing", [b"Content-Length: 200", b"Transfer-Encoding: chunked"])
async def test_the_unread_body_of_a_refused_request_is_never_a_request(key, framing):
    """S-18, S-36: a 401 comes before the body; what comes then is the body still, or nothing."""
    async with field() as attack:
        data = request(PATH, body=None, key=key)[:-2] + framing + b"\r\n\r\n"
        answers = await attack.hit(data, BEHIND * 2, pause_s=0.02)
        assert answers.statuses[:1] == [401]
        assert not any(b"smuggled" in seen.target for seen in attack.up.requests)
