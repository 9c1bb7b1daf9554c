"""A running gateway between an attacker with a raw socket and a provider that keeps every byte; beside it a canary.

The canary is a second listener that nothing may ever connect to. When the stand is left, two ordinary requests on new
connections must get their own answers, and the canary must have been left alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway_stand import KEY, UPSTREAM_KEY, Client, Gateway, Reply, asked, gateway, request
from upstream_double import Double, Script, Seen, Talk, double, response

WAIT_S = 10.0
PATH = "/gemini/v1beta/models/gemini-2.5-flash:countTokens"
LIVE = "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
KEY_LINE = b"x-goog-api-key: " + KEY.encode() + b"\r\n"


async def echo(talk: Talk, seen: Seen) -> None:
    """The provider's answer tells one request from another."""
    await talk.send(response(b'{"echo": "%b"}' % (seen.values(b"x-number") or [b"?"])[0]))


@dataclass
class Field:
    """Where an attack takes place."""

    running: Gateway
    up: Double
    canary: Double

    @property
    def port(self) -> int:
        return int(self.running.http_url.rpartition(":")[2])

    async def hit(self, *pieces: bytes, pause_s: float = 0.0, quiet_s: float = 0.4) -> "Answers":
        """Send the pieces; what came until the gateway closed the connection, or said nothing for `quiet_s`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(pause_s)
            return await heard(reader, quiet_s)
        except ConnectionError:
            return await heard(reader, quiet_s)
        finally:
            writer.close()

    async def asked(self, data: bytes, *, is_head: bool = False) -> Reply:
        return await asyncio.wait_for(asked(self.running, data, is_head=is_head), WAIT_S)

    @asynccontextmanager
    async def talk(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


@dataclass
class Answers:
    """All that a connection said. `is_closed`: the gateway ended it."""

    data: bytes
    is_closed: bool

    @property
    def statuses(self) -> list[int]:
        """Those of every answer on the connection, in order; bodies have no such lines in them here."""
        lines = self.data.replace(b"HTTP/1.0 ", b"HTTP/1.1 ").split(b"HTTP/1.1 ")[1:]
        return [int(line[:3]) for line in lines if line[:3].isdigit()]


async def heard(reader: asyncio.StreamReader, quiet_s: float) -> Answers:
    data = b""
    while True:
        try:
            piece = await asyncio.wait_for(reader.read(65536), quiet_s if data else WAIT_S / 2)
        except TimeoutError:
            return Answers(data, is_closed=False)
        except ConnectionError:
            return Answers(data, is_closed=True)
        if not piece:
            return Answers(data, is_closed=True)
        data += piece


@asynccontextmanager
async def field(
    script: Script = echo, *, reads_body: bool = True, base: Callable[[Double], str] = lambda up: up.url, **ours: Any
) -> AsyncIterator[Field]:
    """An attack; what follows it must be in order."""
    async with double(script, reads_body=reads_body) as up, double() as canary:
        async with gateway(base(up), **ours) as running:
            found = Field(running, up, canary)
            yield found
            up.script, up.reads_body = echo, True
            for number in ("one", "two"):
                reply = await found.asked(request(PATH, headers={"x-number": number}))
                assert (reply.status, reply.body) == (200, b'{"echo": "%b"}' % number.encode())
        assert canary.connections == 0
    for seen in up.requests:
        assert KEY.encode() not in seen.head
        assert [value for _, value in seen.fields].count(UPSTREAM_KEY.encode()) == 1
        assert UPSTREAM_KEY.encode() not in seen.target
