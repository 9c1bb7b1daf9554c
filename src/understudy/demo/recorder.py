"""Stands between a client and the gateway, passes every byte on, and remembers it: the client's side of the story.

It ends TLS, because the Python Live client always dials it, and speaks plain TCP to the gateway.
"""

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ..messages import Sender


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one side as they passed, and when (monotonic seconds)."""

    sender: Sender
    data: bytes
    at: float


@dataclass(slots=True)
class Connection:
    """One client connection and everything that passed on it, in order."""

    pieces: list[Piece] = field(default_factory=list[Piece])


class Recorder:
    """A recording relay to `host:port`. As a context manager it listens on `port` (0 before it has one)."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext) -> None:
        self._upstream = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.connections: list[Connection] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            serving = tuple(self._serving)
            for writer in self._open:
                writer.transport.abort()
            await asyncio.gather(*serving)
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(writer)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
            self._open.add(up_writer)
            connection = Connection()
            self.connections.append(connection)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on("client", reader, up_writer, connection))
                both.create_task(_pass_on("server", up_reader, writer, connection))
            self._open.discard(up_writer)
        except OSError:
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            self._serving.discard(task)


async def _pass_on(
    sender: Sender, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection
) -> None:
    """Pass one direction on until it ends; then end the other end of it too."""
    try:
        while data := await reader.read(65536):
            connection.pieces.append(Piece(sender, data, time.monotonic()))
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        writer.transport.abort()
    finally:
        writer.close()
