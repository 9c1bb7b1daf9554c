"""What of LRO-1 to LRO-8 no other test holds: jobs, results and files byte for byte."""

import base64
import json

import pytest
from gateway_stand import asked, client, gateway, request
from upstream_double import Seen, Talk, answering, double, response

GEMINI = "v1beta/models/veo-3.0-generate-001/operations/a1b2"
MODEL = "v1/projects/p/locations/us-central1/publishers/google/models/veo-3.0-generate-001"
VERTEX = f"{MODEL.removeprefix('v1/')}/operations/5f-6"

JOBS = [
    ("/gemini", "POST", "v1beta/models/veo-3.0-generate-001:predictLongRunning", {"instances": [{"prompt": "x"}]}),
    ("/gemini", "GET", GEMINI, None),
    ("/gemini", "POST", f"{GEMINI}:cancel", {}),
    ("/gemini", "POST", f"{GEMINI}:wait", {"timeout": "1s"}),
    ("/gemini", "GET", "v1beta/models/veo-3.0-generate-001/operations?pageSize=5", None),
    ("/gemini", "DELETE", GEMINI, None),
    ("/vertex_ai", "POST", f"{MODEL}:predictLongRunning", {"instances": [{"prompt": "x"}]}),
    ("/vertex_ai", "POST", f"{MODEL}:fetchPredictOperation", {"operationName": VERTEX}),
    ("/vertex_ai", "POST", f"v1/{VERTEX}:cancel", {}),
    ("/vertex_ai", "DELETE", f"v1/{VERTEX}", None),
]


async def test_a_video_job_passes_as_it_is_on_both_providers():  # LRO-1
    names = {"/gemini": GEMINI.removeprefix("v1beta/"), "/vertex_ai": VERTEX}
    answers = []

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(answers[-1]))

    async with double(script) as up, gateway(up.url) as running:
        for prefix, method, path, asks in JOBS:
            answers.append(json.dumps({"name": names[prefix], "done": False}, separators=(",", ":")).encode())
            body = None if asks is None else json.dumps(asks, indent=1).encode()
            reply = await asked(running, request(f"{prefix}/{path}", method=method, body=body))
            seen = up.requests[-1]
            assert (reply.status, reply.body) == (200, answers[-1])
            assert (seen.request_line, seen.body) == (f"{method} /{path} HTTP/1.1".encode(), body or b"")


@pytest.mark.parametrize(
    "path", ["/v1beta/operations/models/veo/operations/x", "/v1beta/somewhere/operations/x", "/v9/operations/7"]
)
async def test_a_poll_that_the_provider_does_not_know_brings_back_its_404(path):  # LRO-3
    answer = response(b'{"error":{"code":404}}', status=b"404 Not Found")
    async with double(answering(answer)) as up, gateway(up.url) as running:
        reply = await asked(running, request(f"/gemini{path}", method="GET", body=None))
        assert (reply.status, reply.body, reply.value(b"x-understudy-error")) == (404, b'{"error":{"code":404}}', None)
        assert up.requests[0].target == path.encode()


VIDEO = base64.b64encode(bytes(range(256)) * 4096 * 12).decode()  # 16 MiB as text
RESULTS = [
    {
        "generateVideoResponse": {
            "generatedSamples": [{"video": {"uri": "https://host/v1beta/files/x:download?alt=media"}}]
        }
    },
    {"videos": [{"gcsUri": "gs://bucket/x.mp4", "mimeType": "video/mp4"}], "raiMediaFilteredCount": 1},
    {"videos": [{"bytesBase64Encoded": VIDEO}]},
]


@pytest.mark.parametrize("number", range(len(RESULTS)))
async def test_results_pass_in_every_form(number):  # LRO-4
    result = json.dumps({"name": VERTEX, "done": True, "response": RESULTS[number]}, indent=2).encode()
    async with double(answering(response(result))) as up, gateway(up.url) as running:
        reply = await asked(running, request(f"/vertex_ai/{MODEL}:fetchPredictOperation", body=b"{}"))
    assert reply.is_whole
    assert reply.body == result


async def test_a_part_of_a_file_is_asked_for_and_passes():  # LRO-5, STR-12
    answer = b'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nAccept-Ranges: bytes\r\nETag: "e"\r\n'
    async with double(answering(answer + b"Content-Length: 3\r\n\r\n234")) as up, gateway(up.url) as running:
        headers = {"Range": "bytes=2-4", "If-Range": '"e"'}
        target = "/gemini/v1beta/files/x:download?alt=media"
        reply = await asked(running, request(target, method="GET", headers=headers, body=None))
    assert (reply.status, reply.body) == (206, b"234")
    assert (reply.value(b"content-range"), reply.value(b"etag")) == (b"bytes 2-4/10", b'"e"')
    seen = up.requests[0]
    assert (seen.values(b"range"), seen.values(b"if-range")) == ([b"bytes=2-4"], [b'"e"'])
    assert seen.target == b"/v1beta/files/x:download?alt=media"


STEPS = [
    (
        "POST",
        "/upload/v1beta/files",
        {"protocol": "resumable", "command": "start", "header-content-length": "10"},
        b"{}",
    ),
    (
        "POST",
        "/upload/v1beta/files?upload_id=a&upload_protocol=resumable",
        {"command": "upload", "offset": "0"},
        b"\xff\0" * 3,
    ),
    ("POST", "/upload/v1beta/files?upload_id=a&upload_protocol=resumable", {"command": "query"}, None),
    ("POST", "/upload/v1beta/files?upload_id=a", {"command": "upload, finalize", "offset": "6"}, b"last"),
]


async def test_a_resumable_upload_passes_step_by_step():  # LRO-6
    url = b"https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=a"
    fields = b"X-Goog-Upload-Status: active\r\nx-goog-upload-url: %b\r\nX-Goog-Upload-Size-Received: 6\r\n" % url
    answer = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n"
    async with double(answering(answer)) as up, gateway(up.url) as running, client(running) as talk:
        for method, target, words, body in STEPS:
            headers = {f"X-Goog-Upload-{name.title()}": value for name, value in words.items()}
            await talk.send(request(f"/gemini{target}", method=method, headers=headers, body=body))
            reply = await talk.reply()
            assert (reply.status, reply.value(b"x-goog-upload-url")) == (200, url)
            assert reply.value(b"x-goog-upload-status") == b"active"
            seen = up.requests[-1]
            assert (seen.target, seen.body) == (target.encode(), body or b"")
            got = {name.decode(): value.decode() for name, value in seen.fields if name.startswith(b"X-Goog-Upload-")}
            assert got == headers


@pytest.mark.parametrize("body", [b"{}", None])
async def test_a_start_whose_connection_broke_is_not_sent_again(body):  # LRO-8, S-75
    """The second request goes out on a kept connection that the provider closes without a word: a POST all the same."""

    async def script(talk: Talk, seen: Seen) -> None:
        if len(up.requests) > 1:
            raise ConnectionResetError
        await talk.send(response(b"{}"))

    start = "/gemini/v1beta/models/veo-3.0-generate-001:predictLongRunning"
    async with double(script) as up, gateway(up.url) as running:
        statuses = [(await asked(running, request(start, body=body))).status for _ in range(2)]
        assert (statuses, len(up.requests)) == ([200, 502], 2)
