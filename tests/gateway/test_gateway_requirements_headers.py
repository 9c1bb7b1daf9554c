"""What of HDR-1 to HDR-14 no other test holds."""

import asyncio

import pytest
from gateway_stand import GENERATE, KEY, asked, client, gateway, request
from upstream_double import Seen, Talk, answering, double, response

# HDR-1 names them, because users miss them behind other gateways.
FIELDS = [
    ("x-goog-user-project", "billing"),
    ("X-Goog-Api-Client", "genai-py/1.0 gl-python/3.12"),
    ("x-goog-request-params", "model=models%2Fm"),
    ("x-goog-upload-protocol", "resumable"),
    ("X-Server-Timeout", "600"),
    ("User-Agent", "mine/1.0 (x; y)"),
    ("Accept", "text/event-stream"),
    ("accept-language", "de, en;q=0.5"),
    ("Range", "bytes=0-99"),
    ("If-Range", '"etag"'),
    ("if-none-match", 'W/"a", "b"'),
    ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
    ("Content-Type", 'application/json; charset="utf-8"'),
    ("content-encoding", "identity"),
    ("anthropic-beta", "one,two"),
    ("anthropic-beta", "three"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("Cookie", "a=1"),
    ("cookie", "b=2"),
    ("X-Forwarded-For", "10.0.0.1"),
]

ROUTES = [
    GENERATE,
    "/vertex_ai/v1/projects/p/locations/us-east1/publishers/google/models/m:generateContent",
    "/vertex-ai/v1/projects/p/locations/us-east1/publishers/anthropic/models/c:rawPredict",
    "/gemini/upload/v1beta/files",
]


@pytest.mark.parametrize("route", ROUTES)
async def test_every_field_that_users_miss_passes_on_every_route(route):
    async with double() as up, gateway(up.url) as running:
        assert (await asked(running, request(route, headers=FIELDS))).status == 200
    kept = {name.lower() for name, _ in FIELDS}
    found = [(name.decode(), value.decode()) for name, value in up.requests[0].fields if name.decode().lower() in kept]
    assert found == FIELDS


OURS = {b"x-litellm-call-id", b"x-understudy-request-id"}


async def test_an_answer_has_the_documented_fields_of_ours_and_no_other():  # HDR-8, HDR-9
    bare = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    async with double(answering(bare)) as up, gateway(up.url) as running:
        for target in (GENERATE, "/vertex_ai/v1/projects/secret-project/locations/us/publishers/google/models/m:x"):
            reply = await asked(running, request(target))
            assert {name.lower() for name, _ in reply.fields} == OURS | {b"content-length"}
            assert not any(word in reply.head for word in (b"127.0.0.1", b"secret-project"))


async def test_an_answer_may_have_a_phrase_of_its_own_or_none():  # HDR-7
    for phrase in (b"Everything Is Fine", b""):
        answer = b"HTTP/1.1 299 " + phrase + b"\r\nContent-Length: 0\r\n\r\n"
        async with double(answering(answer)) as up, gateway(up.url) as running:
            reply = await asked(running, request())
            assert reply.head.split(b"\r\n")[0] == b"HTTP/1.1 299 " + phrase


async def test_a_final_answer_before_the_body_reaches_who_expects_to_go_on():  # HDR-12
    """The gateway says 100 once the key is good; a wrong key is told before a byte of the body was sent."""
    heard = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        heard.set()
        await talk.send(response(b"no", status=b"413 Content Too Large") + b"")

    async with double(script, reads_body=False) as up, gateway(up.url) as running:
        async with client(running) as talk:
            await talk.send(request(headers={"Expect": "100-continue"}, body=b"x" * 10).removesuffix(b"x" * 10))
            assert await talk.head() == b"HTTP/1.1 100 Continue\r\n"
            await talk.send(b"xx")
            await heard.wait()
            assert (await talk.reply()).status == 413
        async with client(running) as talk:
            whole = request(headers={"Expect": "100-continue"}, body=b"x" * 10, key=KEY + "wrong")
            await talk.send(whole.removesuffix(b"x" * 10))
            assert (await talk.reply()).status == 401
        assert len(up.requests) == 1
