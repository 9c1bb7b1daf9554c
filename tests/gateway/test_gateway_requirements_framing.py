"""S-36, HDR-10 and SEC-1 by raw sockets: what reads in two ways is refused, and nothing behind it is a request."""

import pytest
from gateway_stand import KEY, client, gateway, request
from upstream_double import double

TARGET = b"/gemini/v1beta/files/x"
HOST = b"Host: gateway.example"
CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"


def head(*fields: bytes, line: bytes = b"POST " + TARGET + b" HTTP/1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join((line, *fields, b"x-goog-api-key: " + KEY.encode(), b"", b"")) + body


def line(text: bytes) -> bytes:
    return head(HOST, line=text)


HOSTILE = {
    "no host": head(),
    "two hosts": head(HOST, b"Host: other.example"),
    "the same host twice": head(HOST, HOST),
    "two lengths": head(HOST, b"Content-Length: 1", b"Content-Length: 2", body=b"ab"),
    "the same length twice": head(HOST, b"Content-Length: 1", b"Content-Length: 1", body=b"a"),
    "a list of lengths": head(HOST, b"Content-Length: 1, 1", body=b"a"),
    "a signed length": head(HOST, b"Content-Length: +1", body=b"a"),
    "a negative length": head(HOST, b"Content-Length: -1"),
    "a length in hex": head(HOST, b"Content-Length: 0x1", body=b"a"),
    "a length in two words": head(HOST, b"Content-Length: 1 1", body=b"a"),
    "a length with an underscore": head(HOST, b"Content-Length: 1_0", body=b"a" * 10),
    "an empty length": head(HOST, b"Content-Length: "),
    "a length in other digits": head(HOST, b"Content-Length: \xd9\xa1", body=b"a"),
    "length and coding": head(HOST, b"Content-Length: 5", CHUNKED, body=LAST),
    "coding and length": head(HOST, CHUNKED, b"Content-Length: 5", body=LAST),
    "chunked twice in two fields": head(HOST, CHUNKED, CHUNKED, body=LAST),
    "chunked twice in a list": head(HOST, b"Transfer-Encoding: chunked, chunked", body=LAST),
    "gzip before chunked": head(HOST, b"Transfer-Encoding: gzip, chunked", body=LAST),
    "identity": head(HOST, b"Transfer-Encoding: identity"),
    "a coding that nobody knows": head(HOST, b"Transfer-Encoding: xchunked", body=LAST),
    "a control byte before chunked": head(HOST, b"Transfer-Encoding: \x0bchunked", body=LAST),
    "a coding in HTTP/1.0": head(HOST, CHUNKED, line=b"POST " + TARGET + b" HTTP/1.0", body=LAST),
    "space before the colon": head(HOST, b"A : b"),
    "space before the name": head(b" A: b", HOST),
    "a folded line": head(HOST, b"A: b\r\n\tc"),
    "a bare line feed": head(HOST, b"A: b\nContent-Length: 5"),
    "a bare carriage return": head(HOST, b"A: b\rc"),
    "a NUL": head(HOST, b"A: b\0c"),
    "a control byte": head(HOST, b"A: b\x01c"),
    "a deleted byte": head(HOST, b"A: b\x7fc"),
    "a name that is none": head(HOST, b"A(b): c"),
    "an empty name": head(HOST, b": c"),
    "a line without a colon": head(HOST, b"abc"),
    "HTTP/2.0": line(b"POST " + TARGET + b" HTTP/2.0"),
    "HTTP/0.9": b"GET " + TARGET + b"?key=" + KEY.encode() + b"\r\n\r\n",
    "HTTP/1.2": line(b"GET " + TARGET + b" HTTP/1.2"),
    "half a version": line(b"GET " + TARGET + b" HTTP/1"),
    "a version in small letters": line(b"GET " + TARGET + b" http/1.1"),
    "a tab in the line": line(b"GET\t" + TARGET + b" HTTP/1.1"),
    "a method that is none": line(b"G@T " + TARGET + b" HTTP/1.1"),
    "a method in small letters": line(b"get " + TARGET + b" HTTP/1.1"),
    "a size of no digits": head(HOST, CHUNKED, body=b"zz\r\na\r\n" + LAST),
    "a size in C's hex": head(HOST, CHUNKED, body=b"0x1\r\na\r\n" + LAST),
    "a signed size": head(HOST, CHUNKED, body=b"-1\r\na\r\n" + LAST),
    "a size of too many digits": head(HOST, CHUNKED, body=b"f" * 17 + b"\r\na\r\n" + LAST),
    "a chunk longer than its size": head(HOST, CHUNKED, body=b"1\r\nabc" + LAST),
    "a size that ends with a line feed": head(HOST, CHUNKED, body=b"1\na\r\n" + LAST),
    "an extension with a line feed": head(HOST, CHUNKED, body=b"1;a\nb\r\na\r\n" + LAST),
}


BEHIND = request("/gemini/v1beta/smuggled", method="GET", body=None)


@pytest.mark.parametrize("behind", [b"", BEHIND], ids=["alone", "followed"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_a_request(name, behind):
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(HOSTILE[name] + behind)
        reply = await talk.reply()
        assert (reply.status, reply.value(b"x-understudy-error")) == (400, b"BAD_REQUEST")
        assert reply.value(b"connection") == b"close"
        assert await talk.reader.read() == b""
        assert not any(b"smuggled" in seen.head or len(seen.values(b"content-length")) > 1 for seen in up.requests)
        assert not any(seen.body for seen in up.requests)
        async with client(running) as other:  # S-39: nobody else gets what was left over
            await other.send(request())
            assert (await other.reply()).status == 200
