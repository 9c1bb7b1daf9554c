"""Each fault of the scenario format over a real socket, exactly as written: bytes, framing, and how the end looks."""

import asyncio
import json
import struct
from contextlib import asynccontextmanager

import pytest
from raw_rig import Raw, opened
from simulator_rig import FLASH, HELLO, KEY, ask, scenario, simulator, until

from understudy_simulator.clock import ManualClock

pytestmark = pytest.mark.usefixtures("each_loop")

BODY = '{"a": "0123456789", "b": [1, 2]}'
UNARY = f"{FLASH}:generateContent"
SSE = f"{FLASH}:streamGenerateContent?alt=sse"
ARRAY = f"{FLASH}:streamGenerateContent"
CHUNKS = [{"json": {"n": 1}}, {"json": {"n": 2}}, {"json": {"n": 3}}]


def faults_of(running):
    return [fault for seen in running.stage.recorder.transcript().exchanges for fault in seen.origin.faults]


async def asked(step, target=UNARY, **settings):
    """The answer to one request that meets `step`, and the faults that the transcript names."""
    async with simulator(**settings) as running:
        running.stage.arm(scenario([step]))
        answer = await ask(running.http_url, "POST", target, KEY, body=HELLO)
        await until(lambda: all(seen.failure != "not ended yet" for seen in exchanges(running)))
        return answer, faults_of(running)


def exchanges(running):
    return running.stage.recorder.transcript().exchanges


def reply(**fault):
    return {"reply": {"text": BODY}, "fault": fault}


def stream(*chunks):
    return {"stream": {"chunks": list(chunks)}}


class Client(Raw):
    """A client of HTTP."""

    def post(self, target, body=HELLO):
        data = json.dumps(body).encode()
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: k\r\nContent-Length: {len(data)}\r\n\r\n"
        self.writer.write(head.encode() + data)


@asynccontextmanager
async def raw(running):
    async with asyncio.timeout(20):
        reader, writer = await opened(running)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()


# ---- what is said


async def test_corrupt_changes_just_so_many_bytes_and_the_same_ones_again():
    first, faults = await asked(reply(corrupt=3))
    again, _ = await asked(reply(corrupt=3))
    other, _ = await asked(reply(corrupt=3), seed=5)
    changed = [at for at, (sent, meant) in enumerate(zip(first.body, BODY.encode(), strict=True)) if sent != meant]
    assert len(changed) == 3
    assert first.complete and first.body == again.body != other.body
    assert faults == ["corrupt 3"]


@pytest.mark.parametrize("size", [0, 1, 31])
async def test_shorten_keeps_so_many_bytes_and_ends_properly(size):
    answer, faults = await asked(reply(shorten=size))
    assert answer.body == BODY[:size].encode() and answer.complete
    assert faults == [f"shorten {size}"]


async def test_shorten_tells_the_length_that_is_sent():
    step = {"reply": {"text": BODY, "headers": {"Content-Length": str(len(BODY))}}, "fault": {"shorten": 5}}
    answer, _ = await asked(step)
    assert (answer.values("content-length"), answer.body, answer.complete) == (["5"], b'{"a":', True)


async def test_pad_puts_spaces_inside_so_that_all_must_be_read():
    answer, _ = await asked(reply(pad=300_000))
    assert answer.body == b"{" + b" " * 300_000 + BODY[1:].encode()
    assert answer.json == json.loads(BODY)


async def test_malformed_breaks_the_json():
    answer, faults = await asked(reply(malformed=True))
    assert answer.body == BODY.replace('"a":', '"a";').encode() and answer.complete
    assert faults == ["malformed"]


async def test_invalid_utf8_puts_a_byte_into_the_middle():
    answer, _ = await asked(reply(invalid_utf8=True))
    assert answer.body == BODY[:16].encode() + b"\xff" + BODY[16:].encode()


async def test_a_field_stands_twice():
    answer, _ = await asked(reply(duplicate_field="b"))
    assert answer.body == b'{"a": "0123456789", "b": [1, 2], "b": [1, 2]}'


@pytest.mark.parametrize(("name", "left"), [("a", '{"b": [1, 2]}'), ("b", '{"a": "0123456789"}'), ("c", BODY)])
async def test_a_member_is_left_out_at_any_place(name, left):
    answer, faults = await asked(reply(without=name))
    assert answer.body == left.encode()
    assert faults == ([f"without {name}"] if left != BODY else [])


