"""What of URL-1 to URL-14 no other test holds."""

import json

import pytest
from gateway_stand import GENERATE, asked, gateway, request, usage
from upstream_double import answering, double, response

STREAM = GENERATE.replace("generateContent", "streamGenerateContent")
VERTEX = "/vertex_ai/v1/projects/p/locations/us-east1/publishers/google/models/m:streamGenerateContent"


@pytest.mark.parametrize("path", [STREAM, VERTEX])
@pytest.mark.parametrize("query", ["", "?alt=sse", "?alt=json&x=1", "?%24alt=media&alt=sse", "?x=1"])
async def test_alt_is_never_added_removed_or_changed(path, query):  # URL-11
    async with double() as up, gateway(up.url) as running:
        assert (await asked(running, request(path + query))).status == 200
        assert up.requests[0].target.partition(b"?")[1:] == query.encode().partition(b"?")[1:]


async def test_every_method_passes_with_its_body_and_its_answer():  # URL-12, BODY-3
    async with double(answering(response(b"answer"))) as up, gateway(up.url) as running:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            reply = await asked(running, request("/gemini/v1beta/files/x", method=method, body=b"body"))
            assert (method, reply.status, reply.body) == (method, 200, b"answer")
            seen = up.requests[-1]
            assert (seen.request_line, seen.body) == (f"{method} /v1beta/files/x HTTP/1.1".encode(), b"body")


@pytest.mark.parametrize("query", ["?x=stream", "?x=streamGenerateContent", ""])
async def test_a_word_in_the_url_does_not_make_a_stream(query):  # URL-13
    answer = response(json.dumps({"usageMetadata": usage(10, 20)}).encode())
    async with double(answering(answer)) as up, gateway(up.url, response_cost_header=True) as running:
        reply = await asked(running, request(GENERATE + query))
    assert reply.value(b"x-litellm-response-cost") == b"0.000053"
