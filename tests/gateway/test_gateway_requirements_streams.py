"""What of STR-1 to STR-12 no other test holds."""

import asyncio

import pytest
from gateway_stand import GENERATE, asked, client, gateway, request
from upstream_double import Seen, Talk, answering, double

STREAM = GENERATE.replace("generateContent", "streamGenerateContent") + "?alt=sse"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

EVENTS = (
    b': a comment\r\n\r\ndata: {"a":  1}\r\n\r\n'
    b"event: x\nid: 7\nretry: 10\ndata:no space\ndata:  two lines\n\n"
    b"data: caf\xc3\xa9 \xf0\x9f\x98\x80\r\rdata: \xff\xfe no utf-8\n\n\xef\xbb\xbfdata: the last without its end"
)


def chunks(data: bytes, size: int) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_an_event_stream_arrives_byte_for_byte(size):  # STR-1
    go_on = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(HEAD + b"1\r\n" + EVENTS[:1] + b"\r\n")
        await go_on.wait()  # what comes later is passed on piece by piece
        await talk.send(chunks(EVENTS[1:], size))

    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        await talk.send(request(STREAM))
        await talk.head()
        body = await talk.chunk()
        go_on.set()
        while piece := await talk.chunk():
            body += piece
    assert body == EVENTS


async def test_an_event_stream_ends_without_a_sentinel():  # STR-10
    script = answering(HEAD + chunks(b'data: {"candidates": []}\r\n\r\n', 4096))
    async with double(script) as up, gateway(up.url) as running, client(running) as talk:
        for _ in range(2):
            await talk.send(request(STREAM))
            reply = await talk.reply()
            assert (reply.body, reply.is_whole) == (b'data: {"candidates": []}\r\n\r\n', True)
        assert up.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_pass_and_nobody_follows_them(status):  # STR-11, S-32
    async with double() as canary:
        fields = b'Location: %b/there\r\nRefresh: 0; url=%b/r\r\nAlt-Svc: h3="%b"\r\nx-goog-upload-url: %b/u\r\n'
        answer = b"HTTP/1.1 %d Elsewhere\r\n" % status + fields % ((canary.url.encode(),) * 4)
        async with double(answering(answer + b"Content-Length: 2\r\n\r\nno")) as up, gateway(up.url) as running:
            reply = await asked(running, request())
            assert (reply.status, reply.body) == (status, b"no")
            assert reply.value(b"location") == canary.url.encode() + b"/there"
            assert reply.value(b"x-goog-upload-url") == canary.url.encode() + b"/u"
            assert (await asked(running, request())).status == status
            assert len(up.requests) == 2
        assert canary.connections == 0