@pytest.mark.parametrize("target", [SSE, ARRAY])
async def test_a_stream_without_its_finish_reason(target):
    chunks = [{"json": {"text": "a"}}, {"json": {"text": "b", "finishReason": "STOP"}}]
    answer, _ = await asked({**stream(*chunks), "fault": {"without": "finishReason"}}, target)
    assert answer.complete and b"finishReason" not in answer.body
    if target is ARRAY:
        assert answer.json == [{"text": "a"}, {"text": "b"}]


async def test_another_content_type():
    answer, faults = await asked(reply(content_type="text/html"))
    assert answer.values("content-type") == ["text/html"] and answer.body == BODY.encode()
    assert faults == ["content_type text/html"]


# ---- among the chunks of a stream


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ({"drop": True}, [2, 3]),
        ({"duplicate": True}, [1, 1, 2, 3]),
        ({"reorder": True}, [2, 1, 3]),
        ({"end": True}, []),
    ],
)
@pytest.mark.parametrize("target", [SSE, ARRAY])
async def test_the_first_chunk_left_out_doubled_moved_or_ended_at(fault, left, target):
    answer, faults = await asked(stream({"fault": fault}, *CHUNKS), target)
    assert answer.complete and numbers(answer) == left
    assert faults == list(fault)


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ({"drop": True}, [1, 2]),
        ({"duplicate": True}, [1, 2, 3, 3]),
        ({"reorder": True}, [1, 2, 3]),
        ({"end": True}, [1, 2]),
    ],
)
@pytest.mark.parametrize("target", [SSE, ARRAY])
async def test_the_last_chunk_left_out_doubled_moved_or_ended_at(fault, left, target):
    answer, _ = await asked(stream(*CHUNKS[:2], {"fault": fault}, CHUNKS[2]), target)
    assert answer.complete and numbers(answer) == left


def numbers(answer):
    if answer.values("content-type")[0].startswith("text/event-stream"):
        return [json.loads(line[6:])["n"] for line in answer.body.splitlines() if line.startswith(b"data: ")]
    return [value["n"] for value in answer.json]


async def test_one_chunk_is_cut_and_the_others_are_not():
    answer, faults = await asked(stream(CHUNKS[0], {"fault": {"slice": 7}}, *CHUNKS[1:]), SSE)
    assert answer.chunks == [b'data: {"n": 1}\r\n\r\n', b"data: {", b'"n": 2}', b"\r\n\r\n", b'data: {"n": 3}\r\n\r\n']
    assert faults == ["slice 7"]


async def test_one_chunk_is_cut_off():
    answer, faults = await asked(stream(CHUNKS[0], {"fault": {"truncate": 9}}, *CHUNKS[1:]), SSE)
    assert answer.body == b'data: {"n": 1}\r\n\r\ndata: {"n' and not answer.complete
    assert faults == ["truncate 27"]


@pytest.mark.parametrize("target", [SSE, ARRAY])
async def test_a_stream_is_cut_off_behind_its_last_chunk(target):
    answer, faults = await asked(stream(CHUNKS[0], {"fault": {"truncate": 0}}), target)
    assert len(answer.chunks) == 1 and not answer.complete and not answer.reset
    assert faults == [f"truncate {len(answer.body)}"]


async def test_pieces_end_inside_of_characters():
    answer, faults = await asked({"reply": {"text": "aéb€c"}, "fault": {"slice": "utf8"}})
    assert answer.chunks == [b"a\xc3", b"\xa9b\xe2", b"\x82\xacc"]
    assert faults == ["slice utf8"]


# ---- how it is sent, and how it ends


async def test_hang_up_is_a_fin_without_an_answer():
    async with simulator() as running, raw(running) as client:
        running.stage.arm(scenario([{"fault": {"hang_up": True}}]))
        client.post(UNARY)
        assert await client.rest() == (b"", "fin")
        assert faults_of(running) == ["hang_up"]


async def test_hang_up_between_chunks_is_a_fin_without_the_last_chunk():
    answer, faults = await asked(stream(CHUNKS[0], {"fault": {"hang_up": True}}, CHUNKS[1]), SSE)
    assert numbers(answer) == [1] and not answer.complete and not answer.reset
    assert faults == ["hang_up"]


