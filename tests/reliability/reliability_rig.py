"""What the fault rows share: ways to break a connection on purpose, waits with an end, a Live session by raw bytes."""

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway_stand import BOOK, GENERATE, KEY, Client, Reply, asked, request, usage
from live_doubles import Peer, connect, frame, handshake, switching
from upstream_double import Double, Talk, answering, response

from understudy_gateway.app import Gateway, Listen
from understudy_gateway.settings import GatewayConfig
from understudy_gateway.spend.store import SpendStore

UNIT = float(os.environ.get("UNDERSTUDY_TEST_UNIT", "1"))
NO_TIME = struct.pack("ii", 1, 0)
"""SO_LINGER: a close becomes a reset."""

ANSWER = response(json.dumps({"usageMetadata": usage(1000, 100)}).encode())
COST = "0.00055"  # 1000 x 0.0000003 + 100 x 0.0000025
STREAM = GENERATE.replace("generateContent", "streamGenerateContent") + "?alt=sse"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def soon(seconds: float = 10.0) -> asyncio.Timeout:
    """The end of a wait. What is to happen within a second has ten times that, and other limits are far longer."""
    return asyncio.timeout(seconds * UNIT)


async def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until `holds()`."""
    async with soon(seconds):
        while not holds():  # noqa: ASYNC110 - another side's state
            await asyncio.sleep(0.005)


def event(number: int, prompt: int = 1000, answer: int = 100) -> bytes:
    """One server-sent event whose usage is cumulative."""
    return b"data: " + json.dumps({"n": number, "usageMetadata": usage(prompt, answer)}).encode() + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def reset(end: Talk | Client | Peer) -> None:
    """Break off by a TCP reset."""
    connection: socket.socket = end.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_TIME)
    end.writer.transport.abort()


def finish(end: Talk | Client | Peer) -> None:
    """Break off by an ordinary end of the connection."""
    end.writer.transport.abort()


BREAKS: dict[str, Callable[[Talk], None]] = {"end": finish, "reset": reset}
"""How the other side goes."""


async def healthy(running: Gateway, up: Double) -> None:
    """Two ordinary requests on connections of their own with known answers: nothing is crossed, nothing poisoned."""
    for word in (b"first", b"second"):
        up.script = answering(response(word))
        reply = await asked(running, request())
        assert (reply.status, reply.body) == (200, word)


def own_error(reply: Reply, status: int, reason: str) -> None:
    """An answer of the gateway's own: typed, marked, and with its request id."""
    assert (reply.status, reply.reason, reply.is_whole) == (status, reason, True)
    assert reply.value(b"x-understudy-error") == reason.encode()
    assert reply.value(b"x-litellm-call-id")


@dataclass
class Clocks:
    """A clock for deadlines, and a time of day that can be set to something else."""

    passed: float = 0.0
    jumped: timedelta = timedelta(0)

    def monotonic(self) -> float:
        return 1000 + self.passed

    def now(self) -> datetime:
        return datetime(2026, 3, 15, 13, 14, 15, tzinfo=UTC) + timedelta(seconds=self.passed) + self.jumped


def of_clocks(config: GatewayConfig, clocks: Clocks, store: SpendStore | None = None) -> Gateway:
    """A gateway that takes its time from `clocks`."""
    return Gateway(config, Listen(), book=BOOK, store=store, now=clocks.now, monotonic=clocks.monotonic)


@asynccontextmanager
async def session(http: str) -> AsyncIterator[Peer]:
    """A Live client of the gateway at `http` whose handshake is sent."""
    found = await connect(int(http.rpartition(":")[2]))
    found.send(handshake(LIVE.encode(), b"x-goog-api-key: " + KEY.encode()))
    try:
        yield found
    finally:
        await found.leave()


async def takes_session(peer: Peer) -> None:
    """The provider's part of a handshake."""
    peer.send(switching(await peer.head()))


def usage_frame(prompt: int, answer: int) -> bytes:
    """A provider's Live message that ends a turn."""
    counts = {"promptTokenCount": prompt, "responseTokenCount": answer, "totalTokenCount": prompt + answer}
    body = {"serverContent": {"turnComplete": True}, "usageMetadata": counts}
    return frame(2, json.dumps(body).encode(), masked=False)
