"""Exhaustion attacked on a running gateway (S-44 to S-56).

Heads that never come or are too long (S-44, S-45) are in test_gateway_heads.py, sessions without end (S-53) in
test_gateway_pages.py.
"""

import asyncio
import gzip
import json
import logging

import pytest
from attack_stand import PATH, WAIT_S, field, session
from gateway_stand import GENERATE, recorded, request
from live_doubles import frame
from test_upstream_transport import until
from upstream_double import Seen, Talk, answering, response

from understudy_gateway import headers
from understudy_gateway.frames import MAX_FRAGMENTS

CHUNKED = {"Transfer-Encoding": "chunked"}
USAGE = b'"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}'


async def test_a_body_that_does_not_go_on_is_a_408_and_never_a_whole_request():
    """S-45: the time counts between bytes, and only while the gateway reads."""
    async with field(timeouts={"request_idle_s": 0.2}) as attack:
        answers = await attack.hit(request(PATH, headers={"Content-Length": "10"}, body=None) + b"abc", quiet_s=5)
        assert (answers.statuses, answers.is_closed) == ([408], True)
        assert all(seen.body == b"" for seen in attack.up.requests)


@pytest.mark.parametrize("size", ["10000001", "99999999999999999"])
async def test_a_length_over_the_limit_is_refused_before_the_body(size):
    """S-46, BODY-7."""
    async with field(limits={"request_body_bytes": 10_000_000}) as attack:
        answers = await attack.hit(request(PATH, headers={"Content-Length": size}, body=None), quiet_s=5)
        assert (answers.statuses, answers.is_closed) == ([413], True)
        assert attack.up.connections == 0


async def test_an_endless_body_in_chunks_is_counted_while_it_streams():
    """S-46: the provider gets no more than the limit and no end."""
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    async with field(limits={"request_body_bytes": 1_000_000}) as attack:
        answers = await attack.hit(request(PATH, headers=CHUNKED, body=None), *[piece] * 40, pause_s=0.001)
        assert answers.statuses in ([413], [])  # or the reset that came while it was still sending
        assert all(seen.body == b"" for seen in attack.up.requests)


@pytest.mark.slow
async def test_very_many_tiny_chunks_pass_as_one_body():
    """S-47: what they cost is bounded by their bytes; 6 bytes on the wire for each one of the body."""
    size = 256 * 1024
    async with field() as attack, attack.talk() as talk:
        await talk.send(request(PATH, headers={**CHUNKED, "x-number": "1"}, body=None))
        sending = asyncio.create_task(talk.send(b"1\r\nx\r\n" * size + b"0\r\n\r\n"))
        reply = await asyncio.wait_for(talk.reply(), 40)
        await sending
        assert reply.status == 200
        assert attack.up.requests[0].body == b"x" * size


async def test_a_compressed_request_is_never_inflated():
    """S-48: a bomb goes on as it came."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with field() as attack:
        fields = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        assert (await attack.asked(request(PATH, headers=fields, body=bomb))).status == 200
        assert attack.up.requests[0].body == bomb


@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
async def test_a_compressed_answer_of_any_size_passes_and_its_cost_is_unknown(kind):
    """S-48: only the copy for the cost is inflated, within bounds."""
    inner = b"data: " if kind == b"text/event-stream" else b""
    bomb = gzip.compress(inner + b'{"a":"' + b"\0" * 60_000_000 + b'",' + USAGE + b"}\n\n", 9)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    said = head % (kind, len(bomb))
    async with field() as attack:
        attack.up.script = answering(said + bomb)
        reply = await attack.asked(request(GENERATE))
        assert (reply.status, reply.body) == (200, bomb)
        (record,) = await recorded(attack.running)
        assert record.cost is None


ODD_JSON = {
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a long integer": b'{"usageMetadata":{"promptTokenCount":' + b"9" * 50_000 + b"}}",
    "an infinite number": b'{"usageMetadata":{"promptTokenCount":1e999,"totalTokenCount":NaN}}',
    "a negative count": b'{"usageMetadata":{"promptTokenCount":-5,"totalTokenCount":-5}}',
    "a lone surrogate": b'{"usageMetadata":{"promptTokenCount":1,"trafficType":"\\ud800"}}',
    "no JSON": b"\xff\xfe" * 1000,
}


@pytest.mark.parametrize("body", ODD_JSON.values(), ids=ODD_JSON)
@pytest.mark.parametrize("where", ["request", "answer"])
async def test_json_that_cannot_be_read_makes_a_cost_unknown_and_no_500(where, body):
    """S-49, OBS-6: it passes byte for byte."""
    async with field() as attack:
        attack.up.script = answering(response(body if where == "answer" else b"{}"))
        reply = await attack.asked(request(GENERATE, body=body if where == "request" else b"{}"))
        assert reply.status == 200
        assert (reply.body if where == "answer" else attack.up.requests[0].body) == body
        (record,) = await recorded(attack.running)
        assert record.status == 200


# --- Live ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16 * 2**20 + 1, 2**62])
@pytest.mark.parametrize("sender", ["client", "provider"])
async def test_a_message_over_the_limit_ends_the_session_before_its_payload_comes(sender, size):
    """S-50, WS-7: judged on the frame's head; 1009 to both, and not a byte of it has passed."""
    async with session() as (client, peer, _):
        if sender == "client":
            client.send(b"\x82\xff" + size.to_bytes(8) + b"mask")
        else:
            peer.send(b"\x82\x7f" + size.to_bytes(8))
        for end in (client, peer):
            assert (await asyncio.wait_for(end.close_frame(), WAIT_S))[0] == 1009


