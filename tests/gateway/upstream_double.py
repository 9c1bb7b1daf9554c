"""A provider made of a raw socket: keeps the exact bytes that came, answers what it is told, breaks off on demand."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Seen:
    """One request as it stood on the wire."""

    head: bytes
    body: bytes = b""

    @property
    def request_line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def target(self) -> bytes:
        return self.request_line.split(b" ")[1]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Talk:
    """One connection of the gateway, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()

    async def left(self) -> None:
        """Wait until the gateway has closed the connection."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Talk, Seen], Awaitable[None]]


def response(body: bytes, content_type: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, content_type, len(body))
    return head + body


def answering(data: bytes) -> Script:
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(data)

    return script


@dataclass
class Double:
    """The double: `script` answers each request; what came is in `requests`."""

    script: Script = field(default_factory=lambda: answering(response(b"{}")))
    reads_body: bool = True
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = Talk(reader, writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-2]
                seen = Seen(head)
                self.requests.append(seen)
                if self.reads_body:
                    seen.body = await read_body(reader, seen)
                await self.script(talk, seen)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            self.gone.set()
            writer.transport.abort()


async def read_body(reader: asyncio.StreamReader, seen: Seen) -> bytes:
    if b"chunked" in seen.values(b"transfer-encoding"):
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body
    lengths = seen.values(b"content-length")
    return await reader.readexactly(int(lengths[0])) if lengths else b""


@asynccontextmanager
async def double(
    script: Script | None = None, *, reads_body: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Double]:
    provider = Double(script or answering(response(b"{}")), reads_body)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await provider.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the double ends; asyncio's streams would log a cancelled connection as an error
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20, ssl=tls)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
