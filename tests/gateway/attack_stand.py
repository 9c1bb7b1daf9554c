"""A running gateway between an attacker with a raw socket and a provider that keeps every byte; beside it a canary.

The canary is a second listener that nothing may ever connect to. When the stand is left, two ordinary requests on new
connections must get their own answers, and the canary must have been left alone.
"""

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from gateway_stand import KEY, UPSTREAM_KEY, Client, Gateway, Reply, asked, gateway, request
from live_doubles import Peer, RawServer, connect, frame, handshake, switching
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
    heads: tuple[bytes, bytes] = (b"", b"")  # of the last Live handshake: the one upstream, and its answer

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


@cache
def _few_roots() -> str:
    """A bundle with one certificate: reading the machine's roots takes longer than most attacks."""
    folder = tempfile.mkdtemp(prefix="understudy-roots-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "ca.pem")
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@asynccontextmanager
async def field(
    script: Script = echo, *, reads_body: bool = True, base: Callable[[Double], str] = lambda up: up.url, **ours: Any
) -> AsyncIterator[Field]:
    """An attack; what follows it must be in order."""
    async with double(script, reads_body=reads_body) as up, double() as canary:
        async with gateway(base(up), upstream_ca=_few_roots(), **ours) as running:
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


@asynccontextmanager
async def session(
    fields: tuple[bytes, ...] = (), answer: tuple[bytes, ...] = (), **ours: Any
) -> AsyncIterator[tuple[Peer, Peer, Field]]:
    """A Live session through a running gateway: client, provider, and where that takes place.

    Ordinary requests go to the same provider, so what must be in order afterwards is another session.
    """
    async with (
        RawServer() as provider,
        gateway(f"http://127.0.0.1:{provider.port}", upstream_ca=_few_roots(), **ours) as running,
    ):
        attack = Field(running, Double(), Double())
        client, peer = await opened(attack, provider, fields, answer)
        yield client, peer, attack
        await client.leave()
        await peer.leave()
        for word in (b"one", b"two"):
            client, peer = await opened(attack, provider)
            client.send(frame(1, word, masked=True))
            assert await asyncio.wait_for(peer.frame(), WAIT_S) == (1, word)
            peer.send(frame(2, word, masked=False))
            assert await asyncio.wait_for(client.frame(), WAIT_S) == (2, word)
            await client.leave()
            await peer.leave()


async def opened(
    attack: Field, provider: RawServer, fields: tuple[bytes, ...] = (), answer: tuple[bytes, ...] = ()
) -> tuple[Peer, Peer]:
    """Both ends of a new session; `fields` go with the client's handshake, `answer` with the provider's."""
    client = await connect(attack.port)
    client.send(handshake(LIVE.encode(), KEY_LINE[:-2], *fields))
    peer = await asyncio.wait_for(provider.accept(), WAIT_S)
    head = await peer.head()
    peer.send(switching(head, *answer))
    answered = await client.head()
    assert b" 101 " in answered
    attack.heads = (head, answered)
    return client, peer
