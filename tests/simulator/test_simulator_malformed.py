"""What the simulator says to requests that are no HTTP: in its own words, marked, without their bytes."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from simulator_rig import KEY, simulator

from understudy_simulator.http import MALFORMED


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"X-Folded: one\r\n two\r\n",
        b"X-Spaced : 1\r\n",
        b"X-Nul: a\x00b\r\n",
        b"Host: another\r\n",
    ],
)
async def test_a_malformed_request_is_refused_in_words_that_name_the_simulator(lines: bytes):
    async with simulator() as running, asyncio.timeout(20):
        place = urlsplit(running.http_url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        key = f"{KEY[0]}: {KEY[1]}\r\n".encode()
        writer.write(b"POST /v1beta/models/m:generateContent HTTP/1.1\r\nHost: provider\r\n" + key + lines + b"\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"X-Understudy-Error: " + MALFORMED.encode() in head.splitlines()
    [detail] = json.loads(body)["error"]["details"]
    assert (detail["domain"], detail["reason"]) == ("understudy", MALFORMED)
    assert KEY[1].encode() not in answer
    assert not running.stage.recorder.transcript().exchanges
