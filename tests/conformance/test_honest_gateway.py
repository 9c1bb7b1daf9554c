"""The honest gateway, which shares no code with the reference gateway, passes the suite: a control of the checks."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import simulator

from broken_gateways.frames import BINARY, CLOSE, TEXT, Frame, close_frame, frame_bytes, read_frame
from broken_gateways.matrix import KEY, Outcome, gateways, played, stand_of
from broken_gateways.rules import climbs
from broken_gateways.wire import ALL_RULES, BadRequest, BrokenOff, Head, Rule, chunk_bytes, read_body, read_head
from understudy.conformance.probes import GENERATE, HELLO


def fed(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.slow
def test_it_passes_every_check_and_none_is_skipped():
    with stand_of(["honest"]) as stand:
        outcome = played(stand, "honest")
    assert (outcome.failed, outcome.problem) == ({}, "")


def test_a_gateway_that_cannot_be_reached_is_not_judged():
    with stand_of([]) as stand:
        stand = type(stand)({"honest": "http://127.0.0.1:1"}, stand.control, stand.folder)
        outcome = played(stand, "honest")
    assert isinstance(outcome, Outcome) and "no connection" in outcome.problem and outcome.deviations()


async def asked(url: str, key: str) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /gemini{GENERATE} HTTP/1.1\r\nHost: {host}\r\nx-goog-api-key: {key}\r\nContent-Length: {len(HELLO)}"
    writer.write(head.encode() + b"\r\n\r\n" + HELLO)
    answer = await reader.read()
    writer.close()
    return answer


async def test_it_is_a_process_that_passes_requests_on_and_writes_down_what_they_cost(tmp_path: Path):
    async with simulator() as running:
        with gateways(["honest", "lower-cases-names"], running.http_url, tmp_path) as urls:
            assert list(urls) == ["honest", "lower-cases-names"]
            first, refused = await asked(urls["honest"], KEY), await asked(urls["honest"], "sk-wrong")
            second = await asked(urls["lower-cases-names"], KEY)
    assert first.startswith(b"HTTP/1.1 200 ") and second.startswith(b"HTTP/1.1 200 ")
    assert refused.startswith(b"HTTP/1.1 401 ") and b'"domain": "gateway"' in refused
    [line] = [json.loads(line) for line in (tmp_path / "honest.jsonl").read_text().splitlines()]
    assert line["id"].encode() in first and line["known"] == "exact" and float(line["cost"]) > 0


async def test_it_ends_when_it_is_told_to(tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broken_gateways", "honest", "--upstream", "http://127.0.0.1:1", "--key", KEY),
        *("--spend", str(tmp_path / "spend.jsonl")),
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready["name"] == "honest" and ready["pid"] == process.pid
    answer = await asked(ready["http"], KEY)
    assert answer.startswith(b"HTTP/1.1 502 ")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await process.wait() == 0


@given(
    st.sampled_from([TEXT, BINARY, CLOSE]),
    st.one_of(st.binary(max_size=200), st.sampled_from([126, 65535, 65536]).map(lambda size: b"x" * size)),
    st.booleans(),
)
def test_a_frame_is_read_as_it_was_written(opcode: int, payload: bytes, is_masked: bool):
    async def read() -> tuple[Frame | None, Frame | None]:
        reader = fed(frame_bytes(Frame(opcode, payload), is_masked=is_masked))
        return await read_frame(reader), await read_frame(reader)

    frame, end = asyncio.run(read())
    assert frame is not None and end is None
    assert (frame.opcode, frame.payload, frame.is_final) == (opcode, payload, True)
    assert frame_bytes(frame, is_masked=is_masked) == frame_bytes(Frame(opcode, payload), is_masked=is_masked)


def test_close_codes_are_read_back():
    assert close_frame(1008, b"no").code == 1008 and close_frame(None).code is None


MALFORMED = {
    Rule.FOLD: b"X: 1\r\n 2\r\n",
    Rule.SPACE: b"X : 1\r\n",
    Rule.VALUE: b"X: a\x00b\r\n",
    Rule.TWO_FRAMINGS: b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    Rule.LENGTHS: b"Content-Length: 3\r\nContent-Length: 4\r\n",
}


@pytest.mark.parametrize("rule", Rule)
async def test_what_may_be_read_in_two_ways_is_refused_by_its_own_rule(rule: Rule):
    data = b"POST /x HTTP/1.1\r\nHost: h\r\n" + MALFORMED[rule] + b"\r\n"
    with pytest.raises(BadRequest):
        await read_head(fed(data), frozenset({rule}))
    head = await read_head(fed(data), ALL_RULES - {rule})
    assert head is not None and head.value(b"host") == b"h"


@pytest.mark.parametrize(
    "data",
    [
        b"POST /x\r\n\r\n",
        b"POST /a b HTTP/1.1 x\r\nno field\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h",
    ],
)
async def test_what_is_no_head_is_refused(data: bytes):
    with pytest.raises(BadRequest):
        await read_head(fed(data), ALL_RULES)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6))
def test_a_chunked_body_is_read_as_it_was_written_and_told_from_one_that_was_cut(pieces: list[bytes]):
    async def read(data: bytes) -> bytes:
        head = Head((b"", b"", b""), [(b"Transfer-Encoding", b"chunked")])
        return b"".join([piece async for piece in read_body(fed(data), head, until_end=False)])

    data = b"".join(map(chunk_bytes, pieces)) + b"0\r\n\r\n"
    assert asyncio.run(read(data)) == b"".join(pieces)
    with pytest.raises(BrokenOff):
        asyncio.run(read(data[:-3]))


def test_which_paths_climb():
    assert climbs("/../x") and climbs("/a/%2e%2e/../x") and climbs("/v1/..%2F../x")
    assert not climbs("/a/../x") and not climbs("/a/./b") and not climbs("//..a/...")
