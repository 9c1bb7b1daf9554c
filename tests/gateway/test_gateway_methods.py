"""Methods, Expect, bodies that are none: what passes whatever it is. Raw sockets."""

import asyncio

import pytest
from attack_stand import PATH, WAIT_S, field
from gateway_stand import request
from upstream_double import Seen, Talk, answering, response

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_passes_with_and_without_a_body(method):
    """URL-12, BODY-3: a GET with a body keeps it; nobody gets one that had none."""

    async def script(talk: Talk, seen: Seen) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        await talk.send(head if method == "HEAD" else head + b"hello")

    async with field(script) as attack:
        for body in (None, b"{}"):
            reply = await attack.asked(request(PATH, method=method, body=body), is_head=method == "HEAD")
            assert (reply.status, reply.value(b"content-length")) == (200, b"5")
            assert reply.body == (b"" if method == "HEAD" else b"hello")
            seen = attack.up.requests[-1]
            assert seen.request_line == f"{method} {PATH.removeprefix('/gemini')} HTTP/1.1".encode()
            assert seen.body == (body or b"")
            assert seen.values(b"content-length") == ([] if body is None else [b"2"])


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_trace_and_connect_are_405_with_the_methods_that_pass(method):
    """URL-12, ERR-3."""
    async with field() as attack:
        target = PATH if method == "TRACE" else f"127.0.0.1:{attack.canary.port}"
        reply = await attack.asked(request(target, method=method, body=None))
        assert reply.status == 405
        assert set((reply.value(b"allow") or b"").decode().split(", ")) == set(METHODS)
        assert attack.up.connections == 0


async def test_a_part_of_a_file_passes_with_its_range():
    """STR-12, LRO-5."""
    said = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nETag: x\r\nContent-Length: 3\r\n\r\ncde"
    async with field(answering(said)) as attack:
        fields = {"Range": "bytes=2-4", "If-Range": '"x"'}
        reply = await attack.asked(request(PATH, method="GET", headers=fields, body=None))
        assert (reply.status, reply.body, reply.value(b"content-range")) == (206, b"cde", b"bytes 2-4/10")
        (seen,) = attack.up.requests
        assert (seen.values(b"range"), seen.values(b"if-range")) == ([b"bytes=2-4"], [b'"x"'])


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("more", [b"", b"ETag: x\r\n"])
async def test_answers_without_a_body_get_neither_body_nor_length(status, more):
    """STR-12: and the connection goes on."""
    async with field(answering(b"HTTP/1.1 " + status + b"\r\n" + more + b"\r\n")) as attack, attack.talk() as talk:
        for _ in range(2):
            await talk.send(request(PATH, method="GET", body=None))
            reply = await asyncio.wait_for(talk.reply(), WAIT_S)
            assert reply.status == int(status[:3])
            assert reply.value(b"content-length") is None
            assert reply.value(b"transfer-encoding") is None


EXPECT = {"Expect": "100-continue", "x-number": "1"}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("fields", [{"Content-Length": "2"}, {"Transfer-Encoding": "chunked"}], ids=["size", "chunks"])
@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
async def test_the_body_is_called_for_once_the_key_is_accepted_and_arrives_once(fields, expect):
    """HDR-12: the gateway's own 100, before any answer; the field does not go up."""
    async with field() as attack, attack.talk() as talk:
        await talk.send(request(PATH, headers={**EXPECT, "Expect": expect, **fields}, body=None))
        assert await asyncio.wait_for(talk.reader.readexactly(len(CONTINUE)), WAIT_S) == CONTINUE
        await talk.send(b"{}" if "Content-Length" in fields else b"2\r\n{}\r\n0\r\n\r\n")
        assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 200
        (seen,) = attack.up.requests
        assert (seen.body, seen.values(b"expect")) == (b"{}", [])


@pytest.mark.parametrize("key", [None, "sk-wrong-0123456789abc"])
async def test_nobody_without_a_key_is_asked_for_a_body(key):
    """HDR-12, S-18: the final status comes instead of the 100."""
    async with field() as attack:
        answers = await attack.hit(request(PATH, headers={**EXPECT, "Content-Length": "2"}, body=None, key=key))
        assert answers.statuses == [401]
        assert attack.up.connections == 0


async def test_a_body_over_the_limit_is_not_asked_for():
    """HDR-12, BODY-7."""
    async with field(limits={"request_body_bytes": 1000}) as attack:
        answers = await attack.hit(request(PATH, headers={**EXPECT, "Content-Length": "1001"}, body=None))
        assert answers.statuses == [413]


async def test_a_final_answer_before_the_body_is_passed_on():
    """HDR-12, BODY-9: the 100 is ours, the 403 the provider's, and the body never comes."""

    async def early(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b"no", status=b"403 Forbidden"))
        await talk.left()

    async with field(early, reads_body=False) as attack:
        data = request(PATH, headers={**EXPECT, "Content-Length": "100000"}, body=None)
        answers = await attack.hit(data, b"some", pause_s=0.05)
        assert answers.statuses == [100, 403]
        assert answers.data.endswith(b"no")


@pytest.mark.parametrize("expect", ["200-ok", "100-continue, x"])
async def test_another_expectation_is_not_passed_on(expect):
    """HDR-12, HDR-1."""
    async with field() as attack:
        answers = await attack.hit(request(PATH, headers={"Expect": expect, "x-number": "1"}))
        assert answers.statuses in ([200], [417])
        assert all(seen.values(b"expect") == [] for seen in attack.up.requests)


@pytest.mark.parametrize("when", ["before the body", "in the body"])
async def test_interim_answers_of_the_provider_are_no_answer_whenever_they_come(when):
    """HDR-13, S-41."""

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + CONTINUE)
        if when == "in the body":
            await asyncio.sleep(0.02)
        seen.body = await talk.reader.readexactly(4)
        await talk.send(CONTINUE + response(b"final"))

    async with field(script, reads_body=False) as attack:
        answers = await attack.hit(
            request(PATH, headers={"Content-Length": "4"}, body=None) + b"ab", b"cd", pause_s=0.05
        )
        assert answers.statuses == [200]
        assert answers.data.endswith(b"final")
        assert attack.up.requests[0].body == b"abcd"
