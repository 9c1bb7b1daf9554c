"""What of ERR-1 to ERR-8 no other test holds."""

import json

import pytest
from gateway_stand import GENERATE, asked, gateway, request
from upstream_double import answering, double

from understudy_gateway.answers import refusal_answer
from understudy_gateway.refusals import Reason, Refusal, body_of, headers_of

GOOGLE = b'{\n  "error": {\n    "code": %d,\n    "message": "no \\u00e9",\n    "details": []\n  }\n}\n'

ERRORS = [
    *((status, b"application/json; charset=UTF-8", GOOGLE % status) for status in (400, 403, 404, 429, 500, 503)),
    (502, b"text/html; charset=UTF-8", b"<html><title>Error 502</title>\xff</html>"),
    (500, b"", b""),
    (418, b"text/event-stream", b"data: {}\n\n"),
]


@pytest.mark.parametrize(("status", "kind", "body"), ERRORS, ids=range(len(ERRORS)))
@pytest.mark.parametrize("target", [GENERATE, GENERATE.replace("generate", "streamGenerate") + "?alt=sse"])
async def test_the_providers_errors_pass_as_they_are(status, kind, body, target):  # ERR-1, S-10
    fields = b"Retry-After: 17\r\nX-Debug: a\r\nx-debug: b\r\n" + (b"Content-Type: " + kind + b"\r\n" if kind else b"")
    answer = b"HTTP/1.1 %d Of Its Own\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)
    async with double(answering(answer)) as up, gateway(up.url) as running:
        reply = await asked(running, request(target))
        assert len(up.requests) == 1
    assert (reply.status, reply.body, reply.head.split(b"\r\n")[0].split(b" ", 2)[2]) == (status, body, b"Of Its Own")
    assert [field for field in reply.fields if field[0].lower() == b"x-debug"] == [
        (b"X-Debug", b"a"),
        (b"x-debug", b"b"),
    ]
    assert (reply.value(b"retry-after"), reply.value(b"content-type")) == (b"17", kind or None)
    assert reply.value(b"x-understudy-error") is None


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_refusal_has_googles_shape(reason):  # ERR-2, S-69
    refusal = Refusal(reason, "NAME", retry_after_s=3 if reason.status in (429, 503) else None)
    fields = dict(headers_of(refusal))
    assert fields[b"Content-Type"].startswith(b"application/json")
    assert (fields[b"X-Content-Type-Options"], fields[b"x-understudy-error"]) == (b"nosniff", reason.name.encode())
    error = json.loads(body_of(refusal))["error"]
    assert (error["code"], error["message"]) == (reason.status, refusal.message)
    assert error["status"].isupper()
    (detail,) = error["details"]
    assert (detail["@type"], detail["reason"], detail["domain"]) == (
        "type.googleapis.com/google.rpc.ErrorInfo",
        reason.name,
        "gateway",
    )
    assert refusal_answer(refusal, ()).status == reason.status


async def test_an_error_of_ours_has_the_request_id():  # ERR-2, OBS-1
    async with gateway("http://127.0.0.1:9") as running:
        for made in (request(), request(key=None), request("/nowhere"), b"NO HTTP\r\n\r\n"):
            reply = await asked(running, made)
            assert reply.value(b"x-understudy-request-id")
            assert reply.value(b"x-understudy-error")
            assert b"127.0.0.1" not in reply.head + reply.body  # ERR-4
