"""W3C trace context through a running gateway, and the spans in its file (OBS-2, OBS-9)."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from features_stand import featured
from gateway_stand import GENERATE, KEY, UPSTREAM_KEY, asked, gateway, recorded, request, usage
from live_doubles import RawServer, close, connect, frame, handshake, switching, value_of
from upstream_double import answering, double, response

from understudy.errors import ConfigError
from understudy_gateway.tracing import MOST_WAITING, SpanFile, trace_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
GOOD = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
STATE = "vendor=a,other=b"


def spans(path: Path) -> list[dict]:
    found = []
    for line in path.read_text("ascii").splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            assert resource["resource"]["attributes"][0]["value"] == {"stringValue": "understudy-gateway"}
            found += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    return found


def facts(span: dict) -> dict[str, object]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


async def sent(url: str, path: Path | None, headers: list[tuple[str, str]], data: bytes | None = None):
    config = featured(url, trace_file=str(path)) if path else featured(url)
    async with gateway("", config=config) as running:
        reply = await asked(running, data or request(headers=headers))
        await recorded(running)
        return reply


@pytest.mark.parametrize("parent", [[], [PARENT], ["nonsense"], [PARENT, PARENT]])
async def test_with_tracing_off_trace_fields_pass_as_they_came_and_none_is_made(parent):
    headers = [*(("TraceParent", one) for one in parent), ("tracestate", STATE)]
    async with double() as up:
        await sent(up.url, None, headers)
    assert up.requests[0].values(b"traceparent") == [one.encode() for one in parent]
    assert up.requests[0].values(b"tracestate") == [STATE.encode()]
    async with double() as up:
        reply = await sent(up.url, None, [])
    assert b"trace" not in (up.requests[0].head + reply.head).lower()


async def test_with_tracing_on_the_trace_goes_on_with_a_span_of_our_own(tmp_path):
    body = json.dumps(
        {"usageMetadata": usage(10, 7) | {"thoughtsTokenCount": 5, "totalTokenCount": 22}, "text": "ANSWER"}
    ).encode()
    path = tmp_path / "spans.jsonl"
    headers = [("traceparent", PARENT), ("tracestate", STATE), ("x-litellm-tags", "a,b"), ("x", "HEADER")]
    async with double(answering(response(body))) as up:
        reply = await sent(up.url, path, headers, request(f"{GENERATE}?q=QUERY", headers=headers, body=b"PROMPT"))
    (found,) = up.requests[0].values(b"traceparent")
    assert GOOD.fullmatch(found)
    trace, span = found.decode().split("-")[1:3]
    assert (trace, found[-2:]) == (TRACE, b"01")
    assert span != SPAN
    assert up.requests[0].values(b"tracestate") == [STATE.encode()]
    (one,) = spans(path)
    assert (one["traceId"], one["spanId"], one["parentSpanId"]) == (TRACE, span, SPAN)
    assert (one["name"], one["kind"]) == ("generate_content gemini-2.5-flash", 3)
    assert 0 < int(one["startTimeUnixNano"]) <= int(one["endTimeUnixNano"])
    told = facts(one)
    assert told.pop("understudy.tags") == {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}
    assert told == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.usage.input_tokens": "10",
        "gen_ai.usage.output_tokens": "12",
        "http.response.status_code": "200",
        "understudy.request_id": (reply.value(b"x-litellm-call-id") or b"").decode(),
        "understudy.route": "gemini",
        "understudy.key_id": "team",
        "understudy.cost": "0.000033",
        "understudy.cost.known": "exact",
    }
    assert "status" not in one
    text = path.read_text()
    assert not any(word in text for word in (KEY, UPSTREAM_KEY, "PROMPT", "ANSWER", "QUERY", "HEADER", "127.0.0.1"))
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "parents",
    [
        [],
        ["nonsense"],
        [PARENT, PARENT],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"{PARENT}-more"],
        [f"00-{TRACE}-{SPAN}"],
    ],
)
async def test_a_request_without_a_good_parent_begins_a_trace(tmp_path, parents):
    headers = [*(("traceparent", one) for one in parents), ("tracestate", STATE)]
    async with double() as up:
        await sent(up.url, tmp_path / "spans", headers)
    (found,) = up.requests[0].values(b"traceparent")
    assert GOOD.fullmatch(found)
    assert TRACE.encode() not in found
    assert up.requests[0].values(b"tracestate") == []  # it belonged to the trace that was none
    (one,) = spans(tmp_path / "spans")
    assert "parentSpanId" not in one


async def test_a_later_version_is_read_as_far_as_it_is_known(tmp_path):
    async with double() as up:
        await sent(up.url, tmp_path / "spans", [("traceparent", f"42-{TRACE}-{SPAN}-01-more")])
    assert up.requests[0].values(b"traceparent")[0].startswith(f"00-{TRACE}-".encode())


async def test_what_the_client_does_not_sample_is_continued_and_not_written(tmp_path):
    path = tmp_path / "spans"
    async with double() as up:
        await sent(up.url, path, [("traceparent", PARENT[:-2] + "00")])
    assert up.requests[0].values(b"traceparent")[0].endswith(b"-00")
    assert spans(path) == []


async def test_a_failure_is_one_in_its_span(tmp_path):
    path = tmp_path / "spans"
    async with double(answering(response(b"{}", status=b"503 No"))) as up:
        await sent(up.url, path, [])
    async with double() as gone:
        closed = gone.url
    await sent(closed, path, [])
    first, second = spans(path)
    assert (first["status"], facts(first)["error.type"]) == ({"code": 2}, "503")
    assert (second["status"], facts(second)["error.type"]) == ({"code": 2}, "upstream_abort")


async def test_a_live_session_is_a_span_too(tmp_path):
    path = tmp_path / "spans"
    async with RawServer() as upstream, asyncio.timeout(20):
        config = featured(f"http://127.0.0.1:{upstream.port}", trace_file=str(path))
        async with gateway("", config=config) as running:
            peer = await connect(int(running.http_url.rpartition(":")[2]))
            target = b"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
            peer.send(handshake(target, b"x-goog-api-key: " + KEY.encode(), b"traceparent: " + PARENT.encode()))
            provider = await upstream.accept()
            head = await provider.head()
            provider.send(switching(head))
            await peer.head()
            setup = b'{"setup": {"model": "models/gemini-2.5-flash"}}'
            peer.send(frame(1, setup, masked=True) + close(1000, masked=True))
            await provider.frame()
            provider.send(close(1000, masked=False))
            await peer.rest()
            await peer.leave()
            await recorded(running)
    found = value_of(head, b"traceparent")
    assert found is not None
    assert found.startswith(f"00-{TRACE}-".encode())
    (one,) = spans(path)
    assert one["parentSpanId"] == SPAN
    assert facts(one)["gen_ai.operation.name"] == "generate_content"


async def test_a_reload_goes_on_in_another_file_and_loses_nothing(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    async with double() as up, gateway("", config=featured(up.url, trace_file=str(first))) as running:
        await asked(running, request())
        await running.reload(featured(up.url, trace_file=str(second)), running._books.book)
        await asked(running, request())
        await running.reload(featured(up.url), running._books.book)
        await asked(running, request())
        await recorded(running, 3)
    assert (len(spans(first)), len(spans(second))) == (1, 1)
    assert up.requests[2].values(b"traceparent") == []


async def test_a_file_that_cannot_be_written_keeps_the_gateway_from_starting(tmp_path):
    with pytest.raises(ConfigError, match="trace_file"):
        async with gateway("", config=featured("http://127.0.0.1:1", trace_file=str(tmp_path / "no" / "such"))):
            pass


def test_spans_that_wait_are_bounded(tmp_path):
    # S-56, OBS-6
    file = SpanFile(str(tmp_path / "spans"))
    for _ in range(3 * MOST_WAITING):
        file.add({})
    assert len(file._waiting) <= MOST_WAITING
    file.close()
    assert file.dropped + len(spans(tmp_path / "spans")) == 3 * MOST_WAITING


def test_each_span_has_an_id_of_its_own(tmp_path):
    file = SpanFile(str(tmp_path / "spans"))
    ids = {trace_of(((b"traceparent", PARENT.encode()),), file, "").span_id for _ in range(1000)}
    file.close()
    assert len(ids) == 1000
