"""What of BODY-1 to BODY-9 and MPT-1 to MPT-3 no other test holds."""

import json

import pytest
from gateway_stand import GENERATE, asked, gateway, request
from upstream_double import double

# BODY-2 names them: other gateways take them for instructions.
WORDS = [
    *("metadata", "tags", "ttl", "id", "order", "cache", "headers", "stream", "model", "custom_body", "query_params"),
    *("api_key", "api_base", "timeout", "fallbacks", "mock_response", "mock_testing_fallbacks"),
    *("mock_testing_rate_limit_error", "base_url", "vertex_project", "vertex_location", "guardrails"),
]


@pytest.mark.parametrize("word", WORDS)
async def test_no_key_of_a_body_is_an_instruction(word):
    bodies = [json.dumps({word: value}, separators=(",", ":")).encode() for value in (1, {"a": "http://h"}, ["x"])]
    async with double() as up, gateway(up.url) as running:
        for body in bodies:
            for method in ("POST", "PATCH"):
                headers = {"Content-Type": "application/json"}
                assert (await asked(running, request(method=method, headers=headers, body=body))).status == 200
                seen = up.requests[-1]
                assert (seen.body, seen.target) == (body, GENERATE.removeprefix("/gemini").encode())


PARTS = (
    b"a preamble that nobody reads\r\n--odd 'b' (x)=?\r\n"
    b'Content-Disposition: form-data; name="a"\r\nX-Part: 1\r\n\r\n\xff\xfe\x00 no text \xc3\r\n'
    b"--odd 'b' (x)=?\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n"
    b'--odd \'b\' (x)=?\r\nContent-Disposition: form-data; name="f"; filename=""\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\r\n--odd 'b' (x)=?--\r\nan epilogue\r\n"
)


@pytest.mark.parametrize("kind", ["form-data", "related", "mixed"])
async def test_a_multipart_body_arrives_with_its_boundary_as_it_was_sent(kind):
    declared = f'multipart/{kind}; type="application/json"; boundary="odd \'b\' (x)=?"'
    async with double() as up, gateway(up.url) as running:
        reply = await asked(running, request(headers={"Content-Type": declared}, body=PARTS))
        (seen,) = up.requests
    assert (reply.status, seen.body, seen.values(b"content-type")) == (200, PARTS, [declared.encode()])


async def test_json_under_a_multipart_content_type_passes():
    async with double() as up, gateway(up.url) as running:
        headers = {"Content-Type": "multipart/form-data"}
        assert (await asked(running, request(headers=headers, body=b'{"a": 1}'))).status == 200
        assert up.requests[0].body == b'{"a": 1}'


async def test_trailers_of_a_request_are_dropped():  # BODY-4, S-37
    body = b'4;ext="x"\r\nbody\r\n0\r\nX-Trailer: secret\r\n\r\n'
    head = request(headers={"Transfer-Encoding": "chunked", "Trailer": "X-Trailer"}, body=None)
    async with double() as up, gateway(up.url) as running:
        assert (await asked(running, head + body)).status == 200
        (seen,) = up.requests
    assert (seen.body, seen.values(b"transfer-encoding"), seen.values(b"content-length")) == (b"body", [b"chunked"], [])
    assert seen.values(b"trailer") == []