@pytest.mark.parametrize("sender", ["client", "provider"])
async def test_a_message_over_the_limit_in_fragments_ends_the_session(sender):
    """S-50: counted over all fragments."""
    async with session(limits={"message_bytes": 100_000}) as (client, peer, _):
        end, other, masked = (client, peer, True) if sender == "client" else (peer, client, False)
        end.send(frame(2, b"x" * 60_000, masked=masked, fin=False))
        assert await asyncio.wait_for(other.frame(), WAIT_S) == (2, b"x" * 60_000)
        end.send(frame(0, b"x" * 60_000, masked=masked))
        for one in (client, peer):
            assert (await asyncio.wait_for(one.close_frame(), WAIT_S))[0] == 1009


@pytest.mark.parametrize("sender", ["client", "provider"])
async def test_fragments_without_end_end_the_session(sender):
    """S-50, S-47: so many fragments of nothing are enough."""
    async with session() as (client, peer, _):
        end, other, masked = (client, peer, True) if sender == "client" else (peer, client, False)
        end.send(frame(2, b"", masked=masked, fin=False) + frame(0, b"", masked=masked, fin=False) * MAX_FRAGMENTS)
        assert (await asyncio.wait_for(end.close_frame(), WAIT_S))[0] == 1009
        while (got := await asyncio.wait_for(other.frame(), WAIT_S))[0] != 8:
            assert got[1] == b""
        assert got[1][:2] == (1009).to_bytes(2)


@pytest.mark.parametrize("slow", ["client", "provider"])
async def test_a_slow_reader_stops_the_other_sides_reading_and_loses_nothing(slow):
    """S-52, WS-13, BODY-6: under 40 MB are taken for one who reads nothing, kernel included; then all of it arrives."""
    piece = bytes(range(256)) * 256
    async with session() as (client, peer, attack):
        end, other, masked = (peer, client, False) if slow == "client" else (client, peer, True)
        other.transport.pause_reading()
        data, sent = frame(2, piece, masked=masked), 0
        with pytest.raises(TimeoutError):
            while sent < 60_000_000:
                end.send(data)
                async with asyncio.timeout(1):
                    await end.writer.drain()
                sent += len(piece)
        assert sent < 40_000_000
        (splice,) = attack.running._sessions._running
        assert max(side.transport.get_write_buffer_size() for side in splice._sides) < 1_000_000
        other.transport.resume_reading()
        total = sent + len(piece)
        got = 0
        while got < total:
            opcode, payload = await asyncio.wait_for(other.frame(), WAIT_S)
            assert (opcode, payload) == (2, piece)
            got += len(payload)
        assert got == total


# --- connections, logs, maps -----------------------------------------------------------------------------------------


async def test_a_client_that_pipelines_without_end_is_not_read_without_end():
    """S-54: a few requests ahead; then all are answered in their order."""
    may_answer = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await may_answer.wait()
        await talk.send(response(seen.values(b"x-number")[0]))

    count = 400
    async with field(script) as attack, attack.talk() as talk:
        fields = {"x-filler": "f" * 10_000}
        data = b"".join(request(PATH, headers={**fields, "x-number": str(n)}) for n in range(count))
        sending = asyncio.create_task(talk.send(data))
        await until(lambda: attack.up.requests)
        await asyncio.sleep(0.3)
        server = attack.running._listeners._runners[0].server
        assert server is not None
        assert len(attack.up.requests) == 1
        assert all(len(one._messages) <= 64 for one in server.connections)
        may_answer.set()
        for number in range(count):
            assert (await asyncio.wait_for(talk.reply(), WAIT_S)).body == b"%d" % number
        await sending


async def test_a_connection_that_pipelines_nonsense_leaves_one_line(caplog: pytest.LogCaptureFixture):
    """S-55."""
    caplog.set_level(logging.DEBUG)
    async with field() as attack:
        caplog.clear()
        answers = await attack.hit(b"\x00nonsense\r\n\r\n" * 2000)
        assert answers.is_closed
        lines = [record for record in caplog.records if record.name.startswith(("understudy", "aiohttp"))]
        assert len(lines) == 1


async def test_broken_cookies_and_odd_fields_leave_one_line_a_request(caplog: pytest.LogCaptureFixture):
    """S-55: nobody reads cookies here; nothing of a field is logged."""
    caplog.set_level(logging.DEBUG)
    fields = [("Cookie", 'a="b; =; ;;[]=\\;' * 50)] * 20 + [("User-Agent", "\x1b[31mred\x1b[0m".replace("\x1b", "?"))]
    async with field() as attack:
        caplog.clear()
        for _ in range(5):
            assert (await attack.asked(request(PATH, headers=fields))).status == 200
        await recorded(attack.running, 5)
        lines = [record for record in caplog.records if record.name.startswith(("understudy", "aiohttp"))]
        assert len(lines) == 5
        assert all(json.loads(record.getMessage()) for record in lines)


@pytest.mark.slow
async def test_what_clients_may_name_is_remembered_within_bounds():
    """S-56, S-12: targets, models, field names, ids."""
    async with field() as attack, attack.talk() as talk:
        for number in range(1500):
            fields = {f"x-field-{number}": "1", "x-litellm-tags": f"tag-{number}"}
            target = f"/gemini/v1beta/models/model-{number}:countTokens"
            await talk.send(request(target, headers=fields))
            assert (await asyncio.wait_for(talk.reply(), WAIT_S)).status == 200
        serving = attack.running._dispatcher.serving
        assert serving._known_route.cache_info().currsize <= 1024
        assert len(serving.known) <= 512
        for known in (headers._judged, headers._lowered):
            assert known.cache_info().currsize <= 512
        assert len(attack.running._upstream._pool) <= 4
        assert attack.up.connections <= 4
