"""A raw HTTP/1.1 client: it knows whether an answer came whole, and can leave in the middle of one."""

import asyncio
from dataclasses import dataclass
from typing import Final

_LIMIT: Final = 2**20
ANSWER_S: Final = 30.0
"""The longest wait for anything; the faults that are played take a second at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as far as it came. `is_whole`: its framing says that nothing is missing."""

    head: bytes
    body: bytes
    is_whole: bool

    @property
    def status(self) -> int:
        """The status of the head."""
        return int(self.head[9:12])

    def value(self, name: str) -> str | None:
        """The first field of that name."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.encode():
                return value.strip().decode("latin-1")
        return None


class NoAnswer(Exception):
    """The connection ended, or could not be made, before the head of an answer."""


class Wire:
    """One client's connection, made anew whenever it has ended."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, data: bytes) -> Answer:
        """Send a request; its answer. Raises NoAnswer if no head came."""
        async with asyncio.timeout(ANSWER_S):
            head = await self.head(data)
            return await self._rest(head)

    async def head(self, data: bytes) -> bytes:
        """Send a request; the head of its answer. Raises NoAnswer."""
        try:
            reader, writer = await self._open()
            writer.write(data)
            await writer.drain()
            return (await reader.readuntil(b"\r\n\r\n"))[:-2]
        except (OSError, asyncio.IncompleteReadError) as error:
            self.leave()
            raise NoAnswer from error

    def leave(self) -> None:
        """Break the connection off at once."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.transport.abort()

    async def send_only(self, data: bytes) -> None:
        """Send a request and read nothing. Raises NoAnswer."""
        try:
            _, writer = await self._open()
            writer.write(data)
            await writer.drain()
        except OSError as error:
            self.leave()
            raise NoAnswer from error

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.leave()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=_LIMIT)
        return self._reader, self._writer

    async def _rest(self, head: bytes) -> Answer:
        answer, body = Answer(head, b"", True), bytearray()
        reader = self._reader
        assert reader is not None
        length, is_whole = answer.value("content-length"), True
        try:
            if answer.status in (204, 304):
                pass
            elif answer.value("transfer-encoding") == "chunked":
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                await reader.readuntil(b"\r\n")
            elif length is not None:
                body += await reader.readexactly(int(length))
            else:
                body += await reader.read()
        except (asyncio.IncompleteReadError, OSError):
            is_whole = False
        if not is_whole or answer.value("connection") == "close":
            self.leave()
        return Answer(head, bytes(body), is_whole)