@pytest.mark.parametrize("is_scripted", [True, False])
async def test_half_close_sends_fin_and_still_takes_what_the_client_sends(is_scripted):
    steps = [reply(half_close=True)] if is_scripted else [{"fault": {"half_close": True}}]
    async with simulator() as running, raw(running) as client:
        running.stage.arm(scenario(steps))
        client.post(UNARY)
        data, end = await client.rest()
        assert end == "fin" and (BODY.encode() in data) == is_scripted
        for _ in range(20):
            client.writer.write(b"x" * 1000)
            await client.writer.drain()
            await asyncio.sleep(0.002)
        assert not client.writer.transport.is_closing()
        client.writer.close()
        exchange = await until(lambda: next((e for e in exchanges(running) if e.failure != "not ended yet"), None))
        assert exchange.failure == (None if is_scripted else "fault injected: half_close")
        assert exchange.origin.faults == ("half_close",)


async def test_stop_says_nothing_more_and_leaves_the_connection_open():
    async with simulator() as running, raw(running) as client:
        running.stage.arm(scenario([stream(CHUNKS[0], {"fault": {"stop": True}}, CHUNKS[1])]))
        client.post(SSE)
        await client.reader.readuntil(b'{"n": 1}\r\n\r\n\r\n')
        assert await client.is_silent()
        client.writer.close()
        exchange = await until(lambda: next((e for e in exchanges(running) if e.failure != "not ended yet"), None))
        assert exchange.failure == "fault injected: stop"


async def test_an_answer_that_never_begins():
    async with simulator() as running, raw(running) as client:
        running.stage.arm(scenario([reply(stop=True)]))
        client.post(UNARY)
        await until(lambda: faults_of(running))
        assert await client.is_silent()
        assert exchanges(running)[0].response is None


async def test_slow_close_is_a_whole_answer_and_an_end_that_waits_for_the_clock():
    clock = ManualClock()
    async with simulator(clock=clock) as running, raw(running) as client:
        running.stage.arm(scenario([reply(slow_close="30s")]))
        client.post(UNARY)
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in head
        await client.reader.readuntil(b"0\r\n\r\n")
        assert await client.is_silent()
        clock.advance(30)
        assert await client.rest() == (b"", "fin")
        assert faults_of(running) == ["slow_close 30s"]


async def test_a_slow_head_comes_bit_by_bit():
    clock = ManualClock()
    async with simulator(clock=clock) as running, raw(running) as client:
        running.stage.arm(scenario([reply(slow_head="100s")]))
        client.post(UNARY)
        await until(lambda: faults_of(running))
        seen = b""
        while not seen.endswith(b"\r\n\r\n"):
            assert await client.is_silent(0.002)
            clock.advance(2)
            seen += await client.reader.read(65536)
            assert len(seen) < 2000
        assert seen.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_bandwidth_is_so_many_bytes_a_second_of_the_clock():
    clock = ManualClock()
    async with simulator(clock=clock) as running, raw(running) as client:
        running.stage.arm(scenario([{"reply": {"text": "x" * 1000}, "fault": {"bandwidth": 100}}]))
        client.post(UNARY)
        await client.reader.readuntil(b"\r\n\r\n")
        await client.reader.readuntil(b"5\r\nxxxxx\r\n")
        for _ in range(3):
            clock.advance(0.05)
            assert await client.reader.readuntil(b"xxxxx\r\n") == b"5\r\nxxxxx\r\n"
            assert await client.is_silent(0.01)
        assert faults_of(running) == ["bandwidth 100"]


async def test_jitter_waits_before_each_chunk_for_at_most_so_long():
    clock = ManualClock()
    async with simulator(clock=clock) as running, raw(running) as client:
        running.stage.arm(scenario([{**stream(*CHUNKS), "fault": {"jitter": "10s"}}]))
        client.post(SSE)
        await client.reader.readuntil(b"\r\n\r\n")
        for _ in range(3):
            assert await client.is_silent(0.01)
            clock.advance(10)
            await client.reader.readuntil(b"}\r\n\r\n\r\n")
        await client.reader.readuntil(b"0\r\n\r\n")


async def test_reset_between_chunks_is_a_reset():
    async with simulator() as running, raw(running) as client:
        running.stage.arm(scenario([stream(CHUNKS[0], {"fault": {"reset_peer": True}}, CHUNKS[1])]))
        client.post(SSE)
        assert (await client.rest())[1] == "reset"


def close_payload(code, reason=""):
    return struct.pack("!H", code) + reason.encode()
